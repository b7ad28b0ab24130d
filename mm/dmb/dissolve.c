// SPDX-License-Identifier: GPL-2.0
/*
 * Make a block, or a part of it, ordinary memory again: on request, or when the
 * kernel has no other memory left.
 */

#define pr_fmt(fmt) "dmb: " fmt

#include <linux/dmb_claim.h>
#include <linux/export.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include "internal.h"

/* Pageblocks that a block yields at once, if all of them can be emptied */
#define DMB_YIELD_STEP		16

/* Moving pages for this long is better than killing a process. */
#define DMB_YIELD_MS		1000

/* Do blocks yield memory to the kernel before the OOM killer runs? */
static bool dmb_yielding;

/* Number of pages that blocks have yielded so far */
static unsigned long dmb_yielded;

/**
 * dmb_shorten - remove pages from the end of a block
 * @dmb: the block
 * @nr_pages: how many, whole pageblocks
 *
 * Context: dmb_change_lock held. The caller has claimed the pages. All of them
 * are managed, and none is on a free list of the block, or on an LRU list.
 */
void dmb_shorten(struct dmb *dmb, unsigned long nr_pages)
{
	unsigned long end_pfn = dmb->end_pfn;
	unsigned long start_pfn = end_pfn - nr_pages;

	/* dmb_map may have changed already, so do not look there. */
	atomic_long_sub(nr_pages, &dmb->pool->zone->dmb_managed);
	dmb_adjust_pages(dmb, -(long)nr_pages);
	dmb_resize_block(dmb, dmb->start_pfn, start_pfn);
	dmb_change_pageblocks(start_pfn, end_pfn, NULL);
}

/* Make so many pages at the end of a block ordinary memory, all or none. */
static int dmb_dissolve_end(struct dmb *dmb, unsigned long nr_pages,
			    unsigned int flags)
{
	struct dmb_request request = {
		.start = PFN_PHYS(dmb->end_pfn - nr_pages),
		.end = PFN_PHYS(dmb->end_pfn),
		.size = PFN_PHYS(nr_pages),
		.owner = "to be dissolved",
		.flags = flags | DMB_CLAIM_UNZEROED,
		.timeout_ms = flags & DMB_CLAIM_QUICK ? DMB_YIELD_MS : 0,
	};
	struct dmb_claim *claim = dmb_claim(&request);

	if (IS_ERR(claim))
		return PTR_ERR(claim);
	dmb_shorten(dmb, nr_pages);
	dmb_release(claim);
	return 0;
}

/*
 * Make pages at the end of a block ordinary memory, as many as possible. They
 * stay where they are, but for pageblocks in which they cannot.
 */
static int dmb_dissolve_pages(struct dmb *dmb, unsigned long nr_pages)
{
	int err;

	while (nr_pages) {
		nr_pages -= dmb_dissolve_in_place(dmb, nr_pages);
		if (!nr_pages)
			break;
		if (signal_pending(current))
			return -EINTR;
		err = dmb_dissolve_end(dmb, pageblock_nr_pages, 0);
		if (err)
			return err;
		nr_pages -= pageblock_nr_pages;
	}
	return 0;
}

static struct dmb *dmb_named(const char *name)
{
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb)) && strcmp(dmb->name, name))
		;
	return dmb;
}

/* Return an error if a block cannot be dissolved from @start_pfn on. */
static int dmb_keep_block(const struct dmb *dmb, unsigned long start_pfn)
{
	struct zone *zone = dmb->pool->zone;
	const char *why = NULL;

	if (dmb_area_exists(start_pfn, dmb->end_pfn))
		why = "a CMA area is in it";
	else if (!node_state(zone_to_nid(zone), N_NORMAL_MEMORY) &&
		 zone_idx(zone) <= ZONE_NORMAL)
		why = "its node has no ordinary memory, and is not prepared for any";
	if (!why)
		return 0;
	pr_warn("%s stays: %s\n", dmb->name, why);
	return -EOPNOTSUPP;
}

/* Why does a block keep its memory from @start_pfn on, after this error? */
static const char *dmb_why_it_stays(const struct dmb *dmb,
				    unsigned long start_pfn, int err)
{
	switch (err) {
	case -EINTR:
		return "interrupted";
	case -ENODEV:
		return "some of it is offline";
	case -EHWPOISON:
		return "a page is broken, and others cannot leave it";
	case -ENOMEM:
		return "pages that have to move have no room elsewhere";
	}
	return dmb_claim_overlaps(start_pfn, dmb->end_pfn) ?
	       "an owner has some of it" :
	       "pages that have to move are in use";
}

/* dmb_dissolve() between dmb_begin_change() and dmb_end_change() */
int dmb_dissolve_locked(const char *name, u64 size)
{
	struct dmb *dmb = dmb_named(name);
	unsigned long start_pfn, end_pfn;
	int err;

	if (!dmb)
		return -ENOENT;
	if (!IS_ALIGNED(size, DMB_MIN_ALIGNMENT_BYTES) ||
	    size > PFN_PHYS(dmb_nr_pages(dmb)))
		return -EINVAL;
	end_pfn = dmb->end_pfn;
	start_pfn = size ? end_pfn - PHYS_PFN(size) : dmb->start_pfn;
	err = dmb_keep_block(dmb, start_pfn);
	if (err)
		return err;

	err = dmb_dissolve_pages(dmb, end_pfn - start_pfn);
	if (err)
		pr_warn("%s: " DMB_RANGE_FMT " stays a block: %s\n", name,
			dmb_first_byte(start_pfn), dmb_last_byte(dmb->end_pfn),
			dmb_why_it_stays(dmb, start_pfn, err));
	if (dmb->end_pfn == end_pfn)
		return err;

	pr_info("%s: " DMB_RANGE_FMT " is ordinary memory again\n", name,
		dmb_first_byte(dmb->end_pfn), dmb_last_byte(end_pfn));
	if (dmb_nr_pages(dmb))
		dmb_show_resource(dmb);
	else
		dmb_end_block(dmb);
	dmb_update_zones();
	return err;
}

/**
 * dmb_dissolve - make a block, or the end of it, ordinary memory
 * @name: the block's name, as in sysfs
 * @size: how much, in bytes; 0 for all
 *
 * Pages in use stay where they are. Where one is in a balloon, or off its LRU
 * list for long, the pages of that pageblock move away, or are reclaimed if
 * there is no room elsewhere. The block shrinks from its end, pageblock by
 * pageblock. After an error, the memory that has left the block stays ordinary
 * memory.
 *
 * Context: Process context, may sleep and do I/O.
 * Return: 0; -ENOENT if there is no such block; -EINVAL if it is smaller, or if
 * @size is not a multiple of DMB_MIN_ALIGNMENT_BYTES; -EOPNOTSUPP if a CMA area
 * is in it or its node has no ordinary memory; -EINTR after any signal; else an
 * error of dmb_claim().
 */
int dmb_dissolve(const char *name, u64 size)
{
	int err = dmb_begin_change();

	if (err)
		return err;
	err = dmb_dissolve_locked(name, size);
	dmb_end_change();
	return err;
}
EXPORT_SYMBOL_GPL(dmb_dissolve);

/* In a work item, as the task that runs dmb_yield() may hold these locks. */
static void dmb_yield_work(struct work_struct *work)
{
	if (dmb_begin_change())
		return;
	dmb_show_resources();
	dmb_update_zones();
	dmb_end_change();
}

static DECLARE_WORK(dmb_yielded_work, dmb_yield_work);

/*
 * Find the next block of a zone by the number of free pages, most first. @last
 * is the block before, which had *@free; if blocks have equally many, the lower
 * address comes first. Set *@free for the next call.
 */
static struct dmb *dmb_yielding_block(const struct zone *zone,
				      const struct dmb *last,
				      unsigned long *free)
{
	unsigned long most = *free;
	struct dmb *dmb = NULL, *best = NULL;

	*free = 0;
	while ((dmb = dmb_next(dmb))) {
		unsigned long pages = dmb_pool_free(dmb->pool);

		if (dmb->pool->zone != zone || pages > most || pages <= *free)
			continue;
		if (last && pages == most && dmb->start_pfn <= last->start_pfn)
			continue;
		*free = pages;
		best = dmb;
	}
	return best;
}

static bool dmb_yield_pages(struct dmb *dmb, unsigned long nr_pages)
{
	unsigned long end_pfn = dmb->end_pfn;

	if (dmb_area_exists(end_pfn - nr_pages, end_pfn) ||
	    dmb_dissolve_end(dmb, nr_pages, DMB_CLAIM_QUICK))
		return false;
	WRITE_ONCE(dmb_yielded, dmb_yielded + nr_pages);
	pr_info("%s yields " DMB_RANGE_FMT ": nothing else is left\n",
		dmb->name, dmb_first_byte(dmb->end_pfn),
		dmb_last_byte(end_pfn));
	return true;
}

/* Why does a block with free pages not yield its last pageblock? */
static const char *dmb_why_no_yield(const struct dmb *dmb)
{
	unsigned long end_pfn = dmb->end_pfn;
	unsigned long start_pfn = end_pfn - pageblock_nr_pages;

	if (dmb_area_exists(start_pfn, end_pfn))
		return "a CMA area is at its end";
	if (dmb_claim_overlaps(start_pfn, end_pfn))
		return "an owner has its end";
	return "pages at its end do not move";
}

/* Try to take up to @free pages off the end. The block keeps a pageblock. */
static bool dmb_yield_end(struct dmb *dmb, unsigned long free)
{
	unsigned long nr_pages = min3(DMB_YIELD_STEP * pageblock_nr_pages,
				      ALIGN_DOWN(free, pageblock_nr_pages),
				      dmb_nr_pages(dmb) - pageblock_nr_pages);

	if (!nr_pages)
		return false;
	if (dmb_yield_pages(dmb, nr_pages) ||
	    dmb_yield_pages(dmb, pageblock_nr_pages))
		return true;
	pr_info_ratelimited("%s does not yield: %s\n", dmb->name,
			    dmb_why_no_yield(dmb));
	return false;
}

/**
 * dmb_yield - give the kernel pages of a block before the OOM killer runs
 * @zone: a zone that the request may use
 * @end: do not wait for others who change blocks after this, in jiffies
 *
 * This does nothing unless the administrator has enabled it. It takes pages
 * that are free, or that move to free pages without waiting.
 *
 * Context: Direct reclaim. The zone has ordinary memory.
 * Return: true if there may be more ordinary memory now.
 */
bool dmb_yield(struct zone *zone, unsigned long end)
{
	static bool busy;
	unsigned long free = ULONG_MAX, before;
	struct dmb *dmb = NULL;
	bool yielded = false;
	unsigned int tries;

	/* A task that is emptying a range does not begin with another one. */
	if (!READ_ONCE(dmb_yielding) || dmb_current_attempt())
		return false;
	if (READ_ONCE(busy)) {
		/* Another task makes a block yield: share what it gets. */
		schedule_timeout_uninterruptible(1);
		return true;
	}
	before = dmb_yielded_pages();
	if (!dmb_wait_to_change(end))
		return READ_ONCE(busy) || dmb_yielded_pages() != before;
	if (dmb_yielded_pages() != before) {
		mutex_unlock(&dmb_change_lock);
		return true;
	}
	WRITE_ONCE(busy, true);
	/* Free pages may change meanwhile, so a block may come up again. */
	for (tries = dmb_blocks.nr; tries && !yielded; tries--) {
		dmb = dmb_yielding_block(zone, dmb, &free);
		if (!dmb)
			break;
		yielded = dmb_yield_end(dmb, free);
	}
	if (yielded)
		schedule_work(&dmb_yielded_work);
	WRITE_ONCE(busy, false);
	mutex_unlock(&dmb_change_lock);
	return yielded;
}

bool dmb_yield_enabled(void)
{
	return READ_ONCE(dmb_yielding);
}

void dmb_set_yield(bool yield)
{
	WRITE_ONCE(dmb_yielding, yield);
}

unsigned long dmb_yielded_pages(void)
{
	return READ_ONCE(dmb_yielded);
}
