/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The memory blocks of memory hotplug, and whether all files that tell how much
 * memory there is, and of what kind, tell the same.
 */
#ifndef _SELFTESTS_DMB_MEMORY_H
#define _SELFTESTS_DMB_MEMORY_H

#include "dmb_util.h"

/* What /proc/iomem calls a designated block */
#define MEMORY_DESIGNATED	"Designated Movable Block"

/* Read a file of the memory block at an address, such as "valid_zones". */
bool memory_read(unsigned long address, const char *file, char *text,
		 size_t len);
bool memory_present(unsigned long address);
bool memory_online(unsigned long address);

/* Find the designated blocks that overlap a range. Return their number. */
int memory_blocks_in(unsigned long start, unsigned long end,
		     struct dmb_block *found);

/* Has /proc/iomem a line of this name and range, within another line? */
bool memory_in_iomem(const char *name, unsigned long start,
		     unsigned long bytes);

/* A zone in /proc/zoneinfo, in pages */
struct memory_zone {
	int node;
	char name[16];
	unsigned long free;		/* without those in blocks */
	unsigned long free_dmb;
	unsigned long boost;
	unsigned long min;		/* including the boost */
	unsigned long spanned;
	unsigned long present;
	unsigned long managed;
	unsigned long dmb;
	unsigned long kept;		/* from requests that may use all */
};

#define MEMORY_MAX_ZONES	64

/* Read the zones. Return their number. */
int memory_read_zones(struct memory_zone zones[MEMORY_MAX_ZONES]);

/* The first zone of this name; all zeroes if there is none */
struct memory_zone memory_zone(const char *name);

/*
 * Compare /proc/zoneinfo, /proc/meminfo, /proc/iomem, /proc/pagetypeinfo and
 * the files of blocks and of memory blocks in sysfs. @unplugged are the bytes
 * of blocks that a balloon or virtio-mem has taken. Return what is wrong, or
 * NULL.
 */
const char *memory_contradiction(unsigned long unplugged);

#define EXPECT_AGREEMENT(unplugged) do {				\
	const char *wrong = memory_contradiction(unplugged);		\
									\
	EXPECT_EQ(NULL, wrong) TH_LOG("accounts differ: %s", wrong);	\
} while (0)

#endif /* _SELFTESTS_DMB_MEMORY_H */
