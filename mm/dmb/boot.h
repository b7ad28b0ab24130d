/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_DMB_BOOT_H
#define _MM_DMB_BOOT_H

#include <linux/mod_devicetable.h>
#include <linux/types.h>

#include "../dmb.h"

struct dmb;
struct dmb_table;
struct reserved_mem;
struct zone;

/* cmdline.c: numbers and ranges as text */
int dmb_parse_bytes(const char *text, size_t len, u64 *bytes);
const char *dmb_parse_block(const char *text, size_t len, u64 *base, u64 *size);

/* cmdline.c: designate memory instead of having it in ZONE_MOVABLE */
extern bool dmb_instead_of_movable;

/* The same, since movablecore=acpi is given */
extern bool dmb_by_firmware;

/* request.c, for those who ask for blocks, and for boot.c */
extern struct dmb_table dmb_requests;

const char *dmb_check_request(struct dmb_table *requests, u64 base, u64 size);
const char *dmb_request(u64 base, u64 size, const char *name);
bool dmb_announce_part(u64 base, u64 size, const char *name);

/**
 * struct dmb_run - adjacent pageblocks of a request that are of one kind
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 * @zone: zone that the block will be in, or NULL
 * @why: what keeps these pages from being a block, or NULL
 * @holder: node of the devicetree that has reserved them, if @why is about that
 */
struct dmb_run {
	unsigned long start_pfn;
	unsigned long end_pfn;
	struct zone *zone;
	const char *why;
	const char *holder;
};

/* boot.c, for zone.c */
unsigned long dmb_all_usable_pages(unsigned long limit_pfn);

/* Blocks leave the kernel at least the larger one of these. */
#define DMB_KERNEL_MIN_BYTES	SZ_64M
#define DMB_KERNEL_MIN_SHARE	64

/* A smaller zone, like that of ISA devices, has little even without blocks. */
#define DMB_ZONE_WORTH		SZ_32M

/* boot.c, for make.c and tests */
unsigned long dmb_zone_need(unsigned long left, unsigned long free);
bool dmb_extend_run(struct dmb_run *run, const struct dmb_run *next);

/* zone.c, for boot.c */
struct zone *dmb_pfn_zone(unsigned long pfn);
void dmb_join_zone(struct dmb *dmb, struct zone *zone);
void dmb_settle_zones(void);
void dmb_check_words(void);

/* heap.c, for boot.c */
#ifdef CONFIG_DMABUF_HEAPS_CMA
void dmb_declare_heaps(void);
#else
static inline void dmb_declare_heaps(void)
{
}
#endif

/* of.c, for boot.c */
#ifdef CONFIG_OF_RESERVED_MEM
/* What RESERVEDMEM_OF_DECLARE() has declared; an empty entry ends the table. */
extern const struct of_device_id __reservedmem_of_table[];

const struct reserved_mem *dmb_node_holding(phys_addr_t base, phys_addr_t size);
bool dmb_usable_range_given(void);
#else
static inline const struct reserved_mem *dmb_node_holding(phys_addr_t base,
							  phys_addr_t size)
{
	return NULL;
}

static inline bool dmb_usable_range_given(void)
{
	return false;
}
#endif

#endif /* _MM_DMB_BOOT_H */
