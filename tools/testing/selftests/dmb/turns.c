// SPDX-License-Identifier: GPL-2.0
/* How evenly the pages of a mapping are spread over memory controllers. */

#define _GNU_SOURCE
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../kselftest.h"
#include "turns.h"

/* A linear congruential generator is enough, and the same everywhere. */
static uint64_t random_state = 1;

static uint32_t next_random(void)
{
	random_state = random_state * 6364136223846793005ULL +
		       1442695040888963407ULL;
	return random_state >> 32;
}

unsigned long long turns_parse_bytes(const char *text, char **end)
{
	static const char suffixes[] = "KMGTPE";
	unsigned long long bytes = strtoull(text, end, 0);
	const char *suffix = **end ? strchr(suffixes, toupper(**end)) : NULL;

	if (suffix) {
		bytes <<= 10 * (suffix - suffixes + 1);
		(*end)++;
	}
	return bytes;
}

char *turns_map(size_t size, bool huge)
{
	size_t align = huge ? dmb_huge_page_size() : 1;
	char *memory = mmap(NULL, size + align, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		ksft_exit_fail_msg("no address space\n");
	memory = (char *)(((uintptr_t)memory + align - 1) / align * align);
	madvise(memory, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return memory;
}

static bool is_even(const size_t *share, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		if (share[i] * nr * 10 < TURNS_WINDOW * 8 ||
		    share[i] * nr * 10 > TURNS_WINDOW * 12)
			return false;
	return true;
}

static size_t most(const size_t *pages, int nr)
{
	size_t value = pages[0];
	int i;

	for (i = 1; i < nr; i++)
		if (pages[i] > value)
			value = pages[i];
	return value;
}

static size_t least(const size_t *pages, int nr)
{
	size_t value = pages[0];
	int i;

	for (i = 1; i < nr; i++)
		if (pages[i] < value)
			value = pages[i];
	return value;
}

size_t turns_room(size_t folio_size)
{
	bool base_pages = folio_size == sysconf(_SC_PAGESIZE);
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	size_t room[DMB_MAX_BLOCKS] = { };
	int nr = dmb_read_blocks(blocks), i;

	for (i = 0; i < nr; i++)
		room[i] = base_pages ? dmb_unused(&blocks[i]) : blocks[i].free;
	return least(room, nr) / 10 * 9 * nr / folio_size * folio_size;
}

struct turns turns_measure(const struct dmb_block *blocks, int nr,
			   const void *memory, size_t size, size_t page_size)
{
	size_t base_pages = page_size / sysconf(_SC_PAGESIZE);
	size_t pages = size / page_size, share[DMB_MAX_BLOCKS + 1] = { }, i;
	uint64_t *frames = dmb_frames(memory, size);
	int16_t *where = malloc(pages * sizeof(*where));
	struct turns turns = { .nr = nr };

	if (!where)
		ksft_exit_fail_msg("no memory to measure with\n");
	for (i = 0; i < pages; i++) {
		int block = dmb_find_block(blocks, nr, frames[i * base_pages]);

		where[i] = block < 0 ? nr : block;
		if (block < 0)
			turns.elsewhere++;
		else
			turns.pages[block]++;
		if (i > 1 && where[i] == where[i - 1] &&
		    where[i] == where[i - 2])
			turns.in_a_row++;

		share[where[i]]++;
		if (i >= TURNS_WINDOW)
			share[where[i - TURNS_WINDOW]]--;
		if (i < TURNS_WINDOW - 1)
			continue;
		turns.windows++;
		if (is_even(share, nr))
			turns.even++;
		turns.bandwidth += (double)TURNS_WINDOW / nr /
				   most(share, nr + 1);
	}
	turns.difference = most(turns.pages, nr) - least(turns.pages, nr);
	if (turns.windows)
		turns.bandwidth /= turns.windows;
	free(where);
	free(frames);
	return turns;
}

double turns_even_percent(const struct turns *turns)
{
	return turns->windows ? 100.0 * turns->even / turns->windows : 0;
}

void turns_churn(char *memory, size_t size, long times)
{
	size_t page = sysconf(_SC_PAGESIZE), pages = size / page;
	bool *freed = calloc(pages, sizeof(*freed));

	if (!freed)
		ksft_exit_fail_msg("no memory to churn with\n");
	while (times--) {
		size_t i = next_random() % pages;

		if (freed[i])
			memory[i * page] = 1;
		else if (madvise(memory + i * page, page, MADV_DONTNEED))
			ksft_exit_fail_msg("cannot free a page\n");
		freed[i] = !freed[i];
	}
	free(freed);
}

size_t turns_free_half(char *memory, size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE), freed = 0, i;

	for (i = 0; i < size; i += page) {
		/* The lowest bits of the generator are the least random. */
		if (next_random() >> 31 &&
		    !madvise(memory + i, page, MADV_DONTNEED))
			freed += page;
	}
	return freed;
}

void turns_touch(char *memory, size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE), i;

	for (i = 0; i < size; i += page)
		memory[i] = 1;
}
