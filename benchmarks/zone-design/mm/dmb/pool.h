/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_DMB_POOL_H
#define _MM_DMB_POOL_H

#include "../dmb.h"

#define DMB_MAX_BLOCKS	256

/**
 * struct dmb_pool - what to look for the free pages of a block in
 * @zone: its zone, among whose free pages they are
 * @dmb: the block
 */
struct dmb_pool {
	struct zone *zone;
	const struct dmb *dmb;
};

#endif /* _MM_DMB_POOL_H */
