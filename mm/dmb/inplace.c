// SPDX-License-Identifier: GPL-2.0
/*
 * Make a pageblock of a block ordinary memory while its pages stay in use.
 *
 * Folios on LRU lists are counted under their zone index, which changes with
 * the pageblock. So the pageblock changes only while none of its folios is on
 * such a list.
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
#include <linux/swap.h>

#include "internal.h"

/* Look again so many times, with pauses of 1 ms, 2 ms, 4 ms and so on. */
#define DMB_SETTLE_ROUNDS	5

/**
 * struct dmb_settling - an isolated pageblock that is about to change
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 * @folios: folios of it that have been taken off their LRU lists
 * @taken: a bit for each page frame, set for the first one of such a folio
 */
struct dmb_settling {
	unsigned long start_pfn;
	unsigned long end_pfn;
	struct list_head folios;
	unsigned long *taken;
};

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
 * Is this page neither on an LRU list nor on its way to one? No page of an
 * isolated pageblock is allocated anew, so the answer remains right.
 */
static bool dmb_never_on_lru(struct page *page)
{
	/* A balloon's pages have left the count of managed pages. */
	return PageHuge(page) || PageHWPoison(page) ||
	       (__PageMovable(page) && !PageOffline(page));
}

/*
 * How many pages from this page frame on can change sides together? Return 0 if
 * somebody else has taken the page off its list, or is about to free it.
 */
static unsigned long dmb_settled(struct dmb_settling *settling,
				 unsigned long pfn)
{
	struct page *page = pfn_to_page(pfn);
	unsigned long nr = dmb_buddy_pages(page);

	if (nr)
		return nr;
	if (test_bit(pfn - settling->start_pfn, settling->taken) ||
	    dmb_take_off_lru(settling, pfn))
		return folio_nr_pages(page_folio(page));
	return dmb_never_on_lru(page);
}

/* Take all folios off their LRU lists. Return an error if that is not all. */
static int dmb_settle(struct dmb_settling *settling)
{
	struct zone *zone = page_zone(pfn_to_page(settling->start_pfn));
	unsigned long pfn, nr;
	unsigned int round;
	bool all;

	for (round = 0; ; round++) {
		__dmb_drain_range(zone);
		all = true;
		for (pfn = settling->start_pfn; pfn < settling->end_pfn;
		     pfn += nr ?: 1) {
			nr = dmb_settled(settling, pfn);
			if (!nr)
				all = false;
		}
		if (all)
			return 0;
		if (signal_pending(current))
			return -EINTR;
		if (round == DMB_SETTLE_ROUNDS)
			return -EBUSY;
		fsleep(USEC_PER_MSEC << round);
	}
}

/* Make the last pageblock of a block ordinary memory. */
static int dmb_change_last(struct dmb *dmb, unsigned long *taken)
{
	struct dmb_settling settling = {
		.start_pfn = dmb->end_pfn - pageblock_nr_pages,
		.end_pfn = dmb->end_pfn,
		.folios = LIST_HEAD_INIT(settling.folios),
		.taken = taken,
	};
	struct dmb_request request = {
		.size = PFN_PHYS(pageblock_nr_pages),
		.owner = "to be dissolved",
	};
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

	bitmap_zero(taken, pageblock_nr_pages);
	err = dmb_settle(&settling);
	if (!err) {
		/*
		 * MGLRU's walks of page tables read the zone index of a folio
		 * without the lock of its list, but while the page tables are
		 * locked. Wait for those that may have read the old one.
		 */
		synchronize_rcu_expedited();
		dmb_shorten(dmb, pageblock_nr_pages);
	}
	undo_isolate_page_range(settling.start_pfn, settling.end_pfn,
				MIGRATE_MOVABLE);
	putback_movable_pages(&settling.folios);
end_claim:
	dmb_end_claim(claim);
	return err;
}

/**
 * dmb_dissolve_in_place - make the end of a block ordinary memory
 * @dmb: the block
 * @nr_pages: how many pages to take from its end, whole pageblocks
 *
 * Nothing moves. This ends at the first pageblock with a page that an owner or
 * a balloon has, or that somebody else keeps off its LRU list.
 *
 * Context: dmb_begin_change(). May sleep.
 * Return: how many pages have left the block.
 */
unsigned long dmb_dissolve_in_place(struct dmb *dmb, unsigned long nr_pages)
{
	unsigned long *taken = bitmap_alloc(pageblock_nr_pages, GFP_KERNEL);
	unsigned long done = 0;

	if (!taken)
		return 0;
	/* Until then, folios get on their lists without waiting for others. */
	lru_cache_disable();
	while (done < nr_pages && !signal_pending(current) &&
	       !dmb_change_last(dmb, taken)) {
		done += pageblock_nr_pages;
		cond_resched();
	}
	lru_cache_enable();
	bitmap_free(taken);
	return done;
}
