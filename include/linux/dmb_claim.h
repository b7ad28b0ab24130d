/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_DMB_CLAIM_H
#define _LINUX_DMB_CLAIM_H

/* What drivers that own memory in designated movable blocks call */

#include <linux/bits.h>
#include <linux/dmb.h>
#include <linux/err.h>
#include <linux/pgtable.h>
#include <linux/types.h>

struct device;
struct dmb_claim;
struct page;
struct seq_file;
struct sg_table;

/* Do not sleep for more than some milliseconds, and do no I/O. */
#define DMB_CLAIM_QUICK		BIT(0)
/*
 * Leave in the memory what was there, which may be the data of any process. For
 * owners that overwrite all of it before anybody can read it.
 */
#define DMB_CLAIM_UNZEROED	BIT(1)

/**
 * struct dmb_request - which memory a driver wants to own
 * @start: the lowest physical address that will do, in bytes
 * @end: one past the highest, in bytes; 0 if there is no limit
 * @size: of one claim, in bytes; a multiple of PAGE_SIZE
 * @align: of one claim, in bytes; a power of two, or 0 for PAGE_SIZE
 * @owner: a name for /proc/iomem, copied; cut to 31 characters
 * @flags: DMB_CLAIM_*
 * @timeout_ms: give up after so many milliseconds; 0 to give up only when there
 *		is no use in trying on
 * @cancelled: see dmb_cancel()
 *
 * With @end - @start == @size, it has to be this range.
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
};

#ifdef CONFIG_DMB

struct dmb_claim *dmb_claim(const struct dmb_request *request);
int dmb_claim_several(const struct dmb_request *request,
		      struct dmb_claim **claims, unsigned int nr);
void dmb_cancel(struct dmb_request *request);
void dmb_release(struct dmb_claim *claim);
struct dmb_claim *devm_dmb_claim(struct device *dev,
				 const struct dmb_request *request);

phys_addr_t dmb_claim_base(const struct dmb_claim *claim);
phys_addr_t dmb_claim_size(const struct dmb_claim *claim);
struct page *dmb_claim_page(const struct dmb_claim *claim);
int dmb_claims_sg_table(struct dmb_claim *const *claims, unsigned int nr,
			struct sg_table *sgt);
void *dmb_claims_vmap(struct dmb_claim *const *claims, unsigned int nr,
		      pgprot_t prot);

int dmb_region(unsigned int nr, phys_addr_t *base, phys_addr_t *size);
void dmb_show_map(struct seq_file *seq, phys_addr_t start, phys_addr_t end);

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

static inline int dmb_claims_sg_table(struct dmb_claim *const *claims,
				      unsigned int nr, struct sg_table *sgt)
{
	return -EOPNOTSUPP;
}

static inline void *dmb_claims_vmap(struct dmb_claim *const *claims,
				    unsigned int nr, pgprot_t prot)
{
	return NULL;
}

static inline int dmb_region(unsigned int nr, phys_addr_t *base,
			     phys_addr_t *size)
{
	return -EOPNOTSUPP;
}

static inline void dmb_show_map(struct seq_file *seq, phys_addr_t start,
				phys_addr_t end) { }

#endif /* CONFIG_DMB */

#endif /* _LINUX_DMB_CLAIM_H */
