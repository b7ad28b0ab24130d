// SPDX-License-Identifier: GPL-2.0
/*
 * An example of a driver that owns memory in a designated movable block: a device that
 * needs a contiguous buffer from time to time, here as long as it is bound. In between,
 * programs and the page cache use the memory.
 *
 * On a board, a device has a node with a phandle, memory-region, of a node below
 * /reserved-memory. For the sake of machines without a devicetree, this module creates
 * a device by itself, and is told where its memory is:
 *
 *	insmod dmb_owner.ko base=0x40000000 size=0x1000000
 */

#include <linux/dma-mapping.h>
#include <linux/dmb_claim.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/of_reserved_mem.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/sched/mm.h>
#include <linux/vmalloc.h>

static unsigned long long base;
module_param(base, ullong, 0444);
MODULE_PARM_DESC(base, "physical address, in bytes; 0 for any");

static unsigned long long size;
module_param(size, ullong, 0444);
MODULE_PARM_DESC(size, "in bytes");

static bool nofs;
module_param(nofs, bool, 0444);
MODULE_PARM_DESC(nofs, "claim it where file systems must not be entered");

/**
 * struct owner - what the driver knows of its device
 * @claim: the buffer
 * @sgt: the same, for the device, which has a DMA address for it
 * @memory: and for the CPU
 */
struct owner {
	struct dmb_claim *claim;
	struct sg_table sgt;
	void *memory;
};

/* The range that the devicetree has for the device, or the module's parameters */
static void owner_find_range(struct device *dev, struct dmb_request *request)
{
	struct device_node *node = of_parse_phandle(dev->of_node, "memory-region", 0);
	struct reserved_mem *rmem = node ? of_reserved_mem_lookup(node) : NULL;

	of_node_put(node);
	request->start = rmem ? rmem->base : base;
	request->size = rmem ? rmem->size : size;
	if (request->start)
		request->end = request->start + request->size;
}

static u64 *owner_stamp(const struct owner *owner, size_t offset)
{
	return owner->memory + offset;
}

static void owner_fill(struct owner *owner)
{
	size_t offset;

	for (offset = 0; offset < dmb_claim_size(owner->claim); offset += PAGE_SIZE)
		*owner_stamp(owner, offset) = ~(u64)offset;
}

/* Only the owner uses the memory: each page still has what the owner wrote. */
static bool owner_finds_its_data(const struct owner *owner)
{
	size_t offset;

	for (offset = 0; offset < dmb_claim_size(owner->claim); offset += PAGE_SIZE)
		if (*owner_stamp(owner, offset) != ~(u64)offset)
			return false;
	return true;
}

static int owner_probe(struct platform_device *pdev)
{
	struct dmb_request request = { .owner = dev_name(&pdev->dev) };
	struct device *dev = &pdev->dev;
	struct owner *owner;
	unsigned int flags;
	int err;

	owner = devm_kzalloc(dev, sizeof(*owner), GFP_KERNEL);
	if (!owner)
		return -ENOMEM;
	err = dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (err)
		return err;

	/* Others have to move out of the way, which may take a while. */
	owner_find_range(dev, &request);
	flags = nofs ? memalloc_nofs_save() : 0;
	owner->claim = devm_dmb_claim(dev, &request);
	if (nofs)
		memalloc_nofs_restore(flags);
	if (IS_ERR(owner->claim))
		return dev_err_probe(dev, PTR_ERR(owner->claim), "no memory\n");

	/* The memory is zeroed. Now it is the device's: the CPU's caches are clean. */
	err = dmb_claims_sg_table(&owner->claim, 1, &owner->sgt);
	if (err)
		return err;
	err = dma_map_sgtable(dev, &owner->sgt, DMA_BIDIRECTIONAL, 0);
	if (err)
		goto free_table;

	/* A device that is there would do this with sg_dma_address(). */
	owner->memory = dmb_claims_vmap(&owner->claim, 1, PAGE_KERNEL);
	if (!owner->memory) {
		err = -ENOMEM;
		goto unmap;
	}
	dma_sync_sgtable_for_cpu(dev, &owner->sgt, DMA_BIDIRECTIONAL);
	owner_fill(owner);
	dma_sync_sgtable_for_device(dev, &owner->sgt, DMA_BIDIRECTIONAL);
	platform_set_drvdata(pdev, owner);
	return 0;

unmap:
	dma_unmap_sgtable(dev, &owner->sgt, DMA_BIDIRECTIONAL, 0);
free_table:
	sg_free_table(&owner->sgt);
	return err;
}

static void owner_remove(struct platform_device *pdev)
{
	struct owner *owner = platform_get_drvdata(pdev);

	dma_unmap_sgtable(&pdev->dev, &owner->sgt, DMA_BIDIRECTIONAL, 0);
	WARN(!owner_finds_its_data(owner), "somebody else has written to the memory\n");
	vunmap(owner->memory);
	sg_free_table(&owner->sgt);
	/* devm_dmb_claim() has the memory released: all of it, to everybody. */
}

static const struct of_device_id owner_match[] = {
	{ .compatible = "linux,dmb-test-master" },
	{}
};
MODULE_DEVICE_TABLE(of, owner_match);

static struct platform_driver owner_driver = {
	.probe = owner_probe,
	.remove = owner_remove,
	.driver = {
		.name = "dmb_owner",
		.of_match_table = owner_match,
	},
};

static struct platform_device *owner_device;

static int __init owner_init(void)
{
	int err = platform_driver_register(&owner_driver);

	if (err || !size)
		return err;
	owner_device = platform_device_register_simple("dmb_owner", PLATFORM_DEVID_NONE,
						       NULL, 0);
	err = PTR_ERR_OR_ZERO(owner_device);
	/* The parameters are for a test, which wants to know. */
	if (!err && !device_is_bound(&owner_device->dev)) {
		platform_device_unregister(owner_device);
		err = -ENODEV;
	}
	if (err)
		platform_driver_unregister(&owner_driver);
	return err;
}
module_init(owner_init);

static void __exit owner_exit(void)
{
	if (size)
		platform_device_unregister(owner_device);
	platform_driver_unregister(&owner_driver);
}
module_exit(owner_exit);

MODULE_DESCRIPTION("Example of a driver that owns memory in a designated movable block");
MODULE_LICENSE("GPL");
