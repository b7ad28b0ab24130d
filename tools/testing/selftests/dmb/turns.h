/* SPDX-License-Identifier: GPL-2.0 */
/* How evenly the pages of a mapping are spread over memory controllers. */
#ifndef _SELFTESTS_DMB_TURNS_H
#define _SELFTESTS_DMB_TURNS_H

#include <stdbool.h>
#include <stddef.h>

#include "dmb_util.h"

/* Consecutive pages that make a window */
#define TURNS_WINDOW	64

struct turns {
	int nr;				/* controllers */
	size_t pages[DMB_MAX_BLOCKS];	/* of each controller */
	size_t elsewhere;		/* of none of them */
	size_t windows;			/* all of them, at every page a new one begins */
	size_t even;			/* windows with 0.8/N to 1.2/N of each */
	size_t difference;		/* in pages, between most and least */
	size_t in_a_row;		/* pages on the controller that the two before are on */
	double bandwidth;		/* that equal controllers reach, relative to ideal */
};

/*
 * What may be touched in folios of this size before the first of the blocks is
 * full when they take turns, with a tenth left for other processes. Base pages
 * in per-cpu lists are good for base pages only.
 */
size_t turns_room(size_t folio_size);

/* A number of bytes with an optional suffix, as on the kernel command line */
unsigned long long turns_parse_bytes(const char *text, char **end);

/* Anonymous memory, not touched, where huge pages have their place. */
char *turns_map(size_t size, bool huge);

/*
 * Looks at memory page by page, or huge page by huge page. Each block is taken
 * for a controller; what is in none of them counts as one more, so that it does
 * not pass for bandwidth.
 */
struct turns turns_measure(const struct dmb_block *blocks, int nr,
			   const void *memory, size_t size, size_t page_size);

double turns_even_percent(const struct turns *turns);

/*
 * So many times frees or touches a page, a random one, of touched memory. The
 * same pages each time it runs. Leaves about half of them free.
 */
void turns_churn(char *memory, size_t size, long times);

/* Frees every page of touched memory with a probability of one half. */
size_t turns_free_half(char *memory, size_t size);

/* Touches each page, also those that are there. */
void turns_touch(char *memory, size_t size);

#endif /* _SELFTESTS_DMB_TURNS_H */
