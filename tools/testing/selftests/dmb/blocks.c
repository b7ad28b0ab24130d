// SPDX-License-Identifier: GPL-2.0
/* Designated movable blocks: their table, their claims and their audit */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest.h"
#include "dmb_util.h"

#define PAGE_OWNER	"/sys/kernel/debug/page_owner"

/* Longer than a record of page_owner */
#define RECORD_SIZE	8192
#define MAX_SUSPECTS	64
#define LOOKS		10

long dmb_noise(void)
{
	long batches = 128 * sysconf(_SC_PAGESIZE), least = 2 * MB;

	return batches > least ? batches : least;
}

/* Read a file of a block, without the newline. */
static void read_block_text(const char *name, const char *file, char *text,
			    int size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), SYSFS_DMB "/%s/%s", name, file);
	if (!dmb_read_line(path, text, size))
		ksft_exit_fail_msg("cannot read %s\n", path);
}

static unsigned long long read_block_value(const char *name,
					   const char *file)
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
		snprintf(block->name, sizeof(block->name), "%.63s",
			 entry->d_name);
		block->base = read_block_value(block->name, "base");
		block->size = read_block_value(block->name, "size");
		block->free = read_block_value(block->name, "free");
		block->claimed = read_block_value(block->name, "claimed");
		block->node = read_block_value(block->name, "node");
		read_block_text(block->name, "zone", block->zone,
				sizeof(block->zone));
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

int dmb_find_block(const struct dmb_block *blocks, int nr, uint64_t frame)
{
	unsigned long long address = frame * sysconf(_SC_PAGESIZE);
	int i;

	for (i = 0; frame && i < nr; i++)
		if (address - blocks[i].base < blocks[i].size)
			return i;
	return -1;
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

unsigned long dmb_claimed(void)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int i, nr = dmb_read_blocks(blocks);
	unsigned long sum = 0;

	for (i = 0; i < nr; i++)
		sum += blocks[i].claimed;
	return sum;
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

/*
 * Sum up the column DMB of one of two tables in /proc/pagetypeinfo. They begin
 * with "Number of blocks type" and, with page_owner=on, "Number of mixed
 * blocks".
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
		/* An empty line ends the table. Each node has both tables. */
		if (!word)
			blocks = false;
		/*
		 * Four words are before the columns, as in the heading:
		 * "Node 0, zone DMA32  ..."
		 */
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

	/* All nodes have the same order. */
	if (!f || fscanf(f, "Page block order: %d", &order) != 1)
		ksft_exit_fail_msg("cannot read /proc/pagetypeinfo\n");
	fclose(f);
	return sysconf(_SC_PAGESIZE) << order;
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

		if (!count ||
		    sscanf(line, "Node %d, zone %*s type", &nid) != 1 ||
		    (node >= 0 && nid != node))
			continue;
		strtok(count, " ");
		for (i = 0; (count = strtok(NULL, "\n ")); i++)
			if (i >= order)
				free += strtoul(count + strspn(count, ">"),
						NULL, 10) << i;
	}
	fclose(f);
	return free * sysconf(_SC_PAGESIZE);
}

/* The audit of the block of this name, or of all blocks together with NULL */
static struct dmb_audit read_audit(const char *wanted)
{
	FILE *f = fopen(DEBUGFS_DMB "/audit", "r");
	long long page = sysconf(_SC_PAGESIZE);
	struct dmb_audit audit = { };
	long free, used, pcp, violations, poisoned;
	char line[256], name[64];

	if (!f)
		ksft_exit_fail_msg("cannot read " DEBUGFS_DMB "/audit\n");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s free %ld used %ld pcp %ld violations %ld poisoned %ld",
			   name, &free, &used, &pcp, &violations,
			   &poisoned) == 6) {
			if (wanted && strcmp(name, wanted))
				continue;
			audit.used += used * page;
			audit.free += free * page;
			audit.unused += (free + pcp) * page;
			audit.violations += violations;
			audit.poisoned += poisoned * page;
			if (!wanted && strstr(line, "cut short")) {
				ksft_print_msg("%s", line);
				audit.cut_short = true;
			}
		} else if (!wanted &&
			   sscanf(line, " violation pfn %lx: %127[^\n]",
				  &audit.pfn, audit.reason) == 2) {
			ksft_print_msg("%s", line);
		}
	}
	fclose(f);
	return audit;
}

struct dmb_audit dmb_audit(void)
{
	return read_audit(NULL);
}

size_t dmb_unused(const struct dmb_block *block)
{
	return read_audit(block->name).unused;
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

	for (name = strtok_r(names, "|", &rest); name;
	     name = strtok_r(NULL, "|", &rest)) {
		bool huge = !strncmp(name, "GFP_TRANSHUGE",
				     strlen("GFP_TRANSHUGE"));
		bool user = !strcmp(name, "GFP_HIGHUSER_MOVABLE");

		highmem |= huge || user || !strcmp(name, "GFP_HIGHUSER") ||
			   !strcmp(name, "__GFP_HIGHMEM");
		movable |= huge || user || !strcmp(name, "__GFP_MOVABLE");
	}
	return highmem && movable;
}

/*
 * Does a record describe a page that must not be in a block? A record begins
 * like this:
 *
 *	Page allocated via order 0, mask 0x140cca(GFP_HIGHUSER_MOVABLE|...), ...
 *	PFN 0x20000 type ...
 *
 * Owners may allocate their pages with any flags.
 */
static bool violating_record(const char *record, struct dmb_owners *owners,
			     unsigned long *pfn)
{
	const char *names = strchr(record, '(');
	const char *line = strstr(record, "\nPFN ");
	char copy[sizeof(owners->flags)];

	if (!names || !line || sscanf(line, "\nPFN %lx", pfn) != 1)
		ksft_exit_fail_msg("cannot understand " PAGE_OWNER ": %s\n",
				   record);
	names++;
	snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(names, ")"), names);
	if (eligible_flags(copy) || strstr(record, "alloc_contig_range"))
		return false;
	snprintf(owners->flags, sizeof(owners->flags), "%.*s",
		 (int)strcspn(names, ")"), names);
	return true;
}

/* Read the next record from @pfn on. Return its length; 0 if there is none. */
static ssize_t read_record(int fd, unsigned long pfn, char record[RECORD_SIZE])
{
	ssize_t len;

	/* Offsets of this file are page frames. */
	len = pread(fd, record, RECORD_SIZE - 1, pfn);
	if (len < 0)
		ksft_exit_fail_msg("cannot read " PAGE_OWNER ": %s\n",
				   strerror(errno));
	record[len] = '\0';
	return len;
}

/*
 * Collect pages that must not be in a block by what page_owner says now, though
 * they may be about to become free. Return their number.
 */
static unsigned int find_suspects(int fd, unsigned int seconds,
				  struct dmb_owners *owners,
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
		if ((cpu < 0 || cpu == at) &&
		    sscanf(line, " count: %lu", &count) == 1)
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
		.designated = (audit.unused - audit.free) /
			      sysconf(_SC_PAGESIZE),
	};

	/* The lists may have grown between the two readings. */
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
	long long found = audit.used + audit.unused + audit.poisoned;
	static char text[160];

	/*
	 * Per-cpu lists may shrink or grow during the audit, and DmbFree does
	 * not include them. So it is read before and after.
	 */
	if (audit.free <= (before < after ? before : after) - DMB_NOISE ||
	    audit.free >= (before < after ? after : before) + DMB_NOISE)
		snprintf(text, sizeof(text),
			 "DmbFree %lld and %lld, %lld found free",
			 before, after, audit.free);
	else if (state->pageblocks != dmb_pageblocks())
		snprintf(text, sizeof(text), "%lu pageblocks, now %lu",
			 state->pageblocks, dmb_pageblocks());
	else if (mixed_pageblocks() > state->mixed)
		snprintf(text, sizeof(text), "%lu mixed pageblocks, now %lu",
			 state->mixed, mixed_pageblocks());
	else if (state->total != dmb_meminfo("DmbTotal") ||
		 state->total != (unsigned long long)found)
		snprintf(text, sizeof(text),
			 "%llu in all, now %llu, %lld found",
			 state->total, dmb_meminfo("DmbTotal"), found);
	else if (audit.used - state->used >= DMB_NOISE ||
		 (!state->claims && state->used - audit.used >= DMB_NOISE))
		snprintf(text, sizeof(text), "%lld used, now %lld",
			 state->used, audit.used);
	else if (audit.cut_short)
		snprintf(text, sizeof(text), "an audit that was cut short");
	else if (audit.violations)
		snprintf(text, sizeof(text), "%ld violations: %s",
			 audit.violations, audit.reason);
	else
		return NULL;
	return text;
}
