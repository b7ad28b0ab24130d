// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to take contiguous memory out of an area that is full, and whether
 * it can be had at all: a CMA area, or blocks. For each kind of pages that are in
 * the way, and each size, prints
 *
 *	KIND.SIZEM.filled: PERCENT
 *		how much of the range was in use
 *	KIND.SIZEM.success: PERCENT
 *		100 or 0
 *	KIND.SIZEM.cost: NANOSECONDS
 *		for each MiB, if there was success
 *
 * With KIND.SIZEM as an argument, that one only.
 *
 * An area of CMA always has a rest that is free, at its beginning, and what is free
 * costs nothing. So that is taken first, and the range is the one behind it.
 *
 * The kinds are anonymous memory and page cache with room for them elsewhere, and
 * both with none.
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

enum kind { ANONYMOUS, CACHE, BOTH };

static const char *const kinds[] = { "anonymous", "cache", "both" };
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

static void fill(enum kind kind)
{
	size_t size = load_area_free() + load_ordinary_free() - load_reserve();
	char *memory;

	size = size / (kind == BOTH ? 2 : 1) / MB * MB;
	if (kind != ANONYMOUS)
		fill_with_cache(size, kind == CACHE);
	if (kind == CACHE)
		return;
	memory = load_write_pattern(size);
	if (!memory)
		ksft_exit_fail_msg("no memory to fill the area with\n");
	if (kind == ANONYMOUS)
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

static void measure(enum kind kind, unsigned int mib)
{
	size_t page = sysconf(_SC_PAGESIZE), before, size = mib * MB;
	uint64_t base = area_base();
	struct range range;
	double start, end;
	int err;

	fill(kind);
	range = fullest_range(base, mib);
	before = range.first * MB;
	if (ask(true, base, before))
		ksft_exit_fail_msg("cannot take what is free\n");
	printf("%s.%uM.filled: %.1f\n", kinds[kind], mib, 100.0 * range.used * page / size);

	/* Where a profile begins and ends: nobody else here does that. */
	sched_yield();
	start = now();
	err = ask(true, base + before, size);
	end = now();
	sched_yield();

	printf("%s.%uM.success: %d\n", kinds[kind], mib, err ? 0 : 100);
	if (!err) {
		printf("%s.%uM.cost: %.0f\n", kinds[kind], mib, (end - start) / mib);
		ask(false, base + before, size);
	}
	ask(false, base, before);
}

int main(int argc, char **argv)
{
	unsigned int kind, i;

	if (!load_area_bytes())
		ksft_exit_skip("no area\n");
	if (dmb_write(MIN_FREE, MIN_FREE_KB))
		ksft_exit_fail_msg("cannot set " MIN_FREE "\n");
	setlinebuf(stdout);

	for (kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			char name[32];
			int status;
			pid_t pid;

			snprintf(name, sizeof(name), "%s.%uM", kinds[kind], sizes[i]);
			if (argc > 1 && strcmp(argv[1], name))
				continue;

			/* A process of its own: what it takes goes away with it. */
			load_begin();
			pid = fork();
			if (!pid) {
				measure(kind, sizes[i]);
				exit(0);
			}
			if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
				ksft_exit_fail_msg("no measurement\n");
			load_end();
		}
	}
	return 0;
}
