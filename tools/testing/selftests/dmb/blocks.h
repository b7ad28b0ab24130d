/* SPDX-License-Identifier: GPL-2.0 */
/* Designated movable blocks: their table, their claims and their audit */
#ifndef _SELFTESTS_DMB_BLOCKS_H
#define _SELFTESTS_DMB_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYSFS_DMB	"/sys/kernel/mm/dmb"
#define DEBUGFS_DMB	"/sys/kernel/debug/dmb"
#define DMB_CLAIM	DEBUGFS_DMB "/claim"
#define DMB_RELEASE	DEBUGFS_DMB "/release"

#define DMB_MAX_BLOCKS	256

/*
 * How much two readings may differ because other processes run. With large
 * pages this is the batches, of 128 pages each, that CPUs have yet to add to
 * the counters.
 */
#define DMB_NOISE	dmb_noise()

struct dmb_block {
	char name[64];
	unsigned long long base;	/* bytes, like all that follow */
	unsigned long long size;
	unsigned long long free;
	unsigned long long claimed;
	int node;
	char zone[16];
};

long dmb_noise(void);

/* Read the blocks, sorted by address. Return their number; 0 without any. */
int dmb_read_blocks(struct dmb_block blocks[DMB_MAX_BLOCKS]);

/* Skip the whole test program if there are no blocks, or no audit of them. */
void dmb_need_blocks(void);

/* Return the index of the block that has the page frame, or -1. */
int dmb_find_block(const struct dmb_block *blocks, int nr, uint64_t frame);

/* Claim and release a range, in bytes, by debugfs. Return 0 or -errno. */
int dmb_claim(uint64_t base, uint64_t size);
int dmb_release(uint64_t base, uint64_t size);

/* Bytes that are claimed in all blocks together */
unsigned long dmb_claimed(void);

/* Return the pages in the per-cpu lists of all CPUs to the blocks. */
void dmb_drain_lists(void);

/* The number of pageblocks of type DMB in /proc/pagetypeinfo */
unsigned long dmb_pageblocks(void);

/* Bytes of a pageblock */
unsigned long dmb_pageblock_size(void);

/*
 * Return the bytes of free designated memory in pages of this order or a larger
 * one, not counting per-cpu lists, on one node, or on all nodes with -1.
 */
size_t dmb_free_of_order(int order, int node);

/*
 * The audit of all blocks together. @used is exact, unlike DmbTotal minus
 * DmbFree: neither @used nor DmbFree includes free pages in per-cpu lists.
 */
struct dmb_audit {
	long long used;		/* bytes */
	long long free;		/* bytes in the buddy allocator */
	long long unused;	/* bytes: free, or in per-cpu lists */
	long long poisoned;	/* bytes of broken pages, in no other field */
	long violations;
	bool cut_short;		/* not all pages were judged */
	unsigned long pfn;	/* of the last violation reported */
	char reason[128];	/* for it */
};

struct dmb_audit dmb_audit(void);

/* Bytes of a block that are free or in per-cpu lists, by the audit */
size_t dmb_unused(const struct dmb_block *block);

/*
 * The audit of GFP flags, with page_owner=on: each page in a block that is not
 * claimed must have been allocated with __GFP_HIGHMEM and __GFP_MOVABLE. It
 * takes long if many pages are in use. dmb_audit_owners() stops after @seconds,
 * unless they are 0, and the next call continues from there.
 */
struct dmb_owners {
	unsigned long pages;	/* or larger folios, checked */
	long violations;
	unsigned long pfn;	/* of the last violation */
	char flags[256];	/* of its allocation */
};

bool dmb_page_owner(void);
struct dmb_owners dmb_audit_owners(unsigned int seconds);

/*
 * Free pages in the per-cpu lists of all zones, which no counter includes.
 * @designated are those of all CPUs, @others those of one CPU, or of all CPUs
 * with -1.
 */
struct dmb_lists {
	unsigned long designated;
	unsigned long others;
};

struct dmb_lists dmb_read_lists(int cpu);

/* State that must be unchanged when a test is over */
struct dmb_state {
	unsigned long pageblocks;
	unsigned long mixed;		/* pageblocks, with page_owner=on */
	unsigned long long total;	/* bytes */
	long long used;			/* bytes */
	bool claims;
};

/*
 * With @claims, claims of the test may reclaim pages of other processes, for
 * example files of the root file system, if the blocks have no room for them.
 * Such pages do not come back, so fewer bytes may be used afterwards, but not
 * more.
 */
struct dmb_state dmb_note_state(bool claims);

/* Describe what has changed; NULL if nothing has. */
const char *dmb_changed(const struct dmb_state *state);

/* For FIXTURE_TEARDOWN() */
#define EXPECT_UNCHANGED(state) do {					\
	const char *changed = dmb_changed(state);			\
									\
	EXPECT_EQ(NULL, changed) TH_LOG("changed: %s", changed);	\
} while (0)

/* Expect that all pages in blocks can be moved. */
#define EXPECT_NO_VIOLATION() do {					\
	struct dmb_audit audit = dmb_audit();				\
									\
	EXPECT_EQ(0, audit.violations)					\
		TH_LOG("pfn %#lx: %s", audit.pfn, audit.reason);	\
} while (0)

#endif /* _SELFTESTS_DMB_BLOCKS_H */
