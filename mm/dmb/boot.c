// SPDX-License-Identifier: GPL-2.0
/*
 * From a request, of the command line or of a node in the devicetree, to free
 * pages of the right type.
 *
 * 1. request.c notes the requests, and early.c keeps early memory out of them.
 * 2. dmb_designate(), which memblock calls when it is about to give everything
 *    to the buddy allocator, makes blocks of those parts of the requests that
 *    are still free.  It cuts out, by whole pageblocks, what nobody may move
 *    yet, and the log says why.
 * 3. The pages then take the same way into the buddy allocator as all others.
 *    Their pageblocks have the type already, or, where the struct pages are
 *    initialised later, get it from set_pageblock_migratetype().
 *
 * A request may be far larger than the memory of the machine.  No function here
 * walks over a hole in memory pageblock by pageblock: the time that requests
 * take depends on the memory that there is, not on the sizes asked for.
 */

#define pr_fmt(fmt) "dmb: " fmt

#include <linux/crash_reserve.h>
#include <linux/dmb.h>
#include <linux/initrd.h>
#include <linux/kernel.h>
#include <linux/kmemleak.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/of_reserved_mem.h>
#include <linux/range.h>
#include <linux/sizes.h>
#include <asm/sections.h>

#include "boot.h"
#include "internal.h"

/*
 * In each zone that requests can be confined to, the kernel is left this share of what it
 * has in all, but no more than that.
 */
#define DMB_ZONE_MIN_SHARE	16
#define DMB_ZONE_MAX_NEED	SZ_512M

/*
 * Count the pages of a request that can be designated and are below @limit_pfn.
 * dmb_unusable() finds nothing wrong with exactly those pageblocks that lie
 * within one free range.
 */
static unsigned long __init dmb_usable_pages(const struct dmb *request,
					     unsigned long limit_pfn)
{
	unsigned long pages = 0;
	phys_addr_t start, end;
	u64 i;

	/* MEMBLOCK_HOTPLUG: even with movable_node, leave no region out. */
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
 * @limit_pfn: leave out those from here on
 *
 * Context: Boot, when memblock knows the memory.
 * Return: their number.
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

/* Count the free pages below @limit_pfn, whoever has requested them. */
static unsigned long __init dmb_early_free_pages(unsigned long limit_pfn)
{
	unsigned long pages = 0;
	phys_addr_t start, end;
	u64 i;

	/* MEMBLOCK_HOTPLUG: see dmb_usable_pages() */
	for_each_free_mem_range(i, NUMA_NO_NODE, MEMBLOCK_HOTPLUG, &start, &end,
				NULL) {
		unsigned long end_pfn = min_t(phys_addr_t, PFN_DOWN(end), limit_pfn);

		pages += end_pfn - min_t(phys_addr_t, PFN_UP(start), end_pfn);
	}
	return pages;
}

/*
 * Of the pages that @below counts below @limit_pfn, return how many the kernel can
 * use: all but those in ZONE_MOVABLE.
 */
static unsigned long __init dmb_kernel_pages(unsigned long (*below)(unsigned long limit_pfn),
					     unsigned long limit_pfn)
{
	unsigned long pages = below(limit_pfn), start_pfn, end_pfn;
	struct zone *movable;
	int i, nid;

	/* The zones of several nodes may span the same memory. */
	for_each_mem_pfn_range(i, MAX_NUMNODES, &start_pfn, &end_pfn, &nid) {
		movable = &NODE_DATA(nid)->node_zones[ZONE_MOVABLE];
		start_pfn = max(start_pfn, movable->zone_start_pfn);
		end_pfn = min3(end_pfn, zone_end_pfn(movable), limit_pfn);
		if (start_pfn < end_pfn)
			pages -= below(end_pfn) - below(start_pfn);
	}
	return pages;
}

/* Count the pages below @limit_pfn that the kernel can use beside all blocks. */
static unsigned long __init dmb_left_pages(unsigned long limit_pfn)
{
	return dmb_kernel_pages(dmb_early_free_pages, limit_pfn) -
	       dmb_kernel_pages(dmb_all_usable_pages, limit_pfn);
}

/**
 * dmb_zone_need - what has to be left in a zone that requests can be confined to
 * @left: pages that are left to the kernel in all
 * @free: pages that it would have in the zone, and below, without any block
 *
 * The more memory the kernel has, the more of such requests are to be expected. But
 * a small zone does not have as much, even without any block.
 *
 * Return: the pages.
 */
unsigned long dmb_zone_need(unsigned long left, unsigned long free)
{
	if (free < PHYS_PFN(DMB_ZONE_WORTH))
		return 0;
	return min3(left / DMB_ZONE_MIN_SHARE, free / 2,
		    (unsigned long)PHYS_PFN(DMB_ZONE_MAX_NEED));
}

/* The page frame behind those that requests for a type of zone can have */
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
 * Find where the kernel would have too little: in all of lowmem, for highmem is of
 * no use to it, or in a zone for devices that cannot address more. Return the page
 * frame behind that memory, or 0, and how many pages it needs there.
 */
static unsigned long __init dmb_short_below(unsigned long *need)
{
	unsigned long left = dmb_left_pages(max_low_pfn);
	unsigned long all = min_t(phys_addr_t, PHYS_PFN(memblock_phys_mem_size()),
				  max_low_pfn - min_low_pfn);
	unsigned long free;
	enum zone_type type;

	*need = max_t(unsigned long, PHYS_PFN(DMB_KERNEL_MIN_BYTES),
		      all / DMB_KERNEL_MIN_SHARE);
	if (left < *need)
		return max_low_pfn;

	for (type = 0; type < ZONE_NORMAL; type++) {
		unsigned long limit_pfn = dmb_zone_limit(type);

		free = dmb_kernel_pages(dmb_early_free_pages, limit_pfn);
		*need = dmb_zone_need(left, free);
		if (dmb_left_pages(limit_pfn) < *need)
			return limit_pfn;
	}
	return 0;
}

/* Find the request that has the most below @limit_pfn. There is one at least. */
static struct dmb * __init dmb_largest_request(unsigned long limit_pfn)
{
	struct dmb *largest = dmb_requests.block[0];
	unsigned int i;

	for (i = 1; i < dmb_requests.nr; i++)
		if (dmb_usable_pages(dmb_requests.block[i], limit_pfn) >
		    dmb_usable_pages(largest, limit_pfn))
			largest = dmb_requests.block[i];
	return largest;
}

/*
 * Refuse what would leave the kernel too little to run: the largest range
 * first, so that a slip in one of several takes the fewest of them along.
 */
static void __init dmb_refuse_excess(void)
{
	unsigned long limit_pfn, need;

	while (dmb_requests.nr) {
		struct dmb *largest;

		limit_pfn = dmb_short_below(&need);
		/* The kernel may have too little even without any block. */
		if (!limit_pfn || !dmb_kernel_pages(dmb_all_usable_pages, limit_pfn))
			break;

		largest = dmb_largest_request(limit_pfn);
		pr_warn("%s refused: would leave %llu MiB below %#llx to the kernel, which needs %llu MiB there\n",
			dmb_describe(largest),
			(u64)PFN_PHYS(dmb_left_pages(limit_pfn)) / SZ_1M,
			(u64)PFN_PHYS(limit_pfn),
			DIV_ROUND_UP_ULL(PFN_PHYS(need), SZ_1M));
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
 * Tell why no block can have the pageblock at @pfn; NULL if it is free RAM of
 * one node. By now memblock knows the memory and what firmware, boot loader and
 * the kernel image have of it.
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

/*
 * Return where a hole in memory ends that begins at @pfn, or the part of it that
 * @holder has reserved: at the first pageblock before @end_pfn that has memory, or
 * something that another node of the devicetree has reserved; or at @end_pfn. Return
 * @pfn if there is memory in the first pageblock already.
 */
static unsigned long __init dmb_hole_end(unsigned long pfn,
					 unsigned long end_pfn,
					 const struct reserved_mem *holder)
{
	phys_addr_t base = PFN_PHYS(pfn), end = PFN_PHYS(end_pfn);
	struct memblock_region *region;

	for_each_mem_region(region) {
		if (region->base + region->size > base) {
			end = min(end, region->base);
			break;
		}
	}
	/* Memory that begins in the middle of a pageblock is not a part of the hole. */
	end = ALIGN_DOWN(end, DMB_MIN_ALIGNMENT_BYTES);
	if (base >= end)
		return pfn;

	if (holder) {
		if (holder->size < end - holder->base)
			end = holder->base + holder->size;
	} else {
		holder = dmb_node_holding(base, end - base);
		if (holder)
			end = holder->base;
	}
	return ALIGN_DOWN(PHYS_PFN(end), pageblock_nr_pages);
}

/*
 * Judge the pageblock at @pfn; if a hole in memory begins there, all of the
 * hole before @end_pfn.
 */
static void __init dmb_judge(unsigned long pfn, unsigned long end_pfn,
			     struct dmb_run *run)
{
	const struct reserved_mem *holder;

	*run = (struct dmb_run) {
		.start_pfn = pfn,
		.end_pfn = pfn + pageblock_nr_pages,
		.why = dmb_unusable(pfn),
	};

	if (!run->why) {
		run->zone = dmb_pfn_zone(pfn);
		if (dmb_pfn_zone(run->end_pfn - 1) != run->zone) {
			run->why = "lies across a zone border";
			run->zone = NULL;
		}
		return;
	}

	holder = dmb_node_holding(PFN_PHYS(pfn), DMB_MIN_ALIGNMENT_BYTES);
	if (holder) {
		run->why = "is reserved for";
		run->holder = holder->name;
	}
	run->end_pfn = max(run->end_pfn, dmb_hole_end(pfn, end_pfn, holder));
}

/**
 * dmb_extend_run - add the next pageblocks to a run if they share its fate
 * @run: the run; any pageblocks share the fate of one that has none yet
 * @next: the pageblocks behind the run
 *
 * Return: true if the run has the pageblocks now, false if it ends here.
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

/* What is left of the memory that dmb_make_room() has allocated for blocks */
static void *dmb_room __initdata;
static void *dmb_room_end __initdata;

/*
 * Allocate all that blocks need before there is one. If all memory has been requested,
 * it is a piece of a request, which no block gets; later it might be one of a block.
 */
static bool __init dmb_make_room(void)
{
	unsigned long start_pfn, end_pfn, nr;
	size_t size;

	/*
	 * A block ends where the request does, the free range, or the zone. This
	 * allocation may divide one more free range.
	 */
	nr = dmb_requests.nr + memblock.memory.cnt + memblock.reserved.cnt + 1 +
	     MAX_NR_ZONES * num_online_nodes();
	nr = min_t(unsigned long, nr, DMB_MAX_BLOCKS);

	start_pfn = max_t(unsigned long, dmb_requests.block[0]->start_pfn,
			  PFN_DOWN(memblock_start_of_DRAM()));
	end_pfn = min_t(unsigned long, dmb_requests.block[dmb_requests.nr - 1]->end_pfn,
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
 * dmb_alloc_early - allocate what a block needs
 * @size: its size in bytes; dmb_pools_size() has counted it
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

/* Make a block of pageblocks that are free and lie in one zone. */
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

/* Make a block of a run, or log what keeps its pageblocks from being one. */
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

/* Make blocks of what is usable of a request, and log what is not. */
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

/* The ranges of page frames that were asked for, whatever became of them */
static struct range *dmb_asked __ro_after_init;
static unsigned int dmb_nr_asked __ro_after_init;

static void __init dmb_remember_requests(void)
{
	unsigned int i;

	for (i = 0; i < dmb_requests.nr; i++)
		dmb_requests.block[i]->range = i;
	dmb_asked = memblock_alloc(dmb_requests.nr * sizeof(*dmb_asked), SMP_CACHE_BYTES);
	if (!dmb_asked)
		return;
	for (i = 0; i < dmb_requests.nr; i++) {
		dmb_asked[i].start = dmb_requests.block[i]->start_pfn;
		dmb_asked[i].end = dmb_requests.block[i]->end_pfn - 1;
	}
	dmb_nr_asked = dmb_requests.nr;
}

/**
 * dmb_was_requested - has anybody asked for a block with any of these page frames?
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 *
 * Context: After boot.
 * Return: true if so, although it may have been refused, or trimmed.
 */
bool dmb_was_requested(unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned int i;

	for (i = 0; i < dmb_nr_asked; i++)
		if (dmb_asked[i].start < end_pfn && start_pfn <= dmb_asked[i].end)
			return true;
	return false;
}

/* How many ranges were asked for at boot: their numbers are below that. */
unsigned int dmb_nr_requested(void)
{
	return dmb_nr_asked;
}

/* The number of the range that all of a pageblock was asked for with, or -1 */
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
 * Does none of the first @nr blocks but @dmb itself have its name, nor a file beside their
 * directories in sysfs?
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
 * dmb_name_block - give a block a name that no other one has
 * @dmb: the block; its name is that of its node in the devicetree, or empty
 * @index: its number in the table; only earlier blocks have got their names
 *
 * That is the node's name, with a number unless it is the node's first block, or else a
 * number.
 *
 * Context: Boot, or dmb_change_lock held.
 */
void dmb_name_block(struct dmb *dmb, unsigned int index)
{
	size_t len = strlen(dmb->name);
	unsigned int number = len ? 2 : 0;
	unsigned int nr = len ? index : dmb_blocks.nr;

	if (len && dmb_name_is_free(dmb, nr))
		return;
	/* A long name has to end earlier, so that any number has room. */
	len = min(len, sizeof(dmb->name) - sizeof(".256"));
	do {
		snprintf(dmb->name + len, sizeof(dmb->name) - len, "%s%u",
			 len ? "." : "dmb", number++);
	} while (!dmb_name_is_free(dmb, nr));
}

/* Log a new block, which has a name. By now the zones have names, too. */
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
	 * From here on dmb_avoid_early() keeps early memory out of the blocks
	 * alone: what has been refused is memory like any other.
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

/* Give back what blocks turned out not to need. */
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

	for (pfn = dmb->start_pfn; pfn < dmb->end_pfn; pfn += pageblock_nr_pages)
		if (get_pageblock_migratetype(pfn_to_page(pfn)) == MIGRATE_DMB)
			nr++;
	return nr;
}

/*
 * Log what has become of the blocks by the end of boot. Nobody has had a reason
 * yet to ask for movable memory: whatever is missing from a block now was lost
 * on the way.
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
