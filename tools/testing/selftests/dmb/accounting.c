// SPDX-License-Identifier: GPL-2.0
/* What /proc and /sys say about the blocks must agree. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../kselftest_harness.h"
#include "dmb.h"

FIXTURE(accounting)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int nr;
};

FIXTURE_SETUP(accounting)
{
	/* Fold in what each CPU has counted for itself. */
	dmb_write("/proc/sys/vm/stat_refresh", "1");
	self->nr = dmb_read_blocks(self->blocks);
	ASSERT_GT(self->nr, 0);
}

FIXTURE_TEARDOWN(accounting)
{
}

TEST_F(accounting, blocks_are_apart_and_aligned)
{
	unsigned long long align = dmb_pageblock_size(), end = 0;
	int i;

	for (i = 0; i < self->nr; i++) {
		struct dmb_block *block = &self->blocks[i];

		EXPECT_GE(block->base, end);
		EXPECT_GT(block->size, 0);
		EXPECT_EQ(block->base % align, 0);
		EXPECT_EQ(block->size % align, 0);
		EXPECT_LE(block->free, block->size);
		end = block->base + block->size;
	}
}

TEST_F(accounting, names_follow_addresses)
{
	int i, number = 0;
	char name[32];

	for (i = 0; i < self->nr; i++) {
		/* Others have theirs from the devicetree. */
		if (strncmp(self->blocks[i].name, "dmb", 3))
			continue;
		snprintf(name, sizeof(name), "dmb%d", number++);
		EXPECT_STREQ(name, self->blocks[i].name);
	}
}

TEST_F(accounting, total_is_the_sum)
{
	unsigned long long page = sysconf(_SC_PAGESIZE), sum = 0;
	int i;

	for (i = 0; i < self->nr; i++)
		sum += self->blocks[i].size;
	EXPECT_EQ(sum, dmb_meminfo("DmbTotal"));
	EXPECT_EQ(sum, dmb_read_value("/proc/zoneinfo", "dmb") * page);
}

TEST_F(accounting, pageblocks_have_the_type)
{
	unsigned long long size = dmb_pageblock_size();

	EXPECT_EQ(dmb_pageblocks() * size, dmb_meminfo("DmbTotal"));
}

TEST_F(accounting, free_is_the_sum)
{
	long long sum = 0;
	int i;

	for (i = 0; i < self->nr; i++)
		sum += self->blocks[i].free;
	EXPECT_LT(llabs(sum - (long long)dmb_meminfo("DmbFree")), DMB_NOISE);
	EXPECT_LE(dmb_meminfo("DmbFree"), dmb_meminfo("DmbTotal"));
}

TEST_F(accounting, vmstat_and_meminfo_agree)
{
	unsigned long long page = sysconf(_SC_PAGESIZE);
	long long dmb, all;

	dmb = dmb_read_value("/proc/vmstat", "nr_free_dmb") * page -
	      dmb_meminfo("DmbFree");
	EXPECT_LT(llabs(dmb), DMB_NOISE);
	all = dmb_read_value("/proc/vmstat", "nr_free_pages") * page -
	      dmb_meminfo("MemFree");
	EXPECT_LT(llabs(all), DMB_NOISE);
}

/* Free designated memory is free memory to whoever looks at all of it. */
TEST_F(accounting, memfree_and_memavailable_include_it)
{
	long long dmb = dmb_meminfo("DmbFree"), all = dmb_meminfo("MemFree");
	long long available = dmb_meminfo("MemAvailable");
	/* Enough for what per-cpu lists hold not to matter */
	long size = dmb / 2;
	void *memory;

	if (size < 128 * (long)MB)
		SKIP(return, "blocks are too full or too small");

	EXPECT_GE(all, dmb);
	EXPECT_GE(available + DMB_NOISE, dmb);

	memory = dmb_touch(size, false);
	ASSERT_NE(NULL, memory);
	dmb -= dmb_meminfo("DmbFree");
	all -= dmb_meminfo("MemFree");
	available -= dmb_meminfo("MemAvailable");
	EXPECT_GT(dmb, size / 2);
	EXPECT_GT(all, size / 2);
	EXPECT_GT(available, size / 2);
	munmap(memory, size);
}

/* SysRq m prints what an out-of-memory report does. */
TEST_F(accounting, memory_report_knows_blocks)
{
	char text[2048];
	bool letter = false, sum = false;
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	ASSERT_GE(fd, 0);
	ASSERT_GE(lseek(fd, 0, SEEK_END), 0);
	if (dmb_write("/proc/sysrq-trigger", "m"))
		SKIP(return, "needs CONFIG_MAGIC_SYSRQ");

	for (;;) {
		ssize_t len = read(fd, text, sizeof(text) - 1);

		if (len < 0)
			break;
		text[len] = '\0';
		if (strstr(text, " pages designated movable, "))
			sum = true;
		/* "8*4096kB (MD)": free pages of these types and that size */
		if (strstr(text, "kB (") && strstr(text, "D)"))
			letter = true;
	}
	close(fd);
	EXPECT_TRUE(sum);
	EXPECT_TRUE(letter);
}

/* The number that follows a word in a line, or 0 */
static unsigned long number_after(const char *line, const char *word)
{
	const char *found = strstr(line, word);

	return found ? strtoul(found + strlen(word), NULL, 10) : 0;
}

/*
 * Where the kernel cannot use all memory for itself, user memory has to leave it
 * something of the rest. Blocks in highmem do not change how much.
 */
TEST_F(accounting, lowmem_is_kept_as_without_blocks)
{
	FILE *zones = fopen("/proc/zoneinfo", "r");
	FILE *ratios = fopen("/proc/sys/vm/lowmem_reserve_ratio", "r");
	unsigned long managed = 0, lowest = 0, high = 0, reserve = 0, ratio = 0;
	bool highmem = false;
	char line[256];

	ASSERT_NE(NULL, zones);
	ASSERT_NE(NULL, ratios);
	while (!highmem && fgets(line, sizeof(line), zones)) {
		highmem = strstr(line, "HighMem");
		/* Zones that are empty come in the list as well. */
		if (strstr(line, "zone ") && !lowest)
			ASSERT_EQ(1, fscanf(ratios, "%lu", &ratio));
		if (strstr(line, " managed"))
			managed = number_after(line, " managed");
		if (!lowest && managed && strstr(line, "protection: (")) {
			lowest = managed;
			reserve = strtoul(strrchr(line, ',') + 1, NULL, 10);
		}
	}
	while (highmem && !high && fgets(line, sizeof(line), zones))
		high = number_after(line, " managed");
	fclose(ratios);
	fclose(zones);
	if (!high)
		SKIP(return, "this machine has no highmem");

	TH_LOG("of %lu pages %lu are kept from those who have %lu pages of highmem",
	       lowest, reserve, high);
	EXPECT_GE(reserve, high / ratio);
}

int main(int argc, char **argv)
{
	dmb_need_blocks();
	return test_harness_run(argc, argv);
}
