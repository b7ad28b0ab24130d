// SPDX-License-Identifier: GPL-2.0
/*
 * The calls that Broadcom's set-top-box kernels publish for their media stack,
 * which allocates pages of 2 MiB on a memory controller, on top of
 * dmb_claim_several().
 *
 * A board knows the addresses of its controllers. This module takes each block
 * for one, which holds if each controller has one block. As a test, it
 * allocates @count pages when it is loaded.
 */

#include <linux/dmb_claim.h>
#include <linux/gfp.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/xarray.h>

struct brcmstb_range {
	u64 addr;
	u64 size;
};

/* The claims, by their addresses in units of 2 MiB */
static DEFINE_XARRAY(claims);

static void brcmstb_hugepage_free(unsigned int memc, const u64 *pages,
				  unsigned int count)
{
	struct dmb_claim *claim;

	while (count--) {
		claim = xa_erase(&claims, pages[count] / SZ_2M);
		if (!WARN_ON(!claim))
			dmb_release(claim);
	}
}

/* Sets *@allocated to how many there are in @pages, up to @count. */
static int brcmstb_hugepage_alloc(unsigned int memc, u64 *pages,
				  unsigned int count, unsigned int *allocated,
				  const struct brcmstb_range *range,
				  gfp_t flags)
{
	struct dmb_request request = {
		.size = SZ_2M,
		.align = SZ_2M,
		.owner = KBUILD_MODNAME,
		.flags = flags & __GFP_NORETRY ? DMB_CLAIM_QUICK : 0,
	};
	struct dmb_claim **got;
	phys_addr_t size;
	int i, nr, err;

	*allocated = 0;
	/* Quick claims sleep, too. */
	if (!gfpflags_allow_blocking(flags))
		return -EINVAL;
	err = dmb_block_range(memc, &request.start, &size);
	if (err)
		return err;
	request.end = request.start + size;
	if (range) {
		request.start = max_t(u64, request.start, range->addr);
		request.end = min_t(u64, request.end,
				    range->addr + range->size);
	}
	got = kvcalloc(count, sizeof(*got), GFP_KERNEL);
	if (!got)
		return -ENOMEM;
	nr = dmb_claim_several(&request, got, count);
	for (i = 0; i < nr; i++) {
		pages[i] = dmb_claim_base(got[i]);
		err = xa_err(xa_store(&claims, pages[i] / SZ_2M, got[i],
				      GFP_KERNEL));
		if (err) {
			brcmstb_hugepage_free(memc, pages, i);
			while (i < nr)
				dmb_release(got[i++]);
			nr = err;
			break;
		}
	}
	kvfree(got);
	*allocated = max(nr, 0);
	return min(nr, 0);
}

/* The blocks, what is free or taken in them, and the most that was taken */
static void __maybe_unused brcmstb_hugepage_print(struct seq_file *seq)
{
	dmb_show_map(seq, 0, 0);
}

static unsigned int memc;
module_param(memc, uint, 0444);
MODULE_PARM_DESC(memc, "memory controller: number of the block");

static unsigned int count = 1;
module_param(count, uint, 0444);
MODULE_PARM_DESC(count, "pages to allocate");

static unsigned int allocated;
module_param(allocated, uint, 0444);
MODULE_PARM_DESC(allocated, "how many there were");

static unsigned long long offset, length;
module_param(offset, ullong, 0444);
MODULE_PARM_DESC(offset, "begin of a range in the block, in bytes");
module_param(length, ullong, 0444);
MODULE_PARM_DESC(length, "its size, in bytes; 0 for all of the block");

static u64 *pages;

static int __init dmb_hugepages_init(void)
{
	struct brcmstb_range range = { .size = length };
	phys_addr_t base, size;
	int err = dmb_block_range(memc, &base, &size);

	if (err)
		return err;
	range.addr = base + offset;
	pages = kvcalloc(count, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;
	err = brcmstb_hugepage_alloc(memc, pages, count, &allocated,
				     length ? &range : NULL, GFP_KERNEL);
	if (err)
		kvfree(pages);
	return err;
}
module_init(dmb_hugepages_init);

static void __exit dmb_hugepages_exit(void)
{
	brcmstb_hugepage_free(memc, pages, allocated);
	kvfree(pages);
}
module_exit(dmb_hugepages_exit);

MODULE_DESCRIPTION("An interface of set-top-box kernels on top of designated movable blocks");
MODULE_LICENSE("GPL");
