// SPDX-License-Identifier: GPL-2.0
/*
 * Requests for blocks: checking and noting them, keeping early memory out of
 * them, and telling which of their pageblocks can be designated. zone.c hands
 * in the functions that judge a pageblock and make a block.
 *
 * Nothing here reserves memory: memblock's own picture of it stays as it is,
 * and dmb_designate() sees who has reserved a given address inside a requested
 * range.
 */

#define pr_fmt(fmt) "dmb: " fmt

#include <linux/crash_reserve.h>
#include <linux/dmb.h>
#include <linux/initrd.h>
#include <linux/kernel.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sizes.h>
#include <asm/sections.h>

#include "boot.h"
#include "internal.h"

/* dmb_refuse_excess() leaves the kernel the larger one of these. */
#define DMB_KERNEL_MIN_BYTES	SZ_64M
#define DMB_KERNEL_MIN_SHARE	16

static struct dmb_table dmb_requests __initdata_memblock;

/* dmb_check_request() writes refusals that have figures in them here. */
static char dmb_why[96 + DMB_NAME_LEN] __initdata;

/* Name whoever has made a request, for messages: a node or the command line. */
static const char * __init dmb_source(const struct dmb *request)
{
	return request->name[0] ? request->name : "movablecore=";
}

/**
 * dmb_check_request - may a range be requested as a block?
 * @requests: the requests noted already
 * @base: physical address of the first byte of the range
 * @size: size of the range in bytes
 *
 * This looks at the numbers alone: memblock may not know the memory yet.
 *
 * Context: Boot.  The text returned is valid until the next call.
 * Return: NULL, or the reason why not.
 */
const char * __init dmb_check_request(struct dmb_table *requests, u64 base,
				      u64 size)
{
	const u64 align = DMB_MIN_ALIGNMENT_BYTES;
	struct dmb *dmb;
	u64 last;

	if (!size)
		return "size is zero";
	/* An unsigned long has to hold the number of the page frame behind. */
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
 * Context: Boot, before dmb_designate().
 * Return: NULL, or the reason for the refusal, as dmb_check_request() does.
 */
const char * __init dmb_request(u64 base, u64 size, const char *name)
{
	const char *why = dmb_check_request(&dmb_requests, base, size);

	if (!why)
		dmb_table_add(&dmb_requests, PHYS_PFN(base),
			      PHYS_PFN(base + size), name);
	return why;
}

/**
 * dmb_reserve - ask for a designated movable block
 * @base: physical address of the first byte of the range
 * @size: size of the range in bytes
 * @name: the block's name in sysfs and in messages
 *
 * Base and size must be multiples of DMB_MIN_ALIGNMENT_BYTES.  The range may
 * hold things that are no free RAM; what is left of it becomes the block.
 *
 * Context: Boot, before dmb_designate(); single-threaded.
 * Return: 0, or -EINVAL if the range cannot be a block.  The log says why.
 */
int __init dmb_reserve(phys_addr_t base, phys_addr_t size, const char *name)
{
	const char *why = dmb_request(base, size, name);

	if (!why)
		return 0;
	pr_warn("%s refused: %s\n", name, why);
	return -EINVAL;
}

/**
 * dmb_requested - is there a request that has not been refused?
 *
 * Context: Boot.
 * Return: true if there is one.
 */
bool __init_memblock dmb_requested(void)
{
	return dmb_requests.nr;
}

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

#ifdef CONFIG_CRASH_RESERVE
static bool __init dmb_resource_overlaps(const struct resource *resource,
					 phys_addr_t base, phys_addr_t size)
{
	return resource->end &&
	       memblock_addrs_overlap(base, size, resource->start,
				      resource_size(resource));
}
#endif

/**
 * dmb_unusable - why no block can have a pageblock
 * @pfn: first page frame of the pageblock
 *
 * Context: Boot, once memblock knows the memory and what firmware, boot loader
 * and the kernel image have of it.
 * Return: the reason, or NULL if the pageblock is free RAM of one node.
 */
const char * __init dmb_unusable(unsigned long pfn)
{
	phys_addr_t size = DMB_MIN_ALIGNMENT_BYTES;
	phys_addr_t base = PFN_PHYS(pfn);

	if (!memblock_is_map_memory(base) &&
	    !memblock_is_map_memory(base + size - 1))
		return "is not RAM";
	if (!memblock_is_region_memory(base, size) ||
	    !memblock_is_map_memory(base))
		return "is not all RAM of one node";
	if (!memblock_is_region_reserved(base, size))
		return NULL;

	if (memblock_addrs_overlap(base, size, __pa_symbol(_text),
				   _end - _text))
		return "holds the kernel image";
#ifdef CONFIG_BLK_DEV_INITRD
	if (initrd_start &&
	    memblock_addrs_overlap(base, size, __pa(initrd_start),
				   initrd_end - initrd_start))
		return "holds the initrd";
#endif
#ifdef CONFIG_CRASH_RESERVE
	if (dmb_resource_overlaps(&crashk_res, base, size) ||
	    dmb_resource_overlaps(&crashk_low_res, base, size))
		return "holds the crash kernel";
#endif
	return "holds boot-time reservations";
}

/*
 * Write a request as messages do: its range, behind its name if it has one.
 * The text is valid until the next call.
 */
static const char * __init dmb_describe(const struct dmb *request)
{
	static char text[DMB_NAME_LEN + 48] __initdata;

	snprintf(text, sizeof(text), "%s%s" DMB_RANGE_FMT, request->name,
		 request->name[0] ? " " : "",
		 dmb_first_byte(request->start_pfn),
		 dmb_last_byte(request->end_pfn));
	return text;
}

/* Count the pages of a range that can be designated, up to @limit_pfn. */
static unsigned long __init dmb_usable_pages(const struct dmb *dmb,
					     unsigned long limit_pfn)
{
	unsigned long end_pfn = min(dmb->end_pfn, limit_pfn);
	unsigned long pages = 0;
	unsigned long pfn;

	for (pfn = dmb->start_pfn; pfn < end_pfn; pfn += pageblock_nr_pages)
		if (!dmb_unusable(pfn))
			pages += min(pageblock_nr_pages, end_pfn - pfn);
	return pages;
}

/* The same for all requests */
static unsigned long __init dmb_all_usable_pages(unsigned long limit_pfn)
{
	unsigned long pages = 0;
	unsigned int i;

	for (i = 0; i < dmb_requests.nr; i++)
		pages += dmb_usable_pages(&dmb_requests.block[i], limit_pfn);
	return pages;
}

/* Count the pages from @start to @end that the kernel itself can use. */
static unsigned long __init dmb_low_pages(phys_addr_t start, phys_addr_t end)
{
	unsigned long end_pfn = min_t(phys_addr_t, PFN_DOWN(end), max_low_pfn);

	return end_pfn - min_t(phys_addr_t, PFN_UP(start), end_pfn);
}

static unsigned long __init dmb_low_part(const struct dmb *request)
{
	return dmb_low_pages(PFN_PHYS(request->start_pfn),
			     PFN_PHYS(request->end_pfn));
}

/* Find the request that has the most lowmem. There is one at least. */
static struct dmb * __init dmb_largest_request(void)
{
	struct dmb *largest = dmb_requests.block;
	unsigned int i;

	for (i = 1; i < dmb_requests.nr; i++)
		if (dmb_low_part(&dmb_requests.block[i]) >
		    dmb_low_part(largest))
			largest = &dmb_requests.block[i];
	return largest;
}

/*
 * Refuse what would leave the kernel too little to run: the largest range
 * first, so that a slip in one of several takes the fewest of them along. What
 * counts is lowmem, for highmem is of no use to the kernel; without highmem,
 * all memory is lowmem.
 */
static void __init dmb_refuse_excess(void)
{
	unsigned long need, avail = 0, all = 0;
	phys_addr_t start, end;
	u64 i;

	for_each_mem_range(i, &start, &end)
		all += dmb_low_pages(start, end);
	need = max_t(unsigned long, PHYS_PFN(DMB_KERNEL_MIN_BYTES),
		     all / DMB_KERNEL_MIN_SHARE);

	/* MEMBLOCK_HOTPLUG: even with movable_node, leave no region out. */
	for_each_free_mem_range(i, NUMA_NO_NODE, MEMBLOCK_HOTPLUG, &start, &end,
				NULL)
		avail += dmb_low_pages(start, end);

	while (dmb_requests.nr) {
		unsigned long taken = dmb_all_usable_pages(max_low_pfn);
		unsigned long left = avail - min(avail, taken);
		struct dmb *largest;

		/* The kernel may have too little even without any block. */
		if (left >= need || !taken)
			break;

		largest = dmb_largest_request();
		pr_warn("%s refused: would leave %llu MiB to the kernel, which needs %llu MiB\n",
			dmb_describe(largest), (u64)PFN_PHYS(left) / SZ_1M,
			(u64)PFN_PHYS(need) / SZ_1M);
		dmb_table_remove(&dmb_requests, largest);
	}
}

/*
 * Find the next pageblocks of a request that share their fate. @run is the run
 * before, or one that ends where the request starts. Return false if there are
 * no pageblocks left before @end_pfn.
 */
static bool __init dmb_next_run(struct dmb_run *run, unsigned long end_pfn,
				dmb_judge_fn judge)
{
	struct dmb_run next = { };

	run->start_pfn = run->end_pfn;
	if (run->start_pfn >= end_pfn)
		return false;

	judge(run->start_pfn, run);
	do {
		run->end_pfn += pageblock_nr_pages;
		if (run->end_pfn >= end_pfn)
			break;
		judge(run->end_pfn, &next);
	} while (next.why == run->why && next.zone == run->zone);

	return true;
}

/* Make blocks of what is usable of a request, and name what is not. */
static void __init dmb_settle_request(const struct dmb *request,
				      dmb_judge_fn judge, dmb_add_fn add)
{
	const char *verdict = dmb_usable_pages(request, ULONG_MAX) ?
			      "trimmed" : "refused";
	struct dmb_run run = { .end_pfn = request->start_pfn };

	while (dmb_next_run(&run, request->end_pfn, judge)) {
		if (run.zone)
			add(run.start_pfn, run.end_pfn, run.zone,
			    request->name);
		else
			pr_warn("%s %s: " DMB_RANGE_FMT " %s\n",
				dmb_describe(request), verdict,
				dmb_first_byte(run.start_pfn),
				dmb_last_byte(run.end_pfn), run.why);
	}
}

/**
 * dmb_settle_requests - make blocks of all requests
 * @judge: sets @why and @zone of a run for the pageblock at a page frame
 * @add: makes a block of pageblocks that have a zone
 *
 * From here on dmb_avoid_early() is about the blocks: what has been refused is
 * memory like any other.
 *
 * Context: As dmb_unusable().
 */
void __init dmb_settle_requests(dmb_judge_fn judge, dmb_add_fn add)
{
	unsigned int i;

	dmb_refuse_excess();
	for (i = 0; i < dmb_requests.nr; i++)
		dmb_settle_request(&dmb_requests.block[i], judge, add);
	dmb_requests = dmb_blocks;
}

/* Is there no other block before @end that has the name of @dmb? */
static bool __init dmb_name_is_free(const struct dmb *dmb,
				    const struct dmb *end)
{
	const struct dmb *other;

	for (other = dmb_blocks.block; other < end; other++)
		if (other != dmb && !strcmp(other->name, dmb->name))
			return false;
	return true;
}

/*
 * Give a block a name that no other one has: a number if it is of the command
 * line, and the node's name, with a number unless it is the node's first block.
 */
static void __init dmb_name_block(struct dmb *dmb)
{
	size_t len = strlen(dmb->name);
	unsigned int number = len ? 2 : 0;
	const struct dmb *end = len ? dmb : &dmb_blocks.block[dmb_blocks.nr];

	if (len && dmb_name_is_free(dmb, end))
		return;
	/* A long name has to end earlier, so that any number has room. */
	len = min(len, sizeof(dmb->name) - sizeof(".32"));
	do {
		snprintf(dmb->name + len, sizeof(dmb->name) - len, "%s%u",
			 len ? "." : "dmb", number++);
	} while (!dmb_name_is_free(dmb, end));
}

/**
 * dmb_announce_blocks - name all blocks, each differently, and log them
 *
 * Context: Boot, when zones have names.
 */
void __init dmb_announce_blocks(void)
{
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb))) {
		dmb_name_block(dmb);
		pr_info("%s: " DMB_RANGE_FMT " %llu MiB, node %d, zone %s\n",
			dmb->name, dmb_first_byte(dmb->start_pfn),
			dmb_last_byte(dmb->end_pfn),
			(u64)PFN_PHYS(dmb_nr_pages(dmb)) / SZ_1M,
			zone_to_nid(dmb->pool.zone), dmb->pool.zone->name);
	}
}

/**
 * dmb_verify_blocks - log what has become of the blocks by the end of boot
 *
 * Context: Initcall, when nobody has had a reason yet to ask for movable
 * memory: whatever is missing from a block now was lost on the way.
 */
void __init dmb_verify_blocks(void)
{
	struct dmb_survey survey;
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb))) {
		unsigned long pages = dmb_nr_pages(dmb);

		dmb_survey(dmb, &survey, NULL, NULL);
		pr_info("%s: %lu of %lu pages free\n", dmb->name,
			survey.free + survey.pcp, pages);
		if (survey.pageblocks * pageblock_nr_pages != pages)
			pr_err("%s: only %lu of %lu pageblocks have the type\n",
			       dmb->name, survey.pageblocks,
			       pages / pageblock_nr_pages);
	}
}
