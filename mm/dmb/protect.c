// SPDX-License-Identifier: GPL-2.0
/* DMB_CLAIM_PROTECTED: take claimed memory out of the kernel's direct map. */

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

/* Memory is never protected while the machine hibernates. */
static DEFINE_SPINLOCK(dmb_protect_lock);
static unsigned int dmb_nr_protected;
static bool dmb_hibernating;

/* Hibernation would map protected pages, and save them to disk. */
static int dmb_pm_event(struct notifier_block *nb, unsigned long action,
			void *data)
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

/* Can single pages be taken out of the direct map? */
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

		/* CPUs must not read poisoned pages, not even speculatively. */
		if (PageHWPoison(page) ||
		    WARN_ON_ONCE(set_direct_map_default_noflush(page)))
			continue;
		/* The data stay secret when the page is in use elsewhere. */
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
 * Return: 0, or an error with all pages in the direct map: -EOPNOTSUPP if they
 * cannot leave it, -EBUSY while the system hibernates, or the error of
 * set_direct_map_invalid_noflush().
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
	/* Zeroes written back from CPU caches later would overwrite DMA. */
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
