/* SPDX-License-Identifier: GPL-2.0 */
/* Reclaim of page cache for relief: a part of mm/vmscan.c */

#ifdef CONFIG_DMB
/* Scan about a hundredth of the lists at most, unless it is urgent. */
#define DMB_GENTLE_PRIORITY	(DEF_PRIORITY - 4)

/**
 * dmb_drop_cache - reclaim page cache, to have room in a node's blocks
 * @pgdat: the node
 * @gfp_mask: the flags of the request that needs it
 * @nr_pages: how many pages are wanted
 * @urgent: whether to scan all page cache if necessary, even if memory.low
 *	    protects it, as reclaim does before the OOM killer runs
 *
 * A kernel without blocks would drop the same page cache for the request.  This
 * also reclaims page cache in the node's ordinary memory, and calls shrinkers.
 * Nothing is swapped.
 *
 * Context: Process context, with PF_MEMALLOC set, and no folio isolated.
 * Return: how many pages were reclaimed, those of slab included.
 */
unsigned long dmb_drop_cache(pg_data_t *pgdat, gfp_t gfp_mask,
			     unsigned long nr_pages, bool urgent)
{
	const int lowest = urgent ? 0 : DMB_GENTLE_PRIORITY;
	struct scan_control sc = {
		.nr_to_reclaim = nr_pages,
		.gfp_mask = current_gfp_context(gfp_mask),
		.reclaim_idx = ZONE_MOVABLE,
		/* MGLRU needs this. Still only kswapd writes page cache. */
		.may_writepage = 1,
		.may_unmap = 1,
	};
	/* A task that is in reclaim already has set its reclaim state. */
	bool own_state = !current->reclaim_state;

	if (own_state)
		set_task_reclaim_state(current, &sc.reclaim_state);
again:
	sc.priority = DEF_PRIORITY;
	do {
		shrink_node(pgdat, &sc);
	} while (sc.nr_reclaimed < nr_pages && --sc.priority >= lowest);

	if (urgent && !sc.nr_reclaimed && !sc.force_deactivate) {
		sc.force_deactivate = 1;
		sc.memcg_low_reclaim = sc.memcg_low_skipped;
		goto again;
	}
	if (own_state)
		set_task_reclaim_state(current, NULL);

	return sc.nr_reclaimed;
}
#endif /* CONFIG_DMB */
