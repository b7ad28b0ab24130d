// SPDX-License-Identifier: GPL-2.0
/*
 * Owners claim memory in blocks that are full of all kinds of pages, and
 * release it. No page loses its content, and claims wait long enough for pages
 * in use. claims_full.c tests claims when no memory is free, cma.c those of CMA
 * areas.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "claims.h"
#include "load.h"
#include "silent.h"

#define OBSTACLES	DEBUGFS_DMB "/obstacles"

#define SMALLEST	(2 * MB)
#define LARGEST		(256 * MB)

#define TAINT_OOT_MODULE	0x1000

#define MAX_CPUS	64

/* Claims for each kind of pages: a hundred in all */
static int nr_claims = 15;

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
	ASSERT_EQ(0, dmb_claimed());
}

FIXTURE_TEARDOWN(owner)
{
	load_end();
	dmb_write(HUGEPAGES, "0");
	dmb_write(KSM "/run", "2");
	EXPECT_UNCHANGED(&self->before);
	EXPECT_EQ(0, dmb_claimed());
}

/*
 * A random range of one of the blocks. It has whole pageblocks, so that no
 * neighbour is affected.
 */
static void choose_range(const struct dmb_block *blocks, int nr, uint64_t *base,
			 uint64_t *size)
{
	const struct dmb_block *block = &blocks[random() % nr];
	uint64_t largest =
		block->size / 2 < LARGEST ? block->size / 2 : LARGEST;

	*size = SMALLEST + random() % (largest - SMALLEST + 1);
	*size = *size / PAGEBLOCK * PAGEBLOCK;
	*base = block->base + random() % (block->size - *size + 1);
	*base = *base / PAGEBLOCK * PAGEBLOCK;
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
	if (!claims_move_in(variant->kind, &tenants,
			    load_area_free() * 9 / 10)) {
		stop_churn(&churn);
		claims_move_out(&tenants);
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
		EXPECT_EQ(size, dmb_claimed());
		EXPECT_EQ(0, dmb_release(base, size));
		total += size;
	}
	stop_churn(&churn);

	TH_LOG("%d claims, %zu MiB, %d failed", nr_claims, total / MB, failed);
	EXPECT_EQ(0, failed);
	EXPECT_EQ(kills, load_vmstat("oom_kill"));
	if (tenants.memory)
		EXPECT_EQ(0, variant->kind == SAME ?
			     claims_wrong_same(&tenants) :
			     claims_wrong_stamps(&tenants));
	claims_move_out(&tenants);
}

FIXTURE(range)
{
	struct dmb_block block;
	struct dmb_state before;
};

FIXTURE_SETUP(range)
{
	if (!claims_choose_block(&self->block, &self->before))
		SKIP(return, "needs " DMB_CLAIM);
}

FIXTURE_TEARDOWN(range)
{
	load_end();
	EXPECT_UNCHANGED(&self->before);
	EXPECT_EQ(0, dmb_claimed());
}

TEST_F(range, bad_ranges_are_refused)
{
	uint64_t base = self->block.base, end = base + self->block.size;

	EXPECT_EQ(-EINVAL, dmb_claim(base, 0));
	EXPECT_EQ(-EINVAL, dmb_claim(base + 1, PAGEBLOCK));
	EXPECT_EQ(-EINVAL, dmb_claim(base, PAGEBLOCK + 1));
	EXPECT_EQ(-ENXIO, dmb_claim(base - PAGEBLOCK, 2 * PAGEBLOCK));
	EXPECT_EQ(-ENXIO, dmb_claim(end - PAGEBLOCK, 2 * PAGEBLOCK));
	if (base)
		EXPECT_EQ(-EINVAL, dmb_claim(0, PAGEBLOCK));
	EXPECT_EQ(-EINVAL, dmb_claim(base, -PAGEBLOCK));
	EXPECT_EQ(-EINVAL, dmb_release(base, PAGEBLOCK));
	EXPECT_EQ(-EINVAL, dmb_write(DMB_CLAIM, "M"));
	EXPECT_EQ(-EINVAL, dmb_write(DMB_CLAIM, "2M at once"));
	EXPECT_EQ(-EINVAL, dmb_write(DMB_CLAIM, "2M@"));
}

/* A requested block with a hole has the hole at the next attempt, too. */
TEST_F(range, holes_are_told_from_misuse)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int i, nr = dmb_read_blocks(blocks), holes = 0;

	for (i = 1; i < nr; i++) {
		uint64_t end = blocks[i - 1].base + blocks[i - 1].size;

		if (blocks[i].base != end + PAGEBLOCK)
			continue;
		EXPECT_EQ(-ENXIO, dmb_claim(end, PAGEBLOCK));
		holes++;
	}
	if (!holes)
		SKIP(return, "no block has a hole of 2 MiB");
}

TEST_F(range, overlapping_claims_are_refused)
{
	uint64_t base = self->block.base + 4 * PAGEBLOCK,
		 page = sysconf(_SC_PAGESIZE);

	ASSERT_EQ(0, dmb_claim(base, 2 * PAGEBLOCK));
	EXPECT_EQ(-EBUSY, dmb_claim(base, 2 * PAGEBLOCK));
	EXPECT_EQ(-EBUSY, dmb_claim(base - PAGEBLOCK, 2 * PAGEBLOCK));
	EXPECT_EQ(-EBUSY, dmb_claim(base + page, page));
	EXPECT_EQ(-EINVAL, dmb_release(base, PAGEBLOCK));
	EXPECT_EQ(2 * PAGEBLOCK, dmb_claimed());
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
		/* All ranges have the last quarter of the first pageblock. */
		for (round = 0; round < 64; round++) {
			err = dmb_claim(base, PAGEBLOCK);
			if (err) {
				wrong += err != -EBUSY;
				continue;
			}
			wrong += __atomic_fetch_add(&shared->owners, 1,
						    __ATOMIC_SEQ_CST);
			__atomic_fetch_add(&shared->claims, 1,
					   __ATOMIC_SEQ_CST);
			usleep(1000);
			__atomic_fetch_sub(&shared->owners, 1,
					   __ATOMIC_SEQ_CST);
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

/* Two owners can share a pageblock. */
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

/* A folio that is partly in the way is moved as a whole, or split. */
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
	self->size = variant->pages * sysconf(_SC_PAGESIZE) ?:
		     dmb_huge_page_size();
	if (!claims_choose_block(&block, &self->before))
		SKIP(return, "needs " DMB_CLAIM);
	if (!self->size)
		SKIP(return, "no huge pages here");
	if (variant->kind == HUGETLB && DMB_HUGETLB_STAYS)
		SKIP(return, "hugetlb has no pages in blocks here");
	/*
	 * Blocks that are hardly larger than a huge page have little room left,
	 * and one of two huge pages may be in another block.
	 */
	room = load_area_free() / self->size * self->size;
	if (room < 4 * self->size)
		SKIP(return, "blocks have no room for such folios");
	if (room > 16 * dmb_huge_page_size())
		room = 16 * dmb_huge_page_size();
	dmb_folio_size(self->size);
	/* claims_move_in() gives hugetlb pages half of the room. */
	ASSERT_TRUE(claims_move_in(variant->kind, &self->tenants, room));
}

FIXTURE_TEARDOWN(folio)
{
	EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
	claims_move_out(&self->tenants);
	dmb_write(HUGEPAGES, "0");
	dmb_folio_size(dmb_huge_page_size());
	load_end();
	EXPECT_UNCHANGED(&self->before);
	EXPECT_EQ(0, dmb_claimed());
}

TEST_F(folio, part_of_it_is_claimed)
{
	size_t page = sysconf(_SC_PAGESIZE), nr = self->size / page, i;
	uint64_t *frames = dmb_frames(self->tenants.memory, self->tenants.size);
	size_t all = self->tenants.size / page, in_a_row = 0, moved = 0;
	uint64_t first = 0, base;

	/* Choose the last folio, since the first one may be split. */
	for (i = 0; i < all; i++) {
		in_a_row = i && frames[i] == frames[i - 1] + 1 ?
			   in_a_row + 1 : 1;
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
		moved += !claims_frame_within(frames[i], base, self->size / 4);
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

	ASSERT_TRUE(claims_move_in(ANONYMOUS, &tenants,
				   self->block.size * 9 / 10));
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
	EXPECT_EQ(0, claims_wrong_stamps(&tenants));
	claims_move_out(&tenants);
}

/* Does the kernel log say why a claim has failed? */
static bool logged(uint64_t frame, const char *reason)
{
	int fd = dmb_open_log(false);
	char line[1024], wanted[128];
	bool found = false;

	snprintf(wanted, sizeof(wanted), "page frame %#llx is %s",
		 (unsigned long long)frame, reason);
	while (dmb_log_line(fd, line, sizeof(line)))
		found |= strstr(line, "dmb: cannot empty") &&
			 strstr(line, wanted);
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
	TH_LOG("%lu pages in lists before the claim, %lu after it", before,
	       after);
	EXPECT_EQ(0, dmb_release(base + PAGEBLOCK, PAGEBLOCK));
	EXPECT_EQ(0, dmb_release(base, PAGEBLOCK));
	EXPECT_EQ(0, dmb_write(PCP_FRACTION, "0"));

	EXPECT_LT(256, before);
	EXPECT_LT(before / 2, after);
}

/* How many of the tenants are huge pages in the range? */
static size_t huge_pages_within(const struct tenants *tenants, uint64_t base,
				size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE), nr = dmb_huge_page_size() / page,
	       huge = 0, i;
	uint64_t *frames = dmb_frames(tenants->memory, tenants->size);

	i = -(uintptr_t)tenants->memory / page % nr;
	for (; i + nr <= tenants->size / page; i += nr)
		huge += frames[i] % nr == 0 &&
			frames[i + nr - 1] == frames[i] + nr - 1 &&
			claims_frame_within(frames[i], base, size);
	free(frames);
	return huge;
}

/*
 * Where there is room in small pages only, huge pages in the way are split.
 * Nobody else is reclaimed or compacted for them.
 */
TEST_F(range, huge_pages_in_the_way_are_split)
{
	size_t one = dmb_huge_page_size(), huge = 0, wanted,
	       size = 16 * PAGEBLOCK;
	unsigned long stalls, scanned, split;
	uint64_t base = 0, candidate, end;
	struct load_memory others;
	struct tenants tenants;

	if (!one || one > PAGEBLOCK || self->block.size < size)
		SKIP(return, "needs huge pages and a block of %zu MiB",
		     size / MB);
	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	ASSERT_TRUE(claims_move_in(HUGE, &tenants, load_area_free() / 4 * 3));
	end = self->block.base + self->block.size;
	for (candidate = self->block.base; candidate + size <= end;
	     candidate += size) {
		size_t nr = huge_pages_within(&tenants, candidate, size);

		if (nr > huge) {
			huge = nr;
			base = candidate;
		}
	}
	ASSERT_LT(4, huge);

	others = load_fragment(100, &wanted);
	ASSERT_NE(NULL, others.start);
	load_hog(dmb_meminfo("MemTotal"), 9, "atomic");
	stalls = load_stalls();
	scanned = load_vmstat("pgscan_direct");
	split = load_vmstat("thp_migration_split");
	EXPECT_EQ(0, dmb_claim(base, size));
	stalls = load_stalls() - stalls;
	scanned = load_vmstat("pgscan_direct") - scanned;
	split = load_vmstat("thp_migration_split") - split;
	TH_LOG("%zu huge pages in the way: %lu splits, %lu stalls, %lu pages scanned",
	       huge, split, stalls, scanned);
	/* Some huge pages find room: in per-cpu lists, or beside each other. */
	EXPECT_LT(0, split);
	EXPECT_EQ(0, stalls);
	EXPECT_EQ(0, scanned);
	EXPECT_EQ(0, claims_wrong_stamps(&tenants));
	EXPECT_EQ(0, dmb_release(base, size));
	load_release(&others);
	claims_move_out(&tenants);
}

/* A broken page only costs itself: the rest can be claimed in pieces. */
TEST_F(range, poisoned_memory_is_not_claimed)
{
	uint64_t page = sysconf(_SC_PAGESIZE), *frame, base, neighbour;
	char *memory, pieces[64];

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
	EXPECT_EQ(-EHWPOISON, dmb_claim(base, PAGEBLOCK));
	EXPECT_TRUE(logged(frame[0], "poisoned"));
	snprintf(pieces, sizeof(pieces), "100*64K@%#llx-%#llx",
		 (unsigned long long)base,
		 (unsigned long long)(base + PAGEBLOCK));
	EXPECT_EQ(0, dmb_write(DMB_CLAIM, pieces));
	EXPECT_EQ(PAGEBLOCK - 64 * 1024, dmb_claimed());
	EXPECT_EQ(0, dmb_release(base, PAGEBLOCK));
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
	unsigned long held;
	char *memory;
	int pipes[2];
	pid_t reader;

	memory = dmb_touch(16 * page, false);
	ASSERT_NE(NULL, memory);
	frame = dmb_frames(memory, page);
	ASSERT_TRUE(load_frame_in_area(frame[0]));
	base = frame[0] * page / PAGEBLOCK * PAGEBLOCK;

	ASSERT_TRUE(load_hold_page(memory, pipes));

	/* The page cannot move while the pipe holds it. */
	held = dmb_read_value(OBSTACLES, "anon_held");
	EXPECT_EQ(-EBUSY, dmb_claim(base, PAGEBLOCK));
	EXPECT_TRUE(logged(frame[0], "in use, anonymous memory"));
	EXPECT_EQ(held + 1, dmb_read_value(OBSTACLES, "anon_held"));

	reader = claims_let_go_later(pipes);
	EXPECT_EQ(0, dmb_claim(base, PAGEBLOCK));
	EXPECT_EQ(0, dmb_release(base, PAGEBLOCK));
	waitpid(reader, NULL, 0);
	close(pipes[0]);
	close(pipes[1]);
	free(frame);
	munmap(memory, 16 * page);
}

static int claim_or_release_all(int (*what)(uint64_t base, uint64_t size))
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int nr = dmb_read_blocks(blocks), i, err = 0;

	for (i = 0; i < nr; i++)
		err = what(blocks[i].base, blocks[i].size) ?: err;
	return err;
}

/* Any user can keep pages locked like this. SIGKILL ends the claim. */
TEST_F(range, reads_that_get_no_answer_are_waited_for)
{
	struct silent_file file;
	pid_t claimer;

	if (!silent_start(&file))
		SKIP(return, "needs FUSE_FS");
	claimer = fork();
	if (!claimer)
		_exit(!!claim_or_release_all(dmb_claim));
	EXPECT_FALSE(load_ends_within(claimer, 3));
	kill(claimer, SIGKILL);
	EXPECT_TRUE(load_ends_within(claimer, 10));
	silent_stop(&file);
	waitpid(claimer, NULL, 0);
	claim_or_release_all(dmb_release);
	EXPECT_EQ(0, claim_or_release_all(dmb_claim));
	EXPECT_EQ(0, claim_or_release_all(dmb_release));
}

/* Memory that is to go offline waits for a claim of a part of it. */
TEST_F(range, offlining_waits_for_claims)
{
	uint64_t page = sysconf(_SC_PAGESIZE), unit = dmb_memory_block_size();
	uint64_t end = self->block.base + self->block.size, base, *frames;
	size_t size = load_area_free() * 3 / 4 / page * page, at;
	char *memory;
	pid_t claimer, reader;
	int pipes[2], status, err;

	/* A page in a memory block that is designated as a whole */
	memory = dmb_touch(size, false);
	ASSERT_NE(NULL, memory);
	frames = dmb_frames(memory, size);
	for (at = 0; at < size; at += page) {
		base = frames[at / page] * page / unit * unit;
		if (base >= self->block.base && base + unit <= end)
			break;
	}
	if (at == size)
		SKIP(return, "no memory block is all in the block");
	ASSERT_TRUE(load_hold_page(memory + at, pipes));

	/* The claim fails after a second, and later the page can move. */
	claimer = fork();
	if (!claimer) {
		uint64_t range = frames[at / page] * page / PAGEBLOCK * PAGEBLOCK;

		_exit(dmb_claim(range, PAGEBLOCK) != -EBUSY);
	}
	usleep(300000);
	reader = fork();
	if (!reader) {
		sleep(2);
		_exit(read(pipes[0], memory, page) != (ssize_t)page);
	}
	err = dmb_set_memory_state(base, "offline");
	waitpid(claimer, &status, 0);
	EXPECT_EQ(0, status);
	waitpid(reader, NULL, 0);
	close(pipes[0]);
	close(pipes[1]);
	dmb_set_memory_state(base, "online");
	free(frames);
	munmap(memory, size);
	if (err == -EPERM || err == -ENOENT)
		SKIP(return, "this memory does not go offline");
	EXPECT_EQ(0, err);
}

/* Is there a line in /proc/iomem for this range and name? */
static bool in_iomem(uint64_t base, uint64_t size, const char *name)
{
	FILE *f = fopen("/proc/iomem", "r");
	char line[256], wanted[256];
	bool found = false;

	snprintf(wanted, sizeof(wanted), "%08llx-%08llx : %s",
		 (unsigned long long)base,
		 (unsigned long long)(base + size - 1), name);
	while (f && fgets(line, sizeof(line), f))
		found |= !!strstr(line, wanted);
	if (f)
		fclose(f);
	return found;
}

/* A block is below its System RAM, even if it covers all of it. */
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

	EXPECT_TRUE(in_iomem(base, self->block.size,
			     "Designated Movable Block"));
	EXPECT_FALSE(in_iomem(base, size, "debugfs"));
	ASSERT_EQ(0, dmb_claim(base, size));
	EXPECT_TRUE(in_iomem(base, size, "debugfs"));
	EXPECT_TRUE(in_iomem(base, self->block.size,
			     "Designated Movable Block"));
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
	ASSERT_TRUE(claims_move_in(ANONYMOUS, &tenants,
				   load_area_free() * 9 / 10));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, claims_load_driver(base, size, false));
		EXPECT_EQ(size, dmb_claimed());
		EXPECT_TRUE(in_iomem(base, size, "dmb_owner"));
		EXPECT_EQ(-EBUSY, dmb_claim(base, PAGEBLOCK));
		/* Only the driver can release its memory. */
		EXPECT_EQ(-EINVAL, dmb_release(base, size));
		EXPECT_EQ(0, syscall(SYS_delete_module, "dmb_owner", 0));
	}
	/* An out-of-tree module taints the kernel, and so does a warning. */
	EXPECT_EQ(taint | TAINT_OOT_MODULE,
		  dmb_read_number("/proc/sys/kernel/tainted") |
		  TAINT_OOT_MODULE);
	EXPECT_EQ(0, claims_wrong_stamps(&tenants));
	claims_move_out(&tenants);
}

TEST_F(range, claimed_memory_stays_online)
{
	uint64_t unit = dmb_memory_block_size(), base;

	if (!unit || DMB_STAYS_ONLINE || self->block.size < 2 * unit)
		SKIP(return, "no memory block inside a designated one goes offline");
	base = (self->block.base + unit - 1) / unit * unit;
	ASSERT_EQ(0, dmb_claim(base, PAGEBLOCK));
	EXPECT_EQ(-EBUSY, dmb_set_memory_state(base, "offline"));
	EXPECT_EQ(0, dmb_release(base, PAGEBLOCK));
	EXPECT_EQ(0, dmb_set_memory_state(base, "offline"));
	EXPECT_EQ(-ENODEV, dmb_claim(base, PAGEBLOCK));
	EXPECT_EQ(0, dmb_set_memory_state(base, "online"));
	EXPECT_EQ(0, dmb_claim(base, PAGEBLOCK));
	EXPECT_EQ(0, dmb_release(base, PAGEBLOCK));
}

/*
 * Memory that goes offline meanwhile cannot be claimed, which does no harm. The
 * debug kernel would notice if anybody looked at the page structs of offline
 * memory.
 */
TEST_F_TIMEOUT(range, claims_while_memory_goes_offline, 300)
{
	unsigned long unit = dmb_memory_block_size(), claims = 0, busy = 0,
		      gone = 0;
	uint64_t base = (self->block.base + unit - 1) / unit * unit;
	int status, went, wrong = 0, i;
	pid_t pid;

	if (!unit || DMB_STAYS_ONLINE ||
	    base + unit > self->block.base + self->block.size)
		SKIP(return, "no part of the block goes offline");
	pid = fork();
	if (!pid) {
		time_t end = time(NULL) + 20;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Claims let some attempts fail. */
		for (went = 0; went < 30 && (!went || time(NULL) < end);) {
			went += !dmb_set_memory_state(base, "offline");
			dmb_set_memory_state(base, "online");
		}
		_exit(went);
	}
	ASSERT_LT(0, pid);
	for (i = 0; !waitpid(pid, &status, WNOHANG);
	     i++, usleep(random() % 2000)) {
		uint64_t at = base + i % (unit / PAGEBLOCK) * PAGEBLOCK;
		int err = dmb_claim(at, PAGEBLOCK);

		claims += !err;
		busy += err == -EBUSY;
		gone += err == -ENODEV;
		wrong += err && err != -EBUSY && err != -ENODEV;
		wrong += !err && dmb_release(at, PAGEBLOCK);
	}
	went = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	TH_LOG("went offline %d times; %lu claims, %lu in vain, %lu of offline memory",
	       went, claims, busy, gone);
	EXPECT_EQ(0, wrong);
	EXPECT_LT(0, went);
	EXPECT_LT(0, claims);
	dmb_set_memory_state(base, "online");
	EXPECT_EQ(0, dmb_claim(base, unit));
	EXPECT_EQ(0, dmb_release(base, unit));
}

/* If the first argument is a number, it is the number of claims. */
int main(int argc, char **argv)
{
	dmb_need_blocks();
	nr_claims = dmb_number_argument(&argc, &argv, nr_claims);
	return test_harness_run(argc, argv);
}
