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
	size_t windows;			/* all of them; each page begins one */
	size_t even;			/* with 0.8/N to 1.2/N of each */
	size_t difference;		/* in pages, between most and least */
	size_t in_a_row;		/* pages on that of the two before */
	double bandwidth;		/* relative to the ideal */
};

/*
 * Return how many bytes can be touched in folios of this size before the first
 * of the blocks is full, if they take turns. A tenth is left for other
 * processes. Free pages in per-cpu lists only count for base pages.
 */
size_t turns_room(size_t folio_size);

/* Parse a number of bytes, with suffixes as on the kernel command line. */
unsigned long long turns_parse_bytes(const char *text, char **end);

/* Map anonymous memory, aligned for huge pages, without touching it. */
char *turns_map(size_t size, bool huge);

/*
 * Look up memory page by page, or huge page by huge page. Each block stands for
 * a controller. Pages outside of blocks count as one more controller, so that
 * they do not add bandwidth.
 */
struct turns turns_measure(const struct dmb_block *blocks, int nr,
			   const void *memory, size_t size, size_t page_size);

double turns_even_percent(const struct turns *turns);

/*
 * Free or touch a random page of touched memory, @times times. Each run uses
 * the same pages. About half of them are free afterwards.
 */
void turns_churn(char *memory, size_t size, long times);

/* Free every page of touched memory with a probability of one half. */
size_t turns_free_half(char *memory, size_t size);

/* Touch each page, including those that are present. */
void turns_touch(char *memory, size_t size);

#endif /* _SELFTESTS_DMB_TURNS_H */
