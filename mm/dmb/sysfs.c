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

/* A block that was trimmed around the kernel image would tell where that is. */
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

static struct kobj_attribute free_attr = __ATTR_RO(free);

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

/* Blocks live in a static table and never go away. */
static void dmb_kobj_release(struct kobject *kobj)
{
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

static int __init dmb_sysfs_init(void)
{
	struct kobject *root;
	struct dmb *dmb = NULL;
	int err;

	root = kobject_create_and_add("dmb", mm_kobj);
	if (!root)
		return -ENOMEM;

	if (dmb_enabled() && sysfs_create_file(root, &spread_attr.attr))
		pr_warn("dmb: no switch for the spread in sysfs\n");

	while ((dmb = dmb_next(dmb))) {
		err = kobject_init_and_add(&dmb->kobj, &dmb_ktype, root, "%s",
					   dmb->name);
		if (err) {
			pr_warn("dmb: %s: no directory in sysfs: %d\n",
				dmb->name, err);
			kobject_put(&dmb->kobj);
		}
	}
	return 0;
}
subsys_initcall(dmb_sysfs_init);
