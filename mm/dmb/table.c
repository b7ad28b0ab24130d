// SPDX-License-Identifier: GPL-2.0
/*
 * The table of designated movable blocks: adding a range, finding the one that
 * holds a page frame, comparing a range with all of them.
 *
 * At boot, one CPU writes the table, before anything reads it. Later writers
 * hold dmb_change_lock, and dmb_blocks_lock for each change. Readers hold
 * neither: they read the table again if the sequence count of dmb_blocks_lock
 * has changed. An entry that a reader has found may be reused, but is never
 * freed.
 */

#include <linux/dmb.h>
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/seqlock.h>
#include <linux/string.h>

#include "internal.h"

DEFINE_STATIC_KEY_FALSE(dmb_present);
EXPORT_SYMBOL_GPL(dmb_present);

struct dmb_table dmb_blocks;

static DEFINE_SEQLOCK(dmb_blocks_lock);

/* Held to make or dissolve blocks, or to keep them as they are. */
DEFINE_MUTEX(dmb_change_lock);

/**
 * dmb_table_add - add a range to a table
 * @table: the table, which stays sorted by address
 * @dmb: the new entry, of which this function sets range and name
 * @start_pfn: first page frame of the range
 * @end_pfn: one past its last page frame
 * @name: the range's name, cut to DMB_NAME_LEN - 1 characters; may be NULL
 *
 * The caller has made sure that the range overlaps none in the table.
 *
 * Context: Boot, or a table that nobody else writes.
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

	dmb->start_pfn = start_pfn;
	dmb->end_pfn = end_pfn;
	strscpy(dmb->name, name ?: "");
	return true;
}

/**
 * dmb_table_remove - take an entry out of a table
 * @table: the table
 * @dmb: the entry, which is in the table
 *
 * Context: Boot, or a table that nobody else writes.
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
	unsigned int low = 0, high = table->nr;
	struct dmb *first = NULL;

	while (low < high) {
		unsigned int middle = (low + high) / 2;
		struct dmb *dmb = READ_ONCE(table->block[middle]);

		/* NULL while a writer adds it. The reader will read again. */
		if (!dmb)
			break;
		if (dmb->end_pfn > start_pfn) {
			first = dmb;
			high = middle;
		} else {
			low = middle + 1;
		}
	}
	return first && first->start_pfn < end_pfn ? first : NULL;
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
 * Entries that touch count as one: a range in two of them, and in nothing else,
 * is DMB_INTERSECTS.
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
 * dmb_first_block - find the first block that has pages in a range
 * @start_pfn: first page frame of the range
 * @end_pfn: one past its last page frame
 *
 * Context: Any but NMI.
 * Return: the block with the lowest address that shares at least one page with
 * the range, or NULL.
 */
struct dmb *dmb_first_block(unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned int seq;
	struct dmb *dmb;

	do {
		seq = read_seqbegin(&dmb_blocks_lock);
		dmb = dmb_table_first(&dmb_blocks, start_pfn, end_pfn);
	} while (read_seqretry(&dmb_blocks_lock, seq));
	return dmb;
}

/**
 * dmb_next - walk the blocks of this machine
 * @dmb: a block, or NULL
 *
 * A block that is made or dissolved meanwhile may be seen or not.
 *
 * Context: Any but NMI.
 * Return: the block behind @dmb, the first one if @dmb is NULL; NULL at the
 * end.
 */
struct dmb *dmb_next(struct dmb *dmb)
{
	return dmb_first_block(dmb ? dmb->end_pfn : 0, ULONG_MAX);
}

/**
 * dmb_block_holding - find the block that has all of a range
 * @start_pfn: first page frame of the range
 * @end_pfn: one past its last page frame
 *
 * Context: Any but NMI.
 * Return: the block, or NULL if the range is not within a single one.
 */
struct dmb *dmb_block_holding(unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned int seq;
	struct dmb *dmb;

	do {
		seq = read_seqbegin(&dmb_blocks_lock);
		dmb = dmb_table_holding(&dmb_blocks, start_pfn, end_pfn);
	} while (read_seqretry(&dmb_blocks_lock, seq));
	return dmb;
}

/**
 * dmb_insert_block - add a block to those of this machine
 * @dmb: the block, of which this function sets range and name
 * @start_pfn: first page frame of the range
 * @end_pfn: one past its last page frame
 *
 * Context: dmb_change_lock held. The table is not full.
 */
void dmb_insert_block(struct dmb *dmb, unsigned long start_pfn,
		      unsigned long end_pfn)
{
	write_seqlock_irq(&dmb_blocks_lock);
	dmb_table_add(&dmb_blocks, dmb, start_pfn, end_pfn, NULL);
	write_sequnlock_irq(&dmb_blocks_lock);
}

/**
 * dmb_resize_block - change the range of a block
 * @dmb: the block
 * @start_pfn: the first page frame that it has from now on
 * @end_pfn: one past the last one; if both are the same, it leaves the table
 *
 * Context: dmb_change_lock held. No other block has pages in the range.
 */
void dmb_resize_block(struct dmb *dmb, unsigned long start_pfn,
		      unsigned long end_pfn)
{
	write_seqlock_irq(&dmb_blocks_lock);
	WRITE_ONCE(dmb->start_pfn, start_pfn);
	WRITE_ONCE(dmb->end_pfn, end_pfn);
	if (start_pfn == end_pfn)
		dmb_table_remove(&dmb_blocks, dmb);
	write_sequnlock_irq(&dmb_blocks_lock);
}

/**
 * dmb_intersects - compare a range of pages with the designated blocks
 * @start_pfn: first page frame of the range
 * @end_pfn: one past its last page frame
 *
 * Context: Any but NMI, once memblock hands free memory to the buddy allocator.
 * Return: %DMB_DISJOINT, %DMB_INTERSECTS or %DMB_MIXED.
 */
enum dmb_intersection dmb_intersects(unsigned long start_pfn,
				     unsigned long end_pfn)
{
	enum dmb_intersection intersection;
	unsigned int seq;

	do {
		seq = read_seqbegin(&dmb_blocks_lock);
		intersection = dmb_table_intersects(&dmb_blocks, start_pfn,
						    end_pfn);
	} while (read_seqretry(&dmb_blocks_lock, seq));
	return intersection;
}
EXPORT_SYMBOL_GPL(dmb_intersects);
