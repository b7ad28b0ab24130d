/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_DMB_TESTS_H
#define _MM_DMB_TESTS_H

#include <kunit/test.h>

#include "../internal.h"

/* For tests, and as the init function of suites, that look at real blocks. */
static inline int dmb_test_need_blocks(struct kunit *test)
{
	if (!dmb_blocks.nr)
		kunit_skip(test, "booted without blocks");
	return 0;
}

/* Add a range to a table that only the test uses. */
static inline bool dmb_test_add(struct kunit *test, struct dmb_table *table,
				unsigned long start_pfn, unsigned long end_pfn,
				const char *name)
{
	struct dmb *dmb = kunit_kzalloc(test, sizeof(*dmb), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, dmb);
	return dmb_table_add(table, dmb, start_pfn, end_pfn, name);
}

/* For tests of the turns, whose sequences are made only if there are blocks */
static inline void dmb_test_need_turns(struct kunit *test)
{
	dmb_test_need_blocks(test);
	if (!dmb_spread_enabled())
		kunit_skip(test, "ranges do not take turns");
}

#endif /* _MM_DMB_TESTS_H */
