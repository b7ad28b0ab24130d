/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of designated movable blocks share. */
#ifndef _SELFTESTS_DMB_UTIL_H
#define _SELFTESTS_DMB_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYSFS_DMB	"/sys/kernel/mm/dmb"
#define DEBUGFS_DMB	"/sys/kernel/debug/dmb"
#define PCP_FRACTION	"/proc/sys/vm/percpu_pagelist_high_fraction"
#define DMB_CLAIM	DEBUGFS_DMB "/claim"
#define SYSFS_THP	"/sys/kernel/mm/transparent_hugepage"

#define DMB_MAX_BLOCKS	256
#define MB		((size_t)1024 * 1024)

/*
 * Other processes do not stand still: what two readings may differ by. Where pages
 * are large, it is what CPUs have in batches and have not counted yet: 128 pages.
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
 * Seconds that the harness gives a test which does not say how long it takes. Its
 * own 30 are short for one that touches most of the memory of an emulated machine
 * on a busy host. As long as the file settings gives all of them together.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	900

long dmb_noise(void);

/* Blocks of this machine, by address.  Returns how many; 0 without CONFIG_DMB. */
int dmb_read_blocks(struct dmb_block blocks[DMB_MAX_BLOCKS]);

/* Skips the whole test program if there are no blocks, or no audit of them. */
void dmb_need_blocks(void);

/* A number from a file such as /proc/meminfo, by the word it follows. */
unsigned long dmb_read_value(const char *path, const char *word);
unsigned long long dmb_meminfo(const char *field);	/* bytes */

/* The number that a file consists of; 0 if it cannot be read. */
unsigned long dmb_read_number(const char *path);

/* Pageblocks of the type DMB, from /proc/pagetypeinfo, and bytes in one of any type. */
unsigned long dmb_pageblocks(void);
unsigned long dmb_pageblock_size(void);

/*
 * What the audit says of all blocks together. Used bytes are exact where
 * DmbFree is not: free pages in per-cpu lists are in neither.
 */
struct dmb_audit {
	long long used;		/* bytes */
	long long free;		/* bytes in the buddy allocator */
	long long unused;	/* bytes: free, or in per-cpu lists */
	long long poisoned;	/* bytes that are broken, and in none of the others */
	long violations;
	bool cut_short;		/* not all pages were judged */
	unsigned long pfn;	/* of the last violation reported */
	char reason[128];	/* of that */
};

struct dmb_audit dmb_audit(void);

/*
 * What page_owner=on says of the pages in blocks: each that nobody claims must have
 * been asked for with __GFP_HIGHMEM and __GFP_MOVABLE. That takes long where many are
 * in use. With a number of seconds it ends after as many, and the next one goes on
 * from there.
 */
struct dmb_owners {
	unsigned long pages;	/* or larger folios, looked at */
	long violations;
	unsigned long pfn;	/* of the last violation */
	char flags[256];	/* that it was asked for with */
};

bool dmb_page_owner(void);
struct dmb_owners dmb_audit_owners(unsigned int seconds);

/* Free pages in per-cpu lists, of all zones and CPUs: no counter has them. */
struct dmb_lists {
	unsigned long designated;
	unsigned long others;
};

struct dmb_lists dmb_read_lists(void);

/* What must be as it was when a test is over */
struct dmb_state {
	unsigned long pageblocks;
	unsigned long mixed;		/* pageblocks, with page_owner=on */
	unsigned long long total;	/* bytes */
	long long used;			/* bytes */
	bool claims;
};

/*
 * With @claims, those of the test may move pages of others, the files of the root
 * file system for one, out of blocks that have no room for them. They do not come
 * back, so that less may be used then, and no more.
 */
struct dmb_state dmb_note_state(bool claims);

/* What is not, in words, or NULL */
const char *dmb_changed(const struct dmb_state *state);

/* Size of the units that go online and offline; 0 without memory hotplug. */
unsigned long dmb_memory_block_size(void);

/* arm64 refuses to take anything offline that was there at boot. */
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

/* In the teardown of a fixture of the harness */
#define EXPECT_UNCHANGED(state) do {					\
	const char *changed = dmb_changed(state);			\
									\
	EXPECT_EQ(NULL, changed) TH_LOG("changed: %s", changed);	\
} while (0)

/* Writes text to a file.  Returns 0 or -errno. */
int dmb_write(const char *path, const char *text);

/* Loads a module. Returns 0 or -errno. */
int dmb_load_module(const char *path, const char *params);

/*
 * For main(): takes a first argument that is a number away from the others, and
 * returns it, or @otherwise if there is none.
 */
int dmb_number_argument(int *argc, char ***argv, int otherwise);

/* Plays the owner of a range, in bytes.  Return 0 or -errno. */
int dmb_claim(uint64_t base, uint64_t size);
int dmb_release(uint64_t base, uint64_t size);

/*
 * Makes the kernel believe that a page frame is broken, so that it is taken out of
 * use, or is about to break: its content is saved first, then. And takes the mark
 * off again. Return 0 or -errno.
 */
bool dmb_can_unpoison(void);
int dmb_poison(uint64_t frame);
int dmb_poison_softly(uint64_t frame);
int dmb_unpoison(uint64_t frame);

/* Anonymous memory, every page of it touched; NULL if there is no room. */
void *dmb_touch(size_t size, bool huge);

/* How many bytes of touched memory lie in these blocks, or in any; needs CAP_SYS_ADMIN. */
size_t dmb_bytes_in(const struct dmb_block *blocks, int nr, const void *memory,
		    size_t size);
size_t dmb_bytes_in_blocks(const void *memory, size_t size);

/*
 * Fills the page cache of a block device: pages that can be moved but must not
 * be in blocks. The device is zram and holds nothing but zeroes. They stay
 * until the file descriptor returned is handed to dmb_close_device(). Returns
 * -1 if there is no such device.
 */
int dmb_read_device(size_t size);
void dmb_close_device(int fd);

/*
 * Memory that the kernel cannot move: pipes full of data.  Returns the bytes
 * that they hold; dmb_close_pipes() gives them back.
 */
size_t dmb_fill_pipes(size_t size);
void dmb_close_pipes(void);

/*
 * The page frames behind mapped memory, one for each base page, 0 where there is
 * none; needs CAP_SYS_ADMIN. Hand them to free().
 */
uint64_t *dmb_frames(const void *memory, size_t size);

/* Moves each base page to the node that it has in @nodes. Returns 0 or -errno. */
int dmb_move_pages(void *memory, size_t size, const int *nodes);

/* The block that a page frame is in, or -1. */
int dmb_find_block(const struct dmb_block *blocks, int nr, uint64_t frame);

/* What the audit says is free in one block, or in per-cpu lists; bytes. */
size_t dmb_unused(const struct dmb_block *block);

/* From now on this process runs on one CPU.  Returns 0 if there is such a one. */
int dmb_run_on(int cpu);

/*
 * Free designated memory in pages of this order and larger ones, without what
 * is in per-cpu lists; of one node, or with -1 of all.
 */
size_t dmb_free_of_order(int order, int node);

/*
 * Transparent huge pages become folios of this size in bytes, and no other,
 * where madvise() asks for them.
 */
void dmb_folio_size(size_t size);

/* Bytes that one entry of a page middle directory maps; 0 without huge pages. */
size_t dmb_huge_page_size(void);

#endif /* _SELFTESTS_DMB_UTIL_H */
