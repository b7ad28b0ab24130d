// SPDX-License-Identifier: GPL-2.0
/*
 * How reclaim, kswapd and the OOM killer treat memory in blocks: for a request
 * that cannot use it, as if it were in a higher zone.
 */

#include <linux/dmb.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/swap.h>
#include <linux/vmstat.h>

#include "internal.h"

/*
 * ZONE_MOVABLE counts LRU pages in blocks. If it is not populated, zonelists do
 * not have it, so count them with the zone.
 */
unsigned long __dmb_reclaimable_pages(struct zone *zone)
{
	struct zone *movable = &zone->zone_pgdat->node_zones[ZONE_MOVABLE];

	if (!zone->zone_pgdat->dmb || populated_zone(movable))
		return 0;
	return zone_reclaimable_pages(movable);
}

/*
 * Do inodes fill up ordinary memory?  Inodes and the nodes of their page cache
 * are ordinary memory, and stay as long as an inode has page cache.  If most
 * page cache is in blocks, inodes can fill ordinary memory before page cache is
 * reclaimed.  Return true if at least half of all memory is designated, and
 * more than an eighth of ordinary memory is reclaimable slab.  As callers ask
 * for each page that leaves the page cache, this is only computed once in a
 * tick.
 */
bool __dmb_slab_crowds(void)
{
	unsigned long designated, ordinary, slab, now = jiffies;
	static unsigned long when;
	static bool crowds;

	if (READ_ONCE(when) != now) {
		WRITE_ONCE(when, now);
		designated = dmb_total_pages();
		/* A balloon may have taken pages of blocks out of the total. */
		ordinary = totalram_pages();
		ordinary -= min(ordinary, designated);
		slab = global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B);
		WRITE_ONCE(crowds,
			   designated >= ordinary && slab > ordinary / 8);
	}
	return READ_ONCE(crowds);
}

/**
 * dmb_node_balanced - may kswapd stop, as requests find room in blocks?
 * @pgdat: the node, which has blocks
 * @order: the order wanted
 *
 * When a request that may use blocks wakes kswapd, the blocks are full.  A
 * little room in them helps such requests as much as plenty of free ordinary
 * memory.
 *
 * Context: Any.
 * Return: true if the blocks of the node have so much room, and a free page of
 * @order.
 */
bool dmb_node_balanced(pg_data_t *pgdat, unsigned int order)
{
	unsigned long pages = 0, free = 0;
	bool has_order = false;
	int i;

	for (i = 0; i < MAX_NR_ZONES; i++) {
		struct zone *zone = &pgdat->node_zones[i];

		pages += zone_dmb_pages(zone);
		free += zone_free_dmb_pages(zone);
		has_order |= dmb_has_free_order(zone, order);
	}
	/* About what the high watermark of ZONE_MOVABLE would be. */
	return has_order && free > pages / 256;
}
