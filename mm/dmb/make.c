// SPDX-License-Identifier: GPL-2.0
/*
 * Make blocks after boot. dissolve.c makes them ordinary memory again.
 *
 * The type of pageblocks changes while one task owns all of the pages: by
 * alloc_contig_range() of ordinary memory, or by a claim of memory in a block.
 * Then it frees the pages to where these now belong. So no page is ever in use,
 * or counted, on the wrong side. inplace.c has another way.
 */

#define pr_fmt(fmt) "dmb: " fmt

#include <linux/cpu.h>
#include <linux/device.h>
#include <linux/dmb_claim.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/vmstat.h>

#include "boot.h"
#include "internal.h"

/* All in all, wait this many times for pages that are in use for a moment. */
#define DMB_MAKE_PAUSES		50
#define DMB_MAKE_PAUSE_MS	20

/* Wait this long for pages whose data are being read or written, all in all. */
#define DMB_MAKE_DATA_TIME	(30UL * HZ)

/* In pages: few enough not to keep the page allocator busy for seconds */
#define DMB_MAKE_AT_ONCE	max(PHYS_PFN(SZ_1G), pageblock_nr_pages)

/* Log at most this many of the ranges that cannot be a block. */
#define DMB_MAKE_NAMED		8

/* Must zones be adapted to a change of their ordinary memory? */
static bool dmb_zones_changed;

/* The task that makes or dissolves blocks, or NULL */
static struct task_struct *dmb_changer;

/* Blocks without pages, for dmb_new_block() to use again */
static struct dmb *dmb_spares;

/**
 * struct dmb_making - a range that is about to become one block or several
 * @exact: make all of the range a block, or nothing
 * @pauses: how many more times to wait for pages that are in use
 * @data_time: for how many jiffies to wait for their data
 * @nr_left_out: number of ranges that cannot be in a block
 * @nr: number of runs
 * @run: runs that will become one block each; their pages are allocated
 * @dmb: memory for these blocks
 */
struct dmb_making {
	bool exact;
	unsigned int pauses;
	unsigned long data_time;
	unsigned int nr_left_out;
	unsigned int nr;
	struct dmb_run run[DMB_MAX_BLOCKS];
	struct dmb *dmb[DMB_MAX_BLOCKS];
};

/*
 * The pages of a zone that the kernel may allocate: free ones, and those on the
 * LRU, which can be freed. Folios in blocks are counted elsewhere. The kernel
 * cannot use CMA areas.
 */
static unsigned long dmb_usable_by_kernel(struct zone *zone)
{
	unsigned long pages = zone_page_state(zone, NR_FREE_PAGES) +
			      zone_page_state(zone, NR_ZONE_INACTIVE_ANON) +
			      zone_page_state(zone, NR_ZONE_ACTIVE_ANON) +
			      zone_page_state(zone, NR_ZONE_INACTIVE_FILE) +
			      zone_page_state(zone, NR_ZONE_ACTIVE_FILE);

	return pages - min(pages, zone_cma_pages(zone));
}

/* The same for all zones up to a type, and in *@ordinary all ordinary pages */
static unsigned long dmb_usable_up_to(enum zone_type type,
				      unsigned long *ordinary)
{
	unsigned long pages = 0;
	struct zone *zone;

	*ordinary = 0;
	for_each_populated_zone(zone) {
		if (zone_idx(zone) > type || is_highmem(zone) ||
		    zone_idx(zone) == ZONE_MOVABLE)
			continue;
		pages += dmb_usable_by_kernel(zone);
		*ordinary += zone_ordinary_pages(zone);
	}
	return pages;
}

/* Does the kernel need some of so many pages of a zone? See boot.c. */
static bool dmb_kernel_needs(struct zone *zone, unsigned long nr_pages)
{
	unsigned long usable, left, ordinary;
	enum zone_type type;

	if (is_highmem(zone) || zone_idx(zone) == ZONE_MOVABLE)
		return false;

	usable = dmb_usable_up_to(ZONE_MOVABLE, &ordinary);
	left = usable - min(usable, nr_pages);
	if (left < max(PHYS_PFN(DMB_KERNEL_MIN_BYTES),
		       ordinary / DMB_KERNEL_MIN_SHARE))
		return true;
	for (type = zone_idx(zone); type < ZONE_NORMAL; type++) {
		usable = dmb_usable_up_to(type, &ordinary);
		if (usable < nr_pages + dmb_zone_need(left, usable))
			return true;
	}
	return false;
}

/* The zone of a pageblock; NULL if it is offline, or not all in one zone */
static struct zone *dmb_zone_of_pageblock(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	struct zone *zone;

	if (!page)
		return NULL;
	zone = page_zone(page);
	return pageblock_pfn_to_page(pfn, pfn + pageblock_nr_pages, zone) ?
	       zone : NULL;
}

/* dmb_pages_to_move() returns this if some of the pages cannot move. */
#define DMB_PAGES_STAY	U32_MAX

/*
 * Count the pages that have to move to empty a pageblock of ordinary memory. An
 * estimate, as there are no references to the pages.
 */
static u32 dmb_pages_to_move(unsigned long start_pfn)
{
	int migratetype = get_pageblock_migratetype(pfn_to_page(start_pfn));
	unsigned long pfn = start_pfn, end_pfn = pfn + pageblock_nr_pages, free;
	u32 pages = 0;

	if (is_migrate_cma(migratetype) || is_migrate_isolate(migratetype))
		return DMB_PAGES_STAY;
	for (; pfn < end_pfn; pfn += free ?: 1) {
		struct page *page = pfn_to_page(pfn);
		struct page *head = compound_head(page);

		free = dmb_buddy_pages(page);
		if (free || (!page_ref_count(head) && !PageHuge(head)))
			continue;
		if (PageReserved(page) ||
		    !(PageLRU(head) || PageHuge(head) || __PageMovable(head)))
			return DMB_PAGES_STAY;
		pages++;
	}
	return pages;
}

/*
 * Is there room elsewhere for the pages in a range, or can they be reclaimed?
 * If not, trying to empty it would fail, and leave other tasks without memory.
 */
static bool dmb_room_elsewhere(unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned long pfn, free = 0, to_move = 0;
	long room;
	u32 pages;

	for (pfn = start_pfn; pfn < end_pfn; pfn += pageblock_nr_pages) {
		pages = dmb_pages_to_move(pfn);
		cond_resched();
		if (pages == DMB_PAGES_STAY)
			continue;
		to_move += pages;
		free += pageblock_nr_pages - pages;
	}
	room = si_mem_available() + get_nr_swap_pages() - free;
	return room > 0 && to_move <= room;
}

/* Log a range that is left out. Return an error if nothing may be left out. */
static int dmb_leave_out(struct dmb_making *making, unsigned long start_pfn,
			 unsigned long end_pfn, const char *why)
{
	if (making->nr_left_out++ < DMB_MAKE_NAMED)
		pr_info(DMB_RANGE_FMT " is left out: %s\n",
			dmb_first_byte(start_pfn), dmb_last_byte(end_pfn), why);
	return making->exact ? -EBUSY : 0;
}

/* Note a run whose pages are allocated, or log why it is left out. */
static int dmb_settle_run(struct dmb_making *making, const struct dmb_run *run)
{
	if (run->why)
		return dmb_leave_out(making, run->start_pfn, run->end_pfn,
				     run->why);
	if (run->start_pfn == run->end_pfn)
		return 0;
	if (dmb_blocks.nr + making->nr == DMB_MAX_BLOCKS) {
		dmb_free_range(run->start_pfn, run->end_pfn);
		return -ENOSPC;
	}
	making->run[making->nr++] = *run;
	return 0;
}

/* dmb_wait_for_data(), until the time for that is used up */
static bool dmb_wait_for_making(struct dmb_making *making,
				struct dmb_attempt *attempt)
{
	unsigned long before = jiffies;
	bool waited;

	attempt->deadline = (before + making->data_time) ?: 1;
	waited = dmb_wait_for_data(attempt);
	making->data_time -= min(making->data_time, jiffies - before);
	return waited;
}

/* Allocate pageblocks of ordinary memory. Pages in use move away. */
static int dmb_empty_pageblocks(struct dmb_making *making,
				unsigned long start_pfn, unsigned long end_pfn)
{
	struct dmb_attempt attempt = {
		.start_pfn = start_pfn,
		.end_pfn = end_pfn,
		.migratetype = MIGRATE_MOVABLE,
		.gfp = GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN,
	};
	int err;

	for (;;) {
		err = dmb_take_ordinary(&attempt);
		if (signal_pending(current) && err)
			return -EINTR;
		if (err != -EBUSY || end_pfn - start_pfn > pageblock_nr_pages)
			return err;
		/* Until then, folios that did not move are in a batch. */
		lru_add_drain();
		if (dmb_pages_to_move(start_pfn) != DMB_PAGES_STAY &&
		    dmb_wait_for_making(making, &attempt))
			continue;
		if (!making->pauses)
			return err;
		/* A page may be in use for a moment, or in an LRU batch. */
		making->pauses--;
		schedule_timeout_interruptible(msecs_to_jiffies(DMB_MAKE_PAUSE_MS));
		lru_add_drain_all();
	}
}

/*
 * Allocate what is possible of a range in one zone. Try large pieces first, so
 * that no page moves to the rest of the range, then halves, down to single
 * pageblocks.
 */
static int dmb_take_zone(struct dmb_making *making, unsigned long start_pfn,
			 unsigned long end_pfn, struct zone *zone)
{
	static const char no_room[] = "its pages have no room elsewhere";
	static const char stays[] = "it holds pages that do not move";
	unsigned long nr = end_pfn - start_pfn;
	struct dmb_run run = { }, next = { .end_pfn = start_pfn };
	int err = 0, last;

	while (next.end_pfn < end_pfn && !next.why && !err) {
		if (signal_pending(current)) {
			err = -EINTR;
			break;
		}
		nr = min3(nr, end_pfn - next.end_pfn, DMB_MAKE_AT_ONCE);
		next.start_pfn = next.end_pfn;
		err = dmb_empty_pageblocks(making, next.start_pfn,
					   next.start_pfn + nr);
		if (err == -EINTR)
			break;
		if (err && nr > pageblock_nr_pages) {
			nr = ALIGN(nr / 2, pageblock_nr_pages);
			err = 0;
			continue;
		}
		next.end_pfn = next.start_pfn + nr;
		next.zone = err ? NULL : zone;
		next.why = !err ? NULL : err == -ENOMEM ? no_room : stays;
		err = 0;
		if (!dmb_extend_run(&run, &next)) {
			err = dmb_settle_run(making, &run);
			run = next;
		}
		if (!making->exact)
			next.why = NULL;
		nr *= 2;
	}
	last = dmb_settle_run(making, &run);
	return err ?: last;
}

/* Leave out memory that has no entries in dmb_map, as one range at each end. */
static int dmb_clip_to_map(struct dmb_making *making, unsigned long *start_pfn,
			   unsigned long *end_pfn)
{
	static const char beyond[] = "it is not RAM, or too far from the other blocks";
	unsigned long first_pfn = dmb_map.first << pageblock_order;
	unsigned long last_pfn = first_pfn + (dmb_map.nr << pageblock_order);
	int err = 0;

	first_pfn = clamp(first_pfn, *start_pfn, *end_pfn);
	last_pfn = clamp(last_pfn, *start_pfn, *end_pfn);
	if (*start_pfn < first_pfn)
		err = dmb_leave_out(making, *start_pfn, first_pfn, beyond);
	if (last_pfn < *end_pfn)
		err = dmb_leave_out(making, last_pfn, *end_pfn, beyond);
	*start_pfn = first_pfn;
	*end_pfn = last_pfn;
	return err;
}

/* Would a zone have no ordinary memory left? That is only supported at boot. */
static bool dmb_fills_zone(const struct dmb_making *making, struct zone *zone,
			   unsigned long nr_pages)
{
	unsigned int i;

	for (i = 0; i < making->nr; i++)
		if (making->run[i].zone == zone)
			nr_pages += making->run[i].end_pfn -
				    making->run[i].start_pfn;
	return nr_pages >= zone_ordinary_pages(zone);
}

/* Allocate what is possible of a range, zone by zone. */
static int dmb_take_range(struct dmb_making *making, unsigned long start_pfn,
			  unsigned long end_pfn)
{
	unsigned long pfn, next;
	int err;

	err = dmb_clip_to_map(making, &start_pfn, &end_pfn);
	if (err)
		return err;

	for (pfn = start_pfn; pfn < end_pfn; pfn = next) {
		struct zone *zone = dmb_zone_of_pageblock(pfn);

		next = pfn;
		do {
			next += pageblock_nr_pages;
		} while (next < end_pfn && dmb_zone_of_pageblock(next) == zone);

		if (!zone) {
			err = dmb_leave_out(making, pfn, next,
					    "it is offline, not RAM, or not of one zone");
		} else if (dmb_kernel_needs(zone, next - pfn) ||
			   dmb_fills_zone(making, zone, next - pfn)) {
			err = dmb_leave_out(making, pfn, next,
					    "the kernel needs that memory");
		} else if (!dmb_room_elsewhere(pfn, next)) {
			err = dmb_leave_out(making, pfn, next,
					    "its pages have no room elsewhere");
		} else {
			err = dmb_take_zone(making, pfn, next, zone);
		}
		if (err)
			return err;
	}
	return making->nr ? 0 : -EBUSY;
}

static int dmb_lock_change(void)
{
	if (!mutex_lock_interruptible(&dmb_change_lock)) {
		WRITE_ONCE(dmb_changer, current);
		return 0;
	}
	put_online_mems();
	return -EINTR;
}

/**
 * dmb_begin_change - begin to make or dissolve blocks
 *
 * Takes the memory hotplug lock, then dmb_change_lock. Until dmb_end_change(),
 * nobody else makes or dissolves blocks, and zones and zonelists do not change.
 *
 * Context: Process context, may sleep.
 * Return: 0, or -EINTR after a signal.
 */
int dmb_begin_change(void)
{
	get_online_mems();
	return dmb_lock_change();
}

/**
 * dmb_begin_write - dmb_begin_change() for a write to a file of sysfs
 *
 * Somebody may take memory offline, and keep the memory hotplug lock until a
 * signal ends that. Like the files of memory hotplug, begin the system call
 * again and again then, so that a signal ends it, too.
 *
 * Context: Process context, may sleep.
 * Return: 0, or an error to return to user space.
 */
int dmb_begin_write(void)
{
	int err = lock_device_hotplug_sysfs();

	if (err)
		return err;
	get_online_mems();
	unlock_device_hotplug();
	return dmb_lock_change();
}

/* Have dmb_end_change() adapt zones to a change of their ordinary memory. */
void dmb_update_zones(void)
{
	lockdep_assert_held(&dmb_change_lock);
	dmb_zones_changed = true;
}

/* Drop the locks of dmb_begin_change(). */
void dmb_end_change(void)
{
	static DEFINE_MUTEX(update_lock);
	bool update = dmb_zones_changed;

	dmb_zones_changed = false;
	WRITE_ONCE(dmb_changer, NULL);
	mutex_unlock(&dmb_change_lock);
	if (update) {
		/* This takes locks inside which hotplug takes dmb_change_lock. */
		guard(mutex)(&update_lock);
		setup_per_zone_wmarks();
		refresh_zone_stat_thresholds();
		setup_per_zone_lowmem_reserve();
	}
	put_online_mems();
}

/**
 * dmb_wait_to_change - take dmb_change_lock in a task that may hold any locks
 * @end: when to give up, in jiffies
 *
 * This waits for a task that makes or dissolves blocks, but that may wait for a
 * lock of the caller. It does not wait for memory hotplug.
 *
 * Context: Direct reclaim.
 * Return: true if the caller has the lock.
 */
bool dmb_wait_to_change(unsigned long end)
{
	unsigned int others = 0;

	while (!mutex_trylock(&dmb_change_lock)) {
		struct task_struct *changer = READ_ONCE(dmb_changer);

		/* The first time, it may be about to set dmb_changer. */
		others = changer ? 0 : others + 1;
		if (changer == current || others > 1 ||
		    time_after(jiffies, end) || fatal_signal_pending(current))
			return false;
		schedule_timeout_uninterruptible(1);
	}
	return true;
}

/*
 * Get ready for the first block. That enables a static key, so cpus_read_lock()
 * comes before the other locks.
 */
int dmb_get_ready(void)
{
	int err;

	guard(cpus_read_lock)();
	if (mutex_lock_interruptible(&dmb_change_lock))
		return -EINTR;
	err = dmb_setup_map();
	mutex_unlock(&dmb_change_lock);
	return err;
}

/* Allocate a block of a zone, and its pool. It is not in the table yet. */
struct dmb *dmb_new_block(struct zone *zone)
{
	struct dmb **link, *dmb;

	for (link = &dmb_spares; (dmb = *link); link = &dmb->spare) {
		if (dmb->pool->zone != zone)
			continue;
		*link = dmb->spare;
		return dmb;
	}
	dmb = kzalloc(sizeof(*dmb), GFP_KERNEL);
	if (!dmb)
		return NULL;
	dmb->pool = dmb_new_pool(zone);
	if (!dmb->pool) {
		kfree(dmb);
		return NULL;
	}
	return dmb;
}

/* Keep a block for reuse in its zone: lockless readers may still look at it. */
static void dmb_spare_block(struct dmb *dmb)
{
	dmb->spare = dmb_spares;
	dmb_spares = dmb;
}

/**
 * dmb_end_block - clean up after a block that has no pages any more
 * @dmb: the block, which is not in the table
 *
 * Context: dmb_change_lock held. Waits for readers of its files in sysfs.
 */
void dmb_end_block(struct dmb *dmb)
{
	if (dmb->kobj.state_in_sysfs)
		dmb_hide_block(dmb);
	dmb_show_resource(dmb);
	dmb_close_pool(dmb->pool);
	dmb->transient = false;
	dmb_spare_block(dmb);
}

/* Allocate all blocks first, so that no later step can fail. */
static int dmb_new_blocks(struct dmb_making *making)
{
	unsigned int i;

	for (i = 0; i < making->nr; i++) {
		making->dmb[i] = dmb_new_block(making->run[i].zone);
		if (making->dmb[i])
			continue;
		while (i--)
			dmb_spare_block(making->dmb[i]);
		return -ENOMEM;
	}
	return 0;
}

/* A number for a range that was not requested at boot */
unsigned int dmb_new_range(void)
{
	unsigned int range = dmb_nr_requested();
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb)))
		range = max(range, dmb->range + 1);
	return range;
}

/**
 * dmb_change_pageblocks - make pageblocks part of a block, or ordinary memory
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 * @pool: the pool of their block, or NULL for ordinary memory
 *
 * Memory hotplug may have isolated them. Then the pages are freed as isolated
 * ones, and when the isolation ends, dmb_map determines the right type.
 *
 * Context: dmb_change_lock held. The caller has allocated all of the pages, or
 * has isolated the pageblocks and keeps their folios off the LRU lists.
 */
void dmb_change_pageblocks(unsigned long start_pfn, unsigned long end_pfn,
			   struct dmb_pool *pool)
{
	struct zone *zone = page_zone(pfn_to_page(start_pfn));
	unsigned long pfn;

	for (pfn = start_pfn; pfn < end_pfn; pfn += pageblock_nr_pages) {
		struct page *page = pfn_to_page(pfn);

		guard(spinlock_irqsave)(&zone->lock);
		dmb_set_pool(pfn, pfn + pageblock_nr_pages, pool);
		if (!is_migrate_isolate_page(page))
			set_pageblock_migratetype(page, pool ? MIGRATE_DMB :
							       MIGRATE_MOVABLE);
	}
}

/**
 * dmb_begin_block - add a block that has no pages yet
 * @dmb: what dmb_new_block() has returned
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 * @range: number of the range that the block is a part of
 *
 * Context: dmb_change_lock held. The table is not full.
 */
void dmb_begin_block(struct dmb *dmb, unsigned long start_pfn,
		     unsigned long end_pfn, unsigned int range)
{
	dmb->range = range;
	dmb->claimed = 0;
	dmb->peak = 0;
	dmb_insert_block(dmb, start_pfn, end_pfn);
	dmb_open_pool(dmb);
	dmb_name_block(dmb, dmb_blocks.nr);
}

/* Make a block of a run. Its pages stay allocated. */
static void dmb_make_block(struct dmb *dmb, const struct dmb_run *run,
			   unsigned int range)
{
	dmb_begin_block(dmb, run->start_pfn, run->end_pfn, range);
	dmb_change_pageblocks(run->start_pfn, run->end_pfn, dmb->pool);
	dmb_adjust_pages(dmb, dmb_nr_pages(dmb));
	__dmb_adjust_managed(pfn_to_page(dmb->start_pfn), dmb_nr_pages(dmb));

	dmb_announce_block(dmb);
	dmb_show_resource(dmb);
	dmb_show_block(dmb);
}

static const char *dmb_explain(int err, bool exact)
{
	switch (err) {
	case -EINTR:
		return "interrupted";
	case -ENOMEM:
		return "no memory";
	case -ENOSPC:
		return "it would be too many blocks";
	}
	return exact ? "not all of it can be one" : "none of it can be one";
}

static int dmb_make_locked(struct dmb_making *making, unsigned long start_pfn,
			   unsigned long end_pfn)
{
	unsigned int i, range = dmb_new_range();
	int err;

	err = dmb_take_range(making, start_pfn, end_pfn) ?:
	      dmb_new_blocks(making);
	for (i = 0; i < making->nr && !err; i++)
		dmb_make_block(making->dmb[i], &making->run[i], range);

	if (making->nr_left_out > DMB_MAKE_NAMED)
		pr_info("%u more ranges are left out\n",
			making->nr_left_out - DMB_MAKE_NAMED);
	if (err)
		pr_info(DMB_RANGE_FMT " does not become a block: %s\n",
			dmb_first_byte(start_pfn), dmb_last_byte(end_pfn),
			dmb_explain(err, making->exact));
	else
		dmb_update_zones();
	for (i = 0; i < making->nr; i++)
		dmb_free_range(making->run[i].start_pfn,
			       making->run[i].end_pfn);
	return err;
}

/*
 * Find @nr pageblocks in a row, in one zone, that are the cheapest to empty:
 * first by the number of pageblocks with pages that cannot move, then by the
 * number of pages to move. With @making->exact, all pages must be able to move.
 * Return the number of the first pageblock, or ULONG_MAX.
 */
static unsigned long dmb_find_place(const struct dmb_making *making,
				    unsigned long nr, struct zone *zone,
				    u64 *best)
{
	unsigned long first = max(DIV_ROUND_UP(zone->zone_start_pfn,
					       pageblock_nr_pages),
				  dmb_map.first);
	unsigned long end = min(zone_end_pfn(zone) >> pageblock_order,
				dmb_map.first + dmb_map.nr);
	unsigned long i, in_a_row = 0, place = ULONG_MAX;
	const u64 stays = (u64)nr << pageblock_order;
	u64 *cost, sum = 0;

	/* Devices need all of a zone that is so small. */
	if (zone_managed_pages(zone) < PHYS_PFN(DMB_ZONE_WORTH))
		return place;
	if (end < first + nr || dmb_kernel_needs(zone, nr << pageblock_order) ||
	    dmb_fills_zone(making, zone, nr << pageblock_order))
		return place;
	/* The costs of the last @nr pageblocks, of which @sum is the sum */
	cost = kvmalloc_array(nr, sizeof(*cost), GFP_KERNEL);
	if (!cost)
		return place;
	for (i = first; i < end; i++) {
		unsigned long pfn = i << pageblock_order;
		u32 pages = DMB_PAGES_STAY;
		bool usable = !dmb_contains_pfn(pfn) &&
			      dmb_zone_of_pageblock(pfn) == zone;

		if (usable)
			pages = dmb_pages_to_move(pfn);
		cond_resched();
		if (!usable || (making->exact && pages == DMB_PAGES_STAY)) {
			in_a_row = 0;
			sum = 0;
			continue;
		}
		if (in_a_row >= nr)
			sum -= cost[i % nr];
		cost[i % nr] = pages == DMB_PAGES_STAY ? stays : pages;
		sum += cost[i % nr];
		/* On a tie, spare the lower zone, which some requests need. */
		if (++in_a_row >= nr &&
		    (sum < *best || (sum == *best && place == ULONG_MAX))) {
			*best = sum;
			place = i + 1 - nr;
		}
	}
	kvfree(cost);
	return place;
}

static struct dmb_making *dmb_begin_making(bool exact)
{
	struct dmb_making *making = kvzalloc(sizeof(*making), GFP_KERNEL);
	struct zone *zone;

	if (!making)
		return NULL;
	/* Added memory without entries in the map cannot become a block. */
	for_each_populated_zone(zone)
		dmb_extend_map(zone->zone_start_pfn, zone_end_pfn(zone));
	making->exact = exact;
	making->pauses = DMB_MAKE_PAUSES;
	making->data_time = DMB_MAKE_DATA_TIME;
	/* Pages in a batch for the LRU look as if they could not move. */
	lru_add_drain_all();
	return making;
}

/* dmb_make() between dmb_begin_change() and dmb_end_change() */
int dmb_make_range(u64 base, u64 size, bool exact)
{
	struct dmb_making *making;
	const char *why;
	int err;

	why = dmb_check_request(&dmb_blocks, base, size);
	if (why) {
		pr_warn("%llu@%#llx refused: %s\n", size, base, why);
		return dmb_blocks.nr == DMB_MAX_BLOCKS ? -ENOSPC : -EINVAL;
	}
	making = dmb_begin_making(exact);
	err = making ? dmb_make_locked(making, PHYS_PFN(base),
				       PHYS_PFN(base + size)) : -ENOMEM;
	kvfree(making);
	return err;
}

/**
 * dmb_make - designate ordinary memory
 * @base: physical address of the first byte of the range
 * @size: size of the range in bytes
 * @exact: make all of it a block, or nothing
 *
 * Pages in use move away, or are reclaimed if there is no room elsewhere.
 * Without @exact, pageblocks with pages that cannot move are left out, and
 * named in the log. So the range may become several blocks.
 *
 * Context: Process context, may sleep and do I/O.
 * Return: 0; -EINVAL if the range is invalid; -EBUSY if none of it can be in a
 * block or, with @exact, not all of it; -ENOSPC if there would be too many
 * blocks; -ENOMEM; -EINTR after a signal. After an error, there is no new
 * block. The kernel log says more.
 */
int dmb_make(u64 base, u64 size, bool exact)
{
	int err = dmb_get_ready() ?: dmb_begin_change();

	if (err)
		return err;
	err = dmb_make_range(base, size, exact);
	dmb_end_change();
	return err;
}
EXPORT_SYMBOL_GPL(dmb_make);

/**
 * dmb_make_anywhere - designate the ordinary memory that is cheapest to empty
 * @size: its size in bytes
 * @exact: make all of it a block, or nothing
 *
 * Context: Between dmb_begin_change() and dmb_end_change().
 * Return: As for dmb_make(). -EBUSY if no zone can spare a range of that size.
 */
int dmb_make_anywhere(u64 size, bool exact)
{
	unsigned long place = ULONG_MAX;
	struct dmb_making *making;
	u64 best = U64_MAX;
	struct zone *zone;
	int err;

	if (!size || !IS_ALIGNED(size, DMB_MIN_ALIGNMENT_BYTES) ||
	    size > PFN_PHYS(ULONG_MAX)) {
		pr_warn("%llu refused: not a size of whole pageblocks, of %lu KiB\n",
			size, DMB_MIN_ALIGNMENT_BYTES / SZ_1K);
		return -EINVAL;
	}
	making = dmb_begin_making(exact);
	err = -ENOMEM;
	if (making) {
		for_each_populated_zone(zone) {
			unsigned long found;

			found = dmb_find_place(making,
					       PHYS_PFN(size) >> pageblock_order,
					       zone, &best);
			if (found != ULONG_MAX)
				place = found << pageblock_order;
		}
		err = place == ULONG_MAX ? -EBUSY :
		      dmb_make_locked(making, place, place + PHYS_PFN(size));
		if (place == ULONG_MAX)
			pr_info("no block of %llu MiB: no zone can spare so much memory in one piece\n",
				size / SZ_1M);
	}
	kvfree(making);
	return err;
}
