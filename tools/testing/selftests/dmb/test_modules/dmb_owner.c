// SPDX-License-Identifier: GPL-2.0
/*
 * An example of a driver that owns memory in a designated movable block. It claims
 * the memory while it needs it, here while the module is loaded.
 *
 *	insmod dmb_owner.ko base=0x40000000 size=0x1000000
 */

#include <linux/dmb.h>
#include <linux/io.h>
#include <linux/module.h>

static unsigned long long base;
module_param(base, ullong, 0444);
MODULE_PARM_DESC(base, "physical address, in bytes");

static unsigned long long size;
module_param(size, ullong, 0444);
MODULE_PARM_DESC(size, "in bytes");

static u64 *memory;

/* Only the driver uses the memory: it still has what the driver wrote. */
static bool unchanged(void)
{
	unsigned long long i;

	for (i = 0; i < size / sizeof(*memory); i++)
		if (memory[i] != ~i)
			return false;
	return true;
}

static int __init dmb_owner_init(void)
{
	unsigned long long i;
	int err;

	err = dmb_claim(base, size, "dmb_owner");
	if (err)
		return err;

	memory = memremap(base, size, MEMREMAP_WB);
	if (!memory) {
		dmb_release(base, size);
		return -ENOMEM;
	}
	for (i = 0; i < size / sizeof(*memory); i++)
		memory[i] = ~i;
	return 0;
}
module_init(dmb_owner_init);

static void __exit dmb_owner_exit(void)
{
	WARN(!unchanged(), "dmb_owner: somebody else has written to the memory\n");
	memunmap(memory);
	WARN_ON(dmb_release(base, size));
}
module_exit(dmb_owner_exit);

MODULE_DESCRIPTION("Sample owner of memory in a designated movable block");
MODULE_LICENSE("GPL");
