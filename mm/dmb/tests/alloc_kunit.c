// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests: which requests get designated pages.
 *
 * The kselftests cover the requests of user space. These tests cover requests
 * that are movable but may not use highmem, as file systems make for their
 * metadata, and the per-cpu lists.
 */

#include <kunit/test.h>
#include <linux/dmb.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/page_reporting.h>
#include <linux/pagevec.h>
#include <linux/preempt.h>
#include <linux/scatterlist.h>
#include <linux/sched/mm.h>
#include <linux/workqueue.h>

#include "../internal.h"
#include "tests.h"

#define DMB_TEST_PAGES	PAGEVEC_SIZE

/*
 * Tests allocate less than a pageblock at a time, and expect pages of each
 * block. Skip the test if user space has left too few free pages.
 */
static int dmb_test_need_room(struct kunit *test)
{
	unsigned long free = 0;
	struct dmb *dmb = NULL;
	int err = dmb_test_need_blocks(test);

	while (!err && (dmb = dmb_next(dmb))) {
		struct dmb_audit audit;

		dmb_audit_block(dmb, &audit, NULL);
		if (audit.free < dmb_nr_pages(dmb) / 2)
			kunit_skip(test, "%s is nearly full", dmb->name);
		free += audit.free;
	}
	if (free < 2 * pageblock_nr_pages)
		kunit_skip(test, "fewer than two pageblocks are free");
	return err;
}

static bool dmb_test_in_block(struct page *page)
{
	return dmb_contains_pfn(page_to_pfn(page));
}

/* Allocate DMB_TEST_PAGES pages, and count those that are in blocks. */
static unsigned int dmb_test_alloc(struct kunit *test, gfp_t gfp,
				   struct page **pages)
{
	unsigned int i, in_blocks = 0;

	for (i = 0; i < DMB_TEST_PAGES; i++) {
		pages[i] = alloc_page(gfp);
		KUNIT_ASSERT_NOT_NULL(test, pages[i]);
		in_blocks += dmb_test_in_block(pages[i]);
	}
	return in_blocks;
}

static void dmb_test_free_singly(struct page **pages)
{
	unsigned int i;

	for (i = 0; i < DMB_TEST_PAGES; i++)
		__free_page(pages[i]);
}

static void dmb_test_free_batch(struct page **pages)
{
	struct folio_batch batch;
	unsigned int i;

	folio_batch_init(&batch);
	for (i = 0; i < DMB_TEST_PAGES; i++)
		folio_batch_add(&batch, page_folio(pages[i]));
	folios_put(&batch);
}

/* Only eligible requests may get designated pages that were just freed. */
static void dmb_test_lists(struct kunit *test,
			   void (*free)(struct page **pages))
{
	static const gfp_t others[] = {
		GFP_USER | __GFP_MOVABLE, GFP_KERNEL, GFP_HIGHUSER,
		GFP_KERNEL | __GFP_RECLAIMABLE, GFP_ATOMIC,
	};
	struct page *pages[DMB_TEST_PAGES];
	unsigned int i;

	/* Stay on one CPU, to find the pages in its lists again. */
	migrate_disable();
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		KUNIT_EXPECT_EQ(test,
				dmb_test_alloc(test, GFP_HIGHUSER_MOVABLE,
					       pages),
				DMB_TEST_PAGES);
		free(pages);
		KUNIT_EXPECT_EQ_MSG(test,
				    dmb_test_alloc(test, others[i], pages), 0,
				    "gfp %pGg", &others[i]);
		free(pages);
	}
	migrate_enable();
}

static void dmb_test_lists_singly(struct kunit *test)
{
	dmb_test_lists(test, dmb_test_free_singly);
}

static void dmb_test_lists_batch(struct kunit *test)
{
	dmb_test_lists(test, dmb_test_free_batch);
}

static void dmb_test_orders(struct kunit *test)
{
	const unsigned int orders[] = {
		0, 1, 2, PAGE_ALLOC_COSTLY_ORDER, PAGE_ALLOC_COSTLY_ORDER + 1,
		pageblock_order,
	};
	struct page *page;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		page = alloc_pages(GFP_HIGHUSER_MOVABLE | __GFP_COMP,
				   orders[i]);
		KUNIT_ASSERT_NOT_NULL(test, page);
		KUNIT_EXPECT_TRUE_MSG(test, dmb_test_in_block(page),
				      "order %u", orders[i]);
		__free_pages(page, orders[i]);

		page = alloc_pages(GFP_USER | __GFP_MOVABLE | __GFP_COMP,
				   orders[i]);
		KUNIT_ASSERT_NOT_NULL(test, page);
		KUNIT_EXPECT_FALSE_MSG(test, dmb_test_in_block(page),
				       "order %u", orders[i]);
		__free_pages(page, orders[i]);
	}
}

/* In a scope of long-term pins, no request may use designated pages. */
static void dmb_test_pin_scope(struct kunit *test)
{
	unsigned int flags = memalloc_pin_save();
	struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE);

	memalloc_pin_restore(flags);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_FALSE(test, dmb_test_in_block(page));
	__free_page(page);
}

static void dmb_test_bulk(struct kunit *test)
{
	struct page *pages[DMB_TEST_PAGES] = { };
	unsigned long nr;

	nr = alloc_pages_bulk_array(GFP_HIGHUSER_MOVABLE, DMB_TEST_PAGES,
				    pages);
	KUNIT_ASSERT_GT(test, nr, 0);
	while (nr--) {
		KUNIT_EXPECT_TRUE(test, dmb_test_in_block(pages[nr]));
		__free_page(pages[nr]);
	}

	memset(pages, 0, sizeof(pages));
	nr = alloc_pages_bulk_array(GFP_USER | __GFP_MOVABLE, DMB_TEST_PAGES,
				    pages);
	KUNIT_ASSERT_GT(test, nr, 0);
	while (nr--) {
		KUNIT_EXPECT_FALSE(test, dmb_test_in_block(pages[nr]));
		__free_page(pages[nr]);
	}
}

/* A page that may not migrate into a block does not migrate to a lower zone. */
static void dmb_test_migration(struct kunit *test)
{
	static const gfp_t homes[] = { GFP_USER, GFP_HIGHUSER, };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(homes); i++) {
		struct page *page = alloc_page(homes[i]);
		gfp_t gfp;

		KUNIT_ASSERT_NOT_NULL(test, page);
		gfp = dmb_migration_gfp(page_folio(page), GFP_HIGHUSER_MOVABLE);
		KUNIT_EXPECT_FALSE_MSG(test, dmb_eligible(gfp_zone(gfp)),
				       "gfp %pGg", &gfp);
		KUNIT_EXPECT_GE_MSG(test, gfp_zone(gfp), page_zonenum(page),
				    "gfp %pGg", &gfp);
		__free_page(page);
	}
}

/* Designated pages can be written and copied, in lowmem and in highmem. */
static void dmb_test_content(struct kunit *test)
{
	struct page *pages[DMB_TEST_PAGES], *copy = alloc_page(GFP_HIGHUSER);
	unsigned int i, in_blocks;

	KUNIT_ASSERT_NOT_NULL(test, copy);
	in_blocks = dmb_test_alloc(test, GFP_HIGHUSER_MOVABLE, pages);
	KUNIT_EXPECT_EQ(test, in_blocks, DMB_TEST_PAGES);
	for (i = 0; i < DMB_TEST_PAGES; i++)
		memset_page(pages[i], 0, i + 1, PAGE_SIZE);
	for (i = 0; i < DMB_TEST_PAGES; i++) {
		u8 *content;

		KUNIT_EXPECT_EQ(test, !!PageHighMem(pages[i]),
				!!is_highmem(page_zone(pages[i])));
		copy_highpage(copy, pages[i]);
		content = kmap_local_page(copy);
		KUNIT_EXPECT_NULL(test, memchr_inv(content, i + 1, PAGE_SIZE));
		kunmap_local(content);
	}
	dmb_test_free_singly(pages);
	__free_page(copy);
}

/* If blocks take turns, each block of this node serves pages, in any zone. */
static void dmb_test_all_zones(struct kunit *test)
{
	struct page *pages[DMB_TEST_PAGES];
	struct dmb *dmb = NULL;
	unsigned int i, nr;

	if (!dmb_spread_enabled())
		kunit_skip(test, "blocks do not take turns");

	dmb_test_alloc(test, GFP_HIGHUSER_MOVABLE, pages);
	while ((dmb = dmb_next(dmb))) {
		if (zone_to_nid(dmb->pool->zone) != page_to_nid(pages[0]))
			continue;
		for (i = 0, nr = 0; i < DMB_TEST_PAGES; i++)
			nr += dmb_table_first(&dmb_blocks,
					      page_to_pfn(pages[i]),
					      page_to_pfn(pages[i]) + 1) == dmb;
		KUNIT_EXPECT_GE_MSG(test, nr, 1, "none of %s, in zone %s",
				    dmb->name, dmb->pool->zone->name);
	}
	dmb_test_free_singly(pages);
}

/* Every free list has only pages of its own block, even after shuffling. */
static void dmb_test_lists_hold_their_own(struct kunit *test)
{
	struct dmb *dmb = NULL;
	unsigned int order;
	struct page *page;

	while ((dmb = dmb_next(dmb))) {
		unsigned long strange = 0;

		spin_lock_irq(&dmb->pool->zone->lock);
		for (order = 0; order < NR_PAGE_ORDERS; order++)
			list_for_each_entry(page,
					    &dmb->pool->free_area[order].free_list[MIGRATE_DMB],
					    buddy_list)
				strange += page_to_pfn(page) < dmb->start_pfn ||
					   page_to_pfn(page) >= dmb->end_pfn;
		spin_unlock_irq(&dmb->pool->zone->lock);
		KUNIT_EXPECT_EQ_MSG(test, strange, 0, "in the lists of %s",
				    dmb->name);
	}
}

#ifdef CONFIG_PAGE_REPORTING
static atomic_long_t dmb_test_nr_reported;

static int dmb_test_report(struct page_reporting_dev_info *prdev,
			   struct scatterlist *sgl, unsigned int nents)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sg(sgl, sg, nents, i)
		if (dmb_test_in_block(sg_page(sg)))
			atomic_long_add(PHYS_PFN(sg->length),
					&dmb_test_nr_reported);
	return 0;
}

/* Free designated pages are reported even if ordinary memory is full. */
static void dmb_test_reporting(struct kunit *test)
{
	struct page_reporting_dev_info prdev = { .report = dmb_test_report };
	unsigned long most = 0;
	struct dmb *dmb = NULL;

	while ((dmb = dmb_next(dmb)))
		most = max(most, zone_free_dmb_pages(dmb->pool->zone));
	if (most < PAGE_REPORTING_CAPACITY * pageblock_nr_pages)
		kunit_skip(test, "blocks have less than is reported at once");
	if (page_reporting_register(&prdev))
		kunit_skip(test, "somebody else has it reported");

	atomic_long_set(&dmb_test_nr_reported, 0);
	mod_delayed_work(system_freezable_wq, &prdev.work, 0);
	flush_delayed_work(&prdev.work);
	page_reporting_unregister(&prdev);
	KUNIT_EXPECT_GE(test, atomic_long_read(&dmb_test_nr_reported),
			pageblock_nr_pages);
}
#endif

static struct kunit_case dmb_alloc_cases[] = {
	KUNIT_CASE(dmb_test_lists_singly),
	KUNIT_CASE(dmb_test_lists_batch),
	KUNIT_CASE(dmb_test_orders),
	KUNIT_CASE(dmb_test_pin_scope),
	KUNIT_CASE(dmb_test_bulk),
	KUNIT_CASE(dmb_test_migration),
	KUNIT_CASE(dmb_test_content),
	KUNIT_CASE(dmb_test_all_zones),
	KUNIT_CASE(dmb_test_lists_hold_their_own),
#ifdef CONFIG_PAGE_REPORTING
	KUNIT_CASE(dmb_test_reporting),
#endif
	{}
};

static struct kunit_suite dmb_alloc_suite = {
	.name = "dmb_alloc",
	.init = dmb_test_need_room,
	.test_cases = dmb_alloc_cases,
};

kunit_test_suite(dmb_alloc_suite);
