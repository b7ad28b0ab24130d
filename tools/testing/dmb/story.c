// SPDX-License-Identifier: GPL-2.0
/*
 * The program of the guest of "make run": shows designated movable blocks in one
 * screen.
 *	story [colour]
 * Fails if something that it shows does not hold.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dmb_util.h"

#define USER_BYTES	(900 * MB)
#define KERNEL_BYTES	(200 * MB)

/* The picture: a row per GiB that has memory. */
#define CELL_BYTES	(16 * MB)
#define CELLS_PER_ROW	64
#define MAX_CELLS	4096

#define KPF_BUDDY	0x400

enum kind { HOLE, FREE, USED, DESIGNATED_FREE, DESIGNATED_USED };

static const struct {
	char letter;
	const char *colour;
	const char *meaning;
} kinds[] = {
	[HOLE] =		{ ' ', "\033[0m",  NULL },
	[FREE] =		{ '.', "\033[90m", "free" },
	[USED] =		{ 'o', "\033[1m",  "used" },
	[DESIGNATED_FREE] =	{ 'd', "\033[42;30m", "free in a block" },
	[DESIGNATED_USED] =	{ 'D', "\033[43;30m", "used in a block" },
};

static bool colour;
static int broken;

static struct dmb_block blocks[DMB_MAX_BLOCKS];
static int nr_blocks;

static void die(const char *path)
{
	perror(path);
	exit(2);
}

static const char *verdict(bool holds)
{
	if (!holds)
		broken++;
	return holds ? "true" : "NOT TRUE";
}

static void print_cell(enum kind kind)
{
	if (colour)
		fputs(kinds[kind].colour, stdout);
	putchar(kinds[kind].letter);
	if (colour)
		fputs(kinds[HOLE].colour, stdout);
}

/* Mark the cells that have memory. Return the number of cells up to its end. */
static int find_memory(bool *memory)
{
	FILE *file = fopen("/proc/iomem", "r");
	unsigned long long first, last;
	char line[256];
	int cells = 0;

	if (!file)
		die("/proc/iomem");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%llx-%llx : System RAM", &first, &last) != 2 ||
		    !strstr(line, "System RAM"))
			continue;
		cells = last / CELL_BYTES + 1;
		if (cells > MAX_CELLS)
			cells = MAX_CELLS;
		for (int i = first / CELL_BYTES; i < cells; i++)
			memory[i] = true;
	}
	fclose(file);
	return cells;
}

/* Show a cell as used if at least half of it is. */
static enum kind cell_kind(int kpageflags, int cell)
{
	static uint64_t flags[CELL_BYTES / 4096];
	unsigned long long address = (unsigned long long)cell * CELL_BYTES;
	size_t page = sysconf(_SC_PAGESIZE);
	size_t pages = CELL_BYTES / page, free = 0;
	bool designated = false;

	if (pread(kpageflags, flags, pages * 8, address / page * 8) < 0)
		die("/proc/kpageflags");
	for (size_t i = 0; i < pages; i++)
		free += !!(flags[i] & KPF_BUDDY);
	for (int i = 0; i < nr_blocks; i++)
		designated |= address - blocks[i].base < blocks[i].size;

	if (free > pages / 2)
		return designated ? DESIGNATED_FREE : FREE;
	return designated ? DESIGNATED_USED : USED;
}

static void print_picture(void)
{
	static bool memory[MAX_CELLS];
	int cells = find_memory(memory);
	int kpageflags = open("/proc/kpageflags", O_RDONLY);

	if (kpageflags < 0)
		die("/proc/kpageflags");
	for (int row = 0; row < cells; row += CELLS_PER_ROW) {
		if (!memchr(memory + row, true, CELLS_PER_ROW))
			continue;
		printf("  %2d GiB  ", row / CELLS_PER_ROW);
		for (int i = row; i < row + CELLS_PER_ROW && i < cells; i++)
			print_cell(memory[i] ? cell_kind(kpageflags, i) : HOLE);
		putchar('\n');
	}
	close(kpageflags);
}

static void print_legend(void)
{
	printf("  16 MiB:");
	for (int i = FREE; i <= DESIGNATED_USED; i++) {
		fputs("  ", stdout);
		print_cell(i);
		printf(" %s", kinds[i].meaning);
	}
	putchar('\n');
}

static void tell_user_memory(void)
{
	unsigned long long before = dmb_meminfo("DmbFree"), after;
	size_t inside, expected;
	void *memory;

	memory = dmb_touch(USER_BYTES, false);
	if (!memory)
		die("mmap");
	after = dmb_meminfo("DmbFree");
	inside = dmb_bytes_in_blocks(memory, USER_BYTES);
	expected = before < USER_BYTES ? before : USER_BYTES;

	printf("A program fills %zu MiB, %zu MiB of it in blocks. DmbFree: %llu -> %llu MiB.\n",
	       USER_BYTES / MB, inside / MB, before / MB, after / MB);
	print_picture();
	printf("  The blocks fill first: %s\n",
	       verdict(nr_blocks && inside >= expected / 100 * 95));
	munmap(memory, USER_BYTES);
}

static void tell_kernel_memory(void)
{
	unsigned long long before = dmb_meminfo("DmbFree");
	long long used = dmb_audit().used;
	size_t filled = dmb_fill_pipes(KERNEL_BYTES);

	used = dmb_audit().used - used;
	printf("It ends, and the kernel takes %zu MiB for pipe buffers. DmbFree: %llu -> %llu MiB.\n",
	       filled / MB, before / MB, dmb_meminfo("DmbFree") / MB);
	print_picture();
	printf("  The kernel stays out of the empty blocks: %s\n",
	       verdict(nr_blocks && filled >= KERNEL_BYTES && used <= DMB_NOISE));
}

static void tell_audit(void)
{
	struct dmb_audit audit = dmb_audit();

	printf("The audit looks at all %lld MiB of the blocks: %ld violations.\n",
	       (audit.used + audit.unused) / MB, audit.violations);
	printf("  Nothing that cannot move is in a block: %s\n",
	       verdict(nr_blocks && !audit.violations));
}

int main(int argc, char **argv)
{
	colour = argc > 1 && !strcmp(argv[1], "colour");
	nr_blocks = dmb_read_blocks(blocks);
	setlinebuf(stdout);

	for (int i = 0; i < nr_blocks; i++)
		printf("  " SYSFS_DMB "/%s: base 0x%llx, %llu MiB, %llu MiB free\n", blocks[i].name,
		       blocks[i].base, blocks[i].size / MB, blocks[i].free / MB);
	print_legend();
	print_picture();
	tell_user_memory();
	tell_kernel_memory();
	tell_audit();
	return broken ? 1 : 0;
}
