/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Designated pages that get into the per-cpu lists, and back from there into their
 * blocks: a part of mm/page_alloc.c, whose functions this needs.
 */

#ifdef CONFIG_DMB

/*
 * Put pages that a CPU has in its lists, which are locked, back into their blocks.
 * Those of high orders first, since that costs least for each page: else a few huge
 * pages that nobody asks for again would take the room of all others. Of each order,
 * those that have been there longest. Returns how many.
 */
static int __put_back_designated(struct zone *zone, struct per_cpu_pages *pcp,
				 int most)
{
	unsigned long flags;
	int nr_pages = 0;
	int order, i;

	spin_lock_irqsave(&zone->lock, flags);
	for (order = MAX_PAGE_ORDER; order >= 0; order--) {
		struct list_head *list;

		if (!pcp_allowed_order(order))
			continue;

		list = &pcp->lists[dmb_order_to_pindex(MIGRATE_PCPTYPES, order)];
		for (i = 0; i < NR_PCP_DMB; i++, list++) {
			while (nr_pages < most && !list_empty(list)) {
				struct page *page = list_last_entry(list, struct page,
								    pcp_list);

				list_del(&page->pcp_list);
				__free_one_page(page, page_to_pfn(page), zone, order,
						get_pageblock_migratetype(page),
						FPI_NONE);
				nr_pages += 1 << order;
			}
		}
	}
	spin_unlock_irqrestore(&zone->lock, flags);

	pcp->dmb_count -= nr_pages;
	VM_WARN_ON_ONCE(nr_pages < most && pcp->dmb_count);
	return nr_pages;
}

/* As many as @most, but no more at a time than drain_pages_zone() does */
static void put_back_designated(struct zone *zone, struct per_cpu_pages *pcp, int most)
{
	unsigned long UP_flags;
	int portion, nr_pages = 1;

	while (nr_pages && most > 0 && dmb_pcp_pages(pcp)) {
		portion = min(most, pcp->batch << CONFIG_PCP_BATCH_SCALE_MAX);
		pcp_spin_lock_maybe_irqsave(pcp, UP_flags);
		nr_pages = __put_back_designated(zone, pcp, portion);
		pcp_spin_unlock_maybe_irqrestore(pcp, UP_flags);
		most -= nr_pages;
	}
}

/* What decay_pcp_high() does to other pages, with the limit that it has lowered */
static bool decay_designated(struct zone *zone, struct per_cpu_pages *pcp)
{
	int too_many = dmb_pcp_pages(pcp) - pcp->high;

	if (too_many <= 0)
		return false;
	put_back_designated(zone, pcp, too_many);
	return true;
}

/* All of them, unless somebody is using the lists now. Returns whether there were any. */
static bool try_drain_designated(struct zone *zone, struct per_cpu_pages *pcp)
{
	unsigned long __maybe_unused UP_flags;
	int portion = pcp->batch << CONFIG_PCP_BATCH_SCALE_MAX, nr_pages;
	bool drained = false;

	do {
		nr_pages = 0;
		pcp_trylock_prepare(UP_flags);
		if (spin_trylock(&pcp->lock)) {
			nr_pages = __put_back_designated(zone, pcp, portion);
			spin_unlock(&pcp->lock);
		} else {
			/* And may leave something there. */
			dmb_note_free();
		}
		pcp_trylock_finish(UP_flags);
		drained |= nr_pages;
	} while (nr_pages);
	return drained;
}

/*
 * There are as many designated pages in the lists as may be. The limit grows with
 * what is freed in succession, as in nr_pcp_high(). Whether ordinary memory is short
 * is of no matter: nobody waits for designated pages.
 */
static noinline void trim_designated(struct zone *zone, struct per_cpu_pages *pcp)
{
	int high_min = READ_ONCE(pcp->high_min), high_max = READ_ONCE(pcp->high_max);
	int high = clamp(pcp->high, high_min, high_max), batch = READ_ONCE(pcp->batch);

	pcp->high = clamp(max(high, pcp->free_count + batch), high_min, high_max);
	/* Disabled, or the boot pageset */
	if (high < 2 * batch)
		batch = 1 << MAX_PAGE_ORDER;
	else
		batch = clamp_t(int, pcp->free_count, batch, high - batch);
	if (pcp->dmb_count >= high)
		__put_back_designated(zone, pcp, batch);
}

/*
 * What free_unref_page_commit() is to other pages. The lists are locked. Inlined, this
 * would use up what GCC lets mm/page_alloc.c grow by, and each ordinary request would
 * pay for what is not inlined instead.
 */
static noinline void free_designated(struct zone *zone, struct per_cpu_pages *pcp,
				     struct page *page, int pcp_type,
				     unsigned int order)
{
	pcp->alloc_factor >>= 1;
	__count_vm_events(PGFREE, 1 << order);
	dmb_note_free();
	list_add(&page->pcp_list, &pcp->lists[dmb_order_to_pindex(pcp_type, order)]);
	pcp->dmb_count += 1 << order;
	if (pcp->free_count < (READ_ONCE(pcp->batch) << CONFIG_PCP_BATCH_SCALE_MAX))
		pcp->free_count += 1 << order;
	if (pcp->dmb_count >= min(pcp->high, READ_ONCE(pcp->high_max)))
		trim_designated(zone, pcp);
}

#else /* !CONFIG_DMB */

static inline void put_back_designated(struct zone *zone, struct per_cpu_pages *pcp,
				       int most)
{
}

static inline bool decay_designated(struct zone *zone, struct per_cpu_pages *pcp)
{
	return false;
}

static inline void free_designated(struct zone *zone, struct per_cpu_pages *pcp,
				   struct page *page, int pcp_type, unsigned int order)
{
}

#endif /* CONFIG_DMB */
