// SPDX-License-Identifier: GPL-2.0
/*
 * Owners of memory in blocks, who take it for themselves and give it back, and
 * what /proc/iomem has to say about it.
 */

#include <linux/dmb.h>
#include <linux/gfp.h>
#include <linux/ioport.h>
#include <linux/list.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/notifier.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "internal.h"

#define DMB_OWNER_LEN	32

/**
 * struct dmb_claim - a range that an owner has, or is about to have
 * @node: in dmb_claims
 * @dmb: the block that it is in
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 * @taken: its pages are the owner's
 * @owner: who
 * @resource: its line in /proc/iomem
 */
struct dmb_claim {
	struct list_head node;
	struct dmb *dmb;
	unsigned long start_pfn;
	unsigned long end_pfn;
	bool taken;
	char owner[DMB_OWNER_LEN];
	struct resource resource;
};

/* Not a mutex, as cma_release() counts pages, and may be called in any context. */
static DEFINE_SPINLOCK(dmb_claims_lock);
static LIST_HEAD(dmb_claims);

/* Page frames that are about to go offline, from first to one past the last */
static unsigned long dmb_leaving_start;
static unsigned long dmb_leaving_end;

static struct dmb_claim *dmb_find_claim(unsigned long start_pfn,
					unsigned long end_pfn)
{
	struct dmb_claim *claim;

	lockdep_assert_held(&dmb_claims_lock);
	list_for_each_entry(claim, &dmb_claims, node)
		if (claim->start_pfn < end_pfn && start_pfn < claim->end_pfn)
			return claim;
	return NULL;
}

/* Has dmb_claim() given this page frame to an owner? */
bool dmb_owned(unsigned long pfn)
{
	struct dmb_claim *claim;

	guard(spinlock_irqsave)(&dmb_claims_lock);
	claim = dmb_find_claim(pfn, pfn + 1);
	return claim && claim->taken;
}

/* Is this page frame an owner's, or has CMA taken it? */
bool dmb_claimed(unsigned long pfn)
{
	return dmb_owned(pfn) || dmb_cma_allocated(pfn);
}

/* Is all of a range of page frames online? Nobody may look at others. */
bool dmb_online(unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned long pfn;

	for (pfn = start_pfn; pfn < end_pfn; pfn = pageblock_end_pfn(pfn))
		if (!pfn_to_online_page(pfn))
			return false;
	return true;
}

/*
 * Puts a claim on the list, so that nobody else can have any of its pages, and
 * what is online stays so.
 */
static int dmb_begin_claim(struct dmb_claim *claim)
{
	guard(spinlock_irqsave)(&dmb_claims_lock);
	if (dmb_find_claim(claim->start_pfn, claim->end_pfn))
		return -EBUSY;
	if (claim->start_pfn < dmb_leaving_end &&
	    dmb_leaving_start < claim->end_pfn)
		return -EBUSY;
	list_add(&claim->node, &dmb_claims);
	return 0;
}

static void dmb_end_claim(struct dmb_claim *claim)
{
	scoped_guard(spinlock_irqsave, &dmb_claims_lock)
		list_del(&claim->node);
	kfree(claim);
}

static void dmb_count_claimed(struct dmb *dmb, long nr_pages)
{
	lockdep_assert_held(&dmb_claims_lock);
	/* Others read it without the lock. */
	WRITE_ONCE(dmb->claimed, dmb->claimed + nr_pages);
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

/**
 * dmb_claim - take memory in a block away from the page allocator
 * @base: physical address, in bytes
 * @size: in bytes; like @base a multiple of PAGE_SIZE
 * @owner: a name for /proc/iomem, copied; cut to 31 characters
 *
 * What is there is moved away, to other blocks or to ordinary memory, or
 * reclaimed if there is no room for it.  That takes as long as it takes, and
 * may do I/O; pages that are in use for a moment are waited for, a second at
 * most, and claims of other pages in the same pageblocks for some seconds.
 * Processes do not lose anything but speed.
 *
 * Then all pages of the range are the caller's, each with one reference.  Their
 * content is undefined, and the pageblocks keep their type.  The kernel's
 * direct map still has them, but in highmem, where it never did.
 *
 * Context: Process context, may sleep and do I/O.  No locks that memory
 * reclaim or filesystems might want, except as memalloc_nofs_save() and
 * memalloc_noio_save() allow.  There, page cache, tmpfs and swap cache in the
 * range do not move, which gives -EBUSY, and for anonymous memory without room
 * elsewhere other memory is reclaimed.
 * Return: the claim, for dmb_release(), or an ERR_PTR():
 *	-EINVAL if the range is not page-aligned, or not within one block;
 *	-ENODEV if part of it is offline;
 *	-EBUSY if it overlaps another claim, pages in use did not move in time,
 *	or somebody tries to take part of it offline;
 *	-ENOMEM if there is no room for its pages elsewhere, and they cannot be
 *	reclaimed;
 *	-EINTR if the task has got a fatal signal.
 */
struct dmb_claim *dmb_claim(phys_addr_t base, phys_addr_t size,
			    const char *owner)
{
	unsigned long start_pfn = PHYS_PFN(base), end_pfn = PHYS_PFN(base + size);
	struct dmb_claim *claim;
	struct dmb *dmb;
	int err;

	might_alloc(GFP_KERNEL);
	if (!size || !PAGE_ALIGNED(base | size) || base + size < base)
		return ERR_PTR(-EINVAL);
	dmb = dmb_table_holding(&dmb_blocks, start_pfn, end_pfn);
	if (!dmb)
		return ERR_PTR(-EINVAL);

	claim = kzalloc(sizeof(*claim), GFP_KERNEL);
	if (!claim)
		return ERR_PTR(-ENOMEM);
	claim->dmb = dmb;
	claim->start_pfn = start_pfn;
	claim->end_pfn = end_pfn;
	strscpy(claim->owner, owner);

	err = dmb_begin_claim(claim);
	if (err) {
		kfree(claim);
		return ERR_PTR(err);
	}
	if (dmb_online(start_pfn, end_pfn))
		err = alloc_contig_range(start_pfn, end_pfn, MIGRATE_MOVABLE,
					 GFP_KERNEL);
	else
		err = -ENODEV;
	if (err) {
		dmb_end_claim(claim);
		/* Waiting for pages in use ends with a signal, too. */
		if (err == -EBUSY && fatal_signal_pending(current))
			err = -EINTR;
		return ERR_PTR(err);
	}

	dmb_name_resource(&claim->resource, claim->owner, start_pfn, end_pfn);
	if (insert_resource(&dmb->resource, &claim->resource))
		pr_warn("dmb: " DMB_RANGE_FMT " of %s is not in /proc/iomem\n",
			dmb_first_byte(start_pfn), dmb_last_byte(end_pfn),
			claim->owner);

	scoped_guard(spinlock_irqsave, &dmb_claims_lock) {
		claim->taken = true;
		dmb_count_claimed(dmb, end_pfn - start_pfn);
	}
	return claim;
}
EXPORT_SYMBOL_GPL(dmb_claim);

/**
 * dmb_release - give back what was claimed
 * @claim: what dmb_claim() has returned, not an error
 *
 * Nobody may have a reference to any of the pages.
 *
 * Context: Process context.
 */
void dmb_release(struct dmb_claim *claim)
{
	unsigned long nr_pages = claim->end_pfn - claim->start_pfn;

	/* Others cannot claim it yet. */
	scoped_guard(spinlock_irqsave, &dmb_claims_lock)
		claim->taken = false;

	if (claim->resource.parent)
		remove_resource(&claim->resource);
	free_contig_range(claim->start_pfn, nr_pages);
	/* Reclaim would take pages that are counted nowhere for reclaimable. */
	scoped_guard(spinlock_irqsave, &dmb_claims_lock)
		dmb_count_claimed(claim->dmb, -(long)nr_pages);
	dmb_end_claim(claim);
}
EXPORT_SYMBOL_GPL(dmb_release);

void __dmb_count_taken(unsigned long pfn, long nr_pages)
{
	guard(spinlock_irqsave)(&dmb_claims_lock);
	dmb_count_claimed(dmb_table_first(&dmb_blocks, pfn, pfn + 1), nr_pages);
}

/*
 * An owner's memory does not go offline, however long one tries, and nobody
 * becomes the owner of memory that is about to.
 */
static int dmb_memory_event(struct notifier_block *nb, unsigned long action,
			    void *data)
{
	struct memory_notify *memory = data;
	struct dmb_claim *claim;

	guard(spinlock_irqsave)(&dmb_claims_lock);
	/* Only one range at a time goes offline. */
	if (action == MEM_OFFLINE || action == MEM_CANCEL_OFFLINE)
		dmb_leaving_end = 0;
	if (action != MEM_GOING_OFFLINE)
		return NOTIFY_DONE;

	claim = dmb_find_claim(memory->start_pfn,
			       memory->start_pfn + memory->nr_pages);
	if (!claim) {
		dmb_leaving_start = memory->start_pfn;
		dmb_leaving_end = memory->start_pfn + memory->nr_pages;
		return NOTIFY_OK;
	}
	pr_info("dmb: " DMB_RANGE_FMT " stays online: %s has claimed it\n",
		dmb_first_byte(claim->start_pfn), dmb_last_byte(claim->end_pfn),
		claim->owner);
	return notifier_from_errno(-EBUSY);
}

/* The memory that a block is in. The block may be all of it. */
static struct resource * __init dmb_ram_around(const struct resource *block)
{
	struct resource *ram;

	for (ram = iomem_resource.child; ram; ram = ram->sibling)
		if (resource_contains(ram, block))
			return ram;
	return &iomem_resource;
}

static int __init dmb_claim_init(void)
{
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb))) {
		dmb_name_resource(&dmb->resource, "Designated Movable Block",
				  dmb->start_pfn, dmb->end_pfn);
		if (insert_resource(dmb_ram_around(&dmb->resource),
				    &dmb->resource))
			pr_warn("dmb: %s is not in /proc/iomem\n", dmb->name);
	}
	if (dmb_blocks.nr)
		hotplug_memory_notifier(dmb_memory_event, DEFAULT_CALLBACK_PRI);
	return 0;
}
subsys_initcall(dmb_claim_init);
