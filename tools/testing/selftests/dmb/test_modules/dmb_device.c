// SPDX-License-Identifier: GPL-2.0
/*
 * A device that finds its memory in the devicetree, in a node below
 * /reserved-memory that memory-region points to. It allocates from a
 * "shared-dmb-pool". Its attribute "buffers" takes the size in bytes of one
 * more buffer, or 0 to free them all; it says where each is, in bytes of bus
 * addresses.
 */

#include <linux/dma-mapping.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/of.h>
#include <linux/of_reserved_mem.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

struct pool_user {
	struct mutex lock;		/* protects buffers */
	struct list_head buffers;
};

struct buffer {
	struct list_head node;
	size_t size;
	dma_addr_t address;
	void *memory;
};

static void free_buffers(struct device *dev)
{
	struct pool_user *user = dev_get_drvdata(dev);
	struct buffer *buffer, *next;

	list_for_each_entry_safe(buffer, next, &user->buffers, node) {
		dma_free_coherent(dev, buffer->size, buffer->memory,
				  buffer->address);
		list_del(&buffer->node);
		kfree(buffer);
	}
}

static int add_buffer(struct device *dev, size_t size)
{
	struct pool_user *user = dev_get_drvdata(dev);
	struct buffer *buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);

	if (!buffer)
		return -ENOMEM;
	buffer->size = size;
	buffer->memory = dma_alloc_coherent(dev, size, &buffer->address,
					    GFP_KERNEL | __GFP_NOWARN);
	if (!buffer->memory) {
		kfree(buffer);
		return -ENOMEM;
	}
	memset(buffer->memory, 0xa5, size);
	list_add_tail(&buffer->node, &user->buffers);
	return 0;
}

static ssize_t buffers_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	struct pool_user *user = dev_get_drvdata(dev);
	struct buffer *buffer;
	int len = 0;

	guard(mutex)(&user->lock);
	list_for_each_entry(buffer, &user->buffers, node)
		len += sysfs_emit_at(buf, len, "%#zx@%pad\n", buffer->size,
				     &buffer->address);
	return len;
}

static ssize_t buffers_store(struct device *dev, struct device_attribute *attr,
			     const char *buf, size_t count)
{
	struct pool_user *user = dev_get_drvdata(dev);
	unsigned long size;
	int err = kstrtoul(buf, 0, &size);

	if (err)
		return err;
	guard(mutex)(&user->lock);
	if (size)
		err = add_buffer(dev, size);
	else
		free_buffers(dev);
	return err ?: count;
}
static DEVICE_ATTR_RW(buffers);

static struct attribute *pool_user_attrs[] = {
	&dev_attr_buffers.attr,
	NULL,
};
ATTRIBUTE_GROUPS(pool_user);

static int pool_user_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct pool_user *user;
	int err;

	user = devm_kzalloc(dev, sizeof(*user), GFP_KERNEL);
	if (!user)
		return -ENOMEM;
	mutex_init(&user->lock);
	INIT_LIST_HEAD(&user->buffers);
	dev_set_drvdata(dev, user);

	err = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	return of_reserved_mem_device_init(dev);
}

static void pool_user_remove(struct platform_device *pdev)
{
	free_buffers(&pdev->dev);
	of_reserved_mem_device_release(&pdev->dev);
}

static const struct of_device_id pool_user_match[] = {
	{ .compatible = "linux,dmb-test-device" },
	{}
};
MODULE_DEVICE_TABLE(of, pool_user_match);

static struct platform_driver pool_user_driver = {
	.probe = pool_user_probe,
	.remove = pool_user_remove,
	.driver = {
		.name = "dmb_device",
		.of_match_table = pool_user_match,
		.dev_groups = pool_user_groups,
	},
};

module_platform_driver(pool_user_driver);

MODULE_DESCRIPTION("A device with a pool in a designated movable block");
MODULE_LICENSE("GPL");
