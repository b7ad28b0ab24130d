// SPDX-License-Identifier: GPL-2.0
/* Claimed memory that the kernel's direct map does not have */

#include <linux/dma-map-ops.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/sched.h>
#include <linux/set_memory.h>
#include <linux/spinlock.h>
#include <linux/suspend.h>
#include <asm/tlbflush.h>

#include "internal.h"

/* While memory is saved to disk, none is protected, and the other way round. */
static DEFINE_SPINLOCK(dmb_protect_lock);
static unsigned int dmb_nr_protected;
static bool dmb_hibernating;

/* Hibernation would map what is not mapped, and save it. */
static int dmb_pm_event(struct notifier_block *nb, unsigned long action, void *data)
{
	guard(spinlock)(&dmb_protect_lock);
	if (action == PM_HIBERNATION_PREPARE && dmb_nr_protected)
		return notifier_from_errno(-EBUSY);
	if (action == PM_HIBERNATION_PREPARE)
		dmb_hibernating = true;
	else if (action == PM_POST_HIBERNATION)
		dmb_hibernating = false;
	return NOTIFY_OK;
}

/* Has the direct map single pages, which can be taken out of it? */
bool dmb_can_protect(void)
{
#ifdef CONFIG_ARCH_HAS_SET_DIRECT_MAP
	return can_set_direct_map();
#else
	return false;
#endif
}

/**
 * dmb_unprotect - zero pages and give them back to the kernel's direct map
 * @start_pfn: first page frame that dmb_protect() has taken out of it
 * @end_pfn: one past the last page frame
 *
 * Context: Process context, may sleep.
 */
void dmb_unprotect(unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned long pfn;

	for (pfn = start_pfn; pfn < end_pfn; pfn++) {
		struct page *page = pfn_to_page(pfn);

		/* Nobody is to read what is broken, not even by speculation. */
		if (PageHWPoison(page) ||
		    WARN_ON_ONCE(set_direct_map_default_noflush(page)))
			continue;
		/* What was not to be seen before is not to be seen now. */
		clear_highpage(page);
		cond_resched();
	}
	guard(spinlock)(&dmb_protect_lock);
	dmb_nr_protected--;
}

/**
 * dmb_protect - take pages out of the kernel's direct map
 * @start_pfn: first page frame of a claim
 * @end_pfn: one past the last page frame
 *
 * Context: Process context, may sleep.
 * Return: 0, or with the pages in the direct map: -EOPNOTSUPP if they cannot leave it,
 * -EBUSY while the system hibernates, or what set_direct_map_invalid_noflush() returned.
 */
int dmb_protect(unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned long start = (unsigned long)page_address(pfn_to_page(start_pfn));
	unsigned long pfn, size = PFN_PHYS(end_pfn - start_pfn);
	int err = 0;

	scoped_guard(spinlock, &dmb_protect_lock) {
		if (dmb_hibernating)
			return -EBUSY;
		dmb_nr_protected++;
	}
	/* Devices are not to get the zeroes over their data. */
	arch_dma_prep_coherent(pfn_to_page(start_pfn), size);
	for (pfn = start_pfn; !err && pfn < end_pfn; pfn++) {
		err = set_direct_map_invalid_noflush(pfn_to_page(pfn));
		if (!err && kernel_page_present(pfn_to_page(pfn)))
			err = -EOPNOTSUPP;
		cond_resched();
	}
	if (err)
		dmb_unprotect(start_pfn, pfn);
	flush_tlb_kernel_range(start, start + size);
	return err;
}

static int __init dmb_protect_init(void)
{
	pm_notifier(dmb_pm_event, 0);
	return 0;
}
subsys_initcall(dmb_protect_init);
