// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel memory on demand: when ordinary memory runs short, user pages are moved
 * from there into blocks.
 *
 * Where blocks have no free memory but clean page cache, some of that is dropped
 * first: it is what a kernel without blocks would have dropped for the request.
 *
 * Ordinary memory that can be had for less comes first: cold page cache that may
 * not be in blocks at all, or, when page cache has to be dropped anyway, any cold
 * page cache.
 *
 * A move costs no more than a copy, while reclaim would have to throw the pages
 * away or write them to swap.
 */

#include <linux/blkdev.h>
#include <linux/cpuset.h>
#include <linux/dmb.h>
#include <linux/gfp.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/psi.h>
#include <linux/sched/mm.h>
#include <linux/compaction.h>
#include <linux/sched/sysctl.h>
#include <linux/sizes.h>
#include <linux/swap.h>
#include <linux/vmstat.h>

#include "internal.h"

/*
 * What is emptied in one go, before another look at whether that is enough:
 * pageblocks of 2 MiB, and as much of those that are larger. They are of
 * 512 MiB when pages are of 64 KiB, while a request may want but one page.
 */
#define RELIEF_PAGES	min(pageblock_nr_pages, PHYS_PFN(SZ_2M))

/*
 * So much cold page cache is worth a scan, in pages. With less it may be dirty,
 * or not go away for other reasons.
 */
#define RELIEF_COLD	max(PHYS_PFN(SZ_1M), SWAP_CLUSTER_MAX)

/* A counter of free pages may be off by so many for each CPU. */
#define RELIEF_DRIFT	128

/* Page cache is dropped so often for one piece. */
#define RELIEF_MAX_DROPS	4

/* Enough of these in a row in which there was nothing to move, if not urgent */
#define RELIEF_USELESS	64

/* Has a node blocks just now? */
static bool dmb_node_used(pg_data_t *pgdat)
{
	return pgdat->dmb && READ_ONCE(pgdat->dmb->pages);
}

/**
 * struct relief - what to make room for, and how hard to try
 * @gfp_mask: the flags of the request
 * @order: the order that it wants
 * @highest_zoneidx: the zones that it may use
 * @watermark: which one is to be reached
 * @mode: how to migrate
 * @enough: after how many pages moved to look whether that is enough
 * @urgent: is this the last attempt, which leaves out nothing?
 * @may_drop: may page cache be dropped when blocks have no room?
 * @may_defer: is a failure a reason to defer the attempts of others?
 * @nr_moved: pages moved so far
 */
struct relief {
	gfp_t gfp_mask;
	unsigned int order;
	int highest_zoneidx;
	enum zone_watermarks watermark;
	enum migrate_mode mode;
	unsigned long enough;
	bool urgent;
	bool may_drop;
	bool may_defer;
	unsigned long nr_moved;
};

/* A folio in a block of the same node to move @src to, NULL if there is none */
struct folio *dmb_relief_target(struct folio *src, unsigned long private)
{
	return dmb_alloc_folio(folio_zone(src), folio_order(src));
}

/*
 * Is there enough room in blocks of the zone's node for a batch of pages?  The
 * counters of many CPUs may be off by more than that.
 */
static bool relief_has_room(struct zone *zone)
{
	pg_data_t *pgdat = zone->zone_pgdat;
	unsigned long free = 0;
	int i;

	if (!dmb_node_used(pgdat) || !READ_ONCE(pgdat->dmb->nr_rows))
		return false;
	if (dmb_node_free_pages(pgdat) >= RELIEF_DRIFT * num_online_cpus())
		return true;

	for (i = 0; i < MAX_NR_ZONES; i++)
		if (zone_dmb_pages(&pgdat->node_zones[i]))
			free += zone_page_state_snapshot(&pgdat->node_zones[i],
							 NR_FREE_DMB_PAGES);
	return free >= SWAP_CLUSTER_MAX;
}

/* All pages on the LRU lists of a zone, designated ones aside */
static unsigned long zone_lru_pages(struct zone *zone)
{
	unsigned long pages = 0;
	enum lru_list lru;

	for_each_lru(lru)
		pages += zone_page_state(zone, NR_ZONE_LRU_BASE + lru);
	return pages;
}

/*
 * How many pages could be moved in a zone? What zswap and zram have compressed is counted
 * together with what they have in blocks, so it is looked for when all else has failed.
 */
static unsigned long relief_pages(struct relief *relief, struct zone *zone)
{
	unsigned long pages = zone_lru_pages(zone);

#if IS_ENABLED(CONFIG_ZSMALLOC)
	if (relief->urgent)
		pages += zone_page_state(zone, NR_ZSPAGES);
#endif
	return pages;
}

/* Is there something to move, and somewhere to move it to? */
static bool relief_worthwhile(struct relief *relief, struct zone *zone)
{
	if (!zone_ordinary_pages(zone) || relief_pages(relief, zone) < SWAP_CLUSTER_MAX)
		return false;

	/* The last free pages of blocks may be in per-cpu lists. */
	if (!relief_has_room(zone))
		dmb_drain_node(zone->zone_pgdat);
	if (relief->may_drop)
		return true;
	return relief_has_room(zone);
}

/* The page cache of a node that is in blocks, or in ZONE_MOVABLE */
static unsigned long relief_cache(pg_data_t *pgdat)
{
	struct zone *movable = &pgdat->node_zones[ZONE_MOVABLE];

	return zone_page_state(movable, NR_ZONE_INACTIVE_FILE) +
	       zone_page_state(movable, NR_ZONE_ACTIVE_FILE);
}

/*
 * Drop page cache to have room for a piece of memory, or for less if there is
 * less to move.
 */
static bool relief_drop(struct relief *relief, struct zone *zone)
{
	unsigned long wanted = min(relief_pages(relief, zone), RELIEF_PAGES);
	unsigned long dropped;

	if (!relief->may_drop)
		return false;
	/* Otherwise it would be the cache of ordinary memory alone. */
	if (!relief->urgent && relief_cache(zone->zone_pgdat) < wanted / 4)
		return false;
	/* When only contiguous memory is missing, that is compaction's work. */
	if (relief->order && !relief->urgent &&
	    zone_watermark_ok(zone, 0, wmark_pages(zone, relief->watermark),
			      relief->highest_zoneidx, 0))
		return false;

	dropped = dmb_drop_cache(zone->zone_pgdat, relief->gfp_mask, wanted,
				 relief->urgent);
	count_vm_events(DMB_RELIEF_DROPPED, dropped);
	/* It may be in the lists of any CPU, or have been in ordinary memory. */
	dmb_drain_node(zone->zone_pgdat);
	relief->may_drop = dropped && dropped >= wanted / 4;
	/* Others may be faster, so this may have to be done again. */
	return relief->may_drop || relief_has_room(zone);
}

static struct dmb_deferral *relief_deferral(struct zone *zone)
{
	return &zone->zone_pgdat->dmb->relief[zone_idx(zone)];
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
	if (folio_test_zsmalloc(folio))
		return isolate_folio_to_list(folio, list);
	/* Without locks of file systems, anonymous pages only. */
	if (!folio_test_anon(folio) && !(relief->gfp_mask & __GFP_FS))
		return false;
	if (relief->mode == MIGRATE_ASYNC && folio_test_writeback(folio))
		return false;
	/* Respect vm.compact_unevictable_allowed. */
	if (folio_test_unevictable(folio) && !sysctl_compact_unevictable_allowed)
		return false;
	/* Not thousands of pages for a request for one */
	if (folio_nr_pages(folio) > RELIEF_PAGES && !relief->urgent)
		return false;
	/* Migration would fail, as somebody else has a reference. */
	if (folio_maybe_dma_pinned(folio) ||
	    (!folio_mapping(folio) &&
	     folio_ref_count(folio) - 1 > folio_mapcount(folio)))
		return false;
	if (!dmb_folio_may_enter(folio))
		return false;

	return isolate_folio_to_list(folio, list);
}

/*
 * Move a batch of pages, and empty the list.  Return false when blocks have no
 * more room.
 */
static bool relief_migrate(struct relief *relief, struct zone *zone,
			   struct list_head *list)
{
	unsigned int moved = 0;
	unsigned long failed = 0;
	struct folio *folio;
	int ret = -ENOMEM;

	if (list_empty(list))
		return true;

	if (relief_has_room(zone)) {
		ret = migrate_pages(list, dmb_relief_target, NULL, 0, relief->mode,
				    MR_COMPACTION, &moved);
		list_for_each_entry(folio, list, lru)
			failed += folio_nr_pages(folio);
		count_vm_events(DMB_RELIEF_MOVED, moved);
		count_vm_events(DMB_RELIEF_FAILED, failed);
		relief->nr_moved += moved;
	}
	putback_movable_pages(list);
	/* Not when it was only too little for a large folio */
	return ret != -ENOMEM || moved || relief_has_room(zone);
}

/*
 * Isolate the folio at @pfn if there is one to move, and advance.  Return its
 * number of pages, 0 if there is none.
 */
static unsigned int relief_next(struct relief *relief, unsigned long *pfn,
				struct list_head *list)
{
	struct page *page = pfn_to_page(*pfn);
	unsigned long nr_free = dmb_buddy_pages(page);
	unsigned int isolated = 0;
	struct folio *folio;

	if (nr_free) {
		*pfn += nr_free;
		return 0;
	}

	/* A reference to a page of the kernel might irritate it. */
	*pfn += 1;
	folio = PageLRU(page) || PageZsmalloc(page) ? folio_get_nontail_page(page) : NULL;
	if (!folio)
		return 0;
	if (relief_isolate(relief, folio, list)) {
		isolated = folio_nr_pages(folio);
		*pfn = folio_pfn(folio) + isolated;
	}
	folio_put(folio);
	return isolated;
}

/* Move what is in the way in a piece.  Return false when it is time to stop. */
static bool relief_piece(struct relief *relief, struct zone *zone,
			 unsigned long pfn)
{
	const unsigned long end_pfn = pfn + RELIEF_PAGES;
	unsigned long batch_pfn = pfn;
	unsigned int isolated = 0;
	unsigned int drops = 0;
	bool room = true;
	LIST_HEAD(list);

	while (room && batch_pfn < end_pfn) {
		if (pfn < end_pfn && isolated < SWAP_CLUSTER_MAX) {
			isolated += relief_next(relief, &pfn, &list);
			continue;
		}

		room = relief_migrate(relief, zone, &list);
		/* Drop page cache for pages that were found, but are put back. */
		if (!room && drops++ < RELIEF_MAX_DROPS) {
			room = relief_drop(relief, zone);
			pfn = batch_pfn;
		}
		batch_pfn = pfn;
		isolated = 0;
		cond_resched();
	}

	/* Nobody sees what is free as long as it is in a list of this CPU. */
	lru_add_drain_cpu_zone(zone);
	return room;
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
 * Concurrent callers share the position.  Return true if some pages moved.
 */
static bool relief_zone(struct relief *relief, struct zone *zone)
{
	unsigned long start_pfn = ALIGN(zone->zone_start_pfn, RELIEF_PAGES);
	unsigned long end_pfn = ALIGN_DOWN(zone_end_pfn(zone), RELIEF_PAGES);
	unsigned long *position = &zone->zone_pgdat->dmb->relief_pfn[zone_idx(zone)];
	const unsigned long before = relief->nr_moved;
	unsigned long left, moved, useless = 0;

	/* A zone may be smaller than that. */
	if (start_pfn >= end_pfn)
		return false;

	left = (end_pfn - start_pfn) / RELIEF_PAGES;
	while (left-- && (useless < RELIEF_USELESS || relief->urgent) &&
	       relief->nr_moved - before < relief->enough &&
	       !relief_done(relief, zone) && !fatal_signal_pending(current)) {
		unsigned long pfn = READ_ONCE(*position);
		unsigned long nr_moved = relief->nr_moved;

		if (pfn < start_pfn || pfn >= end_pfn)
			pfn = start_pfn;
		WRITE_ONCE(*position, pfn + RELIEF_PAGES);

		if (relief_suits(zone, pfn)) {
			if (!relief_piece(relief, zone, pfn))
				break;
			useless = relief->nr_moved == nr_moved ? useless + 1 : 0;
		}
		cond_resched();
	}

	moved = relief->nr_moved - before;
	/* kswapd may have given up, but can do something again. */
	if (moved >= SWAP_CLUSTER_MAX)
		zone->zone_pgdat->kswapd_failures = 0;

	if (moved || relief->may_defer)
		dmb_defer_attempts(relief_deferral(zone), relief->order,
				   !moved && !relief_done(relief, zone) &&
				   !fatal_signal_pending(current));
	return moved;
}

/*
 * How much page cache of a node's ordinary memory has not been used lately, and
 * may be reclaimed for such a request?
 */
static unsigned long cold_cache(pg_data_t *pgdat, int highest_zoneidx)
{
	unsigned long cold = 0;
	int i;

	for (i = 0; i <= min_t(int, highest_zoneidx, ZONE_MOVABLE - 1); i++)
		cold += zone_page_state(&pgdat->node_zones[i],
					NR_ZONE_INACTIVE_FILE);
	return cold;
}

/*
 * Decide what relief may do in a node.  Return false if reclaim should take cold
 * page cache instead.  That of block devices may not be in blocks.  So where the
 * machine has more than half as much of it as the node has cold page cache,
 * reclaim finds it before page cache of files, which would better be moved.
 */
static bool relief_preferred(struct relief *relief, pg_data_t *pgdat)
{
	unsigned long cold = cold_cache(pgdat, relief->highest_zoneidx);

	relief->may_drop = cold < RELIEF_COLD;
	return relief->may_drop || nr_blockdev_pages() < cold / 2;
}

/* Is this a request for which __alloc_pages_may_oom() would kill a process? */
static bool relief_may_kill(const struct relief *relief)
{
	const gfp_t fails = __GFP_NORETRY | __GFP_RETRY_MAYFAIL | __GFP_THISNODE;

	return (relief->gfp_mask & __GFP_FS) && !(relief->gfp_mask & fails) &&
	       relief->order <= PAGE_ALLOC_COSTLY_ORDER &&
	       relief->highest_zoneidx >= ZONE_NORMAL &&
	       !(current->flags & PF_DUMPCORE);
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
		.enough = RELIEF_PAGES,
		.urgent = last_resort,
		.may_defer = gfp_mask & __GFP_FS,
	};
	unsigned int noreclaim_flag;
	unsigned long pflags;
	struct zoneref *z;
	struct zone *zone;
	bool done = false;

	/* Relief is for others. These need compaction, or reclaim. */
	if (dmb_eligible(ac->highest_zoneidx))
		return false;
	if (order > PAGE_ALLOC_COSTLY_ORDER && (gfp_mask & __GFP_NORETRY))
		return false;

	psi_memstall_enter(&pflags);
	fs_reclaim_acquire(gfp_mask);
	noreclaim_flag = memalloc_noreclaim_save();

	for_each_zone_zonelist_nodemask(zone, z, ac->zonelist,
					ac->highest_zoneidx, ac->nodemask) {
		if (!cpuset_zone_allowed(zone, gfp_mask) || !dmb_node_used(zone->zone_pgdat))
			continue;
		if (!last_resort &&
		    dmb_attempt_deferred(relief_deferral(zone), order))
			continue;
		if (!relief_preferred(&relief, zone->zone_pgdat) && !last_resort)
			continue;
		relief.may_drop |= last_resort;
		if (!relief_worthwhile(&relief, zone)) {
			if (relief.may_defer)
				dmb_defer_attempts(relief_deferral(zone), order, true);
			continue;
		}

		/* What others have made room for may be in their per-cpu lists. */
		if (last_resort)
			drain_all_pages(zone);

		count_vm_event(DMB_RELIEF_DIRECT);
		done = relief_zone(&relief, zone) || relief_done(&relief, zone);
		if (done)
			break;
	}

	/* There is nothing to move. If the administrator wants it, blocks get smaller. */
	if (!done && last_resort && relief_may_kill(&relief))
		for_each_zone_zonelist_nodemask(zone, z, ac->zonelist,
						ac->highest_zoneidx, ac->nodemask)
			if (cpuset_zone_allowed(zone, gfp_mask) && dmb_yield(zone)) {
				done = true;
				break;
			}

	memalloc_noreclaim_restore(noreclaim_flag);
	fs_reclaim_release(gfp_mask);
	psi_memstall_leave(&pflags);
	return done;
}

/*
 * About how many pages relief could move in a node, if all pages on lists can be
 * moved, and all page cache in blocks can be dropped
 */
static unsigned long relief_potential(pg_data_t *pgdat)
{
	unsigned long pages = 0, room;
	int i;

	for (i = 0; i < ZONE_MOVABLE; i++)
		pages += zone_lru_pages(&pgdat->node_zones[i]);
	room = dmb_node_free_pages(pgdat) + relief_cache(pgdat);
	return min(pages, room);
}

/*
 * kswapd has given up on a node, and only direct reclaim that succeeds makes it
 * try again.  Requests that cannot wait would find no help.
 */
void __dmb_revive_kswapd(pg_data_t *pgdat)
{
	if (dmb_node_used(pgdat) && pgdat->kswapd_failures >= MAX_RECLAIM_RETRIES &&
	    relief_potential(pgdat) > pgdat->dmb->hopeless + RELIEF_PAGES)
		pgdat->kswapd_failures = 0;
}

bool __dmb_relieve_node(pg_data_t *pgdat, unsigned int order,
			int highest_zoneidx, bool urgent)
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
		.enough = ULONG_MAX,
		.urgent = urgent,
	};
	const int failures = pgdat->kswapd_failures;
	bool done = false;
	int i;

	if (!dmb_node_used(pgdat) || (!relief_preferred(&relief, pgdat) && !urgent))
		return false;
	relief.may_drop |= urgent;
	/* The same limit that reclaim has: compaction works with that. */
	if (relief.order)
		relief.enough = compact_gap(relief.order) + RELIEF_PAGES;

	for (i = min_t(int, highest_zoneidx, ZONE_MOVABLE - 1); i >= 0; i--) {
		struct zone *zone = &pgdat->node_zones[i];

		if (!managed_zone(zone) || !relief_worthwhile(&relief, zone))
			continue;

		count_vm_event(DMB_RELIEF_KSWAPD);
		relief_zone(&relief, zone);
		done = relief_done(&relief, zone);
		if (done)
			break;
	}
	/* Page cache that was dropped in vain is no reason to go on. */
	if (relief.nr_moved < SWAP_CLUSTER_MAX)
		pgdat->kswapd_failures = failures;
	if (urgent && relief.nr_moved < SWAP_CLUSTER_MAX)
		pgdat->dmb->hopeless = relief_potential(pgdat);
	return done;
}
