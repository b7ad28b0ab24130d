/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_DMB_H
#define _MM_DMB_H

/* mm/dmb.h for mm/memblock.c in user space */

bool dmb_avoid_early(phys_addr_t base, phys_addr_t size, bool bottom_up,
		     phys_addr_t *start, phys_addr_t *end);
bool dmb_let_early_in(void);
phys_addr_t dmb_alloc_requested(phys_addr_t size, phys_addr_t align,
				phys_addr_t start, phys_addr_t end);
phys_addr_t dmb_alloc_between(phys_addr_t size, phys_addr_t align,
			      phys_addr_t min_addr, phys_addr_t max_addr);

bool dmb_spare_blocks(bool spare);

static inline void dmb_designate(void)
{
}

#endif
