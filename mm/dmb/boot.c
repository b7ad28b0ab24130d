// SPDX-License-Identifier: GPL-2.0
/*
 * Turns requests for ranges into designated movable blocks with free pages.
 *
 * 1. request.c notes the requests, and early.c keeps early memory out of them.
 * 2. dmb_designate(), which memblock calls when it is about to give everything
 *    to the buddy allocator, makes blocks of those parts of the requests that
 *    are still free.  It leaves out pageblocks with memory that is reserved,
 *    and the log says why.
 * 3. The pages then take the same way into the buddy allocator as all others.
 *    Their pageblocks already have the type MIGRATE_DMB, or get it from
 *    set_pageblock_migratetype() if their struct pages are initialised later.
 *
 * A request may be far larger than the memory of the machine.  Holes in memory
 * and free memory are judged as a whole: that takes as long as memblock has
 * ranges, whatever sizes are asked for.
 */

#define pr_fmt(fmt) "dmb: " fmt

#include <linux/bitmap.h>
#include <linux/crash_reserve.h>
#include <linux/dmb.h>
#include <linux/initrd.h>
#include <linux/kernel.h>
#include <linux/kmemleak.h>
#include <linux/kstrtox.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/of_reserved_mem.h>
#include <linux/range.h>
#include <linux/sizes.h>
#include <asm/sections.h>

#include "boot.h"
#include "internal.h"

/*
 * Allocations can be confined to a zone like ZONE_DMA32.  In each such zone,
 * the kernel keeps this share of all memory left to it, up to the maximum.
 */
#define DMB_ZONE_MIN_SHARE	16
#define DMB_ZONE_MAX_NEED	SZ_512M

/*
 * Count the pages of a request that can be designated and are below @limit_pfn.
 * Like dmb_unusable(), accept pageblocks that lie within one free range.
 */
static unsigned long __init dmb_usable_pages(const struct dmb *request,
					     unsigned long limit_pfn)
{
	unsigned long pages = 0;
	phys_addr_t start, end;
	u64 i;

	/* MEMBLOCK_HOTPLUG: include hot-pluggable regions with movable_node. */
	for_each_free_mem_range(i, NUMA_NO_NODE, MEMBLOCK_HOTPLUG, &start, &end,
				NULL) {
		unsigned long start_pfn, end_pfn;

		start_pfn = max_t(unsigned long, PFN_UP(start),
				  request->start_pfn);
		end_pfn = min_t(unsigned long, PFN_DOWN(end), request->end_pfn);

		start_pfn = ALIGN(start_pfn, pageblock_nr_pages);
		end_pfn = ALIGN_DOWN(end_pfn, pageblock_nr_pages);
		end_pfn = min(end_pfn, limit_pfn);
		if (start_pfn < end_pfn)
			pages += end_pfn - start_pfn;
	}
	return pages;
}

/**
 * dmb_all_usable_pages - count the pages of all requests that can be designated
 * @limit_pfn: count only pages below this page frame
 *
 * Context: Boot, when memblock knows the memory.
 * Return: the number of pages.
 */
unsigned long __init dmb_all_usable_pages(unsigned long limit_pfn)
{
	unsigned long pages = 0;
	unsigned int i;

	for (i = 0; i < dmb_requests.nr; i++)
		pages += dmb_usable_pages(dmb_requests.block[i], limit_pfn);
	return pages;
}

/*
 * Format the name of a request, if it has one, and its range for messages.
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

/* Count the free pages below @limit_pfn, in requested ranges and outside. */
static unsigned long __init dmb_early_free_pages(const struct dmb *unused,
						 unsigned long limit_pfn)
{
	unsigned long pages = 0;
	phys_addr_t start, end;
	u64 i;

	/* MEMBLOCK_HOTPLUG: see dmb_usable_pages() */
	for_each_free_mem_range(i, NUMA_NO_NODE, MEMBLOCK_HOTPLUG, &start, &end,
				NULL) {
		unsigned long end_pfn = min_t(phys_addr_t, PFN_DOWN(end),
					      limit_pfn);

		pages += end_pfn - min_t(phys_addr_t, PFN_UP(start), end_pfn);
	}
	return pages;
}

/* Count the usable pages of a request, or of all requests if it is NULL. */
static unsigned long __init dmb_requested_pages(const struct dmb *request,
						unsigned long limit_pfn)
{
	return request ? dmb_usable_pages(request, limit_pfn) :
			 dmb_all_usable_pages(limit_pfn);
}

/*
 * Of the pages that @below counts below @limit_pfn, for @request, return how
 * many the kernel can use: all but those in ZONE_MOVABLE.
 */
static unsigned long __init
dmb_kernel_pages(unsigned long (*below)(const struct dmb *request,
					unsigned long limit_pfn),
		 const struct dmb *request, unsigned long limit_pfn)
{
	unsigned long pages = below(request, limit_pfn), start_pfn, end_pfn;
	struct zone *movable;
	int i, nid;

	/* The zones of several nodes may span the same memory. */
	for_each_mem_pfn_range(i, MAX_NUMNODES, &start_pfn, &end_pfn, &nid) {
		movable = &NODE_DATA(nid)->node_zones[ZONE_MOVABLE];
		start_pfn = max(start_pfn, movable->zone_start_pfn);
		end_pfn = min3(end_pfn, zone_end_pfn(movable), limit_pfn);
		if (start_pfn < end_pfn)
			pages -= below(request, end_pfn) -
				 below(request, start_pfn);
	}
	return pages;
}

/* Count the pages below @limit_pfn that the kernel keeps beside all blocks. */
static unsigned long __init dmb_left_pages(unsigned long limit_pfn)
{
	return dmb_kernel_pages(dmb_early_free_pages, NULL, limit_pfn) -
	       dmb_kernel_pages(dmb_requested_pages, NULL, limit_pfn);
}

/**
 * dmb_zone_need - how many pages does the kernel need in a lower zone?
 * @left: pages that are left to the kernel in all zones
 * @free: pages that it would have in the zone, and below, without any block
 *
 * The more memory the kernel has, the more allocations are confined to the
 * zone.  But a small zone would have little even without blocks.
 *
 * Return: the number of pages.
 */
unsigned long dmb_zone_need(unsigned long left, unsigned long free)
{
	if (free < PHYS_PFN(DMB_ZONE_WORTH))
		return 0;
	return min3(left / DMB_ZONE_MIN_SHARE, free / 2,
		    (unsigned long)PHYS_PFN(DMB_ZONE_MAX_NEED));
}

/* Return the page frame behind those that allocations from a zone can get. */
static unsigned long __init dmb_zone_limit(enum zone_type type)
{
	unsigned long limit_pfn = 0;
	struct zone *zone;

	for_each_populated_zone(zone)
		if (zone_idx(zone) <= type)
			limit_pfn = max(limit_pfn, zone_end_pfn(zone));
	return limit_pfn;
}

/*
 * Find where the kernel would have too little memory: in lowmem as a whole, or
 * in a zone for devices that cannot address more.  Return the page frame behind
 * that memory, or 0, and how many pages the kernel needs there.
 */
static unsigned long __init dmb_short_below(unsigned long *need)
{
	unsigned long left = dmb_left_pages(max_low_pfn);
	unsigned long all = min_t(phys_addr_t,
				  PHYS_PFN(memblock_phys_mem_size()),
				  max_low_pfn - min_low_pfn);
	unsigned long free;
	enum zone_type type;

	*need = max_t(unsigned long, PHYS_PFN(DMB_KERNEL_MIN_BYTES),
		      all / DMB_KERNEL_MIN_SHARE);
	if (left < *need)
		return max_low_pfn;

	for (type = 0; type < ZONE_NORMAL; type++) {
		unsigned long limit_pfn = dmb_zone_limit(type);

		free = dmb_kernel_pages(dmb_early_free_pages, NULL, limit_pfn);
		*need = dmb_zone_need(left, free);
		if (dmb_left_pages(limit_pfn) < *need)
			return limit_pfn;
	}
	return 0;
}

/*
 * Find the request with the most pages below @limit_pfn that the kernel could
 * use. Return NULL if none has any.
 */
static struct dmb * __init dmb_largest_request(unsigned long limit_pfn)
{
	unsigned long pages, most = 0;
	struct dmb *largest = NULL;
	unsigned int i;

	for (i = 0; i < dmb_requests.nr; i++) {
		pages = dmb_kernel_pages(dmb_requested_pages,
					 dmb_requests.block[i], limit_pfn);
		if (pages > most) {
			most = pages;
			largest = dmb_requests.block[i];
		}
	}
	return largest;
}

/*
 * Refuse requests that would leave the kernel too little memory.  The largest
 * goes first, so that a mistake in one costs as few others as possible.
 */
static void __init dmb_refuse_excess(void)
{
	unsigned long limit_pfn, need;

	while (dmb_requests.nr) {
		struct dmb *largest = NULL;

		limit_pfn = dmb_short_below(&need);
		if (limit_pfn)
			largest = dmb_largest_request(limit_pfn);
		/* The kernel may have too little even without any block. */
		if (!largest)
			break;

		pr_warn("%s refused: would leave %llu MiB below %#llx to the kernel, which needs %llu MiB there: %s\n",
			dmb_describe(largest),
			(u64)PFN_PHYS(dmb_left_pages(limit_pfn)) / SZ_1M,
			(u64)PFN_PHYS(limit_pfn),
			DIV_ROUND_UP_ULL(PFN_PHYS(need), SZ_1M),
			limit_pfn == max_low_pfn ?
			"64 MiB, or a 64th of memory if that is more" :
			"a 16th of what it keeps, at most 512 MiB or half of what is free there");
		dmb_table_remove(&dmb_requests, largest);
	}
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

#ifdef CONFIG_MEMORY_HOTPLUG
#define DMB_NOT_RAM	"is not RAM, but designated if memory is added there"
#else
#define DMB_NOT_RAM	"is not RAM"
#endif

/*
 * Return why no block can have the pageblock at @pfn; NULL if it is free RAM of
 * one node.  By now memblock knows the memory and the reservations of firmware,
 * boot loader and kernel image.
 */
static const char * __init dmb_unusable(unsigned long pfn)
{
	phys_addr_t size = DMB_MIN_ALIGNMENT_BYTES;
	phys_addr_t base = PFN_PHYS(pfn);

	if (!memblock_is_map_memory(base) &&
	    !memblock_is_map_memory(base + size - 1))
		return dmb_usable_range_given() ?
		       "is not RAM within linux,usable-memory-range" :
		       DMB_NOT_RAM;
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

/* Find the first free range of memory that ends behind @base. */
static bool __init dmb_next_free(phys_addr_t base, phys_addr_t *start,
				 phys_addr_t *end)
{
	u64 i;

	/* MEMBLOCK_HOTPLUG: see dmb_usable_pages() */
	for_each_free_mem_range(i, NUMA_NO_NODE, MEMBLOCK_HOTPLUG, start, end,
				NULL)
		if (*end > base)
			return true;
	return false;
}

/*
 * Find the end of what the devicetree node @holder has reserved at @base, or of
 * the hole in memory that begins there if no node has.  The hole ends where
 * there is memory or a reservation of a node, at the latest at @end.
 */
static phys_addr_t __init dmb_taken_end(phys_addr_t base, phys_addr_t end,
					const struct reserved_mem *holder)
{
	struct memblock_region *region;
	phys_addr_t start, free_end;

	if (holder) {
		if (dmb_next_free(base, &start, &free_end))
			end = min(end, start);
		return min(end, holder->base + min(holder->size,
						   PHYS_ADDR_MAX - holder->base));
	}

	for_each_mem_region(region) {
		if (region->base + region->size > base) {
			end = min(end, region->base);
			break;
		}
	}
	if (base < end)
		holder = dmb_node_holding(base, end - base);
	return holder ? holder->base : end;
}

/*
 * Decide whether a block can have the pageblock at @pfn.  The decision is for
 * all pageblocks before @end_pfn that are in the same free range and zone, that
 * the same devicetree node has reserved, or that are in the same hole.
 */
static void __init dmb_judge(unsigned long pfn, unsigned long end_pfn,
			     struct dmb_run *run)
{
	phys_addr_t base = PFN_PHYS(pfn), end = PFN_PHYS(end_pfn), start;
	const struct reserved_mem *holder;

	*run = (struct dmb_run) {
		.start_pfn = pfn,
		.end_pfn = pfn + pageblock_nr_pages,
		.why = dmb_unusable(pfn),
	};

	if (run->why) {
		holder = dmb_node_holding(base, DMB_MIN_ALIGNMENT_BYTES);
		if (holder) {
			run->why = "is reserved for";
			run->holder = holder->name;
		}
		end = dmb_taken_end(base, end, holder);
	} else {
		run->zone = dmb_pfn_zone(pfn);
		if (!dmb_next_free(base, &start, &end) || start > base)
			end = base;
		end = min3(end, PFN_PHYS(end_pfn),
			   PFN_PHYS(zone_end_pfn(run->zone)));
		if (dmb_pfn_zone(run->end_pfn - 1) != run->zone) {
			run->why = "lies across a zone border";
			run->zone = NULL;
		}
	}
	/*
	 * A pageblock that is only in part like the first is none of these.
	 * With kernelcore=mirror, ZONE_MOVABLE may begin within the range.
	 */
	end_pfn = ALIGN_DOWN(PHYS_PFN(end), pageblock_nr_pages);
	if (end_pfn > run->end_pfn &&
	    (!run->zone || dmb_pfn_zone(end_pfn - 1) == run->zone))
		run->end_pfn = end_pfn;
}

/**
 * dmb_extend_run - add the next pageblocks to a run if they are of its kind
 * @run: the run; an empty one takes any pageblocks
 * @next: the pageblocks behind the run
 *
 * Pageblocks are of one kind if they can be in the same block, or if the same
 * reason keeps them from being in one.
 *
 * Return: true if the pageblocks were added, false if the run ends before them.
 */
bool dmb_extend_run(struct dmb_run *run, const struct dmb_run *next)
{
	if (run->start_pfn == run->end_pfn) {
		*run = *next;
		return true;
	}
	if (next->why != run->why || next->holder != run->holder ||
	    next->zone != run->zone)
		return false;
	run->end_pfn = next->end_pfn;
	return true;
}

/* The unused part of the memory that dmb_make_room() has allocated */
static void *dmb_room __initdata;
static void *dmb_room_end __initdata;

/*
 * Allocate the memory for all blocks before there is one.  If all memory has
 * been requested, this takes a piece of a request, which is then left out.  A
 * later allocation might take a piece of a block.
 */
static bool __init dmb_make_room(void)
{
	unsigned long start_pfn, end_pfn, nr;
	size_t size;

	/*
	 * A block ends where the request, the free range or the zone ends.
	 * This allocation may divide one more free range.
	 */
	nr = dmb_requests.nr + memblock.memory.cnt + memblock.reserved.cnt + 1 +
	     MAX_NR_ZONES * num_online_nodes();
	nr = min_t(unsigned long, nr, DMB_MAX_BLOCKS);

	start_pfn = max_t(unsigned long, dmb_requests.block[0]->start_pfn,
			  PFN_DOWN(memblock_start_of_DRAM()));
	end_pfn = min_t(unsigned long,
			dmb_requests.block[dmb_requests.nr - 1]->end_pfn,
			PFN_DOWN(memblock_end_of_DRAM()));
	if (end_pfn <= start_pfn)
		end_pfn = start_pfn;

	size = nr * ALIGN(sizeof(struct dmb), SMP_CACHE_BYTES) +
	       dmb_pools_size(nr, start_pfn, end_pfn);
	dmb_room = memblock_alloc(size, SMP_CACHE_BYTES);
	dmb_room_end = dmb_room + size;
	return dmb_room;
}

/**
 * dmb_alloc_early - allocate a part of the memory of dmb_make_room()
 * @size: size in bytes, which dmb_pools_size() or dmb_make_room() has counted
 *
 * Context: dmb_designate().
 * Return: the memory, zeroed.
 */
void * __init dmb_alloc_early(size_t size)
{
	void *p = dmb_room;

	dmb_room += ALIGN(size, SMP_CACHE_BYTES);
	if (dmb_room > dmb_room_end)
		panic("dmb: too little memory was set aside for blocks\n");
	return p;
}

/* Make a block of a run of pageblocks that are free and lie in one zone. */
static void __init dmb_add_block(const struct dmb *request,
				 const struct dmb_run *run)
{
	struct dmb *dmb;

	if (dmb_blocks.nr == DMB_MAX_BLOCKS) {
		pr_warn(DMB_RANGE_FMT " refused: the table of %d blocks is full\n",
			dmb_first_byte(run->start_pfn),
			dmb_last_byte(run->end_pfn), DMB_MAX_BLOCKS);
		return;
	}

	dmb = dmb_alloc_early(sizeof(*dmb));
	dmb_table_add(&dmb_blocks, dmb, run->start_pfn, run->end_pfn,
		      request->name);
	dmb->range = request->range;
	dmb_join_zone(dmb, run->zone);
}

/* Make a block of a run, or log why its pageblocks cannot be one. */
static void __init dmb_settle_run(const struct dmb *request,
				  const struct dmb_run *run,
				  const char *verdict)
{
	if (run->zone) {
		dmb_add_block(request, run);
		return;
	}
	pr_warn("%s %s: " DMB_RANGE_FMT " %s%s%s\n", dmb_describe(request),
		verdict, dmb_first_byte(run->start_pfn),
		dmb_last_byte(run->end_pfn), run->why, run->holder ? " " : "",
		run->holder ?: "");
}

/* Make blocks of the usable parts of a request, and log the other parts. */
static void __init dmb_settle_request(const struct dmb *request)
{
	const char *verdict = dmb_usable_pages(request, ULONG_MAX) ?
			      "trimmed" : "refused";
	struct dmb_run run = { }, next;
	unsigned long pfn;

	for (pfn = request->start_pfn; pfn < request->end_pfn;
	     pfn = next.end_pfn) {
		dmb_judge(pfn, request->end_pfn, &next);
		if (dmb_extend_run(&run, &next))
			continue;
		dmb_settle_run(request, &run, verdict);
		run = next;
	}
	dmb_settle_run(request, &run, verdict);
}

/* The page frames of all requests, including those that were refused */
static struct range *dmb_asked __ro_after_init;
static unsigned int dmb_nr_asked __ro_after_init;

static void __init dmb_remember_requests(void)
{
	unsigned int i;

	for (i = 0; i < dmb_requests.nr; i++)
		dmb_requests.block[i]->range = i;
	dmb_asked = memblock_alloc(dmb_requests.nr * sizeof(*dmb_asked),
				   SMP_CACHE_BYTES);
	if (!dmb_asked)
		return;
	for (i = 0; i < dmb_requests.nr; i++) {
		dmb_asked[i].start = dmb_requests.block[i]->start_pfn;
		dmb_asked[i].end = dmb_requests.block[i]->end_pfn - 1;
	}
	dmb_nr_asked = dmb_requests.nr;
}

/**
 * dmb_was_requested - did a request at boot include any of these page frames?
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 *
 * Context: After boot.
 * Return: true if so, even if the request was refused or trimmed.
 */
bool dmb_was_requested(unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned int i;

	for (i = 0; i < dmb_nr_asked; i++)
		if (dmb_asked[i].start < end_pfn &&
		    start_pfn <= dmb_asked[i].end)
			return true;
	return false;
}

/* Return how many ranges were requested at boot; their numbers are below. */
unsigned int dmb_nr_requested(void)
{
	return dmb_nr_asked;
}

/* Return the number of the request that includes all of a pageblock, or -1. */
int dmb_requested_range(unsigned long pfn)
{
	unsigned int i;

	for (i = 0; i < dmb_nr_asked; i++)
		if (dmb_asked[i].start <= pfn &&
		    pfn + pageblock_nr_pages - 1 <= dmb_asked[i].end)
			return i;
	return -1;
}

/*
 * Return true if the name of @dmb is neither that of another one of the first
 * @nr blocks, nor that of a file beside their directories in sysfs.
 */
static bool dmb_name_is_free(const struct dmb *dmb, unsigned int nr)
{
	unsigned int i;

	if (dmb_name_reserved(dmb->name))
		return false;
	for (i = 0; i < nr; i++)
		if (dmb_blocks.block[i] != dmb &&
		    !strcmp(dmb_blocks.block[i]->name, dmb->name))
			return false;
	return true;
}

/**
 * dmb_name_block - give a block a unique name
 * @dmb: the block; its name is that of its node in the devicetree, or empty
 * @index: its number in the table; only earlier blocks have their final names
 *
 * The name is that of the node, with a number unless it is the node's first
 * block.  Without a node, it is "dmb" and a number.
 *
 * Context: Boot, or dmb_change_lock held.
 */
void dmb_name_block(struct dmb *dmb, unsigned int index)
{
	DECLARE_BITMAP(taken, DMB_MAX_BLOCKS + 2) = { };
	size_t len = strlen(dmb->name);
	unsigned int nr = len ? index : dmb_blocks.nr;
	unsigned int first = len ? 2 : 0, number, i;

	if (len && dmb_name_is_free(dmb, nr))
		return;
	/* Shorten a long name so that any number fits behind it. */
	len = min(len, sizeof(dmb->name) - sizeof(".256"));
	len += scnprintf(dmb->name + len, sizeof(dmb->name) - len, "%s",
			 len ? "." : "dmb");
	for (i = 0; i < nr; i++) {
		const char *name = dmb_blocks.block[i]->name;

		if (!strncmp(name, dmb->name, len) &&
		    !kstrtouint(name + len, 10, &number) &&
		    number < DMB_MAX_BLOCKS + 2)
			__set_bit(number, taken);
	}
	number = find_next_zero_bit(taken, DMB_MAX_BLOCKS + 2, first);
	snprintf(dmb->name + len, sizeof(dmb->name) - len, "%u", number);
}

/* Log a new block.  Its zone has a name by now. */
void dmb_announce_block(const struct dmb *dmb)
{
	pr_info("%s: " DMB_RANGE_FMT " %llu MiB, node %d, zone %s\n", dmb->name,
		dmb_first_byte(dmb->start_pfn), dmb_last_byte(dmb->end_pfn),
		(u64)PFN_PHYS(dmb_nr_pages(dmb)) / SZ_1M,
		zone_to_nid(dmb->pool->zone), dmb->pool->zone->name);
}

/**
 * dmb_designate - turn requests into blocks
 *
 * Context: memblock_free_all(), just before free memory goes to the buddy
 * allocator.
 */
void __init dmb_designate(void)
{
	unsigned int i;

	dmb_declare_heaps();
	dmb_check_words();
	if (!dmb_requests.nr)
		return;

	dmb_remember_requests();
	dmb_refuse_excess();
	if (!dmb_requests.nr)
		return;
	if (!dmb_make_room()) {
		pr_err("all ranges refused: no memory for what blocks need\n");
		dmb_requests.nr = 0;
		return;
	}
	for (i = 0; i < dmb_requests.nr; i++)
		dmb_settle_request(dmb_requests.block[i]);
	/*
	 * From here on dmb_avoid_early() keeps early memory only out of blocks:
	 * ranges that were refused are ordinary memory.
	 */
	dmb_requests = dmb_blocks;
	if (!dmb_blocks.nr)
		return;

	dmb_settle_zones();
	for (i = 0; i < dmb_blocks.nr; i++) {
		dmb_name_block(dmb_blocks.block[i], i);
		dmb_announce_block(dmb_blocks.block[i]);
	}
}

/* Free the unused part of the memory of dmb_make_room(). */
static int __init dmb_free_room(void)
{
	if (!dmb_room)
		return 0;
	kmemleak_free_part_phys(__pa(dmb_room), dmb_room_end - dmb_room);
	free_reserved_area(dmb_room, dmb_room_end, -1, NULL);
	return 0;
}
core_initcall(dmb_free_room);

static unsigned long __init dmb_count_pageblocks(const struct dmb *dmb)
{
	unsigned long pfn, nr = 0;

	for (pfn = dmb->start_pfn; pfn < dmb->end_pfn;
	     pfn += pageblock_nr_pages)
		if (get_pageblock_migratetype(pfn_to_page(pfn)) == MIGRATE_DMB)
			nr++;
	return nr;
}

/*
 * Log how many pages of each block are free.  No user process has started yet,
 * so all of them should be.
 */
static int __init dmb_verify(void)
{
	struct dmb_audit audit;
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb))) {
		unsigned long pageblocks = dmb_count_pageblocks(dmb);
		unsigned long pages = dmb_nr_pages(dmb);

		dmb_audit_block(dmb, &audit, NULL);
		pr_info("%s: %lu of %lu pages free\n", dmb->name,
			audit.free + audit.pcp, pages);
		if (pageblocks * pageblock_nr_pages != pages)
			pr_err("%s: only %lu of %lu pageblocks have the type\n",
			       dmb->name, pageblocks,
			       pages / pageblock_nr_pages);
	}
	return 0;
}
core_initcall(dmb_verify);
