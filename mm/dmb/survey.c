// SPDX-License-Identifier: GPL-2.0
/*
 * Walking the pages of a block, and judging whether each may be there.
 *
 * The walk takes no lock that the allocator needs, so the counts are a picture
 * of a moving scene.  A violation is different: it is a page that stays where
 * it must not be, and is reported only if it is still there at a second look.
 */

#include <linux/delay.h>
#include <linux/dmb.h>
#include <linux/hugetlb.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/page_owner.h>
#include <linux/pagemap.h>

#include "../internal.h"
#include "internal.h"

/*
 * A page on its way from the allocator to its owner gets this many looks, each
 * after twice the time of the one before. A huge page that khugepaged fills may
 * need some seconds of that on a slow machine, where all others go before it.
 * Where many violations have lasted, the others get half as many.
 */
#define DMB_LOOKS		10
#define DMB_FIRST_INTERVAL_MS	10
#define DMB_MANY_VIOLATIONS	16

/* What can be told of a referenced folio without locking it. */
static const char *dmb_unlocked_violation(struct folio *folio, struct page *page)
{
	gfp_t gfp;

	if (page_owner_gfp_mask(page, &gfp) && !dmb_eligible_gfp(gfp))
		return "page_owner has no __GFP_HIGHMEM | __GFP_MOVABLE";
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
	if (likely(page_folio(page) == folio) && !dmb_claimed(page_to_pfn(page)))
		why = dmb_folio_violation(folio, page);
	folio_put(folio);
	return why;
}

/* A violation that does not go away. */
static const char *dmb_lasting_violation(struct page *page, unsigned int looks)
{
	const char *why = dmb_violation(page);
	unsigned int interval = DMB_FIRST_INTERVAL_MS;

	for (; why && --looks; interval *= 2) {
		msleep(interval);
		why = dmb_violation(page);
	}
	return why;
}

/* Returns how many page frames from @pfn on this has dealt with. */
static unsigned long dmb_survey_page(const struct dmb *dmb, unsigned long pfn,
				     struct dmb_survey *survey,
				     dmb_violation_fn report, void *data)
{
	struct page *page = pfn_to_online_page(pfn);
	unsigned long nr = 1;
	unsigned int looks;
	const char *why;

	/* Memory goes offline in whole pageblocks. */
	if (!page)
		return pageblock_end_pfn(pfn) - pfn;

	if (pageblock_aligned(pfn))
		cond_resched();

	if (PageBuddy(page)) {
		unsigned int order = buddy_order_unsafe(page);

		if (order <= MAX_PAGE_ORDER)
			nr = 1UL << order;
	} else if (PageHead(page)) {
		nr = compound_nr(page);
	}
	/* Free pages and folios may be larger than their block. */
	nr = clamp(nr, 1UL, dmb->end_pfn - pfn);

	if (PageBuddy(page)) {
		survey->free += nr;
	} else if (!page_count(page)) {
		survey->pcp += nr;
	} else {
		survey->used += nr;
		looks = survey->violations < DMB_MANY_VIOLATIONS ?
			DMB_LOOKS : DMB_LOOKS / 2;
		why = report ? dmb_lasting_violation(page, looks) : NULL;
		if (why) {
			survey->violations++;
			report(data, pfn, why);
		}
	}
	return nr;
}

/**
 * dmb_survey - walk all pages of a block
 * @dmb: the block
 * @survey: the counts
 * @report: called for each violation; NULL to count pages only
 * @data: handed to @report
 *
 * Context: Process context, may sleep.  Takes the memory hotplug lock for
 * reading.
 */
void dmb_survey(const struct dmb *dmb, struct dmb_survey *survey,
		dmb_violation_fn report, void *data)
{
	unsigned long pfn;

	memset(survey, 0, sizeof(*survey));
	get_online_mems();

	for (pfn = dmb->start_pfn; pfn < dmb->end_pfn; pfn += pageblock_nr_pages) {
		struct page *page = pfn_to_online_page(pfn);

		if (page && get_pageblock_migratetype(page) == MIGRATE_DMB)
			survey->pageblocks++;
	}

	for (pfn = dmb->start_pfn; pfn < dmb->end_pfn; )
		pfn += dmb_survey_page(dmb, pfn, survey, report, data);

	put_online_mems();
}
