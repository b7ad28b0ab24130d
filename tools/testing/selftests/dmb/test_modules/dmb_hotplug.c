// SPDX-License-Identifier: GPL-2.0
/*
 * Adds RAM to the machine, and removes it, for the tests of designated movable
 * blocks, as the driver of a memory device does. The RAM is there all the time;
 * the kernel does not know it at boot because of mem= on its command line.
 *
 * /sys/kernel/debug/dmb_hotplug takes "add BASE SIZE" and "remove BASE SIZE",
 * in bytes. What is removed has to be offline. "take BASE SIZE" takes it
 * offline first.
 */

#include <linux/debugfs.h>
#include <linux/memory_hotplug.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/string.h>
#include <linux/uaccess.h>

static struct dentry *command_file;

static ssize_t command_write(struct file *file, const char __user *ubuf,
			     size_t len, loff_t *ppos)
{
	unsigned long long base, size;
	char text[80] = "", word[8];
	int err;

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, ubuf, len))
		return -EFAULT;
	if (sscanf(text, "%7s %lli %lli", word, &base, &size) != 3)
		return -EINVAL;
	if (!strcmp(word, "add"))
		err = add_memory(first_online_node, base, size,
				 MHP_MEMMAP_ON_MEMORY);
	else if (!strcmp(word, "remove"))
		err = remove_memory(base, size);
	else if (!strcmp(word, "take"))
		err = offline_and_remove_memory(base, size);
	else
		err = -EINVAL;
	return err ?: len;
}

static const struct file_operations command_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = command_write,
};

static int __init dmb_hotplug_init(void)
{
	command_file = debugfs_create_file("dmb_hotplug", 0200, NULL, NULL,
					   &command_fops);
	return 0;
}
module_init(dmb_hotplug_init);

static void __exit dmb_hotplug_exit(void)
{
	debugfs_remove(command_file);
}
module_exit(dmb_hotplug_exit);

MODULE_DESCRIPTION("Memory that comes and goes, for the tests of designated movable blocks");
MODULE_LICENSE("GPL");
