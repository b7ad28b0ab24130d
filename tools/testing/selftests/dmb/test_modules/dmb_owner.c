// SPDX-License-Identifier: GPL-2.0
/*
 * An example of a driver that owns memory in a designated movable block: a
 * device that needs a contiguous buffer from time to time. In between, programs
 * and the page cache use the memory. owner_start() takes it, and owner_stop()
 * returns it; here, where the device is bound and unbound, and in a driver for
 * video when a stream begins and ends.
 *
 * On a board, a device has a node with a phandle, memory-region, of a node
 * below /reserved-memory. For the sake of machines without a devicetree, this
 * module creates a device by itself, and is told where its memory is:
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
#include <linux/sizes.h>
#include <linux/vmalloc.h>

static unsigned long long base = ULLONG_MAX;
module_param(base, ullong, 0444);
MODULE_PARM_DESC(base, "physical address, in bytes; if left out, any will do");

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

/*
 * The range that the devicetree has for the device, or, for the device that
 * this module creates, its parameters. Nothing but these: other memory is not
 * the device's.
 */
static int owner_find_range(struct device *dev, struct dmb_request *request)
{
	struct device_node *node;
	struct reserved_mem *rmem;

	if (!dev->of_node) {
		request->size = size;
		if (base == ULLONG_MAX)
			return 0;
		request->start = base;
		request->end = base + size;
		return 0;
	}
	node = of_parse_phandle(dev->of_node, "memory-region", 0);
	rmem = node ? of_reserved_mem_lookup(node) : NULL;
	of_node_put(node);
	if (!rmem)
		return -EINVAL;
	request->start = rmem->base;
	request->end = rmem->base + rmem->size;
	request->size = rmem->size;
	return 0;
}

static u64 *owner_stamp(const struct owner *owner, size_t offset)
{
	return owner->memory + offset;
}

static void owner_fill(struct owner *owner)
{
	size_t offset;

	for (offset = 0; offset < dmb_claim_size(owner->claim);
	     offset += PAGE_SIZE)
		*owner_stamp(owner, offset) = ~(u64)offset;
}

/* Only the owner uses the memory: each page still has what the owner wrote. */
static bool owner_finds_its_data(const struct owner *owner)
{
	size_t offset;

	for (offset = 0; offset < dmb_claim_size(owner->claim);
	     offset += PAGE_SIZE)
		if (*owner_stamp(owner, offset) != ~(u64)offset)
			return false;
	return true;
}

/* One thread at a time, for each device */
static int owner_start(struct device *dev, struct owner *owner)
{
	struct dmb_request request = { .owner = dev_name(dev) };
	unsigned int flags;
	int err;

	err = owner_find_range(dev, &request);
	if (err)
		return err;
	/* Others have to move out of the way, which may take a while. */
	flags = nofs ? memalloc_nofs_save() : 0;
	owner->claim = dmb_claim(&request);
	if (nofs)
		memalloc_nofs_restore(flags);
	if (IS_ERR(owner->claim))
		return PTR_ERR(owner->claim);

	err = dmb_claims_sg_table(dev, &owner->claim, 1, &owner->sgt);
	if (err)
		goto release;
	/* The memory is zeroed, but the zeroes may be in CPU caches. */
	err = dma_map_sgtable(dev, &owner->sgt, DMA_BIDIRECTIONAL, 0);
	if (err)
		goto free_table;

	/* A driver would now give sg_dma_address() to the device. */
	owner->memory = dmb_claims_vmap(&owner->claim, 1, PAGE_KERNEL);
	if (!owner->memory) {
		err = -ENOMEM;
		goto unmap;
	}
	dma_sync_sgtable_for_cpu(dev, &owner->sgt, DMA_BIDIRECTIONAL);
	owner_fill(owner);
	dma_sync_sgtable_for_device(dev, &owner->sgt, DMA_BIDIRECTIONAL);
	return 0;

unmap:
	dma_unmap_sgtable(dev, &owner->sgt, DMA_BIDIRECTIONAL, 0);
free_table:
	sg_free_table(&owner->sgt);
release:
	dmb_release(owner->claim);
	return err;
}

/* The device has stopped. */
static void owner_stop(struct device *dev, struct owner *owner)
{
	dma_unmap_sgtable(dev, &owner->sgt, DMA_BIDIRECTIONAL, 0);
	WARN(!owner_finds_its_data(owner),
	     "somebody else has written to the memory\n");
	vunmap(owner->memory);
	sg_free_table(&owner->sgt);
	dmb_release(owner->claim);
}

static int owner_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct owner *owner;
	int err;

	owner = devm_kzalloc(dev, sizeof(*owner), GFP_KERNEL);
	if (!owner)
		return -ENOMEM;
	platform_set_drvdata(pdev, owner);
	err = dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	/* It takes a buffer in one piece. */
	dma_set_max_seg_size(dev, SZ_2G);
	err = owner_start(dev, owner);
	if (err)
		dev_err(dev, "cannot have its memory: %pe\n", ERR_PTR(err));
	return err;
}

static void owner_remove(struct platform_device *pdev)
{
	owner_stop(&pdev->dev, platform_get_drvdata(pdev));
}

/*
 * As this driver is a module, the node of the memory is also compatible with
 * "designated-movable-block"; a built-in one would say DMB_OWNER_DECLARE().
 */
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
	owner_device = platform_device_register_simple("dmb_owner",
						       PLATFORM_DEVID_NONE,
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
