// SPDX-License-Identifier: GPL-2.0
/*
 * The table of designated movable blocks: adding a range, finding the one that
 * holds a page frame, comparing a range with all of them.
 *
 * The table is written during boot only, by one CPU, before anything reads it.
 * From then on it is constant and needs no lock.
 */

#include <linux/dmb.h>
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "internal.h"

DEFINE_STATIC_KEY_FALSE(dmb_present);
EXPORT_SYMBOL_GPL(dmb_present);

struct dmb_table dmb_blocks;

/**
 * dmb_next - walk the blocks of this machine
 * @dmb: a block, or NULL
 *
 * Return: the block behind @dmb, the first one if that is NULL; NULL at the end.
 */
struct dmb *dmb_next(struct dmb *dmb)
{
	unsigned int i = 0;

	if (dmb)
		while (dmb_blocks.block[i++] != dmb)
			;
	return i < dmb_blocks.nr ? dmb_blocks.block[i] : NULL;
}

/**
 * dmb_table_add - add a range to a table
 * @table: the table, which stays sorted by address
 * @dmb: memory for the entry, which this initializes
 * @start_pfn: first page frame of the range
 * @end_pfn: one past its last page frame
 * @name: the range's name, cut to DMB_NAME_LEN - 1 characters; may be NULL
 *
 * The caller has made sure that the range overlaps none in the table.
 *
 * Context: Boot, or a table that nobody else uses.
 * Return: false when the table is full.
 */
bool dmb_table_add(struct dmb_table *table, struct dmb *dmb,
		   unsigned long start_pfn, unsigned long end_pfn,
		   const char *name)
{
	unsigned int i = table->nr;

	if (table->nr == DMB_MAX_BLOCKS)
		return false;

	for (; i && table->block[i - 1]->start_pfn > start_pfn; i--)
		table->block[i] = table->block[i - 1];
	table->block[i] = dmb;
	table->nr++;

	memset(dmb, 0, sizeof(*dmb));
	dmb->start_pfn = start_pfn;
	dmb->end_pfn = end_pfn;
	if (name)
		strscpy(dmb->name, name);
	return true;
}

/**
 * dmb_table_remove - take an entry out of a table
 * @table: the table
 * @dmb: the entry, which is in the table
 *
 * Context: Boot, or a table that nobody else uses.
 */
void dmb_table_remove(struct dmb_table *table, struct dmb *dmb)
{
	unsigned int i = 0;

	while (table->block[i] != dmb)
		i++;
	for (table->nr--; i < table->nr; i++)
		table->block[i] = table->block[i + 1];
}

/**
 * dmb_table_first - find the first entry that has pages in a range
 * @table: the table
 * @start_pfn: first page frame of the range
 * @end_pfn: one past its last page frame
 *
 * Context: Any.
 * Return: the entry with the lowest address that shares at least one page with
 * the range, or NULL.
 */
struct dmb *dmb_table_first(struct dmb_table *table, unsigned long start_pfn,
			    unsigned long end_pfn)
{
	unsigned int i;

	for (i = 0; i < table->nr; i++) {
		struct dmb *dmb = table->block[i];

		if (dmb->start_pfn >= end_pfn)
			break;
		if (dmb->end_pfn > start_pfn)
			return dmb;
	}
	return NULL;
}

/**
 * dmb_table_holding - find the entry that has all of a range
 * @table: the table
 * @start_pfn: first page frame of the range
 * @end_pfn: one past its last page frame
 *
 * Context: Any.
 * Return: the entry, or NULL if the range is not within a single one.
 */
struct dmb *dmb_table_holding(struct dmb_table *table, unsigned long start_pfn,
			      unsigned long end_pfn)
{
	struct dmb *dmb = dmb_table_first(table, start_pfn, end_pfn);

	if (dmb && start_pfn >= dmb->start_pfn && end_pfn <= dmb->end_pfn)
		return dmb;
	return NULL;
}

/**
 * dmb_table_intersects - compare a range with all entries of a table
 * @table: the table
 * @start_pfn: first page frame of the range
 * @end_pfn: one past its last page frame
 *
 * Entries that touch count as one: a range that lies across two of them, and
 * in nothing else, is DMB_INTERSECTS.
 *
 * Context: Any.
 * Return: %DMB_DISJOINT, %DMB_INTERSECTS or %DMB_MIXED.
 */
enum dmb_intersection dmb_table_intersects(struct dmb_table *table,
					   unsigned long start_pfn,
					   unsigned long end_pfn)
{
	struct dmb *dmb = dmb_table_first(table, start_pfn, end_pfn);

	if (!dmb)
		return DMB_DISJOINT;

	while (dmb && dmb->start_pfn <= start_pfn) {
		if (dmb->end_pfn >= end_pfn)
			return DMB_INTERSECTS;
		start_pfn = dmb->end_pfn;
		dmb = dmb_table_first(table, start_pfn, end_pfn);
	}
	return DMB_MIXED;
}

/**
 * dmb_intersects - compare a range of pages with the designated blocks
 * @start_pfn: first page frame of the range
 * @end_pfn: one past its last page frame
 *
 * Context: Any, from the hand-over of early memory on.
 * Return: %DMB_DISJOINT, %DMB_INTERSECTS or %DMB_MIXED.
 */
enum dmb_intersection dmb_intersects(unsigned long start_pfn,
				     unsigned long end_pfn)
{
	return dmb_table_intersects(&dmb_blocks, start_pfn, end_pfn);
}
EXPORT_SYMBOL_GPL(dmb_intersects);
