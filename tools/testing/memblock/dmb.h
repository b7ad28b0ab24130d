/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_DMB_H
#define _MM_DMB_H

/* mm/dmb.h for mm/memblock.c in user space, where no range is asked for */

static inline bool dmb_requested(void)
{
	return false;
}

static inline bool dmb_avoid_early(phys_addr_t base, phys_addr_t size,
				   bool bottom_up, phys_addr_t *start,
				   phys_addr_t *end)
{
	return false;
}

static inline void dmb_designate(void)
{
}

#endif
