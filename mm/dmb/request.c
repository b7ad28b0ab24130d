// SPDX-License-Identifier: GPL-2.0
/*
 * Checks and notes requests for blocks. early.c keeps early memory out of them,
 * and boot.c turns them into blocks.
 *
 * Nothing here reserves memory in memblock, so that dmb_designate() sees all
 * reservations of others inside a requested range.
 */

#define pr_fmt(fmt) "dmb: " fmt

#include <linux/dmb.h>
#include <linux/kernel.h>
#include <linux/memblock.h>
#include <linux/overflow.h>
#include <linux/sizes.h>

#include "boot.h"
#include "internal.h"

/* dmb_designate() replaces the requests with the blocks that it makes. */
struct dmb_table dmb_requests __initdata_memblock;
static struct dmb dmb_request_memory[DMB_MAX_BLOCKS] __initdata;

/* dmb_check_request() writes refusals with figures to this buffer. */
static char dmb_why[96 + DMB_NAME_LEN];

/* Return the name of a block, or of the node or option that requested it. */
static const char *dmb_source(const struct dmb *request)
{
	return request->name[0] ? request->name : "movablecore=";
}

/**
 * dmb_check_request - may a range be requested as a block?
 * @requests: the requests noted already, or the blocks
 * @base: physical address of the first byte of the range
 * @size: size of the range in bytes
 *
 * This checks only the numbers, because memblock may not know the memory yet.
 *
 * Context: Boot, or dmb_change_lock held.
 * Return: NULL, or the reason why not, which is valid until the next call.
 */
const char *dmb_check_request(struct dmb_table *requests, u64 base, u64 size)
{
	const u64 align = DMB_MIN_ALIGNMENT_BYTES;
	struct dmb *dmb;
	u64 last;

	if (!size)
		return "size is zero";
	/* The page frame behind the range has to fit into an unsigned long. */
	if (check_add_overflow(base, size - 1, &last) ||
	    last > PFN_PHYS(ULONG_MAX) - align)
		return "runs past the end of the address space";

	if (!IS_ALIGNED(base | size, align)) {
		u64 start = ALIGN_DOWN(base, align);
		u64 end = ALIGN(last + 1, align);

		snprintf(dmb_why, sizeof(dmb_why),
			 "not aligned to %lluM, %lluM@%#llx would do",
			 align / SZ_1M, (end - start) / SZ_1M, start);
		return dmb_why;
	}

	dmb = dmb_table_first(requests, PHYS_PFN(base), PHYS_PFN(last) + 1);
	if (dmb) {
		snprintf(dmb_why, sizeof(dmb_why),
			 "overlaps " DMB_RANGE_FMT " of %s",
			 dmb_first_byte(dmb->start_pfn),
			 dmb_last_byte(dmb->end_pfn), dmb_source(dmb));
		return dmb_why;
	}

	if (requests->nr == DMB_MAX_BLOCKS) {
		snprintf(dmb_why, sizeof(dmb_why),
			 "the table of %d ranges is full", DMB_MAX_BLOCKS);
		return dmb_why;
	}
	return NULL;
}

/**
 * dmb_request - ask for a block
 * @base: physical address of the first byte of the range
 * @size: size of the range in bytes
 * @name: name for the block, or NULL to have it numbered
 *
 * Context: Boot, before the ranges become blocks.
 * Return: NULL, or the reason for the refusal, as dmb_check_request() does.
 */
const char * __init dmb_request(u64 base, u64 size, const char *name)
{
	const char *why = dmb_check_request(&dmb_requests, base, size);

	if (!why)
		dmb_table_add(&dmb_requests,
			      &dmb_request_memory[dmb_requests.nr],
			      PHYS_PFN(base),
			      PHYS_PFN(base + size), name);
	return why;
}

/**
 * dmb_holds_area - is all of a range requested as blocks?
 * @base: physical address of the first byte of the range
 * @size: size of the range in bytes
 *
 * A CMA area in such a range needs no reservation.
 *
 * Context: Boot.
 * Return: true if each page of the range is in a request.
 */
bool __init dmb_holds_area(u64 base, u64 size)
{
	/* Devicetrees have larger addresses than 32-bit kernels. */
	return base + size > base &&
	       base + size - 1 <= PFN_PHYS(ULONG_MAX) &&
	       dmb_table_intersects(&dmb_requests, PHYS_PFN(base),
				    PHYS_PFN(base + size)) == DMB_INTERSECTS;
}

/**
 * dmb_announce_part - is a range a part of what has been requested already?
 * @base: physical address of the first byte of the range
 * @size: size of the range in bytes
 * @name: name of the node that has the range, for the log
 *
 * If it is, log the request that the range begins in.
 *
 * Context: Boot, before dmb_designate().
 * Return: true if all of the range is requested already.
 */
bool __init dmb_announce_part(u64 base, u64 size, const char *name)
{
	const struct dmb *request;

	if (!dmb_holds_area(base, size))
		return false;
	request = dmb_table_first(&dmb_requests, PHYS_PFN(base),
				  PHYS_PFN(base + size));
	pr_info("%s is a part of " DMB_RANGE_FMT " of %s\n", name,
		dmb_first_byte(request->start_pfn),
		dmb_last_byte(request->end_pfn), dmb_source(request));
	return true;
}

static bool __init dmb_crosses_4g(unsigned long start_pfn,
				  unsigned long end_pfn)
{
	const u64 border = PHYS_PFN(1ULL << 32);

	return start_pfn < border && border < end_pfn;
}

/**
 * dmb_find_area - find room for a CMA area in what is requested as blocks
 * @size: size of the area in bytes
 * @align: alignment of the area in bytes, a power of two
 * @nid: node that the area has to be on, or NUMA_NO_NODE
 *
 * The zones do not exist yet. Nearly all architectures have a border of zones
 * at 4 GiB, where a block is divided. An area across the border would be lost.
 *
 * Context: Boot, before dmb_designate(), when memblock knows the nodes.
 * Return: a physical address for cma_init_reserved_mem(), or 0 if no request
 * has room.
 */
phys_addr_t __init dmb_find_area(phys_addr_t size, phys_addr_t align, int nid)
{
	unsigned long pages = PHYS_PFN(size), step = PHYS_PFN(align);
	phys_addr_t start, end;
	unsigned long pfn;
	unsigned int r;
	u64 i;

	/* MEMBLOCK_HOTPLUG: see dmb_usable_pages() */
	for_each_free_mem_range(i, nid, MEMBLOCK_HOTPLUG, &start, &end, NULL) {
		for (r = 0; r < dmb_requests.nr; r++) {
			struct dmb *dmb = dmb_requests.block[r];
			unsigned long end_pfn = min_t(unsigned long,
						      PFN_DOWN(end),
						      dmb->end_pfn);

			pfn = ALIGN(max_t(unsigned long, PFN_UP(start),
					  dmb->start_pfn), step);
			for (; pfn + pages <= end_pfn; pfn += step)
				if (!dmb_crosses_4g(pfn, pfn + pages) &&
				    !dmb_area_exists(pfn, pfn + pages))
					return PFN_PHYS(pfn);
		}
	}
	return 0;
}

/**
 * dmb_reserve - ask for a designated movable block
 * @base: physical address of the first byte of the range
 * @size: size of the range in bytes
 * @name: the block's name
 *
 * Base and size must be multiples of DMB_MIN_ALIGNMENT_BYTES.  Parts of the
 * range that are not free RAM are left out of the block.
 *
 * Context: Boot, before the ranges become blocks; single-threaded.
 * Return: 0, or -EINVAL if the range cannot be a block.  The log says why.
 */
int __init dmb_reserve(u64 base, u64 size, const char *name)
{
	const char *why = dmb_request(base, size, name);

	if (!why)
		return 0;
	pr_warn("%s refused: %s\n", name, why);
	return -EINVAL;
}
