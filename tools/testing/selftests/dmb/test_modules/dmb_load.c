// SPDX-License-Identifier: GPL-2.0
/*
 * Memory load from inside the kernel, for the tests of designated movable
 * blocks and for comparison with kernels that have none: exported symbols only.
 *
 * /sys/kernel/debug/dmb_load/command takes
 *
 *	hog PAGES ORDER kernel|mayfail|anywhere|atomic
 *		Allocates memory that cannot be moved, and keeps it. "kernel"
 *		may invoke the OOM killer, "mayfail" does not, "anywhere" does
 *		not either and may use highmem, "atomic" does not wait for
 *		reclaim.
 *	free
 *		Frees the memory of all hogs.
 *	atomic RUNS RING BURST
 *		Allocates RUNS movable pages and keeps the last RING of them.
 *		Every now and then allocates and frees BURST pages of each
 *		order that atomic requests use.
 *
 * A write returns when the command is done. /sys/kernel/debug/dmb_load/result
 * then has the result, as words with a number each.
 */

#include <linux/debugfs.h>
#include <linux/gfp.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

/* Compaction that has failed is put off for up to 64 requests. */
#define HOG_PATIENCE	100

#define ATOMIC_GFP	(GFP_ATOMIC | __GFP_NOWARN)
#define ATOMIC_ORDERS	4	/* 0 to 3 */
#define BURST_INTERVAL	64	/* movable pages from one burst to the next */

/* Direct reclaim, as for user pages, but no OOM killer */
#define MOVABLE_GFP	(GFP_HIGHUSER_MOVABLE | __GFP_NORETRY | __GFP_NOWARN)

struct hog_result {
	unsigned long got;	/* pages */
	/* monotonic time of the last success, and when it could not go on */
	u64 last_ns;
	u64 end_ns;
};

struct atomic_result {
	unsigned long movable;
	unsigned long movable_failed;
	unsigned long asked[ATOMIC_ORDERS];
	unsigned long failed[ATOMIC_ORDERS];
	/* of these: while ordinary memory was above its watermark */
	unsigned long failed_above[ATOMIC_ORDERS];
};

/* A queue of the movable pages that are kept. */
struct ring {
	struct page **page;
	unsigned long size;
	unsigned long oldest;
	unsigned long nr;
};

/* Protects the variables below. */
static DEFINE_MUTEX(load_lock);
static LIST_HEAD(hogged);
static struct hog_result hog_result;
static struct atomic_result atomic_result;

static struct dentry *load_dir;

static void keep_page(struct list_head *list, struct page *page,
		      unsigned int order)
{
	set_page_private(page, order);
	list_add(&page->lru, list);
}

static void free_kept_pages(struct list_head *list)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, list, lru) {
		unsigned int order = page_private(page);

		list_del(&page->lru);
		set_page_private(page, 0);
		__free_pages(page, order);
		cond_resched();
	}
}

static int hog(unsigned long nr_pages, unsigned int order, gfp_t gfp)
{
	unsigned int patience = gfp & __GFP_RETRY_MAYFAIL ? HOG_PATIENCE : 0;
	struct page *page = NULL;
	LIST_HEAD(list);

	memset(&hog_result, 0, sizeof(hog_result));
	while (hog_result.got < nr_pages) {
		page = alloc_pages(gfp, order);
		if (fatal_signal_pending(current))
			break;
		if (!page) {
			if (!patience--)
				break;
			continue;
		}
		keep_page(&list, page, order);
		page = NULL;
		hog_result.got += 1UL << order;
		hog_result.last_ns = ktime_get_ns();
		cond_resched();
	}
	hog_result.end_ns = ktime_get_ns();
	if (page)
		__free_pages(page, order);

	/*
	 * A process that the OOM killer chooses for this memory frees it, as
	 * the kernel expects.
	 */
	if (fatal_signal_pending(current)) {
		free_kept_pages(&list);
		return -EINTR;
	}
	list_splice(&list, &hogged);
	return 0;
}

static bool zone_has_block(struct zone *zone, unsigned int order)
{
	for (; order < NR_PAGE_ORDERS; order++) {
		struct free_area *area = &zone->free_area[order];
		int type;

		for (type = 0; type < MIGRATE_PCPTYPES; type++)
			if (!list_empty(&area->free_list[type]))
				return true;
		if (!list_empty(&area->free_list[MIGRATE_HIGHATOMIC]))
			return true;
	}
	return false;
}

/*
 * The watermark check of a kernel without blocks for this request, without
 * access to reserves. A kernel that refuses the request twice while this holds
 * does not see memory that it has.
 */
static bool zone_above_watermark(struct zone *zone, unsigned int order)
{
	unsigned long free = zone_page_state_snapshot(zone, NR_FREE_PAGES);
	unsigned long cma = zone_page_state_snapshot(zone, NR_FREE_CMA_PAGES);
	unsigned long wanted = min_wmark_pages(zone) +
			       zone->lowmem_reserve[gfp_zone(ATOMIC_GFP)] +
			       (1UL << order);

	if (free <= cma + wanted)
		return false;
	return !order || zone_has_block(zone, order);
}

static bool ordinary_memory_above_watermark(unsigned int order)
{
	enum zone_type highest = gfp_zone(ATOMIC_GFP);
	int nid, i;

	for_each_node_state(nid, N_MEMORY)
		for (i = 0; i <= highest; i++) {
			struct zone *zone = &NODE_DATA(nid)->node_zones[i];

			if (managed_zone(zone) &&
			    zone_above_watermark(zone, order))
				return true;
		}
	return false;
}

static void burst(unsigned long nr)
{
	unsigned int order;
	unsigned long i;
	LIST_HEAD(list);

	for (i = 0; i < nr * ATOMIC_ORDERS; i++) {
		bool above;
		struct page *page;

		order = i % ATOMIC_ORDERS;
		above = ordinary_memory_above_watermark(order);
		page = alloc_pages(ATOMIC_GFP, order);

		atomic_result.asked[order]++;
		if (page) {
			keep_page(&list, page, order);
			continue;
		}
		atomic_result.failed[order]++;
		if (above && ordinary_memory_above_watermark(order))
			atomic_result.failed_above[order]++;
	}
	free_kept_pages(&list);
}

static void ring_free_oldest(struct ring *ring)
{
	if (!ring->nr)
		return;
	__free_page(ring->page[ring->oldest]);
	ring->oldest = (ring->oldest + 1) % ring->size;
	ring->nr--;
}

static void ring_add(struct ring *ring, struct page *page)
{
	ring->page[(ring->oldest + ring->nr) % ring->size] = page;
	ring->nr++;
}

static int atomic_run(unsigned long runs, unsigned long size, unsigned long nr)
{
	struct ring ring = { .size = size };
	unsigned long i;
	int err = 0;

	ring.page = vmalloc_array(size, sizeof(*ring.page));
	if (!ring.page)
		return -ENOMEM;

	memset(&atomic_result, 0, sizeof(atomic_result));
	for (i = 0; i < runs; i++) {
		struct page *page;

		if (ring.nr == ring.size)
			ring_free_oldest(&ring);
		page = alloc_page(MOVABLE_GFP);
		if (page) {
			atomic_result.movable++;
			ring_add(&ring, page);
		} else {
			atomic_result.movable_failed++;
			ring_free_oldest(&ring);
		}
		if (i % BURST_INTERVAL)
			continue;
		burst(nr);
		cond_resched();
		if (fatal_signal_pending(current)) {
			err = -EINTR;
			break;
		}
	}
	while (ring.nr)
		ring_free_oldest(&ring);
	vfree(ring.page);
	return err;
}

static int obey(const char *text)
{
	unsigned long nr, size, count;
	unsigned int order;
	char how[16];

	if (sscanf(text, "hog %lu %u %15s", &nr, &order, how) == 3 &&
	    order <= MAX_PAGE_ORDER) {
		if (!strcmp(how, "kernel"))
			return hog(nr, order, GFP_KERNEL | __GFP_NOWARN);
		if (!strcmp(how, "mayfail"))
			return hog(nr, order, GFP_KERNEL | __GFP_NOWARN |
				   __GFP_RETRY_MAYFAIL);
		if (!strcmp(how, "anywhere"))
			return hog(nr, order, GFP_HIGHUSER | __GFP_NOWARN |
				   __GFP_RETRY_MAYFAIL);
		if (!strcmp(how, "atomic"))
			return hog(nr, order, ATOMIC_GFP);
	}
	if (sscanf(text, "atomic %lu %lu %lu", &nr, &size, &count) == 3 && size)
		return atomic_run(nr, size, count);
	if (sysfs_streq(text, "free")) {
		free_kept_pages(&hogged);
		return 0;
	}
	return -EINVAL;
}

static ssize_t command_write(struct file *file, const char __user *ubuf,
			     size_t len, loff_t *ppos)
{
	char text[64] = "";
	int err;

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, ubuf, len))
		return -EFAULT;
	err = mutex_lock_killable(&load_lock);
	if (err)
		return err;
	err = obey(text);
	mutex_unlock(&load_lock);
	return err ?: len;
}

static const struct file_operations command_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = command_write,
};

static int result_show(struct seq_file *m, void *unused)
{
	struct atomic_result *a = &atomic_result;
	unsigned int order;

	guard(mutex)(&load_lock);
	seq_printf(m, "hog_got %lu\n", hog_result.got);
	seq_printf(m, "hog_last_ns %llu\n", hog_result.last_ns);
	seq_printf(m, "hog_end_ns %llu\n", hog_result.end_ns);
	seq_printf(m, "movable %lu\n", a->movable);
	seq_printf(m, "movable_failed %lu\n", a->movable_failed);
	for (order = 0; order < ATOMIC_ORDERS; order++) {
		seq_printf(m, "atomic_asked_%u %lu\n", order, a->asked[order]);
		seq_printf(m, "atomic_failed_%u %lu\n", order,
			   a->failed[order]);
		seq_printf(m, "atomic_failed_above_%u %lu\n", order,
			   a->failed_above[order]);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(result);

static int __init dmb_load_init(void)
{
	load_dir = debugfs_create_dir("dmb_load", NULL);
	debugfs_create_file("command", 0200, load_dir, NULL, &command_fops);
	debugfs_create_file("result", 0400, load_dir, NULL, &result_fops);
	return 0;
}
module_init(dmb_load_init);

static void __exit dmb_load_exit(void)
{
	debugfs_remove(load_dir);
	free_kept_pages(&hogged);
}
module_exit(dmb_load_exit);

MODULE_DESCRIPTION("Memory load for the tests of designated movable blocks");
MODULE_LICENSE("GPL");
