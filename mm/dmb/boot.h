/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_DMB_BOOT_H
#define _MM_DMB_BOOT_H

#include <linux/types.h>

/* What the boot rooms share: those who ask for blocks, the requests, their tests. */
int dmb_parse_bytes(const char *text, size_t len, u64 *bytes);
const char *dmb_parse_block(const char *text, size_t len, u64 *base, u64 *size);

struct dmb_table;
struct zone;

/**
 * struct dmb_run - pageblocks of a request that share their fate
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 * @zone: where the block will be, or NULL
 * @why: what keeps these pages from being a block, or NULL
 * @holder: who has reserved them in the devicetree, if @why is about that
 */
struct dmb_run {
	unsigned long start_pfn;
	unsigned long end_pfn;
	struct zone *zone;
	const char *why;
	const char *holder;
};

typedef void (*dmb_judge_fn)(unsigned long pfn, struct dmb_run *run);
typedef void (*dmb_add_fn)(unsigned long start_pfn, unsigned long end_pfn,
			   struct zone *zone, const char *name);

bool dmb_next_run(struct dmb_run *run, unsigned long end_pfn,
		  dmb_judge_fn judge);

const char *dmb_check_request(struct dmb_table *requests, u64 base, u64 size);
const char *dmb_request(u64 base, u64 size, const char *name);
bool dmb_announce_part(phys_addr_t base, phys_addr_t size, const char *name);
const char *dmb_unusable(unsigned long pfn);
unsigned long dmb_all_usable_pages(unsigned long limit_pfn);
void dmb_settle_requests(dmb_judge_fn judge, dmb_add_fn add);
void dmb_announce_blocks(void);
void dmb_verify_blocks(void);

#ifdef CONFIG_OF_RESERVED_MEM
const char *dmb_node_holding(phys_addr_t base, phys_addr_t size);
bool dmb_usable_range_given(void);
#else
static inline const char *dmb_node_holding(phys_addr_t base, phys_addr_t size)
{
	return NULL;
}

static inline bool dmb_usable_range_given(void)
{
	return false;
}
#endif

#endif /* _MM_DMB_BOOT_H */
