// SPDX-License-Identifier: GPL-2.0
/*
 * Find the memory in blocks that is the cheapest to empty, and show a map.
 *
 * A search divides blocks into units of up to a pageblock. It finds free units
 * by the free lists, without reading every struct page. It estimates the cost
 * of other units from a sample of their pages, without holding references: only
 * the attempt to empty a unit tells the truth.
 */

#include <linux/dmb_claim.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/page_ref.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "internal.h"

/* Look at this many free pages of each order at most, as zone->lock is held. */
#define DMB_MAX_FREE		512

/* Ask for this many units at once whether the search avoids any of them. */
#define DMB_UNITS_AT_ONCE	64UL

/* Look at one page out of so many. */
#define DMB_SAMPLE		8

/* The cost to empty a page. The last two are for units only. */
#define DMB_COST_DROP		1	/* clean page cache, not mapped */
#define DMB_COST_MOVE		4
#define DMB_COST_HUGETLB	16	/* there may be no room elsewhere */
#define DMB_COST_PINNED		256	/* may take longer than anybody waits */
#define DMB_COST_UNKNOWN	(U32_MAX - 1ULL)
#define DMB_COST_NEVER		U32_MAX

/*
 * There is no reference to the page, so anything may change at any time. Read
 * the fields directly: on debug kernels, folio functions check their state.
 */
static unsigned int dmb_page_cost(struct page *page)
{
	const unsigned long not_clean = BIT(PG_swapbacked) | BIT(PG_dirty) |
					BIT(PG_writeback) | BIT(PG_head);
	struct page *head = compound_head(page);
	unsigned long flags = READ_ONCE(head->flags);
	bool large = flags & BIT(PG_head);
	int pins = large ? atomic_read(&page_folio(head)->_pincount) :
			   page_ref_count(head) / GUP_PIN_COUNTING_BIAS;

	/* Check this first: free hugetlb pages have no references, either. */
	if (PageHuge(head))
		return DMB_COST_HUGETLB;
	/* A tail of a free page, or a page in a per-cpu list */
	if (!page_ref_count(head))
		return 0;
	if (pins)
		return DMB_COST_PINNED;
	if ((flags & BIT(PG_lru)) && !(flags & not_clean) &&
	    atomic_read(&head->_mapcount) < 0)
		return DMB_COST_DROP;
	return DMB_COST_MOVE;
}

/*
 * Should the search avoid this range? All searches avoid claims. Searches for
 * claims avoid all memory of CMA areas, too, and a search in an area avoids the
 * memory that the area has given away.
 */
static bool dmb_range_taken(const struct dmb_search *search,
			    unsigned long start_pfn, unsigned long end_pfn)
{
	if (search->area ? dmb_area_used(search->area, start_pfn, end_pfn) :
			   dmb_area_exists(start_pfn, end_pfn))
		return true;
	return dmb_claim_overlaps(start_pfn, end_pfn);
}

static u32 dmb_estimate_pageblock(unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned long pfn = start_pfn, next, flags;
	u32 cost = 0;

	if (!dmb_keep_online(start_pfn, end_pfn, &flags))
		return DMB_COST_NEVER;
	while (pfn < end_pfn && cost < DMB_COST_UNKNOWN) {
		struct page *page = pfn_to_page(pfn);

		next = pfn + dmb_buddy_pages(page);
		if (next == pfn)
			cost += dmb_page_cost(page);
		pfn = max(next, pfn + DMB_SAMPLE);
		/* The skipped pages only count if one of them is poisoned. */
		for (; next < min(pfn, end_pfn); next++)
			if (PageHWPoison(pfn_to_page(next)))
				cost = DMB_COST_NEVER;
	}
	dmb_let_offline(flags);
	return cost;
}

/* A unit is larger than a pageblock if the part has room for only one. */
static u32 dmb_estimate(unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned long pfn, next;
	u64 cost = 0;

	for (pfn = start_pfn; pfn < end_pfn; pfn = next) {
		u32 more;

		next = min(pageblock_end_pfn(pfn), end_pfn);
		more = dmb_estimate_pageblock(pfn, next);
		if (more == DMB_COST_NEVER)
			return DMB_COST_NEVER;
		cost += more;
		cond_resched();
	}
	return min(cost, DMB_COST_UNKNOWN - 1);
}

/* Set the cost of units that are part of a free page to 0. */
static void dmb_find_free_units(struct dmb_part *part)
{
	unsigned long end_pfn = part->start_pfn + part->nr * part->unit;
	struct zone *zone = part->dmb->pool->zone;
	unsigned int order;
	struct page *page;

	guard(spinlock_irqsave)(&zone->lock);
	for (order = order_base_2(part->unit); order < NR_PAGE_ORDERS; order++) {
		struct free_area *area = &part->dmb->pool->free_area[order];
		unsigned int left = DMB_MAX_FREE;

		list_for_each_entry(page, &area->free_list[MIGRATE_DMB], buddy_list) {
			unsigned long first = max(page_to_pfn(page),
						  part->start_pfn);
			unsigned long last = min(page_to_pfn(page) +
						 (1UL << order), end_pfn);
			unsigned long i;

			if (!left--)
				break;
			i = DIV_ROUND_UP(first - part->start_pfn, part->unit);
			for (; part->start_pfn + (i + 1) * part->unit <= last; i++)
				if (part->cost[i] == DMB_COST_UNKNOWN)
					part->cost[i] = 0;
		}
	}
}

/* Leave out units with pages that the search avoids.  Most have none. */
static void dmb_mark_units(const struct dmb_search *search,
			   struct dmb_part *part, unsigned long first,
			   unsigned long last)
{
	unsigned long pfn = part->start_pfn + first * part->unit, i;
	bool taken = dmb_range_taken(search, pfn,
				     part->start_pfn + last * part->unit);

	for (i = first; i < last; i++, pfn += part->unit)
		part->cost[i] = taken && dmb_range_taken(search, pfn,
							 pfn + part->unit) ?
				DMB_COST_NEVER : DMB_COST_UNKNOWN;
}

/* Add a range of page frames, which is in one block, to a search. */
static int dmb_add_part(struct dmb_search *search, const struct dmb *dmb,
			unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned long unit = search->unit, first, nr, i;
	struct dmb_part *part;

	first = ALIGN(start_pfn, max(unit, search->align));
	if (first + DIV_ROUND_UP(search->nr_pages, unit) * unit > end_pfn) {
		/* Whole units do not fit, but the pages may. */
		first = ALIGN(start_pfn, search->align);
		unit = search->nr_pages;
	}
	if (first + unit > end_pfn)
		return 0;
	nr = (end_pfn - first) / unit;
	part = kvmalloc(struct_size(part, cost, nr), search->gfp);
	if (!part)
		return -ENOMEM;
	part->dmb = dmb;
	part->start_pfn = first;
	part->unit = unit;
	part->units = DIV_ROUND_UP(search->nr_pages, unit);
	part->nr = nr;
	for (i = 0; i < nr; i += DMB_UNITS_AT_ONCE) {
		dmb_mark_units(search, part, i, min(i + DMB_UNITS_AT_ONCE, nr));
		cond_resched();
	}
	dmb_find_free_units(part);
	list_add_tail(&part->node, &search->parts);
	return 0;
}

/**
 * dmb_search_begin - prepare to look for memory that is cheap to empty
 * @search: to be ended with dmb_search_end()
 * @nr_pages: size of each place to find
 * @align: alignment of the place in pages, a power of two
 * @gfp: flags to allocate the memory that the search needs
 * @area: the CMA area that the memory is for, or NULL
 *
 * dmb_search_add() says where to look.
 */
void dmb_search_begin(struct dmb_search *search, unsigned long nr_pages,
		      unsigned long align, gfp_t gfp, const struct cma *area)
{
	unsigned long unit;

	INIT_LIST_HEAD(&search->parts);
	/* In a CMA area, units above @align would waste part of the last. */
	unit = roundup_pow_of_two(min(nr_pages, area ? align :
						       pageblock_nr_pages));
	search->unit = clamp(unit, max(1UL, SZ_64K / PAGE_SIZE),
			     pageblock_nr_pages);
	search->nr_pages = nr_pages;
	search->align = align;
	search->gfp = gfp;
	search->area = area;
	search->estimated = false;
	search->stop = NULL;
}

/**
 * dmb_search_add - let a search look in what blocks have of a range
 * @search: what dmb_search_begin() has prepared
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame; all of them are in the CMA area of
 *	     the search, if it has one
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENXIO if no block has so many pages in the range; -ENOMEM.
 */
int dmb_search_add(struct dmb_search *search, unsigned long start_pfn,
		   unsigned long end_pfn)
{
	struct dmb *dmb = NULL;
	int err = 0;

	while (!err && (dmb = dmb_next(dmb)))
		if (start_pfn < dmb->end_pfn && dmb->start_pfn < end_pfn &&
		    search->nr_pages <= dmb_nr_pages(dmb))
			err = dmb_add_part(search, dmb,
					   max(start_pfn, dmb->start_pfn),
					   min(end_pfn, dmb->end_pfn));
	return err ?: list_empty(&search->parts) ? -ENXIO : 0;
}

void dmb_search_end(struct dmb_search *search)
{
	struct dmb_part *part, *next;

	list_for_each_entry_safe(part, next, &search->parts, node)
		kvfree(part);
}

/* Find the cheapest place in a part, if it costs less than *@best so far. */
static unsigned long dmb_search_part(const struct dmb_search *search,
				     const struct dmb_part *part, u64 *best)
{
	unsigned long first = 0, found = DMB_NO_PFN, i;
	u64 sum = 0;

	/* @sum is the cost of the units from @first to @i. */
	for (i = 0; i < part->nr && *best; i++) {
		unsigned long pfn;

		if (part->cost[i] >= DMB_COST_UNKNOWN) {
			first = i + 1;
			sum = 0;
			continue;
		}
		sum += part->cost[i];
		if (i - first == part->units)
			sum -= part->cost[first++];
		if (i - first < part->units - 1)
			continue;
		pfn = part->start_pfn + first * part->unit;
		if (IS_ALIGNED(pfn, search->align) && sum < *best) {
			*best = sum;
			found = pfn;
		}
	}
	return found;
}

/* Must a search end? One that must not block does so after some ms. */
static bool dmb_search_over(const struct dmb_search *search, unsigned long end)
{
	return (search->stop && READ_ONCE(*search->stop)) ||
	       (!gfpflags_allow_blocking(search->gfp) &&
		time_after(jiffies, end));
}

/* If the search ends early, the rest stays unknown. */
static void dmb_estimate_parts(struct dmb_search *search)
{
	const unsigned long end = jiffies + msecs_to_jiffies(DMB_QUICK_MS);
	struct dmb_part *part;
	unsigned long i, pfn;

	search->estimated = true;
	list_for_each_entry(part, &search->parts, node) {
		pfn = part->start_pfn;
		for (i = 0; i < part->nr; i++, pfn += part->unit) {
			if (dmb_search_over(search, end))
				return;
			if (part->cost[i] == DMB_COST_UNKNOWN)
				part->cost[i] = dmb_estimate(pfn, pfn + part->unit);
		}
	}
}

/**
 * dmb_search_next - find the place that is the cheapest to empty
 * @search: what dmb_search_begin() has prepared
 *
 * Context: Process context, may sleep.
 * Return: its first page frame, or DMB_NO_PFN if all places were excluded.
 */
unsigned long dmb_search_next(struct dmb_search *search)
{
	unsigned long pfn = DMB_NO_PFN, better;
	struct dmb_part *part;
	u64 best;

	do {
		best = U64_MAX;
		list_for_each_entry(part, &search->parts, node) {
			better = dmb_search_part(search, part, &best);
			if (better != DMB_NO_PFN)
				pfn = better;
			cond_resched();
		}
		if (pfn != DMB_NO_PFN || search->estimated)
			return pfn;
		/* No free place is left. */
		dmb_estimate_parts(search);
	} while (true);
}

/**
 * dmb_search_exclude - leave out a range from now on
 * @search: what dmb_search_begin() has prepared
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 *
 * This leaves out all of each unit that contains any of these page frames.
 */
void dmb_search_exclude(struct dmb_search *search, unsigned long start_pfn,
			unsigned long end_pfn)
{
	struct dmb_part *part;

	list_for_each_entry(part, &search->parts, node) {
		unsigned long first = max(start_pfn, part->start_pfn);
		unsigned long last = min(end_pfn, part->start_pfn +
						  part->nr * part->unit);
		unsigned long i = (first - part->start_pfn) / part->unit;

		for (; part->start_pfn + i * part->unit < last; i++)
			part->cost[i] = DMB_COST_NEVER;
	}
}

/* The sign of a pageblock, or '\0' if only the number of used pages matters */
static char dmb_map_sign(unsigned long pfn, unsigned long *used)
{
	unsigned long end_pfn = pfn + pageblock_nr_pages, next;

	for (; pfn < end_pfn; pfn = next) {
		struct page *page = pfn_to_page(pfn);

		next = pfn + dmb_buddy_pages(page);
		if (next > pfn)
			continue;
		next++;
		if (PageHWPoison(page))
			return 'x';
		if (dmb_page_cost(page) == DMB_COST_PINNED)
			return 'p';
		if (dmb_cma_allocated(pfn))
			return 'C';
		*used += !!page_ref_count(compound_head(page));
	}
	return '\0';
}

static char dmb_map_pageblock(unsigned long pfn)
{
	unsigned long used = 0, flags;
	char sign;

	if (dmb_claim_overlaps(pfn, pfn + pageblock_nr_pages))
		return 'C';
	if (!dmb_keep_online(pfn, pfn + pageblock_nr_pages, &flags))
		return 'o';
	sign = dmb_map_sign(pfn, &used);
	dmb_let_offline(flags);
	if (sign)
		return sign;
	return !used ? '.' : used < pageblock_nr_pages ? '-' : '#';
}

/**
 * dmb_show_map - write a map of blocks, a character for each pageblock
 * @seq: the file to write to
 * @start: physical address of the first byte to show
 * @end: one past the last; 0 if there is no limit
 *
 * "." is free, "-" partly and "#" fully in use, "C" has pages that a claim or
 * CMA has taken, "p" has a page that is pinned, "x" one that is poisoned, and
 * "o" is offline.
 *
 * Context: Process context, may sleep.
 */
void dmb_show_map(struct seq_file *seq, phys_addr_t start, phys_addr_t end)
{
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb))) {
		unsigned long first = max(dmb->start_pfn, PHYS_PFN(start)), pfn;
		unsigned long last = end ? min(dmb->end_pfn, PHYS_PFN(end)) :
					   dmb->end_pfn;

		first = pageblock_start_pfn(first);
		if (first >= last)
			continue;
		seq_printf(seq, "%s " DMB_RANGE_FMT " free %llu claimed %llu peak %llu\n",
			   dmb->name, dmb_first_byte(dmb->start_pfn),
			   dmb_last_byte(dmb->end_pfn),
			   (u64)PFN_PHYS(dmb_pool_free(dmb->pool)),
			   (u64)PFN_PHYS(READ_ONCE(dmb->claimed)),
			   (u64)PFN_PHYS(READ_ONCE(dmb->peak)));
		for (pfn = first; pfn < last; pfn += pageblock_nr_pages) {
			unsigned long nr = (pfn - first) / pageblock_nr_pages;

			seq_printf(seq, "%s%c", nr && nr % 64 == 0 ? "\n" : "",
				   dmb_map_pageblock(pfn));
			cond_resched();
		}
		seq_putc(seq, '\n');
	}
}
EXPORT_SYMBOL_GPL(dmb_show_map);
