// SPDX-License-Identifier: GPL-2.0
/*
 * Which block serves the next page.
 *
 * Each block has free lists of its own, and per-cpu lists in front of them.
 * The blocks of a node take turns, so that user pages spread over the memory
 * controllers.
 */

#include <linux/dmb.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/kstrtox.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/compaction.h>

#include "../internal.h"
#include "internal.h"

bool dmb_maybe_free __read_mostly = true;

/* Counts the requests that a CPU has brought to the blocks, and starts anew. */
static DEFINE_PER_CPU(unsigned int, dmb_turns);

static bool dmb_spread __read_mostly = true;
static DEFINE_MUTEX(dmb_spread_lock);

/*
 * Plain rotation would fall into step with a program that touches two arrays
 * alternately, and give each of them to a block of its own.  The sums of the
 * digits of 0, 1, 2..., written to the base @nr, take each value as often, and
 * so do those of every second number, or every third.
 */
static void dmb_group_set_turns(struct dmb_group *group)
{
	unsigned int i, n, sum;

	WRITE_ONCE(group->nr_turns, rounddown(DMB_TURNS, group->nr));
	for (i = 0; i < group->nr_turns; i++) {
		for (n = i, sum = 0; n && group->nr > 1; n /= group->nr)
			sum += n % group->nr;
		WRITE_ONCE(group->turn[i], dmb_spread ? sum % group->nr : 0);
	}
}

static struct dmb_group * __init dmb_group_add(struct dmb_group *group,
					       struct dmb *dmb)
{
	if (!group)
		group = memblock_alloc(sizeof(*group), SMP_CACHE_BYTES);
	if (!group)
		panic("dmb: no memory for a group of blocks\n");

	group->block[group->nr++] = dmb;
	dmb_group_set_turns(group);
	return group;
}

/**
 * dmb_init_pool - get blocks ready to take free pages
 *
 * Context: Boot, before the buddy allocator gets the pages of the blocks.
 */
void __init dmb_init_pool(void)
{
	struct dmb *dmb = NULL;
	unsigned int order;

	while ((dmb = dmb_next(dmb))) {
		struct zone *zone = dmb->pool.zone;

		for (order = 0; order < NR_PAGE_ORDERS; order++)
			INIT_LIST_HEAD(&dmb->pool.free_list[order]);
		zone->dmb.group = dmb_group_add(zone->dmb.group, dmb);
		dmb->pool.pcp_type = MIGRATE_PCPTYPES + zone->dmb.nr_blocks++ % NR_PCP_DMB;
		zone->zone_pgdat->dmb_group =
			dmb_group_add(zone->zone_pgdat->dmb_group, dmb);
	}
}

/**
 * dmb_spread_enabled - do blocks take turns?
 *
 * Context: Any.
 */
bool dmb_spread_enabled(void)
{
	return READ_ONCE(dmb_spread);
}

/**
 * dmb_set_spread - let blocks take turns, or use them in the order of addresses
 * @spread: whether they take turns
 *
 * Context: Process context.
 */
void dmb_set_spread(bool spread)
{
	struct zone *zone;

	mutex_lock(&dmb_spread_lock);
	WRITE_ONCE(dmb_spread, spread);
	for_each_populated_zone(zone) {
		if (!zone->dmb.group)
			continue;
		dmb_group_set_turns(zone->zone_pgdat->dmb_group);
	}
	mutex_unlock(&dmb_spread_lock);
}

static int __init dmb_parse_spread(char *value)
{
	return kstrtobool(value, &dmb_spread);
}
early_param("dmb_spread", dmb_parse_spread);

/* Is there a list for pages of this order in each CPU's set? */
static bool dmb_order_has_pcp(unsigned int order)
{
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	if (order == HPAGE_PMD_ORDER)
		return true;
#endif
	return order <= PAGE_ALLOC_COSTLY_ORDER;
}

/*
 * Is it worth looking for a page in the block?  This reads but takes no lock, so
 * that an empty pool costs next to nothing, and may be outdated.
 */
static bool dmb_has_free(struct dmb_pool *pool, unsigned int order)
{
	struct per_cpu_pages *pcp;

	if (READ_ONCE(pool->free_orders) >> order)
		return true;
	if (!dmb_order_has_pcp(order))
		return false;

	pcp = raw_cpu_ptr(pool->zone->per_cpu_pageset);
	return !list_empty(&pcp->lists[dmb_order_to_pindex(pool->pcp_type, order)]);
}

/**
 * dmb_pick_next - take the next turn of this CPU
 * @pgdat: the node whose blocks take turns
 * @order: the order wanted
 *
 * Context: Any.
 * Return: the block whose turn it is, or NULL if it seems to have no free page in
 * its free lists, or the node has no blocks.
 */
struct dmb_pool *dmb_pick_next(pg_data_t *pgdat, unsigned int order)
{
	struct dmb_group *group = pgdat->dmb_group;
	unsigned int i = raw_cpu_read(dmb_turns) + 1;
	struct dmb_pool *pool;

	/* Another node's blocks may have to do, and they take turns as well. */
	if (unlikely(!group)) {
		raw_cpu_write(dmb_turns, i % DMB_TURNS);
		return NULL;
	}

	if (i >= READ_ONCE(group->nr_turns))
		i = 0;
	raw_cpu_write(dmb_turns, i);

	pool = &group->block[READ_ONCE(group->turn[i])]->pool;
	return likely(READ_ONCE(pool->free_orders) >> order) ? pool : NULL;
}

/**
 * dmb_begin_turn - begin to look for a designated page in all blocks of a node
 * @pgdat: the node, which has blocks
 * @turn: the walk that begins
 *
 * Context: Any.
 */
void dmb_begin_turn(pg_data_t *pgdat, struct dmb_turn *turn)
{
	struct dmb_group *group = pgdat->dmb_group;
	unsigned int i = raw_cpu_read(dmb_turns);

	turn->group = group;
	turn->next = READ_ONCE(group->turn[i < group->nr_turns ? i : 0]);
	turn->left = group->nr;
	turn->missed = false;
}

/**
 * dmb_pick_in_turn - the next block worth looking into
 * @turn: the walk
 * @order: the order wanted
 *
 * Context: Any.
 * Return: a block that seems to have a free page of this order, in its free
 * lists or in those of this CPU, or NULL if there are no blocks left.
 */
struct dmb_pool *dmb_pick_in_turn(struct dmb_turn *turn, unsigned int order)
{
	while (turn->left) {
		struct dmb_pool *pool = &turn->group->block[turn->next]->pool;

		turn->left--;
		if (++turn->next == turn->group->nr)
			turn->next = 0;
		if (dmb_has_free(pool, order))
			return pool;
		turn->missed = true;
	}
	return NULL;
}

/**
 * dmb_first_free - choose a free page in a block
 * @pool: which block
 * @order: the order wanted
 * @free_order: set to the order of the page, which is not less
 *
 * Context: The lock of the block's zone held.
 * Return: the page, still on its free list, or NULL.
 */
struct page *dmb_first_free(struct dmb_pool *pool, unsigned int order,
			    unsigned int *free_order)
{
	unsigned long orders;

	while ((orders = pool->free_orders >> order << order)) {
		unsigned int first = __ffs(orders);

		if (!list_empty(&pool->free_list[first])) {
			*free_order = first;
			return list_first_entry(&pool->free_list[first],
						struct page, buddy_list);
		}
		WRITE_ONCE(pool->free_orders, pool->free_orders & ~BIT(first));
	}
	return NULL;
}

/* The block of a designated page, which is one of the few of its zone. */
static struct dmb_pool *dmb_pool_of(struct page *page, struct zone *zone)
{
	struct dmb **dmb = zone->dmb.group->block;
	unsigned long pfn = page_to_pfn(page);

	while (pfn >= (*dmb)->end_pfn)
		dmb++;
	return &(*dmb)->pool;
}

/**
 * dmb_count_free - count a free page that is about to get on a list of its block
 * @page: the first page, of a designated pageblock
 * @zone: the zone
 * @order: its order
 *
 * Context: The lock of the zone held.
 * Return: the list.
 */
struct list_head *dmb_count_free(struct page *page, struct zone *zone,
				 unsigned int order)
{
	struct dmb_pool *pool = dmb_pool_of(page, zone);

	WRITE_ONCE(pool->free_orders, pool->free_orders | BIT(order));
	dmb_note_free();
	if (!zone->free_area[order].nr_free_dmb++)
		WRITE_ONCE(zone->dmb.free_orders, zone->dmb.free_orders | BIT(order));
	return &pool->free_list[order];
}

/**
 * __dmb_share_list - are two designated pages in the same block?
 * @page: a page
 * @other: another page
 * @zone: the zone that both are in
 *
 * Context: Any.
 */
bool __dmb_share_list(struct page *page, struct page *other, struct zone *zone)
{
	return dmb_pool_of(page, zone) == dmb_pool_of(other, zone);
}

/**
 * __dmb_pcp_type - which per-cpu lists is a designated page for?
 * @page: the page, of a zone with more than one block
 *
 * Context: Any.
 * Return: a number that stands for the migrate type in the per-cpu lists.
 */
int __dmb_pcp_type(struct page *page)
{
	return dmb_pool_of(page, page_zone(page))->pcp_type;
}

/**
 * dmb_next_free_list - walk all lists of free pages of one order and type
 * @zone: the zone
 * @order: the order
 * @migratetype: the type
 * @list: the list before; the first one is that of the zone's free_area
 *
 * Context: Any.
 * Return: the next list, or NULL at the end.  MIGRATE_DMB alone has more than
 * one.
 */
struct list_head *dmb_next_free_list(struct zone *zone, unsigned int order,
				     int migratetype, struct list_head *list)
{
	struct dmb_group *group = zone->dmb.group;
	unsigned int i = 0;

	if (!group || !is_migrate_dmb(migratetype))
		return NULL;

	if (list != &zone->free_area[order].free_list[migratetype])
		while (list != &group->block[i++]->pool.free_list[order])
			;
	return i < group->nr ? &group->block[i]->pool.free_list[order] : NULL;
}

/**
 * dmb_zone_span - the range that holds all blocks of a zone
 * @zone: the zone, which has blocks
 * @start_pfn: set to the first page frame of the first block
 * @end_pfn: set to one past the last page frame of the last block
 *
 * Context: Any.
 */
void dmb_zone_span(struct zone *zone, unsigned long *start_pfn,
		   unsigned long *end_pfn)
{
	struct dmb_group *group = zone->dmb.group;

	*start_pfn = group->block[0]->start_pfn;
	*end_pfn = group->block[group->nr - 1]->end_pfn;
}

/**
 * dmb_compactable - is it worth compacting the blocks of a zone?
 * @zone: the zone
 * @order: the order wanted
 * @highest_zoneidx: the zones that the request may use
 *
 * Context: Any.
 * Return: true if the request may use blocks, and there are enough free pages
 * in those of the zone but none of this order.
 */
bool dmb_compactable(struct zone *zone, int order, int highest_zoneidx)
{
	return order > 0 && dmb_eligible(highest_zoneidx) &&
	       zone_free_dmb_pages(zone) >= compact_gap(order) &&
	       !dmb_buddy_has_free(zone, order);
}

/**
 * dmb_scattered - is there a free pageblock to be made in the blocks of a zone?
 * @zone: the zone
 *
 * Context: Any.
 * Return: true if the free pages that are in pieces smaller than a pageblock are
 * enough for one.
 */
bool dmb_scattered(struct zone *zone)
{
	unsigned long pages = 0;
	unsigned int order;

	for (order = 0; order < pageblock_order; order++)
		pages += dmb_nr_free(zone, order) << order;
	return pages >= pageblock_nr_pages;
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
