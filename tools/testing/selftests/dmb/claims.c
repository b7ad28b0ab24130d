// SPDX-License-Identifier: GPL-2.0
/* Claims of memory that is in use, and its tenants. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "claims.h"
#include "load.h"

bool claims_choose_block(struct dmb_block *block, struct dmb_state *before)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];

	load_begin();
	dmb_read_blocks(blocks);
	*block = blocks[0];
	*before = dmb_note_state(true);
	return !access(DMB_CLAIM, W_OK);
}

bool claims_frame_within(uint64_t frame, uint64_t base, uint64_t size)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	return frame >= base / page && frame < (base + size) / page;
}

pid_t claims_let_go_later(const int pipes[2])
{
	pid_t reader = fork();
	char byte;
	long i;

	if (reader)
		return reader;
	usleep(200000);
	for (i = 0; i < sysconf(_SC_PAGESIZE); i++)
		if (read(pipes[0], &byte, 1) != 1)
			_exit(1);
	_exit(0);
}

int claims_load_driver(uint64_t base, uint64_t size, bool nofs)
{
	char params[64];

	snprintf(params, sizeof(params), "base=%#llx size=%#llx nofs=%d",
		 (unsigned long long)base, (unsigned long long)size, nofs);
	return dmb_load_module(DRIVER, params);
}

/*
 * Fill each page with a different number. zram has room for many such pages: it
 * stores only the number if that is a word of this machine.
 */
static unsigned long stamp(size_t offset)
{
	return offset / sysconf(_SC_PAGESIZE) ^ ~0UL / 3;
}

void claims_write_stamps(const struct tenants *tenants)
{
	size_t i, j, page = sysconf(_SC_PAGESIZE);

	for (i = 0; i < tenants->size; i += page) {
		unsigned long *words = (unsigned long *)(tenants->memory + i);
		unsigned long number = stamp(i);

		for (j = 0; j < page / sizeof(number); j++)
			words[j] = number;
	}
}

size_t claims_wrong_stamps(const struct tenants *tenants)
{
	size_t i, j, wrong = 0, page = sysconf(_SC_PAGESIZE);

	for (i = 0; i < tenants->size; i += page) {
		unsigned long *words = (unsigned long *)(tenants->memory + i);
		unsigned long number = stamp(i), difference = 0;

		for (j = 0; j < page / sizeof(number); j++)
			difference |= words[j] ^ number;
		wrong += !!difference;
	}
	return wrong;
}

/* Different pages, each of them several times */
static void write_same(const struct tenants *tenants)
{
	size_t i, page = sysconf(_SC_PAGESIZE);

	for (i = 0; i < tenants->size; i += page)
		memset(tenants->memory + i, i / page % 251, page);
}

size_t claims_wrong_same(const struct tenants *tenants)
{
	size_t i, wrong = 0, page = sysconf(_SC_PAGESIZE);

	/* The first byte is right, and each is like the one before it. */
	for (i = 0; i < tenants->size; i += page)
		wrong += tenants->memory[i] != (char)(i / page % 251) ||
			 memcmp(tenants->memory + i, tenants->memory + i + 1,
				page - 1);
	return wrong;
}

static bool wait_for_merges(void)
{
	int tries;

	dmb_write(KSM "/pages_to_scan", "20000");
	dmb_write(KSM "/sleep_millisecs", "10");
	dmb_write(KSM "/run", "1");
	for (tries = 0; tries < 300; tries++) {
		if (dmb_read_number(KSM "/pages_sharing") > 1000)
			return true;
		usleep(100000);
	}
	return false;
}

bool claims_move_in(enum tenant kind, struct tenants *tenants, size_t size)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char number[32];

	tenants->size = size / MB * MB;
	tenants->fd = -1;
	switch (kind) {
	case HUGETLB:
		tenants->size = tenants->size / 2 / dmb_huge_page_size() *
				dmb_huge_page_size();
		snprintf(number, sizeof(number), "%zu",
			 tenants->size / dmb_huge_page_size());
		dmb_write(HUGEPAGES, number);
		flags |= MAP_HUGETLB;
		break;
	case TMPFS:
		tenants->fd = memfd_create("tenants", 0);
		if (ftruncate(tenants->fd, tenants->size))
			return false;
		flags = MAP_SHARED;
		break;
	case CLEAN:
		tenants->fd = load_open_cache(tenants->size);
		return tenants->fd >= 0;
	case DIRTY:
		/* Dirty pages have to fit on the device. */
		tenants->size = 32 * MB;
		tenants->fd = load_open_cache(tenants->size);
		if (tenants->fd < 0)
			return false;
		flags = MAP_SHARED;
		break;
	default:
		break;
	}
	tenants->memory = mmap(NULL, tenants->size, PROT_READ | PROT_WRITE,
			       flags, tenants->fd, 0);
	if (tenants->memory == MAP_FAILED)
		return false;
	if (kind != HUGETLB)
		madvise(tenants->memory, tenants->size,
			kind == HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	if (kind == SAME) {
		write_same(tenants);
		madvise(tenants->memory, tenants->size, MADV_MERGEABLE);
		return wait_for_merges();
	}
	claims_write_stamps(tenants);
	return true;
}

void claims_move_out(struct tenants *tenants)
{
	if (tenants->memory)
		munmap(tenants->memory, tenants->size);
	if (tenants->fd >= 0)
		close(tenants->fd);
}
