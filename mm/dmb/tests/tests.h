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

#endif /* _MM_DMB_TESTS_H */
