// SPDX-License-Identifier: GPL-2.0
/*
 * Make blocks a part of the zones that they lie in.
 *
 * boot.c calls this file for all that concerns zones and their pages.
 */

#define pr_fmt(fmt) "dmb: " fmt

#include <linux/dmb.h>
#include <linux/kernel.h>
#include <linux/memblock.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/sysfs.h>

#include "boot.h"
#include "internal.h"

/*
 * Count the pages of requests that would be in ZONE_MOVABLE, if that was the
 * last @pages of memory. With several nodes, ZONE_MOVABLE has a part of each,
 * and this returns 0, as if ZONE_MOVABLE had no request in it.
 */
static unsigned long __init dmb_pages_at_end(unsigned long pages)
{
	unsigned long pfn = ULONG_MAX, range;
	phys_addr_t start, end;
	u64 i;

	if (num_online_nodes() > 1)
		return 0;
	for_each_mem_range_rev(i, &start, &end) {
		range = min_t(phys_addr_t, pages, PHYS_PFN(end - start));
		pfn = PFN_DOWN(end) - range;
		pages -= range;
		if (!pages)
			break;
	}
	return dmb_all_usable_pages(ULONG_MAX) - dmb_all_usable_pages(pfn);
}

/* How large must ZONE_MOVABLE be to have @pages outside of requests? */
static unsigned long __init dmb_movable_pages(unsigned long pages)
{
	unsigned long low = pages;
	unsigned long high = pages + dmb_all_usable_pages(ULONG_MAX);

	/* A page more is one page more in requests, or one more outside. */
	while (low < high) {
		unsigned long middle = low + (high - low) / 2;

		if (middle - dmb_pages_at_end(middle) < pages)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/**
 * dmb_adjust_core - make kernelcore= and movablecore= take blocks into account
 * @kernelcore: pages wanted for the kernel, 0 if not given
 * @movablecore: pages wanted for movable memory, 0 if not given
 *
 * Blocks count as movable memory that movablecore= asks for, and not as memory
 * that kernelcore= asks for.
 *
 * Context: free_area_init(), when nodes are known and zones are not.
 */
void __init dmb_adjust_core(unsigned long *kernelcore,
			    unsigned long *movablecore)
{
	unsigned long pages = dmb_all_usable_pages(ULONG_MAX);
	unsigned long all = PHYS_PFN(memblock_phys_mem_size());

	if (!pages)
		return;
	if (*movablecore <= pages)
		*movablecore = 0;
	else
		*movablecore = dmb_movable_pages(*movablecore - pages);

	if (*kernelcore)
		*kernelcore += min(pages, ULONG_MAX - *kernelcore);
	if (*kernelcore && *kernelcore < all)
		*kernelcore = all - dmb_movable_pages(all - *kernelcore);
}

/* Was there memory that would have been in ZONE_MOVABLE? */
static bool dmb_replaced __initdata;

/* Request those parts of a range of page frames that are not requested yet. */
static void __init dmb_request_rest(unsigned long pfn, unsigned long end_pfn)
{
	const unsigned long align = PHYS_PFN(DMB_MIN_ALIGNMENT_BYTES);
	unsigned long next;
	struct dmb *dmb;
	const char *why;

	pfn = ALIGN(pfn, align);
	end_pfn = ALIGN_DOWN(end_pfn, align);
	dmb_replaced |= pfn < end_pfn;
	for (; pfn < end_pfn; pfn = dmb ? dmb->end_pfn : end_pfn) {
		dmb = dmb_table_first(&dmb_requests, pfn, end_pfn);
		next = dmb ? dmb->start_pfn : end_pfn;
		if (next <= pfn)
			continue;
		why = dmb_request(PFN_PHYS(pfn), PFN_PHYS(next - pfn), NULL);
		if (why)
			pr_warn(DMB_RANGE_FMT " refused: %s\n",
				dmb_first_byte(pfn), dmb_last_byte(next), why);
	}
}

/**
 * dmb_replace_movable - designate the memory that would be in ZONE_MOVABLE
 * @movable_pfn: where ZONE_MOVABLE would begin in each node, or 0; all 0 on
 *		 return, unless the command line asks for the zone
 * @mirrored: true if all mirrored memory is the kernel's; cleared likewise
 *
 * Requests and early allocations that have parts of that memory keep them.
 *
 * Context: free_area_init(), before zones have their sizes.
 */
void __init dmb_replace_movable(unsigned long *movable_pfn, bool *mirrored)
{
	struct memblock_region *r;

	if (!dmb_instead_of_movable)
		return;
	for_each_mem_region(r) {
		unsigned long start_pfn =
			movable_pfn[memblock_get_region_node(r)];

		if (!start_pfn || (*mirrored && memblock_is_mirror(r)) ||
		    (movable_node_is_enabled() && !memblock_is_hotpluggable(r)))
			continue;
		dmb_request_rest(max(start_pfn,
				     memblock_region_memory_base_pfn(r)),
				 memblock_region_memory_end_pfn(r));
	}
	memset(movable_pfn, 0, MAX_NUMNODES * sizeof(*movable_pfn));
	*mirrored = false;
}

/**
 * dmb_check_words - warn if no memory would have been in ZONE_MOVABLE
 *
 * Context: dmb_designate().
 */
void __init dmb_check_words(void)
{
	if (dmb_instead_of_movable && !dmb_replaced)
		pr_warn("movablecore: \"%s\" designates nothing: no memory %s\n",
			dmb_by_firmware ? "acpi" : "designated",
			movable_node_is_enabled() ?
				"that is there at boot is hot-pluggable" :
				"would be in ZONE_MOVABLE");
}

/* Is the struct page at @pfn of this node initialised only later? */
static bool __init dmb_deferred(unsigned long pfn, int nid)
{
#ifdef CONFIG_DEFERRED_STRUCT_PAGE_INIT
	return pfn >= NODE_DATA(nid)->first_deferred_pfn;
#else
	return false;
#endif
}

/**
 * dmb_pfn_zone - find the zone that a block would be in
 * @pfn: a page frame of the block, which is RAM
 *
 * Context: Boot, before memblock hands free memory to the buddy allocator.
 * Return: the zone.
 */
struct zone * __init dmb_pfn_zone(unsigned long pfn)
{
	int nid = early_pfn_to_nid(pfn);
	pg_data_t *pgdat = NODE_DATA(nid);

	/* Only the highest zone of a node is ever deferred. */
	if (dmb_deferred(pfn, nid))
		return pgdat->node_zones + pgdat->nr_zones - 1;
	return page_zone(pfn_to_page(pfn));
}

/**
 * dmb_join_zone - make a new block a part of its zone
 * @dmb: the block
 * @zone: the zone that dmb_pfn_zone() has found for it
 *
 * Context: Boot, before memblock hands free memory to the buddy allocator.
 */
void __init dmb_join_zone(struct dmb *dmb, struct zone *zone)
{
	unsigned long pfn;

	dmb->pool = dmb_alloc_pool(zone);
	for (pfn = dmb->start_pfn; pfn < dmb->end_pfn;
	     pfn += pageblock_nr_pages) {
		/* dmb_count_pages() counts the rest. */
		if (dmb_deferred(pfn, zone_to_nid(zone)))
			break;
		set_pageblock_migratetype(pfn_to_page(pfn), MIGRATE_DMB);
		zone->dmb_pages += pageblock_nr_pages;
	}
}

/**
 * dmb_settle_zones - get the page allocator ready for the pages of the blocks
 *
 * Context: Boot, when all blocks have joined their zones.
 */
void __init dmb_settle_zones(void)
{
	dmb_init_pools();
	dmb_settle_nodes();

	/* From here on set_pageblock_migratetype() keeps the type. */
	static_branch_enable(&dmb_present);
}

/* Count deferred pages, too: all struct pages are initialised by now. */
static int __init dmb_count_pages(void)
{
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb)))
		dmb->pool->zone->dmb_pages = 0;
	while ((dmb = dmb_next(dmb)))
		dmb->pool->zone->dmb_pages += dmb_nr_pages(dmb);
	return 0;
}
core_initcall(dmb_count_pages);

/**
 * dmb_report_node_meminfo - DmbTotal and DmbFree of a node
 * @buf: text of the file meminfo of the node
 * @len: length of the text so far
 * @nid: the node
 *
 * Return: the number of characters added.
 */
int dmb_report_node_meminfo(char *buf, int len, int nid)
{
	unsigned long free = dmb_node_free_pages(NODE_DATA(nid)), total = 0;
	int i;

	for (i = 0; i < MAX_NR_ZONES; i++)
		total += zone_dmb_pages(&NODE_DATA(nid)->node_zones[i]);
	return sysfs_emit_at(buf, len,
			     "Node %d DmbTotal:       %8lu kB\n"
			     "Node %d DmbFree:        %8lu kB\n",
			     nid, total << (PAGE_SHIFT - 10),
			     nid, free << (PAGE_SHIFT - 10));
}
