/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_DMB_H
#define _MM_DMB_H

/*
 * Designated movable blocks (DMB), by way of zones: what the files of mm/ call
 *
 * A block is part of ZONE_MOVABLE wherever it lies.  On a node with blocks
 * ZONE_MOVABLE spans everything from the lowest block to the end of the
 * highest, or of the node if a plain movablecore= or kernelcore= has its part
 * there, and so overlaps other zones.  Each page is present in one zone only:
 * those of a block in ZONE_MOVABLE, those around it in the zone that they would
 * be in anyway.
 *
 * All of this is settled when the zones are laid out.  From then on the
 * allocator knows nothing of blocks.
 */

#include <linux/dmb.h>
#include <linux/memblock.h>
#include <linux/mm.h>

#ifdef CONFIG_DMB

/* The type that the pageblocks of a block start with */
#define MIGRATE_DMB	MIGRATE_MOVABLE

/* memblock.c, and the command line */
bool dmb_only_blocks(char **movablecore);
bool dmb_undecided(void);
bool dmb_avoid_early(phys_addr_t base, phys_addr_t size, bool bottom_up,
		     phys_addr_t *start, phys_addr_t *end);
unsigned int dmb_free_order(unsigned long pfn, unsigned int order);

/* mm_init.c */
void dmb_designate(void);
void dmb_designate_early(void);
void dmb_adjust_core(unsigned long *totalpages, unsigned long *movablecore);
bool dmb_node_span(int nid, unsigned long *start_pfn, unsigned long *end_pfn);
unsigned long dmb_present_pages(int nid, unsigned long start_pfn,
				unsigned long end_pfn);
bool dmb_first_part(unsigned long start_pfn, unsigned long *end_pfn);
bool dmb_next_ordinary_range(int *i, int nid, unsigned long *start_pfn,
			     unsigned long *end_pfn);

/* What shared files have for CMA areas in blocks, of which there are none here */
bool dmb_holds_area(phys_addr_t base, phys_addr_t size);
void __dmb_count_taken(unsigned long pfn, long nr_pages);

#else /* !CONFIG_DMB */

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

static inline void dmb_designate_early(void)
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

#endif /* _MM_DMB_H */
