// SPDX-License-Identifier: GPL-2.0
/* Figures of blocks in /proc and /sys must agree. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "memory.h"

FIXTURE(accounting)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int nr;
};

FIXTURE_SETUP(accounting)
{
	/* Fold the per-cpu differences into the counters. */
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
		/* Other names come from the devicetree. */
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

/* Counters of all free memory include free designated memory. */
TEST_F(accounting, memfree_and_memavailable_include_it)
{
	long long dmb = dmb_meminfo("DmbFree"), all = dmb_meminfo("MemFree");
	long long available = dmb_meminfo("MemAvailable");
	/* Large enough that pages in per-cpu lists do not matter */
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

#define NODES	"/sys/devices/system/node"

/* Sum up the numbers that follow @word in this file of each node. */
static unsigned long long sum_of_nodes(const char *file, const char *word)
{
	unsigned long long sum = 0;
	char path[64], line[256];
	int node;

	for (node = 0; node < 1024; node++) {
		FILE *f;

		snprintf(path, sizeof(path), NODES "/node%d/%s", node, file);
		f = fopen(path, "r");
		while (f && fgets(line, sizeof(line), f)) {
			char *at = strstr(line, word);

			if (!at || !strchr(" :", at[strlen(word)]))
				continue;
			sum += strtoull(at + strlen(word) + 1, NULL, 10);
		}
		if (f)
			fclose(f);
	}
	return sum;
}

/* The difference of the sum over all nodes to /proc/meminfo, in bytes */
static unsigned long long node_gap(const char *field, const char *file,
				   const char *word, unsigned long long unit)
{
	return llabs((long long)(dmb_meminfo(field) -
				 sum_of_nodes(file, word) * unit));
}

TEST_F(accounting, nodes_and_proc_agree)
{
	unsigned long long page = sysconf(_SC_PAGESIZE);

	if (access(NODES "/node0/meminfo", R_OK))
		SKIP(return, "needs CONFIG_NUMA");

	EXPECT_EQ(0, node_gap("MemTotal", "meminfo", "MemTotal", 1024));
	EXPECT_EQ(0, node_gap("DmbTotal", "meminfo", "DmbTotal", 1024));
	EXPECT_LT(node_gap("MemFree", "meminfo", "MemFree", 1024), DMB_NOISE);
	EXPECT_LT(node_gap("DmbFree", "meminfo", "DmbFree", 1024), DMB_NOISE);
	EXPECT_LT(node_gap("MemFree", "vmstat", "nr_free_pages", page),
		  DMB_NOISE);
	EXPECT_LT(node_gap("DmbFree", "vmstat", "nr_free_dmb", page),
		  DMB_NOISE);
}

/* SysRq m prints the same lines as an out-of-memory report. */
TEST_F(accounting, memory_report_knows_blocks)
{
	int fd = dmb_open_log(true);
	bool orders = false, sum = false;
	char text[2048];

	ASSERT_GE(fd, 0);
	if (dmb_write("/proc/sysrq-trigger", "m"))
		SKIP(return, "needs CONFIG_MAGIC_SYSRQ");

	while (dmb_log_line(fd, text, sizeof(text))) {
		if (!strstr(text, " pages designated movable, "))
			continue;
		sum = true;
		/* "8*4096kB": free pages of that size */
		if (strstr(text, "kB") && strchr(text, '*'))
			orders = true;
	}
	close(fd);
	EXPECT_TRUE(sum);
	EXPECT_TRUE(orders);
}

static bool is_highmem(const struct memory_zone *zone)
{
	return !strcmp(zone->name, "HighMem");
}

/* Can kernel requests use this zone, apart from blocks? */
static bool is_lowmem(const struct memory_zone *zone)
{
	return !is_highmem(zone) && strcmp(zone->name, "Movable");
}

/*
 * On machines with highmem, lowmem_reserve keeps a part of lowmem from user
 * memory. Blocks in highmem do not change how much.
 */
TEST_F(accounting, lowmem_is_kept_as_without_blocks)
{
	FILE *ratios = fopen("/proc/sys/vm/lowmem_reserve_ratio", "r");
	unsigned long high = 0, ratio = 0;
	struct memory_zone zones[MEMORY_MAX_ZONES], *lowest = NULL;
	int i, nr = memory_read_zones(zones);

	ASSERT_NE(NULL, ratios);
	for (i = 0; i < nr; i++) {
		/* Empty zones have a ratio, too. */
		if (!lowest)
			ASSERT_EQ(1, fscanf(ratios, "%lu", &ratio));
		if (!lowest && zones[i].managed)
			lowest = &zones[i];
		if (is_highmem(&zones[i]))
			high += zones[i].managed;
	}
	fclose(ratios);
	if (!high)
		SKIP(return, "this machine has no highmem");

	TH_LOG("of %lu pages %lu are kept from those who have %lu pages of highmem",
	       lowest->managed, lowest->kept, high);
	EXPECT_GE(lowest->kept, high / ratio);
}

/* Watermarks are computed from ordinary memory; blocks do not raise them. */
TEST_F(accounting, watermarks_are_those_of_ordinary_memory)
{
	const char *min_free = "/proc/sys/vm/min_free_kbytes";
	unsigned long kbytes = dmb_read_number(min_free), lowmem = 0;
	unsigned long pages = kbytes * 1024 / sysconf(_SC_PAGESIZE);
	struct memory_zone zones[MEMORY_MAX_ZONES];
	char text[32];
	int i, nr;

	/* Recompute them: memory was freed since they were computed at boot. */
	snprintf(text, sizeof(text), "%lu", kbytes);
	ASSERT_EQ(0, dmb_write(min_free, text));
	nr = memory_read_zones(zones);
	for (i = 0; i < nr; i++)
		if (is_lowmem(&zones[i]))
			lowmem += zones[i].managed - zones[i].dmb;

	for (i = 0; i < nr; i++) {
		struct memory_zone *zone = &zones[i];
		unsigned long ordinary = zone->managed - zone->dmb, want;

		if (!zone->managed)
			continue;
		if (is_lowmem(zone))
			want = (unsigned long long)pages * ordinary / lowmem;
		else if (ordinary / 1024 < 32)
			want = 32;
		else
			want = ordinary / 1024 < 128 ? ordinary / 1024 : 128;
		EXPECT_EQ(want, zone->min - zone->boost)
			TH_LOG("zone %s, with %lu pages outside of blocks",
			       zone->name, ordinary);
	}
}

/* HighTotal and HighFree include blocks in highmem. */
TEST_F(accounting, highmem_includes_its_blocks)
{
	unsigned long long page = sysconf(_SC_PAGESIZE), free, later, total = 0;
	long long known, sum = 0, blocks = 0;
	struct memory_zone zones[MEMORY_MAX_ZONES];
	int i, nr;

	free = dmb_meminfo("HighFree");
	nr = memory_read_zones(zones);
	later = dmb_meminfo("HighFree");
	for (i = 0; i < nr; i++) {
		if (!is_highmem(&zones[i]))
			continue;
		total += zones[i].managed * page;
		sum += (zones[i].free + zones[i].free_dmb) * page;
		blocks += zones[i].dmb * page;
	}
	if (!total)
		SKIP(return, "this machine has no highmem");

	known = free < later ? free : later;
	TH_LOG("%llu MiB of highmem, %lld MiB of them in blocks: %lld MiB free, or %lld",
	       total / MB, blocks / MB, known / MB, sum / MB);
	EXPECT_EQ(total, dmb_meminfo("HighTotal"));
	EXPECT_EQ(dmb_meminfo("MemTotal"), total + dmb_meminfo("LowTotal"));
	EXPECT_LT(llabs(sum - known), DMB_NOISE + llabs(free - later));
	EXPECT_LT(llabs((long long)(dmb_meminfo("MemFree") -
				    dmb_meminfo("HighFree") -
				    dmb_meminfo("LowFree"))),
		  DMB_NOISE);
}

/* A file of a directory: may everybody read it? Only root may write any. */
struct access {
	const char *name;
	bool readable;
};

/* Return the name of a file with other rights, or NULL. */
static const char *wrong_access(const char *dir, const struct access *files,
				size_t nr)
{
	char path[PATH_MAX];

	for (; nr; nr--, files++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files->name);
		if (access(path, F_OK) || !access(path, W_OK) ||
		    !access(path, R_OK) != files->readable)
			return files->name;
	}
	return NULL;
}

/* Does /proc/iomem show an address to this process? */
static bool iomem_has_addresses(void)
{
	FILE *file = fopen("/proc/iomem", "r");
	unsigned long long start, end;
	char line[256];
	bool has = false;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%llx-%llx", &start, &end) == 2)
			has |= start || end;
	if (file)
		fclose(file);
	return has;
}

/*
 * Addresses would tell where the kernel image is, and so would the size of a
 * block that was trimmed around it, and what is free in that block.
 */
TEST_F(accounting, addresses_are_for_root)
{
	static const struct access of_block[] = {
		{ "base" }, { "size" }, { "free" },
		{ "claimed", true }, { "node", true }, { "zone", true },
	}, of_all[] = {
		{ "add" }, { "remove" },
		{ "spread", true }, { "yield", true }, { "yielded", true },
	};
	const char *wrong;
	char dir[PATH_MAX];
	int status, i;
	pid_t pid;

	EXPECT_TRUE(iomem_has_addresses());
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
			_exit(1);
		wrong = wrong_access(SYSFS_DMB, of_all, ARRAY_SIZE(of_all));
		for (i = 0; !wrong && i < self->nr; i++) {
			snprintf(dir, sizeof(dir), SYSFS_DMB "/%s",
				 self->blocks[i].name);
			wrong = wrong_access(dir, of_block,
					     ARRAY_SIZE(of_block));
		}
		if (wrong)
			TH_LOG("%s", wrong);
		_exit(wrong || !access(DEBUGFS_DMB, X_OK) ||
		      iomem_has_addresses());
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

/* Adjacent blocks never get each other's pages into their free lists. */
TEST_F(accounting, full_blocks_have_little_free)
{
	size_t size = dmb_meminfo("DmbFree");
	void *memory;
	int i, nr;

	if (dmb_meminfo("MemAvailable") < size + 128 * MB)
		SKIP(return, "there is little memory besides the blocks");
	memory = dmb_touch(size, true);
	ASSERT_NE(NULL, memory);
	nr = dmb_read_blocks(self->blocks);
	for (i = 0; i < nr; i++)
		EXPECT_LE(self->blocks[i].free, self->blocks[i].size / 2);
	munmap(memory, size);
}

int main(int argc, char **argv)
{
	dmb_need_blocks();
	return test_harness_run(argc, argv);
}
