/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_DMB_H
#define _LINUX_DMB_H

#include <linux/errno.h>
#include <linux/init.h>
#include <linux/jump_label.h>
#include <linux/mm.h>
#include <linux/types.h>

/*
 * Designated movable blocks
 *
 * A designated movable block (DMB) is a range of physical memory, chosen by
 * the user, in which the page allocator only ever places pages that it can
 * move away again.  The pageblocks of a block bear the migrate type
 * MIGRATE_DMB from the moment the buddy allocator owns them until the machine
 * stops: the type neither falls back to another one nor is ever stolen, and an
 * isolated pageblock of a block gets it back.
 *
 * Two sentences carry the whole design:
 *
 *   - A request may use designated pages if, and only if, its highest_zoneidx
 *     is ZONE_MOVABLE, that is, if it has both __GFP_HIGHMEM and __GFP_MOVABLE.
 *   - A page in a block behaves as if its zone index were ZONE_MOVABLE.
 *
 * Documentation/mm/designated-movable-blocks.rst has the rest.
 */

/* Base and size of a block are multiples of this many bytes. */
#define DMB_MIN_ALIGNMENT_PAGES	pageblock_nr_pages
#define DMB_MIN_ALIGNMENT_BYTES	(PAGE_SIZE * DMB_MIN_ALIGNMENT_PAGES)

/* How a range of pages relates to the blocks; see dmb_intersects(). */
enum dmb_intersection {
	DMB_DISJOINT,	/* no page of the range is designated */
	DMB_INTERSECTS,	/* all pages of the range are designated */
	DMB_MIXED,	/* some are, some are not */
};

#ifdef CONFIG_DMB

/* True from the hand-over of early memory on, if there is any block. */
DECLARE_STATIC_KEY_FALSE(dmb_present);

static __always_inline bool dmb_enabled(void)
{
	return static_branch_unlikely(&dmb_present);
}

static __always_inline bool is_migrate_dmb(int migratetype)
{
	return dmb_enabled() && migratetype == MIGRATE_DMB;
}

/* May a request with this highest zone index use designated pages? */
static __always_inline bool dmb_eligible(enum zone_type highest_zoneidx)
{
	return dmb_enabled() && highest_zoneidx == ZONE_MOVABLE;
}

bool __dmb_contains_pfn(unsigned long pfn);

/* Is this page frame in a block, whatever type its pageblock has just now? */
static inline bool dmb_contains_pfn(unsigned long pfn)
{
	return dmb_enabled() && __dmb_contains_pfn(pfn);
}

/*
 * The type that a pageblock gets when somebody asks for @migratetype: nothing
 * but isolation takes the type of a designated pageblock away.
 */
static inline int dmb_sticky_migratetype(struct page *page, int migratetype)
{
	if (migratetype != MIGRATE_ISOLATE && dmb_contains_pfn(page_to_pfn(page)))
		return MIGRATE_DMB;
	return migratetype;
}

/*
 * Index of the per-cpu list that holds designated pages of @order, which has
 * its place behind those of the MIGRATE_PCPTYPES.
 */
static inline unsigned int dmb_order_to_pindex(int order)
{
	if (order > PAGE_ALLOC_COSTLY_ORDER)
		return NR_PCP_LISTS - 1;
	return NR_PCP_TYPES * order + MIGRATE_PCPTYPES;
}

bool dmb_zone_has_free(struct zone *zone, unsigned int order);
bool __dmb_contig_allowed(gfp_t gfp, unsigned long pfn, unsigned long nr_pages);

/* May alloc_contig_pages() take this range for a request with these flags? */
static inline bool dmb_contig_allowed(gfp_t gfp, unsigned long pfn,
				      unsigned long nr_pages)
{
	return !dmb_enabled() || __dmb_contig_allowed(gfp, pfn, nr_pages);
}

enum dmb_intersection dmb_intersects(unsigned long start_pfn,
				     unsigned long end_pfn);
unsigned long dmb_total_pages(void);
void dmb_show_mem(void);
void dmb_adjust_present(struct zone *zone, unsigned long pfn, long nr_pages);

int __init dmb_reserve(phys_addr_t base, phys_addr_t size, const char *name);

/* Hooks of the boot path: the command line, memblock, and mm_init. */
bool dmb_only_blocks(char **movablecore);
bool dmb_avoid_early(phys_addr_t base, phys_addr_t size, bool bottom_up,
		     phys_addr_t *start, phys_addr_t *end);
bool dmb_requested(void);
void dmb_adjust_core(unsigned long *kernelcore, unsigned long *movablecore);
void dmb_designate(void);

#else /* !CONFIG_DMB */

static inline bool dmb_enabled(void)
{
	return false;
}

static inline bool is_migrate_dmb(int migratetype)
{
	return false;
}

static inline bool dmb_eligible(enum zone_type highest_zoneidx)
{
	return false;
}

static inline bool dmb_contains_pfn(unsigned long pfn)
{
	return false;
}

static inline int dmb_sticky_migratetype(struct page *page, int migratetype)
{
	return migratetype;
}

static inline unsigned int dmb_order_to_pindex(int order)
{
	return 0;
}

static inline bool dmb_contig_allowed(gfp_t gfp, unsigned long pfn,
				      unsigned long nr_pages)
{
	return true;
}

static inline enum dmb_intersection dmb_intersects(unsigned long start_pfn,
						   unsigned long end_pfn)
{
	return DMB_DISJOINT;
}

static inline unsigned long dmb_total_pages(void)
{
	return 0;
}

static inline void dmb_show_mem(void)
{
}

static inline void dmb_adjust_present(struct zone *zone, unsigned long pfn,
				      long nr_pages)
{
}

static inline int dmb_reserve(phys_addr_t base, phys_addr_t size,
			      const char *name)
{
	return -EOPNOTSUPP;
}

static inline bool dmb_only_blocks(char **movablecore)
{
	return false;
}

static inline bool dmb_avoid_early(phys_addr_t base, phys_addr_t size,
				   bool bottom_up, phys_addr_t *start,
				   phys_addr_t *end)
{
	return false;
}

static inline bool dmb_requested(void)
{
	return false;
}

static inline void dmb_adjust_core(unsigned long *kernelcore,
				   unsigned long *movablecore)
{
}

static inline void dmb_designate(void)
{
}

#endif /* CONFIG_DMB */

#endif /* _LINUX_DMB_H */
