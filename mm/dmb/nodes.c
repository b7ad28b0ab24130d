// SPDX-License-Identifier: GPL-2.0
/*
 * Zones and nodes that have nothing but blocks.
 *
 * To a request, such a zone is ZONE_MOVABLE.  Its entries in zonelists have
 * this index, so a request that blocks cannot serve skips the zone when it
 * walks a zonelist, even if its policy or cpuset names the node.  A node that
 * has no other zones below ZONE_MOVABLE is neither in N_NORMAL_MEMORY nor in
 * N_HIGH_MEMORY, so nobody expects kernel memory there.
 */

#include <linux/dmb.h>
#include <linux/memory.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>

#include "internal.h"

/**
 * dmb_index_zone - set the index that a zone has in all zonelists
 * @zone: the zone
 * @designated: how many of its present pages are in blocks
 *
 * The kernel only rebuilds zonelists when a zone gets its first pages or loses
 * its last ones.  A concurrent zonelist walk sees either index.
 *
 * Context: Boot, or dmb_count_lock and the memory hotplug lock held.
 */
void dmb_index_zone(struct zone *zone, unsigned long designated)
{
	enum zone_type idx = zone_idx(zone);
	struct zoneref *z;
	int nid, i;

	if (designated == zone->present_pages)
		idx = ZONE_MOVABLE;

	for_each_node(nid) {
		for (i = 0; i < MAX_ZONELISTS; i++) {
			z = NODE_DATA(nid)->node_zonelists[i]._zonerefs;
			for (; zonelist_zone(z); z++)
				if (zonelist_zone(z) == zone)
					WRITE_ONCE(z->zone_idx, idx);
		}
	}
	check_highest_zone(idx);
}

static bool __init dmb_node_has(int nid, enum zone_type highest_zoneidx)
{
	struct zonelist *zonelist = node_zonelist(nid, __GFP_THISNODE);
	struct zoneref *z;

	z = first_zones_zonelist(zonelist, highest_zoneidx, NULL);
	return zonelist_zone(z);
}

/**
 * dmb_settle_nodes - find the zones and nodes that have nothing but blocks
 *
 * Zonelists and node states were set up before the blocks were known.
 *
 * Context: Boot, before the buddy allocator gets any page.
 */
void __init dmb_settle_nodes(void)
{
	struct zone *zone;
	int nid;

#ifdef CONFIG_NUMA
	/* Below, dmb_index_zone() finds the highest zone with kernel memory. */
	policy_zone = 0;
#endif
	for_each_populated_zone(zone) {
		struct dmb_pool *pool = NULL;
		unsigned long designated = 0;

		/* zone->dmb_pages does not have deferred struct pages yet. */
		while ((pool = __dmb_next_pool(zone, pool)))
			designated += pool->pages;
		dmb_index_zone(zone, designated);
	}

	for_each_node_state(nid, N_MEMORY) {
		if (!dmb_node_has(nid, ZONE_NORMAL))
			node_clear_state(nid, N_NORMAL_MEMORY);
		if (!dmb_node_has(nid, ZONE_MOVABLE - 1))
			node_clear_state(nid, N_HIGH_MEMORY);
	}
}

#ifdef CONFIG_MEMORY_HOTPLUG
/* How many of the pages that come online or go offline are not in blocks? */
static unsigned long dmb_ordinary_in(const struct memory_notify *arg)
{
	unsigned long pfn, end_pfn = arg->start_pfn + arg->nr_pages, pages = 0;

	for (pfn = arg->start_pfn; pfn < end_pfn; pfn += pageblock_nr_pages)
		if (!dmb_contains_pfn(pfn))
			pages += pageblock_nr_pages;
	return pages;
}

/**
 * __dmb_node_states_online - correct what onlining memory does to node states
 * @zone: the zone that the memory goes to
 * @arg: describes the memory, and the node states that would change
 *
 * Context: Memory hotplug lock held for writing.
 */
void __dmb_node_states_online(struct zone *zone, struct memory_notify *arg)
{
	/* The node does not get any ordinary memory. */
	if (!dmb_ordinary_in(arg))
		arg->status_change_nid_normal = NUMA_NO_NODE;
}

/**
 * __dmb_node_states_offline - correct what offlining memory does to node states
 * @zone: the zone that the memory is in
 * @arg: describes the memory, and the node states that would change
 *
 * Context: Memory hotplug lock held for writing.
 */
void __dmb_node_states_offline(struct zone *zone, struct memory_notify *arg)
{
	unsigned long pages = 0, leaving;
	enum zone_type i;

	if (zone_idx(zone) > ZONE_NORMAL)
		return;

	for (i = 0; i <= ZONE_NORMAL; i++) {
		struct zone *other = &zone->zone_pgdat->node_zones[i];

		pages += other->present_pages - zone_dmb_pages(other);
	}
	/* Clear the state if the node loses the last of its ordinary memory. */
	leaving = dmb_ordinary_in(arg);
	arg->status_change_nid_normal = leaving && leaving >= pages ?
					zone_to_nid(zone) : NUMA_NO_NODE;
}
#endif /* CONFIG_MEMORY_HOTPLUG */
