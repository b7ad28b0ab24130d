// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks as parts of ZONE_MOVABLE.
 *
 * 1. boot.c makes the blocks, when nodes are known and zones are not.
 * 2. mm_init.c asks the functions below how blocks change the zones, and which
 *    zone a page is in while it initialises struct pages, now or later.
 * 3. The pages take the same way into the buddy allocator as all others.  Free
 *    pages of two zones never merge, so dmb_free_order() is all that it needs.
 */

#define pr_fmt(fmt) "dmb: " fmt

#include <linux/dmb.h>
#include <linux/kernel.h>
#include <linux/memblock.h>
#include <linux/mm.h>

#include "../internal.h"
#include "boot.h"
#include "internal.h"

static struct dmb_pool dmb_pools[DMB_MAX_BLOCKS];

/* The zones are being laid out; it is too late to take a block away. */
static bool dmb_decided __initdata_memblock;

static struct zone * __init dmb_node_zone(int nid)
{
	return &NODE_DATA(nid)->node_zones[ZONE_MOVABLE];
}

/**
 * dmb_designate_early - turn requests into blocks
 *
 * Context: free_area_init(), before zones are laid out.
 */
void __init dmb_designate_early(void)
{
	int nid, i;

	/* boot.c looks at all zones. They have no memory yet. */
	for_each_online_node(nid)
		for (i = 0; i < MAX_NR_ZONES; i++)
			NODE_DATA(nid)->node_zones[i].zone_pgdat = NODE_DATA(nid);

	/* Then ZONE_MOVABLE overlaps others already, and has rules of its own. */
	if (dmb_requests.nr && mirrored_kernelcore && memblock_has_mirror()) {
		pr_warn("all blocks refused: kernelcore=mirror divides the memory\n");
		dmb_requests.nr = 0;
	}
	dmb_designate();
}

/**
 * dmb_pfn_zone - find the zone that a block would be in
 * @pfn: a page frame of the block, which is RAM
 *
 * Context: dmb_designate().
 * Return: the zone.
 */
struct zone * __init dmb_pfn_zone(unsigned long pfn)
{
	return dmb_node_zone(early_pfn_to_nid(pfn));
}

/**
 * dmb_join_zone - note which zone a new block is in
 * @dmb: the block
 * @zone: the zone that dmb_pfn_zone() has told for it
 *
 * Context: dmb_designate().
 */
void __init dmb_join_zone(struct dmb *dmb, struct zone *zone)
{
	dmb->pool = &dmb_pools[dmb_blocks.nr - 1];
	dmb->pool->zone = zone;
	dmb->pool->dmb = dmb;

	/* The log wants to know what zone_init_internals() sets later. */
	zone->name = zone_names[ZONE_MOVABLE];
	zone_set_nid(zone, early_pfn_to_nid(dmb->start_pfn));
}

/**
 * dmb_settle_zones - note that the blocks are made
 *
 * Context: dmb_designate(), when all blocks have joined their zones.
 */
void __init dmb_settle_zones(void)
{
	dmb_decided = true;
}

/**
 * dmb_undecided - may an early allocation that finds no other place have a
 *		   piece of a requested range?
 *
 * A block with a piece cut out is better than no boot.  But once the zones have
 * been laid out the piece would stay in ZONE_MOVABLE.
 *
 * Context: memblock allocation.
 * Return: true if it may.
 */
bool __init_memblock dmb_undecided(void)
{
	return dmb_requests.nr && !dmb_decided;
}

/**
 * dmb_adjust_core - make kernelcore= and movablecore= know the blocks
 * @totalpages: pages that there are; on return, those outside of blocks
 * @movablecore: pages wanted for movable memory, 0 if not given; on return,
 *		 those wanted besides the blocks
 *
 * Context: free_area_init(), before zones are laid out.
 */
void __init dmb_adjust_core(unsigned long *totalpages,
			    unsigned long *movablecore)
{
	unsigned long pages = dmb_all_usable_pages(ULONG_MAX);

	*totalpages -= pages;
	*movablecore -= min(*movablecore, pages);
}

/**
 * dmb_node_span - what the blocks of a node span
 * @nid: the node
 * @start_pfn: first page frame of the lowest block
 * @end_pfn: one past the last page frame of the highest
 *
 * Context: Boot.
 * Return: false if the node has no block.
 */
bool __init dmb_node_span(int nid, unsigned long *start_pfn,
			  unsigned long *end_pfn)
{
	struct dmb *dmb = NULL;

	*end_pfn = 0;
	while ((dmb = dmb_next(dmb))) {
		if (dmb->pool->zone != dmb_node_zone(nid))
			continue;
		if (!*end_pfn)
			*start_pfn = dmb->start_pfn;
		*end_pfn = dmb->end_pfn;
	}
	return *end_pfn;
}

/**
 * dmb_present_pages - count the designated pages of a node in a range
 * @nid: the node
 * @start_pfn: first page frame of the range
 * @end_pfn: one past its last page frame
 *
 * Context: Boot.
 * Return: their number.
 */
unsigned long __init dmb_present_pages(int nid, unsigned long start_pfn,
				       unsigned long end_pfn)
{
	unsigned long pages = 0;
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb)))
		if (dmb->pool->zone == dmb_node_zone(nid))
			pages += clamp(dmb->end_pfn, start_pfn, end_pfn) -
				 clamp(dmb->start_pfn, start_pfn, end_pfn);
	return pages;
}

/**
 * dmb_first_part - cut a range where designated pages begin or end
 * @start_pfn: first page frame of the range
 * @end_pfn: one past its last page frame; on return, one past the last one that
 *	     is designated if the first one is, and is not if that is not
 *
 * Context: Boot.
 * Return: true if the first page is designated.
 */
bool __init dmb_first_part(unsigned long start_pfn, unsigned long *end_pfn)
{
	struct dmb *dmb = dmb_table_first(&dmb_blocks, start_pfn, *end_pfn);

	if (!dmb)
		return false;
	if (dmb->start_pfn > start_pfn) {
		*end_pfn = dmb->start_pfn;
		return false;
	}
	*end_pfn = min(*end_pfn, dmb->end_pfn);
	return true;
}

/**
 * dmb_next_ordinary_range - walk over the memory of a node that is in no block
 * @i: memblock's index of the region that the last range was in, -1 to begin
 * @nid: the node
 * @start_pfn: first page frame of the next range
 * @end_pfn: one past its last page frame; before, one past that of the last
 *
 * Context: Boot.
 * Return: false if there are no ranges left.
 */
bool __init dmb_next_ordinary_range(int *i, int nid, unsigned long *start_pfn,
				    unsigned long *end_pfn)
{
	struct memblock_region *regions = memblock.memory.regions;

	do {
		if (*i >= 0 &&
		    *end_pfn < memblock_region_memory_end_pfn(&regions[*i])) {
			*start_pfn = *end_pfn;
			*end_pfn = memblock_region_memory_end_pfn(&regions[*i]);
		} else {
			__next_mem_pfn_range(i, nid, start_pfn, end_pfn, NULL);
		}
	} while (*i >= 0 && dmb_first_part(*start_pfn, end_pfn));

	return *i >= 0;
}

/**
 * dmb_free_order - limit a chunk of free memory to pages of one zone
 * @pfn: first page frame of the chunk
 * @order: its order, MAX_PAGE_ORDER at most
 *
 * Context: Boot.
 * Return: the order of a chunk that can be freed at once.
 */
unsigned int __init dmb_free_order(unsigned long pfn, unsigned int order)
{
	if (order > pageblock_order &&
	    dmb_intersects(pfn, pfn + (1UL << order)) == DMB_MIXED)
		return pageblock_order;
	return order;
}

/* Counts the pages one by one, as the zone has one counter for all blocks. */
unsigned long dmb_pool_free(const struct dmb_pool *pool)
{
	struct dmb_audit audit;

	dmb_audit_block(pool->dmb, &audit, NULL);
	return audit.free;
}

/* sysfs.c knows blocks that take turns.  A zone fills them as it likes. */
bool dmb_spread_enabled(void)
{
	return false;
}

void dmb_set_spread(bool spread)
{
}

/* There are no CMA areas in blocks, with which cma.c would know better... */
#ifdef CONFIG_CMA
bool __init dmb_area_exists(unsigned long start_pfn, unsigned long end_pfn)
{
	return false;
}

bool dmb_cma_allocated(unsigned long pfn)
{
	return false;
}
#endif

/* ... nor any that are heaps, nor blocks in the devicetree, as of.c would. */
#ifdef CONFIG_DMABUF_HEAPS_CMA
void __init dmb_declare_heaps(void)
{
}
#endif

#ifdef CONFIG_OF_RESERVED_MEM
const struct reserved_mem * __init dmb_node_holding(phys_addr_t base,
						    phys_addr_t size)
{
	return NULL;
}

bool __init dmb_usable_range_given(void)
{
	return false;
}
#endif
