/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Load on memory, and what reclaim, compaction and the OOM killer do about it.
 *
 * An area is where pages that can be moved may be: a block, or on a kernel
 * that has none, an area of CMA, or without that either, ZONE_MOVABLE. Ordinary
 * memory is all the rest. So the same figures can be had from other kernels.
 */
#ifndef _SELFTESTS_DMB_LOAD_H
#define _SELFTESTS_DMB_LOAD_H

#include <stdint.h>
#include <sys/types.h>

#include "dmb_util.h"

/*
 * Between these two no compaction runs that nobody has asked for, and watermarks
 * stay where they are. Whatever is left of a test that did not come to its end
 * goes away.
 */
void load_begin(void);
void load_end(void);

/* Areas of this machine, by address.  Returns how many. */
int load_areas(struct dmb_block areas[DMB_MAX_BLOCKS]);

size_t load_area_bytes(void);		/* all areas together */
size_t load_area_free(void);		/* what their counter says is free */
size_t load_ordinary_free(void);
/* Nearly full: with that much of ordinary memory free kswapd still sleeps. */
size_t load_reserve(void);

/* Sum of the /proc/vmstat counters whose names begin so. */
unsigned long load_vmstat(const char *prefix);

/* How often reclaim and compaction have been at work, in no unit. */
unsigned long load_effort(void);

bool load_frame_in_area(uint64_t frame);

/* Anonymous memory of base pages in which every page has a content of its own. */
void *load_write_pattern(size_t size);
/* Returns how many pages have not got it; those that were given up read as zero. */
size_t load_check_pattern(const void *memory, size_t size);

/* Memory, and the page frame that each of its pages had once */
struct load_memory {
	char *start;
	size_t size;
	uint64_t *frames;
};

/*
 * Memory that takes @percents of what is free, areas first, and then gives up
 * every other page; in the rest is a pattern. If that is 100 percents, the kernel
 * cannot have *@wanted bytes in pages of a higher order without compaction.
 */
struct load_memory load_fragment(unsigned int percents, size_t *wanted);
void load_release(struct load_memory *memory);

/* Where pages have gone since, in pages. */
struct load_travel {
	size_t in;		/* from ordinary memory into an area */
	size_t out;		/* the other way */
	size_t within;		/* from one place in areas to another */
};

struct load_travel load_travel_since(const struct load_memory *memory);

/* Fills the areas with anonymous memory; less than 64 KiB of them stay free. */
void *load_fill_areas(size_t *size);

/*
 * Clean page cache of a file on a file system of its own, read from the
 * beginning to the end. Returns its file descriptor, or -1 if this system has
 * not got what that takes. load_end() ends it once the file is closed.
 */
int load_open_cache(size_t size);

/* The same, but written, and so with a buffer head for each block of the file system */
int load_open_buffered(size_t size);

/* The multi-generational LRU.  Returns 0, or -errno if there is none. */
int load_set_mglru(bool on);

/* Memory that the kernel takes and cannot move: needs the module dmb_load. */
bool load_have_module(void);
/* Returns the bytes that it got; how is "kernel", "mayfail", "anywhere" or "atomic". */
size_t load_hog(size_t size, int order, const char *how);
/* The same in small bites with pauses, in which kswapd can keep up. */
size_t load_hog_slowly(size_t size, int order, const char *how);
void load_free_hogs(void);

/* A process that has memory come and go, on one CPU. To be ended by the other one. */
pid_t load_start_churn(int cpu);
void load_stop_churn(pid_t pid);

/* What becomes of page cache in areas, in pages */
struct load_cache {
	unsigned char *map;
	size_t pages;
};

/* Which pages of the areas are page cache now */
struct load_cache load_note_cache(void);
/* How many of these are not any more. To be called once. */
size_t load_cache_lost(struct load_cache *cache);

/* What reclaim does while the kernel takes memory that is full of page cache. */
struct load_reclaim {
	size_t got;			/* bytes */
	size_t wanted;
	size_t pages;			/* of page cache that were in areas */
	size_t lost;			/* of these */
	unsigned long kswapd;		/* pages scanned */
	unsigned long direct;
	unsigned long longest_skip;	/* folios, under the LRU lock */
	unsigned long for_users;	/* pages isolated for who may use areas */
};

struct load_reclaim load_reclaim_cache(bool slowly);

struct load_atomic {
	unsigned long asked;
	unsigned long failed;
	unsigned long failed_above;	/* with ordinary memory above its watermark */
};

/* A run of movable pages, the last @ring bytes of which are kept, and atomic bursts */
struct load_atomic load_atomic_run(unsigned long runs, size_t ring);

/*
 * The same while a file is read all the time, which does not fit into memory
 * with the ring. All zeroes if this system has not got what that takes.
 */
struct load_atomic load_atomic_run_reading(unsigned long runs);

/* A process that takes kernel memory until it is killed for that. */
struct load_oom {
	bool killed;
	size_t got;			/* bytes, before */
	double seconds;			/* from its last page to its end */
	unsigned long kills;
	unsigned long scanned;		/* pages, by reclaim */
};

struct load_oom load_until_oom(int order);

#endif /* _SELFTESTS_DMB_LOAD_H */
