// SPDX-License-Identifier: GPL-2.0
/* The audit finds nothing on a good day, and what is there on a bad one. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../kselftest_harness.h"
#include "dmb.h"

#define VIOLATE	DEBUGFS_DMB "/violate"

TEST(every_page_is_counted_once)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	unsigned long free, used, pcp, violations;
	int i, fields, nr = dmb_read_blocks(blocks);
	char line[256], name[64];
	FILE *f;

	f = fopen(DEBUGFS_DMB "/audit", "r");
	ASSERT_NE(NULL, f);
	for (i = 0; i < nr; i++) {
		ASSERT_NE(NULL, fgets(line, sizeof(line), f));
		fields = sscanf(line, "%63s free %lu used %lu pcp %lu violations %lu",
				name, &free, &used, &pcp, &violations);
		ASSERT_EQ(5, fields);
		EXPECT_STREQ(blocks[i].name, name);
		EXPECT_EQ(blocks[i].size / sysconf(_SC_PAGESIZE),
			  free + used + pcp);
		EXPECT_EQ(0, violations);
	}
	EXPECT_EQ(NULL, fgets(line, sizeof(line), f));
	fclose(f);
}

FIXTURE(violation)
{
};

FIXTURE_SETUP(violation)
{
	if (access(VIOLATE, W_OK))
		SKIP(return, "needs CONFIG_DMB_DEBUG");
	ASSERT_EQ(0, dmb_audit().violations);
}

FIXTURE_TEARDOWN(violation)
{
	dmb_write(VIOLATE, "none");
	EXPECT_EQ(0, dmb_audit().violations);
}

TEST_F(violation, page_that_nobody_could_move)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int i, nr = dmb_read_blocks(blocks);
	struct dmb_audit audit;
	unsigned long long address;
	bool inside = false;

	ASSERT_EQ(0, dmb_write(VIOLATE, "page"));
	audit = dmb_audit();
	EXPECT_EQ(1, audit.violations);
	EXPECT_STREQ("neither in a mapping, on the LRU nor movable",
		     audit.reason);
	address = (unsigned long long)audit.pfn * sysconf(_SC_PAGESIZE);
	for (i = 0; i < nr; i++)
		if (address - blocks[i].base < blocks[i].size)
			inside = true;
	EXPECT_TRUE(inside);
}

TEST_F(violation, flags_that_page_owner_remembers)
{
	struct dmb_audit audit;

	if (access("/sys/kernel/debug/page_owner", R_OK))
		SKIP(return, "needs page_owner=on");

	ASSERT_EQ(0, dmb_write(VIOLATE, "owner"));
	audit = dmb_audit();
	EXPECT_EQ(1, audit.violations);
	EXPECT_STREQ("page_owner has no __GFP_HIGHMEM | __GFP_MOVABLE",
		     audit.reason);
}

TEST_F(violation, ends_when_asked)
{
	ASSERT_EQ(0, dmb_write(VIOLATE, "page"));
	EXPECT_EQ(1, dmb_audit().violations);
	ASSERT_EQ(0, dmb_write(VIOLATE, "none"));
	EXPECT_EQ(0, dmb_audit().violations);
}

TEST_F(violation, refuses_other_words)
{
	EXPECT_EQ(-EINVAL, dmb_write(VIOLATE, "something"));
	EXPECT_EQ(-EINVAL, dmb_write(VIOLATE, "pages"));
	EXPECT_EQ(0, dmb_audit().violations);
}

int main(int argc, char **argv)
{
	dmb_need_blocks();
	return test_harness_run(argc, argv);
}
