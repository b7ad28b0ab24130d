// SPDX-License-Identifier: GPL-2.0
/*
 * Relief: when ordinary memory runs short, move user pages from there into
 * blocks.
 *
 * If blocks have no free memory but clean page cache, relief drops some of that
 * first: a kernel without blocks would have dropped it for the request, too.
 *
 * Reclaim comes first where it is cheaper. It takes cold page cache that may
 * not be in blocks. And while ordinary memory has cold page cache, relief drops
 * no page cache in blocks.
 *
 * A move costs neither data nor I/O, while reclaim would have to throw the
 * pages away or write them to swap.
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
 * A piece: relief empties this many pages before it checks whether that is
 * enough.  A request may need only one page of a pageblock of 512 MiB.
 */
#define RELIEF_PAGES	min(pageblock_nr_pages, PHYS_PFN(SZ_2M))

/*
 * So many pages of cold page cache are worth a scan. If there are fewer, all of
 * them may be dirty, or impossible to reclaim for other reasons.
 */
#define RELIEF_COLD	max(PHYS_PFN(SZ_1M), SWAP_CLUSTER_MAX)

/* A counter of free pages may be wrong by this many pages per CPU. */
#define RELIEF_DRIFT	128

/* Drop page cache at most this often for one piece. */
#define RELIEF_MAX_DROPS	4

/* Unless urgent, give up after so many pieces in a row with nothing to move. */
#define RELIEF_USELESS	64

/* Before a process is killed, wait this long for who makes or dissolves blocks. */
#define RELIEF_YIELD_TIME	(10 * HZ)

/* Does a node have blocks at the moment? */
static bool dmb_node_used(pg_data_t *pgdat)
{
	return pgdat->dmb && READ_ONCE(pgdat->dmb->pages);
}

/**
 * struct relief - the request to make room for, and how hard to try
 * @gfp_mask: flags of the request
 * @order: order of the request
 * @highest_zoneidx: the zones that the request may use
 * @watermark: the watermark to reach
 * @mode: how to migrate
 * @enough: leave a zone after moving this many pages
 * @urgent: this is the last attempt, which leaves out nothing
 * @may_drop: drop page cache when blocks have no room
 * @may_defer: after a failure, defer the attempts of later requests
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

/* Allocate a folio to move @src to, in a block of the same node. */
struct folio *dmb_relief_target(struct folio *src, unsigned long private)
{
	return dmb_alloc_folio(folio_zone(src), folio_order(src));
}

/*
 * Is there room in blocks of the zone's node for a batch of pages?  With many
 * CPUs the counters may be wrong by more than that: get exact values then.
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

/* LRU pages of a zone.  ZONE_MOVABLE counts the designated ones. */
static unsigned long zone_lru_pages(struct zone *zone)
{
	unsigned long pages = 0;
	enum lru_list lru;

	for_each_lru(lru)
		pages += zone_page_state(zone, NR_ZONE_LRU_BASE + lru);
	return pages;
}

/*
 * How many pages could be moved in a zone?  NR_ZSPAGES, the pages of zswap and
 * zram, includes those in blocks, so it only counts if all else has failed.
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
	if (!zone_ordinary_pages(zone) ||
	    relief_pages(relief, zone) < SWAP_CLUSTER_MAX)
		return false;

	/* The last free pages of blocks may be in per-cpu lists. */
	if (!relief_has_room(zone))
		dmb_drain_node(zone->zone_pgdat);
	if (relief->may_drop)
		return true;
	return relief_has_room(zone);
}

/* Page cache of a node that is in blocks, or in ZONE_MOVABLE */
static unsigned long relief_cache(pg_data_t *pgdat)
{
	struct zone *movable = &pgdat->node_zones[ZONE_MOVABLE];

	return zone_page_state(movable, NR_ZONE_INACTIVE_FILE) +
	       zone_page_state(movable, NR_ZONE_ACTIVE_FILE);
}

/*
 * Drop page cache to have room for a piece, or for less if there is less to
 * move.  Return true if the caller should try to move pages again.
 */
static bool relief_drop(struct relief *relief, struct zone *zone)
{
	unsigned long wanted = min(relief_pages(relief, zone), RELIEF_PAGES);
	unsigned long dropped;

	if (!relief->may_drop)
		return false;
	/* Reclaim would find little else than page cache of ordinary memory. */
	if (!relief->urgent && relief_cache(zone->zone_pgdat) < wanted / 4)
		return false;
	/* If only contiguous memory is missing, leave that to compaction. */
	if (relief->order && !relief->urgent &&
	    zone_watermark_ok(zone, 0, wmark_pages(zone, relief->watermark),
			      relief->highest_zoneidx, 0))
		return false;

	dropped = dmb_drop_cache(zone->zone_pgdat, relief->gfp_mask, wanted,
				 relief->urgent);
	count_vm_events(DMB_RELIEF_DROPPED, dropped);
	/* Pages that were in blocks may now be in per-cpu lists of any CPU. */
	dmb_drain_node(zone->zone_pgdat);
	relief->may_drop = dropped && dropped >= wanted / 4;
	/* Another request may take the pages first, so try again. */
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

/* Isolate a folio if relief should move it.  Return true if that is done. */
static bool relief_isolate(struct relief *relief, struct folio *folio,
			   struct list_head *list)
{
	if (folio_test_zsmalloc(folio))
		return isolate_folio_to_list(folio, list);
	/* Without __GFP_FS, move anonymous pages only. */
	if (!folio_test_anon(folio) && !(relief->gfp_mask & __GFP_FS))
		return false;
	if (relief->mode == MIGRATE_ASYNC && folio_test_writeback(folio))
		return false;
	/* Respect vm.compact_unevictable_allowed. */
	if (folio_test_unevictable(folio) &&
	    !sysctl_compact_unevictable_allowed)
		return false;
	/* Do not move thousands of pages for a request for one. */
	if (folio_nr_pages(folio) > RELIEF_PAGES && !relief->urgent)
		return false;
	/* Another reference would make migration fail. */
	if (folio_maybe_dma_pinned(folio) ||
	    (!folio_mapping(folio) &&
	     folio_ref_count(folio) - 1 > folio_mapcount(folio)))
		return false;
	if (!dmb_folio_may_enter(folio))
		return false;

	return isolate_folio_to_list(folio, list);
}

/* Move a batch and empty @list.  Return false if blocks have no room left. */
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
		ret = migrate_pages(list, dmb_relief_target, NULL, 0,
				    relief->mode, MR_COMPACTION, &moved);
		list_for_each_entry(folio, list, lru)
			failed += folio_nr_pages(folio);
		count_vm_events(DMB_RELIEF_MOVED, moved);
		count_vm_events(DMB_RELIEF_FAILED, failed);
		relief->nr_moved += moved;
	}
	putback_movable_pages(list);
	/* A failure of a large folio does not mean that there is no room. */
	return ret != -ENOMEM || moved || relief_has_room(zone);
}

/*
 * Isolate the folio at @pfn if relief should move it, and advance @pfn.  Return
 * the number of pages that were isolated.
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

	/* Take no reference to a page that may not be a user page. */
	*pfn += 1;
	folio = PageLRU(page) || PageZsmalloc(page) ?
		folio_get_nontail_page(page) : NULL;
	if (!folio)
		return 0;
	if (relief_isolate(relief, folio, list)) {
		isolated = folio_nr_pages(folio);
		*pfn = folio_pfn(folio) + isolated;
	}
	folio_put(folio);
	return isolated;
}

/* Move user pages out of a piece.  Return false if blocks have no room left. */
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
		/* If blocks are full, make room and isolate the batch again. */
		if (!room && drops++ < RELIEF_MAX_DROPS) {
			room = relief_drop(relief, zone);
			pfn = batch_pfn;
		}
		batch_pfn = pfn;
		isolated = 0;
		cond_resched();
	}

	/* Watermark checks do not see free pages in lists of this CPU. */
	lru_add_drain_cpu_zone(zone);
	return room;
}

/* Should relief empty the piece at @pfn? */
static bool relief_suits(struct zone *zone, unsigned long pfn)
{
	struct page *page = pageblock_pfn_to_page(pfn, pfn + RELIEF_PAGES,
						  zone);

	/* The kernel cannot use memory in a block, or in a CMA area. */
	return page && !dmb_contains_pfn(pfn) && !is_migrate_cma_page(page) &&
	       !is_migrate_isolate_page(page);
}

/*
 * Empty one piece after the other, so that they become free as a whole.
 * Concurrent callers share dmb_node->relief_pfn.  Return true if some pages
 * moved.
 */
static bool relief_zone(struct relief *relief, struct zone *zone)
{
	unsigned long start_pfn = ALIGN(zone->zone_start_pfn, RELIEF_PAGES);
	unsigned long end_pfn = ALIGN_DOWN(zone_end_pfn(zone), RELIEF_PAGES);
	unsigned long *position =
		&zone->zone_pgdat->dmb->relief_pfn[zone_idx(zone)];
	const unsigned long before = relief->nr_moved;
	unsigned long left, moved, useless = 0;

	/* A zone may be smaller than a piece. */
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
	/* If kswapd has given up on the node, let it try again. */
	if (moved >= SWAP_CLUSTER_MAX)
		zone->zone_pgdat->kswapd_failures = 0;

	if (moved || relief->may_defer)
		dmb_defer_attempts(relief_deferral(zone), relief->order,
				   !moved && !relief_done(relief, zone) &&
				   !fatal_signal_pending(current));
	return moved;
}

/*
 * How many pages of a node's ordinary memory are inactive page cache in zones
 * that the request may use?
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
 * Decide whether relief may drop page cache in a node.  Return false if reclaim
 * should take cold page cache instead.  Page cache of block devices may not be
 * in blocks, while page cache of files had better be moved.  If the machine has
 * at least half as much of the former as the node has cold page cache, reclaim
 * finds the former first.
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
	const gfp_t fails = __GFP_NORETRY | __GFP_RETRY_MAYFAIL |
			    __GFP_THISNODE;

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
	unsigned long end, pflags;
	unsigned int noreclaim_flag;
	struct zoneref *z;
	struct zone *zone;
	bool done = false;

	/* Requests that blocks serve need compaction or reclaim instead. */
	if (dmb_eligible(ac->highest_zoneidx))
		return false;
	if (order > PAGE_ALLOC_COSTLY_ORDER && (gfp_mask & __GFP_NORETRY))
		return false;

	psi_memstall_enter(&pflags);
	fs_reclaim_acquire(gfp_mask);
	noreclaim_flag = memalloc_noreclaim_save();

	for_each_zone_zonelist_nodemask(zone, z, ac->zonelist,
					ac->highest_zoneidx, ac->nodemask) {
		if (!cpuset_zone_allowed(zone, gfp_mask) ||
		    !dmb_node_used(zone->zone_pgdat))
			continue;
		if (!last_resort &&
		    dmb_attempt_deferred(relief_deferral(zone), order))
			continue;
		if (!relief_preferred(&relief, zone->zone_pgdat) &&
		    !last_resort)
			continue;
		relief.may_drop |= last_resort;
		if (!relief_worthwhile(&relief, zone)) {
			if (relief.may_defer)
				dmb_defer_attempts(relief_deferral(zone), order,
						   true);
			continue;
		}

		/* Pages that other CPUs freed may be in their per-cpu lists. */
		if (last_resort)
			drain_all_pages(zone);

		count_vm_event(DMB_RELIEF_DIRECT);
		done = relief_zone(&relief, zone) || relief_done(&relief, zone);
		if (done)
			break;
	}

	/* If that failed, shrink a block, provided that "yield" is enabled. */
	end = jiffies + RELIEF_YIELD_TIME;
	if (!done && last_resort && relief_may_kill(&relief))
		for_each_zone_zonelist_nodemask(zone, z, ac->zonelist,
						ac->highest_zoneidx,
						ac->nodemask)
			if (cpuset_zone_allowed(zone, gfp_mask) &&
			    dmb_yield(zone, end)) {
				done = true;
				break;
			}

	memalloc_noreclaim_restore(noreclaim_flag);
	fs_reclaim_release(gfp_mask);
	psi_memstall_leave(&pflags);
	return done;
}

/*
 * About how many pages could relief move in a node, if all pages on LRU lists
 * can be moved, and all page cache in blocks can be dropped?
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
 * If kswapd has given up on a node, let it try again when relief could move
 * more pages than at its last failure.  Otherwise kswapd would wait for
 * successful direct reclaim, and do nothing for atomic requests.
 */
void __dmb_revive_kswapd(pg_data_t *pgdat)
{
	if (dmb_node_used(pgdat) &&
	    pgdat->kswapd_failures >= MAX_RECLAIM_RETRIES &&
	    relief_potential(pgdat) > pgdat->dmb->hopeless + RELIEF_PAGES)
		pgdat->kswapd_failures = 0;
}

bool __dmb_relieve_node(pg_data_t *pgdat, unsigned int order,
			int highest_zoneidx, bool urgent)
{
	struct relief relief = {
		.gfp_mask = GFP_KERNEL,
		/* Move no pages for large pages that blocks could serve. */
		.order = dmb_eligible(highest_zoneidx) ? 0 : order,
		.highest_zoneidx = highest_zoneidx,
		/* The watermark that pgdat_balanced() checks */
		.watermark = sysctl_numa_balancing_mode &
			     NUMA_BALANCING_MEMORY_TIERING ?
			     WMARK_PROMO : WMARK_HIGH,
		.mode = MIGRATE_ASYNC,
		.enough = ULONG_MAX,
		.urgent = urgent,
	};
	const int failures = pgdat->kswapd_failures;
	bool done = false;
	int i;

	if (!dmb_node_used(pgdat) ||
	    (!relief_preferred(&relief, pgdat) && !urgent))
		return false;
	relief.may_drop |= urgent;
	/* Like reclaim, stop when compaction has enough free pages. */
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
	/* Dropping page cache has reset this, although it was in vain. */
	if (relief.nr_moved < SWAP_CLUSTER_MAX)
		pgdat->kswapd_failures = failures;
	if (urgent && relief.nr_moved < SWAP_CLUSTER_MAX)
		pgdat->dmb->hopeless = relief_potential(pgdat);
	return done;
}
