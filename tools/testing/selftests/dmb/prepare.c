// SPDX-License-Identifier: GPL-2.0
/*
 * A driver says ahead of time what it will claim. A worker of the kernel empties
 * the memory, but for clean page cache, which is in use until the claim.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "claims.h"
#include "load.h"

#define DRIVER_MODULE	"test_modules/dmb_prepare.ko"
#define COMMAND		"/sys/kernel/debug/dmb_prepare"
#define OBSTACLES	DEBUGFS_DMB "/obstacles"
#define SIZE		(64 * MB)
#define TRIES		200	/* of 50 ms: for how long to wait for the worker */

FIXTURE(prepare)
{
	struct dmb_block block;
	struct dmb_state before;
	struct tenants tenants;
	uint64_t start;		/* SIZE bytes of the block begin here */
	size_t pageblock;
	size_t nr;		/* pageblocks in these */
};

FIXTURE_SETUP(prepare)
{
	self->tenants.fd = -1;
	self->pageblock = dmb_pageblock_size();
	self->nr = SIZE / self->pageblock;
	if (!claims_choose_block(&self->block, &self->before) ||
	    (access(COMMAND, W_OK) && dmb_load_module(DRIVER_MODULE, "")))
		SKIP(return, "needs " DMB_CLAIM " and " DRIVER_MODULE);
	if (self->block.size < 2 * SIZE || self->nr < 16)
		SKIP(return, "needs a larger block, or smaller pageblocks");
	self->start = self->block.base;
}

FIXTURE_TEARDOWN(prepare)
{
	dmb_write(COMMAND, "drop");
	dmb_write(COMMAND, "release");
	EXPECT_EQ(0, dmb_claimed());
	claims_move_out(&self->tenants);
	load_end();
	EXPECT_UNCHANGED(&self->before);
	syscall(SYS_delete_module, "dmb_prepare", 0);
}

static int command(const char *format, ...)
{
	char text[96];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return dmb_write(COMMAND, text);
}

/* Prepare so many pageblocks, of so many. */
static int prepare(const FIXTURE_DATA(prepare) *self, size_t nr, size_t of)
{
	return command("prepare %zu %zu %#llx %#llx", nr, self->pageblock,
		       (unsigned long long)self->start,
		       (unsigned long long)self->start + of * self->pageblock);
}

/* How many pages of the tenants are in what is prepared? */
static size_t tenants_there(const FIXTURE_DATA(prepare) *self)
{
	uint64_t *frames = dmb_frames(self->tenants.memory, self->tenants.size);
	size_t i, nr = 0;

	for (i = 0; i < self->tenants.size / sysconf(_SC_PAGESIZE); i++)
		nr += claims_frame_within(frames[i], self->start, SIZE);
	free(frames);
	return nr;
}

/* Return how many of their pages are left when the worker has come to an end. */
static size_t tenants_left(const FIXTURE_DATA(prepare) *self)
{
	size_t nr = tenants_there(self);
	int tries;

	for (tries = 0; nr && tries < TRIES; tries++) {
		usleep(50000);
		nr = tenants_there(self);
	}
	return nr;
}

/* The address of the last page of the tenants in the first block */
static uint64_t last_tenant(const FIXTURE_DATA(prepare) *self)
{
	uint64_t *frames = dmb_frames(self->tenants.memory, self->tenants.size);
	size_t i, page = sysconf(_SC_PAGESIZE);
	uint64_t last = 0;

	for (i = 0; i < self->tenants.size / page; i++)
		if (claims_frame_within(frames[i], self->block.base,
					self->block.size) &&
		    frames[i] * page > last)
			last = frames[i] * page;
	free(frames);
	return last;
}

/* Page cache stays and can be read, while others move. The claim drops it. */
TEST_F(prepare, clean_cache_stays_in_use)
{
	struct tenants cached = { .fd = -1 };
	struct load_cache cache, again;
	unsigned long moved;
	size_t there, lost;

	/* Half of what is prepared has these, and the other half page cache. */
	ASSERT_TRUE(claims_move_in(ANONYMOUS, &self->tenants,
				   load_area_bytes() / 4));
	ASSERT_GE(last_tenant(self), self->block.base + SIZE / 2);
	self->start = last_tenant(self) / self->pageblock * self->pageblock -
		      SIZE / 2;
	if (!claims_move_in(CLEAN, &cached, load_area_bytes() / 2))
		SKIP(return, "needs zram, ext4 and mke2fs");
	cache = load_note_cache();
	again = load_note_cache();
	there = tenants_there(self);
	ASSERT_EQ(0, prepare(self, self->nr, self->nr));
	EXPECT_EQ(0, tenants_left(self));
	lost = load_cache_lost(&cache);
	TH_LOG("%zu pages of processes have moved, %zu of page cache are gone",
	       there, lost);
	EXPECT_GT(there, self->tenants.size / sysconf(_SC_PAGESIZE) / 100);
	EXPECT_LT(lost, there / 100 + 16);

	moved = load_vmstat("pgmigrate_success");
	ASSERT_EQ(0, command("claim"));
	moved = load_vmstat("pgmigrate_success") - moved;
	lost = load_cache_lost(&again);
	TH_LOG("the claim moves %lu pages, and drops %zu", moved, lost);
	EXPECT_EQ(SIZE, dmb_claimed());
	EXPECT_LT(moved, there / 20 + 16);
	EXPECT_GT(lost, there / 2);
	EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
	claims_move_out(&cached);
}

/* Nobody gets what is free, until the driver does not want it any more. */
TEST_F(prepare, free_memory_is_kept)
{
	size_t unused = load_area_free();
	int tries;

	ASSERT_EQ(0, prepare(self, self->nr, self->nr));
	for (tries = 0; load_area_free() > unused - SIZE / 2 && tries < TRIES;
	     tries++)
		usleep(50000);
	usleep(200000);
	ASSERT_TRUE(claims_move_in(ANONYMOUS, &self->tenants, unused));
	EXPECT_EQ(0, tenants_there(self));
	EXPECT_NO_VIOLATION();

	EXPECT_EQ(-EBUSY, dmb_claim(self->block.base, self->pageblock));
	EXPECT_NE(0, dmb_set_memory_state(self->block.base, "offline"));
	EXPECT_EQ(0, dmb_claimed());
	ASSERT_EQ(0, command("drop"));
	EXPECT_EQ(0, dmb_claim(self->block.base, self->pageblock));
	EXPECT_EQ(0, dmb_release(self->block.base, self->pageblock));
	EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
}

/* Pages that were freed a moment ago are in per-cpu lists. */
TEST_F(prepare, lists_do_not_give_it_away)
{
	size_t size = load_area_bytes() / 2;
	int round;

	for (round = 0; round < 4; round++) {
		char *memory = dmb_touch(size, false);

		ASSERT_NE(NULL, memory);
		/* The block's first pages, which come first, are freed last. */
		munmap(memory + 2 * MB, size - 2 * MB);
		munmap(memory, 2 * MB);
		ASSERT_EQ(0, prepare(self, self->nr, self->nr));
		usleep(300000);
		ASSERT_TRUE(claims_move_in(ANONYMOUS, &self->tenants, size));
		EXPECT_EQ(0, tenants_there(self));
		claims_move_out(&self->tenants);
		self->tenants.memory = NULL;
		ASSERT_EQ(0, command("drop"));
	}
}

/* The claim does what the worker has not done yet. */
TEST_F(prepare, claims_come_at_any_time)
{
	int i;

	ASSERT_TRUE(claims_move_in(ANONYMOUS, &self->tenants,
				   load_area_free()));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, prepare(self, self->nr, self->nr));
		usleep(i * 3000);
		ASSERT_EQ(0, command("claim"));
		EXPECT_EQ(SIZE, dmb_claimed());
		ASSERT_EQ(0, command("release"));
	}
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, prepare(self, self->nr, self->nr));
		usleep(i * 3000);
		ASSERT_EQ(0, command("drop"));
	}
	EXPECT_EQ(0, dmb_claimed());
	EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
}

/* If a page is in use, the claim takes another pageblock, and does not wait. */
TEST_F(prepare, pages_in_use_are_replaced)
{
	size_t page = sysconf(_SC_PAGESIZE), i, nr = 0;
	unsigned long waited;
	uint64_t *frames;
	int pipes[8][2];

	ASSERT_TRUE(claims_move_in(ANONYMOUS, &self->tenants,
				   load_area_free()));
	frames = dmb_frames(self->tenants.memory, self->tenants.size);
	for (i = 0; nr < 8 && i < self->tenants.size / page; i++)
		if (claims_frame_within(frames[i],
					self->start + nr * self->pageblock,
					self->pageblock))
			nr += load_hold_page(self->tenants.memory + i * page,
					     pipes[nr]);
	free(frames);
	ASSERT_EQ(8, nr);
	/* The worker prefers the first ones, as all cost the same. */
	ASSERT_EQ(0, prepare(self, self->nr, 2 * self->nr));
	for (i = 0; tenants_there(self) > nr && i < TRIES; i++)
		usleep(50000);
	EXPECT_EQ(nr, tenants_there(self));
	waited = dmb_read_value(OBSTACLES, "anon_held");
	EXPECT_EQ(0, command("claim"));
	EXPECT_EQ(self->nr * self->pageblock, dmb_claimed());
	EXPECT_EQ(waited, dmb_read_value(OBSTACLES, "anon_held"));
	for (i = 0; i < nr; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
}

TEST_F(prepare, misuse_is_refused)
{
	unsigned long long base = self->block.base;
	size_t page = sysconf(_SC_PAGESIZE);

	EXPECT_EQ(-EINVAL, command("prepare 1 %zu %#llx %#llx", page, base,
				   base + SIZE));
	EXPECT_EQ(-EINVAL, command("prepare 0 %zu %#llx %#llx", self->pageblock,
				   base, base + SIZE));
	EXPECT_EQ(-EINVAL, command("prepare 1 %zu %#llx %#llx", self->pageblock,
				   base, base + page));
	/* There is no such memory, which only the claim finds out. */
	EXPECT_EQ(0, command("prepare 1 %zu %#llx %#llx", self->pageblock,
			     1ULL << 45, (1ULL << 45) + SIZE));
	EXPECT_EQ(-ENXIO, command("claim"));
}

TEST_HARNESS_MAIN
