// SPDX-License-Identifier: GPL-2.0
/*
 * Select the block that serves the next page.
 *
 * Each block has a pool: free lists, and per-cpu lists in front of them. The
 * ranges that the user asked for take turns, so that user pages spread over
 * the memory controllers. A range without free pages has no turn, and the other
 * ranges share evenly.
 */

#include <linux/dmb.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/kmemleak.h>
#include <linux/kstrtox.h>
#include <linux/memblock.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/prandom.h>
#include <linux/rculist.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "internal.h"

#define DMB_ROW_LEN	16	/* turns in a row, at most */
#define DMB_ROWS	8
#define DMB_SEQUENCES	DMB_ROW_LEN	/* more ranges than this just rotate */

#define DMB_MAP_SHARE	4096	/* dmb_map takes at most 1/4096 of memory */

struct dmb_map dmb_map __read_mostly;
EXPORT_SYMBOL_GPL(dmb_map);

/* The entries of dmb_map, for code that changes them */
static struct dmb_pool **dmb_map_pools __read_mostly;

/* The first pageblock that dmb_map is to cover, and the number of pageblocks */
static unsigned long dmb_map_first, dmb_map_nr;

DEFINE_PER_CPU(unsigned long, dmb_cached);

DEFINE_PER_CPU(unsigned int, dmb_turn);

/* The last number that this CPU has drawn to select a row */
static DEFINE_PER_CPU(u32, dmb_draw);

/**
 * struct dmb_sequence - turns for a given number of ranges
 * @rows: number of rows that are in use
 * @len: turns of a row that are in use, a multiple of the number of ranges
 * @turn: index in @avail of struct dmb_node of the range that has this turn
 */
struct dmb_sequence {
	u8 rows;
	u8 len;
	u8 turn[DMB_ROWS][DMB_ROW_LEN];
};

static struct dmb_sequence dmb_sequences[DMB_SEQUENCES + 1] __read_mostly;

static bool dmb_spread __read_mostly = true;

/* Set @value to 0 to @modulo - 1, again and again, in random order. */
static void dmb_shuffle(struct rnd_state *random, u8 *value,
			unsigned int nr, unsigned int modulo)
{
	unsigned int i, k;

	for (i = 0; i < nr; i++) {
		k = prandom_u32_state(random) % (i + 1);
		value[i] = value[k];
		value[k] = i % modulo;
	}
}

/*
 * A program that goes through several arrays at once should use all ranges,
 * whatever the distance of its arrays is. If turns simply rotated, all arrays
 * would be in the same range all the time at some distances. So a CPU that has
 * come to the end of a row repeats it, or continues with another one, at
 * random.
 *
 * In a row, all ranges have the same number of turns, and nearly the same
 * number of every second turn. Rows form groups of @nr rows, in each of which a
 * range has another turn. So two rows drawn by lot agree in as many turns as
 * two sequences drawn by lot.
 */
static void dmb_set_sequence(struct dmb_sequence *sequence, unsigned int nr)
{
	unsigned int rounds = DMB_ROW_LEN / nr, row, i;
	u8 first[DMB_ROW_LEN], offset[DMB_ROW_LEN];
	struct rnd_state random;

	prandom_seed_state(&random, nr);
	sequence->len = rounds * nr;
	sequence->rows = nr == 1 ? 1 : rounddown(DMB_ROWS, nr) ?: DMB_ROWS;
	for (row = 0; row < sequence->rows; row++) {
		if (row % nr == 0) {
			dmb_shuffle(&random, first, nr, nr);
			dmb_shuffle(&random, offset, rounds, nr);
		}
		for (i = 0; i < sequence->len; i++)
			sequence->turn[row][i] =
				(first[i % nr] + offset[i / nr] + row) % nr;
	}
}

/* The pool at the lowest address that has free pages */
static struct dmb_pool *dmb_lowest_pool(struct dmb_node *node)
{
	struct dmb_pool *pool, *lowest = NULL;

	list_for_each_entry(pool, &node->pools, list)
		if (pool->has_free &&
		    (!lowest || pool->start_pfn < lowest->start_pfn))
			lowest = pool;
	return lowest;
}

/* Give turns to the ranges that have free pages. @node is locked. */
static void dmb_set_turns(struct dmb_node *node)
{
	struct dmb_pool *lowest = dmb_spread ? NULL : dmb_lowest_pool(node);
	unsigned int rows = 1, len = node->nr_avail, slot = 0, row, i;
	const struct dmb_sequence *sequence = NULL;

	if (len && len <= DMB_SEQUENCES) {
		sequence = &dmb_sequences[len];
		rows = sequence->rows;
		len = sequence->len;
	}
	for (row = 0; row < rows && len; row++) {
		for (i = 0; i < len; i++)
			WRITE_ONCE(node->turn[slot++],
				   lowest ?:
				   node->avail[sequence ?
					       sequence->turn[row][i] : i]);
		WRITE_ONCE(node->turn[slot++], NULL);
	}
	for (i = slot; i < node->nr_slots; i++)
		WRITE_ONCE(node->turn[i], NULL);
	node->nr_slots = slot;
	WRITE_ONCE(node->row_len, len);
	WRITE_ONCE(node->nr_rows, len ? rows : 0);
}

/**
 * dmb_next_row - take the first turn of a row
 * @node: the node; this CPU has come to the end of a row
 *
 * Context: Any.
 * Return: a pool; NULL if no pool of the node seems to have free pages.
 */
noinline struct dmb_pool *dmb_next_row(struct dmb_node *node)
{
	unsigned int rows = READ_ONCE(node->nr_rows);
	unsigned int slots = READ_ONCE(node->row_len) + 1;
	unsigned int row = raw_cpu_read(dmb_turn) / slots, slot;
	u32 draw;

	if (!rows)
		return NULL;
	/* The high bits of a linear congruential generator are good enough. */
	draw = raw_cpu_read(dmb_draw) * 1664525 +
	       2 * raw_smp_processor_id() + 1;
	raw_cpu_write(dmb_draw, draw);
	if (row >= rows || draw & BIT(31))
		row = reciprocal_scale(draw << 1, rows);
	slot = row * slots;
	/* dmb_set_turns() may have changed nr_rows and row_len in between. */
	if (slot >= DMB_TURN_SLOTS - 1)
		slot = 0;
	raw_cpu_write(dmb_turn, slot);
	return READ_ONCE(node->turn[slot]);
}

static void dmb_set_slot(struct dmb_node *node, int slot, struct dmb_pool *pool)
{
	pool->slot = slot;
	node->avail[slot] = pool;
}

/* Find another pool of the range that has free pages, or that has its turns. */
static struct dmb_pool *dmb_sibling(struct dmb_pool *pool, bool in_turn)
{
	struct dmb_pool *other;

	list_for_each_entry(other, &pool->siblings, siblings)
		if (in_turn ? other->slot >= 0 : other->has_free)
			return other;
	return NULL;
}

/**
 * __dmb_pool_filled - let a pool have turns, as it is about to get free pages
 * @pool: a pool that had none
 *
 * Context: The lock of the pool's zone held, interrupts off.
 */
void __dmb_pool_filled(struct dmb_pool *pool)
{
	struct dmb_node *node = pool->node;

	spin_lock(&node->lock);
	WRITE_ONCE(pool->has_free, true);
	if (!dmb_sibling(pool, true))
		dmb_set_slot(node, node->nr_avail++, pool);
	dmb_set_turns(node);
	spin_unlock(&node->lock);
}

/**
 * dmb_pool_emptied - take the turns from a pool that has no free page
 * @pool: the pool
 *
 * If another pool of the same range has free pages, that gets the turns.
 *
 * Context: The lock of the pool's zone held, interrupts off.
 */
void dmb_pool_emptied(struct dmb_pool *pool)
{
	struct dmb_node *node = pool->node;
	struct dmb_pool *heir;
	int slot, last;

	if (!pool->has_free)
		return;

	spin_lock(&node->lock);
	WRITE_ONCE(pool->has_free, false);
	slot = pool->slot;
	if (slot >= 0) {
		pool->slot = -1;
		heir = dmb_sibling(pool, false);
		last = node->nr_avail - 1;
		if (!heir)
			node->nr_avail = last;
		if (!heir && slot != last)
			heir = node->avail[last];
		if (heir)
			dmb_set_slot(node, slot, heir);
	}
	dmb_set_turns(node);
	spin_unlock(&node->lock);
}

/* Return the pool of a zone behind @pool, or the first one if that is NULL. */
struct dmb_pool *__dmb_next_pool(struct zone *zone, struct dmb_pool *pool)
{
	struct dmb_node *node = zone->zone_pgdat->dmb;

	if (!node)
		return NULL;
	pool = list_prepare_entry(pool, &node->pools, list);
	list_for_each_entry_continue(pool, &node->pools, list)
		if (pool->zone == zone)
			return pool;
	return NULL;
}

/* Are entries for all of these page frames worth their memory? */
static bool dmb_map_is_cheap(unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned long nr = DIV_ROUND_UP(end_pfn - start_pfn,
					pageblock_nr_pages);

	return nr * sizeof(*dmb_map_pools) <=
	       get_num_physpages() * (PAGE_SIZE / DMB_MAP_SHARE);
}

/*
 * Decide which pageblocks dmb_map covers. So that any memory can become a block
 * later, dmb_map covers all memory, and also memory that may be added, as far
 * as that is cheap. Otherwise it covers the range that is to have blocks now.
 */
static void dmb_span_map(unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned long first_pfn = start_pfn, last_pfn = end_pfn, possible_pfn;
	struct zone *zone;

	for_each_populated_zone(zone) {
		first_pfn = min(first_pfn, zone->zone_start_pfn);
		last_pfn = max(last_pfn, zone_end_pfn(zone));
	}
	possible_pfn = max_t(u64, last_pfn, max_possible_pfn);
	if (dmb_map_is_cheap(first_pfn, possible_pfn)) {
		start_pfn = first_pfn;
		end_pfn = possible_pfn;
	} else if (dmb_map_is_cheap(first_pfn, last_pfn)) {
		start_pfn = first_pfn;
		end_pfn = last_pfn;
	}
	dmb_map_first = start_pfn >> pageblock_order;
	dmb_map_nr = DIV_ROUND_UP(end_pfn, pageblock_nr_pages) - dmb_map_first;
}

/**
 * dmb_pools_size - size of what pools allocate with dmb_alloc_early()
 * @nr: number of blocks
 * @start_pfn: no block begins before this page frame
 * @end_pfn: no block ends behind this one
 *
 * Context: dmb_designate(), before the first pool is allocated.
 * Return: the bytes that suffice for that many pools, on any number of nodes.
 */
size_t __init dmb_pools_size(unsigned int nr, unsigned long start_pfn,
			     unsigned long end_pfn)
{
	dmb_span_map(start_pfn, end_pfn);
	return ALIGN(dmb_map_nr * sizeof(*dmb_map_pools), SMP_CACHE_BYTES) +
	       nr * ALIGN(sizeof(struct dmb_pool), SMP_CACHE_BYTES) +
	       num_online_nodes() * ALIGN(sizeof(struct dmb_node),
					  SMP_CACHE_BYTES);
}

/**
 * dmb_alloc_pool - allocate the pool of a block
 * @zone: the zone that the block is in
 *
 * Context: Boot, before the buddy allocator gets the pages of the blocks.
 * Return: the pool, which is zeroed but for its zone.
 */
struct dmb_pool * __init dmb_alloc_pool(struct zone *zone)
{
	struct dmb_pool *pool = dmb_alloc_early(sizeof(*pool));

	pool->zone = zone;
	return pool;
}

static void dmb_init_node(struct dmb_node *node)
{
	static unsigned int nr_nodes;

	node->cached = BIT(nr_nodes++ % BITS_PER_LONG);
	spin_lock_init(&node->lock);
	INIT_LIST_HEAD(&node->pools);
}

static void dmb_init_pool(struct dmb_pool *pool, struct dmb_node *node)
{
	unsigned int order, t;

	pool->node = node;
	pool->cached = node->cached;
	pool->slot = -1;
	INIT_LIST_HEAD(&pool->siblings);
	for_each_migratetype_order(order, t)
		INIT_LIST_HEAD(&pool->free_area[order].free_list[t]);
}

/**
 * dmb_open_pool - let the pool of a block have free pages
 * @dmb: the block, which is in the table
 *
 * Context: Boot, or dmb_change_lock held.
 */
void dmb_open_pool(struct dmb *dmb)
{
	struct dmb_pool *pool = dmb->pool;
	struct dmb *other;
	unsigned int i;

	pool->start_pfn = dmb->start_pfn;
	guard(spinlock_irqsave)(&pool->node->lock);
	/* Join the ring of the range, next to any of its pools. */
	for (i = 0; list_empty(&pool->siblings) && i < dmb_blocks.nr; i++) {
		other = dmb_blocks.block[i];
		if (other == dmb || other->range != dmb->range ||
		    other->pool->node != pool->node)
			continue;
		list_add_tail(&pool->siblings, &other->pool->siblings);
	}
}

/* Take a pool out of its range. The lock of its zone is held. */
static void dmb_leave_range(struct dmb_pool *pool)
{
	dmb_pool_emptied(pool);
	spin_lock(&pool->node->lock);
	list_del_init(&pool->siblings);
	spin_unlock(&pool->node->lock);
}

/**
 * dmb_close_pool - take a pool that has lost its last page out of its range
 * @pool: the pool
 *
 * Context: dmb_change_lock held.
 */
void dmb_close_pool(struct dmb_pool *pool)
{
	guard(spinlock_irqsave)(&pool->zone->lock);
	dmb_leave_range(pool);
}

/**
 * dmb_change_range - let a block share the turns of another range
 * @dmb: the block
 * @range: number of that range
 *
 * Context: dmb_change_lock held.
 */
void dmb_change_range(struct dmb *dmb, unsigned int range)
{
	struct dmb_pool *pool = dmb->pool;
	bool has_free;

	guard(spinlock_irqsave)(&pool->zone->lock);
	has_free = pool->has_free;
	dmb_leave_range(pool);
	dmb->range = range;
	dmb_open_pool(dmb);
	if (has_free)
		__dmb_pool_filled(pool);
}

/*
 * ZONE_MOVABLE counts the folios in blocks, populated or not. Give it counters
 * of its own when the node gets its first block, unless the zone is populated.
 */
static int dmb_count_folios_of(pg_data_t *pgdat)
{
	struct zone *movable = &pgdat->node_zones[ZONE_MOVABLE];
	struct per_cpu_zonestat __percpu *stats;

	/* The size may be 0 without SMP. */
	if (populated_zone(movable) || !sizeof(*stats))
		return 0;
	stats = alloc_percpu(struct per_cpu_zonestat);
	if (!stats)
		return -ENOMEM;
	movable->per_cpu_zonestats = stats;
	return 0;
}

/**
 * dmb_new_pool - allocate a pool after boot
 * @zone: the zone that its pages are in
 *
 * Context: dmb_change_lock held. May sleep.
 * Return: the pool, which is never freed, or NULL.
 */
struct dmb_pool *dmb_new_pool(struct zone *zone)
{
	pg_data_t *pgdat = zone->zone_pgdat;
	struct dmb_node *node = pgdat->dmb;
	struct dmb_pool *pool;

	pool = kzalloc_node(sizeof(*pool), GFP_KERNEL, zone_to_nid(zone));
	if (!pool)
		return NULL;
	pool->zone = zone;
	if (dmb_alloc_pageset(pool))
		goto fail;
	if (!node) {
		node = kzalloc_node(sizeof(*node), GFP_KERNEL,
				    zone_to_nid(zone));
		if (!node || dmb_count_folios_of(pgdat))
			goto fail_node;
		dmb_init_node(node);
	}
	dmb_init_pool(pool, node);
	/*
	 * Allocation reads pgdat->dmb and walks node->pools without a lock. Its
	 * address dependencies pair with this: it finds both initialized.
	 */
	smp_wmb();
	list_add_tail_rcu(&pool->list, &node->pools);
	WRITE_ONCE(pgdat->dmb, node);
	return pool;

fail_node:
	kfree(node);
	free_percpu(pool->pageset);
fail:
	kfree(pool);
	return NULL;
}

/**
 * dmb_set_pool - let page frames be designated, or not any more
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 * @pool: their pool, or NULL
 *
 * Context: Boot, or dmb_change_lock held, and no page on a list of a pool, on an
 * LRU list, or on its way to one.
 */
void dmb_set_pool(unsigned long start_pfn, unsigned long end_pfn,
		  struct dmb_pool *pool)
{
	unsigned long pfn;

	for (pfn = start_pfn; pfn < end_pfn; pfn += pageblock_nr_pages)
		WRITE_ONCE(dmb_map_pools[pfn >> pageblock_order], pool);
}

static void dmb_use_map(struct dmb_pool **pools)
{
	unsigned int i;

	BUILD_BUG_ON(DMB_ROWS * (DMB_ROW_LEN + 1) > DMB_TURN_SLOTS);
	/* Blocks need no zone of their own. */
	BUILD_BUG_ON(MAX_NR_ZONES != 2 + IS_ENABLED(CONFIG_ZONE_DMA) +
				     IS_ENABLED(CONFIG_ZONE_DMA32) +
				     IS_ENABLED(CONFIG_HIGHMEM) +
				     IS_ENABLED(CONFIG_ZONE_DEVICE));
	for (i = 1; i <= DMB_SEQUENCES; i++)
		dmb_set_sequence(&dmb_sequences[i], i);
	dmb_map_pools = pools - dmb_map_first;
	dmb_map.pool = dmb_map_pools;
	dmb_map.first = dmb_map_first;
	dmb_map.nr = dmb_map_nr;
}

/**
 * dmb_setup_map - get ready for blocks after boot
 *
 * Context: cpus_read_lock() and dmb_change_lock held. May sleep.
 * Return: 0 or -ENOMEM.
 */
int dmb_setup_map(void)
{
	struct dmb_pool **pools;
	struct zone *zone;

	if (dmb_map_pools)
		return 0;
	/* If dmb_map cannot cover all memory, let it cover the first zone. */
	for_each_populated_zone(zone)
		break;
	dmb_span_map(zone->zone_start_pfn, zone_end_pfn(zone));
	pools = kvcalloc(dmb_map_nr, sizeof(*pools), GFP_KERNEL);
	if (!pools)
		return -ENOMEM;
	/* The pointer in dmb_map may point outside of this memory. */
	kmemleak_not_leak(pools);
	dmb_use_map(pools);
	static_branch_enable_cpuslocked(&dmb_present);
	return 0;
}

/**
 * dmb_extend_map - let dmb_map cover blocks at higher addresses
 * @start_pfn: their first page frame
 * @end_pfn: one past their last page frame
 *
 * dmb_pool_of() may still read the old entries, so these are never freed.
 *
 * Context: dmb_change_lock held. May sleep.
 * Return: 0, -ENOMEM, or -ERANGE if that takes too much memory, or @start_pfn
 * is in front of all entries.
 */
int dmb_extend_map(unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned long first = dmb_map.first, nr = dmb_map.nr;
	unsigned long needed = DIV_ROUND_UP(end_pfn, pageblock_nr_pages) -
			       first;
	struct dmb_pool **pools;

	if (start_pfn >> pageblock_order < first)
		return -ERANGE;
	if (needed <= nr)
		return 0;
	if (!dmb_map_is_cheap(0, needed << pageblock_order))
		return -ERANGE;
	/* Do not extend it again for each memory block. */
	if (dmb_map_is_cheap(0, (nr * 2) << pageblock_order))
		needed = max(needed, nr * 2);
	pools = kvcalloc(needed, sizeof(*pools), GFP_KERNEL);
	if (!pools)
		return -ENOMEM;
	kmemleak_not_leak(pools);
	memcpy(pools, dmb_map_pools + first, nr * sizeof(*pools));
	dmb_map_pools = pools - first;
	WRITE_ONCE(dmb_map.pool, dmb_map_pools);
	/*
	 * dmb_pool_of() reads nr, then pool. After this, any CPU that reads the
	 * new nr reads the new pool.
	 */
	synchronize_rcu();
	WRITE_ONCE(dmb_map.nr, needed);
	return 0;
}

/**
 * dmb_init_pools - get blocks ready to take free pages
 *
 * Context: Boot, before the buddy allocator gets the pages of the blocks.
 */
void __init dmb_init_pools(void)
{
	struct dmb *dmb = NULL;

	dmb_use_map(dmb_alloc_early(dmb_map_nr * sizeof(*dmb_map_pools)));
	while ((dmb = dmb_next(dmb))) {
		struct dmb_pool *pool = dmb->pool;
		pg_data_t *pgdat = pool->zone->zone_pgdat;

		if (!pgdat->dmb) {
			pgdat->dmb = dmb_alloc_early(sizeof(*pgdat->dmb));
			dmb_init_node(pgdat->dmb);
		}
		dmb_init_pool(pool, pgdat->dmb);
		pool->pages = dmb_nr_pages(dmb);
		pgdat->dmb->pages += pool->pages;
		/* Boot pagesets keep no page, so that pools can share them. */
		pool->pageset = pool->zone->per_cpu_pageset;
		list_add_tail(&pool->list, &pgdat->dmb->pools);
		dmb_set_pool(dmb->start_pfn, dmb->end_pfn, pool);
	}
	while ((dmb = dmb_next(dmb)))
		dmb_open_pool(dmb);
}

/* Do ranges take turns, or are they used in the order of addresses? */
bool dmb_spread_enabled(void)
{
	return READ_ONCE(dmb_spread);
}

void dmb_set_spread(bool spread)
{
	int nid;

	WRITE_ONCE(dmb_spread, spread);
	for_each_online_node(nid) {
		struct dmb_node *node = NODE_DATA(nid)->dmb;

		if (!node)
			continue;
		guard(spinlock_irqsave)(&node->lock);
		dmb_set_turns(node);
	}
}

static int __init dmb_parse_spread(char *value)
{
	return kstrtobool(value, &dmb_spread);
}
early_param("dmb_spread", dmb_parse_spread);

/* Free pages of a pool; an estimate without the lock of its zone */
unsigned long dmb_pool_free(const struct dmb_pool *pool)
{
	unsigned long pages = 0;
	unsigned int order;

	for (order = 0; order < NR_PAGE_ORDERS; order++)
		/* For statistics */
		pages += data_race(pool->free_area[order].nr_free) << order;
	return pages;
}

unsigned long __dmb_nr_free(struct zone *zone, unsigned int order)
{
	struct dmb_pool *pool = NULL;
	unsigned long nr = 0;

	while ((pool = dmb_next_pool(zone, pool)))
		/* An estimate is enough for all callers. */
		nr += data_race(pool->free_area[order].nr_free);
	return nr;
}

/**
 * dmb_next_free_area - walk the lists of free pages of one order and type
 * @zone: the zone
 * @area: one of its own free areas, or one that this function has returned
 * @order: the order of @area
 *
 * Context: The lock of the zone held.
 * Return: the free area of this order of the next pool; NULL at the end.
 */
struct free_area *dmb_next_free_area(struct zone *zone, struct free_area *area,
				     unsigned int order)
{
	struct dmb_pool *pool = NULL;

	if (area != &zone->free_area[order])
		pool = container_of(area - order, struct dmb_pool,
				    free_area[0]);
	pool = dmb_next_pool(zone, pool);
	return pool ? &pool->free_area[order] : NULL;
}

int __dmb_pcp_count(struct zone *zone, int cpu)
{
	struct dmb_pool *pool = NULL;
	int count = 0;

	while ((pool = dmb_next_pool(zone, pool)))
		/* For statistics */
		count += data_race(per_cpu_ptr(pool->pageset, cpu)->count);
	return count;
}

/**
 * __dmb_decay_pagesets - give blocks back the pages that this CPU does not need
 * @zone: the zone of the blocks
 *
 * Context: refresh_cpu_vm_stats(), once in a while, pinned to the CPU.
 * Return: true if there is more to give back later.
 */
bool __dmb_decay_pagesets(struct zone *zone)
{
	struct dmb_pool *pool = NULL;
	bool more = false;

	while ((pool = dmb_next_pool(zone, pool))) {
		struct per_cpu_pages *pcp = this_cpu_ptr(pool->pageset);

		more |= decay_pcp_high(zone, pcp);
#ifdef CONFIG_NUMA
		/* Do not keep pages of other nodes for long. */
		if (pcp->count && zone_to_nid(zone) != numa_node_id()) {
			drain_zone_pages(zone, pcp);
			more = true;
		}
#endif
	}
	return more;
}

/**
 * dmb_total_pages - size of all blocks together
 *
 * Context: Any.
 * Return: the number of designated pages that are online, free or in use.
 */
unsigned long dmb_total_pages(void)
{
	struct dmb *dmb = NULL;
	unsigned long pages = 0;

	while ((dmb = dmb_next(dmb)))
		pages += dmb->pool->pages;
	return pages;
}

/* Has a node any blocks? */
bool dmb_node_has_blocks(pg_data_t *pgdat)
{
	return pgdat->dmb;
}

/**
 * __dmb_adjust_managed - count pages that become managed, or cease to be
 * @page: the first one, in a block or not; all are in one zone
 * @nr_pages: how many pages there are; negative if they cease to be managed
 *
 * For example, a balloon takes pages out of blocks. They stay designated.
 *
 * Context: Any.
 */
void __dmb_adjust_managed(struct page *page, long nr_pages)
{
	unsigned long pfn = page_to_pfn(page), end_pfn = pfn + abs(nr_pages),
		      next;
	long designated = 0;

	/* __dmb_adjust_present() finds out which pages have gone offline. */
	if (nr_pages < 0 && !pfn_to_online_page(pfn))
		return;
	for (; pfn < end_pfn; pfn = next) {
		next = min(end_pfn, pageblock_end_pfn(pfn));
		if (dmb_pool_of(pfn))
			designated += next - pfn;
	}
	if (designated)
		atomic_long_add(nr_pages < 0 ? -designated : designated,
				&page_zone(page)->dmb_managed);
}

/* Free designated pages of a node */
unsigned long dmb_node_free_pages(pg_data_t *pgdat)
{
	unsigned long pages = 0;
	int i;

	for (i = 0; i < MAX_NR_ZONES; i++)
		pages += zone_free_dmb_pages(&pgdat->node_zones[i]);
	return pages;
}

/* Free designated pages that are not in highmem, of all nodes */
unsigned long dmb_free_low_pages(void)
{
	unsigned long pages = 0;
	struct zone *zone;

	for_each_populated_zone(zone)
		if (!is_highmem(zone))
			pages += zone_free_dmb_pages(zone);
	return pages;
}

/* Print how full the blocks are, for an out-of-memory report. */
void __dmb_show_mem(void)
{
	char text[24 * NR_PAGE_ORDERS];
	struct zone *zone;
	unsigned int order;
	int len;

	for_each_populated_zone(zone) {
		if (!zone_dmb_pages(zone))
			continue;
		for (order = 0, len = 0; order < NR_PAGE_ORDERS; order++)
			len += scnprintf(text + len, sizeof(text) - len,
					 " %lu*%lukB",
					 __dmb_nr_free(zone, order),
					 (PAGE_SIZE / SZ_1K) << order);
		pr_info("Node %d %s: %lu pages designated movable, %lu of them free:%s\n",
			zone_to_nid(zone), zone->name, zone_dmb_pages(zone),
			zone_free_dmb_pages(zone), text);
	}
}
