// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks that are made and dissolved while the system runs. The last test does
 * so in random order, under load, for some seconds, or for as many rounds as
 * the first argument says. On a machine that was booted with blocks, only the
 * shorter tests run.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "load.h"
#include "memory.h"
#include "silent.h"

#define SYSFS_DMB	"/sys/kernel/mm/dmb"
#define NR_LOADS	4
#define DEFAULT_SECONDS	30
#define BOOT_BLOCKS	"a machine without blocks of the command line does"

static int rounds;	/* 0: for DEFAULT_SECONDS */

/* The blocks that other tests need */
static struct dmb_block boot_blocks[DMB_MAX_BLOCKS];
static int nr_boot_blocks;

/* The largest piece of RAM, in bytes */
struct ram {
	unsigned long long base;
	unsigned long long size;
};

static struct ram find_ram(void)
{
	FILE *iomem = fopen("/proc/iomem", "r");
	struct ram ram = { 0, 0 };
	unsigned long long start, end;
	char line[256];

	while (iomem && fgets(line, sizeof(line), iomem)) {
		if (*line == ' ' || !strstr(line, ": System RAM") ||
		    sscanf(line, "%llx-%llx", &start, &end) != 2 ||
		    end + 1 - start <= ram.size)
			continue;
		ram.base = start;
		ram.size = end + 1 - start;
	}
	if (iomem)
		fclose(iomem);
	return ram;
}

/* A part of the RAM, from this many eighths on, whole pageblocks */
static struct ram part(unsigned int eighth, unsigned int eighths)
{
	struct ram ram = find_ram(), result;
	unsigned long long unit = dmb_pageblock_size();

	result.base = (ram.base + ram.size / 8 * eighth + unit - 1) / unit *
		      unit;
	result.size = ram.size / 8 * eighths / unit * unit;
	return result;
}

static int make_block(struct ram range, const char *how)
{
	char text[64];

	snprintf(text, sizeof(text), "%llu@%#llx%s", range.size, range.base,
		 how);
	return dmb_write(SYSFS_DMB "/add", text);
}

static int dissolve(const char *name, unsigned long long size)
{
	char text[64];

	if (size)
		snprintf(text, sizeof(text), "%.31s %llu", name, size);
	else
		snprintf(text, sizeof(text), "%.31s", name);
	return dmb_write(SYSFS_DMB "/remove", text);
}

static pid_t start_making(struct ram range)
{
	pid_t pid = fork();

	if (!pid)
		_exit(!!make_block(range, ""));
	return pid;
}

static bool within(const struct dmb_block *block, struct ram range)
{
	return block->base >= range.base &&
	       block->base + block->size <= range.base + range.size;
}

static bool of_boot(const struct dmb_block *block)
{
	int i;

	for (i = 0; i < nr_boot_blocks; i++)
		if (boot_blocks[i].base == block->base)
			return true;
	return false;
}

/* Find the blocks that the test made in a range; return the sum of bytes. */
static unsigned long long blocks_in(struct ram range, struct dmb_block *found,
				    int *nr)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int i, all = dmb_read_blocks(blocks);
	unsigned long long bytes = 0;

	*nr = 0;
	for (i = 0; i < all; i++) {
		if (!within(&blocks[i], range) || of_boot(&blocks[i]))
			continue;
		found[(*nr)++] = blocks[i];
		bytes += blocks[i].size;
	}
	return bytes;
}

/* Dissolve the blocks that the test made in a range. Return the last error. */
static int dissolve_all(struct ram range)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int i, nr, err = 0;

	blocks_in(range, blocks, &nr);
	for (i = 0; i < nr; i++)
		err = dissolve(blocks[i].name, 0) ?: err;
	return err;
}

FIXTURE(runtime)
{
	unsigned long long designated;
	unsigned long long total;
	struct ram range;
};

FIXTURE_SETUP(runtime)
{
	load_begin();
	self->range = part(4, 1);
	ASSERT_EQ(0, dissolve_all(part(0, 8)));
	self->designated = dmb_meminfo("DmbTotal");
	self->total = dmb_meminfo("MemTotal");
}

FIXTURE_TEARDOWN(runtime)
{
	EXPECT_EQ(0, dissolve_all(part(0, 8)));
	EXPECT_EQ(self->designated, dmb_meminfo("DmbTotal"));
	EXPECT_EQ(self->total, dmb_meminfo("MemTotal"));
	load_end();
}

/* Pages in the way move, and keep their content. */
TEST_F(runtime, make_and_dissolve)
{
	size_t size = (self->total - self->designated) / 3;
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	unsigned long long bytes, used;
	void *memory;
	int nr, i, cache;

	cache = dmb_read_device(64 * MB);
	memory = load_write_pattern(size);
	ASSERT_NE(NULL, memory);

	ASSERT_EQ(0, make_block(self->range, ""));
	bytes = blocks_in(self->range, blocks, &nr);
	TH_LOG("%d blocks with %llu of %llu MiB", nr, bytes / MB,
	       self->range.size / MB);
	EXPECT_GT(bytes, self->range.size / 2);
	EXPECT_EQ(self->designated + bytes, dmb_meminfo("DmbTotal"));
	EXPECT_EQ(0, load_check_pattern(memory, size));
	EXPECT_NO_VIOLATION();

	/* It is used first, and an owner can have it. */
	munmap(memory, size);
	memory = load_write_pattern(bytes / 2);
	EXPECT_GT(dmb_bytes_in_blocks(memory, bytes / 2), bytes / 4);
	EXPECT_GT(dmb_bytes_in(blocks, nr, memory, bytes / 2),
		  bytes / 4 / (nr_boot_blocks + 1));
	for (i = 0; i < nr; i++) {
		EXPECT_EQ(0, dmb_claim(blocks[i].base, blocks[i].size));
		EXPECT_EQ(-EBUSY, dissolve(blocks[i].name, 0));
		EXPECT_EQ(0, dmb_release(blocks[i].base, blocks[i].size));
	}
	EXPECT_EQ(0, load_check_pattern(memory, bytes / 2));

	/* Dissolve blocks that have pages in them. */
	munmap(memory, bytes / 2);
	used = bytes / 2;
	memory = load_write_pattern(used);
	for (i = 0; i < nr; i++) {
		unsigned long long some = dmb_pageblock_size();

		if (blocks[i].size > some) {
			EXPECT_EQ(0, dissolve(blocks[i].name, some));
			bytes -= some;
			EXPECT_EQ(self->designated + bytes,
				  dmb_meminfo("DmbTotal"));
		}
	}
	EXPECT_NO_VIOLATION();
	EXPECT_EQ(0, dissolve_all(self->range));
	EXPECT_EQ(self->designated, dmb_meminfo("DmbTotal"));
	bytes = blocks_in(self->range, blocks, &nr);
	EXPECT_EQ(0, nr);
	EXPECT_EQ(0, load_check_pattern(memory, used));
	munmap(memory, used);
	if (cache >= 0)
		dmb_close_device(cache);
}

/* How much is on LRU lists, and counted as memory in blocks, in bytes */
static unsigned long long listed_in_blocks(void)
{
	FILE *zoneinfo = fopen("/proc/zoneinfo", "r");
	unsigned long long pages = 0, value;
	char line[256], name[32];
	bool movable = false;

	/* Fold the per-cpu differences into the counters. */
	dmb_write("/proc/sys/vm/stat_refresh", "1");
	while (zoneinfo && fgets(line, sizeof(line), zoneinfo)) {
		if (!strncmp(line, "Node", 4))
			movable = strstr(line, "Movable");
		else if (movable &&
			 sscanf(line, " nr_zone_%31s %llu", name, &value) == 2 &&
			 strcmp(name, "write_pending"))
			pages += value;
	}
	if (zoneinfo)
		fclose(zoneinfo);
	return pages * sysconf(_SC_PAGESIZE);
}

/*
 * A block that is full is dissolved while there is room nowhere else. Its pages
 * stay where they are, also those that somebody holds.
 */
TEST_F(runtime, pages_stay_in_place)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	const size_t unit = dmb_pageblock_size();
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	size_t size, nr, i, half, listed, moved = 0;
	uint64_t *before, *after;
	unsigned long migrated, dropped, broken = 0;
	int pipes[2], nr_blocks;
	char *memory;

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	ASSERT_EQ(0, make_block(self->range, ""));
	ASSERT_LT(0, blocks_in(self->range, blocks, &nr_blocks));
	/* A broken page does not prevent it, either. */
	if (dmb_can_unpoison())
		broken = (blocks[0].base + blocks[0].size / 2) / page;
	ASSERT_FALSE(broken && dmb_poison(broken));
	memory = load_fill_areas(&size);
	ASSERT_NE(NULL, memory);
	load_fill_pattern(memory, size);
	load_hog(load_ordinary_free() - 2 * load_reserve(), 0, "anywhere");
	ASSERT_TRUE(load_hold_page(memory + size / 2, pipes));
	before = dmb_frames(memory, size);
	ASSERT_NE(NULL, before);

	listed = listed_in_blocks();
	migrated = load_vmstat("pgmigrate_success");
	dropped = load_vmstat("pgsteal_");
	half = blocks[0].size / 2 / unit * unit;
	EXPECT_EQ(0, dissolve(blocks[0].name, half));
	EXPECT_LE(listed - half - DMB_NOISE, listed_in_blocks());
	EXPECT_GE(listed - half + DMB_NOISE, listed_in_blocks());
	EXPECT_EQ(0, dissolve_all(self->range));
	EXPECT_EQ(migrated, load_vmstat("pgmigrate_success"));
	EXPECT_EQ(dropped, load_vmstat("pgsteal_"));
	EXPECT_EQ(self->designated, dmb_meminfo("DmbTotal"));

	after = dmb_frames(memory, size);
	ASSERT_NE(NULL, after);
	nr = size / page;
	for (i = 0; i < nr; i++)
		moved += before[i] != after[i];
	TH_LOG("%zu of %zu pages moved", moved, nr);
	EXPECT_EQ(0, moved);
	EXPECT_EQ(0, load_check_pattern(memory, size));
	load_free_hogs();
	munmap(memory, size);
	EXPECT_FALSE(broken && dmb_unpoison(broken));
	EXPECT_NO_VIOLATION();
}

/* Free memory, in bytes, with that in per-cpu lists */
static long long all_free(void)
{
	struct dmb_lists lists;

	/* Each CPU adds what it has counted, and shortens its lists. */
	dmb_write("/proc/sys/vm/stat_refresh", "1");
	lists = dmb_read_lists(-1);
	return dmb_meminfo("MemFree") +
	       (lists.designated + lists.others) * sysconf(_SC_PAGESIZE);
}

/* No memory is lost when blocks are made and dissolved, however often. */
TEST_F(runtime, nothing_is_lost)
{
	size_t size = load_area_free() + 256 * MB;
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	long long before, made, dissolved;
	unsigned long long bytes;
	void *memory;
	int nr, i;

	memory = load_write_pattern(size);
	ASSERT_NE(NULL, memory);
	before = all_free();
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, make_block(self->range, ""));
		bytes = blocks_in(self->range, blocks, &nr);
		made = all_free();
		EXPECT_EQ(self->total, dmb_meminfo("MemTotal"));
		EXPECT_EQ(self->designated + bytes, dmb_meminfo("DmbTotal"));
		EXPECT_AGREEMENT(0);
		EXPECT_EQ(0, dissolve_all(self->range));
		dissolved = all_free();
		EXPECT_EQ(self->total, dmb_meminfo("MemTotal"));
		EXPECT_EQ(self->designated, dmb_meminfo("DmbTotal"));
		EXPECT_AGREEMENT(0);
		TH_LOG("%lld KiB free, %lld with %llu MiB of blocks, %lld without",
		       before / 1024, made / 1024, bytes / MB,
		       dissolved / 1024);
		EXPECT_LE(llabs(made - before), DMB_NOISE);
		EXPECT_LE(llabs(dissolved - before), DMB_NOISE);
	}
	EXPECT_EQ(0, load_check_pattern(memory, size));
	munmap(memory, size);
}

/* What the kernel has logged about blocks, a line after the other */
static char logged[16384];

static void read_log(int log)
{
	char line[1024];
	size_t len = 0;

	while (dmb_log_line(log, line, sizeof(line))) {
		char *text = strstr(line, ";dmb: ");

		if (text && len < sizeof(logged))
			len += snprintf(logged + len, sizeof(logged) - len,
					"%.*s\n", (int)strcspn(text, "\n"),
					text);
	}
	if (!len)
		*logged = '\0';
}

/* How often is a text in these lines? */
static int in_log(const char *text)
{
	const char *at = logged;
	int count = 0;

	while ((at = strstr(at, text))) {
		at += strlen(text);
		count++;
	}
	return count;
}

/* Expect so many lines since the last call, and one of them with this text. */
static void expect_logged(struct __test_metadata *_metadata, int log, int lines,
			  const char *format, ...)
{
	char wanted[160];
	va_list args;

	va_start(args, format);
	vsnprintf(wanted, sizeof(wanted), format, args);
	va_end(args);
	read_log(log);
	EXPECT_EQ(lines, in_log("\n"));
	EXPECT_EQ(1, in_log(wanted)) TH_LOG("%s in %s", wanted, logged);
}

/* A range, as the kernel prints it */
static const char *printed(struct ram range)
{
	static char text[64];

	snprintf(text, sizeof(text), "[mem %#018llx-%#018llx]", range.base,
		 range.base + range.size - 1);
	return text;
}

/* Some pageblocks that can become a block, all of them */
static struct ram emptiable(struct ram range, unsigned long long size)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	struct ram found = { };
	int i, nr;

	if (make_block(range, ""))
		return found;
	blocks_in(range, blocks, &nr);
	for (i = 0; i < nr; i++)
		if (blocks[i].size >= size)
			found = (struct ram) { blocks[i].base, size };
	return dissolve_all(range) ? (struct ram) { } : found;
}

/* The pageblock of a page */
static struct ram pageblock_of(const void *page)
{
	struct ram range = { .size = dmb_pageblock_size() };
	uint64_t *frame = dmb_frames(page, sysconf(_SC_PAGESIZE));

	range.base = frame[0] * sysconf(_SC_PAGESIZE) / range.size * range.size;
	free(frame);
	return range;
}

/* The kernel log has a line for each thing that happens. */
TEST_F(runtime, log)
{
	unsigned long long unit = dmb_pageblock_size();
	struct ram range = emptiable(self->range, 4 * unit), held;
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	size_t size = load_area_free() + 64 * MB;
	int log = dmb_open_log(true), pipes[2], nr;
	char *memory;

	ASSERT_LE(0, log);
	ASSERT_NE(0, range.size);
	ASSERT_EQ(0, make_block(range, " exact"));
	blocks_in(range, blocks, &nr);
	ASSERT_EQ(1, nr);
	expect_logged(_metadata, log, 1, "%s: %s %llu MiB, node %d, zone %s\n",
		      blocks[0].name, printed(range), range.size / MB,
		      blocks[0].node, blocks[0].zone);
	EXPECT_EQ(-EINVAL, make_block(range, ""));
	expect_logged(_metadata, log, 1, "%llu@%#llx refused: overlaps %s",
		      range.size, range.base, printed(range));
	EXPECT_EQ(0, dmb_claim(range.base + 3 * unit, unit));
	EXPECT_EQ(-EBUSY, dissolve(blocks[0].name, range.size));
	expect_logged(_metadata, log, 1, "%s: %s stays a block: -",
		      blocks[0].name, printed(range));
	EXPECT_EQ(0, dmb_release(range.base + 3 * unit, unit));
	EXPECT_EQ(0, dissolve(blocks[0].name, 0));
	expect_logged(_metadata, log, 1, "%s: %s is ordinary memory again\n",
		      blocks[0].name, printed(range));

	/* A page that a pipe has a reference to stays where it is. */
	memory = load_write_pattern(size);
	ASSERT_NE(NULL, memory);
	held = pageblock_of(memory + size - unit);
	ASSERT_TRUE(load_hold_page(memory + size - unit, pipes));
	EXPECT_EQ(-EBUSY, make_block(held, ""));
	expect_logged(_metadata, log, 2,
		      "%s is left out: it holds pages that do not move\n",
		      printed(held));
	EXPECT_EQ(1, in_log(" does not become a block: none of it can be one"));
	EXPECT_EQ(-EBUSY, make_block(held, " exact"));
	expect_logged(_metadata, log, 2,
		      "%s does not become a block: not all of it can be one\n",
		      printed(held));
	close(pipes[0]);
	close(pipes[1]);
	close(log);
	EXPECT_EQ(0, load_check_pattern(memory, size));
	munmap(memory, size);
}

/* A pageblock that is full of a mapped file; size 0 if there is none */
static struct ram pageblock_full_of(const char *file, size_t size)
{
	struct dmb_block block = { .size = dmb_pageblock_size() };
	struct ram range;
	size_t at;

	for (at = 0; at < size; at += block.size) {
		range = pageblock_of(file + at);
		block.base = range.base;
		if (dmb_bytes_in(&block, 1, file, size) == block.size)
			return range;
	}
	return (struct ram) { };
}

/*
 * Page cache of a block device must not be in blocks. It moves out of the way,
 * with what is not yet written, or the log says that it is left out.
 */
TEST_F(runtime, block_device_cache)
{
	int log = dmb_open_log(true), device, fd, pipes[2];
	const size_t size = 64 * MB;
	struct ram range;
	char *cache;

	device = dmb_read_device(size);
	if (device < 0)
		SKIP(return, "no zram device to use");
	fd = open("/dev/zram0", O_RDWR);
	ASSERT_LE(0, fd);
	cache = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, cache);
	load_fill_pattern(cache, size);
	EXPECT_EQ(0, dmb_bytes_in_blocks(cache, size));

	range = pageblock_full_of(cache, size);
	ASSERT_NE(0, range.size);
	EXPECT_EQ(0, make_block(range, " exact"));
	EXPECT_EQ(self->designated + range.size, dmb_meminfo("DmbTotal"));
	EXPECT_EQ(0, dmb_bytes_in_blocks(cache, size));
	EXPECT_EQ(0, load_check_pattern(cache, size));
	EXPECT_NO_VIOLATION();

	/* A page of it that a pipe has a reference to */
	range = pageblock_of(cache + size / 2);
	ASSERT_TRUE(load_hold_page(cache + size / 2, pipes));
	read_log(log);
	EXPECT_EQ(-EBUSY, make_block(range, ""));
	expect_logged(_metadata, log, 2,
		      "%s is left out: it holds pages that do not move\n",
		      printed(range));
	EXPECT_EQ(range.base, pageblock_of(cache + size / 2).base);
	EXPECT_EQ(0, load_check_pattern(cache, size));
	EXPECT_NO_VIOLATION();
	close(pipes[0]);
	close(pipes[1]);
	munmap(cache, size);
	close(log);
	close(fd);
	dmb_close_device(device);
}

/* Pageblocks of the kernel are left out, or nothing becomes a block. */
TEST_F(runtime, kernel_in_the_way)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	struct ram range = part(0, 2);
	unsigned long long bytes;
	int nr;

	EXPECT_EQ(-EBUSY, make_block(range, " exact"));
	EXPECT_EQ(0, blocks_in(range, blocks, &nr));
	EXPECT_EQ(self->designated, dmb_meminfo("DmbTotal"));

	EXPECT_EQ(0, make_block(range, ""));
	bytes = blocks_in(range, blocks, &nr);
	TH_LOG("%d blocks with %llu of %llu MiB", nr, bytes / MB,
	       range.size / MB);
	EXPECT_GT(bytes, 0);
	EXPECT_LT(bytes, range.size);
	EXPECT_EQ(self->designated + bytes, dmb_meminfo("DmbTotal"));
	EXPECT_NO_VIOLATION();
}

/* The pages that lower zones keep for themselves, from /proc/zoneinfo */
static unsigned long protected_pages(void)
{
	unsigned long pages = 0, value;
	char line[256], *at;
	FILE *f;

	f = fopen("/proc/zoneinfo", "r");
	while (f && fgets(line, sizeof(line), f)) {
		at = strstr(line, "protection:");
		if (!at)
			continue;
		at = strchr(at, '(') + 1;
		do {
			value = strtoul(at, &at, 10);
			pages += value;
		} while (*at++ == ',');
	}
	if (f)
		fclose(f);
	return pages;
}

/* Let the kernel compute them again, as when the ratio changes. */
static unsigned long protect_anew(void)
{
	char ratio[128];

	if (dmb_read_line(RESERVE_RATIO, ratio, sizeof(ratio)))
		dmb_write(RESERVE_RATIO, ratio);
	return protected_pages();
}

/* Zones keep less if the kernel can use less memory of the zones above. */
TEST_F(runtime, lowmem_reserve)
{
	unsigned long before = protect_anew(), pages;

	if (!before)
		SKIP(return, "no zone is kept for requests that have no other one");
	ASSERT_EQ(0, make_block(part(2, 4), ""));
	pages = protected_pages();
	EXPECT_EQ(protect_anew(), pages);
	EXPECT_GT(before, pages);
	EXPECT_EQ(0, dissolve_all(part(2, 4)));
	EXPECT_EQ(before, protected_pages());
}

/* Without an address, the kernel chooses where little is in the way. */
TEST_F(runtime, anywhere)
{
	size_t size = (self->total - self->designated) / 4;
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int nr = dmb_read_blocks(blocks);
	unsigned long moved;
	void *memory;

	memory = load_write_pattern(size);
	ASSERT_NE(NULL, memory);
	moved = dmb_read_value("/proc/vmstat", "pgmigrate_success");
	EXPECT_EQ(0, dmb_write(SYSFS_DMB "/add", "128M exact"));
	moved = dmb_read_value("/proc/vmstat", "pgmigrate_success") - moved;
	TH_LOG("%lu pages moved", moved);
	/* Half of memory is free. */
	EXPECT_LT(moved, 1024);
	EXPECT_EQ(nr + 1, dmb_read_blocks(blocks));
	EXPECT_EQ(self->designated + 128 * MB, dmb_meminfo("DmbTotal"));
	EXPECT_EQ(-EBUSY, dmb_write(SYSFS_DMB "/add", "1024G"));
	/* No block is made in the zone for ISA devices, even if it fits. */
	EXPECT_EQ(0, dmb_write(SYSFS_DMB "/add", "4M exact"));
	nr = dmb_read_blocks(blocks);
	ASSERT_LT(0, nr);
	EXPECT_LE(16 * MB, blocks[0].base);
	EXPECT_EQ(0, load_check_pattern(memory, size));
	munmap(memory, size);
}

TEST_F(runtime, refused)
{
	struct ram range = self->range, other = range;

	ASSERT_EQ(0, make_block(range, ""));
	EXPECT_EQ(-EINVAL, make_block(range, ""));
	other.base += dmb_pageblock_size() / 2;
	EXPECT_EQ(-EINVAL, make_block(other, ""));
	EXPECT_EQ(-EINVAL, make_block((struct ram) { range.base, 0 }, ""));
	EXPECT_EQ(-EINVAL,
		  make_block((struct ram) { range.base, -range.base }, ""));
	EXPECT_EQ(-EINVAL, make_block(part(6, 1), " exactly"));
	EXPECT_EQ(-EINVAL, dmb_write(SYSFS_DMB "/add", "16"));
	EXPECT_EQ(-EINVAL, dmb_write(SYSFS_DMB "/add", "16M@"));
	/* No memory there, however large */
	other.base = 1ULL << 45;
	EXPECT_EQ(-EBUSY, make_block(other, ""));
	other.size = 1ULL << 60;
	EXPECT_EQ(-EBUSY, make_block(other, ""));
	/* A block of all memory that is left is refused. */
	EXPECT_GT(0, make_block(part(5, 3), " exact"));

	EXPECT_EQ(-ENOENT, dissolve("no-block", 0));
	EXPECT_EQ(-ENOENT, dmb_write(SYSFS_DMB "/remove", "spread"));
	EXPECT_EQ(-EINVAL, dmb_write(SYSFS_DMB "/remove", "\n"));
	EXPECT_EQ(-EINVAL, dissolve("dmb0", 4096));
}

/* If asked to, blocks yield free memory before the OOM killer kills. */
TEST_F_TIMEOUT(runtime, yield, 300)
{
	unsigned long yielded = dmb_read_number(SYSFS_DMB "/yielded");
	struct load_oom without, with;
	unsigned long long left;

	if (nr_boot_blocks)
		SKIP(return, "blocks of the command line would yield, too");
	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	ASSERT_EQ(0, make_block(self->range, ""));
	EXPECT_EQ(0, dmb_read_number(SYSFS_DMB "/yield"));
	without = load_until_oom(0);
	ASSERT_EQ(yielded, dmb_read_number(SYSFS_DMB "/yielded"));

	left = dmb_meminfo("DmbTotal");
	ASSERT_EQ(0, dmb_write(SYSFS_DMB "/yield", "1"));
	with = load_until_oom(0);
	EXPECT_EQ(0, dmb_write(SYSFS_DMB "/yield", "0"));
	yielded = dmb_read_number(SYSFS_DMB "/yielded") - yielded;
	TH_LOG("the kernel got %zu MiB, then %zu MiB, with %lu MiB of blocks",
	       without.got / MB, with.got / MB, yielded / MB);
	EXPECT_GT(yielded, self->range.size / 2);
	EXPECT_EQ(left - yielded, dmb_meminfo("DmbTotal"));
	/* How much it gets varies a little. */
	EXPECT_GT(with.got, without.got + yielded / 4 * 3);
	EXPECT_NO_VIOLATION();
}

/* The same while somebody else tries to dissolve another block. */
TEST_F_TIMEOUT(runtime, yield_beside_changes, 300)
{
	unsigned long yielded = dmb_read_number(SYSFS_DMB "/yielded");
	size_t size = 64 * MB;
	struct ram other = part(6, 1);
	struct load_oom with = { };
	int pipes[2], tries;
	void *memory;
	pid_t pid;

	if (nr_boot_blocks)
		SKIP(return, "blocks of the command line would yield, too");
	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	ASSERT_EQ(0, make_block(other, ""));
	memory = load_write_pattern(size);
	ASSERT_NE(NULL, memory);
	ASSERT_TRUE(load_hold_page(memory, pipes));
	ASSERT_EQ(0, make_block(self->range, ""));
	/* Each try waits for the page for a second. */
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;; usleep(50000))
			dissolve_all(other);
	}
	sleep(1);
	ASSERT_EQ(0, dmb_write(SYSFS_DMB "/yield", "1"));
	/* A request of the task that dissolves may come first, and kill. */
	for (tries = 0; tries < 3 &&
	     dmb_read_number(SYSFS_DMB "/yielded") == yielded; tries++)
		with = load_until_oom(0);
	EXPECT_EQ(0, dmb_write(SYSFS_DMB "/yield", "0"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	yielded = dmb_read_number(SYSFS_DMB "/yielded") - yielded;
	TH_LOG("the kernel got %zu MiB, with %lu MiB of blocks", with.got / MB,
	       yielded / MB);
	EXPECT_LT(0, yielded);
	close(pipes[0]);
	close(pipes[1]);
	EXPECT_EQ(0, load_check_pattern(memory, size));
	munmap(memory, size);
	EXPECT_EQ(0, dissolve_all(other));
	EXPECT_NO_VIOLATION();
}

static void do_nothing(int signal)
{
}

/* A task that a signal ends leaves the blocks as they were, or has made one. */
TEST_F(runtime, killed)
{
	size_t size = (self->total - self->designated) / 3;
	void *memory;
	int i, status;
	pid_t pid;

	if (nr_boot_blocks)
		SKIP(return, BOOT_BLOCKS);
	memory = load_write_pattern(size);
	for (i = 0; i < 6; i++) {
		pid = fork();
		if (!pid) {
			struct sigaction action = { .sa_handler = do_nothing };
			int err;

			sigaction(SIGINT, &action, NULL);
			err = make_block(self->range, "");
			_exit(err && err != -EINTR);
		}
		usleep(2000 << i % 6);
		kill(pid, i % 2 ? SIGINT : SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		/* A shell survives Ctrl-C, and so does this. */
		if (i % 2)
			EXPECT_EQ(0, status);
		EXPECT_NO_VIOLATION();
		EXPECT_EQ(0, dissolve_all(self->range));
		EXPECT_EQ(self->designated, dmb_meminfo("DmbTotal"));
	}
	EXPECT_EQ(0, load_check_pattern(memory, size));
	munmap(memory, size);
}

/* Have memory go offline that somebody holds a page of. Return 0 if it fails. */
static pid_t offline_for_ever(void *memory, uint64_t base, int pipes[2])
{
	pid_t pid;

	if (!load_hold_page(memory, pipes))
		return 0;
	pid = fork();
	if (!pid) {
		close(pipes[0]);
		close(pipes[1]);
		_exit(dmb_set_memory_state(base, "offline"));
	}
	usleep(500000);
	if (!waitpid(pid, NULL, WNOHANG))
		return pid;
	close(pipes[0]);
	close(pipes[1]);
	return 0;
}

/* A writer that waits for memory hotplug can be killed. */
TEST_F(runtime, killed_beside_offlining)
{
	size_t page = sysconf(_SC_PAGESIZE), size = self->total / 4, at;
	char *memory = load_write_pattern(size);
	pid_t offlining = 0, maker;
	uint64_t *frames, base = 0;
	int pipes[2];

	ASSERT_NE(NULL, memory);
	frames = dmb_frames(memory, size);
	for (at = 0; at < size && !offlining; at += 64 * MB) {
		base = frames[at / page] * page;
		offlining = offline_for_ever(memory + at, base, pipes);
	}
	if (!offlining)
		SKIP(return, "this memory does not go offline");

	maker = fork();
	if (!maker) {
		close(pipes[0]);
		close(pipes[1]);
		_exit(!!make_block(self->range, ""));
	}
	usleep(500000);
	kill(maker, SIGKILL);
	EXPECT_TRUE(load_ends_within(maker, 5));
	close(pipes[0]);
	close(pipes[1]);
	waitpid(offlining, NULL, 0);
	waitpid(maker, NULL, 0);
	dmb_set_memory_state(base, "online");
	EXPECT_EQ(0, dissolve_all(self->range));
	free(frames);
	munmap(memory, size);
}

static void toggle_memory(unsigned long address)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		dmb_set_memory_state(address, "offline");
		dmb_set_memory_state(address, "online");
	}
}

/*
 * Find the last page that is being read: the kernel takes its own pages from
 * low addresses first. Return its address, or 0.
 */
static uint64_t page_being_read(void)
{
	const uint64_t locked = 1 << 0, uptodate = 1 << 3, lru = 1 << 5;
	int fd = open("/proc/kpageflags", O_RDONLY);
	uint64_t flags[512], frame, found = 0;
	ssize_t i, len;

	/* The page has the flag LRU only when it has left a CPU's batch. */
	dmb_write("/proc/sys/vm/drop_caches", "1");
	for (frame = 0; fd >= 0; frame += i) {
		len = pread(fd, flags, sizeof(flags), frame * sizeof(*flags));
		if (len <= 0)
			break;
		for (i = 0; i < len / (ssize_t)sizeof(*flags); i++)
			if ((flags[i] & (locked | uptodate | lru)) ==
			    (locked | lru))
				found = frame + i;
	}
	if (fd >= 0)
		close(fd);
	return found * sysconf(_SC_PAGESIZE);
}

/*
 * Any user can keep pages locked like this. Whoever makes a block there waits
 * for them, within bounds, and any signal ends that.
 */
TEST_F(runtime, reads_that_get_no_answer_are_waited_for)
{
	unsigned long long unit = dmb_pageblock_size();
	const size_t size = self->total / 4;
	struct silent_file file;
	struct ram range;
	void *memory;
	pid_t maker;

	/* Use up what is free beside the kernel's own pages. */
	memory = dmb_touch(size, false);
	ASSERT_NE(NULL, memory);
	if (!silent_start(&file))
		SKIP(return, "needs FUSE_FS");
	range.size = unit;
	range.base = page_being_read() / unit * unit;
	ASSERT_LT(0, range.base);
	maker = start_making(range);
	EXPECT_FALSE(load_ends_within(maker, 3));
	kill(maker, SIGTERM);
	EXPECT_TRUE(load_ends_within(maker, 10));

	/* Without a signal, it gives up. */
	maker = start_making(range);
	if (load_ends_within(maker, 90))
		maker = 0;
	EXPECT_EQ(0, maker);
	EXPECT_EQ(self->designated, dmb_meminfo("DmbTotal"));
	silent_stop(&file);
	if (maker)
		waitpid(maker, NULL, 0);
	EXPECT_EQ(0, make_block(range, " exact"));
	munmap(memory, size);
}

/* Make and dissolve a block while its memory goes offline and online. */
TEST_F_TIMEOUT(runtime, memory_goes_offline, 600)
{
	unsigned long unit = dmb_memory_block_size();
	struct ram range = self->range;
	int i, err, status, tries, made = 0;
	time_t end = time(NULL) + DEFAULT_SECONDS;
	pid_t pid;

	if (!unit || DMB_STAYS_ONLINE)
		SKIP(return, "memory does not go offline");
	if (nr_boot_blocks)
		SKIP(return, BOOT_BLOCKS);
	range.base = range.base / unit * unit;
	range.size = unit;
	pid = fork();
	if (!pid)
		toggle_memory(range.base);

	for (i = 0; i < 4 || (i < 60 && time(NULL) < end); i++) {
		err = make_block(range, "");
		made += !err;
		/* -EINVAL: the last block could not be dissolved. */
		EXPECT_TRUE(!err || err == -EBUSY || err == -ENOMEM ||
			    err == -EINVAL)
			TH_LOG("make: %s", strerror(-err));
		usleep(rand() % 20000);
		for (tries = 0, err = 1; err && tries < 50;
		     tries++, usleep(2000))
			err = dissolve_all(range);
		EXPECT_TRUE(!err || err == -EBUSY || err == -ENODEV ||
			    err == -ENOMEM)
			TH_LOG("dissolve: %s", strerror(-err));
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	dmb_set_memory_state(range.base, "online");
	EXPECT_EQ(0, dissolve_all(range));
	TH_LOG("%d of %d made", made, i);
	EXPECT_GT(made, 0);
	EXPECT_NO_VIOLATION();

	/* The rest of the range can go offline, and become a block. */
	if (dmb_set_memory_state(range.base, "offline"))
		SKIP(return, "the kernel has some of this memory");
	EXPECT_EQ(-EBUSY, make_block(range, ""));
	EXPECT_EQ(0, dmb_set_memory_state(range.base, "online"));
	EXPECT_EQ(0, make_block(range, " exact"));
	EXPECT_EQ(0, dmb_set_memory_state(range.base, "offline"));
	EXPECT_EQ(-ENODEV, dissolve_all(range));
	EXPECT_EQ(0, dmb_set_memory_state(range.base, "online"));
}

TEST_F_TIMEOUT(runtime, random_under_load, 10800)
{
	pid_t pid[NR_LOADS], churn;
	int i, nr, round, made = 0, dissolved = 0;
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	time_t end = time(NULL) + DEFAULT_SECONDS;

	if (nr_boot_blocks)
		SKIP(return, BOOT_BLOCKS);
	churn = load_start_churn(0);
	srand(1);
	load_start_verifying(pid, NR_LOADS,
			     (self->total - self->designated) / 16);

	for (round = 0;
	     rounds ? round < rounds : round < 8 || time(NULL) < end;
	     round++) {
		struct ram range = part(rand() % 8, 1);
		unsigned long unit = dmb_pageblock_size();
		int err;

		/* Most are small. Some are an eighth of memory. */
		if (rand() % 16) {
			range.base += rand() % (range.size / unit) * unit;
			range.size = (1 + rand() % 16) * unit;
		}
		blocks_in(part(0, 8), blocks, &nr);
		if (nr && rand() % 2) {
			i = rand() % nr;
			err = dissolve(blocks[i].name,
				       rand() % 2 ? unit : 0);
			dissolved += !err;
			EXPECT_TRUE(!err || err == -EBUSY || err == -ENOMEM)
				TH_LOG("%s", strerror(-err));
		} else {
			err = make_block(range, rand() % 4 ? "" : " exact");
			made += !err;
			EXPECT_TRUE(!err || err == -EINVAL || err == -EBUSY ||
				    err == -ENOMEM)
				TH_LOG("%s", strerror(-err));
		}
		if (round % 8 == 0)
			EXPECT_NO_VIOLATION();
	}
	EXPECT_EQ(0, load_stop_verifying(pid, NR_LOADS));
	load_stop_churn(churn);
	TH_LOG("%d made, %d dissolved in %d rounds", made, dissolved, round);
	EXPECT_GT(made + dissolved, round / 10);
	/* A slow machine has few rounds, and may have made none of one kind. */
	if (round >= 40) {
		EXPECT_GT(made, round / 10);
		EXPECT_GT(dissolved, round / 10);
	}
	EXPECT_NO_VIOLATION();
}

int main(int argc, char **argv)
{
	rounds = dmb_number_argument(&argc, &argv, 0);
	if (access(SYSFS_DMB "/add", W_OK))
		ksft_exit_skip("this kernel makes no blocks at run time\n");
	nr_boot_blocks = dmb_read_blocks(boot_blocks);
	return test_harness_run(argc, argv);
}
