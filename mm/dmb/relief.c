// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel memory on demand: when ordinary memory runs short and blocks have room,
 * user pages are moved from the one into the others.
 *
 * That costs no more than a copy, where reclaim would have to throw the pages
 * away or write them to swap.  It only ever goes in this direction, so no page
 * travels back and forth.
 */

#include <linux/cpuset.h>
#include <linux/dmb.h>
#include <linux/gfp.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/psi.h>
#include <linux/sched/mm.h>
#include <linux/sched/sysctl.h>
#include <linux/sizes.h>
#include <linux/compaction.h>
#include <linux/swap.h>
#include <linux/vmstat.h>

#include "../internal.h"
#include "internal.h"

/* Flags for a page from a block, or else none at all. */
#define RELIEF_GFP	((GFP_HIGHUSER_MOVABLE & ~__GFP_RECLAIM) | __GFP_THISNODE | \
			 __GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN)

/*
 * What is emptied in one go, before another look at whether that is enough:
 * pageblocks of 2 MiB, and as much of those that are larger. They are of
 * 512 MiB when pages are of 64 KiB, while a request may want but one page.
 */
#define RELIEF_PAGES	min(pageblock_nr_pages, PHYS_PFN(SZ_2M))

/* Enough of these in a row in which there was nothing to move. */
#define RELIEF_USELESS	64

/**
 * struct relief - what to make room for, and how hard to try
 * @gfp_mask: the flags of the request
 * @order: the order that it wants
 * @highest_zoneidx: the zones that it may use
 * @watermark: which one is to be reached
 * @mode: how to migrate
 * @useless: after how many pieces in a row with nothing to move to give up
 * @nr_moved: pages moved so far
 */
struct relief {
	gfp_t gfp_mask;
	unsigned int order;
	int highest_zoneidx;
	enum zone_watermarks watermark;
	enum migrate_mode mode;
	unsigned long useless;
	unsigned long nr_moved;
};

/* Allocate a folio in a block of the same node to move @src to. */
struct folio *dmb_relief_target(struct folio *src, unsigned long private)
{
	struct folio *dst;

	dst = __folio_alloc(RELIEF_GFP, folio_order(src), folio_nid(src), NULL);
	if (dst && !dmb_contains_pfn(folio_pfn(dst))) {
		/* The blocks are full, and this is where we come from. */
		folio_put(dst);
		dst = NULL;
	}
	return dst;
}

/* Is there enough room in blocks of the zone's node for a batch of pages? */
bool dmb_relief_has_room(struct zone *zone)
{
	return dmb_node_free_pages(zone->zone_pgdat) >= SWAP_CLUSTER_MAX;
}

/* Is there something to move, and somewhere to move it to? */
static bool relief_worthwhile(struct zone *zone)
{
	if (!zone->zone_pgdat->dmb || !zone_ordinary_pages(zone) ||
	    dmb_zone_lru_ordinary(zone) < SWAP_CLUSTER_MAX)
		return false;

	/* The last free pages of blocks may be in per-cpu lists. */
	if (!dmb_relief_has_room(zone))
		dmb_drain_node(zone->zone_pgdat);
	return dmb_relief_has_room(zone);
}

static bool relief_done(struct relief *relief, struct zone *zone)
{
	return zone_watermark_ok(zone, relief->order,
				 wmark_pages(zone, relief->watermark),
				 relief->highest_zoneidx, 0);
}

/* Is this a folio to move?  Takes it off its list then. */
static bool relief_isolate(struct relief *relief, struct folio *folio,
			   struct list_head *list)
{
	/* Without locks of file systems, anonymous pages only. */
	if (!folio_test_anon(folio) && !(relief->gfp_mask & __GFP_FS))
		return false;
	if (relief->mode == MIGRATE_ASYNC && folio_test_writeback(folio))
		return false;
	/* Respect vm.compact_unevictable_allowed. */
	if (folio_test_unevictable(folio) && !sysctl_compact_unevictable_allowed)
		return false;
	/* Migration would fail. */
	if (folio_maybe_dma_pinned(folio))
		return false;
	if (!dmb_folio_may_enter(folio))
		return false;

	return isolate_folio_to_list(folio, list);
}

static void relief_migrate(struct relief *relief, struct list_head *list)
{
	unsigned int moved = 0;
	unsigned long failed = 0;
	struct folio *folio;

	if (list_empty(list))
		return;

	migrate_pages(list, dmb_relief_target, NULL, 0, relief->mode, MR_COMPACTION,
		      &moved);
	list_for_each_entry(folio, list, lru)
		failed += folio_nr_pages(folio);
	putback_movable_pages(list);

	count_vm_events(DMB_RELIEF_MOVED, moved);
	count_vm_events(DMB_RELIEF_FAILED, failed);
	relief->nr_moved += moved;
}

static void relief_piece(struct relief *relief, struct zone *zone,
			 unsigned long pfn)
{
	const unsigned long end_pfn = pfn + RELIEF_PAGES;
	unsigned int isolated = 0;
	LIST_HEAD(list);

	while (pfn < end_pfn) {
		struct page *page = pfn_to_page(pfn);
		struct folio *folio;

		/* The order may be outdated, so only a sane one is believed. */
		if (PageBuddy(page)) {
			unsigned long order = buddy_order_unsafe(page);

			pfn += order <= MAX_PAGE_ORDER ? 1UL << order : 1;
			continue;
		}

		/* A reference to a page of the kernel might irritate it. */
		pfn++;
		folio = PageLRU(page) ? folio_get_nontail_page(page) : NULL;
		if (!folio)
			continue;
		if (relief_isolate(relief, folio, &list)) {
			isolated += folio_nr_pages(folio);
			pfn = folio_pfn(folio) + folio_nr_pages(folio);
		}
		folio_put(folio);

		if (isolated >= SWAP_CLUSTER_MAX) {
			relief_migrate(relief, &list);
			isolated = 0;
			cond_resched();
			if (!dmb_relief_has_room(zone))
				break;
		}
	}
	relief_migrate(relief, &list);

	/* Nobody sees what is free as long as it is in a list of this CPU. */
	lru_add_drain_cpu_zone(zone);
}

/* Is this a piece of a pageblock whose user pages are in the way? */
static bool relief_suits(struct zone *zone, unsigned long pfn)
{
	struct page *page = pageblock_pfn_to_page(pfn, pfn + RELIEF_PAGES, zone);

	/* The kernel cannot have what is in a block, or in a CMA area. */
	return page && !dmb_contains_pfn(pfn) && !is_migrate_cma_page(page) &&
	       !is_migrate_isolate_page(page);
}

/*
 * Empty one pageblock after the other, so that they become free as a whole.
 * Concurrent callers share the position.
 */
static void relief_zone(struct relief *relief, struct zone *zone)
{
	unsigned long start_pfn = ALIGN(zone->zone_start_pfn, RELIEF_PAGES);
	unsigned long end_pfn = ALIGN_DOWN(zone_end_pfn(zone), RELIEF_PAGES);
	unsigned long *position = &zone->zone_pgdat->dmb->relief_pfn[zone_idx(zone)];
	unsigned long left, useless = 0;

	/* A zone may be smaller than that. */
	if (start_pfn >= end_pfn)
		return;

	left = (end_pfn - start_pfn) / RELIEF_PAGES;
	while (left-- && useless < relief->useless && dmb_relief_has_room(zone) &&
	       !relief_done(relief, zone) && !fatal_signal_pending(current)) {
		unsigned long pfn = READ_ONCE(*position);
		unsigned long nr_moved = relief->nr_moved;

		if (pfn < start_pfn || pfn >= end_pfn)
			pfn = start_pfn;
		WRITE_ONCE(*position, pfn + RELIEF_PAGES);

		if (relief_suits(zone, pfn)) {
			relief_piece(relief, zone, pfn);
			useless = relief->nr_moved == nr_moved ? useless + 1 : 0;
		}
		cond_resched();
	}
}

bool __dmb_relieve(gfp_t gfp_mask, unsigned int order,
		   const struct alloc_context *ac, bool last_resort)
{
	struct relief relief = {
		.gfp_mask = gfp_mask,
		.order = order,
		.highest_zoneidx = ac->highest_zoneidx,
		.watermark = WMARK_LOW,
		.mode = gfp_compaction_allowed(gfp_mask) ? MIGRATE_SYNC_LIGHT :
							   MIGRATE_ASYNC,
		.useless = last_resort ? ULONG_MAX : RELIEF_USELESS,
	};
	unsigned int noreclaim_flag;
	unsigned long pflags;
	struct zoneref *z;
	struct zone *zone;
	bool done = false;

	/* Blocks have room, but none that would do: compaction's work. */
	if (dmb_eligible(ac->highest_zoneidx))
		return false;

	psi_memstall_enter(&pflags);
	fs_reclaim_acquire(gfp_mask);
	noreclaim_flag = memalloc_noreclaim_save();

	for_each_zone_zonelist_nodemask(zone, z, ac->zonelist,
					ac->highest_zoneidx, ac->nodemask) {
		if (!cpuset_zone_allowed(zone, gfp_mask) ||
		    !relief_worthwhile(zone))
			continue;

		/* What others have made room for may be in their per-cpu lists. */
		if (last_resort)
			drain_all_pages(zone);

		count_vm_event(DMB_RELIEF_DIRECT);
		relief_zone(&relief, zone);
		done = relief_done(&relief, zone);
		if (done)
			break;
	}

	memalloc_noreclaim_restore(noreclaim_flag);
	fs_reclaim_release(gfp_mask);
	psi_memstall_leave(&pflags);
	return done || relief.nr_moved;
}

bool __dmb_relieve_node(pg_data_t *pgdat, unsigned int order,
			int highest_zoneidx)
{
	struct relief relief = {
		.gfp_mask = GFP_KERNEL,
		/* Large pages for who may use blocks are not worth that. */
		.order = dmb_eligible(highest_zoneidx) ? 0 : order,
		.highest_zoneidx = highest_zoneidx,
		/* What pgdat_balanced() wants */
		.watermark = sysctl_numa_balancing_mode & NUMA_BALANCING_MEMORY_TIERING ?
			     WMARK_PROMO : WMARK_HIGH,
		.mode = MIGRATE_ASYNC,
		.useless = RELIEF_USELESS,
	};
	int i;

	for (i = min_t(int, highest_zoneidx, ZONE_MOVABLE); i >= 0; i--) {
		struct zone *zone = &pgdat->node_zones[i];

		if (!managed_zone(zone) || !relief_worthwhile(zone))
			continue;

		count_vm_event(DMB_RELIEF_KSWAPD);
		relief_zone(&relief, zone);
		if (relief_done(&relief, zone))
			return true;
	}
	return false;
}
