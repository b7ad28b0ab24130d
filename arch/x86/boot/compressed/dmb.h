/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BOOT_COMPRESSED_DMB_H
#define BOOT_COMPRESSED_DMB_H

/*
 * KASLR keeps out of the ranges that are to be designated movable blocks, even
 * if the kernel cannot make blocks of them later.
 */

#include <linux/kernel.h>

#include "misc.h"

/* DMB_MAX_BLOCKS of mm/dmb */
#define MAX_BLOCKS	(IS_ENABLED(CONFIG_DMB) ? 256 : 0)

/* Adds the ranges of one movablecore= to those that KASLR avoids. */
static inline void mem_avoid_blocks(char *str, struct mem_vector *avoid)
{
	static int i;

	while (str && i < MAX_BLOCKS) {
		u64 size = memparse(str, &str);

		if (*str == '@') {
			avoid[i].start = memparse(str + 1, &str);
			avoid[i++].size = size;
		}
		str = strchr(str, ',');
		if (str)
			str++;
	}
}

#endif
