// SPDX-License-Identifier: GPL-2.0
/* Helpers for the tests of designated movable blocks */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mempolicy.h>
#include <malloc.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest.h"
#include "dmb_util.h"

#define PFN_MASK	(((uint64_t)1 << 55) - 1)
#define PAGE_PRESENT	((uint64_t)1 << 63)

#define SOFT_OFFLINE	"/sys/devices/system/memory/soft_offline_page"
#define HARD_OFFLINE	"/sys/devices/system/memory/hard_offline_page"
#define UNPOISON	"/sys/kernel/debug/hwpoison/unpoison-pfn"
#define PAGE_OWNER	"/sys/kernel/debug/page_owner"

/* Longer than a record of page_owner */
#define RECORD_SIZE	8192
#define MAX_SUSPECTS	64
#define LOOKS		10

#define MAX_PIPES	512
#define PIPE_SIZE	(1 * MB)

static int pipes[MAX_PIPES][2];
static int nr_pipes, nr_filled;

/*
 * Large arrays go back to the kernel with free(), always. By default the C library
 * keeps up to twice the size of the largest one, and a test finds its own heap as
 * memory that is still used in a block.
 */
__attribute__((constructor)) static void give_arrays_back(void)
{
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

long dmb_noise(void)
{
	long batches = 128 * sysconf(_SC_PAGESIZE), least = 2 * MB;

	return batches > least ? batches : least;
}

/* Read a file of a block, without the newline. */
static void read_block_text(const char *name, const char *file, char *text, int size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), SYSFS_DMB "/%s/%s", name, file);
	if (!dmb_read_line(path, text, size))
		ksft_exit_fail_msg("cannot read %s\n", path);
}

static unsigned long long read_block_value(const char *name, const char *file)
{
	char text[64];

	read_block_text(name, file, text, sizeof(text));
	return strtoull(text, NULL, 0);
}

static int compare_base(const void *a, const void *b)
{
	const struct dmb_block *x = a, *y = b;

	return (x->base > y->base) - (x->base < y->base);
}

int dmb_read_blocks(struct dmb_block blocks[DMB_MAX_BLOCKS])
{
	DIR *dir = opendir(SYSFS_DMB);
	struct dirent *entry;
	int nr = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)) && nr < DMB_MAX_BLOCKS) {
		struct dmb_block *block = &blocks[nr];

		if (entry->d_name[0] == '.' || entry->d_type != DT_DIR)
			continue;
		snprintf(block->name, sizeof(block->name), "%.63s", entry->d_name);
		block->base = read_block_value(block->name, "base");
		block->size = read_block_value(block->name, "size");
		block->free = read_block_value(block->name, "free");
		block->claimed = read_block_value(block->name, "claimed");
		block->node = read_block_value(block->name, "node");
		read_block_text(block->name, "zone", block->zone, sizeof(block->zone));
		nr++;
	}
	closedir(dir);
	qsort(blocks, nr, sizeof(*blocks), compare_base);
	return nr;
}

void dmb_need_blocks(void)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];

	if (!dmb_read_blocks(blocks)) {
		ksft_print_header();
		ksft_exit_skip("no blocks: boot with movablecore=size@base\n");
	}
	if (access(DEBUGFS_DMB "/audit", R_OK)) {
		ksft_print_header();
		ksft_exit_skip("cannot read " DEBUGFS_DMB "/audit\n");
	}
}

unsigned long dmb_read_value(const char *path, const char *word)
{
	size_t len = strlen(word);
	unsigned long value = 0;
	char line[256];
	FILE *f;

	f = fopen(path, "r");
	if (!f)
		ksft_exit_fail_msg("cannot read %s\n", path);
	while (fgets(line, sizeof(line), f)) {
		char *s = line + strspn(line, " ");

		if (!strncmp(s, word, len) && strchr(" :\t", s[len]))
			value += strtoul(s + len + strspn(s + len, " :\t"), NULL, 10);
	}
	fclose(f);
	return value;
}

unsigned long long dmb_meminfo(const char *field)
{
	return dmb_read_value("/proc/meminfo", field) * 1024ULL;
}

unsigned long dmb_read_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return strtoul(text, NULL, 0);
}

/*
 * A sum of the column DMB in one of two tables of /proc/pagetypeinfo, which begin
 * with "Number of blocks type" and, with page_owner=on, "Number of mixed blocks"
 */
static unsigned long sum_of_pageblocks(const char *table)
{
	FILE *f = fopen("/proc/pagetypeinfo", "r");
	unsigned long count = 0;
	bool blocks = false;
	char line[512];
	int column = 0;

	if (!f)
		ksft_exit_fail_msg("cannot read /proc/pagetypeinfo\n");
	while (fgets(line, sizeof(line), f)) {
		bool wanted = !strncmp(line, table, strlen(table));
		char *word = strtok(line, "\n ");
		int i;

		/* "Number of blocks type  Unmovable ... DMB  Isolate" */
		if (word && !strcmp(word, "Number")) {
			for (i = 0; word && strcmp(word, "DMB"); i++)
				word = strtok(NULL, "\n ");
			column = i;
			blocks = word && wanted;
			continue;
		}
		/* An empty line ends the table; a node has one of each kind. */
		if (!word)
			blocks = false;
		/* "Node 0, zone DMA32  ...": four words for the first four */
		if (!blocks || strcmp(word, "Node"))
			continue;
		for (i = 0; word && i < column; i++)
			word = strtok(NULL, "\n ");
		if (word)
			count += strtoul(word, NULL, 10);
	}
	fclose(f);
	return count;
}

unsigned long dmb_pageblocks(void)
{
	return sum_of_pageblocks("Number of blocks type");
}

static unsigned long mixed_pageblocks(void)
{
	return sum_of_pageblocks("Number of mixed blocks");
}

unsigned long dmb_pageblock_size(void)
{
	FILE *f = fopen("/proc/pagetypeinfo", "r");
	int order;

	/* Each node says so, in the same way. */
	if (!f || fscanf(f, "Page block order: %d", &order) != 1)
		ksft_exit_fail_msg("cannot read /proc/pagetypeinfo\n");
	fclose(f);
	return sysconf(_SC_PAGESIZE) << order;
}

struct dmb_audit dmb_audit(void)
{
	FILE *f = fopen(DEBUGFS_DMB "/audit", "r");
	long long page = sysconf(_SC_PAGESIZE);
	struct dmb_audit audit = { };
	long free, used, pcp, violations, poisoned;
	char line[256];

	if (!f)
		ksft_exit_fail_msg("cannot read " DEBUGFS_DMB "/audit\n");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s free %ld used %ld pcp %ld violations %ld poisoned %ld",
			   &free, &used, &pcp, &violations, &poisoned) == 5) {
			audit.used += used * page;
			audit.free += free * page;
			audit.unused += (free + pcp) * page;
			audit.violations += violations;
			audit.poisoned += poisoned * page;
			if (strstr(line, "cut short")) {
				ksft_print_msg("%s", line);
				audit.cut_short = true;
			}
		} else if (sscanf(line, " violation pfn %lx: %127[^\n]",
				  &audit.pfn, audit.reason) == 2) {
			ksft_print_msg("%s", line);
		}
	}
	fclose(f);
	return audit;
}

bool dmb_page_owner(void)
{
	return !access(PAGE_OWNER, R_OK);
}

/* May a page with these GFP flags, separated by "|", be in a block? */
static bool eligible_flags(char *names)
{
	bool highmem = false, movable = false;
	char *name, *rest;

	for (name = strtok_r(names, "|", &rest); name; name = strtok_r(NULL, "|", &rest)) {
		bool huge = !strncmp(name, "GFP_TRANSHUGE", strlen("GFP_TRANSHUGE"));
		bool user = !strcmp(name, "GFP_HIGHUSER_MOVABLE");

		highmem |= huge || user || !strcmp(name, "GFP_HIGHUSER") ||
			   !strcmp(name, "__GFP_HIGHMEM");
		movable |= huge || user || !strcmp(name, "__GFP_MOVABLE");
	}
	return highmem && movable;
}

/*
 * Does a record describe a page that must not be in a block? A record begins like this:
 *
 *	Page allocated via order 0, mask 0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), ...
 *	PFN 0x20000 type ...
 *
 * Owners may allocate their pages with any flags.
 */
static bool violating_record(const char *record, struct dmb_owners *owners,
			     unsigned long *pfn)
{
	const char *names = strchr(record, '('), *line = strstr(record, "\nPFN ");
	char copy[sizeof(owners->flags)];

	if (!names || !line || sscanf(line, "\nPFN %lx", pfn) != 1)
		ksft_exit_fail_msg("cannot understand " PAGE_OWNER ": %s\n", record);
	names++;
	snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(names, ")"), names);
	if (eligible_flags(copy) || strstr(record, "alloc_contig_range"))
		return false;
	snprintf(owners->flags, sizeof(owners->flags), "%.*s",
		 (int)strcspn(names, ")"), names);
	return true;
}

/* Read the next record from @pfn on. Return its length, or 0 if there is none. */
static ssize_t read_record(int fd, unsigned long pfn, char record[RECORD_SIZE])
{
	ssize_t len;

	/* Offsets of this file are page frames. */
	len = pread(fd, record, RECORD_SIZE - 1, pfn);
	if (len < 0)
		ksft_exit_fail_msg("cannot read " PAGE_OWNER ": %s\n", strerror(errno));
	record[len] = '\0';
	return len;
}

/* Violations, as far as one look can tell; returns how many. */
static unsigned int find_suspects(int fd, unsigned int seconds, struct dmb_owners *owners,
				  unsigned long suspects[MAX_SUSPECTS])
{
	static unsigned long cursor;
	static char record[RECORD_SIZE];
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int i, nr_blocks = dmb_read_blocks(blocks);
	unsigned long pfn, page = sysconf(_SC_PAGESIZE);
	unsigned int nr = 0;
	struct timespec began, now;

	clock_gettime(CLOCK_MONOTONIC, &began);
	if (!seconds)
		cursor = 0;
	for (i = 0; i < nr_blocks; i++) {
		unsigned long start = blocks[i].base / page;
		unsigned long end = start + blocks[i].size / page;

		if (cursor < start)
			cursor = start;
		while (cursor < end) {
			bool bad;

			clock_gettime(CLOCK_MONOTONIC, &now);
			if (nr == MAX_SUSPECTS ||
			    (seconds && now.tv_sec - began.tv_sec >= seconds))
				return nr;
			if (!read_record(fd, cursor, record))
				break;
			bad = violating_record(record, owners, &pfn);
			cursor = pfn + 1;
			if (pfn >= end)
				break;
			owners->pages++;
			if (bad)
				suspects[nr++] = pfn;
		}
		/* There may be another block right behind this one. */
		cursor = end;
	}
	cursor = 0;
	return nr;
}

struct dmb_owners dmb_audit_owners(unsigned int seconds)
{
	unsigned long suspects[MAX_SUSPECTS], pfn;
	unsigned int nr, kept, look, i, interval = 10;
	int fd = open(PAGE_OWNER, O_RDONLY);
	struct dmb_owners owners = { };
	static char record[RECORD_SIZE];

	if (fd < 0)
		return owners;
	nr = find_suspects(fd, seconds, &owners, suspects);
	/* Compaction and page reporting take free pages for a moment. */
	for (look = 1; nr && look < LOOKS; look++, interval *= 2) {
		usleep(interval * 1000);
		for (i = kept = 0; i < nr; i++) {
			if (!read_record(fd, suspects[i], record) ||
			    !violating_record(record, &owners, &pfn) ||
			    pfn != suspects[i])
				continue;
			suspects[kept++] = pfn;
			owners.pfn = pfn;
		}
		nr = kept;
	}
	close(fd);
	owners.violations = nr;
	if (nr)
		ksft_print_msg("%u pages were asked for with other flags, pfn %#lx with %s\n",
			       nr, owners.pfn, owners.flags);
	return owners;
}

/* Pages in the per-cpu lists of one CPU, or of all CPUs with -1 */
static unsigned long listed_pages(int cpu)
{
	FILE *f = fopen("/proc/zoneinfo", "r");
	unsigned long count, sum = 0;
	char line[256];
	int at = -1;

	if (!f)
		ksft_exit_fail_msg("cannot read /proc/zoneinfo\n");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " cpu: %d", &at) == 1)
			continue;
		if ((cpu < 0 || cpu == at) && sscanf(line, " count: %lu", &count) == 1)
			sum += count;
	}
	fclose(f);
	return sum;
}

struct dmb_lists dmb_read_lists(int cpu)
{
	unsigned long all = listed_pages(cpu);
	struct dmb_audit audit = dmb_audit();
	struct dmb_lists lists = {
		.designated = (audit.unused - audit.free) / sysconf(_SC_PAGESIZE),
	};

	/* They may have changed in between. */
	lists.others = all > lists.designated ? all - lists.designated : 0;
	return lists;
}

/* DmbFree with what each CPU has counted for itself, in bytes. */
static long long free_account(void)
{
	dmb_write("/proc/sys/vm/stat_refresh", "1");
	return dmb_meminfo("DmbFree");
}

struct dmb_state dmb_note_state(bool claims)
{
	struct dmb_state state = {
		.pageblocks = dmb_pageblocks(),
		.mixed = mixed_pageblocks(),
		.total = dmb_meminfo("DmbTotal"),
		.used = dmb_audit().used,
		.claims = claims,
	};

	return state;
}

const char *dmb_changed(const struct dmb_state *state)
{
	long long before = free_account();
	struct dmb_audit audit = dmb_audit();
	long long after = free_account();
	static char text[160];

	/*
	 * The counter follows the free pages from list to list. During the
	 * audit per-cpu lists may shrink, or be filled.
	 */
	if (audit.free <= (before < after ? before : after) - DMB_NOISE ||
	    audit.free >= (before < after ? after : before) + DMB_NOISE)
		snprintf(text, sizeof(text), "DmbFree %lld and %lld, %lld found free",
			 before, after, audit.free);
	else if (state->pageblocks != dmb_pageblocks())
		snprintf(text, sizeof(text), "%lu pageblocks, now %lu",
			 state->pageblocks, dmb_pageblocks());
	else if (mixed_pageblocks() > state->mixed)
		snprintf(text, sizeof(text), "%lu mixed pageblocks, now %lu",
			 state->mixed, mixed_pageblocks());
	else if (state->total != dmb_meminfo("DmbTotal") || state->total !=
		 (unsigned long long)(audit.used + audit.unused + audit.poisoned))
		snprintf(text, sizeof(text), "%llu in all, now %llu, %lld found", state->total,
			 dmb_meminfo("DmbTotal"),
			 audit.used + audit.unused + audit.poisoned);
	else if (audit.used - state->used >= DMB_NOISE ||
		 (!state->claims && state->used - audit.used >= DMB_NOISE))
		snprintf(text, sizeof(text), "%lld used, now %lld", state->used, audit.used);
	else if (audit.cut_short)
		snprintf(text, sizeof(text), "an audit that was cut short");
	else if (audit.violations)
		snprintf(text, sizeof(text), "%ld violations: %s", audit.violations,
			 audit.reason);
	else
		return NULL;
	return text;
}

unsigned long dmb_memory_block_size(void)
{
	FILE *f = fopen("/sys/devices/system/memory/block_size_bytes", "r");
	unsigned long size = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%lx", &size) != 1)
		size = 0;
	fclose(f);
	return size;
}

int dmb_set_memory_state(unsigned long address, const char *state)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/devices/system/memory/memory%lu/state",
		 address / dmb_memory_block_size());
	return dmb_write(path, state);
}

bool dmb_read_line(const char *path, char *text, size_t len)
{
	FILE *f = fopen(path, "r");
	bool read;

	*text = '\0';
	if (!f)
		return false;
	read = fgets(text, len, f);
	text[strcspn(text, "\n")] = '\0';
	fclose(f);
	return read;
}

int dmb_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int dmb_load_module(const char *path, const char *params)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return err;
}

int dmb_number_argument(int *argc, char ***argv, int otherwise)
{
	int number = *argc > 1 ? atoi((*argv)[1]) : 0;

	if (number <= 0)
		return otherwise;
	(*argv)[1] = (*argv)[0];
	(*argv)++;
	(*argc)--;
	return number;
}

static int write_range(const char *path, uint64_t base, uint64_t size)
{
	char text[64];

	snprintf(text, sizeof(text), "%#llx@%#llx", (unsigned long long)size,
		 (unsigned long long)base);
	return dmb_write(path, text);
}

int dmb_claim(uint64_t base, uint64_t size)
{
	return write_range(DMB_CLAIM, base, size);
}

int dmb_release(uint64_t base, uint64_t size)
{
	return write_range(DMB_RELEASE, base, size);
}

void dmb_drain_lists(void)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int nr = dmb_read_blocks(blocks), i;
	long page = sysconf(_SC_PAGESIZE);

	for (i = 0; i < nr; i++)
		if (!dmb_claim(blocks[i].base, page))
			dmb_release(blocks[i].base, page);
}

static int write_number(const char *path, uint64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%#llx", (unsigned long long)number);
	return dmb_write(path, text);
}

bool dmb_can_unpoison(void)
{
	return !access(SOFT_OFFLINE, W_OK) && !access(UNPOISON, W_OK);
}

int dmb_poison(uint64_t frame)
{
	return write_number(HARD_OFFLINE, frame * sysconf(_SC_PAGESIZE));
}

int dmb_poison_softly(uint64_t frame)
{
	return write_number(SOFT_OFFLINE, frame * sysconf(_SC_PAGESIZE));
}

int dmb_unpoison(uint64_t frame)
{
	return write_number(UNPOISON, frame);
}

void *dmb_touch(size_t size, bool huge)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *memory;
	size_t i;

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	madvise(memory, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (i = 0; i < size; i += page)
		memory[i] = i / page;
	return memory;
}

size_t dmb_bytes_in(const struct dmb_block *blocks, int nr, const void *memory,
		    size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint64_t *frames = dmb_frames(memory, size);
	size_t i, bytes = 0;

	for (i = 0; i < size / page; i++)
		if (dmb_find_block(blocks, nr, frames[i]) >= 0)
			bytes += page;
	free(frames);
	return bytes;
}

size_t dmb_bytes_in_blocks(const void *memory, size_t size)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int nr = dmb_read_blocks(blocks);

	return dmb_bytes_in(blocks, nr, memory, size);
}

bool dmb_run_tool(const char *tool, const char *device)
{
	char command[160];

	snprintf(command, sizeof(command), "(%s %s || busybox %s %s) >/dev/null 2>&1",
		 tool, device, tool, device);
	return !system(command);
}

unsigned long dmb_claimed(void)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int i, nr = dmb_read_blocks(blocks);
	unsigned long sum = 0;

	for (i = 0; i < nr; i++)
		sum += blocks[i].claimed;
	return sum;
}

bool dmb_find_disk(const char *serial, char device[DMB_DEVICE_NAME])
{
	DIR *dir = opendir("/sys/block");
	struct dirent *entry;
	char path[512], text[32];
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/sys/block/%s/serial", entry->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		found = fscanf(f, "%31s", text) == 1 && !strcmp(text, serial);
		if (found)
			snprintf(device, DMB_DEVICE_NAME, "/dev/%.20s", entry->d_name);
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return found;
}

bool dmb_add_zram(char device[DMB_DEVICE_NAME], size_t size)
{
	char path[64], text[32] = "";
	int fd = open("/sys/class/zram-control/hot_add", O_RDONLY);
	int id;

	if (fd < 0)
		return false;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '\0';
	close(fd);
	id = atoi(text);
	snprintf(path, sizeof(path), "/sys/block/zram%d/disksize", id);
	snprintf(device, DMB_DEVICE_NAME, "/dev/zram%d", id);
	snprintf(text, sizeof(text), "%zu", size);
	return !dmb_write(path, text);
}

bool dmb_swap_on(const char *device)
{
	return dmb_run_tool("mkswap", device) && !swapon(device, 0);
}

void dmb_read_file(int fd, size_t size)
{
	static char data[1 * MB];
	size_t done, part;

	for (done = 0; done < size; done += part) {
		part = size - done < sizeof(data) ? size - done : sizeof(data);
		if (pread(fd, data, part, done) != (ssize_t)part)
			ksft_exit_fail_msg("cannot read a file at %zu\n", done);
	}
}

int dmb_read_device(size_t size)
{
	char text[32];
	int fd;

	snprintf(text, sizeof(text), "%zu", size);
	if (dmb_write("/sys/block/zram0/reset", "1") ||
	    dmb_write("/sys/block/zram0/disksize", text))
		return -1;
	fd = open("/dev/zram0", O_RDONLY);
	if (fd >= 0)
		dmb_read_file(fd, size);
	return fd;
}

void dmb_close_device(int fd)
{
	close(fd);
	dmb_write("/sys/block/zram0/reset", "1");
}

size_t dmb_fill_pipes(size_t size)
{
	static char data[64 * 1024];
	size_t filled = 0;
	ssize_t written;

	while (filled < size && nr_filled < MAX_PIPES) {
		int *fds = pipes[nr_filled];

		if (nr_filled == nr_pipes) {
			if (pipe2(fds, O_NONBLOCK))
				break;
			nr_pipes++;
			if (fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE) < 0)
				break;
		}
		nr_filled++;
		while ((written = write(fds[1], data, sizeof(data))) > 0)
			filled += written;
	}
	return filled;
}

void dmb_empty_pipes(void)
{
	static char data[64 * 1024];

	for (; nr_filled; nr_filled--)
		while (read(pipes[nr_filled - 1][0], data, sizeof(data)) > 0)
			;
}

void dmb_close_pipes(void)
{
	for (; nr_pipes; nr_pipes--) {
		close(pipes[nr_pipes - 1][0]);
		close(pipes[nr_pipes - 1][1]);
	}
	nr_filled = 0;
}

uint64_t *dmb_frames(const void *memory, size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE), nr = size / page, done = 0, i;
	off_t offset = (uintptr_t)memory / page * sizeof(uint64_t);
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t *frames = calloc(nr, sizeof(*frames));

	if (fd < 0 || !frames)
		ksft_exit_fail_msg("cannot read /proc/self/pagemap\n");
	while (done < nr * sizeof(*frames)) {
		ssize_t len = pread(fd, (char *)frames + done,
				    nr * sizeof(*frames) - done, offset + done);

		if (len <= 0)
			ksft_exit_fail_msg("pagemap ends early\n");
		done += len;
	}
	close(fd);
	for (i = 0; i < nr; i++)
		frames[i] = frames[i] & PAGE_PRESENT ? frames[i] & PFN_MASK : 0;
	return frames;
}

int dmb_move_pages(void *memory, size_t size, const int *nodes)
{
	size_t page = sysconf(_SC_PAGESIZE), nr = size / page, i;
	void **pages = calloc(nr, sizeof(*pages));
	int *status = calloc(nr, sizeof(*status)), err = -ENOMEM;

	for (i = 0; pages && i < nr; i++)
		pages[i] = (char *)memory + i * page;
	if (pages && status)
		err = syscall(SYS_move_pages, 0, nr, pages, nodes, status,
			      MPOL_MF_MOVE) < 0 ? -errno : 0;
	/* No success if no page is where it should be */
	for (i = 0; !err && status[i] != nodes[i]; i++)
		if (i == nr - 1)
			err = status[0] < 0 ? status[0] : -EBUSY;
	free(status);
	free(pages);
	return err;
}

int dmb_find_block(const struct dmb_block *blocks, int nr, uint64_t frame)
{
	unsigned long long address = frame * sysconf(_SC_PAGESIZE);
	int i;

	for (i = 0; frame && i < nr; i++)
		if (address - blocks[i].base < blocks[i].size)
			return i;
	return -1;
}

size_t dmb_unused(const struct dmb_block *block)
{
	FILE *f = fopen(DEBUGFS_DMB "/audit", "r");
	size_t page = sysconf(_SC_PAGESIZE), unused = 0;
	unsigned long free, pcp;
	char line[256], name[64];

	if (!f)
		ksft_exit_fail_msg("cannot read " DEBUGFS_DMB "/audit\n");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s free %lu used %*u pcp %lu", name, &free, &pcp) == 3 &&
		    !strcmp(name, block->name))
			unused = (free + pcp) * page;
	fclose(f);
	return unused;
}

int dmb_run_on(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one);
}

size_t dmb_free_of_order(int order, int node)
{
	FILE *f = fopen("/proc/pagetypeinfo", "r");
	unsigned long free = 0;
	char line[512];

	if (!f)
		ksft_exit_fail_msg("cannot read /proc/pagetypeinfo\n");
	/* "Node    0, zone    DMA32, type          DMB      1      0 ..." */
	while (fgets(line, sizeof(line), f)) {
		char *count = strstr(line, " DMB ");
		int i, nid;

		if (!count || sscanf(line, "Node %d, zone %*s type", &nid) != 1 ||
		    (node >= 0 && nid != node))
			continue;
		strtok(count, " ");
		for (i = 0; (count = strtok(NULL, "\n ")); i++)
			if (i >= order)
				free += strtoul(count + strspn(count, ">"), NULL, 10) << i;
	}
	fclose(f);
	return free * sysconf(_SC_PAGESIZE);
}

void dmb_folio_size(size_t size)
{
	DIR *dir = opendir(SYSFS_THP);
	struct dirent *entry;
	unsigned long kb;
	char path[PATH_MAX];

	while (dir && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "hugepages-%lukB", &kb) != 1)
			continue;
		snprintf(path, sizeof(path), SYSFS_THP "/%s/enabled", entry->d_name);
		dmb_write(path, kb * 1024 == size ? "madvise" : "never");
	}
	if (dir)
		closedir(dir);
}

size_t dmb_huge_page_size(void)
{
	return dmb_read_number(SYSFS_THP "/hpage_pmd_size");
}
