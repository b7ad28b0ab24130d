// SPDX-License-Identifier: GPL-2.0
/*
 * Claims: a driver takes memory in a block for itself and gives it back.
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
#include <linux/notifier.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "internal.h"

#define DMB_OWNER_LEN	32

/**
 * struct dmb_claim - a range that an owner has claimed, or is claiming
 * @pfns: the page frames, as a node of dmb_claims
 * @dmb: the block that contains the range
 * @taken: the pages belong to the owner
 * @protected: the pages are not in the direct map
 * @flags: from the request
 * @poisoned: from the request
 * @data: from the request
 * @owner: name of the owner
 * @resource: line of the claim in /proc/iomem
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

/* A spinlock: cma_release() counts pages under it, maybe in atomic context. */
static DEFINE_SPINLOCK(dmb_claims_lock);
static struct rb_root_cached dmb_claims = RB_ROOT_CACHED;

/* Page frames that are going offline, end excluded, under dmb_claims_lock */
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

/*
 * Is a part of this range claimed, or about to be? Return the page frame behind
 * such a claim, or 0.
 */
unsigned long dmb_claim_overlaps(unsigned long start_pfn, unsigned long end_pfn)
{
	struct dmb_claim *claim;

	guard(spinlock_irqsave)(&dmb_claims_lock);
	claim = dmb_find_claim(start_pfn, end_pfn);
	return claim ? claim->pfns.last + 1 : 0;
}

/* Has dmb_claim() given this page frame to an owner? */
bool dmb_owned(unsigned long pfn)
{
	struct dmb_claim *claim;

	guard(spinlock_irqsave)(&dmb_claims_lock);
	claim = dmb_find_claim(pfn, pfn + 1);
	return claim && claim->taken;
}

/* Is the memory of this claim out of the direct map? */
bool dmb_claim_protected(const struct dmb_claim *claim)
{
	return claim->protected;
}

/* Does this page frame belong to an owner, or has CMA taken it? */
bool dmb_claimed(unsigned long pfn)
{
	return dmb_owned(pfn) || dmb_cma_allocated(pfn);
}

/**
 * dmb_keep_online - keep a range online, to look at its struct pages
 * @start_pfn: first page frame, in a block
 * @end_pfn: one past the last page frame
 * @flags: for dmb_let_offline()
 *
 * Memory cannot go offline before dmb_memory_event() has taken dmb_claims_lock,
 * which this holds until dmb_let_offline().
 *
 * Context: Any. Interrupts are disabled until dmb_let_offline().
 * Return: true, or false if part of the range is offline or going offline.
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
 * Insert a claim in dmb_claims. From then on nobody else can claim any of its
 * pages, and pages that are online stay online.
 */
static int dmb_begin_claim(struct dmb_claim *claim)
{
	unsigned long start_pfn = dmb_claim_start(claim);
	unsigned long end_pfn = dmb_claim_end(claim);

	guard(spinlock_irqsave)(&dmb_claims_lock);
	/* Look again: the block may have shrunk. A claim will prevent that. */
	if (dmb_block_holding(start_pfn, end_pfn) != claim->dmb)
		return -EBUSY;
	if (dmb_find_claim(start_pfn, end_pfn))
		return -EBUSY;
	if (dmb_leaving(start_pfn, end_pfn))
		return -ENODEV;
	interval_tree_insert(&claim->pfns, &dmb_claims);
	return 0;
}

/* Remove a claim whose pages its owner does not have, or not any more. */
void dmb_end_claim(struct dmb_claim *claim)
{
	scoped_guard(spinlock_irqsave, &dmb_claims_lock)
		interval_tree_remove(&claim->pfns, &dmb_claims);
	kfree(claim);
}

static void dmb_count_claimed(struct dmb *dmb, long nr_pages)
{
	lockdep_assert_held(&dmb_claims_lock);
	/* sysfs and debugfs read both without the lock. */
	WRITE_ONCE(dmb->claimed, dmb->claimed + nr_pages);
	WRITE_ONCE(dmb->peak, max(dmb->peak, dmb->claimed));
}

/**
 * dmb_next_line - the next line of a claim that has to be inserted or removed
 * @start_pfn: first page frame of the range to look in
 * @last_pfn: last page frame of that range
 * @show: look for a claim that has no line, rather than for one that has
 *
 * Context: Any. The caller has to keep claims from being freed.
 * Return: the line, whether or not it is in /proc/iomem; NULL if there is none.
 */
struct resource *dmb_next_line(unsigned long start_pfn, unsigned long last_pfn,
			       bool show)
{
	struct interval_tree_node *pfns;

	guard(spinlock_irqsave)(&dmb_claims_lock);
	for (pfns = interval_tree_iter_first(&dmb_claims, start_pfn, last_pfn);
	     pfns; pfns = interval_tree_iter_next(pfns, start_pfn, last_pfn)) {
		struct dmb_claim *claim = container_of(pfns, struct dmb_claim,
						       pfns);

		if (show ? claim->taken && claim->resource.name :
			   !!claim->resource.parent)
			return &claim->resource;
	}
	return NULL;
}

/* The flags to allocate struct dmb_claim, and the memory for its search */
static gfp_t dmb_claim_gfp(const struct dmb_request *request)
{
	return request->flags & DMB_CLAIM_QUICK ? GFP_NOWAIT | __GFP_NOWARN :
						  GFP_KERNEL;
}

/* Allocate a claim of a range in a block and insert it, or return ERR_PTR(). */
struct dmb_claim *dmb_alloc_claim(const struct dmb_request *request,
				  unsigned long start_pfn)
{
	unsigned long end_pfn = start_pfn + PHYS_PFN(request->size);
	struct dmb *dmb = dmb_block_holding(start_pfn, end_pfn);
	struct dmb_claim *claim;
	int err;

	if (!dmb)
		return ERR_PTR(dmb_was_requested(start_pfn, end_pfn) ?
			       -ENXIO : -EINVAL);
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
 * Zero the range page by page. alloc_contig_range() with __GFP_ZERO would zero
 * whole free pages at once, even where they extend beyond the range.
 */
static void dmb_zero_claim(const struct dmb_claim *claim)
{
	unsigned long pfn;

	/* The page allocator has zeroed the pages. */
	if (want_init_on_alloc(0) || want_init_on_free())
		return;
	for (pfn = dmb_claim_start(claim); pfn < dmb_claim_end(claim); pfn++) {
		clear_highpage(pfn_to_page(pfn));
		cond_resched();
	}
}

/* From now on __dmb_tell_owner() tells the owner if a page is poisoned. */
static void dmb_own_claim(struct dmb_claim *claim)
{
	guard(spinlock_irqsave)(&dmb_claims_lock);
	claim->taken = true;
	dmb_count_claimed(claim->dmb, dmb_claim_pages(claim));
}

/* KASAN tagged each free page, but the owner uses the range as one piece. */
static void dmb_untag_claim(const struct dmb_claim *claim)
{
	unsigned long pfn;

	for (pfn = dmb_claim_start(claim); pfn < dmb_claim_end(claim); pfn++)
		page_kasan_tag_reset(pfn_to_page(pfn));
}

/* Was a page poisoned when there was no owner yet to be told? */
static bool dmb_claim_broken(const struct dmb_claim *claim)
{
	unsigned long pfn;

	for (pfn = dmb_claim_start(claim); pfn < dmb_claim_end(claim); pfn++)
		if (PageHWPoison(pfn_to_page(pfn)))
			return true;
	return false;
}

/* Zero and protect the pages as requested. Show the claim in /proc/iomem. */
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
	if (dmb_show_line(claim->dmb, &claim->resource, claim->owner,
			  dmb_claim_start(claim), dmb_claim_end(claim)))
		pr_warn("dmb: " DMB_RANGE_FMT " of %s is not in /proc/iomem\n",
			dmb_first_byte(dmb_claim_start(claim)),
			dmb_last_byte(dmb_claim_end(claim)), claim->owner);
	return 0;
}

/* In jiffies, or 0 for none. Add one, because the current jiffy has begun. */
static unsigned long dmb_deadline(const struct dmb_request *request)
{
	unsigned int timeout_ms = request->timeout_ms;

	if (request->flags & DMB_CLAIM_QUICK)
		timeout_ms = timeout_ms ?: DMB_QUICK_MS;
	return timeout_ms ?
	       (jiffies + msecs_to_jiffies(timeout_ms) + 1) ?: 1 : 0;
}

/* An attempt for this request, whose range is not chosen yet */
struct dmb_attempt dmb_first_attempt(const struct dmb_request *request)
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

/* The same, but quick */
struct dmb_attempt dmb_quick_attempt(const struct dmb_attempt *attempt)
{
	struct dmb_attempt quick = *attempt;

	quick.quick = true;
	quick.gfp = dmb_quick_gfp(attempt->gfp);
	return quick;
}

/* Let an attempt with a deadline take so many jiffies more. */
static void dmb_add_time(struct dmb_attempt *attempt, unsigned long time)
{
	if (attempt->deadline)
		attempt->deadline = (attempt->deadline + time) ?: 1;
}

static void dmb_aim_attempt(struct dmb_attempt *attempt,
			    unsigned long start_pfn, unsigned long end_pfn)
{
	attempt->start_pfn = start_pfn;
	attempt->end_pfn = end_pfn;
	attempt->busy_pfn = start_pfn;
	/* If another claim has a part of the range, leave out only that. */
	attempt->isolated = true;
}

/* Take the pages of a claim. If that fails, the claim is freed. */
int dmb_complete_claim(struct dmb_claim *claim, struct dmb_attempt *attempt)
{
	unsigned long before;
	int err = -ENODEV;

	dmb_aim_attempt(attempt, dmb_claim_start(claim), dmb_claim_end(claim));
	if (dmb_online(attempt->start_pfn, attempt->end_pfn))
		err = dmb_take(attempt);
	if (err) {
		dmb_end_claim(claim);
		return err;
	}
	dmb_own_claim(claim);
	before = jiffies;
	err = dmb_finish_claim(claim);
	/* The time to zero the memory does not count. */
	if (claim->flags & DMB_CLAIM_QUICK)
		dmb_add_time(attempt, jiffies - before);
	if (err)
		dmb_release(claim);
	return err;
}

/* Claim this range. If that fails, @attempt says which page was in the way. */
static int dmb_claim_at(const struct dmb_request *request,
			unsigned long start_pfn,
			struct dmb_attempt *attempt, struct dmb_claim **result)
{
	struct dmb_claim *claim;
	int err;

	dmb_aim_attempt(attempt, start_pfn,
			start_pfn + PHYS_PFN(request->size));
	claim = dmb_alloc_claim(request, start_pfn);
	if (IS_ERR(claim))
		return PTR_ERR(claim);
	err = dmb_complete_claim(claim, attempt);
	if (!err)
		*result = claim;
	return err;
}

/*
 * Claim the cheapest ranges, one by one, until too many in a row are in use.
 * Return how many were claimed, and in *@err why there are not more.
 */
static unsigned int dmb_claim_cheapest(const struct dmb_request *request,
				       struct dmb_search *search,
				       struct dmb_attempt *attempt,
				       struct dmb_claim **claims,
				       unsigned int nr, int *err)
{
	const unsigned long began = jiffies;
	unsigned int got = 0, failures = 0;

	while (got < nr && !dmb_give_up(attempt, failures, *err, began)) {
		unsigned long before = jiffies, end_pfn;
		unsigned long pfn = dmb_search_next(search);

		/* The 10 ms of a quick claim are for moving pages. */
		if (request->flags & DMB_CLAIM_QUICK && !request->timeout_ms)
			dmb_add_time(attempt, jiffies - before);
		if (pfn == DMB_NO_PFN) {
			/* A pass that waits may find more. */
			*err = *err ?: -EBUSY;
			break;
		}
		*err = dmb_claim_at(request, pfn, attempt, &claims[got]);
		if (*err == -ENXIO || *err == -EINVAL) {
			/* The block was dissolved since the search began. */
			*err = -EBUSY;
			dmb_search_exclude(search, attempt->start_pfn,
					   attempt->end_pfn);
			continue;
		}
		if (!*err) {
			end_pfn = attempt->end_pfn;
			got++;
			failures = 0;
		} else if (dmb_try_elsewhere(*err)) {
			/* Another range may do, if not now, then later. */
			if (*err == -EHWPOISON)
				*err = -EBUSY;
			pfn = attempt->busy_pfn;
			end_pfn = dmb_obstacle_end(attempt);
			failures++;
		} else {
			break;
		}
		dmb_search_exclude(search, pfn, end_pfn);
	}
	return got;
}

/* dmb_search_begin() and dmb_search_add() for a request */
int dmb_search_request(struct dmb_search *search,
		       const struct dmb_request *request, gfp_t gfp)
{
	unsigned long start_pfn, end_pfn;

	/* Pages that are within the range as a whole */
	start_pfn = min_t(u64, ULONG_MAX, (request->start >> PAGE_SHIFT) +
					  !PAGE_ALIGNED(request->start));
	end_pfn = request->end ?
		  min_t(u64, ULONG_MAX, request->end >> PAGE_SHIFT) : ULONG_MAX;
	dmb_search_begin(search, PHYS_PFN(request->size),
			 max(PHYS_PFN(request->align), 1UL), gfp, NULL);
	return dmb_search_add(search, start_pfn, end_pfn);
}

/* Claim any ranges that the request allows, with one search for all of them. */
static unsigned int dmb_claim_pass(const struct dmb_request *request,
				   struct dmb_attempt *attempt,
				   struct dmb_claim **claims, unsigned int nr,
				   int *err)
{
	struct dmb_search search;
	unsigned int got = 0;

	*err = dmb_search_request(&search, request, dmb_claim_gfp(request));
	if (!*err) {
		/* Preparing to search large blocks for small pieces is slow. */
		if (request->flags & DMB_CLAIM_QUICK)
			attempt->deadline = dmb_deadline(request);
		*err = -EBUSY;
		got = dmb_claim_cheapest(request, &search, attempt, claims, nr,
					 err);
	}
	dmb_search_end(&search);
	return got;
}

/* Claim ranges that need no waiting first, and then, if necessary, others. */
int dmb_claim_any(const struct dmb_request *request,
		  struct dmb_attempt *attempt,
		  struct dmb_claim **claims, unsigned int nr)
{
	struct dmb_attempt quick = dmb_quick_attempt(attempt);
	unsigned int got;
	int err;

	got = dmb_claim_pass(request, &quick, claims, nr, &err);
	/* This pass looks again at what the quick one left out. */
	if (got < nr && !attempt->quick && dmb_try_elsewhere(err))
		got += dmb_claim_pass(request, attempt, claims + got, nr - got,
				      &err);
	return got ?: err;
}

static bool dmb_request_valid(const struct dmb_request *request)
{
	phys_addr_t align = request->align;

	return request->size && PAGE_ALIGNED(request->size) &&
	       PFN_PHYS(PHYS_PFN(request->size)) == request->size &&
	       PAGE_ALIGNED(align) && !(align & (align - 1)) &&
	       PFN_PHYS(PHYS_PFN(align)) == align &&
	       (!request->end ||
		(request->start < request->end &&
		 request->size <= request->end - request->start)) &&
	       !(request->flags & ~(DMB_CLAIM_QUICK | DMB_CLAIM_UNZEROED |
				    DMB_CLAIM_PROTECTED));
}

int dmb_refuse_request(const struct dmb_request *request)
{
	if (!dmb_request_valid(request))
		return -EINVAL;
	if (request->flags & DMB_CLAIM_PROTECTED && !dmb_can_protect())
		return -EOPNOTSUPP;
	return 0;
}

/* Does only one range satisfy the request? */
static bool dmb_request_exact(const struct dmb_request *request)
{
	return request->end && request->end - request->start == request->size;
}

/**
 * dmb_claim - take memory in a block away from the page allocator
 * @request: which memory, and how hard to try
 *
 * Pages in use move to other blocks or to ordinary memory. If there is no room
 * for them, they are reclaimed, which may do I/O. Processes lose nothing but
 * speed. If several ranges would do, this takes the one that is the cheapest to
 * empty: one that is free, or else one with few pages and much clean page
 * cache.
 *
 * The time that this takes depends on the pages. It waits up to a second for
 * pages that are in use for a moment; if several ranges would do, in up to
 * four of them. It waits up to 30 seconds for each page whose data a device, or
 * the server of a file system, is reading or writing, and without limit for
 * claims of other pages in the same pageblocks, which are served in their
 * order. A fatal signal, the deadline of @request and dmb_cancel() end all
 * these waits. %DMB_CLAIM_QUICK waits for none of these, and moves pages for
 * 10 ms at most if it has no other deadline. Data that a file system holds, for
 * example in a transaction of its journal, are written first, which may wait
 * for the file system without limit.
 *
 * On success, all pages of the range belong to the caller, each with one
 * reference. They are zeroed, except with %DMB_CLAIM_UNZEROED, and their
 * pageblocks keep their type. Outside of highmem, the pages stay in the
 * kernel's direct map, except with %DMB_CLAIM_PROTECTED.
 *
 * The direct map is cached, so the zeroes, or what earlier users wrote, may
 * still be in CPU caches. Before the first access by a device that does not
 * snoop the caches, or through a mapping that is not cached, the driver has to
 * write them to memory by dma_map_sgtable() with %DMA_BIDIRECTIONAL or
 * %DMA_TO_DEVICE. With %DMA_FROM_DEVICE the cached data may be thrown away;
 * memory that the device does not write then shows the data of other processes.
 *
 * Several threads may call this at once, for whatever ranges.
 *
 * Context: Process context, may sleep and do I/O. The caller must not hold
 * locks that memory reclaim or filesystems might take, except as
 * memalloc_nofs_save() and memalloc_noio_save() allow. In such a scope, page
 * cache, tmpfs and swap cache in the range do not move, which gives -EBUSY;
 * and if anonymous memory has no room elsewhere, other memory is reclaimed.
 *
 * Return: the claim, for dmb_release(), or an ERR_PTR():
 *
 * * -EOPNOTSUPP - CONFIG_DMB is not set. Then memory of a node below
 *   /reserved-memory is reserved, and the driver may use it without a claim,
 *   but not any other memory. With CONFIG_DMB: this machine has no
 *   %DMB_CLAIM_PROTECTED, and the driver may not use the memory.
 * * -EINVAL - The request is invalid: @size is 0 or not a multiple of
 *   PAGE_SIZE; @align is neither 0 nor a power of two that is; the range is
 *   smaller than @size; a range of just that size does not begin aligned, or no
 *   valid request for a block included any of it; unknown flags.
 * * -ENXIO - No block has such a range, until one is made. A block may be
 *   smaller than requested, or in several pieces, as the kernel log says. The
 *   driver may not use the memory.
 * * -EHWPOISON - A page of this range is poisoned. dmb_claim_several() can
 *   claim the rest, in smaller pieces.
 * * -EBUSY - The range overlaps another claim, pages in use did not move in
 *   time or, with %DMB_CLAIM_PROTECTED, the machine is about to hibernate. Try
 *   again later, or claim other memory. The kernel log says which page was in
 *   the way of a range.
 * * -ENOMEM - There is no room for the pages elsewhere, and they cannot be
 *   reclaimed, or not with %DMB_CLAIM_QUICK.
 * * -ENODEV - Part of the range is offline, or going offline. Try again when it
 *   is online.
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
	attempt = dmb_first_attempt(request);
	if (!dmb_request_exact(request))
		err = dmb_claim_any(request, &attempt, &claim, 1);
	else if (IS_ALIGNED(request->start, request->align ?: PAGE_SIZE))
		err = dmb_claim_at(request, PHYS_PFN(request->start), &attempt,
				   &claim);
	else
		err = -EINVAL;
	return err < 0 ? ERR_PTR(err) : claim;
}
EXPORT_SYMBOL_GPL(dmb_claim);

/**
 * dmb_claim_several - take memory that need not be in one piece
 * @request: describes each claim; its deadline is for all together
 * @claims: set to the claims, in no order; the rest of the array stays as it is
 * @nr: how many are wanted
 *
 * For a device with an IOMMU, or one that takes lists of large pages. Claims of
 * pageblocks, with @size and @align of DMB_MIN_ALIGNMENT_BYTES, do not have to
 * wait for each other. The ranges that are the cheapest to empty come first.
 * Ranges with pages that are in use for a moment are left out at first, and
 * waited for only if there are not enough others. If fewer than @nr will do,
 * %DMB_CLAIM_QUICK or a deadline keep this from trying too hard.
 *
 * Context: As for dmb_claim().
 * Return: the number of claims in @claims, 1 to @nr, each for dmb_release(); or
 * an error of dmb_claim() if there is none.
 */
int dmb_claim_several(const struct dmb_request *request,
		      struct dmb_claim **claims, unsigned int nr)
{
	struct dmb_attempt attempt;
	int err = dmb_refuse_request(request);

	might_alloc(GFP_KERNEL);
	if (err)
		return err;
	if (!nr || nr > INT_MAX)
		return -EINVAL;
	attempt = dmb_first_attempt(request);
	return dmb_claim_any(request, &attempt, claims, nr);
}
EXPORT_SYMBOL_GPL(dmb_claim_several);

/**
 * dmb_cancel - ask another thread's claim to give up
 * @request: what that thread has passed to dmb_claim(), dmb_claim_several() or,
 *	     before it called dmb_claim_prepared(), to dmb_prepare()
 *
 * That call returns -ECANCELED, or the claims that it has got by then, when it
 * notices: between batches of some 32 pages or one large folio, and while it
 * waits for anything but a file system. It may still succeed.
 *
 * @request has to be valid until both calls have returned. Before it is used
 * again, set its @cancelled to false.
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
 * dmb_release - give all memory of a claim back to the page allocator
 * @claim: what dmb_claim() has returned, not an error; this frees it
 *
 * Before the call, the driver has to stop its device, and to undo
 * dma_map_sgtable(), its own mappings and those of user space. It leaves each
 * page the one reference of the claim. A page with more references causes a
 * warning, and becomes free when these are dropped. %DMB_CLAIM_PROTECTED memory
 * is zeroed, so the hardware has to let the kernel write it.
 *
 * Context: Process context, no spinlock held.
 */
void dmb_release(struct dmb_claim *claim)
{
	unsigned long nr_pages = dmb_claim_pages(claim);

	if (claim->protected)
		dmb_unprotect(dmb_claim_start(claim), dmb_claim_end(claim));
	/* Nobody else can claim the range before dmb_end_claim(). */
	scoped_guard(spinlock_irqsave, &dmb_claims_lock)
		claim->taken = false;

	dmb_hide_line(&claim->resource);
	dmb_free_range(dmb_claim_start(claim), dmb_claim_end(claim));
	/* Count the pages as claimed until they are free. */
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
 * Return: As for dmb_claim().
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
 * Return: the page, for nth_page() and for functions that take single pages.
 */
struct page *dmb_claim_page(const struct dmb_claim *claim)
{
	return pfn_to_page(dmb_claim_start(claim));
}
EXPORT_SYMBOL_GPL(dmb_claim_page);

/**
 * dmb_block_range - base and size of a block
 * @index: its number, from 0, in the order of addresses
 * @base: set to its physical address, in bytes
 * @size: set to its size, in bytes
 *
 * A range that was requested may have become several blocks, or none. So an
 * index is not the number of a memory controller; see struct dmb_request.
 *
 * Context: Any but NMI.
 * Return: 0, or -ENXIO if there is no such block.
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
 * __dmb_tell_owner - tell the owner of a page that it is poisoned
 * @pfn: its page frame, in a block
 *
 * Only the owner can stop using the page: a claimed page cannot be taken away.
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

/*
 * Refuse to take claimed memory offline, and keep memory that is going offline
 * from being claimed.
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
	/*
	 * Do not print under dmb_claims_lock: consoles allocate memory, under
	 * locks inside which dmb_claims_lock is taken.
	 */
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
