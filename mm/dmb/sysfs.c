// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/mm/dmb/<name>/: the blocks as user space sees them.
 * Documentation/ABI/testing/sysfs-kernel-mm-dmb describes the files.
 */

#include <linux/dmb.h>
#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/sysfs.h>

#include "boot.h"
#include "internal.h"

static inline struct dmb *to_dmb(struct kobject *kobj)
{
	return container_of(kobj, struct dmb, kobj);
}

static ssize_t base_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%#llx\n",
			  (u64)PFN_PHYS(to_dmb(kobj)->start_pfn));
}

/* The base of a block trimmed around the kernel image tells where that is. */
static struct kobj_attribute base_attr = __ATTR_RO_MODE(base, 0400);

static ssize_t size_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  (u64)PFN_PHYS(dmb_nr_pages(to_dmb(kobj))));
}

static struct kobj_attribute size_attr = __ATTR_RO_MODE(size, 0400);

static ssize_t free_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  (u64)PFN_PHYS(dmb_pool_free(to_dmb(kobj)->pool)));
}

/* While little of a block is used, this is its size. */
static struct kobj_attribute free_attr = __ATTR_RO_MODE(free, 0400);

static ssize_t claimed_show(struct kobject *kobj, struct kobj_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  (u64)PFN_PHYS(READ_ONCE(to_dmb(kobj)->claimed)));
}

static struct kobj_attribute claimed_attr = __ATTR_RO(claimed);

static ssize_t node_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%d\n", zone_to_nid(to_dmb(kobj)->pool->zone));
}

static struct kobj_attribute node_attr = __ATTR_RO(node);

static ssize_t zone_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%s\n", to_dmb(kobj)->pool->zone->name);
}

static struct kobj_attribute zone_attr = __ATTR_RO(zone);

static struct attribute *dmb_attrs[] = {
	&base_attr.attr,
	&size_attr.attr,
	&free_attr.attr,
	&claimed_attr.attr,
	&node_attr.attr,
	&zone_attr.attr,
	NULL,
};
ATTRIBUTE_GROUPS(dmb);

static void dmb_kobj_release(struct kobject *kobj)
{
	complete(&to_dmb(kobj)->kobj_gone);
}

static const struct kobj_type dmb_ktype = {
	.release = dmb_kobj_release,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = dmb_groups,
};

static ssize_t spread_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *buf)
{
	return sysfs_emit(buf, "%d\n", dmb_spread_enabled());
}

static ssize_t spread_store(struct kobject *kobj, struct kobj_attribute *attr,
			    const char *buf, size_t count)
{
	bool spread;
	int err = kstrtobool(buf, &spread);

	if (err)
		return err;
	dmb_set_spread(spread);
	return count;
}

static struct kobj_attribute spread_attr = __ATTR_RW(spread);

/* "size" or "size@base", optionally followed by " exact" */
static ssize_t add_store(struct kobject *kobj, struct kobj_attribute *attr,
			 const char *buf, size_t count)
{
	size_t len = strcspn(buf, "\n ");
	bool exact, anywhere;
	u64 base, size;
	int err;

	exact = sysfs_streq(buf + len, " exact");
	anywhere = !memchr(buf, '@', len);
	if ((!exact && !sysfs_streq(buf + len, "")) ||
	    (anywhere ? dmb_parse_bytes(buf, len, &size) :
			!!dmb_parse_block(buf, len, &base, &size))) {
		pr_warn("dmb: \"%.*s\" is not nn[KMGTPE][@ss[KMGTPE]][ exact]\n",
			(int)min_t(size_t, strcspn(buf, "\n"), 80), buf);
		return -EINVAL;
	}
	err = dmb_get_ready() ?: dmb_begin_write();
	if (err)
		return err;
	err = anywhere ? dmb_make_anywhere(size, exact) :
			 dmb_make_range(base, size, exact);
	dmb_end_change();
	return err ?: count;
}

static struct kobj_attribute add_attr = __ATTR_WO(add);

/* "name" of a block, or "name size" to remove so much from its end */
static ssize_t remove_store(struct kobject *kobj, struct kobj_attribute *attr,
			    const char *buf, size_t count)
{
	size_t len = strcspn(buf, "\n "), size_len;
	char name[DMB_NAME_LEN];
	u64 size = 0;
	int err;

	if (!len || len >= sizeof(name))
		return -EINVAL;
	strscpy(name, buf, len + 1);
	buf += len;
	if (*buf == ' ') {
		size_len = strcspn(++buf, "\n");
		err = dmb_parse_bytes(buf, size_len, &size);
		if (err || !size)
			return -EINVAL;
		buf += size_len;
	}
	if (!sysfs_streq(buf, ""))
		return -EINVAL;
	err = dmb_begin_write();
	if (err)
		return err;
	err = dmb_dissolve_locked(name, size);
	dmb_end_change();
	return err ?: count;
}

static struct kobj_attribute remove_attr = __ATTR_WO(remove);

static ssize_t yield_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%d\n", dmb_yield_enabled());
}

static ssize_t yield_store(struct kobject *kobj, struct kobj_attribute *attr,
			   const char *buf, size_t count)
{
	bool yield;
	int err = kstrtobool(buf, &yield);

	if (err)
		return err;
	dmb_set_yield(yield);
	return count;
}

static struct kobj_attribute yield_attr = __ATTR_RW(yield);

static ssize_t yielded_show(struct kobject *kobj, struct kobj_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%llu\n", (u64)PFN_PHYS(dmb_yielded_pages()));
}

static struct kobj_attribute yielded_attr = __ATTR_RO(yielded);

static const struct attribute *dmb_root_attrs[] = {
	&spread_attr.attr,
	&add_attr.attr,
	&remove_attr.attr,
	&yield_attr.attr,
	&yielded_attr.attr,
	NULL,
};

static struct kobject *dmb_root;

/* Is there a file of this name beside the directories of blocks? */
bool dmb_name_reserved(const char *name)
{
	const struct attribute **attr;

	for (attr = dmb_root_attrs; *attr; attr++)
		if (!strcmp(name, (*attr)->name))
			return true;
	return false;
}

/**
 * dmb_show_block - make the directory of a block
 * @dmb: the block
 *
 * Context: Boot, or dmb_change_lock held. May sleep.
 */
void dmb_show_block(struct dmb *dmb)
{
	int err;

	/* During early boot: dmb_sysfs_init() will make the directory. */
	if (!dmb_root)
		return;
	init_completion(&dmb->kobj_gone);
	memset(&dmb->kobj, 0, sizeof(dmb->kobj));
	err = kobject_init_and_add(&dmb->kobj, &dmb_ktype, dmb_root, "%s",
				   dmb->name);
	if (!err)
		return;
	kobject_put(&dmb->kobj);
	pr_warn("dmb: %s: no directory in sysfs: %d\n", dmb->name, err);
}

/**
 * dmb_hide_block - remove the directory of a block
 * @dmb: the block
 *
 * Context: dmb_change_lock held. Waits for readers of its files.
 */
void dmb_hide_block(struct dmb *dmb)
{
	kobject_put(&dmb->kobj);
	wait_for_completion(&dmb->kobj_gone);
}

static int __init dmb_sysfs_init(void)
{
	struct dmb *dmb = NULL;

	dmb_root = kobject_create_and_add("dmb", mm_kobj);
	if (!dmb_root)
		return -ENOMEM;
	if (sysfs_create_files(dmb_root, dmb_root_attrs))
		pr_warn("dmb: no files for all blocks in sysfs\n");
	while ((dmb = dmb_next(dmb)))
		dmb_show_block(dmb);
	return 0;
}
subsys_initcall(dmb_sysfs_init);
