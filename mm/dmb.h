/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_DMB_H
#define _MM_DMB_H

/*
 * Designated movable blocks (DMB): interface for the files of mm/, by caller.
 *
 * With CONFIG_DMB=n, dmb_enabled() is false at compile time. The compiler then
 * drops the calls behind it, so that most of these functions need no stub.
 */

#include <linux/dmb.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/percpu.h>
#include <linux/vmstat.h>

struct alloc_context;
struct cma;
struct compact_control;
struct folio;
struct memory_group;
struct memory_notify;

/* All callers: requests, pages and zones */

#ifdef CONFIG_DMB
#define is_migrate_dmb(migratetype) \
	(dmb_enabled() && (migratetype) == MIGRATE_DMB)
#define zone_dmb_pages(zone)		((zone)->dmb_pages)
#define zone_dmb_managed(zone)		\
	max(atomic_long_read(&(zone)->dmb_managed), 0L)
#define zone_free_dmb_pages(zone)	zone_page_state(zone, NR_FREE_DMB_PAGES)
#else
static inline bool is_migrate_dmb(int migratetype) { return false; }
static inline unsigned long zone_dmb_pages(struct zone *zone) { return 0; }
static inline long zone_dmb_managed(struct zone *zone) { return 0; }
static inline unsigned long zone_free_dmb_pages(struct zone *zone) { return 0; }
#endif

/*
 * Return true if a request with this highest zone index may use designated
 * pages. An index above ZONE_MOVABLE, as kswapd may pass, means all zones.
 */
static __always_inline bool dmb_eligible(enum zone_type highest_zoneidx)
{
	return dmb_enabled() && highest_zoneidx >= ZONE_MOVABLE;
}

/* Is none of these page frames designated? */
static inline bool dmb_disjoint(unsigned long pfn, unsigned long nr_pages)
{
	return !dmb_enabled() ||
	       dmb_intersects(pfn, pfn + nr_pages) == DMB_DISJOINT;
}

/* Managed pages of a zone that are not designated */
static inline unsigned long zone_ordinary_pages(struct zone *zone)
{
	unsigned long managed = zone_managed_pages(zone);

	/* The two counters do not change at the same time. */
	return managed - min_t(unsigned long, managed, zone_dmb_managed(zone));
}

void __dmb_adjust_managed(struct page *page, long nr_pages);

/* Count pages in blocks that become managed, or cease to be. */
static inline void dmb_adjust_managed(struct page *page, long nr_pages)
{
	if (dmb_enabled())
		__dmb_adjust_managed(page, nr_pages);
}

/* Return true if a zone has no ordinary memory at all */
static inline bool dmb_fills(struct zone *zone)
{
	return dmb_enabled() && !zone_ordinary_pages(zone);
}

bool dmb_node_has_blocks(pg_data_t *pgdat);

/*
 * Are folios in blocks of this node counted in this zone, although it may have
 * no memory? This is the ZONE_MOVABLE of a node with blocks.
 */
static inline bool dmb_counts_folios(struct zone *zone)
{
	return dmb_enabled() && zone_idx(zone) == ZONE_MOVABLE &&
	       dmb_node_has_blocks(zone->zone_pgdat);
}

/* vmstat.c, show_mem.c: statistics */

/* All zones that have counters of their own for each CPU */
static inline struct zone *next_counted_zone(struct zone *zone)
{
	do {
		zone = zone ? next_zone(zone) :
			      first_online_pgdat()->node_zones;
	} while (zone && !populated_zone(zone) && !dmb_counts_folios(zone));
	return zone;
}

#define for_each_counted_zone(zone)					\
	for ((zone) = next_counted_zone(NULL); (zone);			\
	     (zone) = next_counted_zone(zone))

int __dmb_pcp_count(struct zone *zone, int cpu);
unsigned long __dmb_nr_free(struct zone *zone, unsigned int order);
bool __dmb_decay_pagesets(struct zone *zone);
void __dmb_show_mem(void);

/* Pages in all per-cpu lists of a CPU for a zone */
static inline int zone_pcp_count(struct zone *zone, int cpu)
{
	int count = per_cpu_ptr(zone->per_cpu_pageset, cpu)->count;

	return dmb_enabled() ? count + __dmb_pcp_count(zone, cpu) : count;
}

/* Free pages of an order in blocks; an estimate without the zone's lock */
static inline unsigned long dmb_nr_free(struct zone *zone, unsigned int order)
{
	return dmb_enabled() ? __dmb_nr_free(zone, order) : 0;
}

/* Decay and drain this CPU's lists of blocks; true if there is more to do */
static inline bool dmb_decay_pagesets(struct zone *zone)
{
	return dmb_enabled() && __dmb_decay_pagesets(zone);
}

static inline void dmb_show_mem(void)
{
	if (dmb_enabled())
		__dmb_show_mem();
}

/* page_alloc.c: zonelists */

void setup_per_zone_lowmem_reserve(void);

/*
 * The index under which a zone is in zonelists. A zone with nothing but blocks
 * is ZONE_MOVABLE to a request. This counts present pages, as populated_zone()
 * does, so that it holds while managed pages are still being added.
 */
static inline enum zone_type dmb_zone_idx(struct zone *zone)
{
	unsigned long designated = zone_dmb_pages(zone);

	return designated && designated == zone->present_pages ?
	       ZONE_MOVABLE : zone_idx(zone);
}

/* page_alloc.c, page_isolation.c: types of pageblocks */

/*
 * The type that a pageblock gets when a caller sets @migratetype. Only
 * isolation changes the type of a designated pageblock.
 */
static inline int dmb_sticky_migratetype(struct page *page, int migratetype)
{
#ifdef CONFIG_DMB
	if (!is_migrate_isolate(migratetype) &&
	    dmb_contains_pfn(page_to_pfn(page)))
		return MIGRATE_DMB;
#endif
	return migratetype;
}

/* page_alloc.c, cma.c: contiguous memory */

void __dmb_drain_range(struct zone *zone);
unsigned long __dmb_contig_first(unsigned long pfn);
bool __dmb_reclaim_isolated(struct list_head *folios, gfp_t gfp);
unsigned long dmb_claim_overlaps(unsigned long start_pfn, unsigned long end_pfn);
struct dmb_attempt *dmb_current_attempt(void);
bool __dmb_contig_stop(void);
bool __dmb_contig_retry(unsigned long start_pfn, unsigned long end_pfn,
			unsigned int migratetype, int err, unsigned int *round);
void __dmb_count_taken(unsigned long pfn, long nr_pages);
int dmb_area_alloc(struct cma *cma, unsigned long count, unsigned int align,
		   gfp_t gfp, unsigned long *pfn);

/*
 * Drain the per-cpu lists that pages of an isolated range may be in. Designated
 * pages are only in the lists of their pools, so leave those of the zone alone.
 */
static inline void dmb_drain_range(struct zone *zone, unsigned long start_pfn,
				   unsigned long end_pfn)
{
	if (dmb_intersects(start_pfn, end_pfn) == DMB_INTERSECTS)
		__dmb_drain_range(zone);
	else
		drain_all_pages(zone);
}

/*
 * The flags for pages that alloc_contig_range() migrates to. For a range in a
 * block they are without reclaim: if there is no room elsewhere,
 * dmb_reclaim_isolated() reclaims folios of the range itself. As that may
 * write, it needs __GFP_IO and __GFP_FS. These pages may not use up reserves.
 */
static inline gfp_t dmb_contig_gfp(unsigned long pfn, gfp_t gfp)
{
	if (!dmb_contains_pfn(pfn) || !gfp_has_io_fs(gfp))
		return gfp;
	return (gfp & ~(__GFP_RECLAIM | __GFP_RETRY_MAYFAIL)) | __GFP_NOWARN |
	       __GFP_NOMEMALLOC;
}

/*
 * How alloc_contig_range() migrates pages. An attempt to empty a range does not
 * wait for locks and for I/O while it migrates, as nothing would end that. It
 * waits between its rounds instead.
 */
static inline enum migrate_mode dmb_contig_mode(enum migrate_mode mode)
{
	return dmb_enabled() && dmb_current_attempt() ? MIGRATE_ASYNC : mode;
}

/*
 * The flags for the target of a large folio. If alloc_contig_range() empties a
 * range in a block, keep only the reclaim flags that it asked for. A
 * transparent huge page that finds no target is split. Room for a hugetlb page
 * is made when it has found no target.
 */
static inline gfp_t dmb_limit_reclaim(struct folio *src, gfp_t gfp, gfp_t asked,
				      int reason)
{
	if (reason != MR_CONTIG_RANGE || !dmb_contains_pfn(folio_pfn(src)))
		return gfp;
	return gfp & (asked | ~__GFP_RECLAIM);
}

/* The first page frame of the folio that a range in a block begins in */
static inline unsigned long dmb_contig_first(unsigned long pfn)
{
	return dmb_contains_pfn(pfn) ? __dmb_contig_first(pfn) : pfn;
}

/*
 * Reclaim isolated folios of a range in a block, of which the first was at
 * @pfn, since there is no room for them elsewhere. Return true if migrating
 * the rest of the range is worth another try.
 */
static inline bool dmb_reclaim_isolated(unsigned long pfn,
					struct list_head *folios, gfp_t gfp)
{
	return dmb_contains_pfn(pfn) && __dmb_reclaim_isolated(folios, gfp);
}

/* Has this task's attempt to empty a range been cancelled, or timed out? */
static inline bool dmb_contig_stop(unsigned long start_pfn)
{
	return dmb_contains_pfn(start_pfn) && __dmb_contig_stop();
}

/*
 * Should alloc_contig_range() try this range again after an error?  The range
 * is still isolated.
 */
static inline bool dmb_contig_retry(unsigned long start_pfn,
				    unsigned long end_pfn,
				    unsigned int migratetype, int err,
				    unsigned int *round)
{
	return dmb_enabled() &&
	       dmb_intersects(start_pfn, end_pfn) == DMB_INTERSECTS &&
	       __dmb_contig_retry(start_pfn, end_pfn, migratetype, err, round);
}

/* May alloc_contig_pages() take this range for a request with these flags? */
static inline bool dmb_contig_allowed(gfp_t gfp, unsigned long pfn,
				      unsigned long nr_pages)
{
	if (dmb_disjoint(pfn, nr_pages))
		return true;
	/* Claimed pages cannot move.  Do not move other pages in vain. */
	if (dmb_claim_overlaps(pfn, pfn + nr_pages))
		return false;
	return dmb_eligible(gfp_zone(gfp));
}

/* Count pages that CMA takes out of a block, or returns to it if negative. */
static inline void dmb_count_taken(unsigned long pfn, long nr_pages)
{
	if (dmb_contains_pfn(pfn))
		__dmb_count_taken(pfn, nr_pages);
}

/* memory-failure.c: broken memory */

void __dmb_tell_owner(unsigned long pfn);

static inline void dmb_tell_owner(unsigned long pfn)
{
	if (dmb_contains_pfn(pfn))
		__dmb_tell_owner(pfn);
}

/* migrate.c, mempolicy.c: targets of migration */

gfp_t __dmb_migration_gfp(struct folio *src, gfp_t gfp);

/* The flags for allocating the folio to which @src is moved */
static inline gfp_t dmb_migration_gfp(struct folio *src, gfp_t gfp)
{
	return dmb_enabled() ? __dmb_migration_gfp(src, gfp) : gfp;
}

/* compaction.c */

/* Does this pass of compaction work on blocks? */
#define compacts_blocks(cc)	(dmb_enabled() && (cc)->designated)

bool __dmb_compactable(struct zone *zone, int order, int highest_zoneidx);
bool dmb_compaction_deferred(struct zone *zone, unsigned int order);
void dmb_defer_compaction(struct zone *zone, unsigned int order, bool failed);
bool dmb_scattered(struct zone *zone);
bool dmb_has_free_order(struct zone *zone, unsigned int order);
void dmb_zone_span(struct zone *zone, unsigned long *start_pfn,
		   unsigned long *end_pfn);
struct folio *__dmb_compaction_target(struct compact_control *cc,
				      struct folio *src);
bool __dmb_compaction_untarget(struct compact_control *cc, struct folio *dst);
unsigned long __dmb_free_targets(struct zone *zone);

/* Is it worth compacting the blocks of a zone for such a request? */
static inline bool dmb_compactable(struct zone *zone, int order,
				   int highest_zoneidx)
{
	return dmb_enabled() && __dmb_compactable(zone, order, highest_zoneidx);
}

/* Allocate a folio in a block for compaction to move @src to, if it may. */
static inline struct folio *dmb_compaction_target(struct compact_control *cc,
						  struct folio *src)
{
	return dmb_enabled() ? __dmb_compaction_target(cc, src) : NULL;
}

/* Free @dst. Return false if it did not come from dmb_compaction_target(). */
static inline bool dmb_compaction_untarget(struct compact_control *cc,
					   struct folio *dst)
{
	return dmb_enabled() && __dmb_compaction_untarget(cc, dst);
}

/*
 * Free designated pages that user pages can be moved to, for a request that may
 * not use designated pages itself
 */
static inline unsigned long dmb_free_targets(struct zone *zone,
					     int highest_zoneidx)
{
	if (!dmb_enabled() || dmb_eligible(highest_zoneidx))
		return 0;
	return __dmb_free_targets(zone);
}

/* page_alloc.c, vmscan.c: reclaim and relief */

/* Folios in blocks that reclaim skips at most under one hold of the LRU lock */
#define DMB_MAX_SPARED		1024

bool __dmb_relieve(gfp_t gfp_mask, unsigned int order,
		   const struct alloc_context *ac, bool last_resort);
bool __dmb_relieve_node(pg_data_t *pgdat, unsigned int order,
			int highest_zoneidx, bool urgent);
void __dmb_revive_kswapd(pg_data_t *pgdat);
unsigned long __dmb_reclaimable_pages(struct zone *zone);
unsigned long dmb_drop_cache(pg_data_t *pgdat, gfp_t gfp_mask,
			     unsigned long nr_pages, bool urgent);
bool dmb_node_balanced(pg_data_t *pgdat, unsigned int order);

/*
 * Make room in ordinary memory for a request that blocks cannot serve, by
 * moving user pages into them. Return true if the request should try again.
 */
static inline bool dmb_relieve(gfp_t gfp_mask, unsigned int order,
			       const struct alloc_context *ac, bool last_resort)
{
	return dmb_enabled() && __dmb_relieve(gfp_mask, order, ac, last_resort);
}

/* At this priority kswapd has scanned a quarter of all lists in vain. */
#define DMB_URGENT_PRIORITY	2

/*
 * The same for kswapd.  It calls this before it reclaims, and once more when it
 * has found little to reclaim: then all page cache in blocks may be dropped.
 */
static inline bool dmb_relieve_node(pg_data_t *pgdat, unsigned int order,
				    int highest_zoneidx, int priority)
{
	if (!dmb_enabled() ||
	    (priority != DEF_PRIORITY && priority != DMB_URGENT_PRIORITY))
		return false;
	return __dmb_relieve_node(pgdat, order, highest_zoneidx,
				  priority != DEF_PRIORITY);
}

/* Let kswapd try again when relief can do more than at its last failure. */
static inline void dmb_revive_kswapd(pg_data_t *pgdat)
{
	if (dmb_enabled())
		__dmb_revive_kswapd(pgdat);
}

bool __dmb_may_compact(pg_data_t *pgdat, int order);

/* Do blocks of a node have enough free pages to compact for this request? */
static inline bool dmb_may_compact(pg_data_t *pgdat, int order,
				   int highest_zoneidx)
{
	return dmb_eligible(highest_zoneidx) && __dmb_may_compact(pgdat, order);
}

/* Pages in blocks of a zone's node that a request may reclaim */
static inline unsigned long dmb_reclaimable_pages(struct zone *zone,
						  int highest_zoneidx)
{
	return dmb_eligible(highest_zoneidx) ? __dmb_reclaimable_pages(zone) :
					       0;
}

/* The zone index for reclaim of everything in a node up to this zone */
static inline int dmb_reclaim_idx(pg_data_t *pgdat, int highest_zoneidx)
{
	return dmb_enabled() && dmb_node_has_blocks(pgdat) ? ZONE_MOVABLE :
							     highest_zoneidx;
}

/* page-writeback.c */

/*
 * Page cache of block devices is in ordinary memory, and its dirty pages have
 * one limit together with those of files, which may be in blocks. Keep block
 * devices from filling ordinary memory with dirty pages where blocks are the
 * larger part: dirtyable memory is at most twice what they may use.
 */
static inline unsigned long dmb_dirtyable(unsigned long nr_pages)
{
	if (!dmb_enabled())
		return nr_pages;
	return min(nr_pages, 2 * nr_free_buffer_pages());
}

/* memory_hotplug.c */

void __dmb_adjust_present(struct zone *zone, unsigned long pfn, long nr_pages);
unsigned long __dmb_early_pages(struct zone *zone);
unsigned long __dmb_group_pages(const struct memory_group *group);
void __dmb_node_states_online(struct zone *zone, struct memory_notify *arg);
void __dmb_node_states_offline(struct zone *zone, struct memory_notify *arg);
void __dmb_wait_for_attempts(unsigned long start_pfn, unsigned long end_pfn);

/* Keep nodes with nothing but blocks out of N_NORMAL_MEMORY. */
static inline void dmb_node_states_online(struct zone *zone,
					  struct memory_notify *arg)
{
	if (dmb_enabled())
		__dmb_node_states_online(zone, arg);
}

/* Let somebody who is taking a part of this range finish, so as not to fail. */
static inline void dmb_wait_for_attempts(unsigned long start_pfn,
					 unsigned long end_pfn)
{
	if (dmb_enabled())
		__dmb_wait_for_attempts(start_pfn, end_pfn);
}

static inline void dmb_node_states_offline(struct zone *zone,
					   struct memory_notify *arg)
{
	if (dmb_enabled())
		__dmb_node_states_offline(zone, arg);
}

static inline unsigned long dmb_early_pages(struct zone *zone)
{
	return dmb_enabled() ? __dmb_early_pages(zone) : 0;
}

/* The designated pages among the present_kernel_pages of a group */
static inline unsigned long dmb_group_pages(const struct memory_group *group)
{
	return dmb_enabled() ? __dmb_group_pages(group) : 0;
}

/* Follow memory that comes online, or goes offline if @nr_pages is negative. */
static inline void dmb_adjust_present(struct zone *zone, unsigned long pfn,
				      long nr_pages)
{
	if (dmb_enabled())
		__dmb_adjust_present(zone, pfn, nr_pages);
}

#ifdef CONFIG_DMB
struct zone *dmb_online_zone(unsigned long pfn, unsigned long nr_pages,
			     enum mmop *online_type);
enum mmop dmb_restored_type(unsigned long pfn, unsigned long nr_pages,
			    enum mmop online_type);
#else
static inline struct zone *dmb_online_zone(unsigned long pfn,
					   unsigned long nr_pages,
					   enum mmop *online_type)
{
	return NULL;
}

static inline enum mmop dmb_restored_type(unsigned long pfn,
					  unsigned long nr_pages,
					  enum mmop online_type)
{
	return online_type;
}
#endif

/* memblock.c, mm_init.c, cma.c, hugetlb.c: boot, before dmb_enabled() */

#ifdef CONFIG_DMB
bool dmb_only_blocks(char **movablecore);
bool dmb_avoid_early(phys_addr_t base, phys_addr_t size, bool bottom_up,
		     phys_addr_t *start, phys_addr_t *end);
bool dmb_let_early_in(void);
phys_addr_t dmb_alloc_requested(phys_addr_t size, phys_addr_t align,
				phys_addr_t start, phys_addr_t end);
phys_addr_t dmb_alloc_between(phys_addr_t size, phys_addr_t align,
			      phys_addr_t min_addr, phys_addr_t max_addr);
void dmb_adjust_core(unsigned long *kernelcore, unsigned long *movablecore);
void dmb_replace_movable(unsigned long *movable_pfn, bool *mirrored);
void dmb_designate(void);
bool dmb_holds_area(u64 base, u64 size);
extern bool hugetlb_dmb;
int dmb_declare_area(phys_addr_t size, phys_addr_t align,
		     unsigned int order_per_bit, const char *name,
		     struct cma **res_cma, int nid);
void dmb_note_area(struct cma *cma);
bool dmb_activate_area(struct cma *cma);
#else
static inline bool dmb_only_blocks(char **movablecore)
{
	return false;
}

static inline bool dmb_avoid_early(phys_addr_t base, phys_addr_t size,
				   bool bottom_up, phys_addr_t *start,
				   phys_addr_t *end)
{
	return false;
}

static inline bool dmb_let_early_in(void)
{
	return false;
}

static inline phys_addr_t dmb_alloc_requested(phys_addr_t size,
					      phys_addr_t align,
					      phys_addr_t start,
					      phys_addr_t end)
{
	return 0;
}

static inline phys_addr_t dmb_alloc_between(phys_addr_t size, phys_addr_t align,
					    phys_addr_t min_addr,
					    phys_addr_t max_addr)
{
	return 0;
}

static inline void dmb_adjust_core(unsigned long *kernelcore,
				   unsigned long *movablecore)
{
}

static inline void dmb_replace_movable(unsigned long *movable_pfn,
				       bool *mirrored)
{
}

static inline void dmb_designate(void)
{
}

static inline bool dmb_holds_area(u64 base, u64 size)
{
	return false;
}

#define hugetlb_dmb		false

static inline int dmb_declare_area(phys_addr_t size, phys_addr_t align,
				   unsigned int order_per_bit, const char *name,
				   struct cma **res_cma, int nid)
{
	return -EOPNOTSUPP;
}

static inline void dmb_note_area(struct cma *cma)
{
}

static inline bool dmb_activate_area(struct cma *cma)
{
	return false;
}
#endif /* CONFIG_DMB */

#endif /* _MM_DMB_H */
