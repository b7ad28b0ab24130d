// SPDX-License-Identifier: GPL-2.0
/* KUnit tests: which pool serves the next request. */

#include <kunit/test.h>
#include <linux/dmb.h>
#include <linux/mm.h>

#include "../internal.h"
#include "tests.h"

#define DMB_TEST_REQUESTS	960	/* a multiple of 2, 3, 4 and 5 */

/* Make a node with so many pools, each of its own range, without free pages. */
static struct dmb_pool *dmb_test_pools(struct kunit *test, unsigned int nr)
{
	struct dmb_node *node = kunit_kzalloc(test, sizeof(*node), GFP_KERNEL);
	struct dmb_pool *pools = kunit_kcalloc(test, nr, sizeof(*pools),
					       GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, node);
	KUNIT_ASSERT_NOT_NULL(test, pools);
	spin_lock_init(&node->lock);
	INIT_LIST_HEAD(&node->pools);
	for (i = 0; i < nr; i++) {
		pools[i].node = node;
		pools[i].slot = -1;
		INIT_LIST_HEAD(&pools[i].siblings);
		list_add_tail(&pools[i].list, &node->pools);
	}
	return pools;
}

static void dmb_test_fill(struct dmb_pool *pool)
{
	guard(irqsave)();
	if (!pool->has_free)
		__dmb_pool_filled(pool);
}

static void dmb_test_empty(struct dmb_pool *pool)
{
	guard(irqsave)();
	dmb_pool_emptied(pool);
}

/* Count how many of the next requests each pool serves. */
static void dmb_test_count(struct kunit *test, struct dmb_pool *pools,
			   unsigned int nr, unsigned int *turns)
{
	unsigned int i;

	memset(turns, 0, nr * sizeof(*turns));
	guard(preempt)();
	for (i = 0; i < DMB_TEST_REQUESTS; i++) {
		struct dmb_pool *pool = dmb_next_turn(pools->node);

		if (pool)
			turns[pool - pools]++;
	}
}

static void dmb_test_expect_even(struct kunit *test, const unsigned int *turns,
				 unsigned int nr, unsigned int in_turn)
{
	unsigned int i, share = DMB_TEST_REQUESTS / in_turn;

	/* The requests may begin and end within a sequence of turns. */
	for (i = 0; i < nr; i++)
		if (turns[i])
			KUNIT_EXPECT_LE(test, abs_diff(turns[i], share), nr);
}

static void dmb_test_empty_pools_have_no_turn(struct kunit *test)
{
	struct dmb_pool *pools;
	unsigned int turns[5];

	dmb_test_need_turns(test);
	pools = dmb_test_pools(test, 5);
	KUNIT_EXPECT_NULL(test, dmb_next_turn(pools->node));

	dmb_test_fill(&pools[3]);
	KUNIT_EXPECT_PTR_EQ(test, dmb_next_turn(pools->node), &pools[3]);
	KUNIT_EXPECT_PTR_EQ(test, dmb_next_turn(pools->node), &pools[3]);

	dmb_test_fill(&pools[0]);
	dmb_test_fill(&pools[4]);
	dmb_test_count(test, pools, 5, turns);
	KUNIT_EXPECT_EQ(test, turns[1] + turns[2], 0);
	dmb_test_expect_even(test, turns, 5, 3);

	dmb_test_empty(&pools[3]);
	dmb_test_count(test, pools, 5, turns);
	KUNIT_EXPECT_EQ(test, turns[1] + turns[2] + turns[3], 0);
	dmb_test_expect_even(test, turns, 5, 2);

	dmb_test_empty(&pools[0]);
	dmb_test_empty(&pools[4]);
	KUNIT_EXPECT_NULL(test, dmb_next_turn(pools->node));
}

/* If any one of three ranges is used up, the other two share evenly. */
static void dmb_test_two_of_three_share_evenly(struct kunit *test)
{
	unsigned int turns[3], i, k;
	struct dmb_pool *pools;

	dmb_test_need_turns(test);
	for (k = 0; k < 3; k++) {
		pools = dmb_test_pools(test, 3);
		for (i = 0; i < 3; i++)
			dmb_test_fill(&pools[i]);
		dmb_test_empty(&pools[k]);
		dmb_test_count(test, pools, 3, turns);
		KUNIT_EXPECT_EQ(test, turns[k], 0);
		dmb_test_expect_even(test, turns, 3, 2);
	}
}

/* A range has one turn, even if it was cut into several pieces. */
static void dmb_test_a_range_in_pieces_has_one_turn(struct kunit *test)
{
	struct dmb_pool *pools;
	unsigned int turns[3];

	dmb_test_need_turns(test);
	pools = dmb_test_pools(test, 3);
	list_move_tail(&pools[1].siblings, &pools[0].siblings);
	dmb_test_fill(&pools[0]);
	dmb_test_fill(&pools[1]);
	dmb_test_fill(&pools[2]);
	dmb_test_count(test, pools, 3, turns);
	KUNIT_EXPECT_EQ(test, turns[1], 0);
	dmb_test_expect_even(test, turns, 3, 2);

	/* If the first piece is empty, the next one takes over its turn. */
	dmb_test_empty(&pools[0]);
	dmb_test_count(test, pools, 3, turns);
	KUNIT_EXPECT_EQ(test, turns[0], 0);
	KUNIT_EXPECT_GT(test, turns[1], 0);
	dmb_test_expect_even(test, turns, 3, 2);
	dmb_test_fill(&pools[0]);
	dmb_test_count(test, pools, 3, turns);
	KUNIT_EXPECT_EQ(test, turns[0], 0);
	dmb_test_expect_even(test, turns, 3, 2);

	dmb_test_empty(&pools[1]);
	dmb_test_empty(&pools[0]);
	KUNIT_EXPECT_PTR_EQ(test, dmb_next_turn(pools->node), &pools[2]);
}

/* More ranges than there are sequences of turns for share evenly, too. */
static void dmb_test_many_ranges_share_evenly(struct kunit *test)
{
	const unsigned int nr = 120;
	struct dmb_pool *pools;
	unsigned int *turns;
	unsigned int i;

	dmb_test_need_turns(test);
	pools = dmb_test_pools(test, nr);
	turns = kunit_kcalloc(test, nr, sizeof(*turns), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, turns);
	for (i = 0; i < nr; i++)
		dmb_test_fill(&pools[i]);
	for (i = 0; i < nr; i += 3)
		dmb_test_empty(&pools[i]);
	dmb_test_count(test, pools, nr, turns);
	for (i = 0; i < nr; i++) {
		if (i % 3)
			KUNIT_EXPECT_EQ(test, turns[i],
					DMB_TEST_REQUESTS / (nr / 3 * 2));
		else
			KUNIT_EXPECT_EQ(test, turns[i], 0);
	}
}

static struct kunit_case dmb_pool_cases[] = {
	KUNIT_CASE(dmb_test_empty_pools_have_no_turn),
	KUNIT_CASE(dmb_test_two_of_three_share_evenly),
	KUNIT_CASE(dmb_test_a_range_in_pieces_has_one_turn),
	KUNIT_CASE(dmb_test_many_ranges_share_evenly),
	{}
};

static struct kunit_suite dmb_pool_suite = {
	.name = "dmb_pool",
	.test_cases = dmb_pool_cases,
};

kunit_test_suite(dmb_pool_suite);
