// SPDX-License-Identifier: GPL-2.0
/* KUnit tests: the table of blocks. */

#include <kunit/test.h>
#include <linux/dmb.h>
#include <linux/mm.h>

#include "../internal.h"
#include "tests.h"

/* A table with blocks at 100-200, 200-300 and 500-600. */
static struct dmb_table *dmb_test_table(struct kunit *test)
{
	struct dmb_table *table = kunit_kzalloc(test, sizeof(*table),
						GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, table);
	KUNIT_ASSERT_TRUE(test, dmb_test_add(test, table, 500, 600, "c"));
	KUNIT_ASSERT_TRUE(test, dmb_test_add(test, table, 100, 200, "a"));
	KUNIT_ASSERT_TRUE(test, dmb_test_add(test, table, 200, 300, "b"));
	return table;
}

static void dmb_test_add_sorts(struct kunit *test)
{
	struct dmb_table *table = dmb_test_table(test);

	KUNIT_EXPECT_EQ(test, table->nr, 3);
	KUNIT_EXPECT_STREQ(test, table->block[0]->name, "a");
	KUNIT_EXPECT_STREQ(test, table->block[1]->name, "b");
	KUNIT_EXPECT_STREQ(test, table->block[2]->name, "c");
	KUNIT_EXPECT_EQ(test, table->block[2]->start_pfn, 500);
	KUNIT_EXPECT_EQ(test, table->block[2]->end_pfn, 600);
}

static void dmb_test_add_cuts_name(struct kunit *test)
{
	struct dmb_table *table = dmb_test_table(test);
	char name[DMB_NAME_LEN + 1];

	memset(name, 'n', DMB_NAME_LEN);
	name[DMB_NAME_LEN] = '\0';
	KUNIT_ASSERT_TRUE(test, dmb_test_add(test, table, 700, 800, name));
	KUNIT_EXPECT_EQ(test, strlen(table->block[3]->name), DMB_NAME_LEN - 1);
}

static void dmb_test_add_full(struct kunit *test)
{
	struct dmb_table *table = dmb_test_table(test);
	unsigned long pfn = 1000;

	while (table->nr < DMB_MAX_BLOCKS) {
		KUNIT_ASSERT_TRUE(test,
				  dmb_test_add(test, table, pfn, pfn + 10,
					       NULL));
		pfn += 10;
	}
	KUNIT_EXPECT_FALSE(test,
			   dmb_test_add(test, table, pfn, pfn + 10, NULL));
	KUNIT_EXPECT_EQ(test, table->nr, DMB_MAX_BLOCKS);
}

static void dmb_test_remove(struct kunit *test)
{
	struct dmb_table *table = dmb_test_table(test);

	dmb_table_remove(table, table->block[1]);
	KUNIT_EXPECT_EQ(test, table->nr, 2);
	KUNIT_EXPECT_STREQ(test, table->block[0]->name, "a");
	KUNIT_EXPECT_STREQ(test, table->block[1]->name, "c");

	dmb_table_remove(table, table->block[1]);
	KUNIT_EXPECT_EQ(test, table->nr, 1);
	KUNIT_EXPECT_STREQ(test, table->block[0]->name, "a");
}

static void dmb_test_first(struct kunit *test)
{
	struct dmb_table *table = dmb_test_table(test);
	struct dmb **block = table->block;

	KUNIT_EXPECT_NULL(test, dmb_table_first(table, 0, 100));
	KUNIT_EXPECT_PTR_EQ(test, dmb_table_first(table, 0, 101), block[0]);
	KUNIT_EXPECT_PTR_EQ(test, dmb_table_first(table, 199, 200), block[0]);
	KUNIT_EXPECT_PTR_EQ(test, dmb_table_first(table, 200, 201), block[1]);
	KUNIT_EXPECT_PTR_EQ(test, dmb_table_first(table, 150, 550), block[0]);
	KUNIT_EXPECT_NULL(test, dmb_table_first(table, 300, 500));
	KUNIT_EXPECT_PTR_EQ(test, dmb_table_first(table, 300, 501), block[2]);
	KUNIT_EXPECT_NULL(test, dmb_table_first(table, 600, ULONG_MAX));
}

static void dmb_test_intersects(struct kunit *test)
{
	struct dmb_table *table = dmb_test_table(test);

	/* Outside, and touching from outside */
	KUNIT_EXPECT_EQ(test, dmb_table_intersects(table, 0, 100),
			DMB_DISJOINT);
	KUNIT_EXPECT_EQ(test, dmb_table_intersects(table, 300, 500),
			DMB_DISJOINT);
	KUNIT_EXPECT_EQ(test, dmb_table_intersects(table, 600, 700),
			DMB_DISJOINT);
	/* Part of a block, a whole block, and two adjacent blocks */
	KUNIT_EXPECT_EQ(test, dmb_table_intersects(table, 110, 120),
			DMB_INTERSECTS);
	KUNIT_EXPECT_EQ(test, dmb_table_intersects(table, 500, 600),
			DMB_INTERSECTS);
	KUNIT_EXPECT_EQ(test, dmb_table_intersects(table, 100, 300),
			DMB_INTERSECTS);
	/* A page too many at either end, a hole in the middle, everything */
	KUNIT_EXPECT_EQ(test, dmb_table_intersects(table, 99, 150), DMB_MIXED);
	KUNIT_EXPECT_EQ(test, dmb_table_intersects(table, 150, 301), DMB_MIXED);
	KUNIT_EXPECT_EQ(test, dmb_table_intersects(table, 250, 550), DMB_MIXED);
	KUNIT_EXPECT_EQ(test, dmb_table_intersects(table, 0, 1000), DMB_MIXED);
}

/* The blocks of the running machine, if it has any. */

static void dmb_test_live_lookup(struct kunit *test)
{
	struct dmb *dmb = NULL, *last;

	dmb_test_need_blocks(test);
	last = dmb_blocks.block[dmb_blocks.nr - 1];

	while ((dmb = dmb_next(dmb))) {
		KUNIT_EXPECT_TRUE(test, dmb_contains_pfn(dmb->start_pfn));
		KUNIT_EXPECT_TRUE(test, dmb_contains_pfn(dmb->end_pfn - 1));
		KUNIT_EXPECT_EQ(test,
				dmb_intersects(dmb->start_pfn, dmb->end_pfn),
				DMB_INTERSECTS);
		KUNIT_EXPECT_PTR_EQ(test, dmb_pool_of(dmb->start_pfn),
				    dmb->pool);
		KUNIT_EXPECT_PTR_EQ(test, dmb_pool_of(dmb->end_pfn - 1),
				    dmb->pool);
	}
	KUNIT_EXPECT_FALSE(test,
			   dmb_contains_pfn(dmb_blocks.block[0]->start_pfn - 1));
	KUNIT_EXPECT_FALSE(test, dmb_contains_pfn(last->end_pfn));
}

static void dmb_test_live_sticky(struct kunit *test)
{
	unsigned long pfn;

	dmb_test_need_blocks(test);
	pfn = dmb_blocks.block[0]->start_pfn;

	KUNIT_EXPECT_EQ(test,
			dmb_sticky_migratetype(pfn_to_page(pfn),
					       MIGRATE_MOVABLE),
			MIGRATE_DMB);
	KUNIT_EXPECT_EQ(test,
			dmb_sticky_migratetype(pfn_to_page(pfn),
					       MIGRATE_UNMOVABLE),
			MIGRATE_DMB);
	KUNIT_EXPECT_EQ(test,
			dmb_sticky_migratetype(pfn_to_page(pfn),
					       MIGRATE_ISOLATE),
			MIGRATE_ISOLATE);
	KUNIT_EXPECT_EQ(test,
			dmb_sticky_migratetype(pfn_to_page(pfn - 1),
					       MIGRATE_MOVABLE),
			MIGRATE_MOVABLE);
}

static void dmb_test_live_eligible(struct kunit *test)
{
	dmb_test_need_blocks(test);

	KUNIT_EXPECT_TRUE(test, dmb_eligible(gfp_zone(GFP_HIGHUSER_MOVABLE)));
	KUNIT_EXPECT_FALSE(test, dmb_eligible(gfp_zone(GFP_HIGHUSER)));
	KUNIT_EXPECT_FALSE(test,
			   dmb_eligible(gfp_zone(GFP_USER | __GFP_MOVABLE)));
	KUNIT_EXPECT_FALSE(test, dmb_eligible(gfp_zone(GFP_KERNEL)));
	KUNIT_EXPECT_FALSE(test, dmb_eligible(gfp_zone(GFP_ATOMIC)));
}

static struct kunit_case dmb_table_cases[] = {
	KUNIT_CASE(dmb_test_add_sorts),
	KUNIT_CASE(dmb_test_add_cuts_name),
	KUNIT_CASE(dmb_test_add_full),
	KUNIT_CASE(dmb_test_remove),
	KUNIT_CASE(dmb_test_first),
	KUNIT_CASE(dmb_test_intersects),
	KUNIT_CASE(dmb_test_live_lookup),
	KUNIT_CASE(dmb_test_live_sticky),
	KUNIT_CASE(dmb_test_live_eligible),
	{}
};

static struct kunit_suite dmb_table_suite = {
	.name = "dmb_table",
	.test_cases = dmb_table_cases,
};

kunit_test_suite(dmb_table_suite);
