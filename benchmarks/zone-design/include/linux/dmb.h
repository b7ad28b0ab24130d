/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_DMB_H
#define _LINUX_DMB_H

#include <linux/errno.h>
#include <linux/init.h>
#include <linux/jump_label.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/types.h>

/*
 * Designated movable blocks, by way of zones
 *
 * A designated movable block (DMB) is a range of physical memory, chosen by
 * the user, that is part of ZONE_MOVABLE wherever it lies.  On a node with
 * blocks ZONE_MOVABLE spans everything from the lowest block to the end of the
 * highest, or of the node if a plain movablecore= or kernelcore= has its part
 * there, and so overlaps other zones.  Each page is present in one zone only:
 * those of a block in ZONE_MOVABLE, those around it in the zone that they would
 * be in anyway.
 *
 * All of this is settled when the zones are laid out.  From then on the
 * allocator knows nothing of blocks.
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

/* The type that the pageblocks of a block start with, and that the survey counts. */
#define MIGRATE_DMB	MIGRATE_MOVABLE

/* What mm/dmb/registry.c has for allocators that ask about blocks. */
DECLARE_STATIC_KEY_FALSE(dmb_present);

/* Has anybody to ask about blocks while the system runs? A zone need not. */
static inline bool dmb_enabled(void)
{
	return false;
}

/* The free pages of a block are among those of its zone. */
struct dmb_pool {
	struct zone *zone;
};

bool __dmb_contains_pfn(unsigned long pfn);

/* Is this page frame in a block? */
static inline bool dmb_contains_pfn(unsigned long pfn)
{
	return __dmb_contains_pfn(pfn);
}

enum dmb_intersection dmb_intersects(unsigned long start_pfn,
				     unsigned long end_pfn);
int dmb_reserve(phys_addr_t base, phys_addr_t size, const char *name);

int dmb_claim(phys_addr_t base, phys_addr_t size, const char *owner);
int dmb_release(phys_addr_t base, phys_addr_t size);

/* What the same files have for CMA areas in blocks, which are not hooked up here. */
void __dmb_count_taken(unsigned long pfn, long nr_pages);
bool dmb_holds_area(phys_addr_t base, phys_addr_t size);
phys_addr_t dmb_find_area(phys_addr_t size, phys_addr_t align, int nid);

/* Hooks of the command line and of memblock. */
bool dmb_only_blocks(char **movablecore);
bool dmb_requested(void);
bool dmb_undecided(void);
bool dmb_avoid_early(phys_addr_t base, phys_addr_t size, bool bottom_up,
		     phys_addr_t *start, phys_addr_t *end);
unsigned int dmb_free_order(unsigned long pfn, unsigned int order);

/* Hooks of mm_init. */
void dmb_designate(void);
void dmb_adjust_core(unsigned long *totalpages, unsigned long *movablecore);
bool dmb_node_span(int nid, unsigned long *start_pfn, unsigned long *end_pfn);
unsigned long dmb_present_pages(int nid, unsigned long start_pfn,
				unsigned long end_pfn);
bool dmb_first_part(unsigned long start_pfn, unsigned long *end_pfn);
bool dmb_next_ordinary_range(int *i, int nid, unsigned long *start_pfn,
			     unsigned long *end_pfn);

#else /* !CONFIG_DMB */

static inline bool dmb_contains_pfn(unsigned long pfn)
{
	return false;
}

static inline enum dmb_intersection dmb_intersects(unsigned long start_pfn,
						   unsigned long end_pfn)
{
	return DMB_DISJOINT;
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

static inline bool dmb_undecided(void)
{
	return false;
}

static inline bool dmb_avoid_early(phys_addr_t base, phys_addr_t size,
				   bool bottom_up, phys_addr_t *start,
				   phys_addr_t *end)
{
	return false;
}

static inline unsigned int dmb_free_order(unsigned long pfn, unsigned int order)
{
	return order;
}

static inline void dmb_designate(void)
{
}

static inline void dmb_adjust_core(unsigned long *totalpages,
				   unsigned long *movablecore)
{
}

static inline bool dmb_node_span(int nid, unsigned long *start_pfn,
				 unsigned long *end_pfn)
{
	return false;
}

static inline unsigned long dmb_present_pages(int nid, unsigned long start_pfn,
					      unsigned long end_pfn)
{
	return 0;
}

static inline bool dmb_first_part(unsigned long start_pfn,
				  unsigned long *end_pfn)
{
	return false;
}

static inline bool dmb_next_ordinary_range(int *i, int nid,
					   unsigned long *start_pfn,
					   unsigned long *end_pfn)
{
	__next_mem_pfn_range(i, nid, start_pfn, end_pfn, NULL);
	return *i >= 0;
}

#endif /* CONFIG_DMB */

#endif /* _LINUX_DMB_H */
