/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_DMB_H
#define _LINUX_DMB_H

#include <linux/errno.h>
#include <linux/init.h>
#include <linux/jump_label.h>
#include <linux/mm.h>
#include <linux/types.h>

struct alloc_context;
struct compact_control;
struct reserved_mem;

/*
 * Designated movable blocks
 *
 * A designated movable block (DMB) is a range of physical memory, chosen by
 * the user, in which the page allocator only ever places pages that it can
 * move away again.  The pageblocks of a block bear the migrate type
 * MIGRATE_DMB from the moment the buddy allocator owns them until the machine
 * stops: the type neither falls back to another one nor is ever stolen, and an
 * isolated pageblock of a block gets it back.
 *
 * Two sentences carry the whole design:
 *
 *   - A request may use designated pages if, and only if, its highest_zoneidx
 *     is ZONE_MOVABLE, that is, if it has both __GFP_HIGHMEM and __GFP_MOVABLE.
 *   - A page in a block behaves as if its zone index were ZONE_MOVABLE.
 *
 * Documentation/mm/designated-movable-blocks.rst has the rest.
 */

/* Base and size of a block are multiples of this many bytes. */
#define DMB_MIN_ALIGNMENT_PAGES	pageblock_nr_pages
#define DMB_MIN_ALIGNMENT_BYTES	(PAGE_SIZE * DMB_MIN_ALIGNMENT_PAGES)

/* How a range of pages relates to the blocks; see dmb_intersects(). */
enum dmb_intersection {
	DMB_DISJOINT,	/* no page of the range is designated */
	DMB_INTERSECTS,	/* all pages of the range are designated */
	DMB_MIXED,	/* some are, some are not */
};

#ifdef CONFIG_DMB

/* True from the hand-over of early memory on, if there is any block. */
DECLARE_STATIC_KEY_FALSE(dmb_present);

static __always_inline bool dmb_enabled(void)
{
	return static_branch_unlikely(&dmb_present);
}

static __always_inline bool is_migrate_dmb(int migratetype)
{
	return dmb_enabled() && migratetype == MIGRATE_DMB;
}

/*
 * May a request with this highest zone index use designated pages? Some code
 * passes the highest index of all to mean any memory.
 */
static __always_inline bool dmb_eligible(enum zone_type highest_zoneidx)
{
	return dmb_enabled() && highest_zoneidx >= ZONE_MOVABLE;
}

/* False only after a look into all blocks and lists has found no free page. */
extern bool dmb_maybe_free;

/*
 * A designated page has become free, or moves between lists. Called with the
 * lock held that protects the list; recheck_blocks() relies on it.
 */
static __always_inline void dmb_note_free(void)
{
	if (unlikely(!READ_ONCE(dmb_maybe_free)))
		WRITE_ONCE(dmb_maybe_free, true);
}

/* Is it worth looking into the blocks for a request? */
static __always_inline bool dmb_may_serve(enum zone_type highest_zoneidx)
{
	return dmb_eligible(highest_zoneidx) && READ_ONCE(dmb_maybe_free);
}

bool __dmb_contains_pfn(unsigned long pfn);

/* Is this page frame in a block, whatever type its pageblock has just now? */
static inline bool dmb_contains_pfn(unsigned long pfn)
{
	return dmb_enabled() && __dmb_contains_pfn(pfn);
}

/*
 * The type that a pageblock gets when somebody asks for @migratetype: nothing
 * but isolation takes the type of a designated pageblock away.
 */
static inline int dmb_sticky_migratetype(struct page *page, int migratetype)
{
	if (migratetype != MIGRATE_ISOLATE && dmb_contains_pfn(page_to_pfn(page)))
		return MIGRATE_DMB;
	return migratetype;
}

/*
 * Designated pages have per-cpu lists of their own, NR_PCP_DMB for each order, and
 * a block has one of those.  They are numbered like migrate types, from
 * MIGRATE_PCPTYPES on, which no page that is put on a list of the others has.
 */
static __always_inline bool is_dmb_pcp_type(int migratetype)
{
	return unlikely(migratetype >= MIGRATE_PCPTYPES);
}

/* Index of the list; behind those of other types for orders that have them. */
static __always_inline unsigned int dmb_order_to_pindex(int pcp_type,
							unsigned int order)
{
	if (order > PAGE_ALLOC_COSTLY_ORDER)
		return NR_PCP_LISTS - NR_PCP_TYPES + pcp_type;
	return NR_PCP_TYPES * order + pcp_type;
}

/* Is it a list for designated pages? */
static __always_inline bool is_dmb_pindex(unsigned int pindex)
{
	return dmb_enabled() && is_dmb_pcp_type(pindex % NR_PCP_TYPES);
}

/*
 * Designated pages that a CPU has in its lists. They are counted and limited apart
 * from the others, as if they were of another zone: neither takes the room of the
 * other.
 */
static inline int dmb_pcp_pages(const struct per_cpu_pages *pcp)
{
	return dmb_enabled() ? READ_ONCE(pcp->dmb_count) : 0;
}

int __dmb_pcp_type(struct page *page);

/* Which list is a page for, given a migrate type that has none of its own? */
static inline int dmb_pcp_type(struct page *page, int migratetype)
{
	if (!is_migrate_dmb(migratetype))
		return MIGRATE_MOVABLE;
	if (page_zone(page)->dmb.nr_blocks == 1)
		return MIGRATE_PCPTYPES;
	return __dmb_pcp_type(page);
}

/**
 * struct dmb_pool - the free pages of a block
 * @zone: the zone that the block lies in; NULL as long as it is a mere request
 * @pcp_type: which per-cpu lists of the zone are for the block
 * @free_orders: has the bits of all orders that @free_list has pages of, and
 *		 may have more until somebody has looked
 * @free_list: free pages of each order; protected by the lock of @zone
 */
struct dmb_pool {
	struct zone *zone;
	int pcp_type;
	unsigned long free_orders;
	struct list_head free_list[NR_PAGE_ORDERS];
};

struct dmb_pool *dmb_pick_next(pg_data_t *pgdat, unsigned int order);

/**
 * struct dmb_turn - a walk over the blocks of a node, the one whose turn it is
 *		     first
 * @group: the blocks
 * @next: the next one to look at
 * @left: how many have not been looked at
 * @missed: a block seemed to have no free page
 */
struct dmb_turn {
	struct dmb_group *group;
	unsigned int next;
	unsigned int left;
	bool missed;
};

void dmb_begin_turn(pg_data_t *pgdat, struct dmb_turn *turn);
struct dmb_pool *dmb_pick_in_turn(struct dmb_turn *turn, unsigned int order);
struct page *dmb_first_free(struct dmb_pool *pool, unsigned int order,
			    unsigned int *free_order);
struct list_head *dmb_count_free(struct page *page, struct zone *zone,
				 unsigned int order);
struct list_head *dmb_next_free_list(struct zone *zone, unsigned int order,
				     int migratetype, struct list_head *list);
bool __dmb_share_list(struct page *page, struct page *other, struct zone *zone);

/* Are two free pages of a zone, an order and a type on the same list? */
static inline bool dmb_share_list(struct page *page, struct page *other,
				  struct zone *zone, int migratetype)
{
	return !is_migrate_dmb(migratetype) || __dmb_share_list(page, other, zone);
}

/* A free page that dmb_count_free() has counted is about to leave its list. */
static __always_inline void dmb_uncount_free(struct zone *zone, unsigned int order)
{
	if (!--zone->free_area[order].nr_free_dmb)
		WRITE_ONCE(zone->dmb.free_orders, zone->dmb.free_orders & ~BIT(order));
}

/* How many free pages of an order there are in the blocks of a zone. */
static inline unsigned long dmb_nr_free(struct zone *zone, unsigned int order)
{
	/* Without zone->lock, an estimate. */
	return dmb_enabled() ? data_race(zone->free_area[order].nr_free_dmb) : 0;
}

gfp_t __dmb_migration_gfp(struct folio *src, gfp_t gfp);

/* With which flags to ask for the folio that @src is to be moved to. */
static inline gfp_t dmb_migration_gfp(struct folio *src, gfp_t gfp)
{
	return dmb_enabled() ? __dmb_migration_gfp(src, gfp) : gfp;
}

/*
 * alloc_contig_range() for ranges in blocks: with which flags to ask for room
 * elsewhere. Reclaim is for the range, and not for anything else.
 */
static inline gfp_t dmb_contig_gfp(unsigned long pfn, gfp_t gfp)
{
	if (!dmb_contains_pfn(pfn))
		return gfp;
	return (gfp & ~(__GFP_RECLAIM | __GFP_RETRY_MAYFAIL)) | __GFP_NOWARN;
}

void dmb_drain_range(struct zone *zone, unsigned long start_pfn,
		     unsigned long end_pfn);
unsigned long __dmb_contig_first(unsigned long pfn);
bool __dmb_reclaim_isolated(struct list_head *folios, gfp_t gfp);
bool __dmb_contig_retry(struct zone *zone, unsigned long start_pfn,
			unsigned long end_pfn, bool isolated, unsigned int *round);
void __dmb_contig_failed(unsigned long start_pfn, unsigned long end_pfn,
			 bool isolated, int err, gfp_t gfp);

/* A range begins at @pfn, and maybe in the middle of a folio. */
static inline unsigned long dmb_contig_first(unsigned long pfn)
{
	return dmb_contains_pfn(pfn) ? __dmb_contig_first(pfn) : pfn;
}

/* There is no room for these folios, of which the first was at @pfn. */
static inline bool dmb_reclaim_isolated(unsigned long pfn,
					struct list_head *folios, gfp_t gfp)
{
	return dmb_contains_pfn(pfn) && __dmb_reclaim_isolated(folios, gfp);
}

/* The range is not empty yet, or not isolated. */
static inline bool dmb_contig_retry(struct zone *zone, unsigned long start_pfn,
				    unsigned long end_pfn, bool isolated,
				    unsigned int *round)
{
	return dmb_contains_pfn(start_pfn) &&
	       __dmb_contig_retry(zone, start_pfn, end_pfn, isolated, round);
}

/* It was not to be had. */
static inline void dmb_contig_failed(unsigned long start_pfn,
				     unsigned long end_pfn, bool isolated,
				     int err, gfp_t gfp)
{
	if (dmb_contains_pfn(start_pfn))
		__dmb_contig_failed(start_pfn, end_pfn, isolated, err, gfp);
}

bool __dmb_contig_allowed(gfp_t gfp, unsigned long pfn, unsigned long nr_pages);

/* May alloc_contig_pages() take this range for a request with these flags? */
static inline bool dmb_contig_allowed(gfp_t gfp, unsigned long pfn,
				      unsigned long nr_pages)
{
	return !dmb_enabled() || __dmb_contig_allowed(gfp, pfn, nr_pages);
}

/* Has the buddy allocator a free page of this order in a block of the zone? */
static inline bool dmb_buddy_has_free(struct zone *zone, unsigned int order)
{
	return READ_ONCE(zone->dmb.free_orders) >> order;
}

bool dmb_compactable(struct zone *zone, int order, int highest_zoneidx);
bool dmb_scattered(struct zone *zone);
void dmb_zone_span(struct zone *zone, unsigned long *start_pfn,
		   unsigned long *end_pfn);
struct folio *__dmb_compaction_target(struct compact_control *cc,
				      struct folio *src);
bool __dmb_compaction_untarget(struct compact_control *cc, struct folio *dst);

/* A page in a block for compaction to migrate to; NULL to look elsewhere. */
static inline struct folio *dmb_compaction_target(struct compact_control *cc,
						  struct folio *src)
{
	return dmb_enabled() ? __dmb_compaction_target(cc, src) : NULL;
}

/* Takes it back unused; false if @dst is not such a page. */
static inline bool dmb_compaction_untarget(struct compact_control *cc,
					   struct folio *dst)
{
	return dmb_enabled() && __dmb_compaction_untarget(cc, dst);
}

unsigned long __dmb_free_targets(struct zone *zone);

/* Free pages that others' pages can be moved to, for a request to have theirs. */
static inline unsigned long dmb_free_targets(struct zone *zone,
					     int highest_zoneidx)
{
	if (!dmb_enabled() || dmb_eligible(highest_zoneidx))
		return 0;
	return __dmb_free_targets(zone);
}

bool __dmb_relieve(gfp_t gfp_mask, unsigned int order,
		   const struct alloc_context *ac, bool last_resort);
bool __dmb_relieve_node(pg_data_t *pgdat, unsigned int order,
			int highest_zoneidx);

/*
 * Make room in ordinary memory for a request that blocks cannot serve, by
 * moving user pages into them. True if it is worth trying again.
 */
static inline bool dmb_relieve(gfp_t gfp_mask, unsigned int order,
			       const struct alloc_context *ac, bool last_resort)
{
	return dmb_enabled() && __dmb_relieve(gfp_mask, order, ac, last_resort);
}

/* The same for kswapd. */
static inline bool dmb_relieve_node(pg_data_t *pgdat, unsigned int order,
				    int highest_zoneidx)
{
	return dmb_enabled() && __dmb_relieve_node(pgdat, order, highest_zoneidx);
}

/* How many folios in blocks reclaim passes over under one LRU lock. */
#define DMB_MAX_SPARED		1024

unsigned long __dmb_eligible_lru(struct zone *zone, unsigned long nr_pages);
unsigned long __dmb_eligible_share(pg_data_t *pgdat, int highest_zoneidx,
				   unsigned long nr_pages);
bool dmb_node_balanced(pg_data_t *pgdat, unsigned int order);

/* Is there nothing in the zone but blocks? */
static inline bool dmb_fills(struct zone *zone)
{
	return dmb_enabled() && !zone_ordinary_pages(zone);
}

/* Of pages on the LRU lists of a zone, what a request may reclaim for itself. */
static inline unsigned long dmb_eligible_lru(struct zone *zone,
					     int highest_zoneidx,
					     unsigned long nr_pages)
{
	if (!dmb_enabled() || dmb_eligible(highest_zoneidx) || !zone->dmb.pages)
		return nr_pages;
	return __dmb_eligible_lru(zone, nr_pages);
}

/* The same for a node's part of one list, of one memory cgroup: an estimate. */
static inline unsigned long dmb_eligible_share(pg_data_t *pgdat,
					       int highest_zoneidx,
					       unsigned long nr_pages)
{
	if (!dmb_enabled() || dmb_eligible(highest_zoneidx) || !pgdat->dmb_group)
		return nr_pages;
	return __dmb_eligible_share(pgdat, highest_zoneidx, nr_pages);
}

/* Who is to reclaim all there is, up to this zone of the node, includes blocks. */
static inline int dmb_reclaim_idx(pg_data_t *pgdat, int highest_zoneidx)
{
	return dmb_enabled() && pgdat->dmb_group ? ZONE_MOVABLE : highest_zoneidx;
}

/* Reclaim for a request that may not use blocks leaves what is in them alone. */
static inline bool dmb_spares(struct folio *folio, int reclaim_idx)
{
	return reclaim_idx < ZONE_MOVABLE && dmb_contains_pfn(folio_pfn(folio));
}

enum dmb_intersection dmb_intersects(unsigned long start_pfn,
				     unsigned long end_pfn);
unsigned long dmb_total_pages(void);
void dmb_show_mem(void);
void dmb_adjust_present(struct zone *zone, unsigned long pfn, long nr_pages);
struct zone *dmb_online_zone(unsigned long pfn, unsigned long nr_pages);

int __init dmb_reserve(phys_addr_t base, phys_addr_t size, const char *name);

int dmb_claim(phys_addr_t base, phys_addr_t size, const char *owner);
int dmb_release(phys_addr_t base, phys_addr_t size);

void __dmb_count_taken(unsigned long pfn, long nr_pages);

/* CMA takes pages out of a block, or gives them back if @nr_pages is negative. */
static inline void dmb_count_taken(unsigned long pfn, long nr_pages)
{
	if (dmb_contains_pfn(pfn))
		__dmb_count_taken(pfn, nr_pages);
}

void dmb_count_unlisted(struct page *page, long nr_pages);

bool dmb_holds_area(phys_addr_t base, phys_addr_t size);
phys_addr_t dmb_find_area(phys_addr_t size, phys_addr_t align, int nid);

int dmb_setup_owned(struct reserved_mem *rmem);

/* Hooks of the scan of /reserved-memory */
bool dmb_is_node(unsigned long node);
int dmb_request_node(unsigned long node, const char *name);
int dmb_prepare_node(unsigned long node, const char *name, phys_addr_t *align);
void dmb_choose_range(phys_addr_t size, phys_addr_t align, const __be32 **ranges,
		      int *len);
int dmb_adopt_node(unsigned long node, const char *name, phys_addr_t base,
		   phys_addr_t size);
bool dmb_skip_node(unsigned long node, const char *name, phys_addr_t base,
		   phys_addr_t size);

/* Hooks of the boot path: the command line, memblock, and mm_init. */
bool dmb_only_blocks(char **movablecore);
bool dmb_avoid_early(phys_addr_t base, phys_addr_t size, bool bottom_up,
		     phys_addr_t *start, phys_addr_t *end);
bool dmb_requested(void);
void dmb_adjust_core(unsigned long *kernelcore, unsigned long *movablecore);
void dmb_designate(void);

#else /* !CONFIG_DMB */

static inline bool dmb_enabled(void)
{
	return false;
}

static inline bool is_migrate_dmb(int migratetype)
{
	return false;
}

static inline bool dmb_eligible(enum zone_type highest_zoneidx)
{
	return false;
}

static inline void dmb_note_free(void)
{
}

static inline bool dmb_may_serve(enum zone_type highest_zoneidx)
{
	return false;
}

static inline bool is_dmb_pcp_type(int migratetype)
{
	return false;
}

static inline bool is_dmb_pindex(unsigned int pindex)
{
	return false;
}

static inline int dmb_pcp_pages(const struct per_cpu_pages *pcp)
{
	return 0;
}

static inline int dmb_pcp_type(struct page *page, int migratetype)
{
	return MIGRATE_MOVABLE;
}

static inline struct list_head *dmb_count_free(struct page *page, struct zone *zone,
					       unsigned int order)
{
	return NULL;
}

static inline void dmb_uncount_free(struct zone *zone, unsigned int order)
{
}

static inline unsigned long dmb_nr_free(struct zone *zone, unsigned int order)
{
	return 0;
}

static inline bool dmb_share_list(struct page *page, struct page *other,
				  struct zone *zone, int migratetype)
{
	return true;
}

static inline struct list_head *dmb_next_free_list(struct zone *zone,
						   unsigned int order,
						   int migratetype,
						   struct list_head *list)
{
	return NULL;
}

static inline bool dmb_contains_pfn(unsigned long pfn)
{
	return false;
}

static inline int dmb_sticky_migratetype(struct page *page, int migratetype)
{
	return migratetype;
}

static inline unsigned int dmb_order_to_pindex(int pcp_type, unsigned int order)
{
	return 0;
}

static inline gfp_t dmb_migration_gfp(struct folio *src, gfp_t gfp)
{
	return gfp;
}

static inline gfp_t dmb_contig_gfp(unsigned long pfn, gfp_t gfp)
{
	return gfp;
}

static inline void dmb_drain_range(struct zone *zone, unsigned long start_pfn,
				   unsigned long end_pfn)
{
	drain_all_pages(zone);
}

static inline unsigned long dmb_contig_first(unsigned long pfn)
{
	return pfn;
}

static inline bool dmb_reclaim_isolated(unsigned long pfn,
					struct list_head *folios, gfp_t gfp)
{
	return false;
}

static inline bool dmb_contig_retry(struct zone *zone, unsigned long start_pfn,
				    unsigned long end_pfn, bool isolated,
				    unsigned int *round)
{
	return false;
}

static inline void dmb_contig_failed(unsigned long start_pfn,
				     unsigned long end_pfn, bool isolated,
				     int err, gfp_t gfp)
{
}

static inline bool dmb_contig_allowed(gfp_t gfp, unsigned long pfn,
				      unsigned long nr_pages)
{
	return true;
}

static inline bool dmb_buddy_has_free(struct zone *zone, unsigned int order)
{
	return false;
}

static inline bool dmb_compactable(struct zone *zone, int order,
				   int highest_zoneidx)
{
	return false;
}

static inline bool dmb_scattered(struct zone *zone)
{
	return false;
}

static inline void dmb_zone_span(struct zone *zone, unsigned long *start_pfn,
				 unsigned long *end_pfn)
{
}

static inline struct folio *dmb_compaction_target(struct compact_control *cc,
						  struct folio *src)
{
	return NULL;
}

static inline bool dmb_compaction_untarget(struct compact_control *cc,
					   struct folio *dst)
{
	return false;
}

static inline unsigned long dmb_free_targets(struct zone *zone,
					     int highest_zoneidx)
{
	return 0;
}

static inline bool dmb_relieve(gfp_t gfp_mask, unsigned int order,
			       const struct alloc_context *ac, bool last_resort)
{
	return false;
}

static inline bool dmb_relieve_node(pg_data_t *pgdat, unsigned int order,
				    int highest_zoneidx)
{
	return false;
}

static inline unsigned long dmb_eligible_lru(struct zone *zone,
					     int highest_zoneidx,
					     unsigned long nr_pages)
{
	return nr_pages;
}

static inline unsigned long dmb_eligible_share(pg_data_t *pgdat,
					       int highest_zoneidx,
					       unsigned long nr_pages)
{
	return nr_pages;
}

static inline int dmb_reclaim_idx(pg_data_t *pgdat, int highest_zoneidx)
{
	return highest_zoneidx;
}

#define DMB_MAX_SPARED		0

static inline bool dmb_spares(struct folio *folio, int reclaim_idx)
{
	return false;
}

static inline bool dmb_fills(struct zone *zone)
{
	return false;
}

static inline enum dmb_intersection dmb_intersects(unsigned long start_pfn,
						   unsigned long end_pfn)
{
	return DMB_DISJOINT;
}

static inline unsigned long dmb_total_pages(void)
{
	return 0;
}

static inline void dmb_show_mem(void)
{
}

static inline void dmb_adjust_present(struct zone *zone, unsigned long pfn,
				      long nr_pages)
{
}

static inline struct zone *dmb_online_zone(unsigned long pfn,
					   unsigned long nr_pages)
{
	return NULL;
}

static inline int dmb_reserve(phys_addr_t base, phys_addr_t size,
			      const char *name)
{
	return -EOPNOTSUPP;
}

static inline int dmb_claim(phys_addr_t base, phys_addr_t size,
			    const char *owner)
{
	return -EOPNOTSUPP;
}

static inline int dmb_release(phys_addr_t base, phys_addr_t size)
{
	return -EOPNOTSUPP;
}

static inline void dmb_count_taken(unsigned long pfn, long nr_pages)
{
}

static inline void dmb_count_unlisted(struct page *page, long nr_pages)
{
}

static inline bool dmb_holds_area(phys_addr_t base, phys_addr_t size)
{
	return false;
}

static inline phys_addr_t dmb_find_area(phys_addr_t size, phys_addr_t align,
					int nid)
{
	return 0;
}

static inline int dmb_setup_owned(struct reserved_mem *rmem)
{
	return 0;
}

static inline bool dmb_is_node(unsigned long node)
{
	return false;
}

static inline int dmb_request_node(unsigned long node, const char *name)
{
	return -ENOENT;
}

static inline int dmb_prepare_node(unsigned long node, const char *name,
				   phys_addr_t *align)
{
	return 0;
}

static inline void dmb_choose_range(phys_addr_t size, phys_addr_t align,
				    const __be32 **ranges, int *len)
{
}

static inline int dmb_adopt_node(unsigned long node, const char *name,
				 phys_addr_t base, phys_addr_t size)
{
	return 0;
}

static inline bool dmb_skip_node(unsigned long node, const char *name,
				 phys_addr_t base, phys_addr_t size)
{
	return false;
}

static inline bool dmb_only_blocks(char **movablecore)
{
	return false;
}

static inline bool dmb_avoid_early(phys_addr_t base, phys_addr_t size,
				   bool bottom_up, phys_addr_t *start,
				   phys_addr_t *end)
{
	return false;
}

static inline bool dmb_requested(void)
{
	return false;
}

static inline void dmb_adjust_core(unsigned long *kernelcore,
				   unsigned long *movablecore)
{
}

static inline void dmb_designate(void)
{
}

#endif /* CONFIG_DMB */

/*
 * For drivers that are built in: the memory of nodes below /reserved-memory that
 * are compatible with @compat, and reusable, becomes a block, for the driver to
 * take with dmb_claim() when it needs it. Goes with <linux/of_reserved_mem.h>.
 */
#define DMB_OWNER_DECLARE(name, compat)					\
	RESERVEDMEM_OF_DECLARE(name, compat, dmb_setup_owned)

#endif /* _LINUX_DMB_H */
