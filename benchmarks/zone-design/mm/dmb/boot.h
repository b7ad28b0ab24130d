/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_DMB_BOOT_H
#define _MM_DMB_BOOT_H

#include <linux/types.h>

struct dmb_table;
struct zone;

int dmb_parse_bytes(const char *text, size_t len, u64 *bytes);
const char *dmb_parse_block(const char *text, size_t len, u64 *base, u64 *size);

/**
 * struct dmb_run - pageblocks of a request that share their fate
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 * @zone: zone that the block will be in, or NULL
 * @why: what keeps these pages from being a block, or NULL
 */
struct dmb_run {
	unsigned long start_pfn;
	unsigned long end_pfn;
	struct zone *zone;
	const char *why;
};

typedef void (*dmb_judge_fn)(unsigned long pfn, struct dmb_run *run);
typedef void (*dmb_add_fn)(unsigned long start_pfn, unsigned long end_pfn,
			   struct zone *zone, const char *name);

const char *dmb_check_request(struct dmb_table *requests, u64 base, u64 size);
const char *dmb_request(u64 base, u64 size, const char *name);
const char *dmb_unusable(unsigned long pfn);
void dmb_settle_requests(dmb_judge_fn judge, dmb_add_fn add);
void dmb_announce_blocks(void);
void dmb_verify_blocks(void);

#endif /* _MM_DMB_BOOT_H */
