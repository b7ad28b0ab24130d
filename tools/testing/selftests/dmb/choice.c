// SPDX-License-Identifier: GPL-2.0
/*
 * Owners that do not care which memory they get: any range, or any number of
 * pageblocks. They get what is the cheapest to empty.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "claims.h"
#include "load.h"

#define HUGEPAGES_DRIVER "test_modules/dmb_hugepages.ko"
#define MAP		"/sys/kernel/debug/dmb/map"
#define ALL		"1@0-0xffffffffff"

FIXTURE(choice)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	struct dmb_block block;
	struct dmb_state before;
	struct tenants tenants;
	int nr;
};

FIXTURE_SETUP(choice)
{
	self->tenants.fd = -1;
	self->nr = dmb_read_blocks(self->blocks);
	if (!claims_choose_block(&self->block, &self->before))
		SKIP(return, "needs " DMB_CLAIM);
}

FIXTURE_TEARDOWN(choice)
{
	dmb_write(DMB_RELEASE, ALL);
	EXPECT_EQ(0, dmb_claimed());
	claims_move_out(&self->tenants);
	load_end();
	EXPECT_UNCHANGED(&self->before);
}

/* Claim what @format says. Return 0 or -errno. */
static int claim(const char *format, ...)
{
	char text[96];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return dmb_write(DMB_CLAIM, text);
}

/* Pages that were migrated or reclaimed so far, in vain or not */
static unsigned long disturbed(void)
{
	return load_vmstat("pgmigrate") + load_vmstat("pgsteal");
}

/* Characters of one kind in the map of all blocks */
static size_t in_map(char sign)
{
	FILE *f = fopen(MAP, "r");
	char line[256];
	size_t nr = 0;

	while (f && fgets(line, sizeof(line), f)) {
		const char *at = line;

		/* The lines between are names and numbers of blocks. */
		if (strspn(line, ".-#Cpxo\n") != strlen(line))
			continue;
		while ((at = strchr(at, sign))) {
			nr++;
			at++;
		}
	}
	if (f)
		fclose(f);
	return nr;
}

/*
 * Number of claims of an owner within a range, of this size and alignment if
 * that is not 0; sets *@bytes to what they have together.
 */
static size_t claims_of(const char *owner, unsigned long long base,
			unsigned long long end, unsigned long long size,
			size_t *bytes)
{
	FILE *f = fopen("/proc/iomem", "r");
	unsigned long long first, last;
	char line[256];
	size_t nr = 0;

	*bytes = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (!strstr(line, owner) ||
		    sscanf(line, "%llx-%llx", &first, &last) != 2 ||
		    first < base || last >= end ||
		    (size && (first % size || last + 1 - first != size)))
			continue;
		*bytes += last + 1 - first;
		nr++;
	}
	if (f)
		fclose(f);
	return nr;
}

/* While there is free memory, no page has to move. */
TEST_F(choice, free_memory_comes_first)
{
	size_t size = load_area_free() / 4 / PAGEBLOCK * PAGEBLOCK, nr;
	size_t pageblock = dmb_pageblock_size();
	unsigned long before;

	ASSERT_TRUE(claims_move_in(ANONYMOUS, &self->tenants,
				   load_area_free() / 2));
	/* A page in a per-cpu list may keep its pageblock from being free. */
	dmb_drain_lists();
	nr = size / self->nr / pageblock;
	before = disturbed();
	ASSERT_EQ(0, claim("%zu*%zu", nr, pageblock));
	EXPECT_EQ(nr * pageblock, dmb_claimed());
	EXPECT_EQ(nr, in_map('C'));
	TH_LOG("%zu pageblocks: %lu pages moved or reclaimed", nr,
	       disturbed() - before);
	EXPECT_EQ(before, disturbed());

	ASSERT_EQ(0, claim("%zu", 4 * pageblock));
	EXPECT_EQ((nr + 4) * pageblock, dmb_claimed());
	EXPECT_EQ(before, disturbed());
	EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
}

/* Dropping clean page cache is cheaper than moving anonymous memory. */
TEST_F(choice, page_cache_comes_before_anonymous_memory)
{
	size_t page = sysconf(_SC_PAGESIZE), size = 16 * MB, cached;
	struct tenants cache = { .fd = -1 };
	unsigned long moved;

	if (!claims_move_in(CLEAN, &cache, load_area_free() / 2))
		SKIP(return, "needs zram, ext4 and mke2fs");
	ASSERT_TRUE(claims_move_in(ANONYMOUS, &self->tenants,
				   load_area_free()));
	cached = dmb_meminfo("Cached");
	moved = load_vmstat("pgmigrate_success");
	EXPECT_EQ(0, claim("%zu", size));
	EXPECT_EQ(size, dmb_claimed());
	moved = load_vmstat("pgmigrate_success") - moved;
	TH_LOG("%zu MiB: %lu pages moved, %lld MiB of page cache dropped",
	       size / MB, moved,
	       (long long)(cached - dmb_meminfo("Cached")) / (long long)MB);
	EXPECT_LT(moved, size / page / 4);
	EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
	claims_move_out(&cache);
}

/* Claims avoid pages that are in use while there is other memory. */
TEST_F(choice, pages_in_use_are_left_out)
{
	size_t page = sysconf(_SC_PAGESIZE), pageblock = dmb_pageblock_size(),
	       nr, i;
	uint64_t *then, *now;
	int pipes[8][2];

	ASSERT_TRUE(claims_move_in(ANONYMOUS, &self->tenants,
				   load_area_free() * 3 / 4));
	nr = self->tenants.size / page;
	for (i = 0; i < 8; i++)
		ASSERT_TRUE(load_hold_page(self->tenants.memory +
					     nr / 8 * i * page,
					     pipes[i]));
	then = dmb_frames(self->tenants.memory, self->tenants.size);
	nr = load_area_bytes() / 2 / pageblock;
	EXPECT_EQ(0, claim("%zu*%zu", nr, pageblock));
	TH_LOG("%lu of %zu pageblocks", dmb_claimed() / pageblock, nr);
	/* Each reference keeps one pageblock from being claimed. */
	EXPECT_LE((nr - 8) * pageblock, dmb_claimed());
	now = dmb_frames(self->tenants.memory, self->tenants.size);
	for (i = 0; i < 8; i++) {
		size_t used = self->tenants.size / page / 8 * i;

		EXPECT_EQ(then[used], now[used]);
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	free(then);
	free(now);
	EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
}

#define HELD	48	/* pageblocks to look at */
#define MANY	24	/* more than a claim tries if it is slow */

/* One user can keep many pages in use. A claim goes on until it finds others. */
TEST_F(choice, many_pages_in_use_are_left_out)
{
	size_t page = sysconf(_SC_PAGESIZE), pageblock = dmb_pageblock_size();
	uint64_t base = self->blocks[0].base, *frames;
	bool held[HELD] = { };
	int pipes[HELD][2];
	size_t i, at, nr = 0, last = 0;

	if (self->blocks[0].size < HELD * pageblock)
		SKIP(return, "needs a larger block");
	ASSERT_TRUE(claims_move_in(ANONYMOUS, &self->tenants,
				   load_area_free() + 64 * MB));
	frames = dmb_frames(self->tenants.memory, self->tenants.size);
	for (i = 0; i < self->tenants.size / page; i++) {
		if (!claims_frame_within(frames[i], base, HELD * pageblock))
			continue;
		at = (frames[i] * page - base) / pageblock;
		if (held[at] || nr == MANY)
			continue;
		held[at] = load_hold_page(self->tenants.memory + i * page,
					  pipes[at]);
		last = at > last ? at : last;
		nr += held[at];
	}
	TH_LOG("%zu pageblocks have a page in use", nr);
	ASSERT_EQ(MANY, nr);
	/* Of all pageblocks, one is left. It is tried last if all cost the same. */
	close(pipes[last][0]);
	close(pipes[last][1]);
	held[last] = false;
	for (i = 0; i < HELD; i++)
		if (i != last && !held[i])
			EXPECT_EQ(0, dmb_claim(base + i * pageblock, pageblock));
	EXPECT_EQ(0, claim("%zu@%#llx-%#llx", pageblock, base,
			   base + HELD * pageblock));
	for (i = 0; i < HELD; i++) {
		if (!held[i])
			continue;
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	free(frames);
	EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
}

/*
 * A huge page that is free in the pool of hugetlb would need another one in its
 * place, for which memory would be compacted or reclaimed.
 */
TEST_F(choice, quick_claims_leave_the_hugetlb_pool_alone)
{
	size_t pageblock = dmb_pageblock_size(),
	       nr = self->block.size / pageblock, wanted;
	struct load_memory others;
	unsigned long stalls;
	int err;

	if (dmb_huge_page_size() != pageblock)
		SKIP(return, "needs huge pages of the size of a pageblock");
	ASSERT_EQ(0, dmb_write(HUGEPAGES, "16"));
	ASSERT_EQ(16, dmb_read_number(HUGEPAGES));
	others = load_fragment(100, &wanted);
	ASSERT_NE(NULL, others.start);
	stalls = load_stalls();
	err = claim("%zu*%zu@%#llx-%#llx quick=60000", nr, pageblock,
		    (unsigned long long)self->block.base,
		    (unsigned long long)(self->block.base + self->block.size));
	TH_LOG("%s, %lu of %zu pageblocks", strerror(-err),
	       dmb_claimed() / pageblock, nr);
	EXPECT_EQ(stalls, load_stalls());
	/* Some of the pool's pages are in this block. */
	EXPECT_LT(dmb_claimed(), nr * pageblock);
	EXPECT_EQ(16, dmb_read_number(HUGEPAGES));
	dmb_write(DMB_RELEASE, ALL);
	load_release(&others);
	dmb_write(HUGEPAGES, "0");
}

/* If nothing is free, a quick claim fails rather than reclaim memory. */
TEST_F(choice, quick_claims_do_not_reclaim)
{
	unsigned long scanned, stalls;
	size_t unused, size;
	int err;

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	ASSERT_TRUE(claims_move_in(ANONYMOUS, &self->tenants,
				   load_area_free()));
	/* Other processes must not have to reclaim. */
	unused = load_ordinary_free();
	if (unused > 2 * load_reserve())
		load_hog(unused - 2 * load_reserve(), 0, "anywhere");
	unused = load_area_free() + load_ordinary_free();
	size = self->block.size - dmb_pageblock_size();
	ASSERT_LT(unused, size);
	scanned = load_vmstat("pgscan_direct");
	stalls = load_stalls();
	err = claim("%zu quick=60000", size);
	TH_LOG("%zu MiB: %s, %zu MiB were free", size / MB, strerror(-err),
	       unused / MB);
	EXPECT_TRUE(err == -ENOMEM || err == -EBUSY);
	EXPECT_EQ(scanned, load_vmstat("pgscan_direct"));
	EXPECT_EQ(stalls, load_stalls());
	EXPECT_EQ(0, dmb_claimed());
	load_free_hogs();
	EXPECT_EQ(0, claim("%zu quick=60000", 8 * MB));
	EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
}

/* By default a quick claim has no time to move that much. */
TEST_F(choice, quick_claims_give_up_early)
{
	size_t size = self->block.size - dmb_pageblock_size();
	int err;

	ASSERT_TRUE(claims_move_in(ANONYMOUS, &self->tenants,
				   load_area_free()));
	ASSERT_GT(load_ordinary_free(), size);
	err = claim("%zu quick", size);
	TH_LOG("%zu MiB: %s", size / MB, strerror(-err));
	EXPECT_EQ(-ETIMEDOUT, err);
	EXPECT_EQ(0, dmb_claimed());
	EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
}

/* A part of a block can be claimed at any alignment. */
TEST_F(choice, sub_ranges_are_obeyed)
{
	size_t page = sysconf(_SC_PAGESIZE), size = 8 * MB, inside;
	unsigned long long base = self->block.base + 16 * MB + page;
	unsigned long long end = base + 20 * MB;

	ASSERT_EQ(0, claim("%zu@%#llx-%#llx", size, base, end));
	/* A second claim gets other memory than the first one. */
	EXPECT_EQ(0, claim("%zu@%#llx-%#llx", page, base, end));
	EXPECT_EQ(2, claims_of("debugfs", base, end, 0, &inside));
	EXPECT_EQ(size + page, inside);
	EXPECT_EQ(size + page, dmb_claimed());

	/* One of two places in an odd range, and then none is left. */
	EXPECT_EQ(0, dmb_write(DMB_RELEASE, ALL));
	EXPECT_EQ(0, claim("%zu@%#llx-%#llx", 20 * MB, base, end + page));
	EXPECT_EQ(-EBUSY, claim("%zu@%#llx-%#llx", 20 * MB, base, end + page));
	EXPECT_EQ(20 * MB, dmb_claimed());
}

TEST_F(choice, what_no_block_has_is_refused)
{
	unsigned long long base = self->block.base;

	EXPECT_EQ(-ENXIO, claim("%llu", 2ULL * load_area_bytes()));
	EXPECT_EQ(-ENXIO,
		  claim("%zu@%#llx-%#llx", 2 * MB, base - 8 * MB, base + MB));
	EXPECT_EQ(-EINVAL, claim("%zu@%#llx-%#llx", 2 * MB, base, base + MB));
	EXPECT_EQ(-EINVAL,
		  claim("1*%zu@%#llx-%#llx", 2 * MB + 1, base, base + 4 * MB));
	EXPECT_EQ(0, dmb_claimed());
}

/* Use the calls of a published allocator of pages of 2 MiB. */
TEST_F(choice, pages_for_a_media_stack)
{
	size_t count = 16, offset = 32 * MB, length = 64 * MB, bytes;
	unsigned long long base = self->block.base + offset;
	char params[96];

	if (access(HUGEPAGES_DRIVER, R_OK))
		SKIP(return, "needs " HUGEPAGES_DRIVER);
	ASSERT_TRUE(claims_move_in(ANONYMOUS, &self->tenants,
				   load_area_free() / 4 * 3));
	snprintf(params, sizeof(params), "count=%zu offset=%zu length=%zu",
		 count, offset, length);
	ASSERT_EQ(0, dmb_load_module(HUGEPAGES_DRIVER, params));
	EXPECT_EQ(count,
		  dmb_read_number("/sys/module/dmb_hugepages/parameters/allocated"));
	EXPECT_EQ(count * 2 * MB, dmb_claimed());
	EXPECT_EQ(count, claims_of("dmb_hugepages", base, base + length, 2 * MB,
				   &bytes));
	EXPECT_EQ(count * 2 * MB, bytes);
	EXPECT_EQ(0, syscall(SYS_delete_module, "dmb_hugepages", 0));

	/* Fewer pages than requested are a success, too. */
	snprintf(params, sizeof(params), "count=%zu offset=%zu length=%zu",
		 2 * length / MB, offset, length);
	ASSERT_EQ(0, dmb_load_module(HUGEPAGES_DRIVER, params));
	EXPECT_EQ(length, dmb_claimed());
	EXPECT_EQ(0, syscall(SYS_delete_module, "dmb_hugepages", 0));
	EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
}

/* All pageblocks without pinned pages can be claimed, and released singly. */
TEST_F(choice, all_pageblocks_of_a_block)
{
	size_t pageblock = dmb_pageblock_size(),
	       nr = self->block.size / pageblock;
	unsigned long long base = self->block.base;

	ASSERT_TRUE(claims_move_in(ANONYMOUS, &self->tenants,
				   load_area_free() / 4));
	ASSERT_EQ(0, claim("%zu*%zu@%#llx-%#llx", 2 * nr, pageblock, base,
			   base + self->block.size));
	EXPECT_EQ(nr * pageblock, dmb_claimed());
	EXPECT_EQ(nr, in_map('C'));
	EXPECT_EQ(-EBUSY, claim("%zu*%zu@%#llx-%#llx", nr, pageblock, base,
				base + self->block.size));
	EXPECT_EQ(0, dmb_release(base + pageblock, pageblock));
	EXPECT_EQ(nr - 1, in_map('C'));
	EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
}

int main(int argc, char **argv)
{
	dmb_need_blocks();
	return test_harness_run(argc, argv);
}
