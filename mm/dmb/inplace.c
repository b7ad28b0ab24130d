// SPDX-License-Identifier: GPL-2.0
/*
 * Make pageblocks of a block ordinary memory while their pages stay in use.
 *
 * Folios on LRU lists are counted under their zone index, which changes with
 * the pageblock. So a pageblock changes only while none of its folios is on
 * such a list, or on its way to one.
 */

#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/dmb_claim.h>
#include <linux/hugetlb.h>
#include <linux/list.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/page-isolation.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/swap.h>

#include "internal.h"

/* In pages: few enough for others not to miss them on their lists */
#define DMB_IN_PLACE_STEP	max(pageblock_nr_pages, PHYS_PFN(SZ_32M))

/* Look again so many times, after pauses of 1 ms, 2 ms, 4 ms and so on. */
#define DMB_SETTLE_ROUNDS	5

/**
 * struct dmb_settling - isolated pageblocks that are about to change
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 * @folios: folios of them that have been taken off their LRU lists
 * @taken: a bit for each page frame, set for the first one of such a folio
 */
struct dmb_settling {
	unsigned long start_pfn;
	unsigned long end_pfn;
	struct list_head folios;
	unsigned long *taken;
};

/* Is this page neither on an LRU list, nor on its way to one? */
static bool dmb_never_on_lru(struct page *page)
{
	/* When memory_failure() is done with a page, it is in no mapping. */
	return PageHuge(page) || PageZsmalloc(page) ||
	       (PageHWPoison(page) && !PageLRU(page) &&
		!READ_ONCE(page_folio(page)->mapping));
}

/*
 * Look whether it is worth trying to take all folios off their lists. Return
 * -EAGAIN if that may change soon, or -EBUSY if not.
 */
static int dmb_look(const struct dmb_settling *settling)
{
	unsigned long pfn, nr;
	int err = 0;

	for (pfn = settling->start_pfn; pfn < settling->end_pfn; pfn += nr) {
		struct page *page = pfn_to_page(pfn);

		nr = dmb_buddy_pages(page) ?: 1;
		/* A balloon has it, and it is not counted as managed. */
		if (PageOffline(page))
			return -EBUSY;
		if (!PageBuddy(page) && !PageLRU(compound_head(page)) &&
		    !dmb_never_on_lru(page))
			err = -EAGAIN;
	}
	return err;
}

/*
 * Take the folio that begins here off its LRU list. It keeps its size, as the
 * reference prevents a split. Return false if there is no such folio.
 */
static bool dmb_take_off_lru(struct dmb_settling *settling, unsigned long pfn)
{
	struct folio *folio = page_folio(pfn_to_page(pfn));
	bool taken;

	if (!folio_try_get(folio))
		return false;
	taken = folio_pfn(folio) == pfn && folio_isolate_lru(folio);
	if (taken) {
		list_add_tail(&folio->lru, &settling->folios);
		__set_bit(pfn - settling->start_pfn, settling->taken);
		node_stat_mod_folio(folio, NR_ISOLATED_ANON +
				    folio_is_file_lru(folio),
				    folio_nr_pages(folio));
	}
	folio_put(folio);
	return taken;
}

/*
 * How many pages from this page frame on can change sides together? Return 0 if
 * somebody else has taken the page off its list, or is about to free it.
 */
static unsigned long dmb_settled(const struct dmb_settling *settling,
				 unsigned long pfn)
{
	struct page *page = pfn_to_page(pfn);

	if (test_bit(pfn - settling->start_pfn, settling->taken))
		return folio_nr_pages(page_folio(page));
	return dmb_buddy_pages(page) ?: dmb_never_on_lru(page);
}

/* Take all folios off their lists. Return false after the first failure. */
static bool dmb_take_all(struct dmb_settling *settling)
{
	unsigned long pfn, nr;

	bitmap_zero(settling->taken, settling->end_pfn - settling->start_pfn);
	for (pfn = settling->start_pfn; pfn < settling->end_pfn; pfn += nr) {
		nr = dmb_settled(settling, pfn);
		if (!nr && dmb_take_off_lru(settling, pfn))
			nr = dmb_settled(settling, pfn);
		if (!nr)
			return false;
	}
	return true;
}

/*
 * Let the pageblocks change sides if all of their pages can. Compaction may have
 * taken a free page since dmb_take_all() saw it.
 */
static bool dmb_change_map(const struct dmb_settling *settling)
{
	struct zone *zone = page_zone(pfn_to_page(settling->start_pfn));
	unsigned long pfn, nr;

	guard(spinlock_irqsave)(&zone->lock);
	for (pfn = settling->start_pfn; pfn < settling->end_pfn; pfn += nr) {
		nr = dmb_settled(settling, pfn);
		if (!nr)
			return false;
	}
	dmb_set_pool(settling->start_pfn, settling->end_pfn, NULL);
	return true;
}

/* Try once. Return -EAGAIN if it is worth another try. */
static int dmb_try_in_place(struct dmb *dmb, struct dmb_settling *settling)
{
	int err;

	__dmb_drain_range(dmb->pool->zone);
	err = dmb_look(settling);
	if (err)
		return err;
	err = -EAGAIN;
	if (dmb_take_all(settling)) {
		/*
		 * MGLRU's walks of page tables read the zone index of a folio
		 * without the lock of its list, but while the page tables are
		 * locked. Wait for those that may have read the old one.
		 */
		synchronize_rcu_expedited();
		if (dmb_change_map(settling)) {
			dmb_shorten(dmb, settling->end_pfn -
				    settling->start_pfn);
			err = 0;
		}
	}
	putback_movable_pages(&settling->folios);
	return err;
}

/* Make pages at the end of a block ordinary memory, all or none. */
static int dmb_change_end(struct dmb *dmb, unsigned long nr_pages,
			  unsigned long *taken)
{
	struct dmb_settling settling = {
		.start_pfn = dmb->end_pfn - nr_pages,
		.end_pfn = dmb->end_pfn,
		.folios = LIST_HEAD_INIT(settling.folios),
		.taken = taken,
	};
	struct dmb_request request = {
		.size = PFN_PHYS(nr_pages),
		.owner = "to be dissolved",
	};
	unsigned int round, rounds = nr_pages > pageblock_nr_pages ?
				     0 : DMB_SETTLE_ROUNDS;
	struct dmb_claim *claim;
	int err;

	if (!dmb_online(settling.start_pfn, settling.end_pfn))
		return -ENODEV;
	/* While there is this claim, there will not be others. */
	claim = dmb_alloc_claim(&request, settling.start_pfn);
	if (IS_ERR(claim))
		return PTR_ERR(claim);
	err = start_isolate_page_range(settling.start_pfn, settling.end_pfn,
				       MIGRATE_MOVABLE, 0, GFP_KERNEL);
	if (err)
		goto end_claim;

	err = dmb_try_in_place(dmb, &settling);
	for (round = 0; err == -EAGAIN && round < rounds; round++) {
		if (signal_pending(current))
			break;
		fsleep(USEC_PER_MSEC << round);
		lru_add_drain_all();
		err = dmb_try_in_place(dmb, &settling);
	}
	undo_isolate_page_range(settling.start_pfn, settling.end_pfn,
				MIGRATE_MOVABLE);
end_claim:
	dmb_end_claim(claim);
	return err;
}

/**
 * dmb_dissolve_in_place - make the end of a block ordinary memory
 * @dmb: the block
 * @nr_pages: how many pages to take from its end, whole pageblocks
 *
 * Nothing moves. This ends after a signal, and at the first pageblock that is
 * offline, that an owner or a balloon has a part of, or with a page that
 * somebody else keeps off its LRU list.
 *
 * Context: dmb_begin_change(). May sleep.
 * Return: how many pages have left the block.
 */
unsigned long dmb_dissolve_in_place(struct dmb *dmb, unsigned long nr_pages)
{
	unsigned long *taken = bitmap_alloc(DMB_IN_PLACE_STEP, GFP_KERNEL);
	unsigned long done = 0, step;
	int err = 0;

	if (!taken)
		return 0;
	lru_add_drain_all();
	while (done < nr_pages && !err && !signal_pending(current)) {
		step = min(DMB_IN_PLACE_STEP, nr_pages - done);
		err = dmb_change_end(dmb, step, taken);
		if (err && step > pageblock_nr_pages) {
			step = pageblock_nr_pages;
			err = dmb_change_end(dmb, step, taken);
		}
		if (!err)
			done += step;
		cond_resched();
	}
	bitmap_free(taken);
	return done;
}
