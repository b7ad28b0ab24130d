// SPDX-License-Identifier: GPL-2.0
/*
 * The lines of blocks in /proc/iomem, and below them those of claims.
 */

#include <linux/ioport.h>
#include <linux/lockdep.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mutex.h>

#include "internal.h"

/* Protects the lines of blocks and claims, and their parents */
static DEFINE_MUTEX(dmb_resource_lock);

static void dmb_name_resource(struct resource *resource, const char *name,
			      unsigned long start_pfn, unsigned long end_pfn)
{
	resource->name = name;
	resource->start = dmb_first_byte(start_pfn);
	resource->end = dmb_last_byte(end_pfn);
	/* Like a crash kernel's, the line is not "System RAM" itself. */
	resource->flags = IORESOURCE_MEM | IORESOURCE_BUSY;
}

/**
 * dmb_show_line - insert the line of a claim below that of its block
 * @dmb: the block
 * @line: the line
 * @name: its text
 * @start_pfn: first page frame of the claim
 * @end_pfn: one past the last page frame
 *
 * Context: Process context.
 * Return: 0, also if the block has no line at the moment; or -EBUSY.
 */
int dmb_show_line(struct dmb *dmb, struct resource *line, const char *name,
		  unsigned long start_pfn, unsigned long end_pfn)
{
	guard(mutex)(&dmb_resource_lock);
	/* From here on, dmb_show_claims() inserts it along with the block's. */
	dmb_name_resource(line, name, start_pfn, end_pfn);
	if (!dmb->resource.parent)
		return 0;
	return insert_resource(&dmb->resource, line);
}

/**
 * dmb_hide_line - remove the line of a claim, if it is there
 * @line: the line
 *
 * Context: Process context.
 */
void dmb_hide_line(struct resource *line)
{
	guard(mutex)(&dmb_resource_lock);
	if (line->parent)
		remove_resource(line);
}

/* Insert or remove the lines of all claims below that of their block. */
static void dmb_show_claims(struct resource *block, bool show)
{
	unsigned long pfn = PHYS_PFN(block->start);
	unsigned long last_pfn = PHYS_PFN(block->end);
	struct resource *line;

	/* dmb_release() needs this lock before it frees a claim with a line. */
	lockdep_assert_held(&dmb_resource_lock);
	while (pfn <= last_pfn && (line = dmb_next_line(pfn, last_pfn, show))) {
		if (show)
			insert_resource(block, line);
		else
			remove_resource(line);
		pfn = PHYS_PFN(line->end) + 1;
	}
}

/* For walk_system_ram_res(): copy the last resource. It passes copies only. */
static int dmb_note_ram(struct resource *ram, void *last)
{
	*(struct resource *)last = *ram;
	return 0;
}

/*
 * The "System RAM" that contains all of a block, or is just as large. NULL if
 * there is none, or if its line is below another one, as for memory that a
 * driver has added.
 */
static struct resource *dmb_ram_around(const struct resource *block)
{
	struct resource last = { }, *ram;

	walk_system_ram_res(0, block->end, &last, dmb_note_ram);
	if (!resource_contains(&last, block))
		return NULL;
	/* The caller's memory hotplug lock keeps the resource in place. */
	ram = lookup_resource(&iomem_resource, last.start);
	return ram &&
	       (ram->flags & IORESOURCE_SYSTEM_RAM) == IORESOURCE_SYSTEM_RAM &&
	       resource_contains(ram, block) ? ram : NULL;
}

/* Is all memory of this resource online? */
static bool dmb_ram_online(const struct resource *ram)
{
#ifdef CONFIG_MEMORY_HOTPLUG
	unsigned long pfn, last_pfn = PHYS_PFN(ram->end);

	for (pfn = PHYS_PFN(ram->start); pfn < last_pfn;
	     pfn += PAGES_PER_SECTION)
		if (!pfn_to_online_page(pfn))
			return false;
	return pfn_to_online_page(last_pfn);
#else
	return true;
#endif
}

/**
 * dmb_show_resource - update the line of a block in /proc/iomem
 * @dmb: the block, which may be new, shorter or empty
 *
 * When offline memory is removed, the kernel removes its "System RAM" line, or
 * splits it, which is only possible if there are no lines below. So a block and
 * its claims have no lines while a part of that "System RAM" is offline.
 *
 * Context: Boot, or the memory hotplug lock held. May sleep.
 */
void dmb_show_resource(struct dmb *dmb)
{
	struct resource *resource = &dmb->resource, *ram = NULL;
	struct resource block = { };

	guard(mutex)(&dmb_resource_lock);
	if (dmb_nr_pages(dmb)) {
		dmb_name_resource(&block, "Designated Movable Block",
				  dmb->start_pfn, dmb->end_pfn);
		ram = dmb_ram_around(&block);
		if (ram && !dmb_ram_online(ram))
			ram = NULL;
	}
	if (resource->parent) {
		if (ram && resource->start == block.start &&
		    resource->end == block.end)
			return;
		dmb_show_claims(resource, false);
		remove_resource(resource);
	}
	if (!ram)
		return;
	*resource = block;
	if (insert_resource(ram, resource))
		pr_warn("dmb: %s is not in /proc/iomem\n", dmb->name);
	else
		dmb_show_claims(resource, true);
}

/* Update all lines, after memory went online or offline, or blocks shrank. */
void dmb_show_resources(void)
{
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb)))
		dmb_show_resource(dmb);
}
