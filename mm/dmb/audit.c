// SPDX-License-Identifier: GPL-2.0
/*
 * Walking the pages of a block, and judging whether each may be there.
 *
 * The walk takes no lock that the allocator needs, so the counts are a picture
 * of a moving scene.  A violation is different: it is a page that stays where
 * it must not be.  At the first look it is a suspect only, as a page is that was
 * allocated a moment ago.  The walk takes notes of suspects, and when it is over
 * dmb_look_again() looks at all of them together, again and again.
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
 * A page on its way from the allocator to its owner gets this many looks, each
 * after twice the time of the one before: five seconds in all. A huge page that
 * khugepaged fills may need some of that on a slow machine.
 */
#define DMB_LOOKS		10
#define DMB_FIRST_INTERVAL_MS	10

/* What can be told of a referenced folio without locking it. */
static const char *dmb_unlocked_violation(struct folio *folio, struct page *page)
{
	if (folio_test_reserved(folio))
		return "reserved";
	if (folio_test_slab(folio))
		return "slab";
	if (PageTable(page))
		return "page table";
	return NULL;
}

/* The lock keeps the folio in its mapping, and the inode with it. */
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
	/* The swap cache has shmem's folios as well. */
	if (folio_test_lru(folio) || folio_test_swapcache(folio))
		return NULL;
	return "neither in a mapping, on the LRU nor movable";
}

static const char *dmb_folio_violation(struct folio *folio, struct page *page)
{
	const char *why = dmb_unlocked_violation(folio, page);

	/* A balloon has it, which can move it, or virtio-mem has unplugged it. */
	if (PageOffline(page))
		return NULL;
	if (why || folio_test_hugetlb(folio) || folio_test_anon(folio) ||
	    __folio_test_movable(folio))
		return why;

	if (!folio_trylock(folio))
		return NULL;
	/* Meanwhile it may have become anonymous memory. */
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
	/* An owner may do with the page whatever it likes. */
	if (likely(page_folio(page) == folio) && !dmb_claimed(page_to_pfn(page)) &&
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
 * dmb_look_again - drop those suspects that were on their way somewhere
 * @suspects: what dmb_audit_block() has noted; on return, the violations
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

/* Judges an allocated page, or a folio by its first one. */
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

/* Returns how many page frames this has dealt with. */
static unsigned long dmb_audit_page(const struct dmb *dmb, struct page *page,
				    struct dmb_audit *audit,
				    struct dmb_suspects *suspects)
{
	unsigned long pfn = page_to_pfn(page), end_pfn = READ_ONCE(dmb->end_pfn);
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

/* Returns where to go on: a folio may be larger than its pageblock. */
static unsigned long dmb_audit_pageblock(const struct dmb *dmb,
					 unsigned long pfn,
					 struct dmb_audit *audit,
					 struct dmb_suspects *suspects)
{
	unsigned long end_pfn = pageblock_end_pfn(pfn), began;

	/* The time that this has to wait is not the walk's. */
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
