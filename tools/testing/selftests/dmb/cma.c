// SPDX-License-Identifier: GPL-2.0
/*
 * A CMA area in a block serves user memory, and gives it up when CMA allocates:
 * a part, or all of it for a gigantic page.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "claims.h"
#include "load.h"

#define AREA		"/sys/kernel/debug/cma/hugetlb0"
#define OTHER_AREA	"/sys/kernel/debug/cma/reserved"	/* of cma= */
#define GIGANTIC	"/sys/kernel/mm/hugepages/hugepages-1048576kB"

/* Gigantic pages, one after the other */
static int nr_claims = 15;

/* A CMA area inside a block: that of hugetlb_cma= with hugetlb_dmb */
FIXTURE(area)
{
	struct dmb_state before;
	struct tenants tenants;
	uint64_t base;
	uint64_t size;
};

FIXTURE_SETUP(area)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	self->base = dmb_read_number(AREA "/base_pfn") * page;
	self->size = dmb_read_number(AREA "/count") * page;
	if (!self->size)
		SKIP(return, "needs hugetlb_cma= and hugetlb_dmb");
	load_begin();
	self->before = dmb_note_state(true);
	ASSERT_TRUE(claims_move_in(ANONYMOUS, &self->tenants,
				   load_area_free() * 3 / 4));
}

FIXTURE_TEARDOWN(area)
{
	EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
	claims_move_out(&self->tenants);
	load_end();
	EXPECT_UNCHANGED(&self->before);
	EXPECT_EQ(0, dmb_claimed());
}

/* A CMA area stays online even while it is not in use. */
TEST_F(area, stays_online)
{
	if (!dmb_memory_block_size() || DMB_STAYS_ONLINE)
		SKIP(return, "no memory block goes offline");
	EXPECT_EQ(-EBUSY, dmb_set_memory_state(self->base, "offline"));
	dmb_set_memory_state(self->base, "online");
}

TEST_F(area, serves_others_meanwhile)
{
	size_t i, nr = self->tenants.size / sysconf(_SC_PAGESIZE), inside = 0;
	uint64_t page = sysconf(_SC_PAGESIZE);
	uint64_t *frames = dmb_frames(self->tenants.memory, self->tenants.size);

	for (i = 0; i < nr; i++)
		inside += claims_frame_within(frames[i], self->base,
					      self->size);
	free(frames);
	TH_LOG("%zu of %llu MiB of the area in use", inside * (size_t)page / MB,
	       (unsigned long long)self->size / MB);
	EXPECT_GT(inside * page, self->size / 4);
}

TEST_F(area, alloc_and_release)
{
	uint64_t size = 16 * MB;
	char pages[32];

	snprintf(pages, sizeof(pages), "%llu",
		 (unsigned long long)size / sysconf(_SC_PAGESIZE));
	ASSERT_EQ(0, dmb_write(AREA "/alloc", pages));
	EXPECT_EQ(size, dmb_claimed());
	EXPECT_EQ(0, dmb_audit().violations);
	/* All of the area cannot be claimed while a part of it is taken. */
	EXPECT_NE(0, dmb_claim(self->base, self->size));
	ASSERT_EQ(0, dmb_write(AREA "/free", pages));
}

/* While a part of the area is free, no page has to move. */
TEST_F(area, free_memory_comes_first)
{
	size_t page = sysconf(_SC_PAGESIZE), nr = 8, size = 2 * MB;
	unsigned long moved = dmb_read_value("/proc/vmstat",
					     "pgmigrate_success");
	char pages[32];
	size_t i;

	/* The free rest of the area is in its middle, or at its end. */
	snprintf(pages, sizeof(pages), "%zu", size / page);
	for (i = 0; i < nr; i++)
		ASSERT_EQ(0, dmb_write(AREA "/alloc", pages));
	moved = dmb_read_value("/proc/vmstat", "pgmigrate_success") - moved;
	TH_LOG("%lu pages moved for %zu", moved, nr * size / page);
	EXPECT_LT(moved, nr * size / page / 10);
	EXPECT_EQ(nr * size, dmb_claimed());
	for (i = 0; i < nr; i++)
		ASSERT_EQ(0, dmb_write(AREA "/free", pages));
}

/* CMA waits for short references to pages, as dmb_claim() does. */
TEST_F(area, short_references_are_waited_for)
{
	size_t page = sysconf(_SC_PAGESIZE), nr = self->tenants.size / page, i;
	uint64_t *frames = dmb_frames(self->tenants.memory, self->tenants.size);
	char pages[32];
	int pipes[2];
	pid_t reader;

	for (i = 0; i < nr; i++)
		if (claims_frame_within(frames[i], self->base, self->size))
			break;
	ASSERT_LT(i, nr);
	free(frames);
	ASSERT_TRUE(load_hold_page(self->tenants.memory + i * page, pipes));

	/* All of the area, so that there is no other range to try */
	snprintf(pages, sizeof(pages), "%llu",
		 (unsigned long long)(self->size / page));
	EXPECT_NE(0, dmb_write(AREA "/alloc", pages));
	EXPECT_EQ(0, dmb_claimed());

	reader = claims_let_go_later(pipes);
	EXPECT_EQ(0, dmb_write(AREA "/alloc", pages));
	EXPECT_EQ(self->size, dmb_claimed());
	waitpid(reader, NULL, 0);
	close(pipes[0]);
	close(pipes[1]);
	dmb_write(AREA "/free", pages);
}

/* An area outside of blocks works as without blocks. */
TEST_F(area, other_areas_stay_apart)
{
	uint64_t page = sysconf(_SC_PAGESIZE), size = 16 * MB;
	uint64_t total = dmb_read_number(OTHER_AREA "/count") * page;
	char pages[32];

	if (!total)
		SKIP(return, "needs cma=");
	EXPECT_EQ(total, dmb_meminfo("CmaTotal"));
	snprintf(pages, sizeof(pages), "%llu",
		 (unsigned long long)(size / page));
	ASSERT_EQ(0, dmb_write(OTHER_AREA "/alloc", pages));
	ASSERT_EQ(0, dmb_write(AREA "/alloc", pages));
	EXPECT_EQ(size, dmb_claimed());
	EXPECT_LE(dmb_meminfo("CmaFree"), total - size);
	ASSERT_EQ(0, dmb_write(AREA "/free", pages));
	EXPECT_EQ(0, dmb_claimed());
	EXPECT_LE(dmb_meminfo("CmaFree"), total - size);
	ASSERT_EQ(0, dmb_write(OTHER_AREA "/free", pages));
}

TEST_F_TIMEOUT(area, gigantic_pages, CLAIMS_TEST)
{
	int i;

	if (access(GIGANTIC "/nr_hugepages", W_OK))
		SKIP(return, "needs pages of 1 GiB");
	for (i = 0; i < nr_claims; i++) {
		ASSERT_EQ(0, dmb_write(GIGANTIC "/nr_hugepages", "1"));
		ASSERT_EQ(1, dmb_read_number(GIGANTIC "/nr_hugepages"));
		if (!i)
			EXPECT_EQ(0, dmb_audit().violations);
		ASSERT_EQ(0, dmb_write(GIGANTIC "/nr_hugepages", "0"));
	}
}

/* If the first argument is a number, it is the number of gigantic pages. */
int main(int argc, char **argv)
{
	dmb_need_blocks();
	nr_claims = dmb_number_argument(&argc, &argv, nr_claims);
	return test_harness_run(argc, argv);
}
