// SPDX-License-Identifier: GPL-2.0
/*
 * Decisions of compaction about blocks. It compacts the blocks of a zone and
 * the ordinary memory around them separately.
 */

#include <linux/dmb.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/compaction.h>
#include <linux/vmstat.h>

#include "internal.h"

/**
 * dmb_zone_span - the range that holds all blocks of a zone
 * @zone: the zone, which has blocks, or has just had some
 * @start_pfn: set to the first page frame of the first block
 * @end_pfn: set to one past the last page frame of the last block
 *
 * The range leaves out parts of blocks beyond an end of the zone, which are
 * offline.
 */
void dmb_zone_span(struct zone *zone, unsigned long *start_pfn,
		   unsigned long *end_pfn)
{
	struct dmb *dmb = NULL;

	*start_pfn = zone->zone_start_pfn;
	*end_pfn = 0;
	while ((dmb = dmb_next(dmb))) {
		if (dmb->pool->zone != zone)
			continue;
		if (!*end_pfn)
			*start_pfn = dmb->start_pfn;
		*end_pfn = max(*end_pfn, dmb->end_pfn);
	}
	/* All blocks were just dissolved. Let both scanners meet at once. */
	if (!*end_pfn)
		*end_pfn = pageblock_start_pfn(*start_pfn) + pageblock_nr_pages;
	*start_pfn = max(*start_pfn, zone->zone_start_pfn);
	*end_pfn = min(*end_pfn, zone_end_pfn(zone));
}

/**
 * dmb_has_free_order - do the blocks of a zone have a free page of an order?
 * @zone: the zone
 * @order: the order wanted
 *
 * Context: Any.
 * Return: the answer, which is an estimate without the lock of the zone.
 */
bool dmb_has_free_order(struct zone *zone, unsigned int order)
{
	struct dmb_pool *pool = NULL;
	unsigned int o;

	while ((pool = dmb_next_pool(zone, pool)))
		for (o = order; o < NR_PAGE_ORDERS; o++)
			/* A wrong answer costs a pass, or skips one. */
			if (data_race(pool->free_area[o].nr_free))
				return true;
	return false;
}

/**
 * __dmb_compactable - is it worth compacting the blocks of a zone?
 * @zone: the zone
 * @order: the order wanted
 * @highest_zoneidx: the zones that the request may use
 *
 * Return: true if the request may use blocks, and there are enough free pages
 * in those of the zone but none of this order.
 */
bool __dmb_compactable(struct zone *zone, int order, int highest_zoneidx)
{
	return order > 0 && dmb_eligible(highest_zoneidx) &&
	       zone_free_dmb_pages(zone) >= compact_gap(order) &&
	       !dmb_has_free_order(zone, order);
}

/* The same for the zones of a node, even if they have free pages of @order */
bool __dmb_may_compact(pg_data_t *pgdat, int order)
{
	int i;

	for (i = 0; i < MAX_NR_ZONES; i++)
		if (zone_free_dmb_pages(&pgdat->node_zones[i]) >=
		    compact_gap(order))
			return true;
	return false;
}

/* Like compaction_deferred(), but for compaction of the blocks of a zone */
bool dmb_compaction_deferred(struct zone *zone, unsigned int order)
{
	struct dmb_node *node = zone->zone_pgdat->dmb;

	return dmb_attempt_deferred(&node->compaction[zone_idx(zone)], order);
}

void dmb_defer_compaction(struct zone *zone, unsigned int order, bool failed)
{
	struct dmb_node *node = zone->zone_pgdat->dmb;

	dmb_defer_attempts(&node->compaction[zone_idx(zone)], order, failed);
}

/**
 * dmb_scattered - can compaction make a free pageblock in the blocks of a zone?
 * @zone: the zone
 *
 * Return: true if free pages that are smaller than a pageblock are enough for
 * one.
 */
bool dmb_scattered(struct zone *zone)
{
	unsigned long pages = 0;
	unsigned int order;

	for (order = 0; order < pageblock_order; order++)
		pages += dmb_nr_free(zone, order) << order;
	return pages >= pageblock_nr_pages;
}

unsigned long __dmb_free_targets(struct zone *zone)
{
	return dmb_node_free_pages(zone->zone_pgdat);
}

struct folio *__dmb_compaction_target(struct compact_control *cc,
				      struct folio *src)
{
	struct folio *dst;

	/* Only for requests that blocks do not serve */
	if (cc->order <= 0 || dmb_eligible(cc->highest_zoneidx) ||
	    !cc->zone->zone_pgdat->dmb || !dmb_folio_may_enter(src))
		return NULL;

	dst = dmb_relief_target(src, 0);
	if (dst)
		count_vm_events(DMB_RELIEF_MOVED, folio_nr_pages(dst));
	return dst;
}

bool __dmb_compaction_untarget(struct compact_control *cc, struct folio *dst)
{
	if (compacts_blocks(cc) || !dmb_contains_pfn(folio_pfn(dst)))
		return false;

	count_vm_events(DMB_RELIEF_MOVED, -folio_nr_pages(dst));
	count_vm_events(DMB_RELIEF_FAILED, folio_nr_pages(dst));
	folio_put(dst);
	return true;
}
