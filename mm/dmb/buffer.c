// SPDX-License-Identifier: GPL-2.0
/* Use several claims as one buffer: for a device, and in the kernel. */

#include <linux/dma-mapping.h>
#include <linux/dmb_claim.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "internal.h"

/**
 * dmb_claims_sg_table - describe claims to a device
 * @dev: the device, for dma_get_max_seg_size()
 * @claims: the claims
 * @nr: how many, at least 1
 * @sgt: set up for dma_map_sgtable(); in the end, call sg_free_table()
 *
 * The table has the claims in their order. Each has one entry, or as many as
 * the device needs: an entry has at most 64 KiB unless the driver has called
 * dma_set_max_seg_size().
 *
 * Context: Process context, may sleep.
 * Return: 0, or -ENOMEM.
 */
int dmb_claims_sg_table(struct device *dev, struct dmb_claim *const *claims,
			unsigned int nr, struct sg_table *sgt)
{
	const unsigned int most = max(PAGE_ALIGN_DOWN(dma_get_max_seg_size(dev)),
				      PAGE_SIZE);
	struct scatterlist *sg;
	unsigned int i;
	u64 entries = 0;
	int err;

	for (i = 0; i < nr; i++)
		entries += DIV_ROUND_UP_ULL(dmb_claim_size(claims[i]), most);
	err = entries > UINT_MAX ? -ENOMEM :
				   sg_alloc_table(sgt, entries, GFP_KERNEL);
	if (err)
		return err;
	sg = sgt->sgl;
	for (i = 0; i < nr; i++) {
		unsigned long pfn = page_to_pfn(dmb_claim_page(claims[i]));
		u64 left = dmb_claim_size(claims[i]);

		for (; left; sg = sg_next(sg)) {
			unsigned int size = min_t(u64, left, most);

			sg_set_page(sg, pfn_to_page(pfn), size, 0);
			pfn += PHYS_PFN(size);
			left -= size;
		}
	}
	return 0;
}
EXPORT_SYMBOL_GPL(dmb_claims_sg_table);

/**
 * dmb_claims_vmap - map claims into kernel address space, one after the other
 * @claims: the claims
 * @nr: how many
 * @prot: protection of the mapping; if it is not cached, see dmb_claim() on
 *	  data that are still in CPU caches
 *
 * Context: Process context, may sleep.
 * Return: the address, for vunmap(), or NULL; always NULL with
 * %DMB_CLAIM_PROTECTED.
 */
void *dmb_claims_vmap(struct dmb_claim *const *claims, unsigned int nr,
		      pgprot_t prot)
{
	unsigned long nr_pages = 0, n = 0, k;
	struct page **pages;
	unsigned int i;
	void *address;

	for (i = 0; i < nr; i++) {
		if (dmb_claim_protected(claims[i]))
			return NULL;
		nr_pages += PHYS_PFN(dmb_claim_size(claims[i]));
	}
	pages = kvmalloc_array(nr_pages, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return NULL;
	for (i = 0; i < nr; i++)
		for (k = 0; k < PHYS_PFN(dmb_claim_size(claims[i])); k++)
			pages[n++] = nth_page(dmb_claim_page(claims[i]), k);
	address = vmap(pages, nr_pages, VM_MAP, prot);
	kvfree(pages);
	return address;
}
EXPORT_SYMBOL_GPL(dmb_claims_vmap);
