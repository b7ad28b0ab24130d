// SPDX-License-Identifier: GPL-2.0
/*
 * From a request, of the command line or of a node in the devicetree, to free
 * pages of the right type.
 *
 * 1. Requests are noted, and early memory is kept out of them: see request.c.
 * 2. dmb_designate(), called when memblock is about to give everything to the
 *    buddy allocator, makes blocks of those parts of the requests that are
 *    still free.  Pages that nobody may move yet are cut out here, by whole
 *    pageblocks, and the log says why.
 * 3. The pages then take the same way into the buddy allocator as all others.
 *    Their pageblocks have the type already, or, where the struct pages are
 *    initialised later, get it from set_pageblock_migratetype().
 */

#define pr_fmt(fmt) "dmb: " fmt

#include <linux/dmb.h>
#include <linux/kernel.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>

#include "boot.h"
#include "internal.h"

/**
 * dmb_adjust_core - make kernelcore= and movablecore= know the blocks
 * @kernelcore: pages wanted for the kernel, 0 if not given
 * @movablecore: pages wanted for movable memory, 0 if not given
 *
 * Blocks are part of the movable memory that was asked for.  They are not part
 * of the kernel's.
 *
 * Context: free_area_init(), when nodes are known and zones are not.
 */
void __init dmb_adjust_core(unsigned long *kernelcore,
			    unsigned long *movablecore)
{
	unsigned long pages = dmb_all_usable_pages(ULONG_MAX);

	*movablecore -= min(*movablecore, pages);
	if (*kernelcore)
		*kernelcore += pages;
}

/* Have the struct pages from here on been left for later? */
static bool __init dmb_deferred(unsigned long pfn, int nid)
{
#ifdef CONFIG_DEFERRED_STRUCT_PAGE_INIT
	return pfn >= NODE_DATA(nid)->first_deferred_pfn;
#else
	return false;
#endif
}

static struct zone * __init dmb_pfn_zone(unsigned long pfn)
{
	int nid = early_pfn_to_nid(pfn);

	/* Only the highest zone of a node is ever deferred. */
	if (dmb_deferred(pfn, nid))
		return NODE_DATA(nid)->node_zones + NODE_DATA(nid)->nr_zones - 1;
	return page_zone(pfn_to_page(pfn));
}

/* Make a block of pageblocks that are free and lie in one zone. */
static void __init dmb_add_block(unsigned long start_pfn, unsigned long end_pfn,
				 struct zone *zone, const char *name)
{
	struct dmb *dmb = dmb_table_add(&dmb_blocks, start_pfn, end_pfn, name);
	unsigned long pfn;

	if (!dmb) {
		pr_warn(DMB_RANGE_FMT " refused: the table of %d blocks is full\n",
			dmb_first_byte(start_pfn), dmb_last_byte(end_pfn), DMB_MAX_BLOCKS);
		return;
	}

	dmb->pool.zone = zone;
	for (pfn = start_pfn; pfn < end_pfn; pfn += pageblock_nr_pages) {
		/* The rest follows in dmb_verify(). */
		if (dmb_deferred(pfn, zone_to_nid(zone)))
			break;
		set_pageblock_migratetype(pfn_to_page(pfn), MIGRATE_DMB);
		zone->dmb.pages += pageblock_nr_pages;
	}
}

static void __init dmb_judge(unsigned long pfn, struct dmb_run *run)
{
	run->why = dmb_unusable(pfn);
	run->holder = NULL;
	if (run->why) {
		run->holder = dmb_node_holding(PFN_PHYS(pfn),
					       DMB_MIN_ALIGNMENT_BYTES);
		if (run->holder)
			run->why = "is reserved for";
	}
	run->zone = run->why ? NULL : dmb_pfn_zone(pfn);
	if (run->zone && dmb_pfn_zone(pfn + pageblock_nr_pages - 1) != run->zone) {
		run->why = "lies across a zone border";
		run->zone = NULL;
	}
}

/**
 * dmb_designate - turn requests into blocks
 *
 * Context: memblock_free_all(), just before free memory goes to the buddy
 * allocator.
 */
void __init dmb_designate(void)
{
	if (!dmb_requested())
		return;

	dmb_settle_requests(dmb_judge, dmb_add_block);
	if (!dmb_blocks.nr)
		return;

	dmb_init_pool();

	/* From here on set_pageblock_migratetype() keeps the type. */
	static_branch_enable(&dmb_present);
	dmb_announce_blocks();
}

/* Only now, with all struct pages initialised, are all pages of blocks managed. */
static int __init dmb_verify(void)
{
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb)))
		dmb->pool.zone->dmb.pages = 0;
	while ((dmb = dmb_next(dmb)))
		dmb->pool.zone->dmb.pages += dmb_nr_pages(dmb);

	dmb_verify_blocks();
	return 0;
}
core_initcall(dmb_verify);
