// SPDX-License-Identifier: GPL-2.0
/* User pages take turns between the blocks of a node. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "turns.h"

#define SWITCH		SYSFS_DMB "/spread"
#define MOST		(900 * MB)
#define LEAST		(64 * MB)
/* Bytes that are freed and allocated at random, for any page size */
#define CHURN		(4000 * (long)(MB / sysconf(_SC_PAGESIZE)))

/* The value of the switch when this program started; -1 without a switch */
static int at_boot = -1;

static int read_switch(void)
{
	FILE *file = fopen(SWITCH, "r");
	int value = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%d", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

static void read_cmdline(char cmdline[4096])
{
	FILE *file = fopen("/proc/cmdline", "r");

	if (!file || !fgets(cmdline, 4096, file))
		ksft_exit_fail_msg("cannot read /proc/cmdline\n");
	fclose(file);
}

static struct turns measure(struct __test_metadata *_metadata, const char *what,
			    const struct dmb_block *blocks, int nr,
			    const char *memory, size_t size, size_t page_size)
{
	struct turns turns = turns_measure(blocks, nr, memory, size, page_size);
	int i;

	for (i = 0; i < nr; i++)
		TH_LOG("%s: %s has %zu pages", what, blocks[i].name,
		       turns.pages[i]);
	TH_LOG("%s: %zu pages elsewhere, %.1f%% of %zu windows even, bandwidth %.3f of ideal",
	       what, turns.elsewhere, turns_even_percent(&turns), turns.windows,
	       turns.bandwidth);
	return turns;
}

/* Memory of a controller's blocks that is free or in per-cpu lists */
static size_t unused_in(const struct dmb_block *controller)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int nr = dmb_read_blocks(blocks), i;
	size_t unused = 0;

	for (i = 0; i < nr; i++)
		if (blocks[i].base - controller->base < controller->size)
			unused += dmb_unused(&blocks[i]);
	return unused;
}

/* The block of the lowest address is filled first, then the next one. */
static void check_address_order(struct __test_metadata *_metadata,
				const struct dmb_block *blocks, int nr)
{
	size_t room = unused_in(&blocks[0]);
	size_t first_size = room / 10 * 9 / MB * MB;
	size_t rest_size = room / 10 * 2 / MB * MB;
	char *first = turns_map(first_size, false);
	char *rest = turns_map(rest_size, false);
	struct turns turns;

	turns_touch(first, first_size);
	turns = measure(_metadata, "in address order", blocks, nr, first,
			first_size, sysconf(_SC_PAGESIZE));
	EXPECT_GE(turns.pages[0] * sysconf(_SC_PAGESIZE),
		  first_size / 100 * 95);
	EXPECT_LE(turns_even_percent(&turns), 5);

	turns_touch(rest, rest_size);
	turns = measure(_metadata, "more in address order", blocks, nr, rest,
			rest_size, sysconf(_SC_PAGESIZE));
	EXPECT_GT(turns.pages[0], 0);
	EXPECT_GT(turns.pages[1], 0);
	EXPECT_EQ(0, turns.elsewhere);
	munmap(rest, rest_size);
	munmap(first, first_size);
}

/* On, unless the kernel command line says otherwise. */
FIXTURE(boot)
{
};

FIXTURE_SETUP(boot)
{
}

FIXTURE_TEARDOWN(boot)
{
}

TEST_F(boot, spread)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int nr = dmb_read_blocks(blocks);
	char cmdline[4096], *word;

	read_cmdline(cmdline);
	word = strstr(cmdline, "dmb_spread=");
	EXPECT_EQ(word ? atoi(word + strlen("dmb_spread=")) : 1, at_boot);
	if (at_boot == 0 && nr > 1)
		check_address_order(_metadata, blocks, nr);
}

/* Is all of this in one range of the command line? */
static bool in_one_range(const char *cmdline, unsigned long long start,
			 unsigned long long end)
{
	char *at = strstr(cmdline, "movablecore=");

	for (at = at ? strchr(at, '=') : NULL; at && *at && *at != ' '; ) {
		unsigned long long size = turns_parse_bytes(at + 1, &at), base;

		if (*at == '@') {
			base = turns_parse_bytes(at + 1, &at);
			if (start >= base && end <= base + size)
				return true;
		}
		at += strcspn(at, ", ");
	}
	return false;
}

/* The blocks that take turns. Those of one range count as one. */
static int read_controllers(struct dmb_block *blocks)
{
	int nr = dmb_read_blocks(blocks), i, merged = 0;
	char cmdline[4096];

	read_cmdline(cmdline);
	for (i = 1; i < nr; i++) {
		struct dmb_block *last = &blocks[merged];
		unsigned long long end = blocks[i].base + blocks[i].size;

		if (in_one_range(cmdline, last->base, end)) {
			last->size = end - last->base;
			last->free += blocks[i].free;
		} else {
			blocks[++merged] = blocks[i];
		}
	}
	return nr ? merged + 1 : 0;
}

static size_t room_for(size_t folio_size)
{
	size_t room = turns_room(folio_size);

	return room < MOST ? room : MOST / folio_size * folio_size;
}

FIXTURE(spread)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int nr;
	size_t size;		/* what can be touched before a block is full */
};

FIXTURE_SETUP(spread)
{
	int i;

	dmb_write(SWITCH, "1");
	self->nr = read_controllers(self->blocks);
	if (self->nr < 2)
		SKIP(return, "there is one block only");
	for (i = 1; i < self->nr; i++)
		if (self->blocks[i].node != self->blocks[0].node)
			SKIP(return, "blocks are on several nodes");
	self->size = room_for(sysconf(_SC_PAGESIZE));
	if (self->size < LEAST)
		SKIP(return, "blocks are too full");
}

FIXTURE_TEARDOWN(spread)
{
	if (at_boot >= 0)
		dmb_write(SWITCH, at_boot ? "1" : "0");
}

TEST_F(spread, base_pages)
{
	char *memory = turns_map(self->size, false);
	struct turns turns;

	turns_touch(memory, self->size);
	turns = measure(_metadata, "fresh mapping", self->blocks, self->nr,
			memory, self->size, sysconf(_SC_PAGESIZE));
	EXPECT_GE(turns_even_percent(&turns), 95);
	EXPECT_LT(turns.difference * 100, self->size / sysconf(_SC_PAGESIZE));
	munmap(memory, self->size);
}

TEST_F(spread, huge_pages)
{
	size_t huge = dmb_huge_page_size(), size;
	struct turns turns;
	char *memory;

	if (!huge)
		SKIP(return, "no transparent huge pages");
	size = room_for(huge);
	if (size < LEAST)
		SKIP(return, "blocks are too full");
	dmb_folio_size(huge);
	memory = turns_map(size, true);
	turns_touch(memory, size);
	turns = measure(_metadata, "huge pages", self->blocks, self->nr,
			memory, size, huge);
	if (turns.windows)
		EXPECT_GE(turns_even_percent(&turns), 95);
	TH_LOG("three in a row on the same block: %zu times", turns.in_a_row);
	/* Another process may take a turn in between; once for few pages. */
	EXPECT_LE(turns.in_a_row, size / huge < 20 ? 1 : size / huge / 20);
	EXPECT_LE(turns.difference, sysconf(_SC_NPROCESSORS_ONLN));
	munmap(memory, size);
}

static void check_folios(struct __test_metadata *_metadata,
			 const struct dmb_block *blocks, int nr,
			 size_t folio_size)
{
	size_t size = room_for(folio_size);
	char *memory = turns_map(size, true), what[32];
	struct turns turns;

	dmb_folio_size(folio_size);
	turns_touch(memory, size);
	snprintf(what, sizeof(what), "folios of %zu kB", folio_size / 1024);
	turns = measure(_metadata, what, blocks, nr, memory, size, folio_size);
	EXPECT_GE(turns_even_percent(&turns), 95);
	EXPECT_LT(turns.difference * 100, size / folio_size);
	munmap(memory, size);
}

/* Folios of a size that per-cpu lists hold, and of one that they do not. */
TEST_F(spread, folios)
{
	size_t huge = dmb_huge_page_size();

	if (!huge)
		SKIP(return, "no transparent huge pages");
	check_folios(_metadata, self->blocks, self->nr,
		     8 * sysconf(_SC_PAGESIZE));
	check_folios(_metadata, self->blocks, self->nr,
		     32 * sysconf(_SC_PAGESIZE));
	dmb_folio_size(huge);
}

/* Each free page invalidates TLB entries, which is slow under emulation. */
TEST_F_TIMEOUT(spread, after_churn, 3600)
{
	size_t page_size = sysconf(_SC_PAGESIZE), freed;
	char *memory = turns_map(self->size, false), *fresh;
	struct turns turns;

	turns_touch(memory, self->size);
	turns_churn(memory, self->size, CHURN);
	turns_touch(memory, self->size);
	turns = measure(_metadata, "after churn", self->blocks, self->nr,
			memory, self->size, page_size);
	/*
	 * Pages that are freed at random are spread at random. With more than
	 * two blocks, many windows then differ by more than a fifth from an
	 * even share, however the kernel places pages.
	 */
	if (self->nr == 2)
		EXPECT_GE(turns_even_percent(&turns), 90);

	/* Now free memory is in single pages all over. */
	freed = turns_free_half(memory, self->size);
	fresh = turns_map(freed, false);
	turns_touch(fresh, freed);
	turns = measure(_metadata, "fresh mapping after churn", self->blocks,
			self->nr, fresh, freed, page_size);
	EXPECT_GE(turns_even_percent(&turns), 90);
	munmap(fresh, freed);
	munmap(memory, self->size);
}

/* After this, the lists of a CPU have pages of one block only. */
TEST_F(spread, after_one_block_was_freed)
{
	size_t page_size = sysconf(_SC_PAGESIZE),
	       size = self->size / 2 / page_size * page_size;
	char *memory = turns_map(size, false), *fresh;
	size_t freed = 0, i;
	struct turns turns;
	uint64_t *frames;

	turns_touch(memory, size);
	frames = dmb_frames(memory, size);
	for (i = 0; i < size / page_size; i++) {
		if (dmb_find_block(self->blocks, self->nr, frames[i]) == 0) {
			EXPECT_EQ(0, madvise(memory + i * page_size, page_size,
					     MADV_DONTNEED));
			freed += page_size;
		}
	}
	free(frames);
	fresh = turns_map(freed, false);
	turns_touch(fresh, freed);
	turns = measure(_metadata, "fresh mapping after one block was freed",
			self->blocks, self->nr, fresh, freed, page_size);
	EXPECT_GE(turns_even_percent(&turns), 90);
	munmap(fresh, freed);
	munmap(memory, size);
}

/* Blocks without claims share evenly, and no lists are drained. */
TEST_F(spread, one_block_is_claimed)
{
	size_t page_size = sysconf(_SC_PAGESIZE), size;
	unsigned long drained;
	struct turns turns;
	char *memory;
	int k;

	if (self->nr < 3)
		SKIP(return, "there are two blocks only");
	for (k = 0; k < self->nr; k++) {
		struct dmb_block claimed = self->blocks[k],
				 rest[DMB_MAX_BLOCKS];
		int nr = 0, i;

		for (i = 0; i < self->nr; i++)
			if (i != k)
				rest[nr++] = self->blocks[i];
		ASSERT_EQ(0, dmb_claim(claimed.base, claimed.size));
		size = self->size / self->nr * nr / page_size * page_size;
		drained = dmb_read_value("/proc/vmstat", "dmb_drain");
		memory = turns_map(size, false);
		turns_touch(memory, size);
		turns = measure(_metadata, claimed.name, rest, nr, memory, size,
				page_size);
		EXPECT_GE(turns_even_percent(&turns), 95);
		EXPECT_EQ(0, turns.elsewhere);
		EXPECT_EQ(drained, dmb_read_value("/proc/vmstat", "dmb_drain"));
		munmap(memory, size);
		ASSERT_EQ(0, dmb_release(claimed.base, claimed.size));
	}
}

TEST_F(spread, switched_off)
{
	ASSERT_EQ(0, dmb_write(SWITCH, "0"));
	check_address_order(_metadata, self->blocks, self->nr);
}

TEST_F(spread, switched_on_again)
{
	size_t size = self->size / 2;
	char *memory = turns_map(size, false);
	struct turns turns;

	ASSERT_EQ(0, dmb_write(SWITCH, "0"));
	turns_touch(memory, size);
	munmap(memory, size);

	ASSERT_EQ(0, dmb_write(SWITCH, "1"));
	memory = turns_map(size, false);
	turns_touch(memory, size);
	turns = measure(_metadata, "switched on again", self->blocks, self->nr,
			memory, size, sysconf(_SC_PAGESIZE));
	EXPECT_GE(turns_even_percent(&turns), 95);
	munmap(memory, size);
}

/*
 * Each process gets an even spread while others allocate at the same time. This
 * is the last test, because it leaves free pages in the lists of all CPUs.
 */
TEST_F(spread, all_cpus_at_once)
{
	int cpu, cpus = sysconf(_SC_NPROCESSORS_ONLN), status;
	size_t size = self->size / cpus / MB * MB;
	struct turns turns;
	char *memory;

	for (cpu = 0; cpu < cpus; cpu++) {
		if (fork())
			continue;
		dmb_run_on(cpu);
		memory = turns_map(size, false);
		turns_touch(memory, size);
		turns = measure(_metadata, "one process of many", self->blocks,
				self->nr, memory, size, sysconf(_SC_PAGESIZE));
		_exit(turns_even_percent(&turns) >= 95 ? 0 : 1);
	}
	for (cpu = 0; cpu < cpus; cpu++) {
		ASSERT_LT(0, wait(&status));
		EXPECT_EQ(0, status);
	}
}

int main(int argc, char **argv)
{
	dmb_need_blocks();
	/* Stay on one CPU, to find the pages that it freed to its lists. */
	dmb_run_on(0);
	at_boot = read_switch();
	return test_harness_run(argc, argv);
}
