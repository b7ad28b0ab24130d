// SPDX-License-Identifier: GPL-2.0
/*
 * The lines of blocks in /proc/iomem, and below them those of claims.
 */

#include <linux/ioport.h>
#include <linux/lockdep.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>

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

/* The line of a block that contains all of a claim, or NULL */
static struct resource *dmb_line_around(const struct dmb *dmb,
					const struct resource *claim)
{
	struct dmb_line *line;

	for (line = dmb->lines; line; line = line->next)
		if (resource_contains(&line->resource, claim))
			return &line->resource;
	return NULL;
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
 * Return: 0, also if no line of the block contains the claim; or -EBUSY.
 */
int dmb_show_line(struct dmb *dmb, struct resource *line, const char *name,
		  unsigned long start_pfn, unsigned long end_pfn)
{
	struct resource *block;

	guard(mutex)(&dmb_resource_lock);
	/* From here on, dmb_show_claims() inserts it along with the block's. */
	dmb_name_resource(line, name, start_pfn, end_pfn);
	block = dmb_line_around(dmb, line);
	return block ? insert_resource(block, line) : 0;
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
 * struct dmb_new_lines - the lines that a block should have
 * @dmb: the block
 * @first: the first line, or NULL
 * @last: where the next line belongs
 */
struct dmb_new_lines {
	const struct dmb *dmb;
	struct dmb_line *first;
	struct dmb_line **last;
};

/* For walk_system_ram_res(), which passes copies. Add a line if there is one. */
static int dmb_add_line(struct resource *copy, void *data)
{
	const unsigned long flags = IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY;
	struct dmb_new_lines *lines = data;
	unsigned long start_pfn = lines->dmb->start_pfn;
	unsigned long end_pfn = lines->dmb->end_pfn;
	struct dmb_line *line;
	struct resource *ram;

	if (copy->end < dmb_first_byte(start_pfn))
		return 0;
	/* The caller's memory hotplug lock keeps the resource in place. */
	ram = lookup_resource(&iomem_resource, copy->start);
	/* The memory that a driver has added is below the line of the device. */
	if (!ram || (ram->flags & flags) != flags || !dmb_ram_online(ram))
		return 0;
	start_pfn = max(start_pfn, PFN_UP(ram->start));
	end_pfn = min(end_pfn, PFN_DOWN(ram->end + 1));
	if (start_pfn >= end_pfn)
		return 0;
	line = kzalloc(sizeof(*line), GFP_KERNEL);
	if (!line)
		return -ENOMEM;
	line->ram = ram;
	dmb_name_resource(&line->resource, "Designated Movable Block",
			  start_pfn, end_pfn);
	*lines->last = line;
	lines->last = &line->next;
	return 0;
}

static bool dmb_same_lines(const struct dmb_line *line,
			   const struct dmb_line *other)
{
	for (; line && other; line = line->next, other = other->next)
		if (line->resource.start != other->resource.start ||
		    line->resource.end != other->resource.end)
			return false;
	return line == other;
}

/* Remove lines, and those of claims below them. */
static void dmb_remove_lines(struct dmb_line *line)
{
	struct dmb_line *next;

	for (; line; line = next) {
		next = line->next;
		/* New lines that turn out not to be needed have no parent. */
		if (line->resource.parent) {
			dmb_show_claims(&line->resource, false);
			remove_resource(&line->resource);
		}
		kfree(line);
	}
}

/* Insert lines, and below them those of claims. Drop those that fail. */
static bool dmb_insert_lines(struct dmb *dmb, struct dmb_line *line)
{
	struct dmb_line **last = &dmb->lines, *next;
	bool all = true;

	for (; line; line = next) {
		next = line->next;
		if (insert_resource(line->ram, &line->resource)) {
			kfree(line);
			all = false;
			continue;
		}
		*last = line;
		last = &line->next;
		dmb_show_claims(&line->resource, true);
	}
	*last = NULL;
	return all;
}

/**
 * dmb_show_resource - update the lines of a block in /proc/iomem
 * @dmb: the block, which may be new, shorter or empty
 *
 * A block has a line in each "System RAM" that it has a part of; adjacent
 * memory that was added later is several of these. When offline memory is
 * removed, the kernel removes its "System RAM" line, or splits it, which is
 * only possible if there are no lines below. So the block and its claims have
 * no lines there while a part of that "System RAM" is offline.
 *
 * Context: Boot, or the memory hotplug lock held. May sleep.
 */
void dmb_show_resource(struct dmb *dmb)
{
	struct dmb_new_lines lines = { .dmb = dmb, .last = &lines.first };
	bool failed = false;

	/* Not under the lock: blocks may yield memory to an allocation. */
	if (dmb_nr_pages(dmb))
		failed = walk_system_ram_res(0, dmb_last_byte(dmb->end_pfn),
					     &lines, dmb_add_line) == -ENOMEM;
	guard(mutex)(&dmb_resource_lock);
	if (dmb_same_lines(dmb->lines, lines.first)) {
		dmb_remove_lines(lines.first);
	} else {
		dmb_remove_lines(dmb->lines);
		dmb->lines = NULL;
		failed |= !dmb_insert_lines(dmb, lines.first);
	}
	if (failed)
		pr_warn("dmb: %s is not, or not all, in /proc/iomem\n", dmb->name);
}

/* Update all lines, after memory went online or offline, or blocks shrank. */
void dmb_show_resources(void)
{
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb)))
		dmb_show_resource(dmb);
}
