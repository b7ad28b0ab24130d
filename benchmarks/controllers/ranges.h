/* SPDX-License-Identifier: GPL-2.0 */
/* Ranges of addresses, as SIZE@BASE with the suffixes of the kernel's command line */
#ifndef RANGES_H
#define RANGES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct range {
	uint64_t base, size;
};

static inline uint64_t parse_bytes(const char *text, char **end)
{
	static const char suffixes[] = "KMGT";
	uint64_t bytes = strtoull(text, end, 0);
	const char *suffix;

	suffix = **end ? strchr(suffixes, **end) : NULL;
	if (suffix) {
		bytes <<= 10 * (suffix - suffixes + 1);
		(*end)++;
	}
	return bytes;
}

/* Where the text ends, or NULL if it is not understood */
static inline const char *parse_range(struct range *range, const char *text)
{
	char *at;

	range->size = parse_bytes(text, &at);
	if (*at != '@')
		return NULL;
	range->base = parse_bytes(at + 1, &at);
	return at;
}

#endif
