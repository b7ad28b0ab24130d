// SPDX-License-Identifier: GPL-2.0
/*
 * Walk the pages of a block, and judge whether each of them may be there.
 *
 * The walk takes no lock of the allocator, so its counts are not exact.  A
 * violation is a page that stays where it must not be.  The walk cannot tell it
 * from a page that was allocated a moment ago, so it notes both as suspects.
 * After the walk, dmb_look_again() judges all suspects again, several times.
 */

#include <linux/dmb.h>
#include <linux/hugetlb.h>
#include <linux/jiffies.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "internal.h"

/*
 * Look at a suspect this many times, each after twice the interval of the one
 * before: for five seconds in all. A huge page that khugepaged fills may be on
 * its way for some of that time on a slow machine.
 */
#define DMB_LOOKS		10
#define DMB_FIRST_INTERVAL_MS	10

/* Return a violation that is visible without the lock of the folio, or NULL. */
static const char *dmb_unlocked_violation(struct folio *folio,
					  struct page *page)
{
	if (folio_test_reserved(folio))
		return "reserved";
	if (folio_test_slab(folio))
		return "slab";
	if (PageTable(page))
		return "page table";
	return NULL;
}

/* The folio lock keeps the folio in its mapping, and so keeps the inode. */
static const char *dmb_locked_violation(struct folio *folio)
{
	struct address_space *mapping = folio->mapping;

	if (mapping) {
		if (mapping_inaccessible(mapping))
			return "page cache that cannot migrate";
		if (!dmb_eligible_gfp(mapping_gfp_mask(mapping)))
			return "page cache of a mapping without __GFP_HIGHMEM | __GFP_MOVABLE";
		return NULL;
	}
	/* The swap cache may have folios of shmem, too. */
	if (folio_test_lru(folio) || folio_test_swapcache(folio))
		return NULL;
	return "neither in a mapping, on the LRU nor movable";
}

static const char *dmb_folio_violation(struct folio *folio, struct page *page)
{
	const char *why = dmb_unlocked_violation(folio, page);

	/* It is in a balloon and can move, or virtio-mem has unplugged it. */
	if (PageOffline(page))
		return NULL;
	if (why || folio_test_hugetlb(folio) || folio_test_anon(folio) ||
	    __folio_test_movable(folio))
		return why;

	if (!folio_trylock(folio))
		return NULL;
	/* It may have become anonymous or movable before it was locked. */
	if (!folio_test_anon(folio) && !__folio_test_movable(folio))
		why = dmb_locked_violation(folio);
	folio_unlock(folio);
	return why;
}

/**
 * dmb_violation - why a page in a block should not be there
 * @page: any page of a block
 *
 * Context: Process context.  Takes a reference to the page's folio, and the
 * folio lock if that is free.
 * Return: the reason, or NULL if the page is free, meets the contract, or is
 * locked so that nothing can be said.
 */
static const char *dmb_violation(struct page *page)
{
	struct folio *folio = page_folio(page);
	const char *why = NULL;

	if (!folio_try_get(folio))
		return NULL;
	/* An owner may use claimed pages for anything. */
	if (likely(page_folio(page) == folio) &&
	    !dmb_claimed(page_to_pfn(page)) &&
	    dmb_contains_pfn(page_to_pfn(page)))
		why = dmb_folio_violation(folio, page);
	folio_put(folio);
	return why;
}

/* The same for a page frame that may have gone offline. */
static const char *dmb_violation_at(unsigned long pfn)
{
	const char *why = NULL;
	struct page *page;

	get_online_mems();
	page = pfn_to_online_page(pfn);
	if (page)
		why = dmb_violation(page);
	put_online_mems();
	return why;
}

/**
 * dmb_look_again - drop suspects that turn out to be no violations
 * @suspects: pages that dmb_audit_block() has noted; on return, the violations
 *
 * Context: Process context, sleeps for five seconds at most.
 * Return: 0, or -EINTR if the process has been killed.
 */
int dmb_look_again(struct dmb_suspects *suspects)
{
	unsigned int interval = DMB_FIRST_INTERVAL_MS;
	unsigned int look, i, nr;

	for (look = 1; suspects->nr && look < DMB_LOOKS; look++) {
		schedule_timeout_killable(msecs_to_jiffies(interval));
		interval *= 2;
		for (i = 0, nr = 0; i < suspects->nr; i++) {
			struct dmb_suspect suspect = suspects->suspect[i];

			if (fatal_signal_pending(current))
				return -EINTR;
			suspect.why = dmb_violation_at(suspect.pfn);
			if (suspect.why)
				suspects->suspect[nr++] = suspect;
		}
		suspects->nr = nr;
	}
	return 0;
}

/* Judge an allocated page, or a folio by its first page. */
static void dmb_judge_page(struct page *page, unsigned long nr_pages,
			   struct dmb_audit *audit,
			   struct dmb_suspects *suspects)
{
	struct dmb_suspect suspect = { .pfn = page_to_pfn(page) };

	if (suspects->nr == DMB_MAX_SUSPECTS || suspects->jiffies_left <= 0) {
		audit->unjudged += nr_pages;
		return;
	}
	suspect.why = dmb_violation(page);
	if (suspect.why)
		suspects->suspect[suspects->nr++] = suspect;
}

/* Count a page, and judge it if it is allocated. Return the number of pages. */
static unsigned long dmb_audit_page(const struct dmb *dmb, struct page *page,
				    struct dmb_audit *audit,
				    struct dmb_suspects *suspects)
{
	unsigned long pfn = page_to_pfn(page),
		      end_pfn = READ_ONCE(dmb->end_pfn);
	unsigned long nr = dmb_buddy_pages(page);

	/* The block has become shorter. */
	if (pfn >= end_pfn)
		return 1;
	if (!nr)
		nr = PageHead(page) ? compound_nr(page) : 1;
	/* Free pages and folios may be larger than their block. */
	nr = clamp(nr, 1UL, end_pfn - pfn);

	if (PageBuddy(page)) {
		audit->free += nr;
	} else if (PageHWPoison(page)) {
		audit->poisoned += nr;
	} else if (!page_count(page)) {
		audit->pcp += nr;
	} else {
		audit->used += nr;
		if (suspects)
			dmb_judge_page(page, nr, audit, suspects);
	}
	return nr;
}

/* Return where to continue: a folio may be larger than its pageblock. */
static unsigned long dmb_audit_pageblock(const struct dmb *dmb,
					 unsigned long pfn,
					 struct dmb_audit *audit,
					 struct dmb_suspects *suspects)
{
	unsigned long end_pfn = pageblock_end_pfn(pfn), began;

	/* Waiting for this lock does not count as time of the walk. */
	get_online_mems();
	began = jiffies;
	/* Memory goes offline in whole pageblocks. */
	if (!pfn_to_online_page(pfn))
		pfn = end_pfn;
	while (pfn < end_pfn)
		pfn += dmb_audit_page(dmb, pfn_to_page(pfn), audit, suspects);
	if (suspects)
		suspects->jiffies_left -= jiffies - began;
	put_online_mems();
	return pfn;
}

/**
 * dmb_audit_block - walk all pages of a block
 * @dmb: the block
 * @audit: the counts
 * @suspects: where to note pages that may be violations, behind those of other
 *	      blocks; NULL to count pages only
 *
 * Context: Process context, may sleep.  Takes the memory hotplug lock for
 * reading, for a pageblock at a time.
 * Return: 0, or -EINTR if the process has been killed.
 */
int dmb_audit_block(const struct dmb *dmb, struct dmb_audit *audit,
		    struct dmb_suspects *suspects)
{
	unsigned long pfn = dmb->start_pfn;

	memset(audit, 0, sizeof(*audit));
	while (pfn < dmb->end_pfn) {
		if (fatal_signal_pending(current))
			return -EINTR;
		pfn = dmb_audit_pageblock(dmb, pfn, audit, suspects);
		cond_resched();
	}
	return 0;
}
