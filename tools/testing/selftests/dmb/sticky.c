// SPDX-License-Identifier: GPL-2.0
/* A designated pageblock keeps its type. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../kselftest_harness.h"
#include "memory.h"

#define SIZE	(64 * MB)

/* Seconds to try a memory block that cannot go offline */
#define PATIENCE	2

FIXTURE(sticky)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	struct dmb_state before;
	int nr;
};

FIXTURE_SETUP(sticky)
{
	/* The previous test may not have ended regularly. */
	dmb_write(DEBUGFS_DMB "/violate", "none");

	self->nr = dmb_read_blocks(self->blocks);
	self->before = dmb_note_state(false);
	ASSERT_GT(self->before.pageblocks, 0);
}

FIXTURE_TEARDOWN(sticky)
{
	EXPECT_UNCHANGED(&self->before);
}

/* Free every other page, so that compaction has something to do. */
static void free_half(char *memory, size_t size)
{
	size_t i, page = sysconf(_SC_PAGESIZE);

	for (i = 0; i < size; i += 2 * page)
		madvise(memory + i, page, MADV_DONTNEED);
}

/* A memory block that lies in a designated block and can go offline, or 0. */
static unsigned long memory_block_inside(struct dmb_block *blocks, int nr)
{
	unsigned long unit = dmb_memory_block_size(), base;
	int i;

	for (i = 0; unit && !DMB_STAYS_ONLINE && i < nr; i++) {
		base = (blocks[i].base + unit - 1) / unit * unit;
		if (base + unit <= blocks[i].base + blocks[i].size)
			return base;
	}
	return 0;
}

FIXTURE_VARIANT(sticky)
{
	size_t used;
};

FIXTURE_VARIANT_ADD(sticky, free)
{
	.used = 0,
};

FIXTURE_VARIANT_ADD(sticky, in_use)
{
	.used = SIZE,
};

TEST_F(sticky, memory_offline_and_online)
{
	unsigned long base = memory_block_inside(self->blocks, self->nr);
	unsigned long unit = dmb_memory_block_size();
	struct dmb_audit audit;
	void *memory = NULL;

	if (!base)
		SKIP(return, "no memory block inside a designated one goes offline");
	if (variant->used) {
		memory = dmb_touch(variant->used, false);
		ASSERT_NE(NULL, memory);
	}

	ASSERT_EQ(0, dmb_set_memory_state(base, "offline"));
	EXPECT_EQ(self->before.total - unit, dmb_meminfo("DmbTotal"));
	audit = dmb_audit();
	EXPECT_EQ(self->before.total - unit, audit.used + audit.unused);
	/* The pages moved from one place in the blocks to another. */
	if (memory) {
		EXPECT_EQ(variant->used,
			  dmb_bytes_in_blocks(memory, variant->used));
		/* Offline memory at the edge of a zone is not in the zone. */
		free_half(memory, variant->used);
		EXPECT_EQ(0, dmb_write("/proc/sys/vm/compact_memory", "1"));
	}

	ASSERT_EQ(0, dmb_set_memory_state(base, "online"));
	if (memory)
		munmap(memory, variant->used);
}

/* Designated memory that comes online is designated again, not ZONE_MOVABLE. */
TEST_F(sticky, memory_offline_and_online_movable)
{
	unsigned long base = memory_block_inside(self->blocks, self->nr);
	void *memory;
	long size;

	if (!base)
		SKIP(return, "no memory block inside a designated one goes offline");
	if (variant->used)
		SKIP(return, "same as with free memory");

	ASSERT_EQ(0, dmb_set_memory_state(base, "offline"));
	ASSERT_EQ(0, dmb_set_memory_state(base, "online_movable"));
	/* Ordinary memory is used before the lists of other CPUs. */
	ASSERT_EQ(0, dmb_run_on(0));
	dmb_drain_lists();
	size = dmb_audit().unused - DMB_NOISE;
	memory = dmb_touch(size, false);
	ASSERT_NE(NULL, memory);
	EXPECT_EQ(size, dmb_bytes_in_blocks(memory, size));
	munmap(memory, size);
}

/* How many bytes of a memory block are designated? */
static unsigned long designated_in(unsigned long base, unsigned long unit)
{
	struct dmb_block found[DMB_MAX_BLOCKS];
	int i, nr = memory_blocks_in(base, base + unit, found);
	unsigned long bytes = 0;

	for (i = 0; i < nr; i++) {
		unsigned long start = found[i].base,
			      end = start + found[i].size;

		bytes += (end < base + unit ? end : base + unit) -
			 (start > base ? start : base);
	}
	return bytes;
}

/*
 * Take a memory block offline that is designated in part, and bring it online.
 * Return false if the kernel has pages in the ordinary part.
 */
static bool toggle_partly(struct __test_metadata *_metadata,
			  const FIXTURE_DATA(sticky) *self, unsigned long base)
{
	unsigned long unit = dmb_memory_block_size(),
		      part = designated_in(base, unit);
	unsigned long long total = dmb_meminfo("MemTotal");
	char text[64], zone[64];
	struct dmb_audit audit;
	int log, err;

	EXPECT_TRUE(memory_read(base, "valid_zones", zone, sizeof(zone)));
	err = dmb_set_memory_state(base, "offline");
	if (err) {
		EXPECT_EQ(-EBUSY, err);
		return false;
	}
	TH_LOG("%lu of %lu MiB at %#lx are designated", part / MB, unit / MB,
	       base);
	EXPECT_EQ(self->before.total - part, dmb_meminfo("DmbTotal"));
	EXPECT_EQ(total - unit, dmb_meminfo("MemTotal"));
	audit = dmb_audit();
	EXPECT_EQ(self->before.total - part, audit.used + audit.unused);
	EXPECT_AGREEMENT(0);

	/* The rest cannot come online in ZONE_MOVABLE, nor leave it. */
	log = dmb_open_log(true);
	EXPECT_EQ(-EINVAL, dmb_set_memory_state(base, "online_movable"));
	EXPECT_EQ(1, dmb_log_count(log, "in ZONE_MOVABLE: a part of it"));
	if (!strcmp(zone, "Movable")) {
		EXPECT_EQ(-EINVAL, dmb_set_memory_state(base, "online_kernel"));
		EXPECT_EQ(1, dmb_log_count(log, "outside of ZONE_MOVABLE"));
	}
	close(log);
	EXPECT_FALSE(memory_online(base));
	EXPECT_EQ(part, designated_in(base, unit));
	EXPECT_EQ(self->before.total - part, dmb_meminfo("DmbTotal"));
	EXPECT_EQ(total - unit, dmb_meminfo("MemTotal"));
	EXPECT_AGREEMENT(0);

	EXPECT_EQ(0, dmb_set_memory_state(base, "online"));
	EXPECT_TRUE(memory_read(base, "valid_zones", text, sizeof(text)));
	EXPECT_STREQ(zone, text);
	EXPECT_EQ(part, designated_in(base, unit));
	EXPECT_EQ(self->before.total, dmb_meminfo("DmbTotal"));
	EXPECT_EQ(total, dmb_meminfo("MemTotal"));
	EXPECT_AGREEMENT(0);
	EXPECT_NO_VIOLATION();
	return true;
}

/* Count the pages that do not have what dmb_touch() has written. */
static size_t wrong_pages(const char *memory, size_t size)
{
	size_t at, page = sysconf(_SC_PAGESIZE), wrong = 0;

	for (at = 0; at < size; at += page)
		wrong += memory[at] != (char)(at / page);
	return wrong;
}

/* A memory block that a designated block begins or ends in */
TEST_F(sticky, memory_designated_in_part)
{
	unsigned long unit = dmb_memory_block_size(), base, last = 0;
	int i, toggled = 0, stay = 0;
	void *memory;
	size_t size;

	if (!unit || DMB_STAYS_ONLINE)
		SKIP(return, "boot memory does not go offline");
	/* Fill the blocks, so that there is data in each part. */
	size = variant->used ? dmb_audit().unused - DMB_NOISE :
			       sysconf(_SC_PAGESIZE);
	memory = dmb_touch(size, false);
	ASSERT_NE(NULL, memory);
	/* Other pages may have to move out of blocks, and stay outside. */
	self->before.claims = true;
	for (i = 0; i < 2 * self->nr; i++) {
		base = self->blocks[i / 2].base;
		if (i % 2)
			base += self->blocks[i / 2].size - 1;
		base = base / unit * unit;
		if (base == last || designated_in(base, unit) == unit)
			continue;
		last = base;
		if (toggle_partly(_metadata, self, base))
			toggled++;
		else
			stay++;
	}
	EXPECT_EQ(0, wrong_pages(memory, size));
	munmap(memory, size);
	if (!toggled)
		SKIP(return, stay ? "the kernel has some of this memory" :
				    "blocks consist of whole memory blocks");
}

static void wake_up(int sig)
{
}

/* The type also survives when a failed isolation is undone. */
TEST_F(sticky, memory_offline_that_fails)
{
	struct sigaction action = { .sa_handler = wake_up };
	unsigned long address;

	if (!dmb_memory_block_size() || access(DEBUGFS_DMB "/violate", W_OK))
		SKIP(return, "needs memory hotplug and CONFIG_DMB_DEBUG");
	if (variant->used)
		SKIP(return, "same as with free memory");

	/*
	 * A page that cannot move: offlining tries until it is interrupted, or
	 * fails after the isolation.
	 */
	ASSERT_EQ(0, dmb_write(DEBUGFS_DMB "/violate", "page"));
	address = dmb_audit().pfn * sysconf(_SC_PAGESIZE);
	ASSERT_NE(0, address);

	sigaction(SIGALRM, &action, NULL);
	alarm(PATIENCE);
	EXPECT_EQ(DMB_STAYS_ONLINE ? -EPERM : -EINTR,
		  dmb_set_memory_state(address, "offline"));
	ASSERT_EQ(0, dmb_write(DEBUGFS_DMB "/violate", "none"));
}

TEST_F(sticky, compaction)
{
	char *memory = NULL;

	if (variant->used) {
		memory = dmb_touch(variant->used, false);
		ASSERT_NE(NULL, memory);
		free_half(memory, variant->used);
	}
	EXPECT_EQ(0, dmb_write("/proc/sys/vm/compact_memory", "1"));
	if (memory)
		munmap(memory, variant->used);
}

/*
 * Compaction moves pages from the beginning of a zone to its end. If a block is
 * near the end, with less ordinary memory behind it than there is to move, that
 * would put pages into the block that must not be there.
 */
TEST_F(sticky, compaction_of_block_device_buffers)
{
	size_t page = sysconf(_SC_PAGESIZE), size, i;
	int fd;

	if (variant->used)
		SKIP(return, "same as with free memory");

	size = (dmb_meminfo("MemAvailable") - dmb_meminfo("DmbFree")) / 2 / MB *
	       MB;
	fd = dmb_read_device(size);
	if (fd < 0)
		SKIP(return, "no zram device to use");
	/* Make holes everywhere, so that compaction has work to do. */
	for (i = 0; i < size; i += 2 * page)
		posix_fadvise(fd, i, page, POSIX_FADV_DONTNEED);
	EXPECT_EQ(0, dmb_write("/proc/sys/vm/compact_memory", "1"));
	EXPECT_EQ(0, dmb_audit().violations);
	dmb_close_device(fd);
}

TEST_F(sticky, hugetlb_pool)
{
	if (variant->used)
		SKIP(return, "same as with free memory");
	if (dmb_write("/proc/sys/vm/nr_hugepages", "16"))
		SKIP(return, "no hugetlb");
	EXPECT_EQ(0, dmb_write("/proc/sys/vm/nr_hugepages", "0"));
}

/* A pageblock keeps its type if a page is taken out of the allocator. */
TEST_F(sticky, soft_offline)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint64_t *frame;
	char *memory;

	if (!dmb_can_unpoison())
		SKIP(return, "needs CONFIG_MEMORY_FAILURE and HWPOISON_INJECT");
	if (!variant->used)
		SKIP(return, "wants a page in use");

	memory = dmb_touch(page, false);
	ASSERT_NE(NULL, memory);
	ASSERT_EQ(page, dmb_bytes_in_blocks(memory, page));
	frame = dmb_frames(memory, page);

	ASSERT_EQ(0, dmb_poison_softly(frame[0]));
	EXPECT_EQ(self->before.pageblocks, dmb_pageblocks());

	EXPECT_EQ(0, dmb_unpoison(frame[0]));
	free(frame);
	munmap(memory, page);
}

int main(int argc, char **argv)
{
	dmb_need_blocks();
	return test_harness_run(argc, argv);
}
