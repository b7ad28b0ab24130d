// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests: what reclaim takes for user memory in blocks. It looks for user memory
 * of other requests nowhere else, so too much of that leaves it with nothing to do.
 */

#include <kunit/test.h>
#include <linux/balloon_compaction.h>
#include <linux/dmb.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>

#include "../internal.h"
#include "tests.h"

/* Free pages of isolated pageblocks are not counted, but nobody uses them. */
static void dmb_test_isolated_is_not_listed(struct kunit *test)
{
	struct dmb *dmb = dmb_blocks.block[0];
	unsigned long before, during;

	before = dmb_zone_lru_designated(dmb->pool->zone);
	KUNIT_ASSERT_EQ(test, start_isolate_page_range(dmb->start_pfn, dmb->end_pfn,
						       MIGRATE_MOVABLE, 0, GFP_KERNEL), 0);
	during = dmb_zone_lru_designated(dmb->pool->zone);
	undo_isolate_page_range(dmb->start_pfn, dmb->end_pfn, MIGRATE_MOVABLE);
	KUNIT_EXPECT_LE(test, during, before);
}

#ifdef CONFIG_BALLOON_COMPACTION
static void dmb_test_balloon_is_not_listed(struct kunit *test)
{
	struct balloon_dev_info balloon;
	struct page *page;
	struct dmb *dmb;
	long before;

	balloon_devinfo_init(&balloon);
	page = balloon_page_alloc();
	KUNIT_ASSERT_NOT_NULL(test, page);
	dmb = dmb_table_first(&dmb_blocks, page_to_pfn(page), page_to_pfn(page) + 1);
	if (!dmb) {
		put_page(page);
		kunit_skip(test, "blocks are nearly full");
	}

	before = atomic_long_read(&dmb->unlisted);
	balloon_page_enqueue(&balloon, page);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dmb->unlisted), before + 1);
	KUNIT_EXPECT_PTR_EQ(test, balloon_page_dequeue(&balloon), page);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dmb->unlisted), before);
	put_page(page);
}
#endif

static struct kunit_case dmb_reclaim_cases[] = {
	KUNIT_CASE(dmb_test_isolated_is_not_listed),
#ifdef CONFIG_BALLOON_COMPACTION
	KUNIT_CASE(dmb_test_balloon_is_not_listed),
#endif
	{}
};

static struct kunit_suite dmb_reclaim_suite = {
	.name = "dmb_reclaim",
	.init = dmb_test_need_blocks,
	.test_cases = dmb_reclaim_cases,
};

kunit_test_suite(dmb_reclaim_suite);
