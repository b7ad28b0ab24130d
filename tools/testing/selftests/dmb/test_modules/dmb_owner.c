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
#include <linux/sched/mm.h>

static unsigned long long base;
module_param(base, ullong, 0444);
MODULE_PARM_DESC(base, "physical address, in bytes");

static unsigned long long size;
module_param(size, ullong, 0444);
MODULE_PARM_DESC(size, "in bytes");

static bool nofs;
module_param(nofs, bool, 0444);
MODULE_PARM_DESC(nofs, "claim it where file systems must not be entered");

static struct dmb_claim *claim;
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
	unsigned int flags = nofs ? memalloc_nofs_save() : 0;
	unsigned long long i;

	claim = dmb_claim(base, size, "dmb_owner");
	if (nofs)
		memalloc_nofs_restore(flags);
	if (IS_ERR(claim))
		return PTR_ERR(claim);

	memory = memremap(base, size, MEMREMAP_WB);
	if (!memory) {
		dmb_release(claim);
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
	dmb_release(claim);
}
module_exit(dmb_owner_exit);

MODULE_DESCRIPTION("Sample owner of memory in a designated movable block");
MODULE_LICENSE("GPL");
