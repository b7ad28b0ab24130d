// SPDX-License-Identifier: GPL-2.0
/*
 * Which block serves the next page.
 *
 * The allocator walks the zones in zonelist order and asks, for each, whether
 * it is worth taking a lock there.  Pages come from the free lists of
 * MIGRATE_DMB, or from the per-cpu lists in front of them.
 */

#include <linux/dmb.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/mm.h>

#include "../internal.h"
#include "internal.h"

/* Are there free designated pages of this order, or larger ones to split? */
static bool dmb_buddy_has_free(struct zone *zone, unsigned int order)
{
	if (zone_free_dmb_pages(zone) < 1UL << order)
		return false;

	for (; order < NR_PAGE_ORDERS; order++)
		if (!free_area_empty(&zone->free_area[order], MIGRATE_DMB))
			return true;
	return false;
}

/**
 * dmb_zone_has_free - is it worth looking for a designated page in a zone?
 * @zone: the zone
 * @order: the order wanted
 *
 * An empty pool must cost next to nothing, so this reads but takes no lock, and
 * the answer may be outdated.
 *
 * Context: Any.
 */
bool dmb_zone_has_free(struct zone *zone, unsigned int order)
{
	struct per_cpu_pages *pcp;

	if (!zone_dmb_pages(zone))
		return false;
	if (dmb_buddy_has_free(zone, order))
		return true;
	if (order > PAGE_ALLOC_COSTLY_ORDER)
		return false;

	pcp = raw_cpu_ptr(zone->per_cpu_pageset);
	return !list_empty(&pcp->lists[dmb_order_to_pindex(order)]);
}

/**
 * folio_is_designated - is a folio in a designated movable block?
 * @folio: the folio
 *
 * Context: Any.
 */
bool folio_is_designated(struct folio *folio)
{
	return dmb_contains_pfn(folio_pfn(folio));
}
EXPORT_SYMBOL_GPL(folio_is_designated);

/**
 * dmb_total_pages - size of all blocks together
 *
 * Context: Any.
 * Return: the number of designated pages that are online, free or in use.
 */
unsigned long dmb_total_pages(void)
{
	unsigned long pages = 0;
	struct zone *zone;

	for_each_populated_zone(zone)
		pages += zone_dmb_pages(zone);
	return pages;
}

/**
 * dmb_show_mem - say in an out-of-memory report how full the blocks are
 *
 * Context: Any.
 */
void dmb_show_mem(void)
{
	struct zone *zone;

	for_each_populated_zone(zone)
		if (zone_dmb_pages(zone))
			pr_info("Node %d %s: %lu pages designated movable, %lu of them free\n",
				zone_to_nid(zone), zone->name,
				zone_dmb_pages(zone), zone_free_dmb_pages(zone));
}

bool __dmb_contig_allowed(gfp_t gfp, unsigned long pfn, unsigned long nr_pages)
{
	return dmb_eligible(gfp_zone(gfp)) ||
	       dmb_intersects(pfn, pfn + nr_pages) == DMB_DISJOINT;
}
