/* SPDX-License-Identifier: GPL-2.0 */
/* Helpers for the tests of designated movable blocks */
#ifndef _SELFTESTS_DMB_UTIL_H
#define _SELFTESTS_DMB_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYSFS_DMB	"/sys/kernel/mm/dmb"
#define DEBUGFS_DMB	"/sys/kernel/debug/dmb"
#define PCP_FRACTION	"/proc/sys/vm/percpu_pagelist_high_fraction"
#define RESERVE_RATIO	"/proc/sys/vm/lowmem_reserve_ratio"
#define DMB_CLAIM	DEBUGFS_DMB "/claim"
#define DMB_RELEASE	DEBUGFS_DMB "/release"
#define SYSFS_THP	"/sys/kernel/mm/transparent_hugepage"

#define DMB_MAX_BLOCKS	256
#define MB		((size_t)1024 * 1024)

/*
 * How much two readings may differ because other processes run. With large pages
 * it is the batches that CPUs have not added to the counters yet: 128 pages.
 */
#define DMB_NOISE	dmb_noise()

struct dmb_block {
	char name[64];
	unsigned long long base;	/* bytes, like all that follow */
	unsigned long long size;
	unsigned long long free;
	unsigned long long claimed;
	int node;
	char zone[16];
};

/*
 * Seconds that the harness gives a test without a timeout of its own. The default
 * of 30 is too short for a test that touches most of the memory of an emulated
 * machine on a busy host. The file settings has the same value for each program.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	900

long dmb_noise(void);

/* Read the blocks, sorted by address. Return their number; 0 without CONFIG_DMB. */
int dmb_read_blocks(struct dmb_block blocks[DMB_MAX_BLOCKS]);

/* Skip the whole test program if there are no blocks, or no audit of them. */
void dmb_need_blocks(void);

/* Return the number that follows a word in a file such as /proc/meminfo. */
unsigned long dmb_read_value(const char *path, const char *word);
unsigned long long dmb_meminfo(const char *field);	/* bytes */

/* Return the number that a file consists of; 0 if it cannot be read. */
unsigned long dmb_read_number(const char *path);

/* The number of pageblocks of type DMB in /proc/pagetypeinfo; bytes of a pageblock */
unsigned long dmb_pageblocks(void);
unsigned long dmb_pageblock_size(void);

/*
 * The audit of all blocks together. @used is exact, unlike DmbTotal minus DmbFree:
 * neither @used nor DmbFree includes free pages in per-cpu lists.
 */
struct dmb_audit {
	long long used;		/* bytes */
	long long free;		/* bytes in the buddy allocator */
	long long unused;	/* bytes: free, or in per-cpu lists */
	long long poisoned;	/* bytes that are broken, and in none of the others */
	long violations;
	bool cut_short;		/* not all pages were judged */
	unsigned long pfn;	/* of the last violation reported */
	char reason[128];	/* for it */
};

struct dmb_audit dmb_audit(void);

/*
 * The audit of GFP flags, with page_owner=on: each page in a block that is not
 * claimed must have been allocated with __GFP_HIGHMEM and __GFP_MOVABLE. It takes long
 * if many pages are in use. dmb_audit_owners() stops after @seconds, unless they are
 * 0, and the next call continues from there.
 */
struct dmb_owners {
	unsigned long pages;	/* or larger folios, checked */
	long violations;
	unsigned long pfn;	/* of the last violation */
	char flags[256];	/* of its allocation */
};

bool dmb_page_owner(void);
struct dmb_owners dmb_audit_owners(unsigned int seconds);

/*
 * Free pages in per-cpu lists of all zones, the designated ones in those of all CPUs,
 * the others in those of one CPU, or of all with -1. No counter includes them.
 */
struct dmb_lists {
	unsigned long designated;
	unsigned long others;
};

struct dmb_lists dmb_read_lists(int cpu);

/* State that must be unchanged when a test is over */
struct dmb_state {
	unsigned long pageblocks;
	unsigned long mixed;		/* pageblocks, with page_owner=on */
	unsigned long long total;	/* bytes */
	long long used;			/* bytes */
	bool claims;
};

/*
 * With @claims, claims of the test may reclaim pages of others, for example files of
 * the root file system, if the blocks have no room for them. Such pages do not come
 * back, so fewer bytes may be used afterwards, but not more.
 */
struct dmb_state dmb_note_state(bool claims);

/* Describe what has changed; NULL if nothing has. */
const char *dmb_changed(const struct dmb_state *state);

/* Size of the units that go online and offline; 0 without memory hotplug. */
unsigned long dmb_memory_block_size(void);

/* "online" or "offline" for the unit at an address, in bytes. Return 0 or -errno. */
int dmb_set_memory_state(unsigned long address, const char *state);

/* arm64 refuses to take boot memory offline. */
#ifdef __aarch64__
#define DMB_STAYS_ONLINE	true
#else
#define DMB_STAYS_ONLINE	false
#endif

/* The kernel cannot migrate huge pages of hugetlb on 32-bit ARM. */
#ifdef __arm__
#define DMB_HUGETLB_STAYS	true
#else
#define DMB_HUGETLB_STAYS	false
#endif

/* For FIXTURE_TEARDOWN() */
#define EXPECT_UNCHANGED(state) do {					\
	const char *changed = dmb_changed(state);			\
									\
	EXPECT_EQ(NULL, changed) TH_LOG("changed: %s", changed);	\
} while (0)

/* No page in a block is there that cannot move. */
#define EXPECT_NO_VIOLATION() do {					\
	struct dmb_audit audit = dmb_audit();				\
									\
	EXPECT_EQ(0, audit.violations)					\
		TH_LOG("pfn %#lx: %s", audit.pfn, audit.reason);	\
} while (0)

/* Read the first line of a file, without its end. Return false if it has none. */
bool dmb_read_line(const char *path, char *text, size_t len);

/* Write text to a file. Return 0 or -errno. */
int dmb_write(const char *path, const char *text);

/* Load a module. Return 0 or -errno. */
int dmb_load_module(const char *path, const char *params);

/*
 * For main(): if the first argument is a number, remove it from the arguments and
 * return it. Otherwise return @otherwise.
 */
int dmb_number_argument(int *argc, char ***argv, int otherwise);

/* Claim and release a range, in bytes, by debugfs. Return 0 or -errno. */
int dmb_claim(uint64_t base, uint64_t size);
int dmb_release(uint64_t base, uint64_t size);

/* Bytes that are claimed in all blocks together */
unsigned long dmb_claimed(void);

/* Have the free pages in the per-cpu lists of all CPUs go back to the blocks. */
void dmb_drain_lists(void);

/*
 * Report a page frame as broken, or softly as about to break. The kernel takes it
 * out of use, and first saves its content if it is only about to break. Unpoisoning
 * undoes this. Return 0 or -errno.
 */
bool dmb_can_unpoison(void);
int dmb_poison(uint64_t frame);
int dmb_poison_softly(uint64_t frame);
int dmb_unpoison(uint64_t frame);

/* Map anonymous memory and touch each page. Return NULL if there is no room. */
void *dmb_touch(size_t size, bool huge);

/* Bytes of touched memory in these blocks, or in any block; needs CAP_SYS_ADMIN */
size_t dmb_bytes_in(const struct dmb_block *blocks, int nr, const void *memory,
		    size_t size);
size_t dmb_bytes_in_blocks(const void *memory, size_t size);

/* Run "mke2fs" and the like, which a small system has as "busybox mke2fs" only. */
bool dmb_run_tool(const char *tool, const char *device);

#define DMB_DEVICE_NAME	32

/* The serial number of a disk to swap to */
#define SWAP_SERIAL	"dmb-swap"

/* Find a disk by its serial number, which QEMU sets for virtio-blk with serial=. */
bool dmb_find_disk(const char *serial, char device[DMB_DEVICE_NAME]);

/* Create a zram device of so many bytes. Return false if the kernel has none. */
bool dmb_add_zram(char device[DMB_DEVICE_NAME], size_t size);

/* Make swap space of a device, and use it. */
bool dmb_swap_on(const char *device);

/* Read so many bytes from the beginning of a file, which has them. */
void dmb_read_file(int fd, size_t size);

/*
 * Fill the page cache of a block device, with pages that can be moved but must not
 * be in blocks. The device is a zram disk of zeroes. The pages stay until
 * dmb_close_device() gets the returned file descriptor. Return -1 if there is no such
 * device.
 */
int dmb_read_device(size_t size);
void dmb_close_device(int fd);

/*
 * Fill pipes with data, which the kernel cannot move. Return the bytes that they
 * hold. dmb_empty_pipes() frees their data, page by page, and leaves them open,
 * dmb_close_pipes() frees all.
 */
size_t dmb_fill_pipes(size_t size);
void dmb_empty_pipes(void);
void dmb_close_pipes(void);

/*
 * Return the page frame of each base page of mapped memory, 0 for a page that is not
 * present. The caller frees the array. Needs CAP_SYS_ADMIN.
 */
uint64_t *dmb_frames(const void *memory, size_t size);

/*
 * Move each base page to its node in @nodes. Return 0 if any is there afterwards, or
 * -errno.
 */
int dmb_move_pages(void *memory, size_t size, const int *nodes);

/* Return the index of the block that has the page frame, or -1. */
int dmb_find_block(const struct dmb_block *blocks, int nr, uint64_t frame);

/* Bytes of a block that are free or in per-cpu lists, by the audit */
size_t dmb_unused(const struct dmb_block *block);

/* Bind this process to one CPU. Return 0 if there is such a CPU. */
int dmb_run_on(int cpu);

/*
 * Return the bytes of free designated memory in pages of this order or a larger one,
 * not counting per-cpu lists, on one node, or on all nodes with -1.
 */
size_t dmb_free_of_order(int order, int node);

/*
 * Set the only size of folios, in bytes, that transparent huge pages use where
 * madvise() asks for them.
 */
void dmb_folio_size(size_t size);

/* Return the bytes that one PMD entry maps; 0 without huge pages. */
size_t dmb_huge_page_size(void);

#endif /* _SELFTESTS_DMB_UTIL_H */
