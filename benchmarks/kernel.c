// SPDX-License-Identifier: GPL-2.0
/*
 * Which memory controllers the kernel takes memory from that it needs for a program.
 *
 *   kernel SIZE@BASE...
 *
 * The ranges are the controllers. For some 64 MiB of pipe buffers, of page tables and of
 * inodes each, prints "WHAT.MiB-in-SIZE@BASE: NUMBER": how much less each controller has
 * free afterwards, in per-cpu lists or not. A zone counts for the controller that it
 * begins on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dmb_util.h"
#include "controllers/ranges.h"

#define MAX_RANGES	8

#define PIPES		(64 * MB)
#define NR_TABLES	16384	/* each maps 2 MiB with pages of 4 KiB */
#define NR_DIRECTORIES	65536	/* about 1 KiB each */

static struct range ranges[MAX_RANGES];
static int nr_ranges;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void read_free(double mb[MAX_RANGES])
{
	double page_mb = sysconf(_SC_PAGESIZE) / (double)MB, nr_free = 0;
	FILE *f = fopen("/proc/zoneinfo", "r");
	unsigned long value;
	char line[256];
	uint64_t at;
	int i;

	if (!f)
		fail("/proc/zoneinfo");
	memset(mb, 0, MAX_RANGES * sizeof(*mb));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " pages free %lu", &value) == 1)
			nr_free = value * page_mb;
		if (sscanf(line, " count: %lu", &value) == 1)
			nr_free += value * page_mb;
		if (sscanf(line, " start_pfn: %lu", &value) != 1)
			continue;
		at = (uint64_t)value * sysconf(_SC_PAGESIZE);
		for (i = 0; i < nr_ranges; i++)
			if (at >= ranges[i].base && at - ranges[i].base < ranges[i].size)
				mb[i] += nr_free;
	}
	fclose(f);
}

static void fill_pipes(void)
{
	if (dmb_fill_pipes(PIPES) < PIPES)
		fail("pipe");
}

static void make_tables(void)
{
	size_t size = NR_TABLES * 2 * MB, i;
	volatile char *memory = mmap(NULL, size, PROT_READ,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		fail("mmap");
	for (i = 0; i < size; i += 2 * MB)
		(void)memory[i];
}

static void make_directories(void)
{
	char name[32];
	int i;

	for (i = 0; i < NR_DIRECTORIES; i++) {
		snprintf(name, sizeof(name), "/tmp/%d", i);
		if (mkdir(name, 0700))
			fail(name);
	}
}

static const struct {
	const char *name;
	void (*take)(void);
} loads[] = {
	{ "pipes",	fill_pipes },
	{ "page-tables", make_tables },
	{ "inodes",	make_directories },
};

int main(int argc, char **argv)
{
	double before[MAX_RANGES], after[MAX_RANGES];
	size_t load;
	int i;

	for (i = 1; i < argc && nr_ranges < MAX_RANGES; i++) {
		const char *end = parse_range(&ranges[nr_ranges++], argv[i]);

		if (!end || *end) {
			fprintf(stderr, "kernel: %s is no range\n", argv[i]);
			return 1;
		}
	}
	for (load = 0; load < sizeof(loads) / sizeof(*loads); load++) {
		read_free(before);
		loads[load].take();
		read_free(after);
		for (i = 0; i < nr_ranges; i++)
			printf("%s.MiB-in-%s: %.1f\n", loads[load].name, argv[i + 1],
			       before[i] - after[i]);
	}
	return 0;
}
