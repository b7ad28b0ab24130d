// SPDX-License-Identifier: GPL-2.0
/* Make and dissolve blocks while the system runs. */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest.h"
#include "making.h"

/* The blocks that other tests need */
static struct dmb_block boot_blocks[DMB_MAX_BLOCKS];
static int nr_boot_blocks;

void making_begin(void)
{
	if (access(SYSFS_DMB "/add", W_OK))
		ksft_exit_skip("this kernel makes no blocks at run time\n");
	nr_boot_blocks = dmb_read_blocks(boot_blocks);
}

int making_nr_boot_blocks(void)
{
	return nr_boot_blocks;
}

/* The largest piece of RAM */
static struct ram find_ram(void)
{
	FILE *iomem = fopen("/proc/iomem", "r");
	struct ram ram = { 0, 0 };
	unsigned long long start, end;
	char line[256];

	while (iomem && fgets(line, sizeof(line), iomem)) {
		if (*line == ' ' || !strstr(line, ": System RAM") ||
		    sscanf(line, "%llx-%llx", &start, &end) != 2 ||
		    end + 1 - start <= ram.size)
			continue;
		ram.base = start;
		ram.size = end + 1 - start;
	}
	if (iomem)
		fclose(iomem);
	return ram;
}

struct ram making_part(unsigned int eighth, unsigned int eighths)
{
	struct ram ram = find_ram(), result;
	unsigned long long unit = dmb_pageblock_size();

	result.base = (ram.base + ram.size / 8 * eighth + unit - 1) / unit *
		      unit;
	result.size = ram.size / 8 * eighths / unit * unit;
	return result;
}

int making_add(struct ram range, const char *how)
{
	char text[64];

	snprintf(text, sizeof(text), "%llu@%#llx%s", range.size, range.base,
		 how);
	return dmb_write(SYSFS_DMB "/add", text);
}

int making_remove(const char *name, unsigned long long size)
{
	char text[64];

	if (size)
		snprintf(text, sizeof(text), "%.31s %llu", name, size);
	else
		snprintf(text, sizeof(text), "%.31s", name);
	return dmb_write(SYSFS_DMB "/remove", text);
}

pid_t making_start(struct ram range)
{
	pid_t pid = fork();

	if (!pid)
		_exit(!!making_add(range, ""));
	return pid;
}

static bool within(const struct dmb_block *block, struct ram range)
{
	return block->base >= range.base &&
	       block->base + block->size <= range.base + range.size;
}

static bool of_boot(const struct dmb_block *block)
{
	int i;

	for (i = 0; i < nr_boot_blocks; i++)
		if (boot_blocks[i].base == block->base)
			return true;
	return false;
}

unsigned long long making_blocks_in(struct ram range, struct dmb_block *found,
				    int *nr)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int i, all = dmb_read_blocks(blocks);
	unsigned long long bytes = 0;

	*nr = 0;
	for (i = 0; i < all; i++) {
		if (!within(&blocks[i], range) || of_boot(&blocks[i]))
			continue;
		found[(*nr)++] = blocks[i];
		bytes += blocks[i].size;
	}
	return bytes;
}

int making_remove_all(struct ram range)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int i, nr, err = 0;

	making_blocks_in(range, blocks, &nr);
	for (i = 0; i < nr; i++)
		err = making_remove(blocks[i].name, 0) ?: err;
	return err;
}
