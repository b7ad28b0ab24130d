// SPDX-License-Identifier: GPL-2.0
/*
 * When the kernel needs memory, pages of ordinary memory move into blocks, and
 * pages in blocks stay.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/prctl.h>
#include <sys/swap.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "load.h"

#define KERNEL_NEEDS	(300 * MB)
/* Rounds until little is left to move: two or three unless pages thrash */
#define MAX_ROUNDS	8

/* Enough to refer to a quarter of the blocks */
#define MAX_PIPES	64
#define PIPE_PAGES	1024
#define HUGE_PAGES	16

#define THP		"/sys/kernel/mm/transparent_hugepage"
#define UNEVICTABLE	"/proc/sys/vm/compact_unevictable_allowed"
#define NUMA_BALANCING	"/proc/sys/kernel/numa_balancing"

/* Added in 6.1, and not known to every C library */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

FIXTURE(fragmented)
{
	struct load_memory memory;
	struct load_memory huge;
	size_t wanted;		/* more than there is without compaction */
};

FIXTURE_SETUP(fragmented)
{
	load_begin();
	dmb_write(THP "/defrag", "always");
	self->memory = load_fragment(100, &self->wanted);
	ASSERT_NE(NULL, self->memory.start);
}

FIXTURE_TEARDOWN(fragmented)
{
	load_release(&self->memory);
	load_release(&self->huge);
	load_end();
	dmb_write(THP "/defrag", "madvise");
}

FIXTURE_VARIANT(fragmented)
{
	int order;
	bool collapse;
};

FIXTURE_VARIANT_ADD(fragmented, order_3)
{
	.order = 3,
};

FIXTURE_VARIANT_ADD(fragmented, order_5)
{
	.order = 5,
	.collapse = true,
};

FIXTURE_VARIANT_ADD(fragmented, order_9)
{
	.order = 9,
};

TEST_F(fragmented, compaction_for_the_kernel_leaves_blocks_alone)
{
	unsigned long scanned = load_vmstat("compact_migrate_scanned");
	struct load_travel travel;
	size_t got;

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");

	got = load_hog(self->wanted, variant->order, "mayfail");
	scanned = load_vmstat("compact_migrate_scanned") - scanned;
	travel = load_travel_since(&self->memory);
	TH_LOG("got %zu of %zu MiB, compaction scanned %lu pages", got / MB,
	       self->wanted / MB, scanned);
	TH_LOG("moved: %zu pages into blocks, %zu out of, %zu within",
	       travel.in, travel.out, travel.within);
	EXPECT_GT(scanned, 0);
	EXPECT_EQ(0, travel.out);
	EXPECT_EQ(0, travel.within);
}

/* Compaction inside of blocks makes room for huge pages. */
static size_t huge_pages_in_blocks(const struct load_memory *memory)
{
	size_t i, j, count = 0, page = sysconf(_SC_PAGESIZE);
	size_t nr = dmb_huge_page_size() / page;

	for (i = 0; i + nr <= memory->size / page; i += nr) {
		const uint64_t *frame = memory->frames + i;

		for (j = 1; j < nr; j++)
			if (frame[j] != frame[0] + j)
				break;
		count += j == nr && frame[0] % nr == 0 &&
			 load_frame_in_area(frame[0]);
	}
	return count;
}

static void take_huge_pages(char *start, size_t size, bool collapse)
{
	size_t page = sysconf(_SC_PAGESIZE), one = dmb_huge_page_size(), i;

	madvise(start, size, collapse ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
	for (i = 0; i < size; i += page)
		start[i] = 1;
	if (collapse) {
		madvise(start, size, MADV_HUGEPAGE);
		for (i = 0; i < size; i += one)
			madvise(start + i, one, MADV_COLLAPSE);
	}
}

/* Map memory in huge pages, to which mmap() does not align by itself. */
static struct load_memory take_huge_memory(size_t size, bool collapse)
{
	size_t one = dmb_huge_page_size();
	struct load_memory huge = { .size = (size + one - 1) / one * one };
	char *start = mmap(NULL, huge.size + one, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (start == MAP_FAILED)
		ksft_exit_fail_msg("no address space\n");
	huge.start = (char *)(((uintptr_t)start + one - 1) / one * one);
	take_huge_pages(huge.start, huge.size, collapse);
	huge.frames = dmb_frames(huge.start, huge.size);
	return huge;
}

TEST_F(fragmented, compaction_for_huge_pages_works_in_blocks)
{
	struct load_memory *huge = &self->huge;
	size_t count, one = dmb_huge_page_size();
	struct load_travel travel;

	if (variant->order == 3)
		SKIP(return, "same as with order 9");
	/* Compaction does not begin where less than two of them are free. */
	if (!one || load_area_free() < 4 * one)
		SKIP(return, "blocks have no room for huge pages");

	*huge = take_huge_memory(self->wanted, variant->collapse);
	count = huge_pages_in_blocks(huge);
	travel = load_travel_since(&self->memory);
	TH_LOG("%zu of %zu huge pages are in blocks", count, huge->size / one);
	TH_LOG("moved: %zu pages into blocks, %zu out of, %zu within",
	       travel.in, travel.out, travel.within);
	EXPECT_GT(count, 0);
	EXPECT_GT(travel.within, 0);
}

/*
 * Refer to pages in blocks, which cannot move then: to all in the first quarter
 * of each block, or to one at the end of each pageblock. Return how many.
 */
static size_t hold_pages(const struct load_memory *memory, bool everywhere,
			 int fds[][2], int *nr_pipes)
{
	size_t i, held = 0, page = sysconf(_SC_PAGESIZE),
		  nr = dmb_pageblock_size() / page;
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int nr_blocks = dmb_read_blocks(blocks);

	for (i = 0; i < memory->size / page; i++) {
		struct iovec vec = { memory->start + i * page, page };
		uint64_t frame = memory->frames[i];
		int b = frame ? dmb_find_block(blocks, nr_blocks, frame) : -1;

		if (b < 0)
			continue;
		if (everywhere ?
		    frame % nr < nr - nr / 64 :
		    frame * page - blocks[b].base >= blocks[b].size / 4)
			continue;
		if (held % PIPE_PAGES == 0) {
			if (*nr_pipes == MAX_PIPES ||
			    pipe2(fds[*nr_pipes], O_NONBLOCK))
				break;
			fcntl(fds[*nr_pipes][1], F_SETPIPE_SZ,
			      PIPE_PAGES * page);
			++*nr_pipes;
		}
		if (vmsplice(fds[*nr_pipes - 1][1], &vec, 1, 0) !=
		    (ssize_t)page)
			break;
		held++;
	}
	return held;
}

/* Compaction does not keep scanning blocks for pages that it cannot move. */
TEST(compaction_in_blocks_scans_each_page_once)
{
	size_t one = dmb_huge_page_size(), page = sysconf(_SC_PAGESIZE), wanted;
	int fds[MAX_PIPES][2], nr_pipes, everywhere;
	struct load_memory memory, huge;

	if (!one || load_area_free() < 4 * HUGE_PAGES * one)
		SKIP(return, "blocks have no room for huge pages");

	load_begin();
	dmb_write(THP "/defrag", "always");
	memory = load_fragment(100, &wanted);
	ASSERT_NE(NULL, memory.start);
	for (everywhere = 0; everywhere < 2; everywhere++) {
		size_t had = dmb_free_of_order(9, -1), held, made, scanned;

		nr_pipes = 0;
		held = hold_pages(&memory, everywhere, fds, &nr_pipes);
		scanned = load_vmstat("compact_migrate_scanned");
		huge = take_huge_memory(wanted + had + HUGE_PAGES * one, false);
		scanned = load_vmstat("compact_migrate_scanned") - scanned;
		made = huge_pages_in_blocks(&huge);
		made -= MIN(made, had / one);
		TH_LOG("%zu pages stay %s: %zu of %zu huge pages, %zu of %zu pages scanned",
		       held, everywhere ? "everywhere" : "in the first quarter",
		       made, huge.size / one, scanned, memory.size / page);
		while (nr_pipes--) {
			close(fds[nr_pipes][0]);
			close(fds[nr_pipes][1]);
		}
		load_release(&huge);
		EXPECT_GT(memory.size / page, scanned);
		if (!everywhere) {
			EXPECT_LT(HUGE_PAGES / 2, made);
			free(memory.frames);
			memory.frames = dmb_frames(memory.start, memory.size);
		}
	}
	load_release(&memory);
	load_end();
	dmb_write(THP "/defrag", "madvise");
}

TEST_F(fragmented, compact_memory_empties_no_block)
{
	unsigned long migrate = load_vmstat("compact_migrate_scanned");
	unsigned long free = load_vmstat("compact_free_scanned");
	struct load_travel travel;

	if (variant->order != 9)
		SKIP(return, "the order does not matter");

	ASSERT_EQ(0, dmb_write("/proc/sys/vm/compact_memory", "1"));
	travel = load_travel_since(&self->memory);
	TH_LOG("scanned %lu pages to migrate and %lu to be free",
	       load_vmstat("compact_migrate_scanned") - migrate,
	       load_vmstat("compact_free_scanned") - free);
	TH_LOG("moved: %zu pages into blocks, %zu out of, %zu within",
	       travel.in, travel.out, travel.within);
	EXPECT_EQ(0, travel.out);
}

/*
 * There is no swap. Memory filled the blocks and then most of ordinary memory.
 * Then the blocks were emptied.
 */
FIXTURE(spilled)
{
	struct load_memory memory;
	pid_t taker;
};

static size_t fill_pipes(size_t size, int order, const char *how)
{
	return dmb_fill_pipes(size);
}

FIXTURE_VARIANT(spilled)
{
	size_t (*hog)(size_t size, int order, const char *how);
	int order;
};

FIXTURE_VARIANT_ADD(spilled, pipes)
{
	.hog = fill_pipes,
};

FIXTURE_VARIANT_ADD(spilled, order_0)
{
	.hog = load_hog,
};

FIXTURE_VARIANT_ADD(spilled, order_0_slowly)
{
	.hog = load_hog_slowly,
};

FIXTURE_VARIANT_ADD(spilled, order_3)
{
	.hog = load_hog,
	.order = 3,
};

static void spill(struct __test_metadata *_metadata, struct load_memory *memory)
{
	int tries = 300;
	size_t size;
	void *filler;

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	/* Lists have pages of the previous test, and shrink within seconds. */
	while (load_area_free() < KERNEL_NEEDS + load_reserve()) {
		if (!tries--)
			SKIP(return, "blocks are too small");
		usleep(100000);
	}

	filler = load_fill_areas(&size);
	if (load_ordinary_free() < KERNEL_NEEDS + 2 * load_reserve())
		SKIP(return, "not enough ordinary memory");
	memory->size = (load_ordinary_free() - load_reserve()) / MB * MB;
	memory->start = load_write_pattern(memory->size);
	ASSERT_NE(NULL, memory->start);
	memory->frames = dmb_frames(memory->start, memory->size);
	munmap(filler, size);
}

FIXTURE_SETUP(spilled)
{
	load_begin();
	spill(_metadata, &self->memory);
	/* Some pages find room in blocks that was in lists of another CPU. */
	ASSERT_LE(dmb_bytes_in_blocks(self->memory.start, self->memory.size),
		  self->memory.size / 10);
}

/* As before: the kernel has freed the memory that it took. */
static void give_back(pid_t taker)
{
	if (taker) {
		kill(taker, SIGKILL);
		waitpid(taker, NULL, 0);
	}
	load_free_hogs();
}

FIXTURE_TEARDOWN(spilled)
{
	give_back(self->taker);
	load_release(&self->memory);
	load_end();
}

/*
 * Let the kernel allocate memory for a process that the OOM killer would
 * choose. Return the bytes that it got, or 0 if the process was killed.
 */
static size_t take(size_t (*hog)(size_t size, int order, const char *how),
		   size_t size, int order, pid_t *taker)
{
	size_t got = 0;
	int fds[2];

	if (pipe(fds))
		return 0;
	*taker = fork();
	if (!*taker) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dmb_write("/proc/self/oom_score_adj", "1000");
		got = hog(size, order, "kernel");
		if (write(fds[1], &got, sizeof(got)) != sizeof(got))
			_exit(1);
		for (;;)
			pause();
	}
	close(fds[1]);
	if (read(fds[0], &got, sizeof(got)) != sizeof(got))
		got = 0;
	close(fds[0]);
	return got;
}

TEST_F(spilled, kernel_memory_on_demand)
{
	unsigned long page = sysconf(_SC_PAGESIZE),
		      kills = load_vmstat("oom_kill");
	/*
	 * Free memory for the kernel may be in the lists of another CPU: with
	 * pages of 64 KiB, 100 MiB and more. It gets that without moving pages,
	 * but not before direct reclaim.
	 */
	unsigned long in_lists = dmb_read_lists(-1).others;
	size_t wanted = KERNEL_NEEDS + in_lists * page / MB * MB;
	/*
	 * Get to the intended distance from the low watermarks. If the memory
	 * of this program came out of lists, that much more is free.
	 */
	size_t short_of = KERNEL_NEEDS + load_reserve() / 2,
	       unused = load_ordinary_free();
	unsigned long needed = short_of > unused ?
			       (short_of - unused) / page : 0;
	unsigned long at_start = load_vmstat("dmb_relief_moved");
	unsigned long moved = 0, before;
	/* Pages that go into per-cpu lists are not free in the next round. */
	unsigned long kept = 0, others;
	struct load_travel travel;
	bool settled = false;
	int round;

	for (round = 1; !settled && round <= MAX_ROUNDS; round++) {
		unsigned long direct = load_vmstat("dmb_relief_direct");
		unsigned long kswapd = load_vmstat("dmb_relief_kswapd");
		unsigned long failed = load_vmstat("dmb_relief_failed");
		unsigned long scanned = load_vmstat("pgscan_kswapd") +
					load_vmstat("pgscan_direct");
		size_t got = take(variant->hog, wanted, variant->order,
				  &self->taker);

		before = moved;
		moved = load_vmstat("dmb_relief_moved") - at_start;
		travel = load_travel_since(&self->memory);
		TH_LOG("round %d: %zu MiB for the kernel, %lu pages scanned by reclaim",
		       round, got / MB,
		       load_vmstat("pgscan_kswapd") +
		       load_vmstat("pgscan_direct") - scanned);
		TH_LOG("relief: %lu times directly, %lu by kswapd, %lu pages failed",
		       load_vmstat("dmb_relief_direct") - direct,
		       load_vmstat("dmb_relief_kswapd") - kswapd,
		       load_vmstat("dmb_relief_failed") - failed);
		TH_LOG("%lu pages moved, %lu needed, %lu and %lu in lists; now in blocks: %zu",
		       moved, needed, in_lists, kept, travel.in);
		EXPECT_GE(got, wanted);
		if (got < wanted)
			break;
		give_back(self->taker);
		self->taker = 0;
		others = dmb_read_lists(-1).others;
		if (others > kept)
			kept = others;
		settled = moved - before <= moved / 20;
	}
	EXPECT_EQ(kills, load_vmstat("oom_kill"));
	EXPECT_EQ(0, load_check_pattern(self->memory.start, self->memory.size));
	EXPECT_GE(moved, needed / 2);
	EXPECT_LE(moved, needed * 2 + in_lists + kept);
	/* Each page moves once, and then none is left to move. */
	EXPECT_GE(travel.in, moved - moved / 10);
	EXPECT_TRUE(settled);
	EXPECT_EQ(0, travel.out);
}

/* The same memory, for tests that need no variants */
FIXTURE(sysctls)
{
	struct load_memory memory;
	pid_t taker;
};

FIXTURE_SETUP(sysctls)
{
	load_begin();
	spill(_metadata, &self->memory);
}

FIXTURE_TEARDOWN(sysctls)
{
	give_back(self->taker);
	load_release(&self->memory);
	load_end();
}

/* Relief respects compact_unevictable_allowed=0: locked memory stays. */
TEST_F(sysctls, locked_memory_stays)
{
	struct load_travel before, travel;
	size_t got;

	ASSERT_EQ(0, mlock(self->memory.start, self->memory.size));
	ASSERT_EQ(0, dmb_write(UNEVICTABLE, "0"));
	/* kswapd may have started as soon as there was room. */
	before = load_travel_since(&self->memory);
	got = take(load_hog, KERNEL_NEEDS, 0, &self->taker);
	dmb_write(UNEVICTABLE, "1");
	travel = load_travel_since(&self->memory);
	TH_LOG("%zu MiB for the kernel, %zu pages moved, %zu before that",
	       got / MB, travel.in - before.in, before.in);
	EXPECT_EQ(before.in, travel.in);
}

/*
 * With memory tiers, kswapd has a higher watermark. It goes back to sleep,
 * whether or not it reaches that.
 */
TEST_F(sysctls, kswapd_sleeps_with_tiers)
{
	unsigned long runs;

	if (access(NUMA_BALANCING, W_OK))
		SKIP(return, "needs CONFIG_NUMA_BALANCING");
	ASSERT_EQ(0, dmb_write(NUMA_BALANCING, "2"));
	EXPECT_NE(0, take(load_hog, KERNEL_NEEDS, 0, &self->taker));
	sleep(1);
	runs = load_vmstat("pageoutrun");
	sleep(2);
	runs = load_vmstat("pageoutrun") - runs;
	dmb_write(NUMA_BALANCING, "0");
	TH_LOG("kswapd ran %lu times in two seconds in which nothing happened",
	       runs);
	EXPECT_LE(runs, 20);
}

/* Write data that zram cannot compress, or count words that differ from it. */
static size_t random_words(uint64_t *words, size_t size, bool check)
{
	uint64_t value = 1;
	size_t i, wrong = 0;

	for (i = 0; i < size / sizeof(*words); i++) {
		value ^= value << 13;
		value ^= value >> 7;
		value ^= value << 17;
		if (!check)
			words[i] = value;
		else
			wrong += words[i] != value;
	}
	return wrong;
}

/*
 * While blocks were full, zram had its pages in ordinary memory. Then blocks
 * have room, and there is nothing else to move.
 */
TEST(compressed_pages_move)
{
	size_t kept, wanted, got, compressed, size = 192 * MB;
	char device[DMB_DEVICE_NAME];
	unsigned long kills;
	uint64_t *words;
	void *filler;

	if (!load_have_module() || !dmb_add_zram(device, 2 * size) ||
	    !dmb_swap_on(device))
		SKIP(return, "needs the module dmb_load, and zram to swap to");
	load_begin();
	filler = load_fill_areas(&kept);
	ASSERT_NE(NULL, filler);
	ASSERT_EQ(0, mlock(filler, kept));
	words = mmap(NULL, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, words);
	random_words(words, size, false);
	ASSERT_EQ(0, madvise(words, size, MADV_PAGEOUT));
	compressed = load_vmstat("nr_zspages") * sysconf(_SC_PAGESIZE);
	EXPECT_LT(size - size / 4, compressed);
	munmap(filler, kept);

	kills = load_vmstat("oom_kill");
	wanted = load_ordinary_free() + size / 2;
	got = load_hog(wanted, 0, "mayfail");
	TH_LOG("zram has %zu MiB, %zu of %zu MiB for the kernel",
	       compressed / MB, got / MB, wanted / MB);
	EXPECT_EQ(wanted, got);
	EXPECT_EQ(kills, load_vmstat("oom_kill"));
	load_free_hogs();
	EXPECT_EQ(0, random_words(words, size, true));
	munmap(words, size);
	swapoff(device);
	load_end();
}

int main(int argc, char **argv)
{
	dmb_need_blocks();
	return test_harness_run(argc, argv);
}
