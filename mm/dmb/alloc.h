/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Taking pages out of blocks, and out of the per-cpu lists in front of them: a
 * part of mm/page_alloc.c, whose functions this needs. Which block it is to be is
 * decided in pool.c, and how pages get into per-cpu lists in pcp.h.
 */

#ifdef CONFIG_DMB

/* Designated pages neither fall back nor get stolen. */
static struct page *__rmqueue_block(struct dmb_pool *pool, unsigned int order)
{
	unsigned int free_order;
	struct page *page = dmb_first_free(pool, order, &free_order);

	if (page) {
		page_del_and_expand(pool->zone, page, order, free_order, MIGRATE_DMB);
		trace_mm_page_alloc_zone_locked(page, order, MIGRATE_DMB,
						pcp_allowed_order(order));
	}
	return page;
}

static noinline struct page *rmqueue_block_buddy(struct dmb_pool *pool,
						 unsigned int order)
{
	struct page *page;
	unsigned long flags;

	do {
		spin_lock_irqsave(&pool->zone->lock, flags);
		page = __rmqueue_block(pool, order);
		spin_unlock_irqrestore(&pool->zone->lock, flags);
	} while (page && check_new_pages(page, order));
	return page;
}

/*
 * How many pages of an order a CPU gets at once: the more, the longer it has not
 * freed any. As nr_pcp_alloc() has it for others, and with the same variables.
 */
static int nr_pcp_refill(struct per_cpu_pages *pcp, unsigned int order)
{
	int high_min = READ_ONCE(pcp->high_min), high_max = READ_ONCE(pcp->high_max);
	int batch = READ_ONCE(pcp->batch), high, most;

	high = clamp(pcp->high, high_min, high_max);
	/* Disabled, or the boot pageset */
	if (unlikely(high < batch))
		return 1;
	if (order) {
		pcp->high = min(high + batch, high_max);
		return max(batch >> order, 2);
	}

	high = min(high + (batch << pcp->alloc_factor), high_max);
	pcp->high = high;
	most = max(high - pcp->dmb_count - batch, batch);
	batch <<= pcp->alloc_factor;
	if (batch <= most && pcp->alloc_factor < CONFIG_PCP_BATCH_SCALE_MAX)
		pcp->alloc_factor++;
	return min(batch, most);
}

/* Fill the list of a CPU. */
static noinline bool rmqueue_block_bulk(struct dmb_pool *pool, unsigned int order,
					struct per_cpu_pages *pcp,
					struct list_head *list)
{
	int batch = nr_pcp_refill(pcp, order);
	struct page *page;
	unsigned long flags;

	spin_lock_irqsave(&pool->zone->lock, flags);
	while (batch-- > 0 && (page = __rmqueue_block(pool, order))) {
		list_add_tail(&page->pcp_list, list);
		pcp->dmb_count += 1 << order;
	}
	/* Who has looked into this list before, and then finds the block empty, is wrong. */
	dmb_note_free();
	spin_unlock_irqrestore(&pool->zone->lock, flags);
	return !list_empty(list);
}

static __always_inline struct page *rmqueue_block_pcp(struct dmb_pool *pool,
						      unsigned int order)
{
	unsigned long __maybe_unused UP_flags;
	struct page *page = NULL;
	struct per_cpu_pages *pcp;
	struct list_head *list;

	pcp_trylock_prepare(UP_flags);
	pcp = pcp_spin_trylock(pool->zone->per_cpu_pageset);
	if (!pcp)
		goto finish;

	/* As in rmqueue_pcplist() */
	pcp->free_count >>= 1;
	list = &pcp->lists[dmb_order_to_pindex(pool->pcp_type, order)];
	do {
		page = NULL;
		if (list_empty(list) && !rmqueue_block_bulk(pool, order, pcp, list))
			break;
		page = list_first_entry(list, struct page, pcp_list);
		list_del(&page->pcp_list);
		pcp->dmb_count -= 1 << order;
	} while (check_new_pages(page, order));
	pcp_spin_unlock(pcp);
finish:
	pcp_trylock_finish(UP_flags);
	return page;
}

/* What rmqueue() is to a zone */
static __always_inline struct page *rmqueue_block(struct zone *preferred_zone,
						  struct dmb_pool *pool,
						  unsigned int order)
{
	struct page *page = NULL;

	if (likely(pcp_allowed_order(order)))
		page = rmqueue_block_pcp(pool, order);
	if (unlikely(!page))
		page = rmqueue_block_buddy(pool, order);
	if (likely(page)) {
		__count_zid_vm_events(PGALLOC, zone_idx(pool->zone), 1 << order);
		zone_statistics(preferred_zone, pool->zone, 1);
	}
	return page;
}

/*
 * The blocks seem to be used up. Before ordinary memory is touched, look for
 * the last pages in the per-cpu lists of all CPUs, and if there are none either,
 * let requests go past the blocks until a designated page becomes free. The
 * look is not cheap, so once in a tick is enough; or ten times in a second, if
 * the request was served by another block than the one whose turn it was.
 */
static bool recheck_blocks(bool served)
{
	static unsigned long last_recheck;
	unsigned long now = jiffies, elapsed = now - READ_ONCE(last_recheck);
	bool drained = false;
	struct zone *zone;
	int cpu;

	if (!elapsed || (served && elapsed < HZ / 10))
		return false;
	WRITE_ONCE(last_recheck, now);
	count_vm_event(DMB_DRAIN);

	/* Who puts a page on a list after we have looked there sets it again. */
	WRITE_ONCE(dmb_maybe_free, false);

	for_each_populated_zone(zone) {
		unsigned long flags;

		if (!zone_dmb_pages(zone))
			continue;

		for_each_online_cpu(cpu)
			drained |= try_drain_designated(zone,
					per_cpu_ptr(zone->per_cpu_pageset, cpu));

		spin_lock_irqsave(&zone->lock, flags);
		if (zone->dmb.free_orders)
			dmb_note_free();
		spin_unlock_irqrestore(&zone->lock, flags);
	}
	return drained;
}

/* All blocks that the request may use, by node, and from the one whose turn it is */
static struct page *rmqueue_blocks(gfp_t gfp_mask, unsigned int order,
				   unsigned int alloc_flags,
				   const struct alloc_context *ac, bool *missed)
{
	struct zoneref *z = ac->preferred_zoneref;
	pg_data_t *pgdat = NULL;
	struct zone *zone;

	for_next_zone_zonelist_nodemask(zone, z, ac->highest_zoneidx,
					ac->nodemask) {
		struct dmb_pool *pool;
		struct dmb_turn turn;

		if (zone->zone_pgdat == pgdat)
			continue;
		pgdat = zone->zone_pgdat;

		if (!pgdat->dmb_group)
			continue;

		if (cpusets_enabled() && (alloc_flags & ALLOC_CPUSET) &&
		    !__cpuset_zone_allowed(zone, gfp_mask))
			continue;

		if (ac->spread_dirty_pages && !node_dirty_ok(pgdat))
			continue;

		dmb_begin_turn(pgdat, &turn);
		while ((pool = dmb_pick_in_turn(&turn, order))) {
			struct page *page;

			page = rmqueue_block(zonelist_zone(ac->preferred_zoneref),
					     pool, order);
			if (page) {
				*missed = turn.missed;
				return page;
			}
		}
		*missed = true;
	}
	return NULL;
}

static noinline struct page *search_blocks(gfp_t gfp_mask, unsigned int order,
					   unsigned int alloc_flags,
					   const struct alloc_context *ac)
{
	struct page *page;
	bool missed = false;

	page = rmqueue_blocks(gfp_mask, order, alloc_flags, ac, &missed);
	if (missed && recheck_blocks(page) && !page)
		page = rmqueue_blocks(gfp_mask, order, alloc_flags, ac, &missed);
	return page;
}

/*
 * Designated movable blocks stand in front of the zonelist: those of all zones
 * are tried before the first ordinary page of any, and the blocks of a node
 * take turns. There are no watermarks to keep, as no other kind of request could
 * use what is left, and of the allocation flags none but ALLOC_CPUSET means
 * anything here.
 */
static noinline struct page *
get_page_from_blocks(gfp_t gfp_mask, unsigned int order,
		     unsigned int alloc_flags, const struct alloc_context *ac)
{
	struct zone *zone = zonelist_zone(ac->preferred_zoneref);
	struct page *page = NULL;
	struct dmb_pool *pool;

	if (unlikely(!zone))
		return NULL;

	pool = dmb_pick_next(zone->zone_pgdat, order);
	if (likely(pool && !ac->spread_dirty_pages) &&
	    !(cpusets_enabled() && (alloc_flags & ALLOC_CPUSET) &&
	      !__cpuset_zone_allowed(zone, gfp_mask)))
		page = rmqueue_block(zone, pool, order);
	if (unlikely(!page))
		page = search_blocks(gfp_mask, order, alloc_flags, ac);
	if (unlikely(!page))
		return NULL;

	/* A call of prep_new_page() would be one too many for it to be inlined. */
	post_alloc_hook(page, order, gfp_mask);
	set_page_refcounted(page);
	if (order && (gfp_mask & __GFP_COMP))
		prep_compound_page(page, order);
	clear_page_pfmemalloc(page);
	return page;
}

/**
 * dmb_drain_range - see that no page of an isolated range is in a per-cpu list
 * @zone: the zone that the range is in
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 *
 * What is in a block can only be in the lists for designated pages. All others
 * keep theirs, which may be a large part of the zone.
 *
 * Context: Process context.
 */
void dmb_drain_range(struct zone *zone, unsigned long start_pfn,
		     unsigned long end_pfn)
{
	int cpu;

	if (!dmb_enabled() ||
	    dmb_intersects(start_pfn, end_pfn) != DMB_INTERSECTS) {
		drain_all_pages(zone);
		return;
	}

	for_each_online_cpu(cpu)
		put_back_designated(zone, per_cpu_ptr(zone->per_cpu_pageset, cpu),
				    INT_MAX);
}

#else /* !CONFIG_DMB */

static inline struct page *
get_page_from_blocks(gfp_t gfp_mask, unsigned int order,
		     unsigned int alloc_flags, const struct alloc_context *ac)
{
	return NULL;
}

#endif /* CONFIG_DMB */
