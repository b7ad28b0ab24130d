// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that goes offline and comes back, while its range stays designated.
 */

#include <linux/dmb.h>
#include <linux/mm.h>

#include "internal.h"

/**
 * dmb_adjust_present - follow memory that comes online or goes offline
 * @zone: the zone that it is in; onlining may choose another than before
 * @pfn: first page frame of the memory
 * @nr_pages: how many pages there are; negative if they go offline
 *
 * Context: Memory hotplug lock held for writing.
 */
void dmb_adjust_present(struct zone *zone, unsigned long pfn, long nr_pages)
{
	unsigned long end_pfn = pfn + abs(nr_pages);
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb))) {
		unsigned long start = max(pfn, dmb->start_pfn);
		unsigned long end = min(end_pfn, dmb->end_pfn);

		if (start >= end)
			continue;
		if (nr_pages > 0)
			zone->dmb_pages += end - start;
		else
			zone->dmb_pages -= end - start;
	}
}
