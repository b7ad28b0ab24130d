/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_DMB_POOL_H
#define _MM_DMB_POOL_H

/* Free lists and per-cpu lists of designated pages, for page_alloc.c */

#include <linux/list.h>
#include <linux/mmzone.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>

#include "../dmb.h"

#define DMB_MAX_BLOCKS	256

/* The most slots that a node needs: a row of all ranges, and NULL at its end */
#define DMB_TURN_SLOTS	(DMB_MAX_BLOCKS + 1)

/**
 * struct dmb_pool - where the page allocator keeps designated pages
 * @zone: the zone, whose lock protects @free_area
 * @pageset: per-cpu lists, which have nothing but pages of this pool
 * @node: the pools that take turns with this one
 * @list: in @node; it stays there, as walks of this list take no lock
 * @start_pfn: first page frame of the block
 * @siblings: ring of the pools of @node that were asked for as one range, and
 *	      share its turns
 * @pages: online pages
 * @cached: as in @node
 * @has_free: false only while @free_area has no page; protected by the lock of
 *	      @node
 * @slot: index in @avail of @node, -1 if none; protected likewise
 * @free_area: free pages; of the lists, only those of MIGRATE_DMB are in use
 */
struct dmb_pool {
	struct zone *zone;
	struct per_cpu_pages __percpu *pageset;
	struct dmb_node *node;
	struct list_head list;
	unsigned long start_pfn;
	struct list_head siblings;
	unsigned long pages;
	unsigned long cached;
	bool has_free;
	int slot;

	struct free_area free_area[NR_PAGE_ORDERS] ____cacheline_aligned_in_smp;
};

/**
 * struct dmb_deferral - attempts that are deferred because some have failed
 * @skipped: how many requests have not tried since the last failure
 * @shift: grows with each failure in a row; one request in 1 << @shift tries
 * @order: the lowest order for which an attempt has failed
 */
struct dmb_deferral {
	unsigned int skipped;
	unsigned int shift;
	unsigned int order;
};

#define DMB_MAX_DEFER_SHIFT	6

/* As in compaction, races between requests do no harm. */
static inline bool dmb_attempt_deferred(struct dmb_deferral *deferral,
					unsigned int order)
{
	return deferral->shift && order >= deferral->order &&
	       ++deferral->skipped < 1U << deferral->shift;
}

static inline void dmb_defer_attempts(struct dmb_deferral *deferral,
				      unsigned int order, bool failed)
{
	if (!failed) {
		if (order >= deferral->order)
			deferral->shift = 0;
		return;
	}

	if (!deferral->shift || order < deferral->order)
		deferral->order = order;
	deferral->skipped = 0;
	if (deferral->shift < DMB_MAX_DEFER_SHIFT)
		deferral->shift++;
}

/**
 * struct dmb_node - the designated memory of a node
 * @nr_rows: rows of turns; 0 if no pool has free pages
 * @row_len: turns in a row
 * @pages: online pages of all pools
 * @cached: bit of dmb_cached that stands for this node
 * @pools: all pools, those of blocks that were dissolved included
 * @turn: pools in the order of their turns, row by row; NULL behind each row
 * @lock: protects the turns, @nr_avail and @avail; taken inside of zone->lock
 * @nr_slots: how much of @turn is in use
 * @nr_avail: how many ranges have free pages
 * @avail: a pool with free pages of each of these ranges
 * @compaction: for each zone, deferral of compaction of its blocks
 * @relief: for each zone, deferral of relief of its ordinary memory
 * @hopeless: how many pages relief could have moved when it last gave up
 * @relief_pfn: for each zone, where relief goes on to look for user pages
 * @counters: those of ZONE_MOVABLE when memory of the node last went offline
 *
 * Requests read the rows without the lock, so they may find pools in @turn that
 * have run out of pages.
 */
struct dmb_node {
	unsigned int nr_rows;
	unsigned int row_len;
	unsigned long pages;
	unsigned long cached;
	struct list_head pools;
	struct dmb_pool *turn[DMB_TURN_SLOTS];

	spinlock_t lock ____cacheline_aligned_in_smp;
	unsigned int nr_slots;
	unsigned int nr_avail;
	struct dmb_pool *avail[DMB_MAX_BLOCKS];
	struct dmb_deferral compaction[MAX_NR_ZONES];
	struct dmb_deferral relief[MAX_NR_ZONES];
	unsigned long hopeless;
	unsigned long relief_pfn[MAX_NR_ZONES];
	struct per_cpu_zonestat __percpu *counters;
};

/*
 * A bit for each node: this CPU may have pages in per-cpu lists of the node's
 * pools. Nodes share a bit if more than BITS_PER_LONG of them have blocks.
 */
DECLARE_PER_CPU(unsigned long, dmb_cached);

/* Index in dmb_node->turn of this CPU's last turn. Index + 1 is valid, too. */
DECLARE_PER_CPU(unsigned int, dmb_turn);

struct dmb_pool *dmb_next_row(struct dmb_node *node);
void __dmb_pool_filled(struct dmb_pool *pool);
void dmb_pool_emptied(struct dmb_pool *pool);
void dmb_drain_node(pg_data_t *pgdat);
struct folio *dmb_alloc_folio(struct zone *zone, unsigned int order);
int dmb_alloc_pageset(struct dmb_pool *pool);

static __always_inline bool dmb_may_have_cached(unsigned long cached)
{
	return raw_cpu_read(dmb_cached) & cached;
}

static __always_inline void dmb_note_cached(unsigned long cached)
{
	if (unlikely(!dmb_may_have_cached(cached)))
		this_cpu_or(dmb_cached, cached);
}

/*
 * Take the next turn of this CPU. A task that migrates here takes the turn of
 * another CPU. Return NULL if no pool of the node seems to have free pages.
 */
static __always_inline struct dmb_pool *dmb_next_turn(struct dmb_node *node)
{
	unsigned int i = raw_cpu_read(dmb_turn) + 1;
	struct dmb_pool *pool = READ_ONCE(node->turn[i]);

	if (unlikely(!pool))
		return dmb_next_row(node);
	raw_cpu_write(dmb_turn, i);
	return pool;
}

/* The counter of free pages for pageblocks of this type */
static inline enum zone_stat_item nr_free_item(int migratetype)
{
#ifdef CONFIG_DMB
	if (is_migrate_dmb(migratetype))
		return NR_FREE_DMB_PAGES;
#endif
	return NR_FREE_PAGES;
}

/* The same as dmb_pool_of(), for a page frame that is known to be designated */
static __always_inline struct dmb_pool *dmb_pool_at(unsigned long pfn)
{
	return dmb_map.pool[pfn >> pageblock_order];
}

/*
 * The free areas, by order, for pages of pageblocks of this type. The caller
 * holds zone->lock, and changes the free lists.
 */
static inline struct free_area *page_free_areas(struct page *page,
						struct zone *zone,
						int migratetype)
{
	struct dmb_pool *pool;

	if (!is_migrate_dmb(migratetype))
		return zone->free_area;

	pool = dmb_pool_at(page_to_pfn(page));
	if (unlikely(!pool->has_free))
		__dmb_pool_filled(pool);
	return pool->free_area;
}

/* The per-cpu lists that a page of a pageblock of this type is freed to */
static __always_inline struct per_cpu_pages __percpu *
page_pageset(unsigned long pfn, struct zone *zone, int migratetype)
{
	struct dmb_pool *pool;

	if (!is_migrate_dmb(migratetype))
		return zone->per_cpu_pageset;

	pool = dmb_pool_at(pfn);
	dmb_note_cached(pool->cached);
	return pool->pageset;
}

/* The per-cpu lists of a pool, or of the ordinary memory of a zone */
static __always_inline struct per_cpu_pages __percpu *
pool_pageset(struct zone *zone, struct dmb_pool *pool)
{
	return dmb_enabled() && pool ? pool->pageset : zone->per_cpu_pageset;
}

struct dmb_pool *__dmb_next_pool(struct zone *zone, struct dmb_pool *pool);

/* The first pool of a zone, or the one behind @pool; NULL at the end */
static inline struct dmb_pool *dmb_next_pool(struct zone *zone,
					     struct dmb_pool *pool)
{
	return dmb_enabled() ? __dmb_next_pool(zone, pool) : NULL;
}

/* All per-cpu lists of a zone: of its ordinary memory, then of its pools */
#define for_each_pageset(pageset, pool, zone)				\
	for ((pool) = NULL, (pageset) = (zone)->per_cpu_pageset;	\
	     (pageset);							\
	     (pool) = dmb_next_pool(zone, pool),			\
	     (pageset) = (pool) ? (pool)->pageset : NULL)

#endif /* _MM_DMB_POOL_H */
