// SPDX-License-Identifier: GPL-2.0
/*
 * Owners claim memory in blocks that are full of all kinds of pages, and release it.
 * No page loses its content, and claims wait long enough for pages in use.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/prctl.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "load.h"

#define HUGEPAGES	"/proc/sys/vm/nr_hugepages"
#define KSM		"/sys/kernel/mm/ksm"
#define SWAP		"/dev/zram0"
#define DRIVER		"test_modules/dmb_owner.ko"
#define MIN_FREE	"/proc/sys/vm/min_free_kbytes"
#define RESERVE_RATIO	"/proc/sys/vm/lowmem_reserve_ratio"
#define DIRTY_RATIO	"/proc/sys/vm/dirty_ratio"
#define DIRTY_BACKGROUND "/proc/sys/vm/dirty_background_ratio"
#define DIRTY_HIGHMEM	"/proc/sys/vm/highmem_is_dirtyable"
#define AREA		"/sys/kernel/debug/cma/hugetlb0"
#define OTHER_AREA	"/sys/kernel/debug/cma/reserved"	/* of cma= */
#define GIGANTIC	"/sys/kernel/mm/hugepages/hugepages-1048576kB"
#define MEMORY		"/sys/devices/system/memory"

#define PAGEBLOCK	(2 * MB)	/* or larger; what claims are aligned to */
#define SMALLEST	(2 * MB)
#define LARGEST		(256 * MB)

#define TAINT_OOT_MODULE	0x1000

#define MAX_CPUS	64

/* Seconds for the requested number of claims */
#define CLAIMS_TEST	7200

/* Claims for each kind of pages: a hundred in all */
static int nr_claims = 15;

static unsigned long claimed(void)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int i, nr = dmb_read_blocks(blocks);
	unsigned long sum = 0;

	for (i = 0; i < nr; i++)
		sum += blocks[i].claimed;
	return sum;
}

FIXTURE(owner)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	struct dmb_state before;
	int nr;
};

FIXTURE_SETUP(owner)
{
	load_begin();
	self->nr = dmb_read_blocks(self->blocks);
	self->before = dmb_note_state(true);
	if (access(DMB_CLAIM, W_OK))
		SKIP(return, "needs " DMB_CLAIM);
	ASSERT_EQ(0, claimed());
}

FIXTURE_TEARDOWN(owner)
{
	load_end();
	dmb_write(HUGEPAGES, "0");
	dmb_write(KSM "/run", "2");
	EXPECT_UNCHANGED(&self->before);
	EXPECT_EQ(0, claimed());
}

/*
 * A random range of one of the blocks. It has whole pageblocks, so that no neighbour
 * is affected.
 */
static void choose_range(const struct dmb_block *blocks, int nr, uint64_t *base,
			 uint64_t *size)
{
	const struct dmb_block *block = &blocks[random() % nr];
	uint64_t largest = block->size / 2 < LARGEST ? block->size / 2 : LARGEST;

	*size = SMALLEST + random() % (largest - SMALLEST + 1);
	*size = *size / PAGEBLOCK * PAGEBLOCK;
	*base = block->base + random() % (block->size - *size + 1);
	*base = *base / PAGEBLOCK * PAGEBLOCK;
}

/* Processes and files whose pages are in the way of claims */
enum tenant {
	ANONYMOUS,
	HUGE,		/* transparent huge pages */
	TMPFS,
	HUGETLB,
	SAME,		/* pages that KSM has merged */
	CLEAN,		/* page cache */
	DIRTY,
};

struct tenants {
	char *memory;
	size_t size;
	int fd;
};

/*
 * Fill each page with a different number. zram has room for many such pages: it
 * stores only the number if that is a word of this machine.
 */
static unsigned long stamp(size_t offset)
{
	return offset / sysconf(_SC_PAGESIZE) ^ ~0UL / 3;
}

static bool write_stamps(const struct tenants *tenants)
{
	size_t i, j, page = sysconf(_SC_PAGESIZE);

	for (i = 0; i < tenants->size; i += page) {
		unsigned long *words = (unsigned long *)(tenants->memory + i);
		unsigned long number = stamp(i);

		for (j = 0; j < page / sizeof(number); j++)
			words[j] = number;
	}
	return true;
}

/* How many pages have a byte that differs from what was written */
static size_t wrong_stamps(const struct tenants *tenants)
{
	size_t i, j, wrong = 0, page = sysconf(_SC_PAGESIZE);

	for (i = 0; i < tenants->size; i += page) {
		unsigned long *words = (unsigned long *)(tenants->memory + i);
		unsigned long number = stamp(i), difference = 0;

		for (j = 0; j < page / sizeof(number); j++)
			difference |= words[j] ^ number;
		wrong += !!difference;
	}
	return wrong;
}

/* Different pages, each of them several times */
static void write_same(const struct tenants *tenants)
{
	size_t i, page = sysconf(_SC_PAGESIZE);

	for (i = 0; i < tenants->size; i += page)
		memset(tenants->memory + i, i / page % 251, page);
}

static size_t wrong_same(const struct tenants *tenants)
{
	size_t i, wrong = 0, page = sysconf(_SC_PAGESIZE);

	/* The first byte is right, and each is like the one before it. */
	for (i = 0; i < tenants->size; i += page)
		wrong += tenants->memory[i] != (char)(i / page % 251) ||
			 memcmp(tenants->memory + i, tenants->memory + i + 1, page - 1);
	return wrong;
}

static bool wait_for_merges(void)
{
	int tries;

	dmb_write(KSM "/pages_to_scan", "20000");
	dmb_write(KSM "/sleep_millisecs", "10");
	dmb_write(KSM "/run", "1");
	for (tries = 0; tries < 300; tries++) {
		if (dmb_read_number(KSM "/pages_sharing") > 1000)
			return true;
		usleep(100000);
	}
	return false;
}

/* Return false if this machine has no such memory. */
static bool move_in(enum tenant kind, struct tenants *tenants, size_t size)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char number[32];

	tenants->size = size / MB * MB;
	tenants->fd = -1;
	switch (kind) {
	case HUGETLB:
		tenants->size = tenants->size / 2 / dmb_huge_page_size() *
				dmb_huge_page_size();
		snprintf(number, sizeof(number), "%zu",
			 tenants->size / dmb_huge_page_size());
		dmb_write(HUGEPAGES, number);
		flags |= MAP_HUGETLB;
		break;
	case TMPFS:
		tenants->fd = memfd_create("tenants", 0);
		if (ftruncate(tenants->fd, tenants->size))
			return false;
		flags = MAP_SHARED;
		break;
	case CLEAN:
		tenants->fd = load_open_cache(tenants->size);
		return tenants->fd >= 0;
	case DIRTY:
		/* Dirty pages have to fit on the device. */
		tenants->size = 32 * MB;
		tenants->fd = load_open_cache(tenants->size);
		if (tenants->fd < 0)
			return false;
		flags = MAP_SHARED;
		break;
	default:
		break;
	}
	tenants->memory = mmap(NULL, tenants->size, PROT_READ | PROT_WRITE, flags,
			       tenants->fd, 0);
	if (tenants->memory == MAP_FAILED)
		return false;
	if (kind != HUGETLB)
		madvise(tenants->memory, tenants->size,
			kind == HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	if (kind == SAME) {
		write_same(tenants);
		madvise(tenants->memory, tenants->size, MADV_MERGEABLE);
		return wait_for_merges();
	}
	return write_stamps(tenants);
}

static void move_out(struct tenants *tenants)
{
	if (tenants->memory)
		munmap(tenants->memory, tenants->size);
	if (tenants->fd >= 0)
		close(tenants->fd);
}

/* Meanwhile all CPUs allocate and free memory in and outside of the ranges. */
struct churn {
	pid_t pids[MAX_CPUS];
	int nr;
};

static struct churn start_churn(void)
{
	struct churn churn = { .nr = sysconf(_SC_NPROCESSORS_ONLN) };
	int i;

	if (churn.nr > MAX_CPUS)
		churn.nr = MAX_CPUS;
	for (i = 0; i < churn.nr; i++)
		churn.pids[i] = load_start_churn(i);
	return churn;
}

static void stop_churn(struct churn *churn)
{
	int i;

	for (i = 0; i < churn->nr; i++)
		load_stop_churn(churn->pids[i]);
}

FIXTURE_VARIANT(owner)
{
	enum tenant kind;
};

FIXTURE_VARIANT_ADD(owner, anonymous)
{
	.kind = ANONYMOUS,
};

FIXTURE_VARIANT_ADD(owner, huge_pages)
{
	.kind = HUGE,
};

FIXTURE_VARIANT_ADD(owner, tmpfs)
{
	.kind = TMPFS,
};

FIXTURE_VARIANT_ADD(owner, hugetlb)
{
	.kind = HUGETLB,
};

FIXTURE_VARIANT_ADD(owner, same_pages)
{
	.kind = SAME,
};

FIXTURE_VARIANT_ADD(owner, clean_cache)
{
	.kind = CLEAN,
};

FIXTURE_VARIANT_ADD(owner, dirty_cache)
{
	.kind = DIRTY,
};

TEST_F_TIMEOUT(owner, claims_succeed, CLAIMS_TEST)
{
	unsigned long kills = load_vmstat("oom_kill");
	struct tenants tenants = { };
	int i, err, failed = 0;
	struct churn churn;
	size_t total = 0;

	srandom(1);
	/*
	 * Before there is anything to inherit: a page that ksmd merges while
	 * two processes share it cannot be migrated until ksmd has seen both.
	 */
	churn = start_churn();
	if (!move_in(variant->kind, &tenants, load_area_free() * 9 / 10)) {
		stop_churn(&churn);
		move_out(&tenants);
		SKIP(return, "no such pages here");
	}

	for (i = 0; i < nr_claims; i++) {
		uint64_t base, size;

		choose_range(self->blocks, self->nr, &base, &size);
		err = dmb_claim(base, size);
		if (err) {
			TH_LOG("claim %d of %llu MiB at %#llx: %s", i,
			       (unsigned long long)size / MB,
			       (unsigned long long)base, strerror(-err));
			failed++;
			continue;
		}
		EXPECT_EQ(size, claimed());
		EXPECT_EQ(0, dmb_release(base, size));
		total += size;
	}
	stop_churn(&churn);

	TH_LOG("%d claims, %zu MiB, %d failed", nr_claims, total / MB, failed);
	EXPECT_EQ(0, failed);
	EXPECT_EQ(kills, load_vmstat("oom_kill"));
	if (tenants.memory)
		EXPECT_EQ(0, variant->kind == SAME ? wrong_same(&tenants) :
						     wrong_stamps(&tenants));
	move_out(&tenants);
}

/* Return false if memory cannot be claimed on this machine. */
static bool choose_block(struct dmb_block *block, struct dmb_state *before)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];

	load_begin();
	dmb_read_blocks(blocks);
	*block = blocks[0];
	*before = dmb_note_state(true);
	return !access(DMB_CLAIM, W_OK);
}

FIXTURE(range)
{
	struct dmb_block block;
	struct dmb_state before;
};

FIXTURE_SETUP(range)
{
	if (!choose_block(&self->block, &self->before))
		SKIP(return, "needs " DMB_CLAIM);
}

FIXTURE_TEARDOWN(range)
{
	load_end();
	EXPECT_UNCHANGED(&self->before);
	EXPECT_EQ(0, claimed());
}

TEST_F(range, bad_ranges_are_refused)
{
	uint64_t base = self->block.base, end = base + self->block.size;

	EXPECT_EQ(-EINVAL, dmb_claim(base, 0));
	EXPECT_EQ(-EINVAL, dmb_claim(base + 1, PAGEBLOCK));
	EXPECT_EQ(-EINVAL, dmb_claim(base, PAGEBLOCK + 1));
	EXPECT_EQ(-EINVAL, dmb_claim(base - PAGEBLOCK, 2 * PAGEBLOCK));
	EXPECT_EQ(-EINVAL, dmb_claim(end - PAGEBLOCK, 2 * PAGEBLOCK));
	EXPECT_EQ(-EINVAL, dmb_claim(base, -PAGEBLOCK));
	EXPECT_EQ(-EINVAL, dmb_release(base, PAGEBLOCK));
	EXPECT_EQ(-EINVAL, dmb_write(DMB_CLAIM, "2M"));
	EXPECT_EQ(-EINVAL, dmb_write(DMB_CLAIM, "2M@"));
}

TEST_F(range, overlapping_claims_are_refused)
{
	uint64_t base = self->block.base + 4 * PAGEBLOCK, page = sysconf(_SC_PAGESIZE);

	ASSERT_EQ(0, dmb_claim(base, 2 * PAGEBLOCK));
	EXPECT_EQ(-EBUSY, dmb_claim(base, 2 * PAGEBLOCK));
	EXPECT_EQ(-EBUSY, dmb_claim(base - PAGEBLOCK, 2 * PAGEBLOCK));
	EXPECT_EQ(-EBUSY, dmb_claim(base + page, page));
	EXPECT_EQ(-EINVAL, dmb_release(base, PAGEBLOCK));
	EXPECT_EQ(2 * PAGEBLOCK, claimed());
	EXPECT_EQ(0, dmb_release(base, 2 * PAGEBLOCK));
	EXPECT_EQ(-EINVAL, dmb_release(base, 2 * PAGEBLOCK));
}

/* Of several owners that claim the same range at the same time, one gets it. */
TEST_F(range, one_claim_wins)
{
	int i, round, err, status, wrong = 0;
	struct { int owners, claims; } *shared;
	pid_t pids[4];

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)shared);
	for (i = 0; i < 4; i++) {
		uint64_t base = self->block.base + i * PAGEBLOCK / 4;

		pids[i] = fork();
		if (pids[i])
			continue;
		/* All ranges include the fourth quarter of the first pageblock. */
		for (round = 0; round < 64; round++) {
			err = dmb_claim(base, PAGEBLOCK);
			if (err) {
				wrong += err != -EBUSY;
				continue;
			}
			wrong += __atomic_fetch_add(&shared->owners, 1, __ATOMIC_SEQ_CST);
			__atomic_fetch_add(&shared->claims, 1, __ATOMIC_SEQ_CST);
			usleep(1000);
			__atomic_fetch_sub(&shared->owners, 1, __ATOMIC_SEQ_CST);
			wrong += !!dmb_release(base, PAGEBLOCK);
		}
		_exit(wrong);
	}
	for (i = 0; i < 4; i++) {
		waitpid(pids[i], &status, 0);
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(0, WEXITSTATUS(status));
	}
	TH_LOG("%d of 256 claims", shared->claims);
	EXPECT_GT(shared->claims, 0);
	munmap(shared, sizeof(*shared));
}

/* Two owners in one pageblock, each with some of its pages */
TEST_F(range, neighbours_share_a_pageblock)
{
	uint64_t base = self->block.base + 4 * PAGEBLOCK;

	ASSERT_EQ(0, dmb_claim(base, PAGEBLOCK / 2));
	EXPECT_EQ(0, dmb_claim(base + PAGEBLOCK / 2, PAGEBLOCK / 4));
	EXPECT_EQ(0, dmb_release(base, PAGEBLOCK / 2));
	EXPECT_EQ(0, dmb_release(base + PAGEBLOCK / 2, PAGEBLOCK / 4));
}

/* Pages that one owner releases merge with pages that the other is claiming. */
TEST_F(range, neighbours_come_and_go)
{
	uint64_t base = self->block.base + 4 * PAGEBLOCK;
	int i, round, failed, status;
	pid_t pids[2];

	for (i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		dmb_run_on(i);
		for (round = failed = 0; round < 2500; round++) {
			uint64_t half = base + i * PAGEBLOCK / 2;

			if (dmb_claim(half, PAGEBLOCK / 2))
				failed++;
			else
				failed += !!dmb_release(half, PAGEBLOCK / 2);
		}
		_exit(failed < 255 ? failed : 255);
	}
	for (i = 0; i < 2; i++) {
		waitpid(pids[i], &status, 0);
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(0, WEXITSTATUS(status));
	}
}

/* If a part of a folio is in the way, the folio is moved as a whole, or split. */
FIXTURE(folio)
{
	struct dmb_state before;
	size_t size;
	struct tenants tenants;
};

FIXTURE_VARIANT(folio)
{
	enum tenant kind;
	size_t pages;		/* 0: a huge page */
};

FIXTURE_VARIANT_ADD(folio, of_16_pages)
{
	.kind = HUGE,
	.pages = 16,
};

FIXTURE_VARIANT_ADD(folio, huge)
{
	.kind = HUGE,
};

FIXTURE_VARIANT_ADD(folio, hugetlb)
{
	.kind = HUGETLB,
};

FIXTURE_SETUP(folio)
{
	struct dmb_block block;
	size_t room;

	self->tenants.fd = -1;
	self->size = variant->pages * sysconf(_SC_PAGESIZE) ?: dmb_huge_page_size();
	if (!choose_block(&block, &self->before))
		SKIP(return, "needs " DMB_CLAIM);
	if (!self->size)
		SKIP(return, "no huge pages here");
	if (variant->kind == HUGETLB && DMB_HUGETLB_STAYS)
		SKIP(return, "hugetlb has no pages in blocks here");
	/*
	 * Blocks that are hardly larger than a huge page have little room left, and
	 * one of two huge pages may be in another block.
	 */
	room = load_area_free() / self->size * self->size;
	if (room < 4 * self->size)
		SKIP(return, "blocks have no room for such folios");
	if (room > 16 * dmb_huge_page_size())
		room = 16 * dmb_huge_page_size();
	dmb_folio_size(self->size);
	/* move_in() gives hugetlb pages half of the room. */
	ASSERT_TRUE(move_in(variant->kind, &self->tenants, room));
}

FIXTURE_TEARDOWN(folio)
{
	EXPECT_EQ(0, wrong_stamps(&self->tenants));
	move_out(&self->tenants);
	dmb_write(HUGEPAGES, "0");
	dmb_folio_size(dmb_huge_page_size());
	load_end();
	EXPECT_UNCHANGED(&self->before);
	EXPECT_EQ(0, claimed());
}

static bool frame_within(uint64_t frame, uint64_t base, uint64_t size)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	return frame >= base / page && frame < (base + size) / page;
}

TEST_F(folio, part_of_it_is_claimed)
{
	size_t page = sysconf(_SC_PAGESIZE), nr = self->size / page, i;
	uint64_t *frames = dmb_frames(self->tenants.memory, self->tenants.size);
	size_t all = self->tenants.size / page, in_a_row = 0, moved = 0;
	uint64_t first = 0, base;

	/* The last one, as the first may be cut. */
	for (i = 0; i < all; i++) {
		in_a_row = i && frames[i] == frames[i - 1] + 1 ? in_a_row + 1 : 1;
		if (in_a_row >= nr && (frames[i] + 1) % nr == 0 &&
		    load_frame_in_area(frames[i]))
			first = frames[i] + 1 - nr;
	}
	free(frames);
	ASSERT_NE(0, first);

	base = first * page + self->size / 4;
	ASSERT_EQ(0, dmb_claim(base, self->size / 4));
	frames = dmb_frames(self->tenants.memory, self->tenants.size);
	for (i = 0; i < all; i++)
		moved += !frame_within(frames[i], base, self->size / 4);
	free(frames);
	EXPECT_EQ(all, moved);
	EXPECT_EQ(0, dmb_release(base, self->size / 4));
}

/* Claims of several owners neither wait for each other nor fail. */
TEST_F(range, claims_in_parallel)
{
	struct tenants tenants = { };
	int i, round, status, failed = 0;
	pid_t pids[4];

	ASSERT_TRUE(move_in(ANONYMOUS, &tenants, self->block.size * 9 / 10));
	for (i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		/* Halves of two pageblocks */
		for (round = 0; round < 32; round++) {
			uint64_t base = self->block.base + i * PAGEBLOCK / 2;

			failed += !!dmb_claim(base, PAGEBLOCK / 2);
			failed += !!dmb_release(base, PAGEBLOCK / 2);
		}
		_exit(failed);
	}
	for (i = 0; i < 4; i++) {
		waitpid(pids[i], &status, 0);
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(0, WEXITSTATUS(status));
	}
	EXPECT_EQ(0, wrong_stamps(&tenants));
	move_out(&tenants);
}

/*
 * There is no free memory, neither outside the blocks nor in them. So the pages of
 * the range are reclaimed, and no others move.
 */
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
	FILE *f = fopen(RESERVE_RATIO, "r");

	self->tenants.fd = -1;
	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(self->reserve_ratio, sizeof(self->reserve_ratio), f));
	fclose(f);
	/* Allow free memory of lower zones to be used. */
	ASSERT_EQ(0, dmb_write(RESERVE_RATIO, "0 0 0"));
	/* Keep per-cpu lists short, so that they do not hold the rest. */
	ASSERT_EQ(0, dmb_write(PCP_FRACTION, "100000"));
	self->reclaimed = reclaimed();
	if (!choose_block(&self->block, &self->before))
		SKIP(return, "needs " DMB_CLAIM);
}

FIXTURE_TEARDOWN(full)
{
	long long more, others;
	int tries;

	free(self->frames);
	dmb_write(RESERVE_RATIO, self->reserve_ratio);
	dmb_write(PCP_FRACTION, "0");
	move_out(&self->tenants);
	swapoff(SWAP);
	load_end();
	dmb_write("/sys/block/zram0/reset", "1");
	/*
	 * Pages of others that were reclaimed have been read again since, into blocks,
	 * wherever they were before. zram and swap free their pages asynchronously.
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
	/* A page that nobody owns could not move. */
	EXPECT_EQ(0, dmb_claim(self->block.base, self->block.size));
	EXPECT_EQ(0, dmb_release(self->block.base, self->block.size));
}

/* Room for all pages that can be swapped out: reclaim may start with others. */
static bool swap_on(void)
{
	return !dmb_write("/sys/block/zram0/disksize", "1G") &&
	       dmb_swap_on(SWAP);
}

/* Fill all but a part of the reserve, which is not used as a migration target. */
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
	size_t min = dmb_read_value("/proc/zoneinfo", "min") * sysconf(_SC_PAGESIZE);

	return load_area_free() + (unused > min ? unused - min : 0);
}

/* Number of pages of the blocks, outside of the range, that have moved */
static size_t disturbed(const uint64_t *then, const uint64_t *now, size_t nr,
			uint64_t base, uint64_t size)
{
	size_t i, sum = 0;

	for (i = 0; i < nr; i++)
		if (load_frame_in_area(then[i]) && !frame_within(then[i], base, size))
			sum += then[i] != now[i];
	return sum;
}

/* Direct reclaim takes at most so many pages at a time: 32, and some beside them */
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
	/* Memory that this test needs later. Otherwise kswapd would have to free it. */
	spare = dmb_touch(16 * MB, false);
	ASSERT_TRUE(move_in(ANONYMOUS, &self->tenants, load_area_free()));
	nr = self->tenants.size / page;
	fill_ordinary_memory(1);
	size = (load_area_free() + load_ordinary_free()) / PAGEBLOCK * PAGEBLOCK + 64 * MB;
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
	       (unsigned long long)size / MB, others, nr, kswapd, direct, compressed);
	/*
	 * Swap and zram need memory to store pages. They take it from the reserves, which
	 * kswapd refills, or the next request if kswapd is late. Pages of zram in the
	 * range move, each with reclaim if there is no room.
	 */
	EXPECT_LE(direct, nr / 1000 + MIN((compressed + 1) * RECLAIM_BATCH, size / page / 4));
	EXPECT_LE(others, nr / 1000 + kswapd + direct);
	free(now);
	EXPECT_EQ(0, dmb_release(base, size));
	load_free_hogs();
	EXPECT_EQ(0, wrong_stamps(&self->tenants));
}

static int load_driver(uint64_t base, uint64_t size, bool nofs)
{
	char params[64];

	snprintf(params, sizeof(params), "base=%#llx size=%#llx nofs=%d",
		 (unsigned long long)base, (unsigned long long)size, nofs);
	return dmb_load_module(DRIVER, params);
}

/* Pages that cannot be swapped out move to where clean page cache is dropped. */
static void claim_beside_page_cache(struct __test_metadata *_metadata,
				    FIXTURE_DATA(full) *self, bool nofs)
{
	uint64_t base = self->block.base + 64 * MB, size;
	size_t unused, cached;
	int fd;

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	ASSERT_TRUE(move_in(ANONYMOUS, &self->tenants, load_area_free()));
	unused = load_ordinary_free();
	if (unused > 256 * MB)
		load_hog(unused - 256 * MB, 0, "anywhere");
	/* Page cache of a block device is in ordinary memory while it is open. */
	fd = dmb_read_device(512 * MB);
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
		EXPECT_EQ(0, load_driver(base, size, true));
		EXPECT_EQ(0, syscall(SYS_delete_module, "dmb_owner", 0));
	} else {
		EXPECT_EQ(0, dmb_claim(base, size));
		EXPECT_EQ(0, dmb_release(base, size));
	}
	dmb_close_device(fd);
	load_free_hogs();
	EXPECT_EQ(0, wrong_stamps(&self->tenants));
}

TEST_F(full, page_cache_elsewhere_makes_room)
{
	claim_beside_page_cache(_metadata, self, false);
}

/* The same for a driver that must not enter file systems: reclaim need not, either. */
TEST_F(full, page_cache_elsewhere_makes_room_without_file_systems)
{
	if (access(DRIVER, R_OK))
		SKIP(return, "needs " DRIVER);
	claim_beside_page_cache(_metadata, self, true);
}

/* Bytes of a range that belong to the memory of @frames */
static size_t bytes_within(const uint64_t *frames, size_t nr, uint64_t base, uint64_t size)
{
	size_t i, pages = 0;

	for (i = 0; i < nr; i++)
		pages += frame_within(frames[i], base, size);
	return pages * sysconf(_SC_PAGESIZE);
}

/*
 * Locked memory cannot be reclaimed and has to move. So other pages are reclaimed, as
 * for any request. Free pages in the pageblocks of the range cannot be used meanwhile,
 * so the rest of memory needs enough reclaimable pages. With pages of 64 KiB such a
 * pageblock may be half of a block.
 */
TEST_F(full, others_are_swapped_out_for_locked_memory)
{
	uint64_t base, end = self->block.base + self->block.size, best = 0, *others;
	size_t size, room, inside, outside, most = 0, most_outside = 0;
	size_t page = sysconf(_SC_PAGESIZE), isolated = dmb_pageblock_size();
	struct tenants locked = { .fd = -1 };

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	if (!swap_on())
		SKIP(return, "needs zram and mkswap");
	ASSERT_TRUE(move_in(ANONYMOUS, &locked, load_area_free() / 2));
	ASSERT_EQ(0, mlock(locked.memory, locked.size));
	/* Some in ordinary memory, which the kernel can reclaim for itself */
	ASSERT_TRUE(move_in(ANONYMOUS, &self->tenants, load_area_free() + 64 * MB));
	fill_ordinary_memory(2);
	room = room_for_pages();
	size = (room + 64 * MB) / PAGEBLOCK * PAGEBLOCK;

	self->frames = dmb_frames(locked.memory, locked.size);
	others = dmb_frames(self->tenants.memory, self->tenants.size);
	for (base = self->block.base; base + size <= end; base += PAGEBLOCK) {
		uint64_t first = base / isolated * isolated;
		uint64_t last = (base + size + isolated - 1) / isolated * isolated;

		inside = bytes_within(self->frames, locked.size / page, base, size);
		outside = self->tenants.size - bytes_within(others, self->tenants.size / page,
							    first, last - first);
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
	EXPECT_EQ(0, wrong_stamps(&locked));
	EXPECT_EQ(0, wrong_stamps(&self->tenants));
	move_out(&locked);
}

static int compare_frames(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Sort these pages; find the longest range in one block that has no others. */
static void longest_run(uint64_t *frames, size_t nr, const struct dmb_block *block,
			uint64_t *base, uint64_t *size)
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
	/* Percent of free memory and page cache, which is little more than this file */
	dmb_write(DIRTY_BACKGROUND, "94");
	dmb_write(DIRTY_HIGHMEM, "1");
	if (!move_in(DIRTY, &self->tenants, 0))
		SKIP(return, "needs zram, ext4 and mke2fs");
	ASSERT_TRUE(move_in(ANONYMOUS, &others, load_area_free() + 64 * MB));
	/* With huge pages the kernel has a reserve much larger than the range. */
	reserve = dmb_read_number(MIN_FREE);
	/* 1024 pages, in KiB */
	snprintf(text, sizeof(text), "%ld", sysconf(_SC_PAGESIZE));
	dmb_write(MIN_FREE, text);
	fill_ordinary_memory(2);

	self->frames = dmb_frames(self->tenants.memory, self->tenants.size);
	longest_run(self->frames, self->tenants.size / sysconf(_SC_PAGESIZE),
		    &self->block, &base, &size);
	/* Filling memory caused writeback of some pages, which may still go on. */
	for (tries = 0; tries < 20; tries++) {
		write_stamps(&self->tenants);
		if (dmb_meminfo("Dirty") > self->tenants.size / 2)
			break;
		usleep(100000);
	}
	TH_LOG("%llu KiB in a row, %llu MiB dirty", (unsigned long long)size / 1024,
	       dmb_meminfo("Dirty") / MB);
	ASSERT_GT(size, 0);
	ASSERT_GT(dmb_meminfo("Dirty"), self->tenants.size / 2);

	EXPECT_EQ(0, dmb_claim(base, size));
	EXPECT_EQ(0, dmb_release(base, size));
	EXPECT_EQ(0, wrong_stamps(&self->tenants));
	EXPECT_EQ(0, wrong_stamps(&others));
	move_out(&others);
	dmb_write(DIRTY_BACKGROUND, "10");
	dmb_write(DIRTY_RATIO, "20");
	dmb_write(DIRTY_HIGHMEM, "0");
	snprintf(text, sizeof(text), "%lu", reserve);
	dmb_write(MIN_FREE, text);
}

/* Does the kernel log say why a claim has failed? */
static bool logged(uint64_t frame, const char *reason)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	char line[1024], wanted[128];
	bool found = false;
	ssize_t len;

	snprintf(wanted, sizeof(wanted), "page frame %#llx is %s",
		 (unsigned long long)frame, reason);
	/* A read is a line; -EPIPE says that some are lost. */
	while (fd >= 0 && ((len = read(fd, line, sizeof(line) - 1)) > 0 || errno == EPIPE)) {
		line[len > 0 ? len : 0] = '\0';
		found |= strstr(line, "dmb: cannot empty") && strstr(line, wanted);
	}
	close(fd);
	return found;
}

/* A claim does not drain lists of other pages, up to an eighth of memory. */
TEST_F(range, other_per_cpu_lists_stay_as_they_are)
{
	uint64_t base = self->block.base;
	unsigned long before, after;

	ASSERT_EQ(0, dmb_run_on(0));
	/* After the first claim there are no designated pages in lists. */
	ASSERT_EQ(0, dmb_claim(base, PAGEBLOCK));
	/* The longest lists; with pages of 64 KiB the default is short. */
	EXPECT_EQ(0, dmb_write(PCP_FRACTION, "8"));
	EXPECT_LT(32 * MB, dmb_fill_pipes(64 * MB));
	dmb_close_pipes();

	before = dmb_read_lists(-1).others;
	ASSERT_EQ(0, dmb_claim(base + PAGEBLOCK, PAGEBLOCK));
	after = dmb_read_lists(-1).others;
	TH_LOG("%lu pages in lists before the claim, %lu after it", before, after);
	EXPECT_EQ(0, dmb_release(base + PAGEBLOCK, PAGEBLOCK));
	EXPECT_EQ(0, dmb_release(base, PAGEBLOCK));
	EXPECT_EQ(0, dmb_write(PCP_FRACTION, "0"));

	EXPECT_LT(256, before);
	EXPECT_LT(before / 2, after);
}

/*
 * Where there is room in small pages only, huge pages in the way are split. Nobody
 * else is reclaimed or compacted for them.
 */
TEST_F(range, huge_pages_in_the_way_are_split)
{
	size_t one = dmb_huge_page_size(), wanted, nr, huge, size = 16 * PAGEBLOCK;
	unsigned long stalls, scanned, split;
	struct load_memory others;
	struct tenants tenants;
	uint64_t base = 0, *frames;

	if (!one || one > PAGEBLOCK || self->block.size < 2 * size)
		SKIP(return, "needs huge pages and a block of %zu MiB", 2 * size / MB);
	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	ASSERT_TRUE(move_in(HUGE, &tenants, 2 * size));
	frames = dmb_frames(tenants.memory, tenants.size);
	nr = tenants.size / sysconf(_SC_PAGESIZE);
	/* The first whole huge page in the block. What follows is likely to be, too. */
	for (wanted = 0; wanted < nr && !base; wanted++)
		if (frames[wanted] * sysconf(_SC_PAGESIZE) % PAGEBLOCK == 0 &&
		    frame_within(frames[wanted], self->block.base,
				 self->block.size - size))
			base = frames[wanted] * sysconf(_SC_PAGESIZE);
	ASSERT_NE(0, base);
	for (huge = 0, wanted = 0; wanted < nr; wanted++)
		huge += frame_within(frames[wanted], base, size);
	free(frames);

	others = load_fragment(100, &wanted);
	ASSERT_NE(NULL, others.start);
	load_hog(dmb_meminfo("MemTotal"), 9, "atomic");
	stalls = load_vmstat("compact_stall") + load_vmstat("allocstall");
	scanned = load_vmstat("pgscan_direct");
	split = load_vmstat("thp_migration_split");
	EXPECT_EQ(0, dmb_claim(base, size));
	stalls = load_vmstat("compact_stall") + load_vmstat("allocstall") - stalls;
	scanned = load_vmstat("pgscan_direct") - scanned;
	split = load_vmstat("thp_migration_split") - split;
	TH_LOG("%zu pages in the way: %lu splits, %lu stalls, %lu pages scanned",
	       huge, split, stalls, scanned);
	EXPECT_EQ(0, stalls);
	EXPECT_EQ(0, scanned);
	EXPECT_EQ(0, wrong_stamps(&tenants));
	EXPECT_EQ(0, dmb_release(base, size));
	load_release(&others);
	move_out(&tenants);
}

/* If the range has a broken page, the claim fails and the rest stays usable. */
TEST_F(range, poisoned_memory_is_not_claimed)
{
	uint64_t page = sysconf(_SC_PAGESIZE), *frame, base, neighbour;
	char *memory;

	if (!dmb_can_unpoison())
		SKIP(return, "needs HWPOISON_INJECT");
	memory = dmb_touch(16 * page, false);
	ASSERT_NE(NULL, memory);
	frame = dmb_frames(memory, page);
	ASSERT_TRUE(load_frame_in_area(frame[0]));
	base = frame[0] * page / PAGEBLOCK * PAGEBLOCK;
	neighbour = base + PAGEBLOCK;
	if (!load_frame_in_area(neighbour / page))
		neighbour = base - PAGEBLOCK;

	ASSERT_EQ(0, dmb_poison(frame[0]));
	EXPECT_EQ(-EBUSY, dmb_claim(base, PAGEBLOCK));
	EXPECT_TRUE(logged(frame[0], "poisoned"));
	EXPECT_EQ(self->before.pageblocks, dmb_pageblocks());
	EXPECT_EQ(0, dmb_claim(neighbour, PAGEBLOCK));
	EXPECT_EQ(0, dmb_release(neighbour, PAGEBLOCK));

	EXPECT_EQ(0, dmb_unpoison(frame[0]));
	munmap(memory, 16 * page);
	EXPECT_EQ(0, dmb_claim(base, PAGEBLOCK));
	EXPECT_EQ(0, dmb_release(base, PAGEBLOCK));
	free(frame);
}

/* A pipe holds a reference for a moment: its data is not copied. */
TEST_F(range, short_references_are_waited_for)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint64_t *frame, base;
	struct iovec vec;
	char *memory, byte;
	int pipes[2];
	pid_t reader;

	memory = dmb_touch(16 * page, false);
	ASSERT_NE(NULL, memory);
	frame = dmb_frames(memory, page);
	ASSERT_TRUE(load_frame_in_area(frame[0]));
	base = frame[0] * page / PAGEBLOCK * PAGEBLOCK;

	ASSERT_EQ(0, pipe(pipes));
	vec.iov_base = memory;
	vec.iov_len = page;
	ASSERT_EQ((ssize_t)page, vmsplice(pipes[1], &vec, 1, 0));

	/* The page cannot move while the pipe holds it. */
	EXPECT_EQ(-EBUSY, dmb_claim(base, PAGEBLOCK));
	EXPECT_TRUE(logged(frame[0], "in use"));

	reader = fork();
	if (!reader) {
		size_t i;

		usleep(200000);
		for (i = 0; i < page; i++)
			if (read(pipes[0], &byte, 1) != 1)
				_exit(1);
		_exit(0);
	}
	EXPECT_EQ(0, dmb_claim(base, PAGEBLOCK));
	EXPECT_EQ(0, dmb_release(base, PAGEBLOCK));
	waitpid(reader, NULL, 0);
	close(pipes[0]);
	close(pipes[1]);
	free(frame);
	munmap(memory, 16 * page);
}

/* Is there such a line in /proc/iomem, below one for the block? */
static bool in_iomem(uint64_t base, uint64_t size, const char *name)
{
	FILE *f = fopen("/proc/iomem", "r");
	char line[256], wanted[256];
	bool found = false;

	snprintf(wanted, sizeof(wanted), "%08llx-%08llx : %s",
		 (unsigned long long)base, (unsigned long long)(base + size - 1), name);
	while (f && fgets(line, sizeof(line), f))
		found |= !!strstr(line, wanted);
	if (f)
		fclose(f);
	return found;
}

/* A block is in the memory that it is a part of, even if it is all of that. */
TEST_F(range, iomem_has_blocks_in_memory)
{
	char line[256], wanted[64];
	FILE *f = fopen("/proc/iomem", "r");
	bool found = false;

	ASSERT_NE(NULL, f);
	snprintf(wanted, sizeof(wanted), "%08llx-%08llx : Designated",
		 (unsigned long long)self->block.base,
		 (unsigned long long)(self->block.base + self->block.size - 1));
	while (fgets(line, sizeof(line), f))
		found |= line[0] == ' ' && strstr(line, wanted);
	fclose(f);
	EXPECT_TRUE(found);
}

TEST_F(range, iomem_shows_blocks_and_owners)
{
	uint64_t base = self->block.base, size = 4 * PAGEBLOCK;

	EXPECT_TRUE(in_iomem(base, self->block.size, "Designated Movable Block"));
	EXPECT_FALSE(in_iomem(base, size, "debugfs"));
	ASSERT_EQ(0, dmb_claim(base, size));
	EXPECT_TRUE(in_iomem(base, size, "debugfs"));
	EXPECT_TRUE(in_iomem(base, self->block.size, "Designated Movable Block"));
	EXPECT_EQ(0, dmb_release(base, size));
	EXPECT_FALSE(in_iomem(base, size, "debugfs"));
}

/* Repeat, with the block full each time. */
TEST_F(range, driver_takes_its_memory)
{
	uint64_t base = self->block.base + 16 * MB, size = 16 * MB;
	unsigned long taint = dmb_read_number("/proc/sys/kernel/tainted");
	struct tenants tenants = { .fd = -1 };
	int i;

	if (access(DRIVER, R_OK))
		SKIP(return, "needs " DRIVER);
	ASSERT_TRUE(move_in(ANONYMOUS, &tenants, load_area_free() * 9 / 10));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, load_driver(base, size, false));
		EXPECT_EQ(size, claimed());
		EXPECT_TRUE(in_iomem(base, size, "dmb_owner"));
		EXPECT_EQ(-EBUSY, dmb_claim(base, PAGEBLOCK));
		/* The memory is the driver's to release. */
		EXPECT_EQ(-EINVAL, dmb_release(base, size));
		EXPECT_EQ(0, syscall(SYS_delete_module, "dmb_owner", 0));
	}
	/* An out-of-tree module taints the kernel, and so does a warning. */
	EXPECT_EQ(taint | TAINT_OOT_MODULE,
		  dmb_read_number("/proc/sys/kernel/tainted") | TAINT_OOT_MODULE);
	EXPECT_EQ(0, wrong_stamps(&tenants));
	move_out(&tenants);
}

TEST_F(range, claimed_memory_stays_online)
{
	uint64_t unit = dmb_memory_block_size(), base;
	char path[128];

	if (!unit || DMB_STAYS_ONLINE || self->block.size < 2 * unit)
		SKIP(return, "no memory block inside a designated one goes offline");
	base = (self->block.base + unit - 1) / unit * unit;
	snprintf(path, sizeof(path), MEMORY "/memory%llu/state",
		 (unsigned long long)(base / unit));
	ASSERT_EQ(0, dmb_claim(base, PAGEBLOCK));
	EXPECT_EQ(-EBUSY, dmb_write(path, "offline"));
	EXPECT_EQ(0, dmb_release(base, PAGEBLOCK));
	EXPECT_EQ(0, dmb_write(path, "offline"));
	EXPECT_EQ(-ENODEV, dmb_claim(base, PAGEBLOCK));
	EXPECT_EQ(0, dmb_write(path, "online"));
	EXPECT_EQ(0, dmb_claim(base, PAGEBLOCK));
	EXPECT_EQ(0, dmb_release(base, PAGEBLOCK));
}

/*
 * Memory that goes offline meanwhile cannot be claimed, which does no harm. The debug
 * kernel would notice if anybody looked at the page structs of offline memory.
 */
TEST_F_TIMEOUT(range, claims_while_memory_goes_offline, 300)
{
	unsigned long unit = dmb_memory_block_size(), claims = 0, busy = 0, gone = 0;
	uint64_t base = (self->block.base + unit - 1) / unit * unit;
	int status, went, wrong = 0, i;
	char path[64];
	pid_t pid;

	if (!unit || DMB_STAYS_ONLINE || base + unit > self->block.base + self->block.size)
		SKIP(return, "no part of the block goes offline");
	snprintf(path, sizeof(path), MEMORY "/memory%llu/state",
		 (unsigned long long)base / unit);
	pid = fork();
	if (!pid) {
		time_t end = time(NULL) + 20;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Claims keep some attempts from success. */
		for (went = 0; went < 30 && (!went || time(NULL) < end);) {
			went += !dmb_write(path, "offline");
			dmb_write(path, "online");
		}
		_exit(went);
	}
	ASSERT_LT(0, pid);
	for (i = 0; !waitpid(pid, &status, WNOHANG); i++, usleep(random() % 2000)) {
		uint64_t at = base + i % (unit / PAGEBLOCK) * PAGEBLOCK;
		int err = dmb_claim(at, PAGEBLOCK);

		claims += !err;
		busy += err == -EBUSY;
		gone += err == -ENODEV;
		wrong += err && err != -EBUSY && err != -ENODEV;
		wrong += !err && dmb_release(at, PAGEBLOCK);
	}
	went = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	TH_LOG("went offline %d times; %lu claims, %lu in vain, %lu of offline memory", went,
	       claims, busy, gone);
	EXPECT_EQ(0, wrong);
	EXPECT_LT(0, went);
	EXPECT_LT(0, claims);
	dmb_write(path, "online");
	EXPECT_EQ(0, dmb_claim(base, unit));
	EXPECT_EQ(0, dmb_release(base, unit));
}

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
	ASSERT_TRUE(move_in(ANONYMOUS, &self->tenants, load_area_free() * 3 / 4));
}

FIXTURE_TEARDOWN(area)
{
	EXPECT_EQ(0, wrong_stamps(&self->tenants));
	move_out(&self->tenants);
	load_end();
	EXPECT_UNCHANGED(&self->before);
	EXPECT_EQ(0, claimed());
}

/* A CMA area stays online even while it is not in use. */
TEST_F(area, stays_online)
{
	uint64_t unit = dmb_memory_block_size();
	char path[128];

	if (!unit || DMB_STAYS_ONLINE)
		SKIP(return, "no memory block goes offline");
	snprintf(path, sizeof(path), MEMORY "/memory%llu/state",
		 (unsigned long long)(self->base / unit));
	EXPECT_EQ(-EBUSY, dmb_write(path, "offline"));
	dmb_write(path, "online");
}

TEST_F(area, serves_others_meanwhile)
{
	size_t i, nr = self->tenants.size / sysconf(_SC_PAGESIZE), inside = 0;
	uint64_t page = sysconf(_SC_PAGESIZE);
	uint64_t *frames = dmb_frames(self->tenants.memory, self->tenants.size);

	for (i = 0; i < nr; i++)
		inside += frames[i] >= self->base / page &&
			  frames[i] < (self->base + self->size) / page;
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
	EXPECT_EQ(size, claimed());
	EXPECT_EQ(0, dmb_audit().violations);
	/* All of the area: not while a part is taken */
	EXPECT_NE(0, dmb_claim(self->base, self->size));
	ASSERT_EQ(0, dmb_write(AREA "/free", pages));
}

/* CMA waits for what holds a page for a moment, as dmb_claim() does. */
TEST_F(area, short_references_are_waited_for)
{
	size_t page = sysconf(_SC_PAGESIZE), nr = self->tenants.size / page, i, k;
	uint64_t *frames = dmb_frames(self->tenants.memory, self->tenants.size);
	struct iovec vec = { .iov_len = page };
	char pages[32], byte;
	int pipes[2];
	pid_t reader;

	for (i = 0; i < nr; i++)
		if (frames[i] >= self->base / page &&
		    frames[i] < (self->base + self->size) / page)
			break;
	ASSERT_LT(i, nr);
	free(frames);
	vec.iov_base = (char *)self->tenants.memory + i * page;
	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ((ssize_t)page, vmsplice(pipes[1], &vec, 1, 0));

	/* All of the area, so that there is no other range to try */
	snprintf(pages, sizeof(pages), "%llu", (unsigned long long)(self->size / page));
	EXPECT_NE(0, dmb_write(AREA "/alloc", pages));
	EXPECT_EQ(0, claimed());

	reader = fork();
	if (!reader) {
		usleep(200000);
		for (k = 0; k < page; k++)
			if (read(pipes[0], &byte, 1) != 1)
				_exit(1);
		_exit(0);
	}
	EXPECT_EQ(0, dmb_write(AREA "/alloc", pages));
	EXPECT_EQ(self->size, claimed());
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
	snprintf(pages, sizeof(pages), "%llu", (unsigned long long)(size / page));
	ASSERT_EQ(0, dmb_write(OTHER_AREA "/alloc", pages));
	ASSERT_EQ(0, dmb_write(AREA "/alloc", pages));
	EXPECT_EQ(size, claimed());
	EXPECT_LE(dmb_meminfo("CmaFree"), total - size);
	ASSERT_EQ(0, dmb_write(AREA "/free", pages));
	EXPECT_EQ(0, claimed());
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

/* If the first argument is a number, it is the number of claims. */
int main(int argc, char **argv)
{
	dmb_need_blocks();
	nr_claims = dmb_number_argument(&argc, &argv, nr_claims);
	return test_harness_run(argc, argv);
}
