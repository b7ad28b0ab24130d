// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests: what drivers can do with memory that they have claimed, and how
 * long they wait for it.
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/dmb_claim.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/pagemap.h>
#include <linux/scatterlist.h>
#include <linux/sched/mm.h>
#include <linux/set_memory.h>
#include <linux/shmem_fs.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "../internal.h"
#include "tests.h"

#define DMB_TEST_OWNER	"dmb_claim_test"
#define DMB_TEST_BYTE	0xa5

/* Even on slow machines, quick claims of few pages never take this long. */
#define DMB_TEST_LONG_MS	60000

static int dmb_test_need_pageblocks(struct kunit *test)
{
	int err = dmb_test_need_blocks(test);

	if (!err && dmb_nr_pages(dmb_blocks.block[0]) < 2 * pageblock_nr_pages)
		kunit_skip(test, "the first block has but one pageblock");
	return err;
}

/* A request for exactly this range */
static struct dmb_request dmb_test_request(unsigned long start_pfn,
					   unsigned long nr)
{
	return (struct dmb_request) {
		.start = PFN_PHYS(start_pfn),
		.end = PFN_PHYS(start_pfn + nr),
		.size = PFN_PHYS(nr),
		.owner = DMB_TEST_OWNER,
	};
}

/* Fill the memory with @next. Return true if all of it had @byte before. */
static bool dmb_test_swap_bytes(struct kunit *test, struct dmb_claim *claim,
				u8 byte, u8 next)
{
	size_t size = dmb_claim_size(claim);
	u8 *memory = dmb_claims_vmap(&claim, 1, PAGE_KERNEL);
	bool same;

	KUNIT_ASSERT_NOT_NULL(test, memory);
	same = !memchr_inv(memory, byte, size);
	memset(memory, next, size);
	vunmap(memory);
	return same;
}

/* Claimed memory is zeroed, except with DMB_CLAIM_UNZEROED. */
static void dmb_test_claim_zeroed(struct kunit *test)
{
	unsigned long pfn = dmb_blocks.block[0]->start_pfn;
	struct dmb_request request = dmb_test_request(pfn + 1,
						      pageblock_nr_pages);
	struct dmb_claim *claim = dmb_claim(&request);

	KUNIT_ASSERT_FALSE(test, IS_ERR(claim));
	dmb_test_swap_bytes(test, claim, 0, DMB_TEST_BYTE);
	dmb_release(claim);

	request.flags = DMB_CLAIM_UNZEROED;
	claim = dmb_claim(&request);
	KUNIT_ASSERT_FALSE(test, IS_ERR(claim));
	dmb_test_swap_bytes(test, claim, DMB_TEST_BYTE, DMB_TEST_BYTE);
	dmb_release(claim);

	request.flags = 0;
	claim = dmb_claim(&request);
	KUNIT_ASSERT_FALSE(test, IS_ERR(claim));
	KUNIT_EXPECT_TRUE(test, dmb_test_swap_bytes(test, claim, 0, 0));
	dmb_release(claim);
}

static void dmb_test_claim_sg_table(struct kunit *test)
{
	struct dmb_request request = {
		.size = DMB_MIN_ALIGNMENT_BYTES,
		.align = DMB_MIN_ALIGNMENT_BYTES,
		.owner = DMB_TEST_OWNER,
	};
	struct device *dev = kunit_device_register(test, DMB_TEST_OWNER);
	const size_t per_claim = DMB_MIN_ALIGNMENT_BYTES /
				 dma_get_max_seg_size(dev);
	struct dmb_claim *claims[2];
	struct scatterlist *sg;
	struct sg_table sgt;
	unsigned int i;
	u8 *memory;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, dmb_claim_several(&request, claims, 2), 2);
	KUNIT_ASSERT_EQ(test, dmb_claims_sg_table(dev, claims, 2, &sgt), 0);
	KUNIT_EXPECT_EQ(test, sgt.orig_nents, 2 * per_claim);
	for_each_sgtable_sg(&sgt, sg, i) {
		phys_addr_t base = dmb_claim_base(claims[i / per_claim]);

		KUNIT_EXPECT_EQ(test, sg_phys(sg),
				base + i % per_claim *
				dma_get_max_seg_size(dev));
		KUNIT_EXPECT_EQ(test, sg->length, dma_get_max_seg_size(dev));
	}
	sg_free_table(&sgt);

	memory = dmb_claims_vmap(claims, 2, PAGE_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, memory);
	memory[DMB_MIN_ALIGNMENT_BYTES] = DMB_TEST_BYTE;
	vunmap(memory);
	KUNIT_EXPECT_TRUE(test, dmb_test_swap_bytes(test, claims[0], 0, 0));
	KUNIT_EXPECT_FALSE(test, dmb_test_swap_bytes(test, claims[1], 0, 0));
	dmb_release(claims[0]);
	dmb_release(claims[1]);
}

static unsigned long dmb_test_claimed(void)
{
	struct dmb *dmb = NULL;
	unsigned long sum = 0;

	while ((dmb = dmb_next(dmb)))
		sum += READ_ONCE(dmb->claimed);
	return sum;
}

static void dmb_test_claim_managed(struct kunit *test)
{
	struct dmb_request request = {
		.size = DMB_MIN_ALIGNMENT_BYTES,
		.owner = DMB_TEST_OWNER,
	};
	struct device *dev = kunit_device_register(test, DMB_TEST_OWNER);
	struct dmb_claim *claim;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	claim = devm_dmb_claim(dev, &request);
	KUNIT_ASSERT_FALSE(test, IS_ERR(claim));
	KUNIT_EXPECT_EQ(test, dmb_test_claimed(), pageblock_nr_pages);
	kunit_device_unregister(test, dev);
	KUNIT_EXPECT_EQ(test, dmb_test_claimed(), 0);
}

static void dmb_test_expect_error(struct kunit *test,
				  const struct dmb_request *request, int err)
{
	struct dmb_claim *claim;

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(dmb_claim(request)), err);
	KUNIT_EXPECT_EQ(test, dmb_claim_several(request, &claim, 1), err);
}

static void dmb_test_requests_refused(struct kunit *test)
{
	const struct dmb *dmb = dmb_blocks.block[0];
	struct dmb_request request = dmb_test_request(dmb->start_pfn, 2);
	struct dmb_claim *claims[1];

	request.size = 3 * PAGE_SIZE;
	dmb_test_expect_error(test, &request, -EINVAL);
	request.size = 1;
	dmb_test_expect_error(test, &request, -EINVAL);
	request.size = PAGE_SIZE;
	request.align = 3 * PAGE_SIZE;
	dmb_test_expect_error(test, &request, -EINVAL);
	request.align = 0;
	request.flags = BIT(7);
	dmb_test_expect_error(test, &request, -EINVAL);
	request.flags = 0;
	if (dmb->start_pfn) {
		/* No block was requested there. */
		request.start = 0;
		request.end = PAGE_SIZE;
		KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(dmb_claim(&request)),
				-EINVAL);
	}
	request.start = PFN_PHYS(dmb->end_pfn - 1);
	request.end = request.start + 8 * PAGE_SIZE;
	request.size = 2 * PAGE_SIZE;
	if (dmb_blocks.nr == 1)
		dmb_test_expect_error(test, &request, -ENXIO);
	request.start = 0;
	request.end = 0;
	request.size = PFN_PHYS(dmb_total_pages() + 1);
	dmb_test_expect_error(test, &request, -ENXIO);
	KUNIT_EXPECT_EQ(test, dmb_claim_several(&request, claims, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, dmb_test_claimed(), 0);
}

/**
 * struct dmb_test_thread - a claim by another task
 * @nofs: the task must not enter file systems
 * @request: the request of the claim
 * @claim: what dmb_claim() has returned
 * @done: dmb_claim() has returned
 */
struct dmb_test_thread {
	bool nofs;
	struct dmb_request request;
	struct dmb_claim *claim;
	struct completion done;
};

static int dmb_test_thread_claims(void *data)
{
	struct dmb_test_thread *thread = data;
	unsigned int flags = thread->nofs ? memalloc_nofs_save() : 0;

	thread->claim = dmb_claim(&thread->request);
	if (thread->nofs)
		memalloc_nofs_restore(flags);
	complete(&thread->done);
	return 0;
}

static void dmb_test_start(struct kunit *test, struct dmb_test_thread *thread)
{
	struct task_struct *task;

	init_completion(&thread->done);
	task = kthread_run(dmb_test_thread_claims, thread, DMB_TEST_OWNER);
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	/* Let the thread begin to wait. */
	msleep(50);
}

/* Wait for the thread, and release its claim. Return its error, if any. */
static int dmb_test_finish(struct dmb_test_thread *thread)
{
	wait_for_completion(&thread->done);
	if (IS_ERR(thread->claim))
		return PTR_ERR(thread->claim);
	dmb_release(thread->claim);
	return 0;
}

/**
 * struct dmb_test_holder - a page that does not move as long as it is locked
 * @file: file of tmpfs that contains the page
 * @folio: the page, which is in a block
 * @pfn: the first page frame of its pageblock
 */
struct dmb_test_holder {
	struct file *file;
	struct folio *folio;
	unsigned long pfn;
};

static void dmb_test_hold(struct kunit *test, struct dmb_test_holder *holder)
{
	holder->file = shmem_file_setup(DMB_TEST_OWNER, PAGE_SIZE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(holder->file));
	holder->folio = shmem_read_folio(holder->file->f_mapping, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(holder->folio));
	holder->pfn = pageblock_start_pfn(folio_pfn(holder->folio));
	if (!dmb_contains_pfn(holder->pfn)) {
		folio_put(holder->folio);
		fput(holder->file);
		kunit_skip(test, "the page is not in a block");
	}
	folio_lock(holder->folio);
	/* The page cache has a reference of its own. */
	folio_put(holder->folio);
}

static void dmb_test_let_go(struct dmb_test_holder *holder)
{
	folio_unlock(holder->folio);
}

/* Request the page that is held, and another page of the same pageblock. */
static void dmb_test_prepare(struct dmb_test_holder *holder,
			     struct dmb_test_thread *first,
			     struct dmb_test_thread *second)
{
	unsigned long pfn = folio_pfn(holder->folio);

	first->request = dmb_test_request(pfn, 1);
	second->request = dmb_test_request(pfn == holder->pfn ?
					   pfn + 1 : holder->pfn, 1);
}

/*
 * A claim waits for pages under writeback until the device has written them. A
 * claim in the same pageblock waits for the first one, however long that takes.
 */
static void dmb_test_neighbour_takes_long(struct kunit *test)
{
	struct dmb_test_thread first = {}, second = {};
	struct dmb_test_holder holder;

	dmb_test_hold(test, &holder);
	dmb_test_prepare(&holder, &first, &second);
	dmb_test_start(test, &first);
	dmb_test_start(test, &second);
	/* Longer than a claim waits for pages that are in use */
	msleep(10 * MSEC_PER_SEC);
	KUNIT_EXPECT_FALSE(test, completion_done(&first.done));
	KUNIT_EXPECT_FALSE(test, completion_done(&second.done));
	dmb_test_let_go(&holder);
	KUNIT_EXPECT_EQ(test, dmb_test_finish(&first), 0);
	KUNIT_EXPECT_EQ(test, dmb_test_finish(&second), 0);
	fput(holder.file);
}

/* A claim can refuse to wait for one in the same pageblock, or stop waiting. */
static void dmb_test_waiting_ends(struct kunit *test)
{
	struct dmb_test_thread first = {}, second = {};
	struct dmb_test_holder holder;

	dmb_test_hold(test, &holder);
	dmb_test_prepare(&holder, &first, &second);
	dmb_test_start(test, &first);

	second.request.flags = DMB_CLAIM_QUICK;
	second.request.timeout_ms = DMB_TEST_LONG_MS;
	dmb_test_start(test, &second);
	KUNIT_EXPECT_EQ(test, dmb_test_finish(&second), -EBUSY);

	second.request.flags = 0;
	second.request.timeout_ms = 100;
	dmb_test_start(test, &second);
	KUNIT_EXPECT_EQ(test, dmb_test_finish(&second), -ETIMEDOUT);

	second.request.timeout_ms = 0;
	dmb_test_start(test, &second);
	KUNIT_EXPECT_FALSE(test, completion_done(&second.done));
	dmb_cancel(&second.request);
	KUNIT_EXPECT_EQ(test, dmb_test_finish(&second), -ECANCELED);

	/* The first claim may wait for locks that this task holds. */
	second.nofs = true;
	second.request.cancelled = false;
	dmb_test_start(test, &second);
	KUNIT_EXPECT_EQ(test, dmb_test_finish(&second), -EBUSY);
	second.nofs = false;

	/* If any page will do, a claim need not wait. */
	second.request = (struct dmb_request) {
		.size = PAGE_SIZE,
		.owner = DMB_TEST_OWNER,
	};
	dmb_test_start(test, &second);
	KUNIT_EXPECT_EQ(test, dmb_test_finish(&second), 0);

	dmb_test_let_go(&holder);
	KUNIT_EXPECT_EQ(test, dmb_test_finish(&first), 0);
	fput(holder.file);
}

/* A quick claim does not wait for a locked page. */
static void dmb_test_quick(struct kunit *test)
{
	struct dmb_test_holder holder;
	struct dmb_request request;

	dmb_test_hold(test, &holder);
	request = dmb_test_request(folio_pfn(holder.folio), 1);
	request.flags = DMB_CLAIM_QUICK;
	request.timeout_ms = DMB_TEST_LONG_MS;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(dmb_claim(&request)), -EBUSY);
	dmb_test_let_go(&holder);
	fput(holder.file);
}

/* If a page stays in use, the claim keeps its deadline. */
static void dmb_test_deadline(struct kunit *test)
{
	struct dmb_request request;
	struct dmb_test_holder holder;
	struct folio *folio;
	ktime_t start, all;

	dmb_test_hold(test, &holder);
	folio = holder.folio;
	folio_get(folio);
	dmb_test_let_go(&holder);
	request = dmb_test_request(folio_pfn(folio), 1);
	start = ktime_get();
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(dmb_claim(&request)), -EBUSY);
	all = ktime_sub(ktime_get(), start);
	request.timeout_ms = 50;
	start = ktime_get();
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(dmb_claim(&request)), -ETIMEDOUT);
	/* 50 ms instead of a second, with a margin for a busy machine */
	KUNIT_EXPECT_LT(test, ktime_sub(ktime_get(), start), all / 2);
	request.timeout_ms = 0;
	request.cancelled = true;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(dmb_claim(&request)), -ECANCELED);
	folio_put(folio);
	fput(holder.file);
}

/* Protected memory is not in the direct map. Releasing it zeroes it. */
static void dmb_test_protected(struct kunit *test)
{
	unsigned long pfn = dmb_blocks.block[0]->start_pfn + 1,
		      nr = pageblock_nr_pages, i;
	struct dmb_request request = dmb_test_request(pfn, nr);
	unsigned long present = 0;
	struct dmb_claim *claim;

	request.flags = DMB_CLAIM_PROTECTED;
	claim = dmb_claim(&request);
	if (PTR_ERR_OR_ZERO(claim) == -EOPNOTSUPP)
		kunit_skip(test, "the direct map has no single pages");
	KUNIT_ASSERT_FALSE(test, IS_ERR(claim));
	for (i = 0; i < nr; i++)
		present += kernel_page_present(pfn_to_page(pfn + i));
	KUNIT_EXPECT_EQ(test, present, 0);
	/* With debug_pagealloc, free pages next to the claim are not mapped. */
	if (!debug_pagealloc_enabled()) {
		KUNIT_EXPECT_TRUE(test,
				  kernel_page_present(pfn_to_page(pfn - 1)));
		KUNIT_EXPECT_TRUE(test,
				  kernel_page_present(pfn_to_page(pfn + nr)));
	}
	KUNIT_EXPECT_NULL(test, dmb_claims_vmap(&claim, 1, PAGE_KERNEL));
	dmb_release(claim);

	request.flags = DMB_CLAIM_UNZEROED;
	claim = dmb_claim(&request);
	KUNIT_ASSERT_FALSE(test, IS_ERR(claim));
	for (i = 0; i < nr; i++)
		present += kernel_page_present(pfn_to_page(pfn + i));
	KUNIT_EXPECT_EQ(test, present, nr);
	KUNIT_EXPECT_TRUE(test, dmb_test_swap_bytes(test, claim, 0, 0));
	dmb_release(claim);
}

#ifdef CONFIG_MEMORY_FAILURE
static void dmb_test_note_address(void *data, phys_addr_t address)
{
	*(phys_addr_t *)data = address;
}

/* The owner is told if claimed memory is poisoned. */
static void dmb_test_poison_told(struct kunit *test)
{
	unsigned long pfn = dmb_blocks.block[0]->start_pfn;
	struct dmb_request request = dmb_test_request(pfn, 8);
	phys_addr_t address = 0;
	struct dmb_claim *claim;

	request.poisoned = dmb_test_note_address;
	request.data = &address;
	claim = dmb_claim(&request);
	KUNIT_ASSERT_FALSE(test, IS_ERR(claim));
	/* memory_failure() can only tell the owner. */
	KUNIT_EXPECT_NE(test, memory_failure(pfn + 3, MF_SW_SIMULATED), 0);
	KUNIT_EXPECT_EQ(test, address, PFN_PHYS(pfn + 3));
	address = 0;
	/* Not unpoison_memory(): memory_failure() has taken no reference. */
	ClearPageHWPoison(pfn_to_page(pfn + 3));
	num_poisoned_pages_sub(pfn + 3, 1);
	dmb_release(claim);
	/* The page has no owner any more. */
	KUNIT_EXPECT_EQ(test, memory_failure(pfn + 3, MF_SW_SIMULATED), 0);
	KUNIT_EXPECT_EQ(test, address, 0);
	KUNIT_EXPECT_EQ(test, unpoison_memory(pfn + 3), 0);
}
#endif

static void dmb_test_block_ranges(struct kunit *test)
{
	phys_addr_t base, size;
	unsigned int i;

	for (i = 0; !dmb_block_range(i, &base, &size); i++) {
		KUNIT_EXPECT_EQ(test, PHYS_PFN(base),
				dmb_blocks.block[i]->start_pfn);
		KUNIT_EXPECT_EQ(test, PHYS_PFN(size),
				dmb_nr_pages(dmb_blocks.block[i]));
	}
	KUNIT_EXPECT_EQ(test, i, dmb_blocks.nr);
}

static struct kunit_case dmb_claim_cases[] = {
	KUNIT_CASE(dmb_test_claim_zeroed),
	KUNIT_CASE(dmb_test_claim_sg_table),
	KUNIT_CASE(dmb_test_claim_managed),
	KUNIT_CASE(dmb_test_requests_refused),
	KUNIT_CASE(dmb_test_waiting_ends),
	KUNIT_CASE(dmb_test_quick),
	KUNIT_CASE(dmb_test_deadline),
	KUNIT_CASE(dmb_test_protected),
#ifdef CONFIG_MEMORY_FAILURE
	KUNIT_CASE(dmb_test_poison_told),
#endif
	KUNIT_CASE(dmb_test_block_ranges),
	KUNIT_CASE_SLOW(dmb_test_neighbour_takes_long),
	{}
};

static struct kunit_suite dmb_claim_suite = {
	.name = "dmb_claim",
	.init = dmb_test_need_pageblocks,
	.test_cases = dmb_claim_cases,
};

kunit_test_suite(dmb_claim_suite);
