// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that a virtual machine gets and gives back page by page. A balloon
 * takes pages of blocks, as these are filled first, and with virtio-mem there
 * are memory blocks that are plugged in only in part.
 *
 * Both devices do what QEMU's monitor says, which is at the other end of a
 * serial port.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "load.h"

#define MONITOR		"/dev/ttyS1"
#define DRIVERS		"/sys/bus/virtio/drivers"
#define SCALE_FACTOR	"/proc/sys/vm/watermark_scale_factor"
#define DEFAULT_SCALE	"10"
#define WIDE_SCALE	"1000"	/* a tenth of memory */

#define LEFT_IN_BLOCKS	(256 * MB)
#define KERNEL_NEEDS	(192 * MB)

/* QEMU's name for the device */
#define VIRTIO_MEM	"vm0"
#define PLUGGED		((long long)(512 * MB))
/* Not a multiple of the memory block size */
#define PLUGGED_LESS	((long long)(176 * MB))

#define ANSWER_TIMEOUT	20	/* tenths of a second */
#define DEVICE_TIMEOUT	120	/* seconds until a device does as it was told */

static int monitor = -1;

static bool open_monitor(void)
{
	struct termios raw;

	monitor = open(MONITOR, O_RDWR | O_NOCTTY);
	if (monitor < 0 || tcgetattr(monitor, &raw))
		return false;
	/*
	 * Do not echo: the monitor would take the echo for a command. Wait for
	 * a tenth of a second.
	 */
	cfmakeraw(&raw);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 1;
	return !tcsetattr(monitor, TCSANOW, &raw);
}

/* Send a command. Return the number after a word in the answer, or -1. */
static long long ask_monitor(const char *command, const char *word)
{
	char answer[4096] = "", *value;
	int silence = 0;
	size_t len = 0;
	ssize_t got;

	tcflush(monitor, TCIFLUSH);
	dprintf(monitor, "\n%s\n", command);
	while (silence < ANSWER_TIMEOUT && len < sizeof(answer) - 1) {
		got = read(monitor, answer + len, sizeof(answer) - 1 - len);
		if (got < 0)
			break;
		silence = got ? 0 : silence + 1;
		len += got;
		answer[len] = '\0';
		value = strstr(answer, word);
		if (value && strchr(value, '\r'))
			return strtoll(value + strlen(word), NULL, 10);
	}
	return -1;
}

/* Until the port is raw it may echo a part of the monitor's greeting. */
static bool monitor_answers(void)
{
	int i;

	for (i = 0; i < 5; i++)
		if (ask_monitor("info version", ".") >= 0)
			return true;
	return false;
}

/* Wait until a device has done what it was told. */
static bool wait_for_device(long long (*state)(void), long long wanted)
{
	time_t end = time(NULL) + DEVICE_TIMEOUT;

	do {
		if (state() == wanted)
			return true;
		usleep(100000);
	} while (time(NULL) < end);
	return false;
}

/* MiB that a balloon leaves this machine; -1 without a balloon or a monitor */
static long long balloon_leaves(void)
{
	return ask_monitor("info balloon", "actual=");
}

static bool balloon_to(long long size)
{
	dprintf(monitor, "\nballoon %lld\n", size);
	return wait_for_device(balloon_leaves, size);
}

/* The bytes that virtio-mem has plugged in; -1 if there is none */
static long long plugged(void)
{
	return ask_monitor("info memory-devices", "  size: ");
}

static long long total(void)
{
	return dmb_meminfo("MemTotal");
}

static long long designated(void)
{
	return dmb_meminfo("DmbTotal");
}

/* QEMU's size includes memory that is not online yet, or not removed yet. */
static bool plug(long long size)
{
	long long memory = total() - plugged() + size;

	dprintf(monitor, "\nqom-set " VIRTIO_MEM " requested-size %lld\n",
		size);
	return wait_for_device(plugged, size) && wait_for_device(total, memory);
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
		SKIP(return, "this machine has no device " VIRTIO_MEM);
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
	EXPECT_TRUE(wait_for_device(designated, self->designated));
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

int main(int argc, char **argv)
{
	dmb_need_blocks();
	if (!open_monitor() || !monitor_answers())
		ksft_exit_skip("QEMU's monitor is not at " MONITOR "\n");
	return test_harness_run(argc, argv);
}
