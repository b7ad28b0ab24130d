/* SPDX-License-Identifier: GPL-2.0 */
/* Make and dissolve blocks while the system runs. */
#ifndef _SELFTESTS_DMB_MAKING_H
#define _SELFTESTS_DMB_MAKING_H

#include <sys/types.h>

#include "dmb_util.h"

#define SYSFS_DMB	"/sys/kernel/mm/dmb"
#define BOOT_BLOCKS	"a machine without blocks of the command line does"

/* A range of RAM, in bytes */
struct ram {
	unsigned long long base;
	unsigned long long size;
};

/* Skip all tests if the kernel cannot. Remember the blocks that there are. */
void making_begin(void);
int making_nr_boot_blocks(void);

/* A part of the largest piece of RAM, from this many eighths on, pageblocks */
struct ram making_part(unsigned int eighth, unsigned int eighths);

/* Write to "add" and "remove". Return 0 or -errno. @how is "" or " exact". */
int making_add(struct ram range, const char *how);
int making_remove(const char *name, unsigned long long size);

/* Start a process that makes blocks of a range. */
pid_t making_start(struct ram range);

/* Find the blocks that the test made in a range; return the sum of bytes. */
unsigned long long making_blocks_in(struct ram range, struct dmb_block *found,
				    int *nr);

/* Dissolve the blocks that the test made in a range. Return the last error. */
int making_remove_all(struct ram range);

#endif /* _SELFTESTS_DMB_MAKING_H */
