// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/dmb/audit: does every allocated page in every block meet
 * the contract?
 *
 * /sys/kernel/debug/dmb/map: how the pageblocks of blocks are used.
 *
 * /sys/kernel/debug/dmb/obstacles: why claims have failed.
 *
 * /sys/kernel/debug/dmb/claim and release: play an owner, of the range that is
 * written there as SIZE@BASE; dmb_read_request() has more formats. Claims of
 * drivers cannot be released here.
 *
 * With CONFIG_DMB_DEBUG, /sys/kernel/debug/dmb/violate breaks the contract on
 * purpose, so that the audit itself can be tested.
 */

#include <linux/ctype.h>
#include <linux/debugfs.h>
#include <linux/dmb_claim.h>
#include <linux/gfp.h>
#include <linux/kstrtox.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/page_owner.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/swap.h>
#include <linux/uaccess.h>

#include "internal.h"

/* List at most this many violations of each block one by one. */
#define DMB_AUDIT_LISTED	16

/* Room for the report: if there were too little, seq_file would audit again. */
#define DMB_AUDIT_TEXT		SZ_64K

/* An audit judges pages for at most this many seconds. */
#define DMB_AUDIT_SECONDS	15

struct dmb_report {
	unsigned int nr;
	struct dmb *dmb[DMB_MAX_BLOCKS];
	unsigned long end_pfn[DMB_MAX_BLOCKS];
	struct dmb_audit audit[DMB_MAX_BLOCKS];
	struct dmb_suspects suspects;
};

static int dmb_make_report(struct dmb_report *report)
{
	struct dmb *dmb = NULL;
	int err;

	/* Pages in a batch for the LRU look like violations. */
	lru_add_drain_all();

	report->suspects.jiffies_left = DMB_AUDIT_SECONDS * HZ;
	while (report->nr < DMB_MAX_BLOCKS && (dmb = dmb_next(dmb))) {
		report->dmb[report->nr] = dmb;
		report->end_pfn[report->nr] = READ_ONCE(dmb->end_pfn);
		err = dmb_audit_block(dmb, &report->audit[report->nr++],
				      &report->suspects);
		if (err)
			return err;
	}
	return dmb_look_again(&report->suspects);
}

static void dmb_show_report(struct seq_file *m, const struct dmb_report *report)
{
	const struct dmb_suspect *violation = report->suspects.suspect;
	const struct dmb_suspect *end = violation + report->suspects.nr;
	unsigned int b, i, nr;

	for (b = 0; b < report->nr; b++, violation += nr) {
		const struct dmb_audit *audit = &report->audit[b];
		const struct dmb *dmb = report->dmb[b];

		for (nr = 0; violation + nr < end; nr++)
			if (violation[nr].pfn >= report->end_pfn[b] &&
			    b + 1 < report->nr)
				break;
		seq_printf(m, "%s free %lu used %lu pcp %lu violations %u poisoned %lu",
			   dmb->name, audit->free, audit->used, audit->pcp, nr,
			   audit->poisoned);
		if (audit->unjudged)
			seq_printf(m, " cut short: %lu pages not judged",
				   audit->unjudged);
		seq_putc(m, '\n');
		for (i = 0; i < min(nr, DMB_AUDIT_LISTED); i++)
			seq_printf(m, " violation pfn %#lx: %s\n",
				   violation[i].pfn, violation[i].why);
	}
}

static int dmb_audit_show(struct seq_file *m, void *unused)
{
	struct dmb_report *report = kvzalloc(sizeof(*report), GFP_KERNEL);
	int err;

	if (!report)
		return -ENOMEM;
	err = dmb_make_report(report);
	if (!err)
		dmb_show_report(m, report);
	kvfree(report);
	return err;
}

static int dmb_audit_open(struct inode *inode, struct file *file)
{
	return single_open_size(file, dmb_audit_show, NULL, DMB_AUDIT_TEXT);
}

static const struct file_operations dmb_audit_fops = {
	.owner = THIS_MODULE,
	.open = dmb_audit_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = single_release,
};

static int dmb_map_show(struct seq_file *m, void *unused)
{
	dmb_show_map(m, 0, 0);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(dmb_map);

static int dmb_obstacles_show(struct seq_file *m, void *unused)
{
	dmb_show_obstacles(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(dmb_obstacles);

/**
 * struct dmb_played - a claim made by the debugfs file "claim"
 * @node: in dmb_played
 * @claim: the claim
 */
struct dmb_played {
	struct list_head node;
	struct dmb_claim *claim;
};

#define DMB_MAX_PLAYED	4096U

static DEFINE_MUTEX(dmb_played_lock);
static LIST_HEAD(dmb_played);

/* Parse "[COUNT*]SIZE[@BASE[-END]][ quick[=MS]]". @nr is the COUNT. */
static int dmb_read_request(const char __user *ubuf, size_t len,
			    struct dmb_request *request, unsigned int *nr)
{
	char text[96] = "", *at;

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, ubuf, len))
		return -EFAULT;
	request->size = memparse(text, &at);
	if (*at == '*') {
		*nr = clamp(request->size, 1U, DMB_MAX_PLAYED);
		request->size = memparse(at + 1, &at);
	}
	if (*at == '@') {
		if (!isdigit(*++at))
			return -EINVAL;
		request->start = memparse(at, &at);
		request->end = *at == '-' ? memparse(at + 1, &at) :
					    request->start + request->size;
		if (request->end <= request->start)
			return -EINVAL;
	}
	at = strim(at);
	if (!*at)
		return 0;
	request->flags |= DMB_CLAIM_QUICK;
	if (!strcmp(at, "quick"))
		return 0;
	return strstarts(at, "quick=") ?
	       kstrtouint(at + strlen("quick="), 0, &request->timeout_ms) :
	       -EINVAL;
}

static int dmb_play_claims(const struct dmb_request *request,
			   struct dmb_claim **claims, unsigned int nr)
{
	int got;

	if (nr) {
		got = dmb_claim_several(request, claims, nr);
	} else {
		claims[0] = dmb_claim(request);
		got = PTR_ERR_OR_ZERO(claims[0]) ?: 1;
	}
	return got;
}

static ssize_t dmb_claim_write(struct file *file, const char __user *ubuf,
			       size_t len, loff_t *ppos)
{
	struct dmb_request request = {
		.owner = "debugfs",
		.align = PAGE_SIZE,
		/* Nobody reads the memory. */
		.flags = DMB_CLAIM_UNZEROED,
	};
	struct dmb_claim **claims;
	unsigned int nr = 0;
	int got;

	got = dmb_read_request(ubuf, len, &request, &nr);
	if (got)
		return got;
	if (nr && is_power_of_2(request.size))
		request.align = request.size;
	claims = kvcalloc(max(nr, 1U), sizeof(*claims), GFP_KERNEL);
	if (!claims)
		return -ENOMEM;
	got = dmb_play_claims(&request, claims, nr);
	scoped_guard(mutex, &dmb_played_lock) {
		int i;

		for (i = 0; i < got; i++) {
			struct dmb_played *played =
				kmalloc(sizeof(*played),
					GFP_KERNEL | __GFP_NOFAIL);

			played->claim = claims[i];
			list_add(&played->node, &dmb_played);
		}
	}
	kvfree(claims);
	return got < 0 ? got : len;
}

static const struct file_operations dmb_claim_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = dmb_claim_write,
};

/* Release all claims within a range that were made here, not by drivers. */
static int dmb_play_release(const struct dmb_request *request)
{
	struct dmb_played *played, *next;
	int err = -EINVAL;

	guard(mutex)(&dmb_played_lock);
	list_for_each_entry_safe(played, next, &dmb_played, node) {
		phys_addr_t base = dmb_claim_base(played->claim);

		if (base < request->start ||
		    base + dmb_claim_size(played->claim) > request->end)
			continue;
		list_del(&played->node);
		dmb_release(played->claim);
		kfree(played);
		err = 0;
	}
	return err;
}

static ssize_t dmb_release_write(struct file *file, const char __user *ubuf,
				 size_t len, loff_t *ppos)
{
	struct dmb_request request = {};
	unsigned int nr;
	int err;

	err = dmb_read_request(ubuf, len, &request, &nr);
	return err ?: dmb_play_release(&request) ?: len;
}

static const struct file_operations dmb_release_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = dmb_release_write,
};

#ifdef CONFIG_DMB_DEBUG
static DEFINE_MUTEX(dmb_violate_lock);
static struct page *dmb_violating_page;

static void dmb_end_violation(void)
{
	if (dmb_violating_page)
		__free_page(dmb_violating_page);
	dmb_violating_page = NULL;
}

/* Violate the contract: keep a designated page that cannot be moved. */
static int dmb_begin_violation(void)
{
	struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE);

	if (!page)
		return -ENOMEM;
	if (!dmb_contains_pfn(page_to_pfn(page))) {
		__free_page(page);
		return -ENOSPC;
	}
	dmb_violating_page = page;
	return 0;
}

static ssize_t dmb_violate_write(struct file *file, const char __user *ubuf,
				 size_t len, loff_t *ppos)
{
	char word[8] = "";
	int err = 0;

	if (len >= sizeof(word))
		return -EINVAL;
	if (copy_from_user(word, ubuf, len))
		return -EFAULT;

	guard(mutex)(&dmb_violate_lock);
	dmb_end_violation();
	if (sysfs_streq(word, "page")) {
		err = dmb_begin_violation();
	} else if (sysfs_streq(word, "owner")) {
		err = dmb_begin_violation();
		if (!err)
			set_page_owner(dmb_violating_page, 0, GFP_KERNEL);
	} else if (!sysfs_streq(word, "none")) {
		err = -EINVAL;
	}
	return err ?: len;
}

static const struct file_operations dmb_violate_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = dmb_violate_write,
};
#endif /* CONFIG_DMB_DEBUG */

static int __init dmb_debugfs_init(void)
{
	struct dentry *root = debugfs_create_dir("dmb", NULL);

	debugfs_create_file("audit", 0400, root, NULL, &dmb_audit_fops);
	debugfs_create_file("claim", 0200, root, NULL, &dmb_claim_fops);
	debugfs_create_file("release", 0200, root, NULL, &dmb_release_fops);
	debugfs_create_file("map", 0400, root, NULL, &dmb_map_fops);
	debugfs_create_file("obstacles", 0400, root, NULL, &dmb_obstacles_fops);
#ifdef CONFIG_DMB_DEBUG
	debugfs_create_file("violate", 0200, root, NULL, &dmb_violate_fops);
#endif
	return 0;
}
late_initcall(dmb_debugfs_init);
