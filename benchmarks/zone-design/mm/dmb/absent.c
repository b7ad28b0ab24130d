// SPDX-License-Identifier: GPL-2.0
/*
 * What the shared files call, and this design does not have: blocks that are made and
 * dissolved after boot, and words of movablecore= that designate amounts.
 */

#include <linux/dmb.h>
#include <linux/errno.h>

#include "boot.h"
#include "internal.h"

/* dmb_enabled() is always false, so nobody looks for a page in it. */
struct dmb_map dmb_map;

void __init dmb_check_words(void)
{
}

size_t __init dmb_pools_size(unsigned int nr, unsigned long start_pfn,
			     unsigned long end_pfn)
{
	return 0;
}

int dmb_get_ready(void)
{
	return -EOPNOTSUPP;
}

int dmb_begin_write(void)
{
	return -EOPNOTSUPP;
}

void dmb_end_change(void)
{
}

int dmb_make_range(u64 base, u64 size, bool exact)
{
	return -EOPNOTSUPP;
}

int dmb_make_anywhere(u64 size, bool exact)
{
	return -EOPNOTSUPP;
}

int dmb_dissolve_locked(const char *name, u64 size)
{
	return -EOPNOTSUPP;
}

bool dmb_yield_enabled(void)
{
	return false;
}

void dmb_set_yield(bool yield)
{
}

unsigned long dmb_yielded_pages(void)
{
	return 0;
}
