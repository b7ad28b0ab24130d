/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_DMB_INTERNAL_H
#define _MM_DMB_INTERNAL_H

#include <linux/dmb.h>
#include <linux/ioport.h>
#include <linux/kobject.h>
#include <linux/pfn.h>
#include <linux/types.h>

#define DMB_MAX_BLOCKS	32
#define DMB_TURNS	64
#define DMB_NAME_LEN	64

/**
 * struct dmb - a designated movable block, or a range that is to become one
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 * @pool: its free pages
 * @claimed: pages that owners have taken, or CMA
 * @unlisted: pages in use that are on no LRU list, and counted by nobody else
 * @name: directory below /sys/kernel/mm/dmb; empty if the block gets a number
 * @kobj: that directory
 * @resource: its line in /proc/iomem
 */
struct dmb {
	unsigned long start_pfn;
	unsigned long end_pfn;
	struct dmb_pool pool;
	unsigned long claimed;
	atomic_long_t unlisted;
	char name[DMB_NAME_LEN];
	struct kobject kobj;
	struct resource resource;
};

/**
 * struct dmb_table - ranges of page frames that do not overlap
 * @nr: how many of @block are in use
 * @block: the ranges, by address
 */
struct dmb_table {
	unsigned int nr;
	struct dmb block[DMB_MAX_BLOCKS];
};

/* The blocks of this machine.  Constant once dmb_designate() has run. */
extern struct dmb_table dmb_blocks;

/* The block behind @dmb, or the first one if that is NULL; NULL at the end. */
static inline struct dmb *dmb_next(struct dmb *dmb)
{
	dmb = dmb ? dmb + 1 : dmb_blocks.block;
	return dmb < dmb_blocks.block + dmb_blocks.nr ? dmb : NULL;
}

static inline unsigned long dmb_nr_pages(const struct dmb *dmb)
{
	return dmb->end_pfn - dmb->start_pfn;
}

/**
 * struct dmb_group - blocks that take turns: those of a zone, or of a node
 * @nr: how many blocks there are
 * @nr_turns: how much of @turn is in use, a multiple of @nr
 * @turn: whose turn it is, as an index into @block, again and again
 * @block: the blocks, by address
 */
struct dmb_group {
	unsigned int nr;
	unsigned int nr_turns;
	u8 turn[DMB_TURNS];
	struct dmb *block[DMB_MAX_BLOCKS];
};

bool dmb_folio_may_enter(struct folio *folio);
unsigned long dmb_zone_lru_designated(struct zone *zone);
unsigned long dmb_zone_lru_ordinary(struct zone *zone);

void __init dmb_init_pool(void);
bool dmb_spread_enabled(void);
void dmb_set_spread(bool spread);

struct dmb *dmb_table_add(struct dmb_table *table, unsigned long start_pfn,
			  unsigned long end_pfn, const char *name);
void dmb_table_remove(struct dmb_table *table, struct dmb *dmb);
struct dmb *dmb_table_first(struct dmb_table *table, unsigned long start_pfn,
			    unsigned long end_pfn);
struct dmb *dmb_table_holding(struct dmb_table *table, unsigned long start_pfn,
			      unsigned long end_pfn);
enum dmb_intersection dmb_table_intersects(struct dmb_table *table,
					   unsigned long start_pfn,
					   unsigned long end_pfn);

bool dmb_claimed(unsigned long pfn);

#ifdef CONFIG_CMA
bool dmb_area_exists(unsigned long start_pfn, unsigned long end_pfn);
bool dmb_cma_allocated(unsigned long pfn);
#else
static inline bool dmb_area_exists(unsigned long start_pfn, unsigned long end_pfn)
{
	return false;
}

static inline bool dmb_cma_allocated(unsigned long pfn)
{
	return false;
}
#endif

/* Do these flags, of a request or of a mapping, let pages be in a block? */
static inline bool dmb_eligible_gfp(gfp_t gfp)
{
	const gfp_t eligible = __GFP_HIGHMEM | __GFP_MOVABLE;

	return (gfp & eligible) == eligible;
}

/* How messages write a range: with its first byte and its last. */
#define DMB_RANGE_FMT	"[mem %#018llx-%#018llx]"

static inline u64 dmb_first_byte(unsigned long start_pfn)
{
	return PFN_PHYS(start_pfn);
}

static inline u64 dmb_last_byte(unsigned long end_pfn)
{
	return PFN_PHYS(end_pfn) - 1;
}

/**
 * struct dmb_survey - what a walk over all pages of a block has found
 * @free: pages in the buddy allocator
 * @pcp: pages that belong to nobody: in per-cpu lists or on their way
 * @used: allocated pages, violations included
 * @violations: allocated pages that do not belong into a block
 * @pageblocks: pageblocks of the type MIGRATE_DMB
 */
struct dmb_survey {
	unsigned long free;
	unsigned long pcp;
	unsigned long used;
	unsigned long violations;
	unsigned long pageblocks;
};

/* Reports a violation: called with the page frame and the reason. */
typedef void (*dmb_violation_fn)(void *data, unsigned long pfn,
				 const char *reason);

void dmb_survey(const struct dmb *dmb, struct dmb_survey *survey,
		dmb_violation_fn report, void *data);

#endif /* _MM_DMB_INTERNAL_H */
