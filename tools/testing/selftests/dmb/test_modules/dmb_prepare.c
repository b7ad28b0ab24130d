// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that says ahead of time what it will claim, for the tests of
 * designated movable blocks.
 *
 * /sys/kernel/debug/dmb_prepare takes "prepare NR SIZE START END", in bytes,
 * then "claim" or "drop", and after "claim" also "release". Reading it returns
 * the number of claims.
 */

#include <linux/debugfs.h>
#include <linux/dmb_claim.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#define MAX_CLAIMS	512

static struct dentry *command_file;
static DEFINE_MUTEX(lock);
static struct dmb_request request;
static struct dmb_prepared *prepared;
static struct dmb_claim *claims[MAX_CLAIMS];
static int nr_claims;

static int prepare(const char *text)
{
	unsigned long long size, start, end;
	struct dmb_prepared *result;
	unsigned int nr;

	if (sscanf(text, "prepare %u %lli %lli %lli", &nr, &size, &start,
		   &end) != 4 || nr > MAX_CLAIMS)
		return -EINVAL;
	if (prepared || nr_claims)
		return -EBUSY;
	request = (struct dmb_request) {
		.start = start,
		.end = end,
		.size = size,
		.align = size,
		.owner = KBUILD_MODNAME,
	};
	result = dmb_prepare(&request, nr);
	if (IS_ERR(result))
		return PTR_ERR(result);
	prepared = result;
	return 0;
}

static int claim(void)
{
	struct dmb_prepared *ready = prepared;
	int nr;

	if (!ready)
		return -EINVAL;
	prepared = NULL;
	nr = dmb_claim_prepared(ready, claims);
	nr_claims = max(nr, 0);
	return min(nr, 0);
}

static int drop(void)
{
	if (prepared)
		dmb_unprepare(prepared);
	prepared = NULL;
	return 0;
}

static int release(void)
{
	while (nr_claims)
		dmb_release(claims[--nr_claims]);
	return 0;
}

static ssize_t command_write(struct file *file, const char __user *ubuf,
			     size_t len, loff_t *ppos)
{
	char text[96] = "";
	int err;

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, ubuf, len))
		return -EFAULT;
	guard(mutex)(&lock);
	if (sysfs_streq(text, "claim"))
		err = claim();
	else if (sysfs_streq(text, "drop"))
		err = drop();
	else if (sysfs_streq(text, "release"))
		err = release();
	else
		err = prepare(text);
	return err ?: len;
}

static int command_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%d\n", nr_claims);
	return 0;
}

static int command_open(struct inode *inode, struct file *file)
{
	return single_open(file, command_show, NULL);
}

static const struct file_operations command_fops = {
	.owner = THIS_MODULE,
	.open = command_open,
	.read = seq_read,
	.write = command_write,
	.release = single_release,
};

static int __init dmb_prepare_init(void)
{
	command_file = debugfs_create_file("dmb_prepare", 0600, NULL, NULL,
					   &command_fops);
	return 0;
}
module_init(dmb_prepare_init);

static void __exit dmb_prepare_exit(void)
{
	debugfs_remove(command_file);
	drop();
	release();
}
module_exit(dmb_prepare_exit);

MODULE_DESCRIPTION("Claims that are prepared, for the tests of designated movable blocks");
MODULE_LICENSE("GPL");
