/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_DMB_INTERNAL_H
#define _MM_DMB_INTERNAL_H

#include <linux/dmb.h>
#include <linux/completion.h>
#include <linux/ioport.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pfn.h>
#include <linux/types.h>

#include "../internal.h"
#include "pool.h"

struct dmb_claim;
struct dmb_request;

#define DMB_NAME_LEN	64

/**
 * struct dmb_line - a line in /proc/iomem for a block, or for a part of it
 * @resource: the line
 * @ram: the System RAM that it was made for
 * @next: next line of the block
 */
struct dmb_line {
	struct resource resource;
	struct resource *ram;
	struct dmb_line *next;
};

/**
 * struct dmb - a designated movable block, or a range that is to become one
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 * @range: number of the range that was asked for, of which this is a part
 * @transient: made when memory came online; loses memory offlined at its ends
 * @claimed: pages that owners or CMA have taken
 * @peak: the highest value that @claimed has had
 * @name: directory below /sys/kernel/mm/dmb; empty if the block gets a number
 * @kobj: that directory
 * @kobj_gone: completed when @kobj has lost its last reference
 * @lines: its lines in /proc/iomem
 * @pool: its free pages; NULL as long as this is not a block
 * @spare: next in the list of unused structs, which new blocks reuse
 */
struct dmb {
	unsigned long start_pfn;
	unsigned long end_pfn;
	unsigned int range;
	bool transient;
	unsigned long claimed;
	unsigned long peak;
	char name[DMB_NAME_LEN];
	struct kobject kobj;
	struct completion kobj_gone;
	struct dmb_line *lines;
	struct dmb_pool *pool;
	struct dmb *spare;
};

/**
 * struct dmb_table - ranges of page frames that do not overlap
 * @nr: how many of @block are in use
 * @block: the ranges, by address; a growing table does not move them in memory,
 *	   since other code may have pointers to them
 */
struct dmb_table {
	unsigned int nr;
	struct dmb *block[DMB_MAX_BLOCKS];
};

/* The blocks of this machine. Readers use the functions below. */
extern struct dmb_table dmb_blocks;
extern struct mutex dmb_change_lock;

struct dmb *dmb_next(struct dmb *dmb);
struct dmb *dmb_first_block(unsigned long start_pfn, unsigned long end_pfn);
struct dmb *dmb_block_holding(unsigned long start_pfn, unsigned long end_pfn);

/* make.c, dissolve.c: after boot */
void dmb_change_pageblocks(unsigned long start_pfn, unsigned long end_pfn,
			   struct dmb_pool *pool);
int dmb_get_ready(void);
int dmb_begin_change(void);
int dmb_begin_write(void);
void dmb_end_change(void);
int dmb_make_range(u64 base, u64 size, bool exact);
int dmb_dissolve_locked(const char *name, u64 size);
unsigned long dmb_dissolve_in_place(struct dmb *dmb, unsigned long nr_pages);
void dmb_shorten(struct dmb *dmb, unsigned long nr_pages);
bool dmb_wait_to_change(unsigned long end);
unsigned int dmb_new_range(void);
struct dmb *dmb_new_block(struct zone *zone);
void dmb_begin_block(struct dmb *dmb, unsigned long start_pfn,
		     unsigned long end_pfn, unsigned int range);
void dmb_end_block(struct dmb *dmb);
void dmb_update_zones(void);
int dmb_make_anywhere(u64 size, bool exact);
bool dmb_yield(struct zone *zone, unsigned long end);
bool dmb_yield_enabled(void);
void dmb_set_yield(bool yield);
unsigned long dmb_yielded_pages(void);

bool dmb_name_reserved(const char *name);
void dmb_name_block(struct dmb *dmb, unsigned int index);
void dmb_announce_block(const struct dmb *dmb);
struct resource *dmb_next_line(unsigned long start_pfn, unsigned long last_pfn,
			       bool show);
int dmb_show_line(struct dmb *dmb, struct resource *line, const char *name,
		  unsigned long start_pfn, unsigned long end_pfn);
void dmb_hide_line(struct resource *line);
void dmb_show_resource(struct dmb *dmb);
void dmb_show_resources(void);
void dmb_show_block(struct dmb *dmb);
void dmb_hide_block(struct dmb *dmb);
void dmb_insert_block(struct dmb *dmb, unsigned long start_pfn,
		      unsigned long end_pfn);
void dmb_resize_block(struct dmb *dmb, unsigned long start_pfn,
		      unsigned long end_pfn);

static inline unsigned long dmb_nr_pages(const struct dmb *dmb)
{
	return dmb->end_pfn - dmb->start_pfn;
}

bool dmb_folio_may_enter(struct folio *folio);
struct folio *dmb_relief_target(struct folio *src, unsigned long private);

void dmb_adjust_pages(struct dmb *dmb, long nr_pages);
void dmb_index_zone(struct zone *zone, unsigned long designated);
void __init dmb_settle_nodes(void);

/* Early memory of blocks: boot.c allocates it, pool.c tells how much. */
void * __init dmb_alloc_early(size_t size);
size_t __init dmb_pools_size(unsigned int nr, unsigned long start_pfn,
			     unsigned long end_pfn);
struct dmb_pool * __init dmb_alloc_pool(struct zone *zone);
void __init dmb_init_pools(void);
int dmb_setup_map(void);
int dmb_extend_map(unsigned long start_pfn, unsigned long end_pfn);
struct dmb_pool *dmb_new_pool(struct zone *zone);
void dmb_open_pool(struct dmb *dmb);
void dmb_close_pool(struct dmb_pool *pool);
void dmb_change_range(struct dmb *dmb, unsigned int range);
void dmb_set_pool(unsigned long start_pfn, unsigned long end_pfn,
		  struct dmb_pool *pool);
unsigned long dmb_pool_free(const struct dmb_pool *pool);
bool dmb_spread_enabled(void);
void dmb_set_spread(bool spread);

bool dmb_table_add(struct dmb_table *table, struct dmb *dmb,
		   unsigned long start_pfn, unsigned long end_pfn,
		   const char *name);
void dmb_table_remove(struct dmb_table *table, struct dmb *dmb);
struct dmb *dmb_table_first(struct dmb_table *table, unsigned long start_pfn,
			    unsigned long end_pfn);
struct dmb *dmb_table_holding(struct dmb_table *table, unsigned long start_pfn,
			      unsigned long end_pfn);
enum dmb_intersection dmb_table_intersects(struct dmb_table *table,
					   unsigned long start_pfn,
					   unsigned long end_pfn);

/* Why attempts fail, as counted in /sys/kernel/debug/dmb/obstacles */
enum dmb_obstacle {
	DMB_OFFLINE,
	DMB_ISOLATED,
	DMB_FREE_BY_NOW,
	DMB_NO_ROOM,
	DMB_GIVEN_UP,
	DMB_OWNED,
	DMB_POISONED,
	DMB_UNPLUGGED,
	DMB_PER_CPU,
	DMB_HUGETLB,
	DMB_WRITEBACK,
	DMB_PINNED,
	DMB_CACHE_HELD,
	DMB_ANON_HELD,
	DMB_OFF_LIST,
	DMB_NR_OBSTACLES
};

/**
 * struct dmb_attempt - an attempt to empty a range
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 * @migratetype: MIGRATE_CMA for CMA, else MIGRATE_MOVABLE
 * @gfp: as for alloc_contig_range()
 * @quick: only wait for locks that are never held for long
 * @deadline: give up when jiffies has this value; 0 if there is none
 * @cancelled: give up when this becomes true; may be NULL
 * @busy_pfn: after a failure, a page frame that was in the way, or @start_pfn
 * @isolated: alloc_contig_range() has isolated the pageblocks
 * @waits: how often in a row it has waited for writeback that left no more room
 * @drained: all per-cpu lists were drained for it
 * @poisoned: the page frame that was in the way is broken
 * @written_pfn: file data below this page frame have been written
 * @io_pfn: the page frame whose data were being read or written last time
 * @io_end: do not wait for that any more when jiffies has this value
 * @task: the task that makes the attempt
 * @node: in the list of attempts that are under way
 */
struct dmb_attempt {
	unsigned long start_pfn;
	unsigned long end_pfn;
	unsigned int migratetype;
	gfp_t gfp;
	bool quick;
	unsigned long deadline;
	const bool *cancelled;
	unsigned long busy_pfn;
	bool isolated;
	bool drained;
	unsigned int waits;
	bool poisoned;
	unsigned long written_pfn;
	unsigned long io_pfn;
	unsigned long io_end;
	struct task_struct *task;
	struct list_head node;
};

/*
 * The flags for a quick attempt: no reclaim, and no message. __GFP_FS stays,
 * as page cache would not be isolated without it.
 */
static inline gfp_t dmb_quick_gfp(gfp_t gfp)
{
	return (gfp & ~__GFP_RECLAIM) | __GFP_NOWARN;
}

/* For so many milliseconds a quick claim moves pages, or its search reads them. */
#define DMB_QUICK_MS		10

unsigned long dmb_obstacle_end(const struct dmb_attempt *attempt);
bool dmb_give_up(const struct dmb_attempt *attempt, unsigned int failures,
		 int err, unsigned long began);
int dmb_take(struct dmb_attempt *attempt);
int dmb_take_ordinary(struct dmb_attempt *attempt);
bool dmb_wait_for_data(struct dmb_attempt *attempt);
void dmb_free_range(unsigned long start_pfn, unsigned long end_pfn);
void dmb_wake_attempts(void);
void dmb_show_obstacles(struct seq_file *seq);

/* After this error of dmb_take(), may it succeed elsewhere? */
static inline bool dmb_try_elsewhere(int err)
{
	return err == -EBUSY || err == -ENOMEM || err == -ENODEV ||
	       err == -EHWPOISON;
}

/**
 * struct dmb_part - a part of a block that is searched
 * @node: in struct dmb_search
 * @dmb: the block
 * @start_pfn: the first page frame
 * @unit: pages that are looked at together
 * @units: how many units in a row are wanted
 * @nr: number of units
 * @cost: of each unit
 */
struct dmb_part {
	struct list_head node;
	const struct dmb *dmb;
	unsigned long start_pfn;
	unsigned long unit;
	unsigned long units;
	unsigned long nr;
	u32 cost[] __counted_by(nr);
};

/**
 * struct dmb_search - a search for memory that is cheap to empty
 * @parts: the parts of blocks to search
 * @unit: pages that are looked at together, a power of two
 * @nr_pages: how many pages in a row are wanted
 * @align: alignment that is wanted, in pages
 * @gfp: for the memory that the search itself needs
 * @area: the CMA area that the memory is for, or NULL
 * @estimated: the cost of all units is known, not only of those that are free
 * @stop: when this is set, end the search; or NULL
 */
struct dmb_search {
	struct list_head parts;
	unsigned long unit;
	unsigned long nr_pages;
	unsigned long align;
	gfp_t gfp;
	const struct cma *area;
	bool estimated;
	const bool *stop;
};

/* No page frame. 0 may be one in a block. */
#define DMB_NO_PFN	ULONG_MAX

void dmb_search_begin(struct dmb_search *search, unsigned long nr_pages,
		      unsigned long align, gfp_t gfp, const struct cma *area);
int dmb_search_add(struct dmb_search *search, unsigned long start_pfn,
		   unsigned long end_pfn);
unsigned long dmb_search_next(struct dmb_search *search);
void dmb_search_exclude(struct dmb_search *search, unsigned long start_pfn,
			unsigned long end_pfn);
void dmb_search_end(struct dmb_search *search);

bool dmb_keep_online(unsigned long start_pfn, unsigned long end_pfn,
		     unsigned long *flags);
void dmb_let_offline(unsigned long flags);
bool dmb_online(unsigned long start_pfn, unsigned long end_pfn);
bool dmb_was_requested(unsigned long start_pfn, unsigned long end_pfn);
int dmb_requested_range(unsigned long pfn);
unsigned int dmb_nr_requested(void);
int dmb_refuse_request(const struct dmb_request *request);
int dmb_search_request(struct dmb_search *search,
		       const struct dmb_request *request, gfp_t gfp);
struct dmb_attempt dmb_first_attempt(const struct dmb_request *request);
struct dmb_attempt dmb_quick_attempt(const struct dmb_attempt *attempt);
struct dmb_claim *dmb_alloc_claim(const struct dmb_request *request,
				  unsigned long start_pfn);
int dmb_complete_claim(struct dmb_claim *claim, struct dmb_attempt *attempt);
int dmb_claim_any(const struct dmb_request *request,
		  struct dmb_attempt *attempt, struct dmb_claim **claims,
		  unsigned int nr);
void dmb_end_claim(struct dmb_claim *claim);
bool dmb_owned(unsigned long pfn);
bool dmb_claimed(unsigned long pfn);
bool dmb_claim_protected(const struct dmb_claim *claim);
bool dmb_can_protect(void);
int dmb_protect(unsigned long start_pfn, unsigned long end_pfn);
void dmb_unprotect(unsigned long start_pfn, unsigned long end_pfn);
phys_addr_t dmb_find_area(phys_addr_t size, phys_addr_t align, int nid);

#ifdef CONFIG_CMA
bool dmb_area_exists(unsigned long start_pfn, unsigned long end_pfn);
bool dmb_area_used(const struct cma *cma, unsigned long start_pfn,
		   unsigned long end_pfn);
bool dmb_cma_allocated(unsigned long pfn);
bool dmb_extend_area(struct cma *cma, phys_addr_t base, phys_addr_t size);
#else
static inline bool dmb_area_exists(unsigned long start_pfn,
				   unsigned long end_pfn)
{
	return false;
}

static inline bool dmb_area_used(const struct cma *cma, unsigned long start_pfn,
				 unsigned long end_pfn)
{
	return false;
}

static inline bool dmb_cma_allocated(unsigned long pfn)
{
	return false;
}
#endif

/*
 * The size of the free page that begins here, in pages; 0 if none does. This
 * takes no lock, so the order may be outdated: only believe a sane one.
 */
static inline unsigned long dmb_buddy_pages(struct page *page)
{
	unsigned long order;

	if (!PageBuddy(page))
		return 0;
	order = buddy_order_unsafe(page);
	return order <= MAX_PAGE_ORDER ? 1UL << order : 1;
}

/* Do these flags, of a request or of a mapping, let pages be in a block? */
static inline bool dmb_eligible_gfp(gfp_t gfp)
{
	const gfp_t eligible = __GFP_HIGHMEM | __GFP_MOVABLE;

	return (gfp & eligible) == eligible;
}

/* How messages print a range: with its first and its last byte */
#define DMB_RANGE_FMT	"[mem %#018llx-%#018llx]"

static inline u64 dmb_first_byte(unsigned long start_pfn)
{
	return PFN_PHYS(start_pfn);
}

static inline u64 dmb_last_byte(unsigned long end_pfn)
{
	return PFN_PHYS(end_pfn) - 1;
}

/**
 * struct dmb_audit - result of a walk over all pages of a block
 * @free: pages in the buddy allocator
 * @pcp: other pages without a reference: in per-cpu lists, or on their way
 * @used: allocated pages, violations included
 * @poisoned: pages that are out of use because their memory is broken
 * @unjudged: those of @used that were not judged, as there was no more time, or
 *	      no room in struct dmb_suspects
 */
struct dmb_audit {
	unsigned long free;
	unsigned long pcp;
	unsigned long used;
	unsigned long poisoned;
	unsigned long unjudged;
};

struct dmb_suspect {
	unsigned long pfn;
	const char *why;
};

#define DMB_MAX_SUSPECTS	512

/**
 * struct dmb_suspects - pages of any blocks that may be violations
 * @jiffies_left: the time that is left to judge pages; 0 or less if none is
 * @nr: how many there are
 * @suspect: page frames in ascending order, and the reasons
 */
struct dmb_suspects {
	long jiffies_left;
	unsigned int nr;
	struct dmb_suspect suspect[DMB_MAX_SUSPECTS];
};

int dmb_audit_block(const struct dmb *dmb, struct dmb_audit *audit,
		    struct dmb_suspects *suspects);
int dmb_look_again(struct dmb_suspects *suspects);

#endif /* _MM_DMB_INTERNAL_H */
