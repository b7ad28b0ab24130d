// SPDX-License-Identifier: GPL-2.0
/*
 * What an allocation costs: guest instructions per page block allocated and
 * freed, when the guest's clock counts them (QEMU -icount shift=0).
 *
 * Loading the module measures everything and prints "ROW: VALUE" lines. Parameters:
 *
 *	rounds		how often each row is measured
 *	region		bytes of the region that the states are about: with half
 *			or all of that taken by movable pages beforehand
 *	threads		instead of one task, as many as this at a time
 *	only		just the rows whose names begin so
 *
 * A row is REQUEST.oORDER.MODE.STATE:
 *
 *	pair	allocate and free one at a time: the per-cpu lists as caches
 *	batch	64 at a time: the per-cpu lists, refilled and drained
 *	bulk	thousands at a time: past the per-cpu lists
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/sort.h>
#include <linux/workqueue.h>

/* Each gives a figure, and the one in the middle counts: no timer ticks in it. */
#define CHUNKS		9
#define PAIRS		512
#define BATCH		64
/* Of pages, whatever the order */
#define BULK		16384
/* Of each order: more than a batch and the per-cpu lists take */
#define PIECES		512
#define MAX_THREADS	8

static unsigned int rounds = 3;
module_param(rounds, uint, 0);

static unsigned long region = SZ_1G;
module_param(region, ulong, 0);

static unsigned int threads = 1;
module_param(threads, uint, 0);

static char *only = "";
module_param(only, charp, 0);

static const struct {
	const char *name;
	gfp_t gfp;
} requests[] = {
	{ "user",	GFP_HIGHUSER_MOVABLE },
	{ "movable",	GFP_USER | __GFP_MOVABLE },
	{ "kernel",	GFP_KERNEL },
	{ "atomic",	GFP_ATOMIC },
};

static const unsigned int orders[] = { 0, 1, 3, 9 };

static const char * const states[] = { "empty", "half", "full" };

enum mode { PAIR, BATCHES, BULKS, NR_MODES };

static const char * const modes[NR_MODES] = { "pair", "batch", "bulk" };

/* What a row measures. */
struct job {
	gfp_t gfp;
	unsigned int order;
	enum mode mode;
};

struct worker {
	const struct job *job;
	struct task_struct *loader;
	struct completion *start;
	struct completion done;
	unsigned long nr;
	int err;
};

static int take(struct list_head *list, gfp_t gfp, unsigned int order,
		unsigned long nr)
{
	while (nr--) {
		struct page *page = alloc_pages(gfp, order);

		if (!page)
			return -ENOMEM;
		list_add(&page->lru, list);
	}
	return 0;
}

static void give(struct list_head *list, unsigned int order)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, list, lru)
		__free_pages(page, order);
	INIT_LIST_HEAD(list);
}

/*
 * Leave free pieces of the order that have a neighbour in use, so that requests of
 * that order find such a list first. What the watermark check costs depends on how
 * many lists it has to look at, and without this that is how the boot left them.
 */
static int scatter(struct list_head *in_use, gfp_t gfp, unsigned int order)
{
	unsigned long nr = order > PAGE_ALLOC_COSTLY_ORDER ? PIECES / 16 : PIECES;
	struct page *page, *next;
	LIST_HEAD(pieces);
	int err;

	err = take(&pieces, gfp, order, nr);
	list_for_each_entry_safe(page, next, &pieces, lru)
		if (nr-- & 1)
			list_move(&page->lru, in_use);
	give(&pieces, order);
	return err;
}

/* The flags of a request, which ask for a folio where user space would */
static gfp_t request_gfp(unsigned int request, unsigned int order)
{
	gfp_t gfp = requests[request].gfp;

	return order && (gfp & __GFP_MOVABLE) ? gfp | __GFP_COMP : gfp;
}

/* Allocates and frees as many times as it returns, or fails. */
static long work_off(const struct job *job)
{
	LIST_HEAD(list);
	unsigned long nr, i;
	int err;

	switch (job->mode) {
	case PAIR:
		for (i = 0; i < PAIRS; i++) {
			struct page *page = alloc_pages(job->gfp, job->order);

			if (!page)
				return -ENOMEM;
			__free_pages(page, job->order);
		}
		return PAIRS;
	case BATCHES:
		nr = job->order > PAGE_ALLOC_COSTLY_ORDER ? BATCH / 8 : BATCH;
		break;
	default:
		nr = BULK >> job->order;
	}

	err = take(&list, job->gfp, job->order, nr);
	give(&list, job->order);
	return err ?: nr;
}

static int compare_values(const void *a, const void *b)
{
	const u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* In hundredths of an instruction; 0 if there was no memory */
static u64 measure_alone(const struct job *job)
{
	u64 cost[CHUNKS];
	unsigned int i;

	/* The first one is to get everything warm. */
	work_off(job);
	for (i = 0; i < CHUNKS; i++) {
		u64 start = ktime_get_ns();
		long nr = work_off(job);

		if (nr < 0)
			return 0;
		cost[i] = div64_ul((ktime_get_ns() - start) * 100, nr);
		cond_resched();
	}
	sort(cost, CHUNKS, sizeof(*cost), compare_values, NULL);
	return cost[CHUNKS / 2];
}

/* Kernel threads do not inherit what the task that loads the module was told. */
static void adopt_policy(struct task_struct *from)
{
#ifdef CONFIG_NUMA
	mpol_get(from->mempolicy);
	current->mempolicy = from->mempolicy;
#endif
}

static int run_worker(void *data)
{
	struct worker *worker = data;
	unsigned int i;

	adopt_policy(worker->loader);
	wait_for_completion(worker->start);
	for (i = 0; i < CHUNKS * 4; i++) {
		long nr = work_off(worker->job);

		if (nr < 0) {
			worker->err = nr;
			break;
		}
		worker->nr += nr;
		cond_resched();
	}
	complete(&worker->done);
	return 0;
}

/* The same for several at a time: instructions of all CPUs together */
static u64 measure_together(const struct job *job)
{
	static struct worker workers[MAX_THREADS];
	DECLARE_COMPLETION_ONSTACK(start);
	unsigned long nr = 0;
	unsigned int i;
	int err = 0;
	u64 from;

	work_off(job);
	for (i = 0; i < threads; i++) {
		struct task_struct *task;

		workers[i] = (struct worker){
			.job = job, .loader = current, .start = &start };
		init_completion(&workers[i].done);
		task = kthread_create_on_cpu(run_worker, &workers[i],
					     i % num_online_cpus(), "dmb_micro/%u");
		if (IS_ERR(task)) {
			workers[i].err = PTR_ERR(task);
			complete(&workers[i].done);
			continue;
		}
		wake_up_process(task);
	}
	from = ktime_get_ns();
	complete_all(&start);
	for (i = 0; i < threads; i++) {
		wait_for_completion(&workers[i].done);
		nr += workers[i].nr;
		err = err ?: workers[i].err;
	}
	return err ? 0 : div64_ul((ktime_get_ns() - from) * 100, nr);
}

static void measure_row(const char *request, const struct job *job,
			const char *state, bool print)
{
	char name[64];
	u64 cost;

	snprintf(name, sizeof(name), "%s.o%u.%s.%s", request, job->order,
		 modes[job->mode], state);
	if (!strstarts(name, only))
		return;
	cost = threads > 1 ? measure_together(job) : measure_alone(job);
	if (threads > 1)
		snprintf(name + strlen(name), sizeof(name) - strlen(name),
			 ".t%u", threads);
	if (print)
		pr_info("%s: %llu.%02llu\n", name, cost / 100, cost % 100);
}

static void measure_rows(const char *state, bool print)
{
	struct job job;
	int r, o;

	for (r = 0; r < ARRAY_SIZE(requests); r++)
		for (o = 0; o < ARRAY_SIZE(orders); o++)
			for (job.mode = 0; job.mode < NR_MODES; job.mode++) {
				/* Several at a time: what they contend for */
				if (threads > 1 && (orders[o] || job.mode == BATCHES))
					continue;
				job.order = orders[o];
				job.gfp = request_gfp(r, job.order);
				measure_row(requests[r].name, &job, state, print);
			}
}

static int measure_state(const char *state)
{
	struct list_head in_use[ARRAY_SIZE(orders)];
	unsigned int round;
	int r, o, err = 0;

	for (o = 0; o < ARRAY_SIZE(orders); o++) {
		INIT_LIST_HEAD(&in_use[o]);
		for (r = 0; r < ARRAY_SIZE(requests) && !err; r++)
			err = scatter(&in_use[o], request_gfp(r, orders[o]),
				      orders[o]);
	}
	/* The first round brings the per-cpu lists to where each other one has them. */
	for (round = 0; round <= rounds && !err; round++)
		measure_rows(state, round > 0);
	for (o = 0; o < ARRAY_SIZE(orders); o++)
		give(&in_use[o], orders[o]);
	return err;
}

/*
 * Full is when the next page comes from elsewhere, on each CPU: what others have in
 * their lists is free, but not for this one.
 */
static long take_the_rest(void *taken)
{
	return take(taken, GFP_HIGHUSER_MOVABLE, 0, SZ_64M / PAGE_SIZE);
}

static int __init dmb_micro_init(void)
{
	unsigned int cpu, i;
	LIST_HEAD(taken);
	int err = 0;

	if (threads < 1 || threads > MAX_THREADS)
		return -EINVAL;

	for (i = 0; i < ARRAY_SIZE(states) && !err; i++) {
		if (i)
			err = take(&taken, GFP_HIGHUSER_MOVABLE, 0,
				   region / PAGE_SIZE / 2);
		if (i + 1 == ARRAY_SIZE(states))
			for_each_online_cpu(cpu)
				err = err ?: work_on_cpu(cpu, take_the_rest, &taken);
		if (!err)
			err = measure_state(states[i]);
	}
	give(&taken, 0);
	return err;
}

/* Some insmod run a module that fails once more, so this one stays. */
static void __exit dmb_micro_exit(void)
{
}
module_init(dmb_micro_init);
module_exit(dmb_micro_exit);

MODULE_DESCRIPTION("What an allocation costs");
MODULE_LICENSE("GPL");
