/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_DMB_CLAIM_H
#define _LINUX_DMB_CLAIM_H

/*
 * Functions for drivers that own memory in designated movable blocks, or that
 * make and dissolve blocks
 */

#include <linux/bits.h>
#include <linux/dmb.h>
#include <linux/err.h>
#include <linux/pgtable.h>
#include <linux/types.h>

struct device;
struct dmb_claim;
struct dmb_prepared;
struct page;
struct seq_file;
struct sg_table;

/**
 * DMB_CLAIM_QUICK - flag: only what can be emptied without waiting
 *
 * The claim starts no I/O, does not wait for other claims, and waits for pages
 * for some ms at most. If it had to wait more, it fails with -EBUSY or -ENOMEM.
 * It moves pages for 10 ms at most, or for @timeout_ms of the request. Then it
 * fails with -ETIMEDOUT or, if several claims were wanted, returns fewer. The
 * time to zero the memory does not count.
 */
#define DMB_CLAIM_QUICK		BIT(0)

/**
 * DMB_CLAIM_UNZEROED - flag: do not zero the memory
 *
 * It may still hold data of any process. For drivers that overwrite all of the
 * memory before anybody can read it.
 */
#define DMB_CLAIM_UNZEROED	BIT(1)

/**
 * DMB_CLAIM_PROTECTED - flag: keep the memory out of the kernel's own reach
 *
 * While the memory is claimed, it is not in the kernel's direct map: neither
 * bugs nor CPU speculation can read it, and the machine cannot hibernate. CPU
 * caches hold no data that are yet to be written to it.
 *
 * Do not pass these pages to code that accesses them through the direct map.
 * dma_map_sgtable() and dma_unmap_sgtable() need %DMA_ATTR_SKIP_CPU_SYNC, and a
 * device that can address the memory; do not call dma_sync_sgtable_for_cpu() or
 * the like. dmb_claims_vmap() returns NULL. User space may map the memory by
 * remap_pfn_range(), but not as pages, which the kernel might have to copy.
 *
 * dmb_release() zeroes the memory, so any hardware protection of it has to be
 * off by then. Taking pages out of the direct map takes some time for each
 * page, and large pages of the direct map may stay split afterwards.
 *
 * x86-64, riscv64 and s390 support this, and arm64 with rodata=full, which is
 * the default with CONFIG_RODATA_FULL_DEFAULT_ENABLED. Elsewhere, as on 32-bit
 * arm, dmb_claim() fails with -EOPNOTSUPP.
 */
#define DMB_CLAIM_PROTECTED	BIT(2)

/**
 * struct dmb_request - which memory a driver wants to own
 * @start: the lowest physical address that will do, in bytes
 * @end: one past the highest, in bytes; 0 if there is no limit
 * @size: of one claim, in bytes; a multiple of PAGE_SIZE
 * @align: of one claim, in bytes; a power of two that is a multiple of
 *	   PAGE_SIZE, or 0 for PAGE_SIZE
 * @owner: a name for /proc/iomem, copied; cut to 31 characters
 * @flags: %DMB_CLAIM_QUICK, %DMB_CLAIM_UNZEROED, %DMB_CLAIM_PROTECTED
 * @timeout_ms: give up after so many milliseconds; 0 for no limit, or 10 with
 *		%DMB_CLAIM_QUICK
 * @cancelled: false; see dmb_cancel()
 * @poisoned: if not NULL, called with @data and the physical address of a page
 *	      when hardware reports the page as broken: maybe before dmb_claim()
 *	      has returned, never after dmb_release() has. Called with a
 *	      spinlock held and interrupts disabled. It may call schedule_work()
 *	      or set a flag. It must not sleep, print, call functions of DMB or
 *	      CMA, or take a lock under which these are called.
 * @data: for @poisoned; the same for all claims of dmb_claim_several()
 *
 * To claim exactly [base, base + size), set @start to base, @end to base + size
 * and @size to size, as dmb_claim_range() does. Such a range may lie in a CMA
 * area, unless cma_alloc() has taken a part of it. Other requests avoid CMA
 * areas. Without @end, any range from @start on will do.
 *
 * There may be ordinary memory and several blocks between @start and @end. So
 * to claim memory on one controller, set these to the limits of its addresses.
 * For up to 32 pages of 2 MiB on a controller at 12 GiB that has 1 GiB:
 *
 * .. code-block:: c
 *
 *	struct dmb_request request = {
 *		.start = 0x300000000,
 *		.end = 0x340000000,
 *		.size = SZ_2M,
 *		.align = SZ_2M,
 *		.owner = "decoder",
 *	};
 *	int nr = dmb_claim_several(&request, claims, 32);
 */
struct dmb_request {
	phys_addr_t start;
	phys_addr_t end;
	phys_addr_t size;
	phys_addr_t align;
	const char *owner;
	unsigned int flags;
	unsigned int timeout_ms;
	bool cancelled;
	void (*poisoned)(void *data, phys_addr_t address);
	void *data;
};

#ifdef CONFIG_DMB

struct dmb_claim *dmb_claim(const struct dmb_request *request);
int dmb_claim_several(const struct dmb_request *request,
		      struct dmb_claim **claims, unsigned int nr);
void dmb_cancel(struct dmb_request *request);
void dmb_release(struct dmb_claim *claim);
struct dmb_claim *devm_dmb_claim(struct device *dev,
				 const struct dmb_request *request);

struct dmb_prepared *dmb_prepare(const struct dmb_request *request,
				 unsigned int nr);
int dmb_claim_prepared(struct dmb_prepared *prepared,
		       struct dmb_claim **claims);
void dmb_unprepare(struct dmb_prepared *prepared);

phys_addr_t dmb_claim_base(const struct dmb_claim *claim);
phys_addr_t dmb_claim_size(const struct dmb_claim *claim);
struct page *dmb_claim_page(const struct dmb_claim *claim);
int dmb_claims_sg_table(struct device *dev, struct dmb_claim *const *claims,
			unsigned int nr, struct sg_table *sgt);
void *dmb_claims_vmap(struct dmb_claim *const *claims, unsigned int nr,
		      pgprot_t prot);

int dmb_block_range(unsigned int index, phys_addr_t *base, phys_addr_t *size);
void dmb_show_map(struct seq_file *seq, phys_addr_t start, phys_addr_t end);

int dmb_make(u64 base, u64 size, bool exact);
int dmb_dissolve(const char *name, u64 size);

#else /* !CONFIG_DMB */

static inline struct dmb_claim *dmb_claim(const struct dmb_request *request)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline int dmb_claim_several(const struct dmb_request *request,
				    struct dmb_claim **claims, unsigned int nr)
{
	return -EOPNOTSUPP;
}

static inline void dmb_cancel(struct dmb_request *request) { }
static inline void dmb_release(struct dmb_claim *claim) { }

static inline struct dmb_claim *
devm_dmb_claim(struct device *dev, const struct dmb_request *request)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline struct dmb_prepared *
dmb_prepare(const struct dmb_request *request, unsigned int nr)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline int dmb_claim_prepared(struct dmb_prepared *prepared,
				     struct dmb_claim **claims)
{
	return -EOPNOTSUPP;
}

static inline void dmb_unprepare(struct dmb_prepared *prepared) { }

static inline phys_addr_t dmb_claim_base(const struct dmb_claim *claim)
{
	return 0;
}

static inline phys_addr_t dmb_claim_size(const struct dmb_claim *claim)
{
	return 0;
}

static inline struct page *dmb_claim_page(const struct dmb_claim *claim)
{
	return NULL;
}

static inline int dmb_claims_sg_table(struct device *dev,
				      struct dmb_claim *const *claims,
				      unsigned int nr, struct sg_table *sgt)
{
	return -EOPNOTSUPP;
}

static inline void *dmb_claims_vmap(struct dmb_claim *const *claims,
				    unsigned int nr, pgprot_t prot)
{
	return NULL;
}

static inline int dmb_block_range(unsigned int index, phys_addr_t *base,
				  phys_addr_t *size)
{
	return -EOPNOTSUPP;
}

static inline void dmb_show_map(struct seq_file *seq, phys_addr_t start,
				phys_addr_t end) { }

static inline int dmb_make(u64 base, u64 size, bool exact)
{
	return -EOPNOTSUPP;
}

static inline int dmb_dissolve(const char *name, u64 size)
{
	return -EOPNOTSUPP;
}

#endif /* CONFIG_DMB */

/**
 * dmb_claim_range - dmb_claim() for one range
 * @base: physical address, in bytes
 * @size: in bytes
 * @owner: a name for /proc/iomem
 *
 * Context: As for dmb_claim().
 * Return: As for dmb_claim().
 */
static inline struct dmb_claim *
dmb_claim_range(phys_addr_t base, phys_addr_t size, const char *owner)
{
	const struct dmb_request request = {
		.start = base,
		.end = base + size,
		.size = size,
		.owner = owner,
	};

	return dmb_claim(&request);
}

#endif /* _LINUX_DMB_CLAIM_H */
