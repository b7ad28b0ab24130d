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
#include "making.h"
#include "memory.h"

#define NR_LOADS	4
#define DEFAULT_SECONDS	30

static int rounds;	/* 0: for DEFAULT_SECONDS */

FIXTURE(runtime)
{
	unsigned long long designated;
	unsigned long long total;
	struct ram range;
};

FIXTURE_SETUP(runtime)
{
	load_begin();
	self->range = making_part(4, 1);
	ASSERT_EQ(0, making_remove_all(making_part(0, 8)));
	self->designated = dmb_meminfo("DmbTotal");
	self->total = dmb_meminfo("MemTotal");
}

FIXTURE_TEARDOWN(runtime)
{
	EXPECT_EQ(0, making_remove_all(making_part(0, 8)));
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

	ASSERT_EQ(0, making_add(self->range, ""));
	bytes = making_blocks_in(self->range, blocks, &nr);
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
		  bytes / 4 / (making_nr_boot_blocks() + 1));
	for (i = 0; i < nr; i++) {
		EXPECT_EQ(0, dmb_claim(blocks[i].base, blocks[i].size));
		EXPECT_EQ(-EBUSY, making_remove(blocks[i].name, 0));
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
			EXPECT_EQ(0, making_remove(blocks[i].name, some));
			bytes -= some;
			EXPECT_EQ(self->designated + bytes,
				  dmb_meminfo("DmbTotal"));
		}
	}
	EXPECT_NO_VIOLATION();
	EXPECT_EQ(0, making_remove_all(self->range));
	EXPECT_EQ(self->designated, dmb_meminfo("DmbTotal"));
	bytes = making_blocks_in(self->range, blocks, &nr);
	EXPECT_EQ(0, nr);
	EXPECT_EQ(0, load_check_pattern(memory, used));
	munmap(memory, used);
	if (cache >= 0)
		dmb_close_device(cache);
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
		ASSERT_EQ(0, making_add(self->range, ""));
		bytes = making_blocks_in(self->range, blocks, &nr);
		made = all_free();
		EXPECT_EQ(self->total, dmb_meminfo("MemTotal"));
		EXPECT_EQ(self->designated + bytes, dmb_meminfo("DmbTotal"));
		EXPECT_AGREEMENT(0);
		EXPECT_EQ(0, making_remove_all(self->range));
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

	if (making_add(range, ""))
		return found;
	making_blocks_in(range, blocks, &nr);
	for (i = 0; i < nr; i++)
		if (blocks[i].size >= size)
			found = (struct ram) { blocks[i].base, size };
	return making_remove_all(range) ? (struct ram) { } : found;
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
	ASSERT_EQ(0, making_add(range, " exact"));
	making_blocks_in(range, blocks, &nr);
	ASSERT_EQ(1, nr);
	expect_logged(_metadata, log, 1, "%s: %s %llu MiB, node %d, zone %s\n",
		      blocks[0].name, printed(range), range.size / MB,
		      blocks[0].node, blocks[0].zone);
	EXPECT_EQ(-EINVAL, making_add(range, ""));
	expect_logged(_metadata, log, 1, "%llu@%#llx refused: overlaps %s",
		      range.size, range.base, printed(range));
	EXPECT_EQ(-EINVAL, dmb_write(SYSFS_DMB "/add", "64M,64M"));
	expect_logged(_metadata, log, 1,
		      "\"64M,64M\" is not nn[KMGTPE][@ss[KMGTPE]][ exact]\n");
	EXPECT_EQ(0, dmb_claim(range.base + 3 * unit, unit));
	EXPECT_EQ(-EBUSY, making_remove(blocks[0].name, range.size));
	expect_logged(_metadata, log, 1,
		      "%s: %s stays a block: an owner has some of it\n",
		      blocks[0].name, printed(range));
	EXPECT_EQ(0, dmb_release(range.base + 3 * unit, unit));
	EXPECT_EQ(0, making_remove(blocks[0].name, 0));
	expect_logged(_metadata, log, 1, "%s: %s is ordinary memory again\n",
		      blocks[0].name, printed(range));

	/* A page that a pipe has a reference to stays where it is. */
	memory = load_write_pattern(size);
	ASSERT_NE(NULL, memory);
	held = pageblock_of(memory + size - unit);
	ASSERT_TRUE(load_hold_page(memory + size - unit, pipes));
	EXPECT_EQ(-EBUSY, making_add(held, ""));
	expect_logged(_metadata, log, 2,
		      "%s is left out: it holds pages that do not move\n",
		      printed(held));
	EXPECT_EQ(1, in_log(" does not become a block: none of it can be one"));
	EXPECT_EQ(-EBUSY, making_add(held, " exact"));
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
	EXPECT_EQ(0, making_add(range, " exact"));
	EXPECT_EQ(self->designated + range.size, dmb_meminfo("DmbTotal"));
	EXPECT_EQ(0, dmb_bytes_in_blocks(cache, size));
	EXPECT_EQ(0, load_check_pattern(cache, size));
	EXPECT_NO_VIOLATION();

	/* A page of it that a pipe has a reference to */
	range = pageblock_of(cache + size / 2);
	ASSERT_TRUE(load_hold_page(cache + size / 2, pipes));
	read_log(log);
	EXPECT_EQ(-EBUSY, making_add(range, ""));
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
	struct ram range = making_part(0, 2);
	unsigned long long bytes;
	int nr;

	EXPECT_EQ(-EBUSY, making_add(range, " exact"));
	EXPECT_EQ(0, making_blocks_in(range, blocks, &nr));
	EXPECT_EQ(self->designated, dmb_meminfo("DmbTotal"));

	EXPECT_EQ(0, making_add(range, ""));
	bytes = making_blocks_in(range, blocks, &nr);
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
	ASSERT_EQ(0, making_add(making_part(2, 4), ""));
	pages = protected_pages();
	EXPECT_EQ(protect_anew(), pages);
	EXPECT_GT(before, pages);
	EXPECT_EQ(0, making_remove_all(making_part(2, 4)));
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

	ASSERT_EQ(0, making_add(range, ""));
	EXPECT_EQ(-EINVAL, making_add(range, ""));
	other.base += dmb_pageblock_size() / 2;
	EXPECT_EQ(-EINVAL, making_add(other, ""));
	EXPECT_EQ(-EINVAL, making_add((struct ram) { range.base, 0 }, ""));
	EXPECT_EQ(-EINVAL,
		  making_add((struct ram) { range.base, -range.base }, ""));
	EXPECT_EQ(-EINVAL, making_add(making_part(6, 1), " exactly"));
	EXPECT_EQ(-EINVAL, dmb_write(SYSFS_DMB "/add", "16"));
	EXPECT_EQ(-EINVAL, dmb_write(SYSFS_DMB "/add", "16M@"));
	/* No memory there, however large */
	other.base = 1ULL << 45;
	EXPECT_EQ(-EBUSY, making_add(other, ""));
	other.size = 1ULL << 60;
	EXPECT_EQ(-EBUSY, making_add(other, ""));
	/* A block of all memory that is left is refused. */
	EXPECT_GT(0, making_add(making_part(5, 3), " exact"));

	EXPECT_EQ(-ENOENT, making_remove("no-block", 0));
	EXPECT_EQ(-ENOENT, dmb_write(SYSFS_DMB "/remove", "spread"));
	EXPECT_EQ(-EINVAL, dmb_write(SYSFS_DMB "/remove", "\n"));
	EXPECT_EQ(-EINVAL, making_remove("dmb0", 4096));
}

static void toggle_memory(unsigned long address)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		dmb_set_memory_state(address, "offline");
		dmb_set_memory_state(address, "online");
	}
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
	if (making_nr_boot_blocks())
		SKIP(return, BOOT_BLOCKS);
	range.base = range.base / unit * unit;
	range.size = unit;
	pid = fork();
	if (!pid)
		toggle_memory(range.base);

	for (i = 0; i < 4 || (i < 60 && time(NULL) < end); i++) {
		err = making_add(range, "");
		made += !err;
		/* -EINVAL: the last block could not be dissolved. */
		EXPECT_TRUE(!err || err == -EBUSY || err == -ENOMEM ||
			    err == -EINVAL)
			TH_LOG("make: %s", strerror(-err));
		usleep(rand() % 20000);
		for (tries = 0, err = 1; err && tries < 50;
		     tries++, usleep(2000))
			err = making_remove_all(range);
		EXPECT_TRUE(!err || err == -EBUSY || err == -ENODEV ||
			    err == -ENOMEM)
			TH_LOG("dissolve: %s", strerror(-err));
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	dmb_set_memory_state(range.base, "online");
	EXPECT_EQ(0, making_remove_all(range));
	TH_LOG("%d of %d made", made, i);
	EXPECT_GT(made, 0);
	EXPECT_NO_VIOLATION();

	/* The rest of the range can go offline, and become a block. */
	if (dmb_set_memory_state(range.base, "offline"))
		SKIP(return, "the kernel has some of this memory");
	EXPECT_EQ(-EBUSY, making_add(range, ""));
	EXPECT_EQ(0, dmb_set_memory_state(range.base, "online"));
	EXPECT_EQ(0, making_add(range, " exact"));
	EXPECT_EQ(0, dmb_set_memory_state(range.base, "offline"));
	EXPECT_EQ(-ENODEV, making_remove_all(range));
	EXPECT_EQ(0, dmb_set_memory_state(range.base, "online"));
}

TEST_F_TIMEOUT(runtime, random_under_load, 10800)
{
	pid_t pid[NR_LOADS], churn;
	int i, nr, round, made = 0, dissolved = 0;
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	time_t end = time(NULL) + DEFAULT_SECONDS;

	if (making_nr_boot_blocks())
		SKIP(return, BOOT_BLOCKS);
	churn = load_start_churn(0);
	srand(1);
	load_start_verifying(pid, NR_LOADS,
			     (self->total - self->designated) / 16);

	for (round = 0;
	     rounds ? round < rounds : round < 8 || time(NULL) < end;
	     round++) {
		struct ram range = making_part(rand() % 8, 1);
		unsigned long unit = dmb_pageblock_size();
		int err;

		/* Most are small. Some are an eighth of memory. */
		if (rand() % 16) {
			range.base += rand() % (range.size / unit) * unit;
			range.size = (1 + rand() % 16) * unit;
		}
		making_blocks_in(making_part(0, 8), blocks, &nr);
		if (nr && rand() % 2) {
			i = rand() % nr;
			err = making_remove(blocks[i].name,
					    rand() % 2 ? unit : 0);
			dissolved += !err;
			EXPECT_TRUE(!err || err == -EBUSY || err == -ENOMEM)
				TH_LOG("%s", strerror(-err));
		} else {
			err = making_add(range, rand() % 4 ? "" : " exact");
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
	making_begin();
	return test_harness_run(argc, argv);
}
