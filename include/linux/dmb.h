/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_DMB_H
#define _LINUX_DMB_H

#include <linux/init.h>
#include <linux/jump_label.h>
#include <linux/mmzone.h>
#include <linux/pgtable.h>
#include <linux/types.h>

struct cma;
struct dmb_pool;
struct reserved_mem;

/*
 * A designated movable block (DMB) is a range of physical memory, chosen by the
 * user, in which the page allocator only places pages that it can move away
 * again. Its pageblocks have the type MIGRATE_DMB, which never falls back, is
 * never stolen, and survives isolation. Two rules make up the design:
 *
 *   - A request may use designated pages if, and only if, its highest zone
 *     index is ZONE_MOVABLE: it has both __GFP_HIGHMEM and __GFP_MOVABLE.
 *   - A page in a block behaves as if its zone index were ZONE_MOVABLE.
 *
 * See Documentation/mm/designated-movable-blocks.rst.
 */

/* Base and size of a block are multiples of this. */
#define DMB_MIN_ALIGNMENT_PAGES	pageblock_nr_pages
#define DMB_MIN_ALIGNMENT_BYTES	(PAGE_SIZE * DMB_MIN_ALIGNMENT_PAGES)

/* How a range of pages relates to the blocks; see dmb_intersects(). */
enum dmb_intersection {
	DMB_DISJOINT,	/* no page of the range is designated */
	DMB_INTERSECTS,	/* all pages of the range are designated */
	DMB_MIXED,	/* some are, some are not */
};

/**
 * struct dmb_map - which pageblocks are designated
 * @first: number of the first pageblock that @pool has an entry for
 * @nr: number of entries
 * @pool: for each pageblock, the pool that has the free pages of its block, or
 *	  NULL if it is not designated; the index is the number of the
 *	  pageblock, so the first entry is pool[first]
 */
struct dmb_map {
	unsigned long first;
	unsigned long nr;
	struct dmb_pool *const *pool;
};

extern struct dmb_map dmb_map;

#ifdef CONFIG_DMB

/* Enabled before the first block is made, and never disabled again. */
DECLARE_STATIC_KEY_FALSE(dmb_present);

static __always_inline bool dmb_enabled(void)
{
	return static_branch_likely(&dmb_present);
}

/* The pool that a page frame belongs to, NULL if it is not designated */
static __always_inline struct dmb_pool *dmb_pool_of(unsigned long pfn)
{
	unsigned long i = pfn >> pageblock_order;

	return i - dmb_map.first < READ_ONCE(dmb_map.nr) ?
	       READ_ONCE(dmb_map.pool)[i] : NULL;
}

enum dmb_intersection dmb_intersects(unsigned long start_pfn,
				     unsigned long end_pfn);
unsigned long dmb_total_pages(void);
#define dmb_free_pages()	global_zone_page_state(NR_FREE_DMB_PAGES)
unsigned long dmb_node_free_pages(pg_data_t *pgdat);
unsigned long dmb_free_low_pages(void);
int dmb_report_node_meminfo(char *buf, int len, int nid);
struct free_area *dmb_next_free_area(struct zone *zone, struct free_area *area,
				     unsigned int order);
bool dmb_spare_blocks(bool spare);
int __init dmb_reserve(u64 base, u64 size, const char *name);
int dmb_setup_owned(struct reserved_mem *rmem);
void dmb_add_heaps(int (*fn)(struct cma *cma, void *data));

#else /* !CONFIG_DMB */

static inline bool dmb_enabled(void) { return false; }
static inline struct dmb_pool *dmb_pool_of(unsigned long pfn) { return NULL; }
static inline unsigned long dmb_total_pages(void) { return 0; }
static inline unsigned long dmb_free_pages(void) { return 0; }
static inline unsigned long dmb_node_free_pages(pg_data_t *pgdat) { return 0; }
static inline unsigned long dmb_free_low_pages(void) { return 0; }
static inline bool dmb_spare_blocks(bool spare) { return false; }
static inline int dmb_setup_owned(struct reserved_mem *rmem) { return 0; }
static inline void dmb_add_heaps(int (*fn)(struct cma *cma, void *data)) { }

static inline enum dmb_intersection dmb_intersects(unsigned long start_pfn,
						   unsigned long end_pfn)
{
	return DMB_DISJOINT;
}

static inline int dmb_report_node_meminfo(char *buf, int len, int nid)
{
	return 0;
}

static inline struct free_area *
dmb_next_free_area(struct zone *zone, struct free_area *area,
		   unsigned int order)
{
	return NULL;
}

static inline int dmb_reserve(u64 base, u64 size, const char *name)
{
	return -EOPNOTSUPP;
}

#endif /* CONFIG_DMB */

bool __dmb_slab_crowds(void);

/*
 * Do inodes and similar objects crowd ordinary memory? Then free them although
 * they have page cache, which may be in blocks.
 */
static inline bool dmb_slab_crowds(void)
{
	return dmb_enabled() && __dmb_slab_crowds();
}

/* Is this page frame designated, whatever type its pageblock has at present? */
static __always_inline bool dmb_contains_pfn(unsigned long pfn)
{
	return dmb_enabled() && dmb_pool_of(pfn);
}

/*
 * For built-in drivers: memory of reusable nodes below /reserved-memory that
 * are compatible with @compat becomes a block, which the driver takes with
 * dmb_claim() when it needs the memory. Use with <linux/of_reserved_mem.h>.
 */
#define DMB_OWNER_DECLARE(name, compat)					\
	RESERVEDMEM_OF_DECLARE(name, compat, dmb_setup_owned)

#endif /* _LINUX_DMB_H */
