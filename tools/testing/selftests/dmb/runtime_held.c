// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks that are made and dissolved while memory is short, or while somebody
 * holds what is needed for that: pages, or the lock of memory hotplug.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "load.h"
#include "making.h"
#include "silent.h"

FIXTURE(held)
{
	unsigned long long designated;
	unsigned long long total;
	struct ram range;
};

FIXTURE_SETUP(held)
{
	load_begin();
	self->range = making_part(4, 1);
	ASSERT_EQ(0, making_remove_all(making_part(0, 8)));
	self->designated = dmb_meminfo("DmbTotal");
	self->total = dmb_meminfo("MemTotal");
}

FIXTURE_TEARDOWN(held)
{
	EXPECT_EQ(0, making_remove_all(making_part(0, 8)));
	EXPECT_EQ(self->designated, dmb_meminfo("DmbTotal"));
	EXPECT_EQ(self->total, dmb_meminfo("MemTotal"));
	load_end();
}

/* How much is on LRU lists, and counted as memory in blocks, in bytes */
static unsigned long long listed_in_blocks(void)
{
	FILE *zoneinfo = fopen("/proc/zoneinfo", "r");
	unsigned long long pages = 0, value;
	char line[256], name[32];
	bool movable = false;

	/* Fold the per-cpu differences into the counters. */
	dmb_write("/proc/sys/vm/stat_refresh", "1");
	while (zoneinfo && fgets(line, sizeof(line), zoneinfo)) {
		if (!strncmp(line, "Node", 4))
			movable = strstr(line, "Movable");
		else if (movable &&
			 sscanf(line, " nr_zone_%31s %llu", name, &value) == 2 &&
			 strcmp(name, "write_pending"))
			pages += value;
	}
	if (zoneinfo)
		fclose(zoneinfo);
	return pages * sysconf(_SC_PAGESIZE);
}

/*
 * A block that is full is dissolved while there is room nowhere else. Its pages
 * stay where they are, also those that somebody holds.
 */
TEST_F(held, pages_stay_in_place)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	const size_t unit = dmb_pageblock_size();
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	size_t size, nr, i, half, listed, moved = 0;
	uint64_t *before, *after;
	unsigned long migrated, dropped, broken = 0;
	int pipes[2], nr_blocks;
	char *memory;

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	ASSERT_EQ(0, making_add(self->range, ""));
	ASSERT_LT(0, making_blocks_in(self->range, blocks, &nr_blocks));
	/* A broken page does not prevent it, either. */
	if (dmb_can_unpoison())
		broken = (blocks[0].base + blocks[0].size / 2) / page;
	ASSERT_FALSE(broken && dmb_poison(broken));
	memory = load_fill_areas(&size);
	ASSERT_NE(NULL, memory);
	load_fill_pattern(memory, size);
	load_hog(load_ordinary_free() - 2 * load_reserve(), 0, "anywhere");
	ASSERT_TRUE(load_hold_page(memory + size / 2, pipes));
	before = dmb_frames(memory, size);
	ASSERT_NE(NULL, before);

	listed = listed_in_blocks();
	migrated = load_vmstat("pgmigrate_success");
	dropped = load_vmstat("pgsteal_");
	half = blocks[0].size / 2 / unit * unit;
	EXPECT_EQ(0, making_remove(blocks[0].name, half));
	EXPECT_LE(listed - half - DMB_NOISE, listed_in_blocks());
	EXPECT_GE(listed - half + DMB_NOISE, listed_in_blocks());
	EXPECT_EQ(0, making_remove_all(self->range));
	EXPECT_EQ(migrated, load_vmstat("pgmigrate_success"));
	EXPECT_EQ(dropped, load_vmstat("pgsteal_"));
	EXPECT_EQ(self->designated, dmb_meminfo("DmbTotal"));

	after = dmb_frames(memory, size);
	ASSERT_NE(NULL, after);
	nr = size / page;
	for (i = 0; i < nr; i++)
		moved += before[i] != after[i];
	TH_LOG("%zu of %zu pages moved", moved, nr);
	EXPECT_EQ(0, moved);
	EXPECT_EQ(0, load_check_pattern(memory, size));
	load_free_hogs();
	munmap(memory, size);
	EXPECT_FALSE(broken && dmb_unpoison(broken));
	EXPECT_NO_VIOLATION();
}

/* If asked to, blocks yield free memory before the OOM killer kills. */
TEST_F_TIMEOUT(held, yield, 300)
{
	unsigned long yielded = dmb_read_number(SYSFS_DMB "/yielded");
	struct load_oom without, with;
	unsigned long long left;

	if (making_nr_boot_blocks())
		SKIP(return, "blocks of the command line would yield, too");
	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	ASSERT_EQ(0, making_add(self->range, ""));
	EXPECT_EQ(0, dmb_read_number(SYSFS_DMB "/yield"));
	without = load_until_oom(0);
	ASSERT_EQ(yielded, dmb_read_number(SYSFS_DMB "/yielded"));

	left = dmb_meminfo("DmbTotal");
	ASSERT_EQ(0, dmb_write(SYSFS_DMB "/yield", "1"));
	with = load_until_oom(0);
	EXPECT_EQ(0, dmb_write(SYSFS_DMB "/yield", "0"));
	yielded = dmb_read_number(SYSFS_DMB "/yielded") - yielded;
	TH_LOG("the kernel got %zu MiB, then %zu MiB, with %lu MiB of blocks",
	       without.got / MB, with.got / MB, yielded / MB);
	EXPECT_GT(yielded, self->range.size / 2);
	EXPECT_EQ(left - yielded, dmb_meminfo("DmbTotal"));
	/* How much it gets varies a little. */
	EXPECT_GT(with.got, without.got + yielded / 4 * 3);
	EXPECT_NO_VIOLATION();
}

/* The same while somebody else tries to dissolve another block. */
TEST_F_TIMEOUT(held, yield_beside_changes, 300)
{
	unsigned long yielded = dmb_read_number(SYSFS_DMB "/yielded");
	size_t size = 64 * MB;
	struct ram other = making_part(6, 1);
	struct load_oom with = { };
	int pipes[2], tries;
	void *memory;
	pid_t pid;

	if (making_nr_boot_blocks())
		SKIP(return, "blocks of the command line would yield, too");
	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	ASSERT_EQ(0, making_add(other, ""));
	memory = load_write_pattern(size);
	ASSERT_NE(NULL, memory);
	ASSERT_TRUE(load_hold_page(memory, pipes));
	ASSERT_EQ(0, making_add(self->range, ""));
	/* Each try waits for the page for a second. */
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;; usleep(50000))
			making_remove_all(other);
	}
	sleep(1);
	ASSERT_EQ(0, dmb_write(SYSFS_DMB "/yield", "1"));
	/* A request of the task that dissolves may come first, and kill. */
	for (tries = 0; tries < 3 &&
	     dmb_read_number(SYSFS_DMB "/yielded") == yielded; tries++)
		with = load_until_oom(0);
	EXPECT_EQ(0, dmb_write(SYSFS_DMB "/yield", "0"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	yielded = dmb_read_number(SYSFS_DMB "/yielded") - yielded;
	TH_LOG("the kernel got %zu MiB, with %lu MiB of blocks", with.got / MB,
	       yielded / MB);
	EXPECT_LT(0, yielded);
	close(pipes[0]);
	close(pipes[1]);
	EXPECT_EQ(0, load_check_pattern(memory, size));
	munmap(memory, size);
	EXPECT_EQ(0, making_remove_all(other));
	EXPECT_NO_VIOLATION();
}

static void do_nothing(int signal)
{
}

/* A task that a signal ends leaves the blocks as they were, or has made one. */
TEST_F(held, killed)
{
	size_t size = (self->total - self->designated) / 3;
	void *memory;
	int i, status;
	pid_t pid;

	if (making_nr_boot_blocks())
		SKIP(return, BOOT_BLOCKS);
	memory = load_write_pattern(size);
	for (i = 0; i < 6; i++) {
		pid = fork();
		if (!pid) {
			struct sigaction action = { .sa_handler = do_nothing };
			int err;

			sigaction(SIGINT, &action, NULL);
			err = making_add(self->range, "");
			_exit(err && err != -EINTR);
		}
		usleep(2000 << i % 6);
		kill(pid, i % 2 ? SIGINT : SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		/* A shell survives Ctrl-C, and so does this. */
		if (i % 2)
			EXPECT_EQ(0, status);
		EXPECT_NO_VIOLATION();
		EXPECT_EQ(0, making_remove_all(self->range));
		EXPECT_EQ(self->designated, dmb_meminfo("DmbTotal"));
	}
	EXPECT_EQ(0, load_check_pattern(memory, size));
	munmap(memory, size);
}

/* Have memory go offline that somebody holds a page of. Return 0 if it fails. */
static pid_t offline_for_ever(void *memory, uint64_t base, int pipes[2])
{
	pid_t pid;

	if (!load_hold_page(memory, pipes))
		return 0;
	pid = fork();
	if (!pid) {
		close(pipes[0]);
		close(pipes[1]);
		_exit(dmb_set_memory_state(base, "offline"));
	}
	usleep(500000);
	if (!waitpid(pid, NULL, WNOHANG))
		return pid;
	close(pipes[0]);
	close(pipes[1]);
	return 0;
}

/* A writer that waits for memory hotplug can be killed. */
TEST_F(held, killed_beside_offlining)
{
	size_t page = sysconf(_SC_PAGESIZE), size = self->total / 4, at;
	char *memory = load_write_pattern(size);
	pid_t offlining = 0, maker;
	uint64_t *frames, base = 0;
	int pipes[2];

	ASSERT_NE(NULL, memory);
	frames = dmb_frames(memory, size);
	for (at = 0; at < size && !offlining; at += 64 * MB) {
		base = frames[at / page] * page;
		offlining = offline_for_ever(memory + at, base, pipes);
	}
	if (!offlining)
		SKIP(return, "this memory does not go offline");

	maker = fork();
	if (!maker) {
		close(pipes[0]);
		close(pipes[1]);
		_exit(!!making_add(self->range, ""));
	}
	usleep(500000);
	kill(maker, SIGKILL);
	EXPECT_TRUE(load_ends_within(maker, 5));
	close(pipes[0]);
	close(pipes[1]);
	waitpid(offlining, NULL, 0);
	waitpid(maker, NULL, 0);
	dmb_set_memory_state(base, "online");
	EXPECT_EQ(0, making_remove_all(self->range));
	free(frames);
	munmap(memory, size);
}

/*
 * Find the last page that is being read: the kernel takes its own pages from
 * low addresses first. Return its address, or 0.
 */
static uint64_t page_being_read(void)
{
	const uint64_t locked = 1 << 0, uptodate = 1 << 3, lru = 1 << 5;
	int fd = open("/proc/kpageflags", O_RDONLY);
	uint64_t flags[512], frame, found = 0;
	ssize_t i, len;

	/* The page has the flag LRU only when it has left a CPU's batch. */
	dmb_write("/proc/sys/vm/drop_caches", "1");
	for (frame = 0; fd >= 0; frame += i) {
		len = pread(fd, flags, sizeof(flags), frame * sizeof(*flags));
		if (len <= 0)
			break;
		for (i = 0; i < len / (ssize_t)sizeof(*flags); i++)
			if ((flags[i] & (locked | uptodate | lru)) ==
			    (locked | lru))
				found = frame + i;
	}
	if (fd >= 0)
		close(fd);
	return found * sysconf(_SC_PAGESIZE);
}

/*
 * Any user can keep pages locked like this. Whoever makes a block there waits
 * for them, within bounds, and any signal ends that.
 */
TEST_F(held, reads_that_get_no_answer_are_waited_for)
{
	unsigned long long unit = dmb_pageblock_size();
	const size_t size = self->total / 4;
	struct silent_file file;
	struct ram range;
	void *memory;
	pid_t maker;

	/* Use up what is free beside the kernel's own pages. */
	memory = dmb_touch(size, false);
	ASSERT_NE(NULL, memory);
	if (!silent_start(&file))
		SKIP(return, "needs FUSE_FS");
	range.size = unit;
	range.base = page_being_read() / unit * unit;
	ASSERT_LT(0, range.base);
	maker = making_start(range);
	EXPECT_FALSE(load_ends_within(maker, 3));
	kill(maker, SIGTERM);
	EXPECT_TRUE(load_ends_within(maker, 10));

	/* Without a signal, it gives up. */
	maker = making_start(range);
	if (load_ends_within(maker, 90))
		maker = 0;
	EXPECT_EQ(0, maker);
	EXPECT_EQ(self->designated, dmb_meminfo("DmbTotal"));
	silent_stop(&file);
	if (maker)
		waitpid(maker, NULL, 0);
	EXPECT_EQ(0, making_add(range, " exact"));
	munmap(memory, size);
}

int main(int argc, char **argv)
{
	making_begin();
	return test_harness_run(argc, argv);
}
