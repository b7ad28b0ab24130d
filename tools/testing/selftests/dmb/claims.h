/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Claims of memory that is in use, and its tenants: pages of all kinds, whose
 * content is the same after they had to move out.
 */
#ifndef _SELFTESTS_DMB_CLAIMS_H
#define _SELFTESTS_DMB_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "dmb_util.h"

/* The alignment of claims; pageblocks may also be larger. */
#define PAGEBLOCK	(2 * MB)

/* Seconds for the requested number of claims */
#define CLAIMS_TEST	7200

/* Claims a range while it is loaded. */
#define DRIVER		"test_modules/dmb_owner.ko"

/* Switches that HUGETLB and SAME leave on */
#define HUGEPAGES	"/proc/sys/vm/nr_hugepages"
#define KSM		"/sys/kernel/mm/ksm"

/*
 * For FIXTURE_SETUP(): load_begin(), and note the first block and the state.
 * Return false if memory cannot be claimed on this machine.
 */
bool claims_choose_block(struct dmb_block *block, struct dmb_state *before);

bool claims_frame_within(uint64_t frame, uint64_t base, uint64_t size);

/* Load the driver; with @nofs it enters no file system. Return 0 or -errno. */
int claims_load_driver(uint64_t base, uint64_t size, bool nofs);

/* Start a process that reads from a pipe in 0.2 s, and return its pid. */
pid_t claims_let_go_later(const int pipes[2]);

/* Processes and files whose pages are in the way of claims */
enum tenant {
	ANONYMOUS,
	HUGE,		/* transparent huge pages */
	TMPFS,
	HUGETLB,
	SAME,		/* pages that KSM has merged */
	CLEAN,		/* page cache */
	DIRTY,
};

struct tenants {
	char *memory;
	size_t size;
	int fd;
};

/*
 * Fill @size bytes: HUGETLB half of that, DIRTY always 32 MiB. Each page has a
 * number of its own, except for SAME and CLEAN. Return false if this machine
 * has no such memory.
 */
bool claims_move_in(enum tenant kind, struct tenants *tenants, size_t size);
void claims_move_out(struct tenants *tenants);

/* Write the numbers again. */
void claims_write_stamps(const struct tenants *tenants);
/* How many pages have a byte that differs from what was written */
size_t claims_wrong_stamps(const struct tenants *tenants);
size_t claims_wrong_same(const struct tenants *tenants);	/* for SAME */

#endif /* _SELFTESTS_DMB_CLAIMS_H */
