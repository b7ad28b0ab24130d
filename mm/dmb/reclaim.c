// SPDX-License-Identifier: GPL-2.0
/*
 * What reclaim, kswapd and the OOM killer make of memory in blocks: for a
 * request that cannot use it, it is as if it were in a higher zone.
 */

#include <linux/dmb.h>
#include <linux/export.h>
#include <linux/hugetlb.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/vmstat.h>

#include "internal.h"

/* All pages on the LRU lists of a zone, in blocks or not. */
static unsigned long dmb_zone_lru(struct zone *zone)
{
	unsigned long pages = 0;
	enum lru_list lru;

	for_each_lru(lru)
		pages += zone_page_state(zone, NR_ZONE_LRU_BASE + lru);
	return pages;
}

/**
 * dmb_count_unlisted - tell reclaim of pages in use that are on no LRU list
 * @page: the first of them, in a block or not
 * @nr_pages: how many there are; negative if they are no longer used like that
 *
 * Context: Any.
 */
void dmb_count_unlisted(struct page *page, long nr_pages)
{
	unsigned long pfn = page_to_pfn(page);
	struct dmb *dmb = dmb_table_first(&dmb_blocks, pfn, pfn + 1);

	if (dmb)
		atomic_long_add(nr_pages, &dmb->unlisted);
}
EXPORT_SYMBOL_GPL(dmb_count_unlisted);

/*
 * About so many of them are in blocks, and rather more than this.  What is
 * neither counted as free there nor on a list is in use by few: by owners, by
 * hugetlb, which counts for the machine, by zsmalloc and balloons.  Or it is in
 * per-cpu lists, or isolated from the LRU lists, or in pageblocks that somebody
 * has isolated, maybe a whole block.
 */
unsigned long dmb_zone_lru_designated(struct zone *zone)
{
	unsigned long used, elsewhere;
	struct dmb *dmb = NULL;
	int cpu;

	used = zone_dmb_pages(zone);
	used -= min(used, zone_free_dmb_pages(zone));

	elsewhere = hugetlb_total_pages() +
		    node_page_state(zone->zone_pgdat, NR_ISOLATED_ANON) +
		    node_page_state(zone->zone_pgdat, NR_ISOLATED_FILE) +
		    READ_ONCE(zone->nr_isolate_pageblock) * pageblock_nr_pages;
	while ((dmb = dmb_next(dmb)))
		if (dmb->pool->zone == zone)
			elsewhere += READ_ONCE(dmb->claimed) +
				     atomic_long_read(&dmb->unlisted);
	for_each_online_cpu(cpu)
		elsewhere += __dmb_pcp_count(zone, cpu);
#if IS_ENABLED(CONFIG_ZSMALLOC)
	elsewhere += zone_page_state(zone, NR_ZSPAGES);
#endif
	return used - min(used, elsewhere);
}

/*
 * About so many are in ordinary memory, and rather fewer.  Too high a figure
 * makes a request try once more in vain, while too low a one would kill a
 * process for nothing.
 */
unsigned long dmb_zone_lru_ordinary(struct zone *zone)
{
	unsigned long lru = dmb_zone_lru(zone);

	return lru - min(lru, dmb_zone_lru_designated(zone));
}

unsigned long __dmb_eligible_lru(struct zone *zone, unsigned long nr_pages)
{
	nr_pages = min(nr_pages, dmb_zone_lru_ordinary(zone));

	/* As in zone_reclaimable_pages(): a zone with free pages does matter. */
	return nr_pages ?: zone_page_state_snapshot(zone, NR_FREE_PAGES);
}

unsigned long __dmb_eligible_share(pg_data_t *pgdat, int highest_zoneidx,
				   unsigned long nr_pages)
{
	unsigned long lru = 0, ordinary = 0;
	int i;

	if (!pgdat->dmb)
		return nr_pages;

	for (i = 0; i <= highest_zoneidx; i++) {
		struct zone *zone = &pgdat->node_zones[i];

		if (!managed_zone(zone))
			continue;
		lru += dmb_zone_lru(zone);
		ordinary += dmb_zone_lru_ordinary(zone);
	}
	if (!ordinary)
		return lru ? 0 : nr_pages;
	/*
	 * Rounded up, so that the lists of a small memory cgroup are scanned.
	 * The product of two numbers of pages may be too large for 32 bits.
	 */
	return min_t(u64, nr_pages,
		     mul_u64_u64_div_u64(nr_pages, ordinary, lru) + 1);
}

/**
 * dmb_node_balanced - need kswapd do nothing for those who may use blocks?
 * @pgdat: the node, which has blocks
 * @order: the order wanted
 *
 * A request that may use blocks has got past them when it wakes kswapd: they
 * are full.  Then a little room in them is as good as a lot of ordinary memory.
 *
 * Context: Any.
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
