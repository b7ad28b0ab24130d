// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that a virtual machine gets and gives back page by page. A balloon
 * takes pages of blocks, as these are filled first, and with virtio-mem there
 * are memory blocks that are plugged in only in part.
 *
 * Both devices do what QEMU's monitor says.
 *
 * The arguments are an address, in MiB, and how much movablecore= asks for
 * there. The memory of a second virtio-mem lies around that. The memory of the
 * first one then begins where a block of boot memory ends.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "load.h"
#include "memory.h"
#include "monitor.h"

#define DRIVERS		"/sys/bus/virtio/drivers"
#define SCALE_FACTOR	"/proc/sys/vm/watermark_scale_factor"
#define DEFAULT_SCALE	"10"
#define WIDE_SCALE	"1000"	/* a tenth of memory */

#define LEFT_IN_BLOCKS	(256 * MB)
#define KERNEL_NEEDS	(192 * MB)

#define ONLINE_POLICY	"/sys/module/memory_hotplug/parameters/online_policy"

/* Virtio-mem has its memory below this address. */
#define ADDRESSES	(64UL * 1024 * MB)

#define PLUGGED		((long long)(512 * MB))
/* Not a multiple of the memory block size */
#define PLUGGED_LESS	((long long)(176 * MB))

/* For the fixture neighbours: all of a device, and the unit of its changes */
#define MOST		((long long)(384 * MB))
#define GRANULARITY	((long long)(2 * MB))
#define PATIENCE	20	/* times that it asks what the kernel gives back */

/* What movablecore= asks for in the memory of the second virtio-mem, in bytes */
static unsigned long named_base, named_size;

/* MiB that a balloon leaves this machine; -1 without a balloon or a monitor */
static long long balloon_leaves(void)
{
	return monitor_ask("info balloon", NULL, "actual=");
}

static bool balloon_to(long long size)
{
	monitor_tell("balloon %lld", size);
	return monitor_wait(balloon_leaves, size);
}

/* QEMU's name for the virtio-mem that is meant, in quotes as QEMU prints it */
static const char *virtio_mem = "\"vm0\"";

/* The bytes that virtio-mem has plugged in; -1 if there is none */
static long long plugged(void)
{
	return monitor_ask("info memory-devices", virtio_mem, "  size: ");
}

static long long total(void)
{
	return dmb_meminfo("MemTotal");
}

static long long designated(void)
{
	return dmb_meminfo("DmbTotal");
}

static void request(long long size)
{
	monitor_tell("qom-set %.*s requested-size %lld",
		     (int)strlen(virtio_mem) - 2, virtio_mem + 1, size);
}

/* QEMU's size includes memory that is not online yet, or not removed yet. */
static bool plug(long long size)
{
	long long memory = total() - plugged() + size;

	request(size);
	return monitor_wait(plugged, size) && monitor_wait(total, memory);
}

/*
 * Ordinary memory, in bytes, as the kernel sees it when it sets watermarks:
 * with this factor the low watermark of each zone is a tenth of it above the
 * minimum.
 */
static size_t ordinary_memory(void)
{
	size_t pages = 0, min = 0, value;
	char line[256];
	FILE *file;

	dmb_write(SCALE_FACTOR, WIDE_SCALE);
	file = fopen("/proc/zoneinfo", "r");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, " min %zu", &value) == 1)
			min = value;
		else if (sscanf(line, " low %zu", &value) == 1)
			pages += value - min;
	}
	if (file)
		fclose(file);
	dmb_write(SCALE_FACTOR, DEFAULT_SCALE);
	return 10 * pages * sysconf(_SC_PAGESIZE);
}

/* MemTotal without the designated memory that the balloon leaves */
static size_t ordinary_expected(void)
{
	return total() - (designated() - load_area_offline());
}

#define EXPECT_ORDINARY_MEMORY() do {					\
	size_t seen = ordinary_memory(), expected = ordinary_expected(); \
									\
	EXPECT_LE(expected, seen + DMB_NOISE);				\
	EXPECT_GE(expected + DMB_NOISE, seen)				\
		TH_LOG("%zu of %zu MiB", seen / MB, expected / MB);	\
} while (0)

FIXTURE(balloon)
{
	struct dmb_state before;
	long long machine;	/* MiB that the machine has without a balloon */
	long long total;	/* MemTotal then */
};

/* Let the balloon take most, but not all, of the memory in blocks. */
static bool inflate(const FIXTURE_DATA(balloon) *self)
{
	size_t free = load_area_free();

	return free > 2 * LEFT_IN_BLOCKS &&
	       balloon_to(self->machine - (free - LEFT_IN_BLOCKS) / MB);
}

FIXTURE_SETUP(balloon)
{
	self->machine = balloon_leaves();
	if (self->machine < 0 || access(DRIVERS "/virtio_balloon", F_OK))
		SKIP(return, "this machine has no balloon");
	load_begin();
	self->before = dmb_note_state(true);
	self->total = total();
	ASSERT_TRUE(inflate(self));
	TH_LOG("%llu MiB in the balloon, %zu MiB of them in blocks",
	       (self->total - total()) / MB, load_area_offline() / MB);
}

FIXTURE_TEARDOWN(balloon)
{
	EXPECT_TRUE(balloon_to(self->machine));
	EXPECT_EQ(self->total, total());
	EXPECT_ORDINARY_MEMORY();
	EXPECT_UNCHANGED(&self->before);
	EXPECT_NO_VIOLATION();
	load_end();
}

/* Pages of blocks in the balloon do not count as ordinary memory. */
TEST_F(balloon, ordinary_memory)
{
	EXPECT_LT(LEFT_IN_BLOCKS, load_area_offline());
	EXPECT_ORDINARY_MEMORY();
	EXPECT_NO_VIOLATION();
}

/* User pages leave ordinary memory to the kernel, as without a balloon. */
TEST_F(balloon, memory_for_the_kernel)
{
	size_t size = load_ordinary_free() - load_reserve() + load_area_free() -
		      KERNEL_NEEDS;
	unsigned long kills = load_vmstat("oom_kill");
	void *memory;

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	memory = load_write_pattern(size);
	ASSERT_NE(NULL, memory);
	/* Their contents stay, but they are in the wrong place. */
	EXPECT_EQ(KERNEL_NEEDS, load_hog(KERNEL_NEEDS, 0, "mayfail"));
	EXPECT_EQ(kills, load_vmstat("oom_kill"));
	load_free_hogs();
	EXPECT_EQ(0, load_check_pattern(memory, size));
	munmap(memory, size);
}

/*
 * Pages of the balloon move out of the way of an owner, to ordinary memory
 * since there is no room for them in blocks, and are in the balloon still.
 */
TEST_F(balloon, claim)
{
	unsigned long migrated = load_vmstat("balloon_migrate");
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	long long with_balloon = total();
	size_t size = LEFT_IN_BLOCKS + LEFT_IN_BLOCKS / 2;

	ASSERT_LT(0, dmb_read_blocks(blocks));
	ASSERT_EQ(0, dmb_claim(blocks[0].base, size));
	EXPECT_LE(LEFT_IN_BLOCKS / 2,
		  (load_vmstat("balloon_migrate") - migrated) *
		  sysconf(_SC_PAGESIZE));
	EXPECT_EQ(with_balloon, total());
	EXPECT_ORDINARY_MEMORY();
	EXPECT_EQ(0, dmb_release(blocks[0].base, size));

	EXPECT_TRUE(balloon_to(self->machine));
	EXPECT_ORDINARY_MEMORY();
	EXPECT_TRUE(inflate(self));
	EXPECT_ORDINARY_MEMORY();
}

/* A block becomes smaller, by more than it has free, and there is a new one. */
TEST_F(balloon, dissolve_and_make)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	size_t size = LEFT_IN_BLOCKS + LEFT_IN_BLOCKS / 4;
	unsigned long long end;
	char text[64];

	ASSERT_LT(0, dmb_read_blocks(blocks));
	end = blocks[0].base + blocks[0].size;
	snprintf(text, sizeof(text), "%.31s %zu", blocks[0].name, size);
	ASSERT_EQ(0, dmb_write(SYSFS_DMB "/remove", text));
	EXPECT_ORDINARY_MEMORY();
	EXPECT_TRUE(balloon_to(self->machine));
	EXPECT_ORDINARY_MEMORY();
	snprintf(text, sizeof(text), "%zu@%#llx", size, end - size);
	EXPECT_EQ(0, dmb_write(SYSFS_DMB "/add", text));
	EXPECT_ORDINARY_MEMORY();
	/* The kernel may have used some of that memory meanwhile. */
	self->before = dmb_note_state(true);
}

/* Memory of virtio-mem that comes online as designated */
FIXTURE(virtio_mem)
{
	long long total;	/* MemTotal and DmbTotal without it */
	long long designated;
	char auto_online[32];
};

FIXTURE_SETUP(virtio_mem)
{
	if (plugged() < 0 || access(DRIVERS "/virtio_mem", F_OK))
		SKIP(return, "this machine has no virtio-mem");
	load_begin();
	ASSERT_TRUE(plug(0));
	self->total = total();
	self->designated = designated();
	ASSERT_TRUE(dmb_read_line(DMB_AUTO_ONLINE, self->auto_online,
				  sizeof(self->auto_online)));
	ASSERT_EQ(0, dmb_write(DMB_AUTO_ONLINE, DMB_DESIGNATED));
	ASSERT_TRUE(plug(PLUGGED));
}

FIXTURE_TEARDOWN(virtio_mem)
{
	EXPECT_TRUE(plug(0));
	EXPECT_TRUE(monitor_wait(designated, self->designated));
	EXPECT_EQ(self->total, total());
	EXPECT_ORDINARY_MEMORY();
	EXPECT_NO_VIOLATION();
	EXPECT_EQ(0, dmb_write(DMB_AUTO_ONLINE, self->auto_online));
	load_end();
}

/* How many claims have failed because of memory that is not plugged in */
static unsigned long unplugged_in_the_way(void)
{
	return dmb_read_value(DEBUGFS_DMB "/obstacles", "unplugged");
}

/* A part of it goes while all blocks are full of data, but for some room. */
TEST_F(virtio_mem, unplug_what_is_in_use)
{
	size_t size, room = PLUGGED - PLUGGED_LESS;
	void *memory;

	EXPECT_EQ(self->total + PLUGGED, total());
	EXPECT_EQ(self->designated + PLUGGED, designated());
	EXPECT_ORDINARY_MEMORY();

	memory = load_fill_areas(&size);
	ASSERT_NE(NULL, memory);
	load_fill_pattern(memory, size - room);
	madvise(memory + size - room, room, MADV_DONTNEED);
	EXPECT_TRUE(plug(PLUGGED_LESS));
	TH_LOG("%zu MiB of blocks are unplugged", load_area_offline() / MB);
	EXPECT_EQ(self->total + PLUGGED_LESS, total());
	EXPECT_EQ(0, load_check_pattern(memory, size - room));
	EXPECT_ORDINARY_MEMORY();
	EXPECT_NO_VIOLATION();
	munmap(memory, size);
}

/* Claims of memory that is not plugged in fail, and say why. */
TEST_F(virtio_mem, claim_of_unplugged_memory)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS], *last;
	unsigned long failed = unplugged_in_the_way();
	int nr;

	ASSERT_TRUE(plug(PLUGGED_LESS));
	nr = dmb_read_blocks(blocks);
	ASSERT_LT(0, nr);
	last = &blocks[nr - 1];
	EXPECT_EQ(-EBUSY, dmb_claim(last->base, last->size));
	EXPECT_LT(failed, unplugged_in_the_way());
}

/* Memory blocks that were unplugged in part are plugged in again. */
TEST_F(virtio_mem, plug_again)
{
	ASSERT_TRUE(plug(PLUGGED_LESS));
	EXPECT_ORDINARY_MEMORY();
	ASSERT_TRUE(plug(PLUGGED));
	EXPECT_EQ(self->total + PLUGGED, total());
	EXPECT_EQ(self->designated + PLUGGED, designated());
	EXPECT_ORDINARY_MEMORY();
}

/* Memory of a device that is offline, or 0 */
static unsigned long offline_memory(void)
{
	unsigned long unit = dmb_memory_block_size(), at;

	for (at = 0; at < ADDRESSES; at += unit)
		if (memory_present(at) && !memory_online(at))
			return at;
	return 0;
}

/*
 * If the kernel decides between ordinary memory and ZONE_MOVABLE, by how much
 * memory it can use, what is designated in the same device does not count.
 */
TEST_F(virtio_mem, blocks_are_no_kernel_memory)
{
	long long more = dmb_memory_block_size();
	char zones[64] = "";

	ASSERT_EQ(0, dmb_write(DMB_AUTO_ONLINE, "offline"));
	ASSERT_EQ(0, dmb_write(ONLINE_POLICY, "auto-movable"));
	/* The memory block that this adds stays offline. */
	request(PLUGGED + more);
	ASSERT_TRUE(monitor_wait(plugged, PLUGGED + more));
	EXPECT_TRUE(memory_read(offline_memory(), "valid_zones", zones,
				sizeof(zones)));
	EXPECT_STREQ("Normal Movable", zones);
	EXPECT_EQ(0, dmb_write(ONLINE_POLICY, "contig-zones"));
	request(PLUGGED);
	EXPECT_TRUE(monitor_wait(plugged, PLUGGED));
}

/*
 * Memory of virtio-mem next to a block of boot memory, and around a range that
 * movablecore= asks for, whose borders are in the middle of memory blocks
 */
FIXTURE(neighbours)
{
	struct dmb_block boot;		/* the block next to it */
	unsigned long long designated;	/* DmbTotal without it */
	char auto_online[32];
};

FIXTURE_VARIANT(neighbours)
{
	const char *device;
	const char *policy;	/* for auto_online_blocks */
	bool around_named;	/* the second device, not that next to a block */
	/* Ordinary memory in it, in bytes, that the kernel may use and keep */
	long long may_stay;
};

FIXTURE_VARIANT_ADD(neighbours, designated)
{
	.device = "\"vm0\"", .policy = DMB_DESIGNATED,
};

FIXTURE_VARIANT_ADD(neighbours, movable)
{
	.device = "\"vm0\"", .policy = "online_movable",
};

FIXTURE_VARIANT_ADD(neighbours, named)
{
	.device = "\"vm1\"", .policy = "online",
	.around_named = true, .may_stay = 4 * MB,
};

/* This one is last, as the kernel may keep some of the memory. */
FIXTURE_VARIANT_ADD(neighbours, ordinary)
{
	.device = "\"vm0\"", .policy = "online", .may_stay = MOST,
};

/* MemTotal without the memory of virtio-mem */
static long long other_memory(void)
{
	return total() - plugged();
}

/*
 * Plug in so much, or what the kernel keeps, and wait until MemTotal has it.
 * Stop a device that cannot go on.
 */
static bool plug_about(long long size, long long may_stay)
{
	int tries, most = may_stay > size ? PATIENCE : 10 * PATIENCE;
	static long long others;
	long long has = -1;

	others = others ?: other_memory();
	request(size);
	for (tries = 0; tries < most && has != size; tries++) {
		usleep(100000);
		has = plugged();
	}
	if (has != size) {
		if (has < size || has > may_stay)
			return false;
		request(has);
	}
	return monitor_wait(other_memory, others);
}

FIXTURE_SETUP(neighbours)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int nr = dmb_read_blocks(blocks);
	unsigned long start;

	if (!named_size)
		SKIP(return, "needs two devices at given addresses");
	virtio_mem = variant->device;
	ASSERT_LT(0, nr);
	self->boot = blocks[nr - 1];
	start = monitor_ask("info memory-devices", virtio_mem, "  memaddr: ");
	if (variant->around_named) {
		ASSERT_GT(named_base, start);
		ASSERT_LT(named_base + named_size, start + MOST);
	} else {
		ASSERT_EQ(start, self->boot.base + self->boot.size);
	}
	load_begin();
	ASSERT_EQ(0, plugged());
	self->designated = designated();
	ASSERT_TRUE(dmb_read_line(DMB_AUTO_ONLINE, self->auto_online,
				  sizeof(self->auto_online)));
	ASSERT_EQ(0, dmb_write(DMB_AUTO_ONLINE, variant->policy));
	EXPECT_AGREEMENT(0);
	ASSERT_TRUE(plug_about(MOST, 0));
}

FIXTURE_TEARDOWN(neighbours)
{
	EXPECT_TRUE(plug_about(0, variant->may_stay));
	if (!variant->may_stay)
		EXPECT_TRUE(monitor_wait(designated, self->designated));
	EXPECT_AGREEMENT(load_area_offline());
	EXPECT_NO_VIOLATION();
	EXPECT_EQ(0, dmb_write(DMB_AUTO_ONLINE, self->auto_online));
	/* The block of boot memory is as it was. */
	EXPECT_EQ(0, dmb_claim(self->boot.base, self->boot.size));
	EXPECT_EQ(0, dmb_release(self->boot.base, self->boot.size));
	load_end();
}

/* What of its memory is designated when all of it is plugged in */
static long long designated_of_it(const FIXTURE_VARIANT(neighbours) *variant)
{
	if (variant->around_named)
		return named_size;
	return strcmp(variant->policy, DMB_DESIGNATED) ? 0 : MOST;
}

/* Blocks, and ordinary memory of their zone, are full of data meanwhile. */
TEST_F(neighbours, plug_and_unplug)
{
	size_t size = load_area_free() +
		      memory_zone("Normal").free * sysconf(_SC_PAGESIZE);
	long long wanted, least = MOST;
	void *memory;
	int i;

	EXPECT_EQ(self->designated + designated_of_it(variant),
		  designated());
	memory = load_write_pattern(size);
	ASSERT_NE(NULL, memory);
	srand(1);
	for (i = 0; i < 4; i++) {
		wanted = rand() % (MOST / GRANULARITY) * GRANULARITY;
		ASSERT_TRUE(plug_about(wanted, variant->may_stay));
		if (plugged() < least)
			least = plugged();
		EXPECT_AGREEMENT(load_area_offline());
		EXPECT_NO_VIOLATION();
	}
	TH_LOG("%lld MiB at least were plugged in", least / (long long)MB);
	EXPECT_GT(MOST / 2, least);
	EXPECT_EQ(0, load_check_pattern(memory, size));
	ASSERT_TRUE(plug_about(MOST, 0));
	EXPECT_EQ(self->designated + designated_of_it(variant),
		  designated());
	EXPECT_AGREEMENT(0);
	munmap(memory, size);
}

int main(int argc, char **argv)
{
	named_base = dmb_number_argument(&argc, &argv, 0) * MB;
	named_size = dmb_number_argument(&argc, &argv, 0) * MB;
	dmb_need_blocks();
	monitor_need();
	return test_harness_run(argc, argv);
}
