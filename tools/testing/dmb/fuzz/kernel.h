/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of the kernel as mm/memblock.c and the files of mm/dmb/ that run at boot need,
 * for user space. Machines have pageblocks of 2 MiB, nodes, and the zones of x86_64.
 */
#ifndef FUZZ_KERNEL_H
#define FUZZ_KERNEL_H

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#define CONFIG_DMB
#define CONFIG_NUMA
#define CONFIG_NODES_SHIFT		2
#define CONFIG_PHYS_ADDR_T_64BIT
#define CONFIG_64BIT
#define CONFIG_BLK_DEV_INITRD
#define CONFIG_CRASH_RESERVE

/* Headers that are replaced by what is below */
#define __MM_INTERNAL_H
#define _MM_DMB_H
#define _MM_DMB_POOL_H
#define DMB_MAX_BLOCKS			256	/* as in pool.h */
#define _LINUX_MMZONE_H
#define _TOOLS_MMZONE_H
#define _TOOLS_LINUX_MM_H

#include <linux/types.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/align.h>
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/kconfig.h>
#include <linux/linkage.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/numa.h>
#include <linux/overflow.h>
#include <linux/pfn.h>
#include <linux/sizes.h>
#include <linux/string.h>

#define PAGE_SHIFT		12
#define PAGE_SIZE		(1UL << PAGE_SHIFT)
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define PAGE_ALIGN(x)		ALIGN(x, PAGE_SIZE)
#define PAGE_ALIGN_DOWN(x)	ALIGN_DOWN(x, PAGE_SIZE)
#define PHYS_ADDR_MAX		(~(phys_addr_t)0)
#define SMP_CACHE_BYTES		64
#define MAX_PAGE_ORDER		10
#define MAX_ORDER_NR_PAGES	(1UL << MAX_PAGE_ORDER)
#define pageblock_order		9
#define pageblock_nr_pages	(1UL << pageblock_order)
#define DMB_MIN_ALIGNMENT_BYTES	(PAGE_SIZE << pageblock_order)
#define U64_MAX			ULLONG_MAX

#define __init
#define __initdata
#define __ro_after_init
#define __counted_by(member)
#define core_initcall(fn)		static int (*const fn##_call)(void) = fn
#define min3(x, y, z)		min(min(x, y), z)
#define DIV_ROUND_UP_ULL(x, y)	DIV_ROUND_UP(x, y)

/* The text of messages is made, and read by nobody. */
static __attribute__((format(printf, 1, 2))) int printk(const char *format, ...)
{
	static bool show, asked;
	char text[1024];
	va_list args;
	int len;

	if (!asked) {
		show = getenv("FUZZ_SHOW");
		asked = true;
	}
	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (show)
		fputs(text, stderr);
	return len;
}

#define pr_warn(...)			printk(__VA_ARGS__)
#define pr_err(...)			printk(__VA_ARGS__)
#define pr_info(...)			printk(__VA_ARGS__)
#define pr_debug(...)			do { } while (0)
#define pr_warn_ratelimited(...)	do { } while (0)
#define panic(...)			do { printk(__VA_ARGS__); abort(); } while (0)
#define WARN_ON(x)			({ bool __w = (x); if (__w) abort(); __w; })
#define WARN_ON_ONCE(x)			WARN_ON(x)
#define WARN_ONCE(x, ...)		WARN_ON(x)
#define dump_stack()			abort()

/* Physical memory: none of it is there until somebody writes to it. */
#define FUZZ_MEMORY_END		(64UL << 30)
extern char *fuzz_memory;

#define __va(phys)		((void *)(fuzz_memory + (phys)))
#define __pa(virt)		((phys_addr_t)((char *)(virt) - fuzz_memory))
#define phys_to_virt(phys)	__va(phys)
#define virt_to_phys(virt)	__pa(virt)
#define __pa_symbol(symbol)	fuzz_kernel_start
extern phys_addr_t fuzz_kernel_start;
extern char *_text, *_end;

/* Zones and nodes */
enum zone_type { ZONE_DMA, ZONE_DMA32, ZONE_NORMAL, ZONE_MOVABLE, MAX_NR_ZONES };

struct zone {
	const char *name;
	int node;
	enum zone_type type;
	unsigned long zone_start_pfn;
	unsigned long spanned_pages;
	unsigned long dmb_pages;
	unsigned long managed_pages;
};

typedef struct pglist_data {
	struct zone node_zones[MAX_NR_ZONES];
	int nr_zones;
} pg_data_t;

extern pg_data_t fuzz_node[MAX_NUMNODES];
extern unsigned int fuzz_nodes;
extern unsigned long max_low_pfn, min_low_pfn;

#define NODE_DATA(nid)		(&fuzz_node[nid])
#define num_online_nodes()	fuzz_nodes
#define zone_idx(zone)		((zone)->type)
#define zone_to_nid(zone)	((zone)->node)
#define zone_end_pfn(zone)	((zone)->zone_start_pfn + (zone)->spanned_pages)
#define zone_dmb_pages(zone)	((zone)->dmb_pages)
#define for_each_online_pgdat(pgdat) \
	for ((pgdat) = fuzz_node; (pgdat) < fuzz_node + fuzz_nodes; (pgdat)++)

static inline struct zone *fuzz_next_zone(struct zone *zone)
{
	int nid = zone ? zone->node : 0;
	int i = zone ? zone->type + 1 : 0;

	for (; nid < fuzz_nodes; nid++, i = 0)
		for (; i < MAX_NR_ZONES; i++)
			if (fuzz_node[nid].node_zones[i].spanned_pages)
				return &fuzz_node[nid].node_zones[i];
	return NULL;
}

#define for_each_populated_zone(zone) \
	for ((zone) = fuzz_next_zone(NULL); (zone); (zone) = fuzz_next_zone(zone))

/* The address of a struct page is the number of its page frame. */
struct page { char unused; };
#define pfn_to_page(pfn)	((struct page *)(unsigned long)(pfn))
#define page_to_pfn(page)	((unsigned long)(page))

struct zone *page_zone(struct page *page);
void set_pageblock_migratetype(struct page *page, int migratetype);
int get_pageblock_migratetype(struct page *page);
int early_pfn_to_nid(unsigned long pfn);
#define MIGRATE_DMB		7

struct folio;
struct cma;
struct kobject { int unused; };
struct completion { int unused; };
struct mutex { int unused; };
struct resource { phys_addr_t start, end; };
#define resource_size(r)	((r)->end - (r)->start + 1)
struct range { u64 start, end; };
struct reserved_mem;
struct device;
struct reserved_mem_ops {
	int (*device_init)(struct reserved_mem *rmem, struct device *dev);
	void (*device_release)(struct reserved_mem *rmem, struct device *dev);
};

struct reserved_mem {
	const char *name;
	const struct reserved_mem_ops *ops;
	unsigned long fdt_node;
	phys_addr_t base, size;
};
struct seq_file;
struct task_struct;
struct dmb_pool { struct zone *zone; };

extern struct resource crashk_res, crashk_low_res;
extern unsigned long initrd_start, initrd_end;

static inline bool PageBuddy(struct page *page)
{
	return false;
}
#define buddy_order_unsafe(page)	0UL

enum dmb_intersection { DMB_DISJOINT, DMB_INTERSECTS, DMB_MIXED };

#define DEFINE_STATIC_KEY_FALSE(key)	bool key
#define static_branch_enable(key)	(*(key) = true)
#define sysfs_emit_at(buf, at, ...)	snprintf(buf, 0, __VA_ARGS__)
#define dmb_node_free_pages(pgdat)	((void)(pgdat), 0UL)

static inline bool check_shl_overflow(u64 value, unsigned int shift, u64 *result)
{
	*result = value << shift;
	return *result >> shift != value;
}

/* In mm/dmb.h. The fuzzers include the rest before who calls it. */
void dmb_designate(void);

/* One CPU, on which nothing changes while it reads */
#define DEFINE_MUTEX(name)		struct mutex name
#define DEFINE_SEQLOCK(name)		int name
#define read_seqbegin(lock)		((void)(lock), 0U)
#define read_seqretry(lock, seq)	((void)(lock), (void)(seq), false)
#define write_seqlock_irq(lock)		((void)(lock))
#define write_sequnlock_irq(lock)	((void)(lock))

/* What memblock.c has of mm/internal.h, and others */
extern bool mirrored_kernelcore, movable_node_enabled;
void memblock_free_pages(struct page *page, unsigned long pfn, unsigned int order);

#define movable_node_is_enabled()	movable_node_enabled
#define accept_memory(start, size)	do { } while (0)
#define kmemleak_alloc_phys(...)	do { } while (0)
#define kmemleak_free_part_phys(...)	do { } while (0)
#define free_reserved_area(...)		do { } while (0)
#define reserve_bootmem_region(...)	do { } while (0)
#define totalram_pages_add(pages)	do { } while (0)
#define totalram_pages_inc()		do { } while (0)
#define pageblock_align(pfn)		ALIGN(pfn, pageblock_nr_pages)
#define pageblock_start_pfn(pfn)	ALIGN_DOWN(pfn, pageblock_nr_pages)
#define atomic_long_set(p, i)		(*(p) = (i))

/* As the kernel's: the text is cut, and has an end. */
#undef strscpy
#define strscpy(to, from)		snprintf(to, sizeof(to), "%s", from)

/* As the kernel's: where there is nothing between them, @lo or @hi by the value */
#undef clamp
#define clamp(val, lo, hi)						\
	({								\
		typeof(val) __val = (val);				\
		__val >= (hi) ? (hi) : __val <= (lo) ? (lo) : __val;	\
	})

/* For lib/kstrtox.c */
#undef _tolower
#define _tolower(c)			((c) | 0x20)
#define div_u64(n, by)			((n) / (by))
#define kstrtoul(text, base, value)	0
#define kstrtol(text, base, value)	0
#define copy_from_user(to, from, size)	0UL
#define __user

#endif
