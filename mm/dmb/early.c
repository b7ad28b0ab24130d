// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps memblock's allocations out of the ranges that are to be blocks, as long
 * as there is other memory. tools/testing/memblock tests it in user space.
 */

#include <linux/kernel.h>
#include <linux/memblock.h>
#include <linux/pfn.h>

#include "boot.h"
#include "internal.h"

/* May the next early allocation take a piece of a request? */
static bool dmb_early_may_cut __initdata_memblock;

/* Must early allocations fail rather than take a piece of a request? */
static bool dmb_spared __initdata;

/**
 * dmb_avoid_early - keep an early allocation out of the requested ranges
 * @base: physical address where memblock would put the allocation
 * @size: size of the allocation in bytes
 * @bottom_up: whether memblock searches upwards
 * @start: first address of the range that memblock searches
 * @end: end of that range
 *
 * Context: memblock allocation.
 * Return: true if a requested range is in the way: @start or @end has moved
 * past it, and memblock has to repeat its search.
 */
bool __init_memblock dmb_avoid_early(phys_addr_t base, phys_addr_t size,
				     bool bottom_up, phys_addr_t *start,
				     phys_addr_t *end)
{
	struct dmb *dmb;

	/*
	 * Clear this at once: the allocation may make memblock's own array
	 * grow, which should not take a piece as well.
	 */
	if (dmb_early_may_cut) {
		dmb_early_may_cut = false;
		return false;
	}
	/* memblock would find the same place for 0 bytes forever. */
	if (!size)
		return false;
	dmb = dmb_table_first(&dmb_requests, PFN_DOWN(base),
			      PFN_DOWN(base + size - 1) + 1);
	if (!dmb)
		return false;

	if (bottom_up)
		*start = PFN_PHYS(dmb->end_pfn);
	else	/* 0 would be MEMBLOCK_ALLOC_ACCESSIBLE; page 0 is never used */
		*end = max_t(phys_addr_t, PFN_PHYS(dmb->start_pfn), PAGE_SIZE);
	return true;
}

/**
 * dmb_let_early_in - let memblock's next search find memory of requests
 *
 * A block that has lost a piece is better than a kernel that does not boot.
 *
 * Context: memblock, when it has found no other memory.
 * Return: true if memblock is to repeat its search; false if there is no
 * request, or if the repeated search has failed.
 */
bool __init_memblock dmb_let_early_in(void)
{
	dmb_early_may_cut = !dmb_early_may_cut && dmb_requests.nr;
	return dmb_early_may_cut;
}

/**
 * dmb_alloc_requested - allocate early memory, even in a requested range
 * @size: size of the allocation in bytes
 * @align: its alignment in bytes
 * @start: lowest physical address
 * @end: highest physical address, or one of MEMBLOCK_ALLOC_*
 *
 * The caller has tried all other memory that it can use.
 *
 * Context: memblock allocation.
 * Return: the physical address, or 0 if there is no memory, or no request.
 */
phys_addr_t __init dmb_alloc_requested(phys_addr_t size, phys_addr_t align,
				       phys_addr_t start, phys_addr_t end)
{
	phys_addr_t found;

	if (dmb_spared || !dmb_let_early_in())
		return 0;
	found = memblock_alloc_range_nid(size, align, start, end, NUMA_NO_NODE,
					 false);
	dmb_early_may_cut = false;
	return found;
}

/**
 * dmb_spare_blocks - let no early allocation take a piece of a request
 * @spare: true to begin, false to end that
 *
 * Allocations fail instead, so that the caller can look elsewhere for memory.
 *
 * Context: Boot, before the ranges become blocks. Not nested.
 * Return: true if requests were spared until now, and if there are any.
 */
bool __init dmb_spare_blocks(bool spare)
{
	bool spared = dmb_spared;

	dmb_spared = spare;
	return spared && dmb_requests.nr;
}

/**
 * dmb_alloc_between - dmb_alloc_requested(), unless the caller can do without
 * @size: size of the allocation in bytes
 * @align: its alignment in bytes
 * @min_addr: the lowest address that the caller prefers
 * @max_addr: the highest one, or one of MEMBLOCK_ALLOC_*
 *
 * Gigantic pages are not worth a piece of a block, and other callers that align
 * to more than a pageblock can do with less. On architectures that have blocks,
 * only sparse_early_usemaps_alloc_pgdat_section() limits the place from both
 * sides, and it tries all other memory next.
 *
 * Context: memblock allocation.
 * Return: the physical address, or 0.
 */
phys_addr_t __init dmb_alloc_between(phys_addr_t size, phys_addr_t align,
				     phys_addr_t min_addr, phys_addr_t max_addr)
{
	bool limited = max_addr > MEMBLOCK_ALLOC_NOLEAKTRACE &&
		       max_addr < memblock_get_current_limit();

	if (align > DMB_MIN_ALIGNMENT_BYTES || (min_addr && limited))
		return 0;
	return dmb_alloc_requested(size, align, 0, max_addr);
}
