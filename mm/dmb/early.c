// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps memblock's allocations out of the ranges that are to be blocks, as long as
 * there is other memory. tools/testing/memblock tests it in user space.
 */

#include <linux/kernel.h>
#include <linux/memblock.h>
#include <linux/pfn.h>

#include "boot.h"
#include "internal.h"

/* Does dmb_avoid_early() let early allocations have what was requested? */
static bool dmb_early_may_cut __initdata_memblock;

/**
 * dmb_avoid_early - keep an early allocation out of the requested ranges
 * @base: physical address where memblock would put the allocation
 * @size: size of the allocation in bytes
 * @bottom_up: whether memblock searches upwards
 * @start: first address of the range that memblock searches
 * @end: end of that range
 *
 * Context: memblock allocation.
 * Return: true if a requested range is in the way: @start or @end are moved to
 * its other side, and memblock has to repeat its search.
 */
bool __init_memblock dmb_avoid_early(phys_addr_t base, phys_addr_t size,
				     bool bottom_up, phys_addr_t *start,
				     phys_addr_t *end)
{
	struct dmb *dmb;

	if (dmb_early_may_cut)
		return false;
	dmb = dmb_table_first(&dmb_requests, PFN_DOWN(base),
			      PFN_UP(base + size));
	if (!dmb)
		return false;

	if (bottom_up)
		*start = PFN_PHYS(dmb->end_pfn);
	else	/* 0 would be MEMBLOCK_ALLOC_ACCESSIBLE; page 0 is never used */
		*end = max_t(phys_addr_t, PFN_PHYS(dmb->start_pfn), PAGE_SIZE);
	return true;
}

/**
 * dmb_find_requested - find memory for an array of memblock's when all is requested
 * @size: of the array, in bytes
 * @base: physical address of memory that it must not overlap
 * @end: end of that memory
 *
 * A block that has lost a piece is better than a reservation that is not made.
 *
 * Context: memblock, with arrays that can be walked.
 * Return: a physical address, or 0 if there is no memory, or no request.
 */
phys_addr_t __init_memblock dmb_find_requested(phys_addr_t size, phys_addr_t base,
					       phys_addr_t end)
{
	phys_addr_t first, last, found;
	u64 i;

	if (!dmb_requests.nr)
		return 0;
	for_each_free_mem_range_reverse(i, NUMA_NO_NODE, MEMBLOCK_NONE, &first,
					&last, NULL) {
		last = min(last, memblock_get_current_limit());
		if (last < size)
			continue;
		found = ALIGN_DOWN(last - size, PAGE_SIZE);
		if (found < end && base < found + size && base >= size)
			found = ALIGN_DOWN(base - size, PAGE_SIZE);
		if (found && found >= first &&
		    (found >= end || found + size <= base))
			return found;
	}
	return 0;
}

/**
 * dmb_alloc_requested - allocate early memory when all is requested
 * @size: size of the allocation in bytes
 * @align: its alignment in bytes
 * @start: lowest physical address
 * @end: highest physical address, or one of MEMBLOCK_ALLOC_*
 *
 * This is for those who have tried all other memory that would do. A block that
 * has lost a piece is better than a kernel that does not boot.
 *
 * Context: memblock allocation.
 * Return: the physical address, or 0 if there is no memory, or no request.
 */
phys_addr_t __init dmb_alloc_requested(phys_addr_t size, phys_addr_t align,
				       phys_addr_t start, phys_addr_t end)
{
	phys_addr_t found;

	if (!dmb_requests.nr)
		return 0;
	dmb_early_may_cut = true;
	found = memblock_alloc_range_nid(size, align, start, end, NUMA_NO_NODE,
					 false);
	dmb_early_may_cut = false;
	return found;
}

/**
 * dmb_alloc_between - dmb_alloc_requested(), unless the caller can do without
 * @size: size of the allocation in bytes
 * @align: its alignment in bytes
 * @min_addr: the address that the caller would like it to be above
 * @max_addr: the highest one, or one of MEMBLOCK_ALLOC_*
 *
 * Gigantic pages, which alone are aligned to more than a pageblock, are not worth
 * a piece of a block. Only sparse_early_usemaps_alloc_pgdat_section() gives two
 * addresses: it would like the memory to be between these, and tries all other
 * memory next.
 *
 * Context: memblock allocation.
 * Return: the physical address, or 0.
 */
phys_addr_t __init dmb_alloc_between(phys_addr_t size, phys_addr_t align,
				     phys_addr_t min_addr, phys_addr_t max_addr)
{
	if (align > DMB_MIN_ALIGNMENT_BYTES ||
	    (min_addr && max_addr > MEMBLOCK_ALLOC_NOLEAKTRACE))
		return 0;
	return dmb_alloc_requested(size, align, 0, max_addr);
}
