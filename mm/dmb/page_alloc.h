/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Allocation of designated pages: a part of mm/page_alloc.c, whose functions
 * this file needs. pool.c decides which pool serves a request.
 */

#ifdef CONFIG_DMB

static struct page *rmqueue_pcplist(struct zone *preferred_zone,
				    struct zone *zone, struct dmb_pool *pool,
				    unsigned int order, int migratetype,
				    unsigned int alloc_flags);
static inline void zone_statistics(struct zone *preferred_zone, struct zone *z,
				   long nr_account);
static void drain_pageset(struct zone *zone, struct per_cpu_pages *pcp);
static int percpu_pagelist_high_fraction;
static int zone_batchsize(unsigned long pages);
static int zone_highsize(struct zone *zone, unsigned long pages, int batch,
			 int cpu_online, int high_fraction);
static void __pageset_set_high_and_batch(struct per_cpu_pages __percpu *pageset,
					 unsigned long high_min,
					 unsigned long high_max,
					 unsigned long batch);
static void per_cpu_pages_init(struct per_cpu_pages *pcp,
			       struct per_cpu_zonestat *pzstats);

/*
 * Take the smallest free page that is large enough. Designated pages have no
 * fallback. Called with the zone's lock held.
 */
static struct page *__rmqueue_pool(struct dmb_pool *pool, unsigned int order)
{
	unsigned int current_order;
	struct page *page;

	for (current_order = order; current_order < NR_PAGE_ORDERS;
	     current_order++) {
		page = get_page_from_free_area(&pool->free_area[current_order],
					       MIGRATE_DMB);
		if (!page)
			continue;

		page_del_and_expand(pool->zone, page, order, current_order,
				    MIGRATE_DMB);
		/* The caller puts most of a batch in a per-cpu list. */
		dmb_note_cached(pool->cached);
		trace_mm_page_alloc_zone_locked(page, order, MIGRATE_DMB,
						pcp_allowed_order(order));
		return page;
	}

	if (!order)
		dmb_pool_emptied(pool);
	return NULL;
}

static noinline struct page *rmqueue_pool_buddy(struct zone *preferred_zone,
						struct dmb_pool *pool,
						unsigned int order)
{
	struct page *page;
	unsigned long flags;

	do {
		spin_lock_irqsave(&pool->zone->lock, flags);
		page = __rmqueue_pool(pool, order);
		spin_unlock_irqrestore(&pool->zone->lock, flags);
	} while (page && check_new_pages(page, order));

	if (page) {
		__count_zid_vm_events(PGALLOC, page_zonenum(page), 1 << order);
		zone_statistics(preferred_zone, pool->zone, 1);
	}
	return page;
}

/* Does for a pool what rmqueue() does for the ordinary memory of a zone. */
static __always_inline struct page *rmqueue_pool(struct zone *preferred_zone,
						 struct dmb_pool *pool,
						 unsigned int order)
{
	struct page *page = NULL;

	if (likely(pcp_allowed_order(order)))
		page = rmqueue_pcplist(preferred_zone, pool->zone, pool, order,
				       MIGRATE_MOVABLE, 0);
	if (unlikely(!page) && READ_ONCE(pool->has_free))
		page = rmqueue_pool_buddy(preferred_zone, pool, order);
	return page;
}

/* May a pool have a free page of this order? This takes no lock. */
static bool pool_has_order(struct dmb_pool *pool, unsigned int order)
{
	for (; order < NR_PAGE_ORDERS; order++)
		/* A wrong answer costs another try. */
		if (data_race(pool->free_area[order].nr_free))
			return true;
	return false;
}

/* Does this CPU have pages of this order in the lists of a pool? */
static bool pool_has_cached(struct dmb_pool *pool, unsigned int order)
{
	struct per_cpu_pages *pcp = raw_cpu_ptr(pool->pageset);

	return pcp_allowed_order(order) &&
	       !list_empty(&pcp->lists[order_to_pindex(MIGRATE_MOVABLE, order)]);
}

/*
 * Give a batch of one CPU's pages back to their pool. An interrupt that
 * allocates memory may have interrupted the holder of pcp->lock, so only try to
 * take it.
 */
static bool drain_pool(struct dmb_pool *pool, int cpu)
{
	struct per_cpu_pages *pcp = per_cpu_ptr(pool->pageset, cpu);
	unsigned long __maybe_unused UP_flags;
	int count = 0;

	/* As in drain_all_pages(), a page that is freed now may be missed. */
	if (!data_race(pcp->count))
		return false;

	pcp_trylock_prepare(UP_flags);
	if (spin_trylock(&pcp->lock)) {
		count = min_t(int, pcp->count, pcp->batch);
		free_pcppages_bulk(pool->zone, count, pcp, 0);
		spin_unlock(&pcp->lock);
	}
	pcp_trylock_finish(UP_flags);
	return count;
}

/*
 * The pool whose turn it was did not serve the request. Give the turn to the
 * next pool that may have a page of this order, so that the rest of the pools
 * still share evenly. If no pool has one, look into the lists of this CPU.
 */
static noinline struct page *rmqueue_other_pool(struct zone *preferred_zone,
						struct dmb_node *node,
						unsigned int order)
{
	/* Among twice as many turns as ranges, each range has at least one. */
	unsigned int turns = 2 * READ_ONCE(node->nr_avail);
	struct dmb_pool *pool;
	struct page *page;

	while (turns--) {
		pool = dmb_next_turn(node);
		if (!pool)
			break;
		if (!pool_has_order(pool, order))
			continue;
		page = rmqueue_pool(preferred_zone, pool, order);
		if (page)
			return page;
	}

	/* Only one pool of a range has turns. The rest may have large pages. */
	if (order) {
		list_for_each_entry(pool, &node->pools, list) {
			if (!pool_has_order(pool, order))
				continue;
			page = rmqueue_pool(preferred_zone, pool, order);
			if (page)
				return page;
		}
	}

	if (!dmb_may_have_cached(node->cached))
		return NULL;
	/* page_pageset() sets it again when this CPU frees a page to a list. */
	this_cpu_and(dmb_cached, ~node->cached);
	list_for_each_entry(pool, &node->pools, list) {
		/* If the task is on another CPU by now, it may miss a page. */
		if (!data_race(raw_cpu_ptr(pool->pageset)->count))
			continue;
		dmb_note_cached(node->cached);
		if (!pool_has_cached(pool, order)) {
			if (order)
				continue;
			/* Large pages must be in the pool to be split. */
			drain_pool(pool, raw_smp_processor_id());
		}
		page = rmqueue_pool(preferred_zone, pool, order);
		if (page)
			return page;
	}
	return NULL;
}

static __always_inline struct page *__rmqueue_node(struct zone *preferred_zone,
						   struct dmb_node *node,
						   unsigned int order)
{
	struct dmb_pool *pool = dmb_next_turn(node);
	struct page *page = NULL;

	if (likely(pool))
		page = rmqueue_pool(preferred_zone, pool, order);
	if (unlikely(!page))
		page = rmqueue_other_pool(preferred_zone, node, order);
	return page;
}

static noinline struct page *rmqueue_node(struct zone *preferred_zone,
					  struct dmb_node *node,
					  unsigned int order)
{
	return __rmqueue_node(preferred_zone, node, order);
}

/* The same for order 0, without the instructions that depend on the order */
static noinline struct page *rmqueue_node_page(struct zone *preferred_zone,
					       struct dmb_node *node)
{
	return __rmqueue_node(preferred_zone, node, 0);
}

/*
 * Take a page from the blocks of a node when the walk over the zonelist enters
 * it, that is, once for all of its zones. No watermark protects designated
 * pages, as requests that may not use them gain nothing from a reserve.
 */
static __always_inline struct page *rmqueue_dmb(struct zone *zone,
						unsigned int order,
						const struct alloc_context *ac,
						struct dmb_node **last_node)
{
	struct dmb_node *node;

	if (!dmb_eligible(ac->highest_zoneidx))
		return NULL;
	node = zone->zone_pgdat->dmb;
	if (!node || node == *last_node)
		return NULL;
	*last_node = node;

	if (!READ_ONCE(node->nr_rows) && !dmb_may_have_cached(node->cached))
		return NULL;
	if (order)
		return rmqueue_node(zonelist_zone(ac->preferred_zoneref), node,
				    order);
	return rmqueue_node_page(zonelist_zone(ac->preferred_zoneref), node);
}

/**
 * dmb_alloc_folio - allocate a folio in the blocks of a node, nowhere else
 * @zone: a zone of the node, which has blocks
 * @order: the order
 *
 * This neither waits nor reclaims, and charges no memory cgroup.
 *
 * Context: Any context in which a page can be allocated.
 * Return: the folio, with one reference; NULL if the blocks have none.
 */
struct folio *dmb_alloc_folio(struct zone *zone, unsigned int order)
{
	struct page *page = rmqueue_node(zone, zone->zone_pgdat->dmb, order);

	if (page)
		prep_new_page(page, order, GFP_HIGHUSER_MOVABLE | __GFP_COMP,
			      0);
	return page_rmappable_folio(page);
}

static bool drain_one_pool(struct dmb_node *node)
{
	struct dmb_pool *pool;
	int cpu;

	list_for_each_entry(pool, &node->pools, list)
		for_each_online_cpu(cpu)
			if (drain_pool(pool, cpu))
				return true;
	return false;
}

/* Give all pages in per-cpu lists back to a pool. */
static void drain_pool_lists(struct dmb_pool *pool)
{
	int cpu;

	for_each_online_cpu(cpu) {
		struct per_cpu_pages *pcp = per_cpu_ptr(pool->pageset, cpu);

		/* As in drain_all_pages(), a page freed now may be missed. */
		if (data_race(pcp->count))
			drain_pageset(pool->zone, pcp);
	}
}

/**
 * dmb_drain_node - give all pages in per-cpu lists back to the blocks of a node
 * @pgdat: the node, which has blocks
 *
 * Context: Process context.
 */
void dmb_drain_node(pg_data_t *pgdat)
{
	struct dmb_pool *pool;

	list_for_each_entry(pool, &pgdat->dmb->pools, list)
		drain_pool_lists(pool);
}

/*
 * When all blocks seem to be used up, their last free pages may be in the
 * per-cpu lists of other CPUs. Get some of those back, of nodes that the
 * request may use, before anything is reclaimed for it. One CPU at a time does
 * so. Not for large pages, as the lists have few of them.
 */
static bool dmb_drain_remote(gfp_t gfp_mask, unsigned int order,
			     const struct alloc_context *ac)
{
	static DEFINE_SPINLOCK(drain_lock);
	pg_data_t *pgdat = NULL;
	bool drained = false;
	struct zoneref *z;
	struct zone *zone;

	if (!dmb_eligible(ac->highest_zoneidx) || order ||
	    !spin_trylock(&drain_lock))
		return false;

	for_each_zone_zonelist_nodemask(zone, z, ac->zonelist,
					ac->highest_zoneidx, ac->nodemask) {
		if (zone->zone_pgdat == pgdat ||
		    !cpuset_zone_allowed(zone, gfp_mask))
			continue;
		pgdat = zone->zone_pgdat;
		if (pgdat->dmb && !READ_ONCE(pgdat->dmb->nr_rows))
			drained = drain_one_pool(pgdat->dmb);
		if (drained)
			break;
	}
	spin_unlock(&drain_lock);

	if (drained)
		count_vm_event(DMB_DRAIN);
	return drained;
}

/* Drain the per-cpu lists of all pools of a zone. */
void __dmb_drain_range(struct zone *zone)
{
	struct dmb_pool *pool = NULL;

	while ((pool = dmb_next_pool(zone, pool)))
		drain_pool_lists(pool);
}

/* Set the limits of the per-cpu lists of pools, by the size of each pool. */
static void dmb_set_high_and_batch(struct zone *zone, int cpu_online)
{
	int fraction = percpu_pagelist_high_fraction;
	struct dmb_pool *pool = NULL;

	while ((pool = dmb_next_pool(zone, pool))) {
		int batch = max(1, zone_batchsize(pool->pages));
		int high_min, high_max;

		/* About what the low watermark of a zone of this size is */
		high_min = zone_highsize(zone, pool->pages, batch, cpu_online,
					 fraction ?: 256);
		high_max = zone_highsize(zone, pool->pages, batch, cpu_online,
					 fraction ?:
					 MIN_PERCPU_PAGELIST_HIGH_FRACTION);
		__pageset_set_high_and_batch(pool->pageset, high_min, high_max,
					     batch);
	}
}

/**
 * dmb_alloc_pageset - allocate the per-cpu lists of a pool
 * @pool: the pool
 *
 * Context: Process context.
 * Return: 0 or -ENOMEM.
 */
int dmb_alloc_pageset(struct dmb_pool *pool)
{
	struct per_cpu_zonestat unused;
	int cpu;

	pool->pageset = alloc_percpu(struct per_cpu_pages);
	if (!pool->pageset)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		per_cpu_pages_init(per_cpu_ptr(pool->pageset, cpu), &unused);
	return 0;
}

/*
 * During boot, pools share the zone's boot pageset, and ZONE_MOVABLE shares its
 * boot counters. Allocate their own. A zone that comes online again has boot
 * pagesets again, while its pools have kept theirs. If all of the node was
 * offline, ZONE_MOVABLE has lost its counters: give it back what it had.
 */
static void dmb_alloc_pagesets(struct zone *zone)
{
	struct zone *movable = &zone->zone_pgdat->node_zones[ZONE_MOVABLE];
	struct dmb_node *node = zone->zone_pgdat->dmb;
	struct dmb_pool *pool = NULL;

	/* ZONE_MOVABLE counts the folios in blocks, populated or not. */
	if (node && node->counters)
		movable->per_cpu_zonestats = node->counters;
	else if (sizeof(struct per_cpu_zonestat) > 0 &&
		 dmb_counts_folios(movable) && zone != movable &&
		 movable->per_cpu_zonestats == zone->per_cpu_zonestats)
		movable->per_cpu_zonestats =
			alloc_percpu(struct per_cpu_zonestat);

	while ((pool = dmb_next_pool(zone, pool)))
		if (pool->pageset == zone->per_cpu_pageset)
			dmb_alloc_pageset(pool);
}

#else /* !CONFIG_DMB */

static inline struct page *__rmqueue_pool(struct dmb_pool *pool,
					  unsigned int order)
{
	return NULL;
}

static inline struct page *rmqueue_dmb(struct zone *zone, unsigned int order,
				       const struct alloc_context *ac,
				       struct dmb_node **last_node)
{
	return NULL;
}

static inline bool dmb_drain_remote(gfp_t gfp_mask, unsigned int order,
				    const struct alloc_context *ac)
{
	return false;
}

static inline void dmb_set_high_and_batch(struct zone *zone, int cpu_online)
{
}

static inline void dmb_alloc_pagesets(struct zone *zone)
{
}

#endif /* CONFIG_DMB */
