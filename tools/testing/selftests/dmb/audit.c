// SPDX-License-Identifier: GPL-2.0
/* The audit finds each violation, and nothing else. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "dmb_util.h"

#define VIOLATE	DEBUGFS_DMB "/violate"
#define TOUCHED	(4 * MB)
#define POISONED	512	/* pages */

/* On a busy host the guest may stop for some seconds. */
#define TRIES	4

static long seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - start->tv_sec;
}

TEST(every_page_is_counted_once)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	unsigned long free, used, pcp, violations, poisoned;
	int i, fields, nr = dmb_read_blocks(blocks);
	char line[256], name[64];
	FILE *f;

	f = fopen(DEBUGFS_DMB "/audit", "r");
	ASSERT_NE(NULL, f);
	for (i = 0; i < nr; i++) {
		ASSERT_NE(NULL, fgets(line, sizeof(line), f));
		fields = sscanf(line,
				"%63s free %lu used %lu pcp %lu violations %lu poisoned %lu",
				name, &free, &used, &pcp, &violations,
				&poisoned);
		ASSERT_EQ(6, fields);
		EXPECT_STREQ(blocks[i].name, name);
		EXPECT_EQ(blocks[i].size / sysconf(_SC_PAGESIZE),
			  free + used + pcp + poisoned);
		EXPECT_EQ(0, violations);
		EXPECT_EQ(NULL, strstr(line, "cut short"));
	}
	EXPECT_EQ(NULL, fgets(line, sizeof(line), f));
	fclose(f);
}

TEST(every_page_was_asked_for_as_movable)
{
	struct dmb_owners owners;
	void *memory;

	if (!dmb_page_owner())
		SKIP(return, "needs page_owner=on");

	memory = dmb_touch(TOUCHED, false);
	ASSERT_NE(NULL, memory);
	owners = dmb_audit_owners(0);
	TH_LOG("%lu pages or folios", owners.pages);
	EXPECT_LE(TOUCHED / sysconf(_SC_PAGESIZE), owners.pages);
	EXPECT_EQ(0, owners.violations);
	munmap(memory, TOUCHED);
}

FIXTURE(poison)
{
	struct dmb_audit before;
	size_t page;
	size_t size;
	uint64_t *frames;
	char *memory;
	size_t nr;	/* how many pages are poisoned */
};

FIXTURE_VARIANT(poison)
{
	int (*how)(uint64_t frame);
	size_t nr;
	bool free;
};

FIXTURE_VARIANT_ADD(poison, hard)
{
	.how = dmb_poison,
	.nr = 4,
};

/* Such pages look like kernel pages, and there are many of them. */
FIXTURE_VARIANT_ADD(poison, soft)
{
	.how = dmb_poison_softly,
	.nr = POISONED,
	.free = true,
};

FIXTURE_SETUP(poison)
{
	if (!dmb_can_unpoison())
		SKIP(return, "needs HWPOISON_INJECT");
	/* Unpoisoning frees pages a second time, for which page_owner warns. */
	if (variant->how == dmb_poison_softly && dmb_page_owner())
		SKIP(return, "does not go together with page_owner");
	self->page = sysconf(_SC_PAGESIZE);
	self->size = 2 * POISONED * self->page;
	self->memory = dmb_touch(self->size, false);
	ASSERT_NE(NULL, self->memory);
	self->frames = dmb_frames(self->memory, self->size);
	ASSERT_EQ(self->size, dmb_bytes_in_blocks(self->memory, self->size));
	if (variant->free)
		munmap(self->memory, self->size);
	self->before = dmb_audit();
	ASSERT_EQ(0, self->before.poisoned);
}

FIXTURE_TEARDOWN(poison)
{
	size_t i;

	for (i = 0; i < self->nr; i++)
		EXPECT_EQ(0, dmb_unpoison(self->frames[i]));
	free(self->frames);
	if (!variant->free)
		munmap(self->memory, self->size);
	EXPECT_EQ(0, dmb_audit().poisoned);
}

TEST_F(poison, is_counted_apart_and_takes_no_time)
{
	long seconds = LONG_MAX;
	struct dmb_audit audit;
	struct timespec began;
	int i;

	for (; self->nr < variant->nr; self->nr++)
		ASSERT_EQ(0, variant->how(self->frames[self->nr]));
	for (i = 0; i < TRIES && seconds > 15; i++) {
		clock_gettime(CLOCK_MONOTONIC, &began);
		audit = dmb_audit();
		seconds = seconds_since(&began);
	}
	EXPECT_GE(15, seconds);
	EXPECT_EQ(variant->nr * self->page, audit.poisoned);
	EXPECT_EQ(0, audit.violations);
	EXPECT_FALSE(audit.cut_short);
	EXPECT_EQ(self->before.used + self->before.unused,
		  audit.used + audit.unused + audit.poisoned);
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
	struct dmb_owners owners;

	if (!dmb_page_owner())
		SKIP(return, "needs page_owner=on");

	ASSERT_EQ(0, dmb_write(VIOLATE, "owner"));
	owners = dmb_audit_owners(0);
	EXPECT_EQ(1, owners.violations);
	EXPECT_STREQ("GFP_KERNEL", owners.flags);
	EXPECT_EQ(dmb_audit().pfn, owners.pfn);

	ASSERT_EQ(0, dmb_write(VIOLATE, "none"));
	EXPECT_EQ(0, dmb_audit_owners(0).violations);
}

TEST_F(violation, ends_when_asked)
{
	ASSERT_EQ(0, dmb_write(VIOLATE, "page"));
	EXPECT_EQ(1, dmb_audit().violations);
	ASSERT_EQ(0, dmb_write(VIOLATE, "none"));
	EXPECT_EQ(0, dmb_audit().violations);
}

/* Only a reader that is killed ends in less than five seconds. */
TEST_F(violation, reader_can_be_killed)
{
	struct timespec began;
	long seconds = LONG_MAX;
	pid_t reader;
	int i;

	ASSERT_EQ(0, dmb_write(VIOLATE, "page"));
	for (i = 0; i < TRIES && seconds > 3; i++) {
		clock_gettime(CLOCK_MONOTONIC, &began);
		reader = fork();
		if (!reader) {
			dmb_audit();
			_exit(0);
		}
		usleep(500 * 1000);
		kill(reader, SIGKILL);
		waitpid(reader, NULL, 0);
		seconds = seconds_since(&began);
	}
	EXPECT_GE(3, seconds);
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
