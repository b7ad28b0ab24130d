// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to take memory out of an area that is full, and whether it can be had
 * at all: a CMA area, or blocks. For each kind of pages that are in the way, each size,
 * and each way to ask for it, prints
 *
 *	KIND.SIZEM.HOW.filled: PERCENT
 *		how much of the range was in use, if it is a certain one
 *	KIND.SIZEM.HOW.success: PERCENT
 *		of the attempts
 *	KIND.SIZEM.HOW.cost: NANOSECONDS
 *		for each MiB that was had
 *	KIND.SIZEM.HOW.p50, p99 and worst: NANOSECONDS
 *		the time of an attempt, where there were several
 *
 * With KIND.SIZEM.HOW as an argument, that one only.
 *
 * The kinds are anonymous memory and page cache with room for them elsewhere, both
 * with none, and half of the area free, the rest being anonymous memory. HOW is
 *
 *	this	a certain range. An area of CMA always has a rest that is free, at its
 *		beginning, and what is free costs nothing. So that is taken first, and
 *		the range is the one behind it.
 *	any	any range
 *	pieces	ranges of 2 MiB, anywhere
 *	quick	any range, without waiting; CMA does not know the difference
 *
 * The last three are tried one after the other until there are TRIES of them, or a third
 * of the area is taken.
 */

#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest.h"
#include "load.h"

#define CMA_DIR		"/sys/kernel/debug/cma/reserved"

/* Where there is to be any: for the largest size, and a reserve */
#define ROOM		(320 * MB)

/* For huge pages the kernel keeps three times as much free, which would be in CMA. */
#define MIN_FREE	"/proc/sys/vm/min_free_kbytes"
#define MIN_FREE_KB	"16384"

#define SECOND_NODE	"/sys/devices/system/node/node1"

#define TRIES		64
#define PIECE		2	/* MiB */
#define CHUNK		(8 * MB)

enum kind { ANONYMOUS, CACHE, BOTH, HALF };
enum how { THIS, ANY, PIECES, QUICK };

static const char *const kinds[] = { "anonymous", "cache", "both", "half" };
static const char *const hows[] = { "this", "any", "pieces", "quick" };
static const unsigned int sizes[] = { 2, 20, 64, 256 };	/* MiB */

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

/*
 * All memory is in use, as an area of CMA is not full before that. Gives up as much
 * of what is not in the area as the largest size needs to be moved to.
 */
static void make_room(char *memory, size_t size, int fd)
{
	uint64_t *frames = dmb_frames(memory, size);
	size_t i, page = sysconf(_SC_PAGESIZE), room = 0;

	if (fd >= 0)
		munmap(memory, size);
	for (i = 0; i < size && room < ROOM; i += page) {
		if (!frames[i / page] || load_frame_in_area(frames[i / page]))
			continue;
		if (fd < 0)
			madvise(memory + i, page, MADV_DONTNEED);
		else
			posix_fadvise(fd, i, page, POSIX_FADV_DONTNEED);
		room += page;
	}
	free(frames);
}

static void fill_with_cache(size_t size, bool room)
{
	int fd = load_open_cache(size);
	char *memory;

	if (fd < 0)
		ksft_exit_fail_msg("needs zram, ext4 and mke2fs\n");
	if (!room)
		return;
	memory = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (memory == MAP_FAILED)
		ksft_exit_fail_msg("cannot map the page cache\n");
	make_room(memory, size, fd);
}

/* Gives up every other chunk that is in the area. */
static void halve(char *memory, size_t size)
{
	uint64_t *frames = dmb_frames(memory, size);
	size_t i, page = sysconf(_SC_PAGESIZE);

	for (i = 0; i < size; i += page)
		if (i / CHUNK % 2 && frames[i / page] && load_frame_in_area(frames[i / page]))
			madvise(memory + i, page, MADV_DONTNEED);
	free(frames);
	/* Not to be found in per-cpu lists */
	dmb_drain_lists();
}

static void fill(enum kind kind)
{
	size_t size = load_area_free() + load_ordinary_free() - load_reserve();
	char *memory;

	/* The per-cpu lists of a second node */
	if (!access(SECOND_NODE, F_OK))
		size -= load_reserve() / 2;
	size = size / (kind == BOTH ? 2 : 1) / MB * MB;
	if (kind == CACHE || kind == BOTH)
		fill_with_cache(size, kind == CACHE);
	if (kind == CACHE)
		return;
	memory = load_write_pattern(size);
	if (!memory)
		ksft_exit_fail_msg("no memory to fill the area with\n");
	if (kind == HALF)
		halve(memory, size);
	if (kind == ANONYMOUS || kind == HALF)
		make_room(memory, size, -1);
}

static bool area_is_cma(void)
{
	return !access(CMA_DIR, X_OK);
}

/* CMA gives the first range that nobody has taken. */
static uint64_t area_base(void)
{
	struct dmb_block areas[DMB_MAX_BLOCKS];

	if (area_is_cma())
		return dmb_read_number(CMA_DIR "/base_pfn") * sysconf(_SC_PAGESIZE);
	load_areas(areas);
	return areas[0].base;
}

/* Takes so much at this address, or gives it back.  Returns 0 or -errno. */
static int ask(bool take, uint64_t base, size_t size)
{
	char text[64];

	if (!size)
		return 0;
	if (area_is_cma()) {
		snprintf(text, sizeof(text), "%zu", size / sysconf(_SC_PAGESIZE));
		return dmb_write(take ? CMA_DIR "/alloc" : CMA_DIR "/free", text);
	}
	return take ? dmb_claim(base, size) : dmb_release(base, size);
}

/* A range of the area, in MiB from its beginning, and how much of it is in use */
struct range {
	unsigned int first;
	unsigned long used;		/* pages, with those in per-cpu lists */
};

/* The first range of this many MiB in which the most is in use */
static struct range fullest_range(uint64_t base, unsigned int mib)
{
	size_t page = sysconf(_SC_PAGESIZE), per_mib = MB / page;
	size_t nr = load_area_bytes() / MB * per_mib, i;
	uint64_t *flags = malloc(nr * sizeof(*flags));
	int fd = open("/proc/kpageflags", O_RDONLY);
	struct range range = { }, best = { };

	if (!flags || pread(fd, flags, nr * sizeof(*flags), base / page * sizeof(*flags)) !=
		      (ssize_t)(nr * sizeof(*flags)))
		ksft_exit_fail_msg("cannot read /proc/kpageflags\n");
	close(fd);
	for (i = 0; i < nr; i++) {
		range.used += !(flags[i] & (1ULL << KPF_BUDDY));
		if (i >= mib * per_mib)
			range.used -= !(flags[i - mib * per_mib] & (1ULL << KPF_BUDDY));
		if ((i + 1) % per_mib || i + 1 < mib * per_mib || range.used <= best.used)
			continue;
		best.first = (i + 1) / per_mib - mib;
		best.used = range.used;
	}
	free(flags);
	return best;
}

/* Takes this range, and gives it back. */
static void measure_this(const char *name, unsigned int mib)
{
	size_t page = sysconf(_SC_PAGESIZE), before, size = mib * MB;
	uint64_t base = area_base();
	struct range range;
	double start, end;
	int err;

	range = fullest_range(base, mib);
	before = range.first * MB;
	if (ask(true, base, before))
		ksft_exit_fail_msg("cannot take what is free\n");
	printf("%s.filled: %.1f\n", name, 100.0 * range.used * page / size);

	/* Where a profile begins and ends: nobody else here does that. */
	sched_yield();
	start = now();
	err = ask(true, base + before, size);
	end = now();
	sched_yield();

	printf("%s.success: %d\n", name, err ? 0 : 100);
	if (!err) {
		printf("%s.cost: %.0f\n", name, (end - start) / mib);
		ask(false, base + before, size);
	}
	ask(false, base, before);
}

/* Takes so much anywhere. Returns how many MiB there were. */
static unsigned int take_anywhere(enum how how, unsigned int mib)
{
	size_t page = sysconf(_SC_PAGESIZE), before = dmb_claimed();
	unsigned int got = 0;
	char text[64];

	if (!area_is_cma()) {
		if (how == PIECES)
			snprintf(text, sizeof(text), "%u*%uM", mib / PIECE, PIECE);
		else
			snprintf(text, sizeof(text), "%uM%s", mib,
				 how == QUICK ? " quick" : "");
		dmb_write(DMB_CLAIM, text);
		return (dmb_claimed() - before) / MB;
	}
	if (how != PIECES) {
		snprintf(text, sizeof(text), "%zu", mib * MB / page);
		return dmb_write(CMA_DIR "/alloc", text) ? 0 : mib;
	}
	snprintf(text, sizeof(text), "%zu", PIECE * MB / page);
	while (got < mib && !dmb_write(CMA_DIR "/alloc", text))
		got += PIECE;
	return got;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void measure_anywhere(const char *name, enum how how, unsigned int mib)
{
	unsigned int tries = load_area_bytes() / MB / 3 / mib, i, got = 0, whole = 0;
	double times[TRIES], sum = 0;
	uint64_t base = area_base();

	if (!tries)
		tries = 1;
	if (tries > TRIES)
		tries = TRIES;
	sched_yield();
	for (i = 0; i < tries; i++) {
		double start = now();
		unsigned int had = take_anywhere(how, mib);

		times[i] = now() - start;
		sum += times[i];
		got += had;
		whole += had == mib;
	}
	sched_yield();
	if (area_is_cma())
		ask(false, 0, got * MB);
	else
		dmb_release(base, load_area_bytes());

	printf("%s.success: %u\n", name, 100 * whole / tries);
	if (whole == tries)
		printf("%s.cost: %.0f\n", name, sum / got);
	qsort(times, tries, sizeof(*times), compare);
	printf("%s.p50: %.0f\n%s.p99: %.0f\n%s.worst: %.0f\n", name, times[tries / 2],
	       name, times[tries * 99 / 100], name, times[tries - 1]);
}

static bool is_possible(enum kind kind, enum how how)
{
	/* A certain range is as full as ever, or free. */
	if (how == THIS)
		return kind != HALF;
	/* The zone design has claims of certain ranges only. */
	return area_is_cma() || !access(SYSFS_DMB "/spread", F_OK);
}

/* In a process of its own: what it takes goes away with it. */
static void measure(const char *name, enum kind kind, unsigned int mib, enum how how)
{
	int status;
	pid_t pid;

	load_begin();
	pid = fork();
	if (!pid) {
		fill(kind);
		if (how == THIS)
			measure_this(name, mib);
		else
			measure_anywhere(name, how, mib);
		exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		ksft_exit_fail_msg("no measurement\n");
	load_end();
}

int main(int argc, char **argv)
{
	unsigned int kind, how, i;
	char name[32];

	if (!load_area_bytes())
		ksft_exit_skip("no area\n");
	if (dmb_write(MIN_FREE, MIN_FREE_KB))
		ksft_exit_fail_msg("cannot set " MIN_FREE "\n");
	setlinebuf(stdout);

	for (how = 0; how < ARRAY_SIZE(hows); how++)
		for (kind = 0; kind < ARRAY_SIZE(kinds); kind++)
			for (i = 0; i < ARRAY_SIZE(sizes); i++) {
				snprintf(name, sizeof(name), "%s.%uM.%s", kinds[kind],
					 sizes[i], hows[how]);
				if (is_possible(kind, how) &&
				    (argc < 2 || !strcmp(argv[1], name)))
					measure(name, kind, sizes[i], how);
			}
	return 0;
}
