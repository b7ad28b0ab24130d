// SPDX-License-Identifier: GPL-2.0
/*
 * Who holds memory while it runs short, over time and by address.
 *
 *	timeline demand|cache [MILLISECONDS]
 *
 * Plays a scenario and looks at memory every so many milliseconds, 50 unless
 * told otherwise. When all is over it prints
 *
 *	area: FROM,TO
 *		for each area, in MiB of physical addresses
 *	map before: MIB,ANON,FILE,FREE,KERNEL
 *	map after: the same
 *		for each 8 MiB of physical memory, in pages
 *	sample: T,AREA_ANON,AREA_FILE,AREA_FREE,AREA_OTHER,ORDINARY_FREE,
 *		ORDINARY_ANON_FILE,PGSCAN,OOM_KILL,RELIEF_MOVED
 *		T in seconds, memory in MiB, and events since the beginning
 *	pressure: FROM,TO,WANTED,GOT,HOLDER
 *		when the kernel took memory, in seconds; MiB; and whether the
 *		process that held the memory "lived" or was "killed" for that
 *
 * Where an area is what load.h says. Nothing is printed before the end because
 * printing takes memory and time.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest.h"
#include "load.h"

#define DEMAND_BYTES	(300 * MB)

#define CELL_BYTES	(8 * MB)
#define MAX_CELLS	8192
#define MAX_SAMPLES	16384

/*
 * To look at all pages of an area takes too long to be done this often. So look
 * at RUN pages of every STRIDE: less than a huge page apart, so that what is
 * contiguous is seen in its proportion.
 */
#define RUN		64
#define STRIDE		256

/* What is to be seen before it begins and after it has ended, in samples */
#define MARGIN		10

#define KPF_UPTODATE	((uint64_t)1 << 3)
#define KPF_LRU		((uint64_t)1 << 5)
#define KPF_SLAB	((uint64_t)1 << 7)
#define KPF_BUDDY	((uint64_t)1 << 10)
#define KPF_ANON	((uint64_t)1 << 12)
#define KPF_SWAPBACKED	((uint64_t)1 << 14)
#define KPF_NOPAGE	((uint64_t)1 << 20)
#define KPF_PGTABLE	((uint64_t)1 << 26)

enum kind { ANON, FILE_CACHE, FREE, KERNEL, NR_KINDS, HOLE = NR_KINDS };

struct tally {
	unsigned long pages[NR_KINDS];
};

struct sample {
	double time;
	struct tally area;
	size_t free;			/* bytes of ordinary memory */
	size_t used;			/* of these by user pages */
	unsigned long scanned;
	unsigned long killed;
	unsigned long moved;
};

struct cell {
	unsigned long address;
	struct tally tally;
};

struct map {
	const char *name;
	struct cell cells[MAX_CELLS];
	int nr;
};

/* Of the process that holds memory, and the one that has the kernel take it */
struct shared {
	bool ready;
	size_t got;
};

struct scenario {
	const char *name;
	/* Takes the memory, and keeps it when it returns. */
	void (*hold)(void);
	/* How much the kernel wants then */
	size_t (*wanted)(void);
};

static struct dmb_block areas[DMB_MAX_BLOCKS];
static int nr_areas;

static struct map before = { .name = "before" }, after = { .name = "after" };
static struct sample samples[MAX_SAMPLES];
static int nr_samples;

static int kpageflags;
static size_t page;
static struct timespec start;
static long interval_ms = 50;
static struct shared *shared;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec - start.tv_sec + (t.tv_nsec - start.tv_nsec) / 1e9;
}

static enum kind kind_of(uint64_t flags, uint64_t pfn)
{
	/* All pages of a free block have this, not only the first. */
	if (flags & KPF_BUDDY)
		return FREE;
	if (flags & KPF_NOPAGE)
		return HOLE;
	/* These use the field that tells anonymous pages for something else. */
	if (flags & (KPF_SLAB | KPF_PGTABLE))
		return KERNEL;
	if (flags & KPF_ANON)
		return ANON;
	/* Pages in a batch on their way to the LRU lack the flag LRU. */
	if (flags & (KPF_LRU | KPF_UPTODATE | KPF_SWAPBACKED))
		return FILE_CACHE;
	/*
	 * No flag: free in a per-cpu list, or the kernel's. Only few are the
	 * former, but in an area none is the latter.
	 */
	if (!flags && dmb_find_block(areas, nr_areas, pfn) >= 0)
		return FREE;
	return KERNEL;
}

/* Counts pages from there on; returns how many there are at most nr. */
static size_t count_pages(struct tally *tally, uint64_t pfn, size_t nr)
{
	static uint64_t flags[CELL_BYTES / 4096];
	ssize_t len = pread(kpageflags, flags, nr * sizeof(*flags), pfn * sizeof(*flags));
	size_t i;

	if (len <= 0)
		return 0;
	nr = len / sizeof(*flags);
	for (i = 0; i < nr; i++) {
		enum kind kind = kind_of(flags[i], pfn + i);

		if (kind != HOLE)
			tally->pages[kind]++;
	}
	return nr;
}

/* As if the pages in between were like those looked at */
static struct tally count_areas(void)
{
	struct tally all = { };
	int i, k;

	for (i = 0; i < nr_areas; i++) {
		uint64_t pfn = areas[i].base / page;
		uint64_t end = pfn + areas[i].size / page;

		for (; pfn < end; pfn += STRIDE)
			count_pages(&all, pfn, RUN);
	}
	for (k = 0; k < NR_KINDS; k++)
		all.pages[k] *= STRIDE / RUN;
	return all;
}

static void draw_map(struct map *map)
{
	size_t nr = CELL_BYTES / page;
	uint64_t pfn = 0;
	size_t seen;

	do {
		struct cell *cell = &map->cells[map->nr];
		int k;

		memset(cell, 0, sizeof(*cell));
		cell->address = pfn * page;
		seen = count_pages(&cell->tally, pfn, nr);
		pfn += nr;
		for (k = 0; k < NR_KINDS && !cell->tally.pages[k]; k++)
			;
		if (k < NR_KINDS)
			map->nr++;
	} while (seen && map->nr < MAX_CELLS);
}

static void take_sample(void)
{
	size_t area, user = dmb_meminfo("AnonPages") + dmb_meminfo("Cached") +
			    dmb_meminfo("Buffers");
	struct sample *sample = &samples[nr_samples];

	if (nr_samples++ == MAX_SAMPLES)
		ksft_exit_fail_msg("takes longer than there is room for samples\n");
	sample->time = now();
	sample->area = count_areas();
	sample->free = load_ordinary_free();
	area = (sample->area.pages[ANON] + sample->area.pages[FILE_CACHE]) * page;
	sample->used = user > area ? user - area : 0;
	sample->scanned = load_vmstat("pgscan_kswapd") + load_vmstat("pgscan_direct") +
			  load_vmstat("pgscan_khugepaged");
	sample->killed = load_vmstat("oom_kill");
	sample->moved = load_vmstat("dmb_relief_moved");
}

/* A sample, and then the time until the next one is due */
static void watch(void)
{
	long ms = now() * 1000 / interval_ms + 1, ns;
	struct timespec next = start;

	take_sample();
	/* That may have taken longer. */
	ms = now() * 1000 > ms * interval_ms ? now() * 1000 : ms * interval_ms;
	ns = start.tv_nsec + ms % 1000 * 1000000;
	next.tv_sec += ms / 1000 + ns / 1000000000;
	next.tv_nsec = ns % 1000000000;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
}

static void give_up_areas(char *memory, size_t size)
{
	/* In bites, because what it takes to look is memory, too */
	size_t bite = 16 * MB, done, i;

	for (done = 0; nr_areas && done < size; done += bite) {
		size_t nr = size - done < bite ? size - done : bite;
		uint64_t *frames = dmb_frames(memory + done, nr);

		for (i = 0; i < nr / page; i++)
			if (dmb_find_block(areas, nr_areas, frames[i]) >= 0)
				madvise(memory + done + i * page, page, MADV_DONTNEED);
		free(frames);
	}
}

/* All is full, and then the area gets empty. */
static void hold_all_but_areas(void)
{
	size_t size = (load_area_free() + load_ordinary_free() - load_reserve()) / MB * MB;
	char *memory = dmb_touch(size, false);

	if (!memory)
		ksft_exit_fail_msg("no address space\n");
	give_up_areas(memory, size);
}

static size_t want_demand(void)
{
	return DEMAND_BYTES;
}

/* The areas and half of ordinary memory are full of clean page cache. */
static void hold_cache(void)
{
	if (load_open_cache(load_area_free() + load_ordinary_free() / 2) < 0)
		ksft_exit_fail_msg("needs zram, ext4 and mke2fs\n");
}

/* As much again as is free, so that half of the cache outside has to go */
static size_t want_half_of_cache(void)
{
	size_t cached = dmb_meminfo("Cached");
	size_t inside = count_areas().pages[FILE_CACHE] * page;
	size_t outside = cached > inside ? cached - inside : 0;

	return (load_ordinary_free() + outside / 2) / MB * MB;
}

static const struct scenario scenarios[] = {
	{ "demand",	hold_all_but_areas,	want_demand },
	{ "cache",	hold_cache,		want_half_of_cache },
};

/* What the OOM killer may take, like any process; ours only watches. */
static pid_t fork_victim(void)
{
	pid_t pid = fork();

	if (pid < 0)
		ksft_exit_fail_msg("cannot fork\n");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dmb_write("/proc/self/oom_score_adj", "0");
	}
	return pid;
}

/* False once it has ended, and then its pid is 0. */
static bool lives(pid_t *pid)
{
	if (*pid && waitpid(*pid, NULL, WNOHANG) == *pid)
		*pid = 0;
	return *pid;
}

static void play(const struct scenario *scenario)
{
	pid_t holder, taker;
	double from, to;
	size_t wanted;
	int i;

	holder = fork_victim();
	if (!holder) {
		scenario->hold();
		shared->ready = true;
		for (;;)
			pause();
	}
	while (!shared->ready) {
		if (!lives(&holder))
			ksft_exit_fail_msg("the holder of memory has not come that far\n");
		watch();
	}
	draw_map(&before);
	wanted = scenario->wanted();
	for (i = 0; i < MARGIN; i++)
		watch();

	from = now();
	taker = fork_victim();
	if (!taker) {
		shared->got = load_hog_slowly(wanted, 0, "kernel");
		_exit(0);
	}
	while (lives(&taker))
		watch();
	to = now();

	for (i = 0; i < MARGIN; i++)
		watch();
	draw_map(&after);
	printf("pressure: %.3f,%.3f,%zu,%zu,%s\n", from, to, wanted / MB,
	       shared->got / MB, lives(&holder) ? "lived" : "killed");
	if (holder) {
		kill(holder, SIGKILL);
		waitpid(holder, NULL, 0);
	}
}

static void print_map(const struct map *map)
{
	int i;

	for (i = 0; i < map->nr; i++) {
		const struct cell *cell = &map->cells[i];

		printf("map %s: %lu,%lu,%lu,%lu,%lu\n", map->name, cell->address / MB,
		       cell->tally.pages[ANON], cell->tally.pages[FILE_CACHE],
		       cell->tally.pages[FREE], cell->tally.pages[KERNEL]);
	}
}

static double mib(unsigned long pages)
{
	return (double)pages * page / MB;
}

static void print_sample(const struct sample *sample)
{
	const unsigned long *pages = sample->area.pages;

	printf("sample: %.3f,%.1f,%.1f,%.1f,%.1f,%.1f,%.1f,%lu,%lu,%lu\n", sample->time,
	       mib(pages[ANON]), mib(pages[FILE_CACHE]), mib(pages[FREE]), mib(pages[KERNEL]),
	       mib(sample->free / page), mib(sample->used / page),
	       sample->scanned - samples[0].scanned, sample->killed - samples[0].killed,
	       sample->moved - samples[0].moved);
}

static void print_all(void)
{
	int i;

	for (i = 0; i < nr_areas; i++)
		printf("area: %llu,%llu\n", areas[i].base / MB,
		       (areas[i].base + areas[i].size) / MB);
	print_map(&before);
	print_map(&after);
	for (i = 0; i < nr_samples; i++)
		print_sample(&samples[i]);
}

int main(int argc, char **argv)
{
	const struct scenario *scenario = NULL;
	unsigned int i;

	for (i = 0; argc > 1 && i < ARRAY_SIZE(scenarios); i++)
		if (!strcmp(argv[1], scenarios[i].name))
			scenario = &scenarios[i];
	if (argc > 2)
		interval_ms = atol(argv[2]);
	if (!scenario || interval_ms < 1) {
		fprintf(stderr, "usage: timeline demand|cache [MILLISECONDS]\n");
		return 2;
	}
	if (!load_have_module())
		ksft_exit_fail_msg("needs the module dmb_load\n");

	page = sysconf(_SC_PAGESIZE);
	kpageflags = open("/proc/kpageflags", O_RDONLY);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (kpageflags < 0 || shared == MAP_FAILED)
		ksft_exit_fail_msg("cannot read /proc/kpageflags\n");
	/* Who watches neither waits for its own pages nor is killed. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE) ||
	    dmb_write("/proc/self/oom_score_adj", "-1000"))
		ksft_exit_fail_msg("needs to be root\n");

	load_begin();
	nr_areas = load_areas(areas);
	clock_gettime(CLOCK_MONOTONIC, &start);
	play(scenario);
	load_end();
	print_all();
	return 0;
}
