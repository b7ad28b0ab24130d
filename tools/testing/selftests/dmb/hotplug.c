// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is added and removed, becomes designated as it comes online, and
 * stops to be as it goes offline.
 *
 * The arguments are where there is RAM that the kernel does not know, how much,
 * and how much of it movablecore= asks for, in MiB; then the rounds of the last
 * test, which otherwise goes on for some seconds. The first half of this RAM is
 * for what movablecore= asks for.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "load.h"
#include "memory.h"

#define MODULE		"test_modules/dmb_hotplug.ko"
#define COMMAND		"/sys/kernel/debug/dmb_hotplug"
#define MEMMAP_ON_MEMORY						\
	"/sys/module/memory_hotplug/parameters/memmap_on_memory"
#define NR_LOADS	2
#define DEFAULT_SECONDS	20

static unsigned long base, size, requested;	/* in bytes */
static int rounds;
static char auto_online[64];	/* as it was */

static int command(const char *word, unsigned long start, unsigned long bytes)
{
	char text[80];

	snprintf(text, sizeof(text), "%s %#lx %#lx", word, start, bytes);
	return dmb_write(COMMAND, text);
}

/* Remove all of the memory. */
static int remove_all(void)
{
	unsigned long unit = dmb_memory_block_size(), at;
	int err = 0;

	for (at = base; at < base + size; at += unit)
		if (memory_present(at))
			err = command("take", at, unit) ?: err;
	return err;
}

static bool in_iomem(unsigned long start, unsigned long bytes)
{
	return memory_in_iomem(MEMORY_DESIGNATED, start, bytes);
}

/*
 * This test is the first one because the others change what the command line
 * says.
 */
FIXTURE(first)
{
};

FIXTURE_SETUP(first)
{
}

FIXTURE_TEARDOWN(first)
{
	EXPECT_EQ(0, remove_all());
}

TEST_F(first, default_of_command_line)
{
	unsigned long long designated = dmb_meminfo("DmbTotal"),
			   total = dmb_meminfo("MemTotal");
	unsigned long start = base + size / 2, bytes = size / 2;
	struct dmb_block found[DMB_MAX_BLOCKS];
	char text[2048];

	if (!dmb_read_line("/proc/cmdline", text, sizeof(text)) ||
	    !strstr(text, "memhp_default_state=" DMB_DESIGNATED))
		SKIP(return, "the command line has no such default");
	EXPECT_STREQ(DMB_DESIGNATED, auto_online);
	ASSERT_EQ(0, command("add", start, bytes));
	EXPECT_EQ(bytes, dmb_meminfo("DmbTotal") - designated);
	EXPECT_EQ(bytes, dmb_meminfo("MemTotal") - total);
	ASSERT_EQ(1, memory_blocks_in(start, start + bytes, found));
	EXPECT_EQ(start, found[0].base);
	EXPECT_EQ(bytes, found[0].size);
	EXPECT_NO_VIOLATION();
	EXPECT_EQ(0, command("take", start, bytes));
	EXPECT_EQ(0, memory_blocks_in(start, start + bytes, found));
	EXPECT_EQ(designated, dmb_meminfo("DmbTotal"));
}

FIXTURE(hotplug)
{
	unsigned long long designated;
	unsigned long long total;
	unsigned long unit;	/* a memory block */
	unsigned long start;	/* of the half without movablecore= */
	unsigned long end;
};

FIXTURE_SETUP(hotplug)
{
	load_begin();
	self->unit = dmb_memory_block_size();
	ASSERT_EQ(0, dmb_write(DMB_AUTO_ONLINE, "offline"));
	ASSERT_EQ(0, remove_all());
	self->designated = dmb_meminfo("DmbTotal");
	self->total = dmb_meminfo("MemTotal");
	self->start = base + size / 2;
	self->end = base + size;
}

FIXTURE_TEARDOWN(hotplug)
{
	EXPECT_EQ(0, dmb_write(DMB_AUTO_ONLINE, auto_online));
	EXPECT_EQ(0, remove_all());
	EXPECT_EQ(self->designated, dmb_meminfo("DmbTotal"));
	EXPECT_EQ(self->total, dmb_meminfo("MemTotal"));
	load_end();
}

static unsigned long long added_blocks(const FIXTURE_DATA(hotplug) *self)
{
	return dmb_meminfo("DmbTotal") - self->designated;
}

/* The bytes of a memory block that have its own struct pages */
static unsigned long memmap_on_memory(const FIXTURE_DATA(hotplug) *self)
{
	unsigned long bytes = self->unit / 64, pageblock = dmb_pageblock_size();
	char text[64];

	if (!dmb_read_line(MEMMAP_ON_MEMORY, text, sizeof(text)) ||
	    *text != 'Y')
		return 0;
	return (bytes + pageblock - 1) / pageblock * pageblock;
}

static unsigned long long added_memory(const FIXTURE_DATA(hotplug) *self)
{
	return dmb_meminfo("MemTotal") - self->total;
}

/* Memory that comes online as designated is one block like any other. */
TEST_F(hotplug, online_designated)
{
	unsigned long bytes = self->end - self->start, at;
	struct dmb_block found[DMB_MAX_BLOCKS];
	char text[64];
	void *memory;

	ASSERT_EQ(0, command("add", self->start, bytes));
	for (at = self->start; at < self->end; at += self->unit) {
		ASSERT_EQ(0, dmb_set_memory_state(at, DMB_DESIGNATED));
		EXPECT_EQ(at + self->unit - self->start, added_blocks(self));
		ASSERT_EQ(1, memory_blocks_in(self->start, self->end, found));
		EXPECT_EQ(self->start, found[0].base);
		EXPECT_EQ(at + self->unit - self->start, found[0].size);
		ASSERT_TRUE(memory_read(at, "valid_zones", text, sizeof(text)));
		EXPECT_STREQ(found[0].zone, text);
	}
	EXPECT_EQ(bytes, added_memory(self));
	EXPECT_TRUE(in_iomem(self->start, bytes));
	EXPECT_NO_VIOLATION();

	memory = dmb_touch(self->designated + bytes / 2, false);
	ASSERT_NE(NULL, memory);
	ASSERT_EQ(1, memory_blocks_in(self->start, self->end, found));
	EXPECT_LT(found[0].free, bytes - bytes / 4);
	EXPECT_NO_VIOLATION();
	munmap(memory, self->designated + bytes / 2);
}

/* Memory can be brought online as another kind again and again. */
TEST_F(hotplug, other_kinds)
{
	static const char * const how[] = {
		"online_movable", DMB_DESIGNATED,
		"online_movable", DMB_DESIGNATED,
	};
	struct dmb_block found[DMB_MAX_BLOCKS];
	size_t i;

	ASSERT_EQ(0, command("add", self->start, self->unit));
	for (i = 0; i < ARRAY_SIZE(how); i++) {
		bool block = !strcmp(how[i], DMB_DESIGNATED);

		ASSERT_EQ(0, dmb_set_memory_state(self->start, how[i]))
			TH_LOG("%s", how[i]);
		EXPECT_EQ(block, memory_blocks_in(self->start, self->end,
						  found));
		EXPECT_EQ(block ? self->unit : 0, added_blocks(self));
		EXPECT_EQ(self->unit, added_memory(self));
		ASSERT_EQ(0, dmb_set_memory_state(self->start, "offline"));
		EXPECT_EQ(0, memory_blocks_in(self->start, self->end, found));
		EXPECT_EQ(0, added_memory(self));
	}
}

/* The middle of a block stays designated while offline. The ends do not. */
TEST_F(hotplug, offline_in_any_order)
{
	struct dmb_block found[DMB_MAX_BLOCKS];
	unsigned long at, unit = self->unit;

	if (self->end - self->start < 4 * unit)
		SKIP(return, "too few memory blocks");
	ASSERT_EQ(0, command("add", self->start, 4 * unit));
	for (at = self->start; at < self->start + 4 * unit; at += unit)
		ASSERT_EQ(0, dmb_set_memory_state(at, DMB_DESIGNATED));

	ASSERT_EQ(0, dmb_set_memory_state(self->start + unit, "offline"));
	ASSERT_EQ(1, memory_blocks_in(self->start, self->end, found));
	EXPECT_EQ(4 * unit, found[0].size);
	EXPECT_EQ(3 * unit, added_blocks(self));
	EXPECT_FALSE(in_iomem(self->start, 4 * unit));
	ASSERT_EQ(0, dmb_set_memory_state(self->start + unit, "online"));
	EXPECT_EQ(4 * unit, added_blocks(self));
	EXPECT_TRUE(in_iomem(self->start, 4 * unit));

	/* /proc/iomem must not have a line for memory that is removed. */
	ASSERT_EQ(0, command("take", self->start + unit, unit));
	ASSERT_EQ(1, memory_blocks_in(self->start, self->end, found));
	EXPECT_EQ(4 * unit, found[0].size);
	ASSERT_EQ(0, dmb_set_memory_state(self->start, "offline"));
	ASSERT_EQ(1, memory_blocks_in(self->start, self->end, found));
	EXPECT_EQ(self->start + 2 * unit, found[0].base);
	EXPECT_EQ(2 * unit, found[0].size);
	ASSERT_EQ(0, dmb_set_memory_state(self->start, "online_movable"));
	EXPECT_TRUE(in_iomem(self->start + 2 * unit, 2 * unit));
	EXPECT_EQ(2 * unit, added_blocks(self));
	EXPECT_EQ(3 * unit, added_memory(self));

	/* Memory that comes back extends the block at its front. */
	ASSERT_EQ(0, command("add", self->start + unit, unit));
	ASSERT_EQ(0, dmb_set_memory_state(self->start + unit, DMB_DESIGNATED));
	ASSERT_EQ(1, memory_blocks_in(self->start, self->end, found));
	EXPECT_EQ(self->start + unit, found[0].base);
	EXPECT_EQ(3 * unit, found[0].size);
	/* It has a line in each part that was added at once. */
	EXPECT_TRUE(in_iomem(self->start + unit, unit));
	EXPECT_TRUE(in_iomem(self->start + 2 * unit, 2 * unit));
	EXPECT_NO_VIOLATION();
}

/*
 * Blocks without a hole between them take turns as one. It may be filled last,
 * or have nothing but struct pages, with memmap_on_memory.
 */
TEST_F(hotplug, turns_of_neighbours)
{
	struct dmb_block found[DMB_MAX_BLOCKS];
	const size_t bytes = 24 * MB;
	size_t in_added, fair;
	int i, nr, nr_boot;
	void *memory;

	nr_boot = memory_blocks_in(0, base, found);
	if (!nr_boot || self->end - self->start < 3 * self->unit)
		SKIP(return, "no other block, or too few memory blocks");
	ASSERT_EQ(0, command("add", self->start, 3 * self->unit));
	/* Bring the middle online last. */
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0,
			  dmb_set_memory_state(self->start +
					       i * 2 % 3 * self->unit,
					       DMB_DESIGNATED));
	EXPECT_EQ(3 * (self->unit - memmap_on_memory(self)),
		  added_blocks(self));

	memory = dmb_touch(bytes, false);
	ASSERT_NE(NULL, memory);
	nr = memory_blocks_in(self->start, self->end, found);
	in_added = dmb_bytes_in(found, nr, memory, bytes);
	fair = bytes / (nr_boot + 1);
	TH_LOG("%zu of %zu MiB are in %d blocks", in_added / MB, bytes / MB,
	       nr);
	EXPECT_LE(fair - fair / 8, in_added);
	EXPECT_GE(fair + fair / 8, in_added);
	munmap(memory, bytes);
}

/* Broken pages stay out of use until their memory is removed. */
TEST_F(hotplug, broken_pages)
{
	unsigned long page = sysconf(_SC_PAGESIZE), unit = self->unit;
	unsigned long first = self->start + unit / 2, second = first + page;
	const unsigned long broken = 2 * page;
	struct dmb_block found[DMB_MAX_BLOCKS];

	if (!dmb_can_unpoison())
		SKIP(return, "needs CONFIG_MEMORY_FAILURE and HWPOISON_INJECT");
	ASSERT_EQ(0, command("add", self->start, unit));
	ASSERT_EQ(0, dmb_set_memory_state(self->start, DMB_DESIGNATED));
	ASSERT_EQ(0, dmb_poison(first / page));
	ASSERT_EQ(0, dmb_poison_softly(second / page));
	ASSERT_EQ(1, memory_blocks_in(self->start, self->end, found));
	EXPECT_GE(unit - broken, found[0].free);
	EXPECT_NO_VIOLATION();
	ASSERT_EQ(0, dmb_set_memory_state(self->start, "offline"));
	EXPECT_EQ(0, added_blocks(self));
	/* The kernel does not bring broken memory online. */
	EXPECT_EQ(-EHWPOISON,
		  dmb_set_memory_state(self->start, DMB_DESIGNATED));
	EXPECT_EQ(0, memory_blocks_in(self->start, self->end, found));
	EXPECT_EQ(0, added_memory(self));
	ASSERT_EQ(0, command("take", self->start, unit));
	ASSERT_EQ(0, command("add", self->start, unit));
	ASSERT_EQ(0, dmb_set_memory_state(self->start, DMB_DESIGNATED));
	ASSERT_EQ(1, memory_blocks_in(self->start, self->end, found));
	EXPECT_LE(unit, found[0].free + DMB_NOISE);
	EXPECT_EQ(0, dmb_claim(self->start, unit));
	EXPECT_EQ(0, dmb_release(self->start, unit));
	EXPECT_NO_VIOLATION();
}

TEST_F(hotplug, automatically)
{
	char text[64];

	ASSERT_EQ(0, dmb_write(DMB_AUTO_ONLINE, DMB_DESIGNATED));
	EXPECT_TRUE(dmb_read_line(DMB_AUTO_ONLINE, text, sizeof(text)));
	EXPECT_STREQ(DMB_DESIGNATED, text);
	ASSERT_EQ(0, command("add", self->start, self->end - self->start));
	EXPECT_EQ(self->end - self->start, added_blocks(self));
	EXPECT_EQ(0, command("take", self->start, self->end - self->start));
	EXPECT_EQ(0, added_blocks(self));
}

/* If memory cannot be removed, its offline parts come back as they were. */
TEST_F(hotplug, failed_removal)
{
	unsigned long last = self->end - self->unit;
	struct dmb_block found[DMB_MAX_BLOCKS];

	ASSERT_EQ(0, dmb_write(DMB_AUTO_ONLINE, DMB_DESIGNATED));
	ASSERT_EQ(0, command("add", self->start, self->end - self->start));
	if (dmb_claim(last, dmb_pageblock_size()))
		SKIP(return, "needs claims by debugfs");
	EXPECT_GT(0, command("take", self->start, self->end - self->start));
	EXPECT_EQ(0, dmb_release(last, dmb_pageblock_size()));
	EXPECT_EQ(self->end - self->start, added_blocks(self));
	/* Memory that has come back may be a block of its own. */
	EXPECT_GE(2, memory_blocks_in(self->start, self->end, found));
	EXPECT_NO_VIOLATION();
}

/* The command line named memory that was not there. */
TEST_F(hotplug, requested_at_boot)
{
	unsigned long edge = base + requested / self->unit * self->unit, at;
	unsigned long part = base + requested - edge;
	struct dmb_block found[DMB_MAX_BLOCKS];
	char text[64];

	if (!requested)
		SKIP(return, "movablecore= asks for none of this memory");
	/* x86 cannot remove a part of what it has added with one large page. */
	for (at = base; at < base + size; at += self->unit)
		ASSERT_EQ(0, command("add", at, self->unit));
	ASSERT_TRUE(memory_read(edge, "valid_zones", text, sizeof(text)));
	EXPECT_STREQ("Normal", text);
	if (part) {
		EXPECT_EQ(-EINVAL,
			  dmb_set_memory_state(edge, "online_movable"));
		EXPECT_FALSE(memory_online(edge));
		EXPECT_EQ(0, added_memory(self));
	}
	/* Requested memory becomes designated however it is brought online. */
	for (at = base; at < edge; at += self->unit)
		ASSERT_EQ(0, dmb_set_memory_state(at, at == base ?
						  "online_movable" :
						  "online"));
	EXPECT_EQ(edge - base, added_blocks(self));
	EXPECT_EQ(edge - base, added_memory(self));
	ASSERT_EQ(1, memory_blocks_in(base, base + size, found));
	EXPECT_EQ(base, found[0].base);
	EXPECT_EQ(edge - base, found[0].size);
	for (at = base; at < edge; at += self->unit)
		EXPECT_TRUE(in_iomem(at, self->unit));
	EXPECT_NO_VIOLATION();
}

/* Memory of a block that was made at boot is removed and comes back. */
TEST_F(hotplug, boot_block)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	unsigned long start, end, at;
	int nr = dmb_read_blocks(blocks);

	if (!nr || DMB_STAYS_ONLINE)
		SKIP(return, "there is no block of boot memory that goes offline");
	start = (blocks[0].base + self->unit - 1) / self->unit * self->unit;
	end = (blocks[0].base + blocks[0].size) / self->unit * self->unit;
	ASSERT_LT(start, end);
	for (at = start; at < end; at += self->unit) {
		ASSERT_EQ(0, command("take", at, self->unit));
		EXPECT_EQ(self->designated - self->unit,
			  dmb_meminfo("DmbTotal"));
		EXPECT_FALSE(memory_present(at));
		ASSERT_EQ(0, command("add", at, self->unit));
		ASSERT_EQ(0, dmb_set_memory_state(at, "online"));
		EXPECT_EQ(self->designated, dmb_meminfo("DmbTotal"));
		EXPECT_TRUE(in_iomem(at, self->unit));
	}
	EXPECT_EQ(nr, dmb_read_blocks(blocks));
	EXPECT_NO_VIOLATION();
	/* Managed memory includes the struct pages of added memory. */
	EXPECT_LE(self->total, dmb_meminfo("MemTotal"));
	self->total = dmb_meminfo("MemTotal");
}

/* Change a memory block in a random way. Return 0 or -errno. */
static int change_memory(unsigned long at, unsigned long unit)
{
	static const char * const how[] = {
		DMB_DESIGNATED, DMB_DESIGNATED, "online_movable"
	};

	if (!memory_present(at))
		return command("add", at, unit);
	if (memory_online(at))
		return rand() % 2 ? command("take", at, unit) :
				    dmb_set_memory_state(at, "offline");
	if (rand() % 4 == 0)
		return command("remove", at, unit);
	/* What movablecore= asks for becomes designated in any case. */
	if (at < base + requested && rand() % 2)
		return dmb_set_memory_state(at, "online");
	return dmb_set_memory_state(at, how[rand() % ARRAY_SIZE(how)]);
}

/*
 * All changes succeed, as there is room elsewhere for all pages of the memory.
 * A memory block that is requested in part is left alone: when it is online,
 * the kernel may use the ordinary half of it, and it cannot go offline then.
 */
TEST_F_TIMEOUT(hotplug, random_under_load, 3600)
{
	unsigned long edge = base + requested / self->unit * self->unit;
	unsigned long nr = size / self->unit, at, unit = self->unit;
	time_t end = time(NULL) + DEFAULT_SECONDS;
	int round, err, done = 0;
	pid_t pid[NR_LOADS], churn;

	churn = load_start_churn(0);
	srand(1);
	load_start_verifying(pid, NR_LOADS, self->total / 8);
	for (round = 0;
	     rounds ? round < rounds : round < 8 || time(NULL) < end;
	     round++) {
		do {
			at = base + rand() % nr * unit;
		} while (at == edge && edge != base + requested);
		err = change_memory(at, unit);
		EXPECT_EQ(0, err) TH_LOG("%#lx: %s", at, strerror(-err));
		done += !err;
		/* That takes as long as some changes. */
		if (round % 4 == 0)
			EXPECT_AGREEMENT(0);
		if (round % 8 == 0)
			EXPECT_NO_VIOLATION();
	}
	EXPECT_EQ(0, load_stop_verifying(pid, NR_LOADS));
	load_stop_churn(churn);
	TH_LOG("%d of %d changes", done, round);
	EXPECT_EQ(round, done);
	EXPECT_NO_VIOLATION();
}

/*
 * This test is the last one because the kernel may keep the half of a memory
 * block that is ordinary memory.
 */
FIXTURE(last)
{
};

FIXTURE_SETUP(last)
{
}

FIXTURE_TEARDOWN(last)
{
}

/*
 * It goes offline and comes back, too, and is the beginning of its zone each
 * time. Other memory of the zone comes online first, which the kernel uses
 * before it uses any of this.
 */
TEST_F(last, requested_in_part)
{
	unsigned long unit = dmb_memory_block_size(),
		      edge = base + requested / unit * unit;
	struct dmb_block found[DMB_MAX_BLOCKS];
	unsigned long long designated, total;
	int i;

	if (edge == base + requested)
		SKIP(return, "no memory block is designated in part");
	ASSERT_EQ(0, command("add", edge + unit, unit));
	ASSERT_EQ(0, dmb_set_memory_state(edge + unit, "online_kernel"));
	ASSERT_EQ(0, command("add", edge, unit));
	designated = dmb_meminfo("DmbTotal");
	total = dmb_meminfo("MemTotal");
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, dmb_set_memory_state(edge, "online"));
		EXPECT_EQ(base + requested - edge,
			  dmb_meminfo("DmbTotal") - designated);
		EXPECT_EQ(unit, dmb_meminfo("MemTotal") - total);
		ASSERT_EQ(1, memory_blocks_in(edge, edge + unit, found));
		EXPECT_EQ(edge, found[0].base);
		EXPECT_EQ(base + requested - edge, found[0].size);
		EXPECT_AGREEMENT(0);
		EXPECT_NO_VIOLATION();
		if (i || dmb_set_memory_state(edge, "offline"))
			break;
		EXPECT_EQ(-EINVAL,
			  dmb_set_memory_state(edge, "online_movable"));
		EXPECT_FALSE(memory_online(edge));
		EXPECT_EQ(0, memory_blocks_in(edge, edge + unit, found));
		EXPECT_EQ(designated, dmb_meminfo("DmbTotal"));
		EXPECT_EQ(total, dmb_meminfo("MemTotal"));
		EXPECT_AGREEMENT(0);
	}
	TH_LOG("it was online %d times", i ? 2 : 1);
}

int main(int argc, char **argv)
{
	base = dmb_number_argument(&argc, &argv, 0) * MB;
	size = dmb_number_argument(&argc, &argv, 0) * MB;
	requested = dmb_number_argument(&argc, &argv, 0) * MB;
	rounds = dmb_number_argument(&argc, &argv, 0);
	if (!base || !size || !dmb_memory_block_size())
		ksft_exit_skip("this machine has no memory that could be added\n");
	dmb_read_line(DMB_AUTO_ONLINE, auto_online, sizeof(auto_online));
	if (access(COMMAND, W_OK) && dmb_load_module(MODULE, ""))
		ksft_exit_skip("needs " MODULE "\n");
	return test_harness_run(argc, argv);
}
