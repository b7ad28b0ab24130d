// SPDX-License-Identifier: GPL-2.0
/*
 * CMA areas in blocks. Their memory is not set aside: it serves all requests
 * that may use designated pages, until cma_alloc() takes some of it.
 */

#include <linux/cma.h>
#include <linux/dmb.h>
#include <linux/memblock.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "../cma.h"
#include "internal.h"

/* The areas in blocks, by their index in cma_areas[] */
static DECLARE_BITMAP(dmb_areas, MAX_CMA_AREAS);

/* The areas in blocks that belong to hugetlb */
static DECLARE_BITMAP(dmb_hugetlb_areas, MAX_CMA_AREAS);

/* Put the areas of hugetlb_cma= into blocks? */
bool hugetlb_dmb __initdata;

static bool dmb_area_designated(const struct cma *cma)
{
	return test_bit(cma - cma_areas, dmb_areas);
}

/**
 * struct dmb_area_part - a range of page frames that belongs to an area
 * @cma: the area
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 */
struct dmb_area_part {
	const struct cma *cma;
	unsigned long start_pfn;
	unsigned long end_pfn;
};

/*
 * The parts of the areas in blocks. An area extends from its first part to its
 * last. What is not in a part, and in a block, is marked as allocated.
 */
static struct dmb_area_part dmb_area_parts[2 * MAX_CMA_AREAS];
static unsigned int dmb_nr_area_parts;

/* Does any area in a block have a part of this range? */
static bool dmb_part_exists(unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned int i;

	for (i = 0; i < dmb_nr_area_parts; i++) {
		const struct dmb_area_part *part = &dmb_area_parts[i];

		/* An area that could not be activated has no pages. */
		if (part->cma->count && part->start_pfn < end_pfn &&
		    start_pfn < part->end_pfn)
			return true;
	}
	return false;
}

struct dmb_range {
	unsigned long start_pfn;
	unsigned long end_pfn;
};

static int dmb_area_overlaps(struct cma *cma, void *data)
{
	const struct dmb_range *range = data;

	return !dmb_area_designated(cma) && cma->count &&
	       cma->base_pfn < range->end_pfn &&
	       range->start_pfn < cma->base_pfn + cma->count;
}

/* Is there a CMA area with pages in this range, in use or not? */
bool dmb_area_exists(unsigned long start_pfn, unsigned long end_pfn)
{
	struct dmb_range range = { .start_pfn = start_pfn, .end_pfn = end_pfn };

	return dmb_part_exists(start_pfn, end_pfn) ||
	       cma_for_each_area(dmb_area_overlaps, &range);
}

/* Has cma_alloc() taken this page frame out of a block? */
bool dmb_cma_allocated(unsigned long pfn)
{
	unsigned int i;

	for (i = 0; i < dmb_nr_area_parts; i++) {
		const struct dmb_area_part *part = &dmb_area_parts[i];

		/* An area without a bitmap could not be activated. */
		if (part->cma->bitmap && pfn >= part->start_pfn &&
		    pfn < part->end_pfn && pfn >= part->cma->base_pfn &&
		    pfn < part->cma->base_pfn + part->cma->count &&
		    dmb_contains_pfn(pfn))
			return dmb_area_used(part->cma, pfn, pfn + 1);
	}
	return false;
}

static void __init dmb_add_part(const struct cma *cma, unsigned long start_pfn,
				unsigned long end_pfn)
{
	dmb_area_parts[dmb_nr_area_parts++] = (struct dmb_area_part) {
		.cma = cma, .start_pfn = start_pfn, .end_pfn = end_pfn,
	};
}

/**
 * dmb_note_area - note whether a new CMA area will be in a block
 * @cma: the area, which cma_init_reserved_mem() has found to be reserved, or to
 *	 be part of a range that is requested as a block
 *
 * CmaTotal does not include areas in blocks, as CmaFree does not include their
 * free pages.
 *
 * Context: Boot, before the blocks are made.
 */
void __init dmb_note_area(struct cma *cma)
{
	if (memblock_is_region_reserved(PFN_PHYS(cma->base_pfn),
					PFN_PHYS(cma->count)))
		return;
	__set_bit(cma - cma_areas, dmb_areas);
	totalcma_pages -= cma->count;
	dmb_add_part(cma, cma->base_pfn, cma->base_pfn + cma->count);
}

/**
 * dmb_extend_area - add another range to a CMA area in a block
 * @cma: the area
 * @base: of the range, in bytes, whole pageblocks requested as a block
 * @size: in bytes
 *
 * Context: Boot, before the blocks are made.
 * Return: true; false if the area is not in a block, or there are too many.
 */
bool __init dmb_extend_area(struct cma *cma, phys_addr_t base, phys_addr_t size)
{
	unsigned long start_pfn = PHYS_PFN(base);
	unsigned long end_pfn = start_pfn + PHYS_PFN(size);
	unsigned long last_pfn = cma->base_pfn + cma->count;
	unsigned int nr_areas = bitmap_weight(dmb_areas, MAX_CMA_AREAS);

	/* Each area that is not noted yet needs an entry. */
	if (!dmb_area_designated(cma) ||
	    dmb_nr_area_parts - nr_areas == MAX_CMA_AREAS)
		return false;
	dmb_add_part(cma, start_pfn, end_pfn);
	cma->base_pfn = min(cma->base_pfn, start_pfn);
	cma->count = max(last_pfn, end_pfn) - cma->base_pfn;
	return true;
}

/**
 * dmb_declare_area - declare a CMA area of hugetlb, if possible in a block
 * @size: in bytes
 * @align: in bytes, a power of two
 * @order_per_bit: see cma_init_reserved_mem()
 * @name: of the area
 * @res_cma: set to the area
 * @nid: the node, or NUMA_NO_NODE
 *
 * Context: Boot, before the blocks are made, when memblock knows the nodes.
 * Return: 0, or a negative error.
 */
int __init dmb_declare_area(phys_addr_t size, phys_addr_t align,
			    unsigned int order_per_bit, const char *name,
			    struct cma **res_cma, int nid)
{
	phys_addr_t base = dmb_find_area(size, align, nid);
	int err;

	if (!base) {
		pr_warn("dmb: no block on node %d has room for the CMA area %s of %llu MiB, trying ordinary memory\n",
			nid, name, (u64)size / SZ_1M);
		return cma_declare_contiguous_nid(0, size, 0, align, order_per_bit,
						  false, name, res_cma, nid);
	}
	err = cma_init_reserved_mem(base, size, order_per_bit, name, res_cma);
	if (!err)
		__set_bit(*res_cma - cma_areas, dmb_hugetlb_areas);
	return err;
}

static int __init dmb_parse_hugetlb_dmb(char *value)
{
	hugetlb_dmb = true;
	return value ? kstrtobool(value, &hugetlb_dmb) : 0;
}
early_param("hugetlb_dmb", dmb_parse_hugetlb_dmb);

/* The bit of a page frame in the bitmap of its area */
static unsigned long dmb_area_bit(const struct cma *cma, unsigned long pfn)
{
	return (pfn - cma->base_pfn) >> cma->order_per_bit;
}

/* The end of the part of an area from @pfn on that is in a block, or @pfn */
static unsigned long __init dmb_end_of_part(const struct cma *cma,
					    unsigned long pfn)
{
	unsigned int i;

	if (!dmb_contains_pfn(pfn))
		return pfn;
	for (i = 0; i < dmb_nr_area_parts; i++) {
		const struct dmb_area_part *part = &dmb_area_parts[i];

		if (part->cma == cma && pfn >= part->start_pfn &&
		    pfn < part->end_pfn)
			return min(pageblock_end_pfn(pfn), part->end_pfn);
	}
	return pfn;
}

/*
 * Let a part of an area begin and end with memory that is in a block. Memory
 * beyond that is not in the area if it becomes a block later. Return the number
 * of pages that are in a block.
 */
static unsigned long __init dmb_trim_part(struct dmb_area_part *part)
{
	unsigned long pfn = part->start_pfn, end_pfn = part->end_pfn, next;
	unsigned long pages = 0;

	part->end_pfn = pfn;
	for (; pfn < end_pfn; pfn = next) {
		next = min(pageblock_end_pfn(pfn), end_pfn);
		if (!dmb_contains_pfn(pfn))
			continue;
		if (!pages)
			part->start_pfn = pfn;
		part->end_pfn = next;
		pages += next - pfn;
	}
	return pages;
}

/*
 * Let an area extend from its first page in a block to its last. Return the
 * number of its pages that are in a block, and in *@asked of all of them.
 */
static unsigned long __init dmb_trim_area(struct cma *cma, unsigned long *asked)
{
	unsigned long first_pfn = ULONG_MAX, last_pfn = 0, pages = 0, nr;
	unsigned int i;

	*asked = 0;
	for (i = 0; i < dmb_nr_area_parts; i++) {
		struct dmb_area_part *part = &dmb_area_parts[i];

		if (part->cma != cma)
			continue;
		*asked += part->end_pfn - part->start_pfn;
		nr = dmb_trim_part(part);
		if (!nr) {
			part->start_pfn = 0;
			part->end_pfn = 0;
			continue;
		}
		pages += nr;
		first_pfn = min(first_pfn, part->start_pfn);
		last_pfn = max(last_pfn, part->end_pfn);
	}
	cma->count = 0;
	if (pages) {
		cma->base_pfn = first_pfn;
		cma->count = last_pfn - first_pfn;
	}
	return pages;
}

/* Mark what is not in a part of the area, or not in a block. */
static void __init dmb_mark_holes(struct cma *cma)
{
	unsigned long pfn = cma->base_pfn, end_pfn = pfn + cma->count, next;

	for (; pfn < end_pfn; pfn = next) {
		next = dmb_end_of_part(cma, pfn);
		if (next > pfn)
			continue;
		next = min(pageblock_end_pfn(pfn), end_pfn);
		bitmap_set(cma->bitmap, dmb_area_bit(cma, pfn),
			   dmb_area_bit(cma, next - 1) -
			   dmb_area_bit(cma, pfn) + 1);
	}
}

/**
 * dmb_activate_area - activate an area if it is in blocks
 * @cma: any area
 *
 * Since dmb_note_area(), a block may have been refused, trimmed, or divided at
 * a border of zones. An area of several ranges has what is left. Another one is
 * not activated unless all of it is in blocks.
 *
 * Context: Boot, after the blocks were made.
 * Return: false if CMA has to activate the area, as it was not to be in a block.
 */
bool __init dmb_activate_area(struct cma *cma)
{
	unsigned long asked, whole = cma->count, pages;

	if (!dmb_area_designated(cma))
		return false;
	pages = dmb_trim_area(cma, &asked);
	/*
	 * cma_release() takes any page between the ends of an area for one of
	 * the area. Only heaps, which have several parts, cope with holes.
	 */
	if (pages && (pages == whole || asked != whole))
		cma->bitmap = kvcalloc(BITS_TO_LONGS(cma_bitmap_maxno(cma)),
				       sizeof(long), GFP_KERNEL);
	if (!cma->bitmap)
		cma->count = 0;
	else
		dmb_mark_holes(cma);
	if (!cma->count)
		pr_warn("dmb: the memory of CMA area %s is not in a block, or not all\n",
			cma->name);
	else if (pages < asked)
		pr_warn("dmb: CMA area %s has %llu of %llu MiB, as the rest is not in a block\n",
			cma->name, (u64)PFN_PHYS(pages) / SZ_1M,
			(u64)PFN_PHYS(asked) / SZ_1M);
	return true;
}

#ifdef CONFIG_DMABUF_HEAPS_CMA
static int dmb_add_heap(struct cma *cma, void *add)
{
	int (*fn)(struct cma *cma, void *data) = add;
	int err;

	/* An area without a bitmap could not be activated. */
	if (!dmb_area_designated(cma) || !cma->bitmap ||
	    test_bit(cma - cma_areas, dmb_hugetlb_areas))
		return 0;
	err = fn(cma, NULL);
	if (err)
		pr_warn("dmb: no DMA-BUF heap for CMA area %s: %d\n", cma->name,
			err);
	return 0;
}

/**
 * dmb_add_heaps - make DMA-BUF heaps of the CMA areas in blocks
 * @fn: makes a heap of an area; returns 0 or an error; called with NULL as its
 *	second argument
 *
 * Context: Process context, after the areas were activated.
 */
void dmb_add_heaps(int (*fn)(struct cma *cma, void *data))
{
	cma_for_each_area(dmb_add_heap, fn);
}
#endif

/* The number of bits for @count pages */
static unsigned long dmb_area_bits(const struct cma *cma, unsigned long count)
{
	return DIV_ROUND_UP(count, 1UL << cma->order_per_bit);
}

/**
 * dmb_area_used - has an area in a block given away some of its pages?
 * @cma: the area
 * @start_pfn: first page frame, in the area
 * @end_pfn: one past the last page frame, in the area
 *
 * Context: Any; without cma->lock, the answer may be outdated.
 * Return: true if so.
 */
bool dmb_area_used(const struct cma *cma, unsigned long start_pfn,
		   unsigned long end_pfn)
{
	unsigned long first = dmb_area_bit(cma, start_pfn);
	unsigned long last = dmb_area_bit(cma, end_pfn - 1);

	return find_next_bit(cma->bitmap, last + 1, first) <= last;
}

/* Mark pages of an area as taken. Return false if some of them already are. */
static bool dmb_mark_area(struct cma *cma, unsigned long pfn,
			  unsigned long count)
{
	guard(spinlock_irqsave)(&cma->lock);
	if (dmb_area_used(cma, pfn, pfn + count))
		return false;
	bitmap_set(cma->bitmap, dmb_area_bit(cma, pfn),
		   dmb_area_bits(cma, count));
	return true;
}

static void dmb_unmark_area(struct cma *cma, unsigned long pfn,
			    unsigned long count)
{
	guard(spinlock_irqsave)(&cma->lock);
	bitmap_clear(cma->bitmap, dmb_area_bit(cma, pfn),
		     dmb_area_bits(cma, count));
}

/* The first place from @pfn on that CMA has not taken; DMB_NO_PFN for none */
static unsigned long dmb_free_in_area(struct cma *cma, unsigned long pfn,
				      unsigned long count, unsigned int order)
{
	const unsigned long mask = (1UL << (order - cma->order_per_bit)) - 1;
	const unsigned long offset = (cma->base_pfn & ((1UL << order) - 1)) >>
				     cma->order_per_bit;
	unsigned long bit;

	guard(spinlock_irqsave)(&cma->lock);
	bit = bitmap_find_next_zero_area_off(cma->bitmap, cma_bitmap_maxno(cma),
					     dmb_area_bit(cma, pfn),
					     dmb_area_bits(cma, count), mask,
					     offset);
	return bit < cma_bitmap_maxno(cma) ?
	       cma->base_pfn + (bit << cma->order_per_bit) : DMB_NO_PFN;
}

/* The same, but leave out claims, and places that are not all in one block */
static unsigned long dmb_next_in_area(struct cma *cma, unsigned long pfn,
				      unsigned long count, unsigned int order)
{
	unsigned long end_pfn;

	for (;;) {
		pfn = dmb_free_in_area(cma, pfn, count, order);
		if (pfn == DMB_NO_PFN)
			return pfn;
		end_pfn = dmb_claim_overlaps(pfn, pfn + count);
		/* Blocks of two zones may touch. */
		if (!end_pfn && !dmb_block_holding(pfn, pfn + count))
			end_pfn = dmb_first_block(pfn, pfn + 1)->end_pfn;
		if (!end_pfn)
			return pfn;
		pfn = ALIGN(end_pfn, 1UL << cma->order_per_bit);
	}
}

/* Take a place in an area. On failure, @attempt says what was in the way. */
static int dmb_take_in_area(struct cma *cma, unsigned long pfn,
			    unsigned long count, struct dmb_attempt *attempt)
{
	int err;

	attempt->start_pfn = pfn;
	attempt->end_pfn = pfn + count;
	attempt->busy_pfn = pfn;
	attempt->isolated = false;
	/* Another cma_alloc() has taken the place: do not wait for it. */
	if (!dmb_mark_area(cma, pfn, count))
		return -EAGAIN;
	err = dmb_take(attempt);
	if (err)
		dmb_unmark_area(cma, pfn, count);
	return err;
}

/*
 * Try places in an area, with @search the cheapest to empty first. Return 0,
 * the last error, or -ENOSPC if there is no place. A search only finds places
 * that begin with one of its units.
 */
static int dmb_try_places(struct cma *cma, unsigned long count, unsigned int order,
			  struct dmb_attempt *attempt, struct dmb_search *search)
{
	const unsigned long bit_pages = 1UL << cma->order_per_bit;
	unsigned long pfn = cma->base_pfn, began = jiffies;
	unsigned int failures = 0;
	int err = -ENOSPC;

	while (!dmb_give_up(attempt, failures, err, began)) {
		pfn = search ? dmb_search_next(search) :
			       dmb_next_in_area(cma, pfn, count, order);
		if (pfn == DMB_NO_PFN)
			break;
		err = dmb_take_in_area(cma, pfn, count, attempt);
		if (!err)
			break;
		if (err != -EAGAIN && (err == -ENOMEM || !dmb_try_elsewhere(err)))
			break;
		failures += err != -EAGAIN;
		/* Other places that include the same page would fail, too. */
		pfn = search && err != -EAGAIN ?
		      ALIGN(dmb_obstacle_end(attempt), bit_pages) :
		      attempt->busy_pfn + bit_pages;
		if (search)
			dmb_search_exclude(search, attempt->busy_pfn, pfn);
	}
	return err == -EAGAIN ? -EBUSY : err;
}

/* Let a search look in all parts of an area. */
static int dmb_search_area(struct dmb_search *search, const struct cma *cma)
{
	int err = -ENXIO;
	unsigned int i;

	for (i = 0; i < dmb_nr_area_parts && err != -ENOMEM; i++)
		if (dmb_area_parts[i].cma == cma)
			err = dmb_search_add(search, dmb_area_parts[i].start_pfn,
					     dmb_area_parts[i].end_pfn);
	return err;
}

/*
 * Take the cheapest place of an area. For small buffers, take the first place,
 * so that they stay close together and leave room for large ones.
 */
static int dmb_try_area(struct cma *cma, unsigned long count, unsigned int order,
			struct dmb_attempt *attempt)
{
	const gfp_t gfp = (attempt->gfp & GFP_KERNEL) | __GFP_NOWARN;
	struct dmb_search search;
	int err = -ENOSPC;

	if (count >= SZ_64K / PAGE_SIZE) {
		dmb_search_begin(&search, count, 1UL << order, gfp, cma);
		if (!dmb_search_area(&search, cma))
			err = dmb_try_places(cma, count, order, attempt,
					     &search);
		dmb_search_end(&search);
	}
	if (err == -ENOSPC)
		err = dmb_try_places(cma, count, order, attempt, NULL);
	return err == -ENOSPC ? -ENOMEM : err;
}

/**
 * dmb_area_alloc - allocate memory in a CMA area that is in a block
 * @cma: the area
 * @count: in pages
 * @align: order of the alignment
 * @gfp: as for alloc_contig_range()
 * @pfn: set to the first page frame
 *
 * This first tries all places without waiting, and only then waits for pages.
 *
 * Context: Process context, may sleep and do I/O as far as @gfp lets it.
 * Return: 0, or the error for cma_alloc() to report.
 */
int dmb_area_alloc(struct cma *cma, unsigned long count, unsigned int align,
		   gfp_t gfp, unsigned long *pfn)
{
	const unsigned int order = max(align, cma->order_per_bit);
	struct dmb_attempt attempt = {
		.migratetype = MIGRATE_CMA,
		.gfp = dmb_quick_gfp(gfp),
		.quick = true,
	};
	int err;

	might_alloc(gfp);
	err = dmb_try_area(cma, count, order, &attempt);
	if (err && dmb_try_elsewhere(err)) {
		attempt.gfp = gfp;
		attempt.quick = false;
		err = dmb_try_area(cma, count, order, &attempt);
	}
	if (err)
		return err;
	*pfn = attempt.start_pfn;
	__dmb_count_taken(*pfn, count);
	return 0;
}

/*
 * Refuse to take memory of an area in a block offline: cma_alloc() expects all
 * of an area to be online. Page isolation refuses this only for other areas.
 */
static int dmb_area_event(struct notifier_block *nb, unsigned long action,
			  void *data)
{
	const struct memory_notify *memory = data;
	unsigned long start_pfn = memory->start_pfn;
	unsigned long end_pfn = start_pfn + memory->nr_pages;

	if (action != MEM_GOING_OFFLINE)
		return NOTIFY_DONE;
	if (!dmb_part_exists(start_pfn, end_pfn))
		return NOTIFY_OK;
	pr_info("dmb: " DMB_RANGE_FMT " stays online: there is a CMA area in it\n",
		dmb_first_byte(start_pfn), dmb_last_byte(end_pfn));
	return notifier_from_errno(-EBUSY);
}

static int __init dmb_area_init(void)
{
	hotplug_memory_notifier(dmb_area_event, DEFAULT_CALLBACK_PRI);
	return 0;
}
subsys_initcall(dmb_area_init);
