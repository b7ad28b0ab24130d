/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Create memory pressure, and measure what reclaim, compaction and the OOM
 * killer do.
 *
 * An area is memory for movable pages: a block; on a kernel without blocks, a
 * CMA area; without either, ZONE_MOVABLE. Ordinary memory is the rest. So other
 * kernels can provide the same figures.
 */
#ifndef _SELFTESTS_DMB_LOAD_H
#define _SELFTESTS_DMB_LOAD_H

#include <stdint.h>
#include <sys/types.h>

#include "dmb_util.h"

/*
 * Between these calls there is no proactive compaction, and watermarks are not
 * boosted. Both clean up after a test that did not end regularly.
 */
void load_begin(void);
void load_end(void);

/* Read the areas, sorted by address. Return their number. */
int load_areas(struct dmb_block areas[DMB_MAX_BLOCKS]);

size_t load_area_bytes(void);		/* all areas together */
size_t load_area_free(void);		/* their free memory, by its counter */
size_t load_area_offline(void);		/* in a balloon, for example */
size_t load_ordinary_free(void);
/* The least free ordinary memory with which kswapd sleeps */
size_t load_reserve(void);

/* Sum of the /proc/vmstat counters whose names begin with @prefix */
unsigned long load_vmstat(const char *prefix);

/* How often a request has had to reclaim or to compact memory itself */
unsigned long load_stalls(void);

/* Print the counters of relief. */
void load_print_relief(void);

/* A measure, without a unit, of the work of reclaim and compaction so far */
unsigned long load_effort(void);

bool load_frame_in_area(uint64_t frame);

/* Write different content to each page. */
void load_fill_pattern(void *memory, size_t size);
/* Map anonymous base pages for that. */
void *load_write_pattern(size_t size);
/* Count the pages with other content. Freed pages read as zero. */
size_t load_check_pattern(const void *memory, size_t size);

/*
 * For a child process: write and check a pattern again and again, and fork
 * meanwhile. It exits if a page has other content, and dies with its parent.
 */
void load_verify_forever(size_t size);

/* Start such processes; stop them, and return how many had ended before. */
void load_start_verifying(pid_t *pids, int nr, size_t size);
int load_stop_verifying(const pid_t *pids, int nr);

/* Memory, and the page frames that its pages had when they were recorded */
struct load_memory {
	char *start;
	size_t size;
	uint64_t *frames;
};

/*
 * Allocate @percents of free memory, areas first, write a pattern, and free
 * every other page. With 100, the kernel cannot get *@wanted bytes in pages of
 * a higher order without compaction.
 */
struct load_memory load_fragment(unsigned int percents, size_t *wanted);
void load_release(struct load_memory *memory);

/* Where pages have moved since, in pages */
struct load_travel {
	size_t in;		/* from ordinary memory into an area */
	size_t out;		/* from an area into ordinary memory */
	size_t within;		/* from one place in areas to another */
};

struct load_travel load_travel_since(const struct load_memory *memory);

/* Fill the areas with anonymous memory. Less than 64 KiB stay free. */
void *load_fill_areas(size_t *size);

/* Fill an empty file with clean page cache, or with zeroes not yet written. */
void load_fill_clean(int fd, size_t size);
void load_fill_dirty(int fd, size_t size);

/*
 * Create clean page cache: read a file on a separate file system from beginning
 * to end. Return its file descriptor, or -1 if the system lacks the
 * requirements. Once the file is closed, load_end() removes the file system.
 */
int load_open_cache(size_t size);

/* The same for a file that was written, so that pages have buffer heads. */
int load_open_buffered(size_t size);

/*
 * Make a file system. Return a file descriptor of its directory, or -1 if the
 * system lacks the requirements. Once that is closed, load_end() removes the
 * file system.
 */
int load_open_disk(size_t size);

/* Make files of one page each there. Return how many could be made. */
size_t load_make_files(size_t nr);

/* Switch the multi-gen LRU on or off. Return 0, or -errno if there is none. */
int load_set_mglru(bool on);

/* Kernel memory that cannot be moved. Needs the module dmb_load. */
bool load_have_module(void);
/* What the last hog got, in bytes, and the monotonic time of its last page */
void load_hog_outcome(size_t *got, uint64_t *last_ns);
/* @how is "kernel", "mayfail", "anywhere" or "atomic". Return the bytes. */
size_t load_hog(size_t size, int order, const char *how);
/* The same in small steps, with pauses in which kswapd can catch up */
size_t load_hog_slowly(size_t size, int order, const char *how);
void load_free_hogs(void);

/* Start a process that allocates and frees memory on one CPU; stop it. */
pid_t load_start_churn(int cpu);
void load_stop_churn(pid_t pid);

/* The page cache in areas, in pages */
struct load_cache {
	unsigned char *map;
	size_t pages;
};

/* Record which pages of the areas are page cache. */
struct load_cache load_note_cache(void);
/* Return how many of them no longer are. Call it once. */
size_t load_cache_lost(struct load_cache *cache);

/* Reclaim while the kernel allocates memory that is full of page cache */
struct load_reclaim {
	size_t got;			/* bytes */
	size_t wanted;
	size_t pages;			/* of page cache that were in areas */
	size_t lost;			/* of these */
	unsigned long kswapd;		/* pages scanned */
	unsigned long direct;
	unsigned long longest_skip;	/* folios, under the LRU lock */
	unsigned long for_users;	/* pages isolated for user requests */
};

struct load_reclaim load_reclaim_cache(bool slowly);

struct load_atomic {
	unsigned long asked;
	unsigned long failed;
	/* failed although ordinary memory was above its watermark */
	unsigned long failed_above;
};

/* Allocate movable pages, of which @ring bytes are kept, and atomic bursts. */
struct load_atomic load_atomic_run(unsigned long runs, size_t ring);

/*
 * The same, while a file is read that does not fit into memory beside the ring.
 * All zeroes if the system lacks the requirements.
 */
struct load_atomic load_atomic_run_reading(unsigned long runs);

/* A process that allocates kernel memory until the OOM killer kills it */
struct load_oom {
	bool killed;
	size_t got;			/* bytes, before */
	double seconds;			/* from its last page to its end */
	unsigned long kills;
	unsigned long scanned;		/* pages, by reclaim */
};

struct load_oom load_until_oom(int order);

/* Let a pipe hold a reference to a page until it is read, or closed. */
bool load_hold_page(void *page, int pipes[2]);

/* Wait so many seconds for a process to end, and return whether it has. */
bool load_ends_within(pid_t pid, int seconds);

#endif /* _SELFTESTS_DMB_LOAD_H */
