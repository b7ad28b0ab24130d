// SPDX-License-Identifier: GPL-2.0
/*
 * Empty memory ahead of its claim: a driver says what it will claim soon, and a
 * worker moves pages out of the way.
 *
 * The pageblocks are isolated from then on, so that what has become free in
 * them stays free. Clean page cache remains in use until the memory is claimed,
 * which then has to drop it and little else.
 */

#include <linux/cleanup.h>
#include <linux/dmb_claim.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/page-isolation.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/workqueue.h>

#include "internal.h"

/* Try to move pages so many times, with pauses of 10 ms, 20 ms, 40 ms, ... */
#define DMB_PREPARE_ROUNDS	8
#define DMB_PREPARE_PAUSE_MS	10

/**
 * struct dmb_prepared - memory that a driver will claim soon
 * @work: moves pages out of it
 * @request: what the driver will claim
 * @stop: the worker has to end
 * @round: how many times the worker has tried to move all pages
 * @nr: how many claims the driver wants
 * @chosen: how many ranges were chosen
 * @claim: claims of these ranges, which have no pages yet
 */
struct dmb_prepared {
	struct delayed_work work;
	const struct dmb_request *request;
	bool stop;
	unsigned int round;
	unsigned int nr;
	unsigned int chosen;
	struct dmb_claim *claim[] __counted_by(nr);
};

static unsigned long dmb_prepared_start(const struct dmb_claim *claim)
{
	return PHYS_PFN(dmb_claim_base(claim));
}

static unsigned long dmb_prepared_end(const struct dmb_claim *claim)
{
	return PHYS_PFN(dmb_claim_base(claim) + dmb_claim_size(claim));
}

/* Keep free pages of a range from others, so far as that is possible. */
static struct dmb_claim *dmb_prepare_range(const struct dmb_request *request,
					   unsigned long pfn)
{
	struct dmb_claim *claim = dmb_alloc_claim(request, pfn);
	int err = -ENODEV;

	if (IS_ERR(claim))
		return claim;
	/* While there is this claim, memory that is online stays so. */
	if (dmb_online(pfn, dmb_prepared_end(claim)))
		err = start_isolate_page_range(pfn, dmb_prepared_end(claim),
					       MIGRATE_MOVABLE, 0, GFP_KERNEL);
	if (!err)
		return claim;
	dmb_end_claim(claim);
	return ERR_PTR(err);
}

static void dmb_end_isolation(const struct dmb_claim *claim)
{
	undo_isolate_page_range(dmb_prepared_start(claim),
				dmb_prepared_end(claim), MIGRATE_MOVABLE);
}

/* Choose the ranges that are the cheapest to empty. */
static void dmb_choose_ranges(struct dmb_prepared *prepared)
{
	const unsigned long nr_pages = PHYS_PFN(prepared->request->size);
	struct dmb_search search;
	unsigned long pfn;

	if (dmb_search_request(&search, prepared->request, GFP_KERNEL))
		goto end;
	search.stop = &prepared->stop;
	while (prepared->chosen < prepared->nr && !READ_ONCE(prepared->stop)) {
		struct dmb_claim *claim;

		pfn = dmb_search_next(&search);
		if (pfn == DMB_NO_PFN)
			break;
		claim = dmb_prepare_range(prepared->request, pfn);
		if (!IS_ERR(claim))
			prepared->claim[prepared->chosen++] = claim;
		dmb_search_exclude(&search, pfn, pfn + nr_pages);
	}
end:
	dmb_search_end(&search);
}

/* Can a claim drop this folio, rather than move it? */
static bool dmb_is_clean_cache(struct folio *folio)
{
	return folio_is_file_lru(folio) && !folio_test_dirty(folio) &&
	       !folio_test_writeback(folio) && !folio_test_unevictable(folio);
}

/* Is migration bound to fail? Beside its mappings, the caller has a reference. */
static bool dmb_is_held(struct folio *folio)
{
	return folio_maybe_dma_pinned(folio) || folio_test_writeback(folio) ||
	       (folio_test_lru(folio) && !folio_mapping(folio) &&
		folio_ref_count(folio) - 1 > folio_mapcount(folio));
}

/*
 * Isolate the folio that this page begins, unless it is clean page cache.
 * Return true if it has to move, isolated or not.
 */
static bool dmb_isolate_tenant(struct page *page, struct list_head *folios)
{
	struct folio *folio = NULL;
	bool moves;

	if (PageLRU(page) || PageZsmalloc(page))
		folio = folio_get_nontail_page(page);
	if (!folio)
		return false;
	moves = !folio_test_lru(folio) || !dmb_is_clean_cache(folio);
	if (moves && !dmb_is_held(folio))
		isolate_folio_to_list(folio, folios);
	folio_put(folio);
	return moves;
}

/* Move folios elsewhere if there is room without reclaim. Empty the list. */
static void dmb_move_tenants(struct list_head *folios)
{
	struct migration_target_control mtc = {
		.nid = NUMA_NO_NODE,
		.gfp_mask = (GFP_HIGHUSER_MOVABLE & ~__GFP_RECLAIM) |
			    __GFP_NOMEMALLOC | __GFP_NOWARN,
		.reason = MR_CONTIG_RANGE,
	};

	if (list_empty(folios))
		return;
	migrate_pages(folios, alloc_migration_target, NULL, (unsigned long)&mtc,
		      MIGRATE_ASYNC, MR_CONTIG_RANGE, NULL);
	putback_movable_pages(folios);
}

/* Try to empty a range. Return how many folios had to move. */
static unsigned long dmb_empty_range(struct dmb_prepared *prepared,
				     const struct dmb_claim *claim)
{
	unsigned long pfn = dmb_prepared_start(claim), tenants = 0;
	unsigned long end_pfn = dmb_prepared_end(claim);
	LIST_HEAD(folios);

	while (pfn < end_pfn && !READ_ONCE(prepared->stop)) {
		struct page *page = pfn_to_page(pfn);
		unsigned long free = dmb_buddy_pages(page);

		if (pageblock_aligned(pfn))
			cond_resched();
		pfn += free ?: 1;
		if (!free && dmb_isolate_tenant(page, &folios) &&
		    ++tenants % SWAP_CLUSTER_MAX == 0)
			dmb_move_tenants(&folios);
	}
	dmb_move_tenants(&folios);
	return tenants;
}

/* Try to empty all ranges. Return how many folios had to move. */
static unsigned long dmb_empty_ranges(struct dmb_prepared *prepared)
{
	struct zone *zone = NULL;
	unsigned long tenants = 0;
	unsigned int i;

	if (!prepared->round)
		dmb_choose_ranges(prepared);
	if (READ_ONCE(prepared->stop))
		return 0;
	/* Folios that are on their way to the LRU cannot be isolated. */
	lru_add_drain_all();
	for (i = 0; i < prepared->chosen; i++) {
		unsigned long pfn = dmb_prepared_start(prepared->claim[i]);

		/* Others could allocate pages that are in per-cpu lists. */
		if (zone != page_zone(pfn_to_page(pfn))) {
			zone = page_zone(pfn_to_page(pfn));
			__dmb_drain_range(zone);
		}
		tenants += dmb_empty_range(prepared, prepared->claim[i]);
	}
	return tenants;
}

static void dmb_prepare_work(struct work_struct *work)
{
	struct dmb_prepared *prepared =
		container_of(to_delayed_work(work), struct dmb_prepared, work);
	/* Who waits for the worker may hold what reclaim needs. */
	unsigned int flags = memalloc_noio_save();
	unsigned long tenants = dmb_empty_ranges(prepared), pause;

	memalloc_noio_restore(flags);
	pause = msecs_to_jiffies(DMB_PREPARE_PAUSE_MS << prepared->round);
	/* Those that were in use, or whose data were written, may move later. */
	if (tenants && ++prepared->round < DMB_PREPARE_ROUNDS &&
	    !READ_ONCE(prepared->stop))
		queue_delayed_work(system_unbound_wq, &prepared->work, pause);
}

/**
 * dmb_prepare - have memory emptied in the background that is claimed soon
 * @request: what will be claimed; its @size and @align are multiples of
 *	     DMB_MIN_ALIGNMENT_BYTES, and not 0. It has to stay as it is until
 *	     dmb_claim_prepared() or dmb_unprepare() has returned.
 * @nr: how many claims there will be
 *
 * A worker chooses ranges that are cheap to empty, as many of @nr as it finds,
 * and isolates them. From then on, nobody else gets pages of them that are free
 * or become free, and they do not count as free memory. Nobody else can claim
 * the ranges, take them offline, or dissolve their blocks. The worker moves
 * pages in use elsewhere if there is room without reclaim. Clean page cache
 * stays where it is, in use.
 *
 * The sooner this comes before the claim, the less is left for that: pages that
 * somebody holds, or that had no room elsewhere, and huge pages of hugetlb.
 * The worker chooses no memory of CMA areas.
 *
 * Context: Process context, may sleep and do I/O to allocate some memory, but
 * does not wait for the worker.
 * Return: for dmb_claim_prepared() or dmb_unprepare(), or an ERR_PTR():
 * -EOPNOTSUPP and -EINVAL as for dmb_claim(), -ENOMEM.
 */
struct dmb_prepared *dmb_prepare(const struct dmb_request *request,
				 unsigned int nr)
{
	struct dmb_prepared *prepared;
	int err = dmb_refuse_request(request);

	if (err)
		return ERR_PTR(err);
	if (!nr || nr > INT_MAX ||
	    !IS_ALIGNED(request->size | request->align,
			DMB_MIN_ALIGNMENT_BYTES) || !request->align)
		return ERR_PTR(-EINVAL);
	prepared = kvzalloc(struct_size(prepared, claim, nr),
			    GFP_KERNEL | __GFP_NOWARN);
	if (!prepared)
		return ERR_PTR(-ENOMEM);
	prepared->nr = nr;
	prepared->request = request;
	INIT_DELAYED_WORK(&prepared->work, dmb_prepare_work);
	queue_delayed_work(system_unbound_wq, &prepared->work, 0);
	return prepared;
}
EXPORT_SYMBOL_GPL(dmb_prepare);

static void dmb_stop_preparing(struct dmb_prepared *prepared)
{
	WRITE_ONCE(prepared->stop, true);
	cancel_delayed_work_sync(&prepared->work);
}

/*
 * Claim the ranges that need no waiting by now. Set *@err to the last error if
 * it means that others would fail, too.
 */
static unsigned int dmb_claim_ranges(const struct dmb_prepared *prepared,
				     struct dmb_attempt *attempt,
				     struct dmb_claim **claims, int *err)
{
	unsigned int i, got = 0;

	*err = 0;
	for (i = 0; i < prepared->chosen; i++) {
		struct dmb_claim *claim = prepared->claim[i];

		dmb_end_isolation(claim);
		if (*err) {
			dmb_end_claim(claim);
			continue;
		}
		*err = dmb_complete_claim(claim, attempt);
		if (!*err)
			claims[got++] = claim;
		else if (dmb_try_elsewhere(*err))
			*err = 0;
	}
	return got;
}

/**
 * dmb_claim_prepared - claim memory that was prepared
 * @prepared: what dmb_prepare() has returned, not an error; this frees it
 * @claims: as for dmb_claim_several()
 *
 * This first stops the worker, and waits until it has, which takes some ms. It
 * claims those of the ranges that need no more waiting, then others that suit
 * the request, as dmb_claim_several() does. Deadlines begin when the worker has
 * stopped; with %DMB_CLAIM_QUICK, again for the others.
 *
 * Context: As for dmb_claim().
 * Return: As for dmb_claim_several().
 */
int dmb_claim_prepared(struct dmb_prepared *prepared, struct dmb_claim **claims)
{
	const struct dmb_request *request = prepared->request;
	unsigned int nr = prepared->nr, got;
	struct dmb_attempt attempt, quick;
	int err, more;

	might_alloc(GFP_KERNEL);
	dmb_stop_preparing(prepared);
	attempt = dmb_first_attempt(request);
	quick = dmb_quick_attempt(&attempt);
	got = dmb_claim_ranges(prepared, &quick, claims, &err);
	kvfree(prepared);
	if (got == nr || err)
		return got ?: err;
	more = dmb_claim_any(request, &attempt, claims + got, nr - got);
	return more > 0 ? got + more : got ?: more;
}
EXPORT_SYMBOL_GPL(dmb_claim_prepared);

/**
 * dmb_unprepare - do not claim memory that was prepared
 * @prepared: what dmb_prepare() has returned, not an error; this frees it
 *
 * This waits until the worker has stopped, as dmb_claim_prepared() does.
 *
 * Context: Process context, may sleep.
 */
void dmb_unprepare(struct dmb_prepared *prepared)
{
	unsigned int i;

	dmb_stop_preparing(prepared);
	for (i = 0; i < prepared->chosen; i++) {
		dmb_end_isolation(prepared->claim[i]);
		dmb_end_claim(prepared->claim[i]);
	}
	kvfree(prepared);
}
EXPORT_SYMBOL_GPL(dmb_unprepare);
