// SPDX-License-Identifier: GPL-2.0
/*
 * Owners of memory in blocks, who take it for themselves and give it back, and
 * what /proc/iomem has to say about it.
 */

#include <linux/device.h>
#include <linux/dmb_claim.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/interval_tree.h>
#include <linux/ioport.h>
#include <linux/jiffies.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "internal.h"

#define DMB_OWNER_LEN	32

/* A claim that is quick takes no longer, unless it has a deadline of its own. */
#define DMB_QUICK_MS	10

/**
 * struct dmb_claim - a range that an owner has, or is about to have
 * @pfns: the page frames, in dmb_claims
 * @dmb: the block that it is in
 * @taken: its pages are the owner's
 * @protected: its pages are not in the direct map
 * @flags: of its request
 * @poisoned: of its request
 * @data: of its request
 * @owner: who
 * @resource: its line in /proc/iomem
 */
struct dmb_claim {
	struct interval_tree_node pfns;
	struct dmb *dmb;
	bool taken;
	bool protected;
	unsigned int flags;
	void (*poisoned)(void *data, phys_addr_t address);
	void *data;
	char owner[DMB_OWNER_LEN];
	struct resource resource;
};

/* Not a mutex, as cma_release() counts pages, and may be called in any context. */
static DEFINE_SPINLOCK(dmb_claims_lock);
static struct rb_root_cached dmb_claims = RB_ROOT_CACHED;

/* Protects the lines of blocks in /proc/iomem, and who has which parent there */
static DEFINE_MUTEX(dmb_resource_lock);

/* Page frames that are about to go offline, from first to one past the last */
static unsigned long dmb_leaving_start;
static unsigned long dmb_leaving_end;

/* Is a part of this range about to go offline? */
static bool dmb_leaving(unsigned long start_pfn, unsigned long end_pfn)
{
	lockdep_assert_held(&dmb_claims_lock);
	return start_pfn < dmb_leaving_end && dmb_leaving_start < end_pfn;
}

static struct dmb_claim *dmb_find_claim(unsigned long start_pfn,
					unsigned long end_pfn)
{
	struct interval_tree_node *pfns;

	lockdep_assert_held(&dmb_claims_lock);
	pfns = interval_tree_iter_first(&dmb_claims, start_pfn, end_pfn - 1);
	return pfns ? container_of(pfns, struct dmb_claim, pfns) : NULL;
}

/* Is a part of this range claimed, or about to be? */
bool dmb_claim_overlaps(unsigned long start_pfn, unsigned long end_pfn)
{
	guard(spinlock_irqsave)(&dmb_claims_lock);
	return dmb_find_claim(start_pfn, end_pfn);
}

/* Has dmb_claim() given this page frame to an owner? */
bool dmb_owned(unsigned long pfn)
{
	struct dmb_claim *claim;

	guard(spinlock_irqsave)(&dmb_claims_lock);
	claim = dmb_find_claim(pfn, pfn + 1);
	return claim && claim->taken;
}

/* Is it out of the direct map? */
bool dmb_claim_protected(const struct dmb_claim *claim)
{
	return claim->protected;
}

/* Is this page frame an owner's, or has CMA taken it? */
bool dmb_claimed(unsigned long pfn)
{
	return dmb_owned(pfn) || dmb_cma_allocated(pfn);
}

/**
 * dmb_keep_online - begin to look at the struct pages of a range
 * @start_pfn: first page frame, in a block
 * @end_pfn: one past the last page frame
 * @flags: for dmb_let_offline()
 *
 * Memory goes offline after dmb_memory_event() has had the lock, at the earliest.
 *
 * Context: Any, interrupts are disabled until dmb_let_offline().
 * Return: false if part of the range is offline, or about to be.
 */
bool dmb_keep_online(unsigned long start_pfn, unsigned long end_pfn,
		     unsigned long *flags)
{
	spin_lock_irqsave(&dmb_claims_lock, *flags);
	if (!dmb_leaving(start_pfn, end_pfn) && dmb_online(start_pfn, end_pfn))
		return true;
	spin_unlock_irqrestore(&dmb_claims_lock, *flags);
	return false;
}

void dmb_let_offline(unsigned long flags)
{
	spin_unlock_irqrestore(&dmb_claims_lock, flags);
}

static unsigned long dmb_claim_start(const struct dmb_claim *claim)
{
	return claim->pfns.start;
}

static unsigned long dmb_claim_end(const struct dmb_claim *claim)
{
	return claim->pfns.last + 1;
}

static unsigned long dmb_claim_pages(const struct dmb_claim *claim)
{
	return dmb_claim_end(claim) - dmb_claim_start(claim);
}

/*
 * Adds a claim to the others, so that nobody else can have any of its pages, and
 * what is online stays so.
 */
static int dmb_begin_claim(struct dmb_claim *claim)
{
	unsigned long start_pfn = dmb_claim_start(claim);
	unsigned long end_pfn = dmb_claim_end(claim);

	guard(spinlock_irqsave)(&dmb_claims_lock);
	/* Whoever dissolves the block has a claim while it becomes shorter. */
	if (dmb_block_holding(start_pfn, end_pfn) != claim->dmb)
		return -EBUSY;
	if (dmb_find_claim(start_pfn, end_pfn))
		return -EBUSY;
	if (dmb_leaving(start_pfn, end_pfn))
		return -EBUSY;
	interval_tree_insert(&claim->pfns, &dmb_claims);
	return 0;
}

static void dmb_end_claim(struct dmb_claim *claim)
{
	scoped_guard(spinlock_irqsave, &dmb_claims_lock)
		interval_tree_remove(&claim->pfns, &dmb_claims);
	kfree(claim);
}

static void dmb_count_claimed(struct dmb *dmb, long nr_pages)
{
	lockdep_assert_held(&dmb_claims_lock);
	/* Others read it without the lock. */
	WRITE_ONCE(dmb->claimed, dmb->claimed + nr_pages);
	WRITE_ONCE(dmb->peak, max(dmb->peak, dmb->claimed));
}

static void dmb_name_resource(struct resource *resource, const char *name,
			      unsigned long start_pfn, unsigned long end_pfn)
{
	resource->name = name;
	resource->start = dmb_first_byte(start_pfn);
	resource->end = dmb_last_byte(end_pfn);
	/* As for a crash kernel: a part of System RAM, but not that itself. */
	resource->flags = IORESOURCE_MEM | IORESOURCE_BUSY;
}

/* Insert the line of a claim below that of its block, when this has one. */
static int dmb_show_claim(struct dmb_claim *claim)
{
	guard(mutex)(&dmb_resource_lock);
	/* Otherwise dmb_show_claims() has done so, or will. */
	if (claim->resource.parent || !claim->dmb->resource.parent)
		return 0;
	return insert_resource(&claim->dmb->resource, &claim->resource);
}

static void dmb_hide_claim(struct dmb_claim *claim)
{
	guard(mutex)(&dmb_resource_lock);
	if (claim->resource.parent)
		remove_resource(&claim->resource);
}

/* The first claim in a range whose line is to be inserted, or to be removed */
static struct dmb_claim *dmb_next_line(unsigned long start_pfn, unsigned long last_pfn,
				       bool show)
{
	struct interval_tree_node *pfns;

	guard(spinlock_irqsave)(&dmb_claims_lock);
	for (pfns = interval_tree_iter_first(&dmb_claims, start_pfn, last_pfn); pfns;
	     pfns = interval_tree_iter_next(pfns, start_pfn, last_pfn)) {
		struct dmb_claim *claim = container_of(pfns, struct dmb_claim, pfns);

		if (show ? claim->taken && claim->resource.name : !!claim->resource.parent)
			return claim;
	}
	return NULL;
}

/* Insert or remove the lines of all claims below that of their block. */
static void dmb_show_claims(struct resource *block, bool show)
{
	unsigned long pfn = PHYS_PFN(block->start), last_pfn = PHYS_PFN(block->end);
	struct dmb_claim *claim;

	/* Who releases a claim has to hide it before, and waits for the lock. */
	lockdep_assert_held(&dmb_resource_lock);
	while (pfn <= last_pfn && (claim = dmb_next_line(pfn, last_pfn, show))) {
		if (show)
			insert_resource(block, &claim->resource);
		else
			remove_resource(&claim->resource);
		pfn = dmb_claim_end(claim);
	}
}

/* How to get the memory that a claim itself needs */
static gfp_t dmb_claim_gfp(const struct dmb_request *request)
{
	return request->flags & DMB_CLAIM_QUICK ? GFP_NOWAIT | __GFP_NOWARN : GFP_KERNEL;
}

/* A range in a block, or an ERR_PTR() that says why not */
static struct dmb_claim *dmb_alloc_claim(const struct dmb_request *request,
					 unsigned long start_pfn)
{
	unsigned long end_pfn = start_pfn + PHYS_PFN(request->size);
	struct dmb *dmb = dmb_block_holding(start_pfn, end_pfn);
	struct dmb_claim *claim;
	int err;

	if (!dmb)
		return ERR_PTR(dmb_was_requested(start_pfn, end_pfn) ? -ENXIO : -EINVAL);
	claim = kzalloc(sizeof(*claim), dmb_claim_gfp(request));
	if (!claim)
		return ERR_PTR(-ENOMEM);
	claim->dmb = dmb;
	claim->pfns.start = start_pfn;
	claim->pfns.last = end_pfn - 1;
	claim->flags = request->flags;
	claim->poisoned = request->poisoned;
	claim->data = request->data;
	strscpy(claim->owner, request->owner ?: "");
	err = dmb_begin_claim(claim);
	if (!err)
		return claim;
	kfree(claim);
	return ERR_PTR(err);
}

/*
 * Not by __GFP_ZERO: that would zero all of the free pages that the range is part of,
 * at once.
 */
static void dmb_zero_claim(const struct dmb_claim *claim)
{
	unsigned long pfn;

	/* The page allocator has done so. */
	if (want_init_on_alloc(0) || want_init_on_free())
		return;
	for (pfn = dmb_claim_start(claim); pfn < dmb_claim_end(claim); pfn++) {
		clear_highpage(pfn_to_page(pfn));
		cond_resched();
	}
}

/* The pages are there: now they are the owner's, who is told if one breaks. */
static void dmb_own_claim(struct dmb_claim *claim)
{
	guard(spinlock_irqsave)(&dmb_claims_lock);
	claim->taken = true;
	dmb_count_claimed(claim->dmb, dmb_claim_pages(claim));
}

/* KASAN has tagged what were several free pages. The claim is one piece of memory. */
static void dmb_untag_claim(const struct dmb_claim *claim)
{
	unsigned long pfn;

	for (pfn = dmb_claim_start(claim); pfn < dmb_claim_end(claim); pfn++)
		page_kasan_tag_reset(pfn_to_page(pfn));
}

/* Has a page broken before that? */
static bool dmb_claim_broken(const struct dmb_claim *claim)
{
	unsigned long pfn;

	for (pfn = dmb_claim_start(claim); pfn < dmb_claim_end(claim); pfn++)
		if (PageHWPoison(pfn_to_page(pfn)))
			return true;
	return false;
}

/* Makes of the pages what the owner wants. */
static int dmb_finish_claim(struct dmb_claim *claim)
{
	int err;

	if (dmb_claim_broken(claim))
		return -EHWPOISON;
	dmb_untag_claim(claim);
	if (!(claim->flags & DMB_CLAIM_UNZEROED))
		dmb_zero_claim(claim);
	if (claim->flags & DMB_CLAIM_PROTECTED) {
		err = dmb_protect(dmb_claim_start(claim), dmb_claim_end(claim));
		if (err)
			return err;
		claim->protected = true;
	}
	dmb_name_resource(&claim->resource, claim->owner, dmb_claim_start(claim),
			  dmb_claim_end(claim));
	if (dmb_show_claim(claim))
		pr_warn("dmb: " DMB_RANGE_FMT " of %s is not in /proc/iomem\n",
			dmb_first_byte(dmb_claim_start(claim)),
			dmb_last_byte(dmb_claim_end(claim)), claim->owner);
	return 0;
}

/* In jiffies; 0 stands for none. The current jiffy has begun. */
static unsigned long dmb_deadline(const struct dmb_request *request)
{
	unsigned int timeout_ms = request->timeout_ms;

	if (request->flags & DMB_CLAIM_QUICK)
		timeout_ms = timeout_ms ?: DMB_QUICK_MS;
	return timeout_ms ? (jiffies + msecs_to_jiffies(timeout_ms) + 1) ?: 1 : 0;
}

/* How to try to get a range that has not been chosen yet */
static struct dmb_attempt dmb_first_attempt(const struct dmb_request *request)
{
	struct dmb_attempt attempt = {
		.migratetype = MIGRATE_MOVABLE,
		.gfp = GFP_KERNEL,
		.quick = request->flags & DMB_CLAIM_QUICK,
		.cancelled = &request->cancelled,
	};

	if (attempt.quick)
		attempt.gfp = dmb_quick_gfp(attempt.gfp);
	attempt.deadline = dmb_deadline(request);
	return attempt;
}

/* Takes this range, or says in @attempt what was in the way. */
static int dmb_claim_at(const struct dmb_request *request, unsigned long start_pfn,
			struct dmb_attempt *attempt, struct dmb_claim **result)
{
	struct dmb_claim *claim;
	int err;

	attempt->start_pfn = start_pfn;
	attempt->end_pfn = start_pfn + PHYS_PFN(request->size);
	attempt->busy_pfn = start_pfn;
	claim = dmb_alloc_claim(request, start_pfn);
	if (IS_ERR(claim))
		return PTR_ERR(claim);
	if (dmb_online(attempt->start_pfn, attempt->end_pfn))
		err = dmb_take(attempt);
	else
		err = -ENODEV;
	if (err) {
		dmb_end_claim(claim);
		return err;
	}
	dmb_own_claim(claim);
	err = dmb_finish_claim(claim);
	if (err) {
		dmb_release(claim);
		return err;
	}
	*result = claim;
	return 0;
}

/*
 * Takes the cheapest ranges, one after the other, until too many in a row are in use.
 * Returns how many it has got, and in *@err why there are no more.
 */
static unsigned int dmb_claim_cheapest(const struct dmb_request *request,
				       struct dmb_search *search,
				       struct dmb_attempt *attempt,
				       struct dmb_claim **claims, unsigned int nr,
				       int *err)
{
	unsigned int most = attempt->quick ? DMB_MAX_QUICK_FAILURES : DMB_MAX_FAILURES;
	unsigned int got = 0, failures = 0;

	while (got < nr && failures < most) {
		unsigned long pfn = dmb_search_next(search), end_pfn;

		if (pfn == DMB_NO_PFN) {
			/* There may be more, for somebody who waits. */
			*err = *err ?: -EBUSY;
			break;
		}
		*err = dmb_claim_at(request, pfn, attempt, &claims[got]);
		if (*err == -ENXIO || *err == -EINVAL) {
			/* The block has been dissolved since the search began. */
			*err = -EBUSY;
			dmb_search_exclude(search, attempt->start_pfn, attempt->end_pfn);
			continue;
		}
		if (!*err) {
			end_pfn = attempt->end_pfn;
			got++;
			failures = 0;
		} else if (dmb_try_elsewhere(*err)) {
			/* The others may be had at another time. */
			if (*err == -EHWPOISON)
				*err = -EBUSY;
			pfn = attempt->busy_pfn;
			end_pfn = pfn + 1;
			failures++;
		} else {
			break;
		}
		dmb_search_exclude(search, pfn, end_pfn);
	}
	return got;
}

/* Any ranges of the request, with one search for all of them */
static unsigned int dmb_claim_pass(const struct dmb_request *request,
				   struct dmb_attempt *attempt,
				   struct dmb_claim **claims, unsigned int nr, int *err)
{
	struct dmb_search search;
	unsigned long start_pfn, end_pfn;
	unsigned int got = 0;

	/* Pages that are within the range as a whole */
	start_pfn = min_t(u64, ULONG_MAX, (request->start >> PAGE_SHIFT) +
					  !PAGE_ALIGNED(request->start));
	end_pfn = request->end ? min_t(u64, ULONG_MAX, request->end >> PAGE_SHIFT) :
				 ULONG_MAX;
	*err = dmb_search_begin(&search, start_pfn, end_pfn, PHYS_PFN(request->size),
				max(PHYS_PFN(request->align), 1UL),
				dmb_claim_gfp(request), NULL);
	if (!*err) {
		/* The search takes its time with small pieces of large blocks. */
		if (request->flags & DMB_CLAIM_QUICK)
			attempt->deadline = dmb_deadline(request);
		*err = -EBUSY;
		got = dmb_claim_cheapest(request, &search, attempt, claims, nr, err);
	}
	dmb_search_end(&search);
	return got;
}

/* First those for which nothing needs to be waited for */
static int dmb_claim_any(const struct dmb_request *request,
			 struct dmb_claim **claims, unsigned int nr)
{
	struct dmb_attempt attempt = dmb_first_attempt(request), quick = attempt;
	unsigned int got;
	int err;

	quick.quick = true;
	quick.gfp = dmb_quick_gfp(attempt.gfp);
	got = dmb_claim_pass(request, &quick, claims, nr, &err);
	/* What was left out is looked at again. */
	if (got < nr && !attempt.quick && dmb_try_elsewhere(err))
		got += dmb_claim_pass(request, &attempt, claims + got, nr - got, &err);
	return got ?: err;
}

static struct dmb_claim *dmb_claim_one(const struct dmb_request *request)
{
	struct dmb_claim *claim;
	int err = dmb_claim_any(request, &claim, 1);

	return err < 0 ? ERR_PTR(err) : claim;
}

static bool dmb_request_valid(const struct dmb_request *request)
{
	phys_addr_t align = request->align;

	return request->size && PAGE_ALIGNED(request->size) &&
	       PFN_PHYS(PHYS_PFN(request->size)) == request->size &&
	       PAGE_ALIGNED(align) && !(align & (align - 1)) &&
	       PFN_PHYS(PHYS_PFN(align)) == align &&
	       (!request->end || (request->start < request->end &&
				  request->size <= request->end - request->start)) &&
	       !(request->flags & ~(DMB_CLAIM_QUICK | DMB_CLAIM_UNZEROED |
				    DMB_CLAIM_PROTECTED));
}

static int dmb_refuse_request(const struct dmb_request *request)
{
	if (!dmb_request_valid(request))
		return -EINVAL;
	if (request->flags & DMB_CLAIM_PROTECTED && !dmb_can_protect())
		return -EOPNOTSUPP;
	return 0;
}

/* Is there only one range that would do? */
static bool dmb_request_exact(const struct dmb_request *request)
{
	return request->end && request->end - request->start == request->size;
}

/**
 * dmb_claim - take memory in a block away from the page allocator
 * @request: which memory, and how hard to try
 *
 * What is there is moved away, to other blocks or to ordinary memory, or
 * reclaimed if there is no room for it, which may do I/O. Processes do not
 * lose anything but speed. If several ranges would do, this takes the one
 * that is the cheapest to empty: one that is free, or else one with few pages
 * and much clean page cache.
 *
 * How long that takes depends on what is there. A page that somebody uses for
 * a moment is waited for, for a second; if several ranges would do, in up to
 * four of them. Pages that are locked or under writeback are waited for until
 * they are not, and so are claims of other pages in the same pageblocks, which
 * are served in their order. The deadline of @request and dmb_cancel() end all
 * these waits but those for locks and writeback. %DMB_CLAIM_QUICK does without
 * any, and gives up after 10 ms if it has no other deadline. What a file system
 * has in use, in a transaction of its journal for example, is written first.
 *
 * Then all pages of the range are the caller's, each with one reference, and
 * zeroed, unless the caller does not want that. The pageblocks keep their
 * type. Outside of highmem, the pages stay in the kernel's direct map, unless
 * %DMB_CLAIM_PROTECTED was asked for. The direct map is cached: the zeroes may
 * still be in CPU caches, as may what earlier users wrote. So before the first access by a
 * device that does not snoop the caches, and before the first one by a mapping
 * that is not cached, the driver has dma_map_sgtable() write them to memory,
 * with %DMA_BIDIRECTIONAL or %DMA_TO_DEVICE. With %DMA_FROM_DEVICE they may be
 * thrown away, and what the device does not write is then what other processes
 * had there.
 *
 * Drivers need no lock of their own to call this, for whatever ranges.
 *
 * Context: Process context, may sleep and do I/O. No locks that memory
 * reclaim or filesystems might want, except as memalloc_nofs_save() and
 * memalloc_noio_save() allow. There, page cache, tmpfs and swap cache in the
 * range do not move, which gives -EBUSY, and for anonymous memory without room
 * elsewhere other memory is reclaimed.
 *
 * Return: the claim, for dmb_release(), or an ERR_PTR():
 *
 * * -EOPNOTSUPP - The kernel has no support for blocks: CONFIG_DMB is not set.
 *   Memory of a node below /reserved-memory is then reserved, and the driver's
 *   without a claim; other memory is not. With CONFIG_DMB: this machine has no
 *   %DMB_CLAIM_PROTECTED, and the memory is not the driver's.
 * * -EINVAL - The request makes no sense: @size is 0 or not a multiple of
 *   PAGE_SIZE; @align is neither 0 nor a power of two that is; the range is
 *   smaller than @size; a range of just that size does not begin aligned, or no
 *   valid request for a block has had any of it; unknown flags.
 * * -ENXIO - No block has such a range, unless somebody makes one. A block may be
 *   smaller than what was asked for, or in several pieces, as the kernel log
 *   says. The memory belongs to others.
 * * -EHWPOISON - A page of this range is broken. dmb_claim_several() can have
 *   the others, in smaller pieces.
 * * -EBUSY - It overlaps another claim, pages in use did not move in time,
 *   somebody tries to take part of it offline or, with %DMB_CLAIM_PROTECTED, the
 *   machine is about to hibernate. Try again later, or claim
 *   other memory. The log says what was in the way of a range.
 * * -ENOMEM - There is no room for its pages elsewhere, and they cannot be
 *   reclaimed, or not with %DMB_CLAIM_QUICK.
 * * -ENODEV - Part of it is offline. Try again when it is online.
 * * -ETIMEDOUT, -ECANCELED - The deadline has passed; dmb_cancel() was called.
 * * -EINTR - The task has got a fatal signal.
 */
struct dmb_claim *dmb_claim(const struct dmb_request *request)
{
	struct dmb_attempt attempt;
	struct dmb_claim *claim;
	int err;

	might_alloc(GFP_KERNEL);
	err = dmb_refuse_request(request);
	if (err)
		return ERR_PTR(err);
	if (!dmb_request_exact(request))
		return dmb_claim_one(request);
	if (!IS_ALIGNED(request->start, request->align ?: PAGE_SIZE))
		return ERR_PTR(-EINVAL);
	attempt = dmb_first_attempt(request);
	err = dmb_claim_at(request, PHYS_PFN(request->start), &attempt, &claim);
	return err ? ERR_PTR(err) : claim;
}
EXPORT_SYMBOL_GPL(dmb_claim);

/**
 * dmb_claim_several - take memory that need not be in one piece
 * @request: what each claim is to be like; its deadline is for all together
 * @claims: set to the claims, which are in no order; what is behind them in the
 *	    array is not changed
 * @nr: how many are wanted
 *
 * For a device with an IOMMU, or one that takes lists of large pages. Claims that
 * are pageblocks, of DMB_MIN_ALIGNMENT_BYTES and aligned to that, do not have to
 * wait for each other. The cheapest to empty come first; those with pages that are
 * in use for a moment are left out, and waited for only if there are no others.
 * If fewer will do, %DMB_CLAIM_QUICK or a deadline keep this from trying too hard.
 *
 * Context: As for dmb_claim().
 * Return: how many claims there are in @claims, 1 to @nr, each for dmb_release();
 * or an error as of dmb_claim() if there is none.
 */
int dmb_claim_several(const struct dmb_request *request,
		      struct dmb_claim **claims, unsigned int nr)
{
	int err = dmb_refuse_request(request);

	might_alloc(GFP_KERNEL);
	if (err)
		return err;
	if (!nr || nr > INT_MAX)
		return -EINVAL;
	return dmb_claim_any(request, claims, nr);
}
EXPORT_SYMBOL_GPL(dmb_claim_several);

/**
 * dmb_cancel - ask another thread's claim to give up
 * @request: what that thread has passed to dmb_claim() or dmb_claim_several()
 *
 * That call returns -ECANCELED, or the claims that it has got by then, as soon as
 * it looks: between batches of some 32 pages or one large folio, and while it waits
 * for anything but locks and writeback. It may succeed all the same.
 *
 * @request has to be valid until both calls have returned. It stays cancelled until
 * its owner sets @cancelled to false, before it is used again.
 *
 * Context: Any.
 */
void dmb_cancel(struct dmb_request *request)
{
	WRITE_ONCE(request->cancelled, true);
	dmb_wake_attempts();
}
EXPORT_SYMBOL_GPL(dmb_cancel);

/**
 * dmb_release - give back what was claimed, all of it
 * @claim: what dmb_claim() has returned, not an error; is freed
 *
 * Before that, the driver stops its device, and undoes dma_map_sgtable(), its own
 * mappings and those of user space. It leaves the one reference that each page had.
 * A page with further references becomes free when these go, with a warning.
 * %DMB_CLAIM_PROTECTED memory is zeroed, so hardware has to let the kernel write it.
 *
 * Context: Process context, no spinlock held.
 */
void dmb_release(struct dmb_claim *claim)
{
	unsigned long nr_pages = dmb_claim_pages(claim);

	if (claim->protected)
		dmb_unprotect(dmb_claim_start(claim), dmb_claim_end(claim));
	/* Others cannot claim it yet. */
	scoped_guard(spinlock_irqsave, &dmb_claims_lock)
		claim->taken = false;

	dmb_hide_claim(claim);
	dmb_free_range(dmb_claim_start(claim), dmb_claim_end(claim));
	/* Reclaim would take pages that are counted nowhere for reclaimable. */
	scoped_guard(spinlock_irqsave, &dmb_claims_lock)
		dmb_count_claimed(claim->dmb, -(long)nr_pages);
	dmb_end_claim(claim);
}
EXPORT_SYMBOL_GPL(dmb_release);

static void dmb_release_managed(void *claim)
{
	dmb_release(claim);
}

/**
 * devm_dmb_claim - dmb_claim(), with dmb_release() when the driver is unbound
 * @dev: the device
 * @request: as for dmb_claim()
 *
 * The driver must not release the claim itself.
 *
 * Context: As for dmb_claim().
 * Return: As of dmb_claim().
 */
struct dmb_claim *devm_dmb_claim(struct device *dev,
				 const struct dmb_request *request)
{
	struct dmb_claim *claim = dmb_claim(request);
	int err;

	if (IS_ERR(claim))
		return claim;
	err = devm_add_action_or_reset(dev, dmb_release_managed, claim);
	return err ? ERR_PTR(err) : claim;
}
EXPORT_SYMBOL_GPL(devm_dmb_claim);

/**
 * dmb_claim_base - where claimed memory begins
 * @claim: the claim
 *
 * Return: the physical address, in bytes.
 */
phys_addr_t dmb_claim_base(const struct dmb_claim *claim)
{
	return PFN_PHYS(dmb_claim_start(claim));
}
EXPORT_SYMBOL_GPL(dmb_claim_base);

/**
 * dmb_claim_size - how much memory was claimed
 * @claim: the claim
 *
 * Return: the size, in bytes.
 */
phys_addr_t dmb_claim_size(const struct dmb_claim *claim)
{
	return PFN_PHYS(dmb_claim_pages(claim));
}
EXPORT_SYMBOL_GPL(dmb_claim_size);

/**
 * dmb_claim_page - the first page of claimed memory
 * @claim: the claim
 *
 * Return: the page, for nth_page() and those who take pages one by one.
 */
struct page *dmb_claim_page(const struct dmb_claim *claim)
{
	return pfn_to_page(dmb_claim_start(claim));
}
EXPORT_SYMBOL_GPL(dmb_claim_page);

/**
 * dmb_block_range - where a block is
 * @index: which one, from 0, in the order of addresses
 * @base: set to its physical address, in bytes
 * @size: set to its size, in bytes
 *
 * What was asked for as one range may have become several blocks, or none. So an
 * index is not the number of a memory controller; see struct dmb_request.
 *
 * Context: Any but NMI.
 * Return: 0, or -ENXIO if there are not so many.
 */
int dmb_block_range(unsigned int index, phys_addr_t *base, phys_addr_t *size)
{
	struct dmb *dmb = dmb_next(NULL);

	while (dmb && index--)
		dmb = dmb_next(dmb);
	if (!dmb)
		return -ENXIO;
	*base = PFN_PHYS(dmb->start_pfn);
	*size = PFN_PHYS(dmb_nr_pages(dmb));
	return 0;
}
EXPORT_SYMBOL_GPL(dmb_block_range);

/**
 * __dmb_tell_owner - a page in a block is broken
 * @pfn: its page frame
 *
 * If somebody has claimed it, he is told: the page cannot be taken away from him.
 *
 * Context: Process context.
 */
void __dmb_tell_owner(unsigned long pfn)
{
	char owner[DMB_OWNER_LEN];

	scoped_guard(spinlock_irqsave, &dmb_claims_lock) {
		struct dmb_claim *claim = dmb_find_claim(pfn, pfn + 1);

		if (!claim || !claim->taken)
			return;
		strscpy(owner, claim->owner);
		if (claim->poisoned)
			claim->poisoned(claim->data, PFN_PHYS(pfn));
	}
	pr_warn("dmb: page frame %#lx is broken, and %s has it\n", pfn, owner);
}

void __dmb_count_taken(unsigned long pfn, long nr_pages)
{
	guard(spinlock_irqsave)(&dmb_claims_lock);
	dmb_count_claimed(dmb_first_block(pfn, pfn + 1), nr_pages);
}

/* For walk_system_ram_res(): note the last one. What it passes are copies. */
static int dmb_note_ram(struct resource *ram, void *last)
{
	*(struct resource *)last = *ram;
	return 0;
}

/*
 * The "System RAM" that all of a block is in, and that may be all of the block. NULL if there
 * is none, or if it is below another line, as that of memory that a driver has added.
 */
static struct resource *dmb_ram_around(const struct resource *block)
{
	struct resource last = { }, *ram;

	walk_system_ram_res(0, block->end, &last, dmb_note_ram);
	if (!resource_contains(&last, block))
		return NULL;
	/* It stays as long as memory hotplug is locked. */
	ram = lookup_resource(&iomem_resource, last.start);
	return ram && (ram->flags & IORESOURCE_SYSTEM_RAM) == IORESOURCE_SYSTEM_RAM &&
	       resource_contains(ram, block) ? ram : NULL;
}

/* Is all of it online? */
static bool dmb_ram_online(const struct resource *ram)
{
#ifdef CONFIG_MEMORY_HOTPLUG
	unsigned long pfn, last_pfn = PHYS_PFN(ram->end);

	for (pfn = PHYS_PFN(ram->start); pfn < last_pfn; pfn += PAGES_PER_SECTION)
		if (!pfn_to_online_page(pfn))
			return false;
	return pfn_to_online_page(last_pfn);
#else
	return true;
#endif
}

/**
 * dmb_show_resource - have /proc/iomem show a block as it is now
 * @dmb: the block, which may be new, shorter or empty
 *
 * Memory that is offline may be removed. Then the line of its "System RAM" goes, or the
 * kernel splits it, which it can only do if nothing is below. So the block, and claims in
 * it, have no line as long as a part of that is offline.
 *
 * Context: Boot, or the memory hotplug lock held. May sleep.
 */
void dmb_show_resource(struct dmb *dmb)
{
	struct resource *resource = &dmb->resource, *ram = NULL;
	struct resource block = { };

	guard(mutex)(&dmb_resource_lock);
	if (dmb_nr_pages(dmb)) {
		dmb_name_resource(&block, "Designated Movable Block", dmb->start_pfn,
				  dmb->end_pfn);
		ram = dmb_ram_around(&block);
		if (ram && !dmb_ram_online(ram))
			ram = NULL;
	}
	if (resource->parent) {
		if (ram && resource->start == block.start && resource->end == block.end)
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

/* Those of all blocks, when memory has come online or gone offline, or blocks are shorter */
void dmb_show_resources(void)
{
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb)))
		dmb_show_resource(dmb);
}

/*
 * An owner's memory does not go offline, however long one tries, and nobody
 * becomes the owner of memory that is about to.
 */
static int dmb_memory_event(struct notifier_block *nb, unsigned long action,
			    void *data)
{
	struct memory_notify *memory = data;
	unsigned long start_pfn = memory->start_pfn;
	unsigned long end_pfn = start_pfn + memory->nr_pages;
	char owner[DMB_OWNER_LEN];
	struct dmb_claim *claim;

	if (action == MEM_ONLINE || action == MEM_OFFLINE)
		dmb_show_resources();
	if (action != MEM_GOING_OFFLINE && action != MEM_OFFLINE &&
	    action != MEM_CANCEL_OFFLINE)
		return NOTIFY_DONE;

	scoped_guard(spinlock_irqsave, &dmb_claims_lock) {
		/* Only one range at a time goes offline. */
		if (action != MEM_GOING_OFFLINE) {
			dmb_leaving_end = 0;
			return NOTIFY_DONE;
		}
		claim = dmb_find_claim(start_pfn, end_pfn);
		if (!claim) {
			dmb_leaving_start = start_pfn;
			dmb_leaving_end = end_pfn;
			return NOTIFY_OK;
		}
		start_pfn = dmb_claim_start(claim);
		end_pfn = dmb_claim_end(claim);
		strscpy(owner, claim->owner);
	}
	/* Consoles allocate memory, with locks that this one is taken inside of. */
	pr_info("dmb: " DMB_RANGE_FMT " stays online: %s has claimed it\n",
		dmb_first_byte(start_pfn), dmb_last_byte(end_pfn), owner);
	return notifier_from_errno(-EBUSY);
}

static int __init dmb_claim_init(void)
{
	dmb_show_resources();
	hotplug_memory_notifier(dmb_memory_event, DEFAULT_CALLBACK_PRI);
	return 0;
}
subsys_initcall(dmb_claim_init);
