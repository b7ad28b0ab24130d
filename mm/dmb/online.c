// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that becomes designated as it comes online: because it is brought
 * online as designated, or because a request at boot named addresses at which
 * there was no memory yet.
 *
 * Adjacent memory becomes one block. hotplug.c is for memory that stays
 * designated while it is offline. Here, memory that goes offline at an end of a
 * block leaves the block, and may come back as anything.
 */

#define pr_fmt(fmt) "dmb: " fmt

#include <linux/dmb.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/notifier.h>

#include "boot.h"
#include "internal.h"

/* The destination of pageblocks that come online, if they were not requested */
enum {
	DMB_ORDINARY = -3,
	DMB_IN_BLOCK = -2,	/* are in a block already */
	DMB_AS_TOLD = -1,	/* memory block comes online as designated */
};

/* Was this memory added after boot?  Requests do not apply to other memory. */
static bool dmb_is_late(unsigned long pfn)
{
	return !early_section(__pfn_to_section(pfn));
}

/*
 * With movablecore=acpi, or movable_node and "designated", hot-pluggable memory
 * was designated at boot. Designate memory that is added later, too.
 */
static enum mmop dmb_online_type(enum mmop online_type)
{
	if (online_type == MMOP_ONLINE && dmb_instead_of_movable &&
	    movable_node_is_enabled())
		return MMOP_ONLINE_DESIGNATED;
	return online_type;
}

/* Return one of the above, or the number of the range that was requested. */
static int dmb_destination(unsigned long pfn, enum mmop online_type)
{
	int range = -1;

	if (dmb_contains_pfn(pfn))
		return DMB_IN_BLOCK;
	if (dmb_is_late(pfn))
		range = dmb_requested_range(pfn);
	if (range >= 0)
		return range;
	return online_type == MMOP_ONLINE_DESIGNATED ? DMB_AS_TOLD :
						       DMB_ORDINARY;
}

/* Was this block made because its memory came online as designated? */
static bool dmb_as_told(const struct dmb *dmb)
{
	return dmb->transient && dmb->range >= dmb_nr_requested();
}

/* Find the block that adjacent memory extends. NULL if there is none. */
static struct dmb *dmb_adjacent(const struct zone *zone,
				unsigned long start_pfn, unsigned long end_pfn,
				int destination)
{
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb))) {
		if (!dmb->transient || dmb->pool->zone != zone ||
		    (dmb->end_pfn != start_pfn && dmb->start_pfn != end_pfn))
			continue;
		if (destination == DMB_AS_TOLD ? dmb_as_told(dmb) :
						 dmb->range == destination)
			return dmb;
	}
	return NULL;
}

static void dmb_move_ends(struct dmb *dmb, unsigned long start_pfn,
			  unsigned long end_pfn)
{
	dmb_resize_block(dmb, start_pfn, end_pfn);
	WRITE_ONCE(dmb->pool->start_pfn, start_pfn);
}

/*
 * Are two blocks less than a memory block apart? A memory block may begin with
 * its own struct pages, which are not designated.
 */
static bool dmb_neighbours(const struct dmb *dmb, const struct dmb *other)
{
	unsigned long gap = max(dmb->start_pfn, other->start_pfn) -
			    min(dmb->end_pfn, other->end_pfn);

	return dmb->pool->zone == other->pool->zone &&
	       gap < PHYS_PFN(memory_block_size_bytes());
}

/* Let a block and its neighbours take turns as one range. */
static void dmb_join_ranges(struct dmb *dmb)
{
	struct dmb *other = NULL, *block = NULL;
	unsigned int range;

	while (dmb_as_told(dmb) && (other = dmb_next(other))) {
		if (!dmb_as_told(other) || other->range == dmb->range ||
		    !dmb_neighbours(dmb, other))
			continue;
		range = other->range;
		while ((block = dmb_next(block)))
			if (block->range == range)
				dmb_change_range(block, dmb->range);
	}
}

/* Designate pageblocks that are about to come online. */
static int dmb_designate_late(struct zone *zone, unsigned long start_pfn,
			      unsigned long end_pfn, int destination)
{
	struct dmb *dmb;
	int err;

	err = dmb_setup_map() ?: dmb_extend_map(start_pfn, end_pfn);
	if (err)
		return err;

	dmb = dmb_adjacent(zone, start_pfn, end_pfn, destination);
	if (dmb) {
		dmb_move_ends(dmb, min(start_pfn, dmb->start_pfn),
			      max(end_pfn, dmb->end_pfn));
	} else {
		if (dmb_blocks.nr == DMB_MAX_BLOCKS)
			return -ENOSPC;
		dmb = dmb_new_block(zone);
		if (!dmb)
			return -ENOMEM;
		dmb->transient = true;
		dmb_begin_block(dmb, start_pfn, end_pfn,
				destination == DMB_AS_TOLD ? dmb_new_range() :
							     destination);
	}
	dmb_set_pool(start_pfn, end_pfn, dmb->pool);
	dmb_join_ranges(dmb);
	return 0;
}

/* Remove offline memory from the ends of a block. */
static void dmb_trim_offline(struct dmb *dmb)
{
	unsigned long first_pfn = dmb->start_pfn, last_pfn = dmb->end_pfn;
	unsigned long start_pfn = first_pfn, end_pfn = last_pfn;

	while (end_pfn > start_pfn && !pfn_to_online_page(end_pfn - 1))
		end_pfn -= pageblock_nr_pages;
	while (start_pfn < end_pfn && !pfn_to_online_page(start_pfn))
		start_pfn += pageblock_nr_pages;
	if (start_pfn == first_pfn && end_pfn == last_pfn)
		return;

	dmb_move_ends(dmb, start_pfn, end_pfn);
	dmb_set_pool(first_pfn, start_pfn, NULL);
	dmb_set_pool(end_pfn, last_pfn, NULL);
	if (start_pfn == end_pfn) {
		pr_info("%s: " DMB_RANGE_FMT " has gone\n", dmb->name,
			dmb_first_byte(first_pfn), dmb_last_byte(last_pfn));
		dmb_end_block(dmb);
	} else {
		dmb_announce_block(dmb);
		dmb_show_resource(dmb);
	}
}

/*
 * A memory block that was online as designated comes online in the same way if
 * nobody says how: ACPI brings it back if it cannot remove all of a device.
 */
static void dmb_remember_type(unsigned long start_pfn, unsigned long end_pfn)
{
	struct dmb *dmb = dmb_first_block(end_pfn - 1, end_pfn);
	struct memory_block *block;

	if (!dmb || !dmb_as_told(dmb))
		return;
	block = find_memory_block(pfn_to_section_nr(start_pfn));
	if (!block)
		return;
	block->online_type = MMOP_ONLINE_DESIGNATED;
	put_device(&block->dev);
}

/* Trim blocks after memory has gone offline, or has failed to come online. */
static void dmb_forget_offline(unsigned long start_pfn, unsigned long end_pfn)
{
	struct dmb *dmb = NULL;

	guard(mutex)(&dmb_change_lock);
	while ((dmb = dmb_next(dmb)))
		if (dmb->transient && dmb->start_pfn < end_pfn &&
		    start_pfn < dmb->end_pfn)
			dmb_trim_offline(dmb);
}

/* Show blocks that have become larger, or are new. */
static void dmb_show_late(unsigned long start_pfn, unsigned long end_pfn)
{
	struct dmb *dmb = NULL;

	guard(mutex)(&dmb_change_lock);
	while ((dmb = dmb_next(dmb))) {
		if (!dmb->transient || dmb->start_pfn >= end_pfn ||
		    start_pfn >= dmb->end_pfn)
			continue;
		if (!dmb->kobj.state_in_sysfs)
			dmb_show_block(dmb);
		dmb_announce_block(dmb);
	}
}

/*
 * May this memory block come online as it was asked for?  If a part of it is
 * designated, the zone is that of the block, so the rest of it cannot come
 * online in ZONE_MOVABLE, or not outside of it. Return an error then. If all of
 * it is designated, it is movable anyway.
 */
static int dmb_check_type(const struct zone *zone, unsigned long start_pfn,
			  unsigned long end_pfn, enum mmop online_type)
{
	bool ordinary = false, designated = false;
	unsigned long pfn;

	if (online_type != MMOP_ONLINE_MOVABLE &&
	    (online_type != MMOP_ONLINE_KERNEL || zone_idx(zone) != ZONE_MOVABLE))
		return 0;
	for (pfn = start_pfn; pfn < end_pfn; pfn += pageblock_nr_pages) {
		if (dmb_destination(pfn, online_type) == DMB_ORDINARY)
			ordinary = true;
		else
			designated = true;
	}
	if (!ordinary || !designated)
		return 0;
	pr_info(DMB_RANGE_FMT " does not come online %s ZONE_MOVABLE: a part of it is designated\n",
		dmb_first_byte(start_pfn), dmb_last_byte(end_pfn),
		online_type == MMOP_ONLINE_MOVABLE ? "in" : "outside of");
	return -EINVAL;
}

/* Designate those parts of a memory block coming online that should be. */
static int dmb_designate_parts(struct zone *zone, unsigned long start_pfn,
			       unsigned long end_pfn, enum mmop online_type)
{
	unsigned long pfn, next;
	int destination, err;

	for (pfn = start_pfn; pfn < end_pfn; pfn = next) {
		destination = dmb_destination(pfn, online_type);
		next = pfn;
		do {
			next += pageblock_nr_pages;
		} while (next < end_pfn &&
			 dmb_destination(next, online_type) == destination);

		if (destination < DMB_AS_TOLD)
			continue;
		err = dmb_designate_late(zone, pfn, next, destination);
		if (!err)
			continue;
		pr_warn(DMB_RANGE_FMT " does not become a block: error %d\n",
			dmb_first_byte(pfn), dmb_last_byte(next), err);
		/* A range requested at boot may become ordinary memory. */
		if (online_type == MMOP_ONLINE_DESIGNATED ||
		    online_type == MMOP_ONLINE_MOVABLE)
			return err;
	}
	return 0;
}

static int dmb_prepare_online(const struct memory_notify *memory)
{
	unsigned long start_pfn = memory->start_pfn;
	unsigned long end_pfn = start_pfn + memory->nr_pages;
	struct memory_block *block =
		find_memory_block(pfn_to_section_nr(start_pfn));
	enum mmop online_type;
	struct zone *zone;
	int err, nid;

	if (!block)
		return 0;
	nid = block->nid;
	/* Select the same zone as memory_block_online(). */
	online_type = dmb_online_type(block->online_type);
	zone = zone_for_pfn_range(online_type, block->nid, block->group,
				  memory->altmap_start_pfn,
				  memory->altmap_nr_pages + memory->nr_pages);
	put_device(&block->dev);

	if (nid != NUMA_NO_NODE && zone_to_nid(zone) != nid) {
		pr_info(DMB_RANGE_FMT " of node %d does not come online: it is in a block of node %d\n",
			dmb_first_byte(start_pfn), dmb_last_byte(end_pfn), nid,
			zone_to_nid(zone));
		return -EINVAL;
	}
	err = dmb_check_type(zone, start_pfn, end_pfn, online_type);
	if (!err) {
		scoped_guard(mutex, &dmb_change_lock)
			err = dmb_designate_parts(zone, start_pfn, end_pfn,
						  online_type);
	}
	if (err)
		dmb_forget_offline(start_pfn, end_pfn);
	return err;
}

static int dmb_late_event(struct notifier_block *nb, unsigned long action,
			  void *data)
{
	const struct memory_notify *memory = data;
	unsigned long start_pfn = memory->start_pfn;
	unsigned long end_pfn = start_pfn + memory->nr_pages;

	switch (action) {
	case MEM_PREPARE_ONLINE:
		return notifier_from_errno(dmb_prepare_online(memory));
	case MEM_ONLINE:
		dmb_show_late(start_pfn, end_pfn);
		break;
	case MEM_FINISH_OFFLINE:
		dmb_remember_type(start_pfn, end_pfn);
		dmb_forget_offline(start_pfn, end_pfn);
		break;
	}
	return NOTIFY_OK;
}

static int __init dmb_late_init(void)
{
	/* Run last: no event says that another notifier failed to prepare. */
	hotplug_memory_notifier(dmb_late_event, INT_MIN);
	return 0;
}
subsys_initcall(dmb_late_init);

/**
 * dmb_online_zone - the zone for memory that comes online, if it is designated
 * @pfn: first page frame of the memory
 * @nr_pages: how many pages there are
 * @online_type: how it is brought online; changed if it becomes designated
 *
 * Context: Any.
 * Return: the zone of the block that the memory is in; NULL if there is none.
 */
struct zone *dmb_online_zone(unsigned long pfn, unsigned long nr_pages,
			     enum mmop *online_type)
{
	struct dmb *dmb = dmb_first_block(pfn, pfn + nr_pages);
	unsigned long end_pfn = pfn + nr_pages;

	/*
	 * A block is in one zone, whose lock protects its free lists. So
	 * designated memory returns to that zone.
	 */
	if (dmb)
		return dmb->pool->zone;
	*online_type = dmb_online_type(*online_type);
	for (; dmb_is_late(pfn) && pfn < end_pfn; pfn += pageblock_nr_pages)
		if (dmb_requested_range(pfn) >= 0)
			*online_type = MMOP_ONLINE_DESIGNATED;
	return NULL;
}

/**
 * dmb_restored_type - how to bring memory online again as it is now
 * @pfn: first page frame of the memory, which is online
 * @nr_pages: how many pages there are
 * @online_type: how, if it is not designated
 *
 * Context: Any.
 * Return: MMOP_ONLINE_DESIGNATED if the memory is, else @online_type.
 */
enum mmop dmb_restored_type(unsigned long pfn, unsigned long nr_pages,
			    enum mmop online_type)
{
	/* Look at the end: the memory may begin with its struct pages. */
	return dmb_contains_pfn(pfn + nr_pages - 1) ? MMOP_ONLINE_DESIGNATED :
						      online_type;
}

/**
 * __dmb_group_pages - count pages of a group that are in blocks
 * @group: memory that one device has added
 *
 * These are pages that are online, in a zone other than ZONE_MOVABLE, and so
 * part of @present_kernel_pages.
 *
 * Context: device_hotplug_lock or the memory hotplug lock held. May sleep.
 * Return: the number of pages.
 */
unsigned long __dmb_group_pages(const struct memory_group *group)
{
	const unsigned long unit = PHYS_PFN(memory_block_size_bytes());
	unsigned long pfn, next, pages = 0;
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb))) {
		/* The group counts pages of ZONE_MOVABLE as movable. */
		if (zone_idx(dmb->pool->zone) == ZONE_MOVABLE)
			continue;
		for (pfn = dmb->start_pfn; pfn < dmb->end_pfn; pfn = next) {
			struct memory_block *block =
				find_memory_block(pfn_to_section_nr(pfn));

			next = min(ALIGN(pfn + 1, unit), dmb->end_pfn);
			if (!block)
				continue;
			if (block->group == group && block->state == MEM_ONLINE)
				pages += next - pfn;
			put_device(&block->dev);
		}
	}
	return pages;
}
