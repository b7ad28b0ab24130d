// SPDX-License-Identifier: GPL-2.0
/*
 * Owners claim memory when none is free, neither outside the blocks nor in
 * them. So the pages of the range are reclaimed, and no others move.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "claims.h"
#include "load.h"

#define MIN_FREE	"/proc/sys/vm/min_free_kbytes"
#define DIRTY_RATIO	"/proc/sys/vm/dirty_ratio"
#define DIRTY_BACKGROUND "/proc/sys/vm/dirty_background_ratio"
#define DIRTY_HIGHMEM	"/proc/sys/vm/highmem_is_dirtyable"

static char swap_device[DMB_DEVICE_NAME];

FIXTURE(full)
{
	char reserve_ratio[64];
	struct dmb_block block;
	struct dmb_state before;
	struct tenants tenants;
	unsigned long reclaimed;
	uint64_t *frames;
};

/* Pages that the kernel has reclaimed by its own choice, not for a claim */
static unsigned long reclaimed(void)
{
	return load_vmstat("pgsteal_anon") + load_vmstat("pgsteal_file");
}

FIXTURE_SETUP(full)
{
	self->tenants.fd = -1;
	ASSERT_TRUE(dmb_read_line(RESERVE_RATIO, self->reserve_ratio,
				  sizeof(self->reserve_ratio)));
	/* Allow free memory of lower zones to be used. */
	ASSERT_EQ(0, dmb_write(RESERVE_RATIO, "0 0 0"));
	/* Keep per-cpu lists short, so that they do not hold the rest. */
	ASSERT_EQ(0, dmb_write(PCP_FRACTION, "100000"));
	self->reclaimed = reclaimed();
	if (!claims_choose_block(&self->block, &self->before))
		SKIP(return, "needs " DMB_CLAIM);
}

FIXTURE_TEARDOWN(full)
{
	long long more, others;
	int tries;

	free(self->frames);
	dmb_write(RESERVE_RATIO, self->reserve_ratio);
	dmb_write(PCP_FRACTION, "0");
	claims_move_out(&self->tenants);
	swapoff(swap_device);
	load_end();
	dmb_write("/sys/block/zram0/reset", "1");
	/*
	 * Pages of others that were reclaimed have been read again since, into
	 * blocks, wherever they were before. zram and swap free their pages
	 * asynchronously.
	 */
	others = (reclaimed() - self->reclaimed) * sysconf(_SC_PAGESIZE);
	for (tries = 0; tries < 300; tries++) {
		more = dmb_audit().used - self->before.used;
		if (more < others + DMB_NOISE)
			break;
		usleep(100000);
	}
	if (more > 0)
		self->before.used += MIN(more, others);
	EXPECT_UNCHANGED(&self->before);
	/* A page without an owner could not move. */
	EXPECT_EQ(0, dmb_claim(self->block.base, self->block.size));
	EXPECT_EQ(0, dmb_release(self->block.base, self->block.size));
}

/* Room for all pages that can be swapped out: reclaim may start with others. */
static bool swap_on(void)
{
	/* Prefer a disk, since writing to it takes time. Otherwise use zram. */
	if (!dmb_find_disk(SWAP_SERIAL, swap_device)) {
		snprintf(swap_device, sizeof(swap_device), "/dev/zram0");
		if (dmb_write("/sys/block/zram0/disksize", "1G"))
			return false;
	}
	return dmb_swap_on(swap_device);
}

/* Fill all but a part of the reserve, into which pages do not migrate. */
static void fill_ordinary_memory(unsigned int part)
{
	size_t unused = load_ordinary_free(), reserve = load_reserve() / part;

	if (unused > reserve)
		load_hog(unused - reserve, 0, "anywhere");
	printf("# left free: %zu MiB in blocks, %zu MiB elsewhere\n",
	       load_area_free() / MB, load_ordinary_free() / MB);
}

/* Free memory to which pages can be migrated without reclaim */
static size_t room_for_pages(void)
{
	size_t unused = load_ordinary_free();
	size_t min = dmb_read_value("/proc/zoneinfo", "min") *
		     sysconf(_SC_PAGESIZE);

	return load_area_free() + (unused > min ? unused - min : 0);
}

/* Number of pages of the blocks, outside of the range, that have moved */
static size_t disturbed(const uint64_t *then, const uint64_t *now, size_t nr,
			uint64_t base, uint64_t size)
{
	size_t i, sum = 0;

	for (i = 0; i < nr; i++)
		if (load_frame_in_area(then[i]) &&
		    !claims_frame_within(then[i], base, size))
			sum += then[i] != now[i];
	return sum;
}

/* Pages that direct reclaim takes at a time: 32, and some beside them */
#define RECLAIM_BATCH	64

/* Pages that zram uses for swapped out memory */
static size_t zram_pages(void)
{
	unsigned long long used = 0;
	FILE *f = fopen("/sys/block/zram0/mm_stat", "r");

	if (f) {
		if (fscanf(f, "%*u %*u %llu", &used) != 1)
			used = 0;
		fclose(f);
	}
	return used / sysconf(_SC_PAGESIZE);
}

TEST_F(full, anonymous_memory_is_swapped_out)
{
	uint64_t base = self->block.base + 64 * MB, size, *now;
	size_t page = sysconf(_SC_PAGESIZE);
	unsigned long direct, kswapd;
	size_t nr, others, compressed;
	void *spare;

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	if (!swap_on())
		SKIP(return, "needs zram and mkswap");
	/* The test needs this memory later. kswapd must not have to free it. */
	spare = dmb_touch(16 * MB, false);
	ASSERT_TRUE(claims_move_in(ANONYMOUS, &self->tenants,
				   load_area_free()));
	nr = self->tenants.size / page;
	fill_ordinary_memory(1);
	size = (load_area_free() + load_ordinary_free()) / PAGEBLOCK *
	       PAGEBLOCK + 64 * MB;
	ASSERT_LE(base + size, self->block.base + self->block.size);

	self->frames = dmb_frames(self->tenants.memory, self->tenants.size);
	direct = load_vmstat("pgsteal_direct");
	kswapd = load_vmstat("pgsteal_kswapd");
	EXPECT_EQ(0, dmb_claim(base, size));
	direct = load_vmstat("pgsteal_direct") - direct;
	munmap(spare, 16 * MB);
	now = dmb_frames(self->tenants.memory, self->tenants.size);
	kswapd = load_vmstat("pgsteal_kswapd") - kswapd;
	others = disturbed(self->frames, now, nr, base, size);
	compressed = zram_pages();
	TH_LOG("%llu MiB, %zu of %zu others moved, kswapd took %lu, others %lu, zram has %zu",
	       (unsigned long long)size / MB, others, nr, kswapd, direct,
	       compressed);
	/*
	 * Swap and zram need memory to store pages. They take it from the
	 * reserves, which kswapd refills, or the next request if kswapd is
	 * late. Pages of zram in the range move, each with reclaim if there is
	 * no room.
	 */
	EXPECT_LE(direct, nr / 1000 + MIN((compressed + 1) * RECLAIM_BATCH,
					  size / page / 4));
	EXPECT_LE(others, nr / 1000 + kswapd + direct);
	free(now);
	EXPECT_EQ(0, dmb_release(base, size));
	load_free_hogs();
	EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
}

/* Pages that cannot be swapped out take the place of clean page cache. */
static void claim_beside_page_cache(struct __test_metadata *_metadata,
				    FIXTURE_DATA(full) *self, bool nofs)
{
	uint64_t base = self->block.base + 64 * MB, size;
	/* kswapd keeps much of it free where pages are large. */
	size_t left = 256 * MB + 2 * load_reserve(), unused, cached;
	int fd;

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	ASSERT_TRUE(claims_move_in(ANONYMOUS, &self->tenants,
				   load_area_free()));
	unused = load_ordinary_free();
	if (unused > left)
		load_hog(unused - left, 0, "anywhere");
	/* An open block device keeps its page cache in ordinary memory. */
	fd = dmb_read_device(2 * left);
	if (fd < 0)
		SKIP(return, "needs zram");
	/* More than is free, even if kswapd is not done yet */
	unused = load_area_free() + load_ordinary_free();
	cached = dmb_meminfo("Buffers");
	size = unused / PAGEBLOCK * PAGEBLOCK + 48 * MB;
	TH_LOG("%llu MiB: %zu MiB are free, %zu MiB are page cache",
	       (unsigned long long)size / MB, unused / MB, cached / MB);
	ASSERT_LT(size, cached);
	ASSERT_LE(base + size, self->block.base + self->block.size);

	if (nofs) {
		EXPECT_EQ(0, claims_load_driver(base, size, true));
		EXPECT_EQ(0, syscall(SYS_delete_module, "dmb_owner", 0));
	} else {
		EXPECT_EQ(0, dmb_claim(base, size));
		EXPECT_EQ(0, dmb_release(base, size));
	}
	dmb_close_device(fd);
	load_free_hogs();
	EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
}

TEST_F(full, page_cache_elsewhere_makes_room)
{
	claim_beside_page_cache(_metadata, self, false);
}

/* Reclaim for a driver that must not enter file systems does not enter them. */
TEST_F(full, page_cache_elsewhere_makes_room_without_file_systems)
{
	if (access(DRIVER, R_OK))
		SKIP(return, "needs " DRIVER);
	claim_beside_page_cache(_metadata, self, true);
}

/* Bytes of a range that belong to the memory of @frames */
static size_t bytes_within(const uint64_t *frames, size_t nr, uint64_t base,
			   uint64_t size)
{
	size_t i, pages = 0;

	for (i = 0; i < nr; i++)
		pages += claims_frame_within(frames[i], base, size);
	return pages * sysconf(_SC_PAGESIZE);
}

/*
 * Locked memory cannot be reclaimed and has to move. So other pages are
 * reclaimed, as for any request. Free pages in the pageblocks of the range
 * cannot be used meanwhile, so the rest of memory needs enough reclaimable
 * pages. With pages of 64 KiB such a pageblock may be half of a block.
 */
TEST_F(full, others_are_swapped_out_for_locked_memory)
{
	uint64_t base, end = self->block.base + self->block.size, best = 0,
		       *others;
	size_t size, room, inside, outside, most = 0, most_outside = 0;
	size_t page = sysconf(_SC_PAGESIZE), isolated = dmb_pageblock_size();
	struct tenants locked = { .fd = -1 };

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	if (!swap_on())
		SKIP(return, "needs zram and mkswap");
	ASSERT_TRUE(claims_move_in(ANONYMOUS, &locked, load_area_free() / 2));
	ASSERT_EQ(0, mlock(locked.memory, locked.size));
	/* Some in ordinary memory, which the kernel can reclaim for itself */
	ASSERT_TRUE(claims_move_in(ANONYMOUS, &self->tenants,
				   load_area_free() + 64 * MB));
	fill_ordinary_memory(2);
	room = room_for_pages();
	size = (room + 64 * MB) / PAGEBLOCK * PAGEBLOCK;

	self->frames = dmb_frames(locked.memory, locked.size);
	others = dmb_frames(self->tenants.memory, self->tenants.size);
	for (base = self->block.base; base + size <= end; base += PAGEBLOCK) {
		uint64_t first = base / isolated * isolated;
		uint64_t last = (base + size + isolated - 1) / isolated *
				isolated;

		inside = bytes_within(self->frames, locked.size / page, base,
				      size);
		outside = self->tenants.size -
			  bytes_within(others, self->tenants.size / page, first,
				       last - first);
		if (MIN(inside, outside) > MIN(most, most_outside)) {
			most = inside;
			most_outside = outside;
			best = base;
		}
	}
	free(others);
	TH_LOG("%zu MiB, %zu MiB of them locked, and room for %zu MiB and in place of %zu MiB",
	       size / MB, most / MB, room / MB, most_outside / MB);
	ASSERT_LT(room, most);
	ASSERT_LE(most, most_outside);
	EXPECT_EQ(0, dmb_claim(best, size));
	EXPECT_EQ(0, dmb_release(best, size));
	load_free_hogs();
	EXPECT_EQ(0, claims_wrong_stamps(&locked));
	EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
	claims_move_out(&locked);
}

static int compare_frames(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Sort these pages; find the longest range in one block that has no others. */
static void longest_run(uint64_t *frames, size_t nr,
			const struct dmb_block *block, uint64_t *base,
			uint64_t *size)
{
	uint64_t page = sysconf(_SC_PAGESIZE);
	size_t i, first = 0;

	*size = 0;
	qsort(frames, nr, sizeof(*frames), compare_frames);
	for (i = 1; i <= nr; i++) {
		if (i < nr && frames[i] == frames[i - 1] + 1)
			continue;
		if ((i - first) * page > *size &&
		    dmb_find_block(block, 1, frames[first]) == 0 &&
		    dmb_find_block(block, 1, frames[i - 1]) == 0) {
			*base = frames[first] * page;
			*size = (i - first) * page;
		}
		first = i;
	}
}

TEST_F(full, dirty_page_cache_is_written_back)
{
	struct tenants others = { .fd = -1 };
	unsigned long reserve;
	uint64_t base, size;
	char text[32];
	int tries;

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	dmb_write(DIRTY_RATIO, "95");
	/* Percent of free memory and page cache, which is mostly this file */
	dmb_write(DIRTY_BACKGROUND, "94");
	dmb_write(DIRTY_HIGHMEM, "1");
	if (!claims_move_in(DIRTY, &self->tenants, 0))
		SKIP(return, "needs zram, ext4 and mke2fs");
	ASSERT_TRUE(claims_move_in(ANONYMOUS, &others,
				   load_area_free() + 64 * MB));
	/* With huge pages the reserve would be much larger than the range. */
	reserve = dmb_read_number(MIN_FREE);
	/* 1024 pages, in KiB */
	snprintf(text, sizeof(text), "%ld", sysconf(_SC_PAGESIZE));
	dmb_write(MIN_FREE, text);
	fill_ordinary_memory(2);

	self->frames = dmb_frames(self->tenants.memory, self->tenants.size);
	longest_run(self->frames, self->tenants.size / sysconf(_SC_PAGESIZE),
		    &self->block, &base, &size);
	/* Wait until the writeback that filling memory caused is over. */
	for (tries = 0; tries < 20; tries++) {
		claims_write_stamps(&self->tenants);
		if (dmb_meminfo("Dirty") > self->tenants.size / 2)
			break;
		usleep(100000);
	}
	TH_LOG("%llu KiB in a row, %llu MiB dirty",
	       (unsigned long long)size / 1024, dmb_meminfo("Dirty") / MB);
	ASSERT_GT(size, 0);
	ASSERT_GT(dmb_meminfo("Dirty"), self->tenants.size / 2);

	EXPECT_EQ(0, dmb_claim(base, size));
	EXPECT_EQ(0, dmb_release(base, size));
	EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
	EXPECT_EQ(0, claims_wrong_stamps(&others));
	claims_move_out(&others);
	dmb_write(DIRTY_BACKGROUND, "10");
	dmb_write(DIRTY_RATIO, "20");
	dmb_write(DIRTY_HIGHMEM, "0");
	snprintf(text, sizeof(text), "%lu", reserve);
	dmb_write(MIN_FREE, text);
}

int main(int argc, char **argv)
{
	dmb_need_blocks();
	return test_harness_run(argc, argv);
}
