// SPDX-License-Identifier: GPL-2.0
/*
 * Measure five known problems of memory that only some requests may use, and
 * kernel memory on demand. It also runs on kernels without blocks, with or
 * without a CMA area, for comparison.
 *
 * Each line of output has a name, a colon and the figures.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest.h"
#include "load.h"

#define MOVABLE_RUN	1000000

static int open_cache(size_t size)
{
	int fd = load_open_cache(size);

	if (fd < 0)
		ksft_exit_fail_msg("needs zram, ext4 and mke2fs\n");
	return fd;
}

static double percent(size_t part, size_t whole)
{
	return whole ? 100.0 * part / whole : 0;
}

/* Touch memory until the kernel has to reclaim or compact. */
static void fill(size_t *filled, size_t *unused)
{
	unsigned long effort = load_effort();
	size_t size = dmb_meminfo("MemTotal"), bite = 256 * 1024;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		ksft_exit_fail_msg("no address space\n");
	madvise(memory, size, MADV_NOHUGEPAGE);
	while (*filled < size && load_effort() == effort) {
		*unused = load_area_free();
		memset(memory + *filled, 1, bite);
		*filled += bite;
	}
}

static void utilization(void)
{
	size_t areas = load_area_bytes(), *seen;
	pid_t pid;

	seen = mmap(NULL, 2 * sizeof(*seen), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED)
		ksft_exit_fail_msg("no memory to start with\n");
	/* It may be killed before the kernel reclaims. */
	pid = fork();
	if (!pid) {
		fill(&seen[0], &seen[1]);
		exit(0);
	}
	waitpid(pid, NULL, 0);
	printf("filled before reclaim: %.2f%% of the area, %zu MiB in all\n",
	       percent(areas - seen[1], areas), seen[0] / MB);
}

static void reclaim(bool mglru, bool slowly)
{
	struct load_reclaim reclaim;

	load_set_mglru(mglru);
	open_cache(load_area_free() + load_ordinary_free() / 2);
	reclaim = load_reclaim_cache(slowly);
	printf("page cache lost, %s, %s: %.2f%% of %zu pages, longest skip %lu\n",
	       mglru ? "MGLRU" : "LRU", slowly ? "kswapd" : "direct",
	       percent(reclaim.lost, reclaim.pages), reclaim.pages,
	       reclaim.longest_skip);
	load_set_mglru(false);
}

static void reclaim_by_kswapd(void)
{
	reclaim(false, true);
}

static void reclaim_directly(void)
{
	reclaim(false, false);
}

static void mglru_by_kswapd(void)
{
	reclaim(true, true);
}

static void mglru_directly(void)
{
	reclaim(true, false);
}

static void atomic_requests(void)
{
	struct load_atomic run = load_atomic_run_reading(MOVABLE_RUN);

	printf("atomic requests failed: %lu of %lu, %lu above the watermark\n",
	       run.failed, run.asked, run.failed_above);
}

static void compaction_for_kernel(void)
{
	struct load_memory memory;
	struct load_travel travel;
	size_t wanted, got;

	memory = load_fragment(100, &wanted);
	got = load_hog(wanted, 3, "mayfail");
	travel = load_travel_since(&memory);
	printf("moved for the kernel: %zu pages out of the area, %zu in, %zu of %zu MiB\n",
	       travel.out, travel.in, got / MB, wanted / MB);
}

static void compact_all(const char *what, const struct load_memory *memory)
{
	struct load_travel travel;
	unsigned long scanned;

	scanned = load_vmstat("compact_migrate_scanned") +
		  load_vmstat("compact_free_scanned");
	dmb_write("/proc/sys/vm/compact_memory", "1");
	scanned = load_vmstat("compact_migrate_scanned") +
		  load_vmstat("compact_free_scanned") - scanned;
	travel = load_travel_since(memory);
	printf("compaction of %s: %lu pages scanned, %zu moved out of the area\n",
	       what, scanned, travel.out);
}

static void compaction_of_full(void)
{
	struct load_memory memory;
	size_t wanted;

	memory = load_fragment(100, &wanted);
	compact_all("full memory with holes", &memory);
}

static void compaction_of_half(void)
{
	struct load_memory memory;
	size_t wanted;

	memory = load_fragment(50, &wanted);
	compact_all("half of memory with holes", &memory);
}

static void compaction_of_solid(void)
{
	struct load_memory memory;

	memory.size = (load_area_free() + load_ordinary_free()) / 2 / MB * MB;
	memory.start = load_write_pattern(memory.size);
	memory.frames = dmb_frames(memory.start, memory.size);
	compact_all("half of memory without holes", &memory);
}

static void out_of_memory(void)
{
	struct load_cache cache;
	struct load_oom oom;

	open_cache(load_area_free() ?: 64 * MB);
	cache = load_note_cache();
	oom = load_until_oom(0);
	printf("out of memory: after %zu MiB, %.2f s and %lu pages scanned; ",
	       oom.got / MB, oom.seconds, oom.scanned);
	printf("page cache lost %.2f%%\n",
	       percent(load_cache_lost(&cache), cache.pages));
}

/* Fill all memory, empty the area, and let the kernel allocate memory. */
static void memory_on_demand(void)
{
	size_t page = sysconf(_SC_PAGESIZE), given_up = 0, size, i;
	struct load_oom oom;
	uint64_t *frames;
	char *memory;

	size = (load_area_free() + load_ordinary_free() - load_reserve()) / MB *
	       MB;
	memory = load_write_pattern(size);
	frames = dmb_frames(memory, size);
	for (i = 0; i < size / page; i++)
		if (load_frame_in_area(frames[i]))
			given_up += !madvise(memory + i * page, page,
					     MADV_DONTNEED);

	oom = load_until_oom(0);
	printf("for the kernel on demand: %zu MiB, with %zu free in the area\n",
	       oom.got / MB, given_up * page / MB);
	if (load_check_pattern(memory, size) != given_up)
		ksft_exit_fail_msg("memory has lost its content\n");
}

static const struct {
	const char *name;
	void (*measure)(void);
} figures[] = {
	{ "filled before reclaim",		utilization },
	{ "page cache lost, LRU, kswapd",	reclaim_by_kswapd },
	{ "page cache lost, LRU, direct",	reclaim_directly },
	{ "page cache lost, MGLRU, kswapd",	mglru_by_kswapd },
	{ "page cache lost, MGLRU, direct",	mglru_directly },
	{ "atomic requests failed",		atomic_requests },
	{ "moved for the kernel",		compaction_for_kernel },
	{ "compaction of full memory",	compaction_of_full },
	{ "compaction of half of memory",	compaction_of_half },
	{ "compaction without holes",	compaction_of_solid },
	{ "out of memory",			out_of_memory },
	{ "for the kernel on demand",		memory_on_demand },
};

int main(void)
{
	unsigned int i;

	if (!load_have_module())
		ksft_exit_fail_msg("needs the module dmb_load\n");
	setlinebuf(stdout);

	for (i = 0; i < ARRAY_SIZE(figures); i++) {
		int status;
		pid_t pid;

		/* Each process frees its memory when it ends. */
		load_begin();
		pid = fork();
		if (!pid) {
			figures[i].measure();
			exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			ksft_exit_fail_msg("cannot fork\n");
		if (WIFEXITED(status) && WEXITSTATUS(status))
			exit(WEXITSTATUS(status));
		if (WIFSIGNALED(status))
			printf("%s: the OOM killer took the process that measures\n",
			       figures[i].name);
		load_end();
	}
	return 0;
}
