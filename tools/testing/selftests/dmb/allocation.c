// SPDX-License-Identifier: GPL-2.0
/* Only eligible requests get designated memory, and they get it first. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"
#include "dmb_util.h"

#define SIZE	(64 * (long)MB)

/*
 * Unmapped memory is freed in batches. A pipe that holds the last reference to
 * pages frees them one by one, which takes another path in the allocator.
 */
static bool free_one_by_one(void)
{
	struct iovec iov = { .iov_len = MB };
	bool spliced = false;
	int fds[2];

	iov.iov_base = dmb_touch(MB, false);
	if (!iov.iov_base || pipe(fds))
		return false;
	if (fcntl(fds[1], F_SETPIPE_SZ, MB) == MB)
		spliced = vmsplice(fds[1], &iov, 1, 0) == MB;
	munmap(iov.iov_base, MB);
	close(fds[0]);
	close(fds[1]);
	return spliced;
}

FIXTURE(allocation)
{
	long long used;
};

FIXTURE_SETUP(allocation)
{
	/* Stay on one CPU, to find the pages that it freed to its lists. */
	ASSERT_EQ(0, dmb_run_on(0));

	self->used = dmb_audit().used;
	if (dmb_audit().unused < SIZE + DMB_NOISE)
		SKIP(return, "blocks are too full");
}

FIXTURE_TEARDOWN(allocation)
{
	struct dmb_audit audit = dmb_audit();

	EXPECT_EQ(0, audit.violations);
	EXPECT_LT(llabs(audit.used - self->used), DMB_NOISE);
}

FIXTURE_VARIANT(allocation)
{
	bool huge;
};

FIXTURE_VARIANT_ADD(allocation, base_pages)
{
	.huge = false,
};

FIXTURE_VARIANT_ADD(allocation, huge_pages)
{
	.huge = true,
};

TEST_F(allocation, anonymous_memory_comes_from_blocks)
{
	void *memory = dmb_touch(SIZE, variant->huge);

	ASSERT_NE(NULL, memory);
	EXPECT_EQ(SIZE, dmb_bytes_in_blocks(memory, SIZE));
	munmap(memory, SIZE);
}

/*
 * Page cache of a block device can be migrated, but its mapping allows neither
 * highmem nor movable pages.
 */
TEST_F(allocation, block_device_buffers_stay_out)
{
	void *memory = dmb_touch(SIZE, variant->huge);
	struct dmb_audit audit;
	int fd;

	ASSERT_NE(NULL, memory);
	munmap(memory, SIZE);
	EXPECT_TRUE(free_one_by_one());

	fd = dmb_read_device(SIZE / 2);
	if (fd < 0)
		SKIP(return, "no zram device to use");

	audit = dmb_audit();
	EXPECT_EQ(0, audit.violations);
	EXPECT_LT(llabs(audit.used - self->used), DMB_NOISE);

	dmb_close_device(fd);
}

TEST_F(allocation, kernel_memory_stays_out)
{
	void *memory = dmb_touch(SIZE, variant->huge);
	struct dmb_audit audit;
	size_t filled;

	ASSERT_NE(NULL, memory);
	munmap(memory, SIZE);

	filled = dmb_fill_pipes(SIZE);
	EXPECT_GE(filled, SIZE / 2);
	audit = dmb_audit();
	EXPECT_EQ(0, audit.violations);
	EXPECT_LT(llabs(audit.used - self->used), DMB_NOISE);
	dmb_close_pipes();
}

TEST_F(allocation, slab_stays_out)
{
	char dir[] = "/tmp/dmb-slab-XXXXXX", name[PATH_MAX];
	void *memory = dmb_touch(SIZE, variant->huge);
	struct dmb_audit audit;
	int i;

	ASSERT_NE(NULL, memory);
	munmap(memory, SIZE);

	/* Directories of a ramfs: inodes, dentries and names, no page cache. */
	ASSERT_NE(NULL, mkdtemp(dir));
	ASSERT_EQ(0, mount("none", dir, "ramfs", 0, NULL));
	for (i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name),
			 "%s/directory-with-a-long-name-number-%d", dir, i);
		ASSERT_EQ(0, mkdir(name, 0700));
	}
	audit = dmb_audit();
	EXPECT_EQ(0, audit.violations);
	EXPECT_LT(llabs(audit.used - self->used), DMB_NOISE);
	EXPECT_EQ(0, umount(dir));
	rmdir(dir);
}

TEST_F(allocation, page_cache_comes_from_blocks)
{
	static char buf[1 * MB];
	long done;
	int fd;

	if (variant->huge)
		SKIP(return, "base pages only");

	fd = memfd_create("dmb", 0);
	ASSERT_GE(fd, 0);
	for (done = 0; done < SIZE; done += sizeof(buf))
		ASSERT_EQ(sizeof(buf), write(fd, buf, sizeof(buf)));
	EXPECT_LT(llabs(dmb_audit().used - self->used - SIZE), DMB_NOISE);
	close(fd);
}

static void free_kernel_memory(void)
{
	dmb_fill_pipes(SIZE);
	dmb_empty_pipes();
}

static void free_user_memory(void)
{
	void *memory = dmb_touch(SIZE, false);

	if (memory)
		munmap(memory, SIZE);
}

/*
 * Read the lists on another CPU than the one to judge. The kernel frees the
 * whole list of a CPU that frees two pages of a higher order in a row, as with
 * the buffers of a long /proc/zoneinfo.
 */
static struct dmb_lists read_lists_of_cpu_0(int reader)
{
	struct dmb_lists lists;

	dmb_run_on(reader);
	lists = dmb_read_lists(0);
	dmb_run_on(0);
	return lists;
}

/*
 * Designated and other pages do not compete for room in per-cpu lists, as if
 * they were in two zones. A round in which the kernel frees a list as a whole,
 * as with slabs, is repeated. If the pages do compete, no round succeeds.
 */
TEST_F(allocation, per_cpu_lists_have_room_for_both)
{
	struct dmb_lists first, second, third;
	int last = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	bool have_room = false;
	int round;

	if (variant->huge)
		SKIP(return, "base pages only");

	/* A fixed limit, below the number of pages that are freed */
	ASSERT_EQ(0, dmb_write(PCP_FRACTION, "256"));
	for (round = 0; round < 5 && !have_room; round++) {
		/* The audit counts lists of all CPUs. Empty the others. */
		dmb_drain_lists();
		/* Get below the limit, so that no pages are freed gradually. */
		free_user_memory();
		free_kernel_memory();
		first = read_lists_of_cpu_0(last);
		free_user_memory();
		second = read_lists_of_cpu_0(last);
		free_kernel_memory();
		third = read_lists_of_cpu_0(last);
		TH_LOG("designated and other pages in lists: %lu and %lu, %lu and %lu, %lu and %lu",
		       first.designated, first.others, second.designated,
		       second.others, third.designated, third.others);
		have_room = first.others &&
			    first.others * 3 / 4 < second.others &&
			    second.designated &&
			    second.designated * 3 / 4 < third.designated;
	}
	dmb_close_pipes();
	ASSERT_EQ(0, dmb_write(PCP_FRACTION, "0"));
	EXPECT_TRUE(have_room);
}

/* Requests use the blocks to the last page before ordinary memory. */
TEST_F(allocation, blocks_fill_up_then_spill)
{
	long size = dmb_audit().unused + SIZE;
	int cpu, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	void *memory, **more = calloc(cpus, sizeof(*more));

	if (variant->huge)
		SKIP(return, "base pages only");
	if (dmb_meminfo("MemAvailable") < size + 3 * SIZE * cpus)
		SKIP(return, "not enough ordinary memory to spill into");

	memory = dmb_touch(size, false);
	ASSERT_NE(NULL, memory);
	EXPECT_LE(dmb_meminfo("DmbFree"), dmb_meminfo("DmbTotal") / 100);

	/* Only that CPU can use free pages in its lists. */
	for (cpu = 0; cpu < cpus; cpu++) {
		ASSERT_EQ(0, dmb_run_on(cpu));
		more[cpu] = dmb_touch(2 * SIZE, false);
		ASSERT_NE(NULL, more[cpu]);
	}
	EXPECT_LE(dmb_audit().unused, dmb_meminfo("DmbTotal") / 1000);
	EXPECT_LT(dmb_bytes_in_blocks(memory, size), size);
	munmap(memory, size);
	for (cpu = 0; cpu < cpus; cpu++)
		munmap(more[cpu], 2 * SIZE);
	free(more);
}

int main(int argc, char **argv)
{
	dmb_need_blocks();
	return test_harness_run(argc, argv);
}
