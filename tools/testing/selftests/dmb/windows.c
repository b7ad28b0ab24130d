// SPDX-License-Identifier: GPL-2.0
/*
 * How user memory is spread over memory controllers, for people and scripts.
 *
 *   windows [-s SIZE] [-c TIMES] [-H] [SIZE@BASE...]
 *
 * Touches anonymous memory of that size (900M, or nine tenths of what blocks of
 * equal size have free), and looks at it through all windows of 64 consecutive
 * pages. The controllers are the ranges of physical memory given, or else the
 * blocks of this machine, so that it can tell something of any kernel.
 *
 *   -c	then free or touch a random page so many times, touch all, look again
 *   -H	transparent huge pages
 */

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest.h"
#include "turns.h"

#define DEFAULT_SIZE	(900 * MB)

static void usage(void)
{
	fputs("windows [-s SIZE] [-c TIMES] [-H] [SIZE@BASE...]\n", stderr);
	exit(KSFT_FAIL);
}

/* Parse words such as 512M@1G. Return the number of ranges. */
static int parse_ranges(char **words, struct dmb_block *ranges)
{
	char *end;
	int nr;

	for (nr = 0; words[nr] && nr < DMB_MAX_BLOCKS; nr++) {
		ranges[nr].size = turns_parse_bytes(words[nr], &end);
		if (*end != '@')
			usage();
		ranges[nr].base = turns_parse_bytes(end + 1, &end);
		if (*end)
			usage();
		snprintf(ranges[nr].name, sizeof(ranges[nr].name), "%.31s",
			 words[nr]);
	}
	return nr;
}

static void report(const char *when, const struct dmb_block *ranges, int nr,
		   const char *memory, size_t size, size_t page_size)
{
	struct turns turns = turns_measure(ranges, nr, memory, size, page_size);
	int i;

	for (i = 0; i < nr; i++)
		printf("%s: %zu pages in %s\n", when, turns.pages[i],
		       ranges[i].name);
	printf("%s: %zu pages elsewhere\n", when, turns.elsewhere);
	printf("%s: %.1f%% of %zu windows even\n", when,
	       turns_even_percent(&turns), turns.windows);
	printf("%s: bandwidth %.3f of ideal\n", when, turns.bandwidth);
}

int main(int argc, char **argv)
{
	struct dmb_block ranges[DMB_MAX_BLOCKS];
	size_t page_size = sysconf(_SC_PAGESIZE);
	size_t size = DEFAULT_SIZE;
	bool huge = false, size_given = false;
	long times = 0;
	char *memory, *end;
	int nr, option;

	while ((option = getopt(argc, argv, "s:c:H")) != -1) {
		switch (option) {
		case 's':
			size = turns_parse_bytes(optarg, &end);
			if (!size || *end)
				usage();
			size_given = true;
			break;
		case 'c':
			times = atol(optarg);
			break;
		case 'H':
			huge = true;
			break;
		default:
			usage();
		}
	}

	if (huge) {
		page_size = dmb_huge_page_size();
		if (!page_size)
			ksft_exit_fail_msg("no transparent huge pages\n");
		dmb_folio_size(page_size);
	}
	if (optind < argc) {
		nr = parse_ranges(argv + optind, ranges);
	} else {
		nr = dmb_read_blocks(ranges);
		if (!size_given && nr && turns_room(page_size) < size)
			size = turns_room(page_size);
	}
	if (!nr) {
		fputs("no blocks here, and no ranges given\n", stderr);
		return KSFT_SKIP;
	}

	size = size / page_size * page_size;
	memory = turns_map(size, huge);
	turns_touch(memory, size);
	report("fresh", ranges, nr, memory, size, page_size);
	if (times) {
		turns_churn(memory, size, times);
		turns_touch(memory, size);
		report("churned", ranges, nr, memory, size, page_size);
	}
	return 0;
}
