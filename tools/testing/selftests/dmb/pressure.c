// SPDX-License-Identifier: GPL-2.0
/*
 * Five known problems of memory that only some requests may use. relief.c tests
 * kernel memory on demand.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "load.h"

/* Folios that reclaim may skip while it holds the LRU lock once */
#define MAX_SKIPPED	1024

/* Bytes of a struct buffer_head, of which a page has one here */
#define BUFFER_HEAD	(sizeof(long) == 8 ? 104 : 56)

/* Pages out of 1000 that may leave for other reasons */
#define STRAYS		1

/* A run of movable pages that an atomic request meets */
#define MOVABLE_RUN	1000000
/* So often reclaim may scan all pages until the OOM killer runs */
#define MAX_SCANS	4

/* About what a small file takes of kernel memory, in bytes; how many can be made */
#define INODE		1400
#define MAX_FILES	200000

/* What the kernel wants in the place of user memory */
#define NEEDED		(300 * MB)

FIXTURE(pressure)
{
	int cache;
};

FIXTURE_VARIANT(pressure)
{
	bool mglru;
	bool slowly;
};

/* Slowly enough for kswapd to do all the work, or faster */
FIXTURE_VARIANT_ADD(pressure, kswapd)
{
	.slowly = true,
};

FIXTURE_VARIANT_ADD(pressure, direct)
{
};

FIXTURE_VARIANT_ADD(pressure, kswapd_mglru)
{
	.slowly = true,
	.mglru = true,
};

FIXTURE_VARIANT_ADD(pressure, direct_mglru)
{
	.mglru = true,
};

FIXTURE_SETUP(pressure)
{
	load_begin();
	self->cache = -1;
	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	if (load_set_mglru(variant->mglru) && variant->mglru)
		SKIP(return, "needs CONFIG_LRU_GEN");
	self->cache = load_open_cache(load_area_free() +
				      load_ordinary_free() / 2);
	if (self->cache < 0)
		SKIP(return, "needs zram, ext4 and mke2fs");
}

FIXTURE_TEARDOWN(pressure)
{
	if (self->cache >= 0)
		close(self->cache);
	load_end();
	load_set_mglru(false);
}

/*
 * The file fills blocks first. So the pages that reclaim finds first, and must not
 * take, are in one long row.
 */
TEST_F(pressure, kernel_memory_leaves_page_cache_in_blocks)
{
	struct load_reclaim reclaim = load_reclaim_cache(variant->slowly);

	TH_LOG("%zu MiB for the kernel: %zu of %zu pages lost in blocks",
	       reclaim.got / MB, reclaim.lost, reclaim.pages);
	TH_LOG("scanned %lu by kswapd, %lu directly, longest skip %lu, %lu for users",
	       reclaim.kswapd, reclaim.direct, reclaim.longest_skip,
	       reclaim.for_users);
	EXPECT_GE(reclaim.got, reclaim.wanted);
	/*
	 * If kswapd is late, this program may reclaim user memory for its own
	 * allocations. That memory may be in blocks, but cannot be much of them.
	 */
	EXPECT_LE(reclaim.lost, reclaim.pages * STRAYS / 1000 +
				MIN(reclaim.for_users, reclaim.pages / 20));
	EXPECT_LE(reclaim.longest_skip, MAX_SKIPPED);
	EXPECT_GT(variant->slowly ? reclaim.kswapd : reclaim.direct, 0);
}

FIXTURE(plain)
{
	int cache;
	void *memory;
	size_t size;
};

FIXTURE_SETUP(plain)
{
	load_begin();
	self->cache = -1;
}

FIXTURE_TEARDOWN(plain)
{
	if (self->memory)
		munmap(self->memory, self->size);
	if (self->cache >= 0)
		close(self->cache);
	load_end();
}

TEST_F(plain, blocks_fill_up_before_reclaim_starts)
{
	unsigned long effort = load_effort();
	long total = load_area_bytes(), unused;

	if (load_ordinary_free() < 128 * MB)
		SKIP(return, "ordinary memory is too full already");
	self->memory = load_fill_areas(&self->size);
	ASSERT_NE(NULL, self->memory);
	effort = load_effort() - effort;
	unused = dmb_audit().unused;

	TH_LOG("%.3f%% of %ld MiB in use, reclaim and compaction at work: %lu",
	       100.0 * (total - unused) / total, total / MB, effort);
	EXPECT_LE(unused, total / 1000);
	EXPECT_EQ(0, effort);
}

/* All memory is page cache, which kswapd has to free. */
TEST_F(plain, atomic_requests_do_not_fail)
{
	struct load_atomic run;

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	run = load_atomic_run_reading(MOVABLE_RUN);
	if (!run.asked)
		SKIP(return, "needs zram, ext4 and mke2fs");
	TH_LOG("%lu atomic requests, %lu failed, %lu of them above the watermark",
	       run.asked, run.failed, run.failed_above);
	EXPECT_GT(run.asked, MOVABLE_RUN);
	EXPECT_EQ(0, run.failed);
}

/*
 * Ordinary memory is full of page cache and blocks are empty: if free blocks
 * made up for ordinary memory, kswapd would sleep until atomic requests fail.
 */
TEST_F(plain, kswapd_wakes_for_ordinary_memory)
{
	unsigned long runs, scanned;
	size_t size, got;

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	self->memory = load_fill_areas(&self->size);
	size = load_ordinary_free();
	self->cache = load_open_cache(size - 32 * MB);
	if (self->cache < 0)
		SKIP(return, "needs zram, ext4 and mke2fs");
	munmap(self->memory, self->size);
	self->memory = NULL;

	runs = load_vmstat("pageoutrun");
	scanned = load_vmstat("pgscan_kswapd");
	got = load_hog_slowly(size / 2, 0, "atomic");
	runs = load_vmstat("pageoutrun") - runs;
	scanned = load_vmstat("pgscan_kswapd") - scanned;
	TH_LOG("%zu MiB by atomic requests, with %zu MiB free in blocks",
	       got / MB, load_area_free() / MB);
	TH_LOG("kswapd ran %lu times and scanned %lu pages", runs, scanned);
	EXPECT_GE(got, size / 2);
	EXPECT_GT(runs, 0);
}

TEST_F(plain, kswapd_sleeps_when_only_blocks_are_full)
{
	unsigned long runs;
	size_t ordinary;
	struct load_atomic run;

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	self->memory = load_fill_areas(&self->size);
	ordinary = load_ordinary_free();
	if (ordinary < 256 * MB)
		SKIP(return, "not enough ordinary memory");

	runs = load_vmstat("pageoutrun");
	run = load_atomic_run(MOVABLE_RUN / 10, ordinary / 2);
	runs = load_vmstat("pageoutrun") - runs;
	TH_LOG("%lu atomic requests, %lu failed, kswapd ran %lu times",
	       run.asked, run.failed, runs);
	EXPECT_EQ(0, run.failed);
	EXPECT_EQ(0, runs);
}

/* Memory that kernel requests can use: neither highmem nor in a block */
static size_t kernel_bytes(void)
{
	size_t size = dmb_meminfo("MemTotal") - dmb_meminfo("HighTotal");
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int i, nr = dmb_read_blocks(blocks);

	for (i = 0; i < nr; i++)
		if (strcmp(blocks[i].zone, "HighMem"))
			size -= blocks[i].size;
	return size;
}

/*
 * Let the kernel allocate @size bytes, and then more until some of its slab is freed
 * or memory runs out. Before that, kswapd may find enough in per-cpu lists, or move
 * pages into blocks. Return the bytes that the kernel got.
 */
static size_t hog_until_slab_shrinks(size_t wanted)
{
	size_t slab = dmb_meminfo("SReclaimable");
	size_t got = load_hog_slowly(wanted, 0, "kernel");

	while (got >= wanted && dmb_meminfo("SReclaimable") + 2 * MB > slab) {
		wanted = got + MB;
		got += load_hog_slowly(MB, 0, "kernel");
	}
	return got;
}

/*
 * Buffer heads are kernel memory, also those of page cache in blocks. Once they take
 * more than a tenth of the memory that the kernel can use, kswapd has to free buffer
 * heads of page cache in blocks as well, with the page cache if necessary.
 */
TEST_F(plain, kswapd_frees_buffers_of_page_cache_in_blocks)
{
	size_t slab = dmb_meminfo("SReclaimable"), lowmem = kernel_bytes();
	size_t size = load_area_free() / 10 * 9 / MB * MB;
	size_t buffers, got, wanted, lost;
	struct load_cache cache;

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	if (size / sysconf(_SC_PAGESIZE) * BUFFER_HEAD <= lowmem / 9)
		SKIP(return, "blocks are too small for so many buffer heads");
	self->cache = load_open_buffered(size);
	if (self->cache < 0)
		SKIP(return, "needs zram, ext4 and mke2fs");

	buffers = dmb_meminfo("SReclaimable") - slab;
	TH_LOG("%zu MiB of slab with buffer heads, the kernel can have %zu MiB",
	       buffers / MB, lowmem / MB);
	ASSERT_GT(buffers, lowmem / 9);

	cache = load_note_cache();
	wanted = load_ordinary_free();
	got = hog_until_slab_shrinks(wanted);
	lost = load_cache_lost(&cache);
	TH_LOG("%zu of %zu MiB for the kernel: %zu of %zu pages left blocks, %zu MiB of slab left",
	       got / MB, wanted / MB, lost, cache.pages, (size_t)dmb_meminfo("SReclaimable") / MB);
	EXPECT_GE(got, wanted);
	EXPECT_GT(lost, cache.pages / 100);
}

/*
 * The inodes and directory entries of small files take much of the memory that the
 * kernel can have, while their page cache is in blocks.
 */
TEST_F(plain, inodes_are_freed_with_their_page_cache)
{
	size_t nr = kernel_bytes() / INODE, made;
	unsigned long kills = load_vmstat("oom_kill");

	if (nr > MAX_FILES || load_area_free() / sysconf(_SC_PAGESIZE) < nr)
		SKIP(return, "needs a small machine that is nearly all blocks");
	/* mke2fs makes an inode for each 16 KiB, and needs some for itself. */
	self->cache = load_open_disk(nr * 20 * 1024);
	if (self->cache < 0)
		SKIP(return, "needs zram, ext4 and mke2fs");
	made = load_make_files(nr);
	TH_LOG("%zu of %zu files, %zu MiB of slab, %zu of page cache", made, nr,
	       (size_t)dmb_meminfo("SReclaimable") / MB, (size_t)dmb_meminfo("Cached") / MB);
	EXPECT_EQ(nr, made);
	EXPECT_EQ(kills, load_vmstat("oom_kill"));
}

/*
 * The process that wanted kernel memory is killed, nobody else is, and neither before
 * it had @least bytes nor after scanning all memory over and over.
 */
static void expect_in_time(struct __test_metadata *_metadata, const struct load_oom *oom,
			   size_t least)
{
	size_t pages = dmb_meminfo("MemTotal") / sysconf(_SC_PAGESIZE);

	TH_LOG("killed after %zu of at least %zu MiB, within %.2f s, %lu of %zu pages scanned",
	       oom->got / MB, least / MB, oom->seconds, oom->scanned, pages);
	load_print_relief();
	EXPECT_TRUE(oom->killed);
	EXPECT_EQ(1, oom->kills);
	EXPECT_GE(oom->got, least);
	EXPECT_LE(oom->scanned, MAX_SCANS * pages);
}

/* Page cache in blocks does not delay the OOM killer. */
TEST_F(plain, out_of_memory_is_declared)
{
	struct load_cache cache;
	struct load_oom oom;
	size_t lost, moved, least;

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	self->cache = load_open_cache(load_area_free());
	if (self->cache < 0)
		SKIP(return, "needs zram, ext4 and mke2fs");

	cache = load_note_cache();
	least = load_ordinary_free() - load_reserve();
	moved = load_vmstat("dmb_relief_moved");
	oom = load_until_oom(0);
	moved = load_vmstat("dmb_relief_moved") - moved;
	lost = load_cache_lost(&cache);
	TH_LOG("%zu of %zu pages lost in blocks, %zu moved", lost, cache.pages, moved);
	expect_in_time(_metadata, &oom, least);
	/* Pages of other processes may take its place. */
	EXPECT_LE(lost, cache.pages * STRAYS / 1000 + 2 * moved);
}

/* While pages can move into blocks, no process is killed. */
TEST_F(plain, nobody_is_killed_while_pages_can_move)
{
	size_t size, inside, stay, room, least;
	struct load_oom oom;
	void *memory;

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	/* Less than fits into blocks, and all of it outside */
	memory = load_fill_areas(&size);
	room = size;
	self->size = room / 2;
	if (load_ordinary_free() < self->size + 128 * MB)
		SKIP(return, "not enough ordinary memory");
	self->memory = load_write_pattern(self->size);
	ASSERT_NE(NULL, self->memory);
	munmap(memory, size);
	inside = dmb_bytes_in_blocks(self->memory, self->size);
	EXPECT_LE(inside, MB);

	least = load_ordinary_free() - load_reserve() + self->size / 100 * 98;
	oom = load_until_oom(0);
	stay = self->size - dmb_bytes_in_blocks(self->memory, self->size);
	TH_LOG("%zu of %zu MiB still outside blocks", stay / MB, self->size / MB);
	expect_in_time(_metadata, &oom, least);
	EXPECT_LE(stay, self->size / 100);
	EXPECT_EQ(0, load_check_pattern(self->memory, self->size));
}

/*
 * As on a machine that has run for a while: blocks are full of clean page cache,
 * ordinary memory of memory that could as well be there, and nothing is swapped.
 */
static bool fill_all(struct __test_metadata *_metadata,
		     FIXTURE_DATA(plain) *self, struct load_cache *cache)
{
	size_t keep = load_reserve() + 16 * MB;

	if (!load_have_module())
		SKIP(return false, "needs the module dmb_load");
	self->cache = load_open_cache(load_area_free());
	if (self->cache < 0)
		SKIP(return false, "needs zram, ext4 and mke2fs");
	if (load_ordinary_free() < NEEDED + keep)
		SKIP(return false, "not enough ordinary memory");
	self->size = load_ordinary_free() - keep;
	self->memory = load_write_pattern(self->size);
	if (!self->memory)
		return false;
	*cache = load_note_cache();
	TH_LOG("%zu MiB of page cache in blocks, %zu of %zu MiB of memory elsewhere",
	       cache->pages * sysconf(_SC_PAGESIZE) / MB,
	       (self->size - dmb_bytes_in_blocks(self->memory, self->size)) / MB,
	       self->size / MB);
	return true;
}

/* What an unpatched kernel would reclaim gives room for what is in the way. */
TEST_F(plain, page_cache_in_blocks_makes_room)
{
	struct load_cache cache;
	struct load_oom oom;
	size_t most;

	if (!fill_all(_metadata, self, &cache))
		return;
	most = MIN(cache.pages * sysconf(_SC_PAGESIZE), self->size);
	oom = load_until_oom(0);
	TH_LOG("%zu of %zu pages left blocks", load_cache_lost(&cache), cache.pages);
	expect_in_time(_metadata, &oom, most / 20 * 19);
	EXPECT_EQ(0, load_check_pattern(self->memory, self->size));
}

/* kswapd does the same, so that requests that cannot wait gain from it. */
TEST_F(plain, kswapd_makes_room_in_place_of_page_cache)
{
	struct load_cache cache;
	size_t got;

	if (!fill_all(_metadata, self, &cache))
		return;
	got = load_hog_slowly(NEEDED, 0, "atomic");
	TH_LOG("%zu of %zu MiB, %zu of %zu pages left blocks", got / MB, NEEDED / MB,
	       load_cache_lost(&cache), cache.pages);
	load_print_relief();
	EXPECT_EQ(NEEDED, got);
	EXPECT_EQ(0, load_check_pattern(self->memory, self->size));
}

/*
 * Page cache of a block device that is read once is reclaimed. It cannot be in
 * blocks, and would drive everything else there.
 */
TEST_F(plain, reading_a_block_device_moves_nothing)
{
	size_t size, wanted, moved = load_vmstat("dmb_relief_moved"), before;
	void *filler;
	int fd;

	filler = load_fill_areas(&size);
	self->size = load_ordinary_free() / 2;
	self->memory = load_write_pattern(self->size);
	munmap(filler, size);
	ASSERT_NE(NULL, self->memory);

	before = dmb_bytes_in_blocks(self->memory, self->size);
	wanted = 3 * load_ordinary_free() / MB * MB;
	fd = dmb_read_device(wanted);
	if (fd < 0)
		SKIP(return, "no zram device to use");
	dmb_close_device(fd);
	moved = load_vmstat("dmb_relief_moved") - moved;
	TH_LOG("read %zu MiB, %zu pages moved", wanted / MB, moved);
	EXPECT_LE(dmb_bytes_in_blocks(self->memory, self->size) - before, self->size / 20);
}

int main(int argc, char **argv)
{
	dmb_need_blocks();
	return test_harness_run(argc, argv);
}
