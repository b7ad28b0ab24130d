// SPDX-License-Identifier: GPL-2.0
/*
 * Claims of certain ranges, by alloc_contig_range() as it is. The zone design has no other
 * ones: nobody looks for memory, waits for it, or tells owners about it.
 */

#include <linux/dmb_claim.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "internal.h"

struct dmb_claim {
	struct list_head node;
	struct dmb *dmb;
	unsigned long start_pfn;
	unsigned long end_pfn;
};

static LIST_HEAD(dmb_claims);
static DEFINE_SPINLOCK(dmb_claims_lock);

bool dmb_claimed(unsigned long pfn)
{
	struct dmb_claim *claim;

	guard(spinlock)(&dmb_claims_lock);
	list_for_each_entry(claim, &dmb_claims, node)
		if (claim->start_pfn <= pfn && pfn < claim->end_pfn)
			return true;
	return false;
}

/* As for ours, but that the request has to be for a certain range. */
struct dmb_claim *dmb_claim(const struct dmb_request *request)
{
	unsigned long start_pfn = PHYS_PFN(request->start);
	unsigned long end_pfn = PHYS_PFN(request->end);
	struct dmb *dmb = dmb_table_holding(&dmb_blocks, start_pfn, end_pfn);
	struct dmb_claim *claim;
	int err;

	if (request->end - request->start != request->size)
		return ERR_PTR(-EOPNOTSUPP);
	if (!dmb)
		return ERR_PTR(-ENXIO);
	claim = kzalloc(sizeof(*claim), GFP_KERNEL);
	if (!claim)
		return ERR_PTR(-ENOMEM);
	claim->dmb = dmb;
	claim->start_pfn = start_pfn;
	claim->end_pfn = end_pfn;
	err = alloc_contig_range(start_pfn, end_pfn, MIGRATE_MOVABLE, GFP_KERNEL);
	if (err) {
		kfree(claim);
		return ERR_PTR(err);
	}
	guard(spinlock)(&dmb_claims_lock);
	list_add(&claim->node, &dmb_claims);
	dmb->claimed += end_pfn - start_pfn;
	return claim;
}

int dmb_claim_several(const struct dmb_request *request, struct dmb_claim **claims,
		      unsigned int nr)
{
	return -EOPNOTSUPP;
}

void dmb_release(struct dmb_claim *claim)
{
	unsigned long nr_pages = claim->end_pfn - claim->start_pfn;

	free_contig_range(claim->start_pfn, nr_pages);
	scoped_guard(spinlock, &dmb_claims_lock) {
		list_del(&claim->node);
		claim->dmb->claimed -= nr_pages;
	}
	kfree(claim);
}

phys_addr_t dmb_claim_base(const struct dmb_claim *claim)
{
	return PFN_PHYS(claim->start_pfn);
}

phys_addr_t dmb_claim_size(const struct dmb_claim *claim)
{
	return PFN_PHYS(claim->end_pfn - claim->start_pfn);
}

/* Two files in debugfs are empty. */
void dmb_show_map(struct seq_file *seq, phys_addr_t start, phys_addr_t end)
{
}

void dmb_show_obstacles(struct seq_file *seq)
{
}
