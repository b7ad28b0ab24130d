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

/* Let the next early allocation have what was requested? */
static bool dmb_early_may_cut __initdata_memblock;

/* Let none have it, although there may be no other memory? */
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
 * Return: true if a requested range is in the way: @start or @end are moved to
 * its other side, and memblock has to repeat its search.
 */
bool __init_memblock dmb_avoid_early(phys_addr_t base, phys_addr_t size,
				     bool bottom_up, phys_addr_t *start,
				     phys_addr_t *end)
{
	struct dmb *dmb;

	/* Not memblock's own array as well, which may have to grow because of that. */
	if (dmb_early_may_cut) {
		dmb_early_may_cut = false;
		return false;
	}
	/* memblock finds room for 0 bytes anywhere, and would again and again. */
	if (!size)
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
 * dmb_let_early_in - let the next search find what was requested
 *
 * A block that has lost a piece is better than a reservation that is not made, or a
 * kernel that does not boot.
 *
 * Context: memblock, when it has found no other memory.
 * Return: true if the search is to be repeated; false if there is no request, or if
 * that has been in vain, too.
 */
bool __init_memblock dmb_let_early_in(void)
{
	dmb_early_may_cut = !dmb_early_may_cut && dmb_requests.nr;
	return dmb_early_may_cut;
}

/**
 * dmb_alloc_requested - allocate early memory when no other is free
 * @size: size of the allocation in bytes
 * @align: its alignment in bytes
 * @start: lowest physical address
 * @end: highest physical address, or one of MEMBLOCK_ALLOC_*
 *
 * This is for those who have tried all other memory that would do.
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
 * dmb_spare_blocks - have early allocations fail that would take a piece of a block
 * @spare: from now on, or no longer
 *
 * The caller looks elsewhere for memory then.
 *
 * Context: Boot, before dmb_designate(). Not nested.
 * Return: true if blocks have been spared up to now, and there is a request for one.
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
 * @min_addr: the address that the caller would like it to be above
 * @max_addr: the highest one, or one of MEMBLOCK_ALLOC_*
 *
 * Gigantic pages are not worth a piece of a block; who else wants more than a
 * pageblock at once can do with less. On architectures that have blocks, only
 * sparse_early_usemaps_alloc_pgdat_section() limits the place from both sides: it
 * would like the memory to be there, and tries all other memory next.
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
