// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that goes offline and comes back, while its range stays designated.
 */

#include <linux/dmb.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>

#include "internal.h"

/* Protects the page counts of pools, nodes and zones against other writers. */
static DEFINE_SPINLOCK(dmb_count_lock);

/**
 * dmb_adjust_pages - count pages that a block has got or lost
 * @dmb: the block
 * @nr_pages: how many; negative if it has lost them
 *
 * Context: Process context. The memory hotplug lock is held, for reading or
 * writing, unless the zone has and keeps ordinary memory.
 */
void dmb_adjust_pages(struct dmb *dmb, long nr_pages)
{
	struct zone *zone = dmb->pool->zone;
	enum zone_type idx;

	guard(spinlock)(&dmb_count_lock);
	idx = dmb_zone_idx(zone);
	dmb->pool->pages += nr_pages;
	WRITE_ONCE(dmb->pool->node->pages, dmb->pool->node->pages + nr_pages);
	zone->dmb_pages += nr_pages;
	/* The zone has lost its last ordinary memory, or got its first. */
	if (idx != dmb_zone_idx(zone))
		dmb_index_zone(zone, zone_dmb_pages(zone));
}

#ifdef CONFIG_MEMORY_HOTPLUG
/**
 * __dmb_early_pages - count the online pages of boot memory that are in blocks
 * @zone: the zone
 *
 * Context: device_hotplug_lock or the memory hotplug lock held.
 * Return: the number of pages.
 */
unsigned long __dmb_early_pages(struct zone *zone)
{
	unsigned long pfn, pages = 0;
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb))) {
		if (dmb->pool->zone != zone)
			continue;
		for (pfn = dmb->start_pfn; pfn < dmb->end_pfn;
		     pfn += pageblock_nr_pages)
			if (pfn_to_online_page(pfn) &&
			    early_section(__pfn_to_section(pfn)))
				pages += pageblock_nr_pages;
	}
	return pages;
}
#endif

/*
 * How many of these pages, which are offline by now, were managed? Those that
 * balloons and virtio-mem had taken are marked as PageOffline().
 */
static long dmb_were_managed(unsigned long pfn, unsigned long end_pfn)
{
	long pages = 0;

	for (; pfn < end_pfn; pfn++)
		pages += !PageOffline(pfn_to_page(pfn));
	return pages;
}

/**
 * __dmb_adjust_present - count memory that comes online or goes offline
 * @zone: the zone that it is in
 * @pfn: first page frame of the memory
 * @nr_pages: how many pages there are; negative if they go offline
 *
 * Context: Memory hotplug lock held for writing.
 */
void __dmb_adjust_present(struct zone *zone, unsigned long pfn, long nr_pages)
{
	pg_data_t *pgdat = zone->zone_pgdat;
	unsigned long end_pfn = pfn + abs(nr_pages);
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb))) {
		unsigned long start = max(pfn, dmb->start_pfn);
		unsigned long end = min(end_pfn, dmb->end_pfn);
		long change = nr_pages < 0 ? -1 : 1;

		if (start >= end)
			continue;
		if (nr_pages < 0)
			atomic_long_sub(dmb_were_managed(start, end),
					&zone->dmb_managed);
		dmb_adjust_pages(dmb, change * (long)(end - start));
	}
	/* The node may lose all of its memory, and get some again. */
	if (nr_pages < 0 && pgdat->dmb)
		pgdat->dmb->counters =
			pgdat->node_zones[ZONE_MOVABLE].per_cpu_zonestats;
	guard(spinlock)(&dmb_count_lock);
	if (__dmb_next_pool(zone, NULL))
		dmb_index_zone(zone, zone_dmb_pages(zone));
}
