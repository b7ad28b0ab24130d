/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_DMB_BOOT_H
#define _MM_DMB_BOOT_H
#define _MM_DMB_INTERNAL_H

/*
 * mm/dmb/boot.h and internal.h for mm/dmb/early.c in user space: what tests request is
 * in an array, in any order.
 */

#include <limits.h>
#include <linux/bits.h>
#include <linux/mmzone.h>

#include "dmb.h"

#define DMB_MIN_ALIGNMENT_BYTES	(PAGE_SIZE * pageblock_nr_pages)

struct dmb {
	unsigned long start_pfn;
	unsigned long end_pfn;
};

struct dmb_table {
	unsigned int nr;
	struct dmb block[64];
};

extern struct dmb_table dmb_requests;

/* Of all that overlap a range, the first one */
static inline struct dmb *dmb_table_first(struct dmb_table *table,
					  unsigned long start_pfn,
					  unsigned long end_pfn)
{
	struct dmb *first = NULL;
	unsigned int i;

	for (i = 0; i < table->nr; i++) {
		struct dmb *dmb = &table->block[i];

		if (dmb->start_pfn < end_pfn && start_pfn < dmb->end_pfn &&
		    (!first || dmb->start_pfn < first->start_pfn))
			first = dmb;
	}
	return first;
}

#endif
