// SPDX-License-Identifier: GPL-2.0
/*
 * The memory blocks of memory hotplug, and whether all files that tell how much
 * memory there is, and of what kind, tell the same.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest.h"
#include "memory.h"

#define MAX_LINES	512

bool memory_read(unsigned long address, const char *file, char *text,
		 size_t len)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/devices/system/memory/memory%lu/%s",
		 address / dmb_memory_block_size(), file);
	return dmb_read_line(path, text, len);
}

bool memory_present(unsigned long address)
{
	char text[64];

	return memory_read(address, "state", text, sizeof(text));
}

bool memory_online(unsigned long address)
{
	char text[64];

	return memory_read(address, "state", text, sizeof(text)) &&
	       !strcmp(text, "online");
}

int memory_blocks_in(unsigned long start, unsigned long end,
		     struct dmb_block *found)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int i, nr = 0, all = dmb_read_blocks(blocks);

	for (i = 0; i < all; i++)
		if (blocks[i].base < end &&
		    start < blocks[i].base + blocks[i].size)
			found[nr++] = blocks[i];
	return nr;
}

/* A line of /proc/iomem */
struct line {
	bool inner;		/* it lies within another one */
	unsigned long start;
	unsigned long end;	/* one past the last byte */
};

/* Read the lines of this name. Return their number. */
static int read_iomem(const char *name, struct line lines[MAX_LINES])
{
	FILE *f = fopen("/proc/iomem", "r");
	unsigned long first, last;
	char text[256], *found;
	int nr = 0;

	if (!f)
		ksft_exit_fail_msg("cannot read /proc/iomem\n");
	while (nr < MAX_LINES && fgets(text, sizeof(text), f)) {
		text[strcspn(text, "\n")] = '\0';
		found = strstr(text, " : ");
		if (!found || strcmp(found + strlen(" : "), name) ||
		    sscanf(text, "%lx-%lx", &first, &last) != 2)
			continue;
		lines[nr++] = (struct line) {
			.inner = *text == ' ', .start = first, .end = last + 1
		};
	}
	fclose(f);
	return nr;
}

bool memory_in_iomem(const char *name, unsigned long start,
		     unsigned long bytes)
{
	static struct line lines[MAX_LINES];
	int i, nr = read_iomem(name, lines);

	for (i = 0; i < nr; i++)
		if (lines[i].inner && lines[i].start == start &&
		    lines[i].end == start + bytes)
			return true;
	return false;
}

/* Set *@number to the number after @words if the line begins with them. */
static void read_number(const char *line, const char *words,
			unsigned long *number)
{
	line += strspn(line, " ");
	if (!strncmp(line, words, strlen(words)))
		*number = strtoul(line + strlen(words), NULL, 10);
}

int memory_read_zones(struct memory_zone zones[MEMORY_MAX_ZONES])
{
	FILE *f = fopen("/proc/zoneinfo", "r");
	struct memory_zone *zone = zones - 1;
	char line[512], name[16];
	int node;

	if (!f)
		ksft_exit_fail_msg("cannot read /proc/zoneinfo\n");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Node %d, zone %15s", &node, name) == 2) {
			if (++zone == zones + MEMORY_MAX_ZONES)
				ksft_exit_fail_msg("too many zones\n");
			memset(zone, 0, sizeof(*zone));
			zone->node = node;
			snprintf(zone->name, sizeof(zone->name), "%s", name);
		}
		if (zone < zones)
			continue;
		read_number(line, "pages free ", &zone->free);
		read_number(line, "nr_free_dmb ", &zone->free_dmb);
		read_number(line, "boost ", &zone->boost);
		read_number(line, "min ", &zone->min);
		read_number(line, "spanned ", &zone->spanned);
		read_number(line, "present ", &zone->present);
		read_number(line, "managed ", &zone->managed);
		read_number(line, "dmb ", &zone->dmb);
		if (strstr(line, "protection: ("))
			zone->kept = strtoul(strrchr(line, ',') + 1, NULL, 10);
	}
	fclose(f);
	return zone - zones + 1;
}

struct memory_zone memory_zone(const char *name)
{
	struct memory_zone zones[MEMORY_MAX_ZONES];
	int i, nr = memory_read_zones(zones);

	for (i = 0; i < nr; i++)
		if (!strcmp(zones[i].name, name))
			return zones[i];
	return (struct memory_zone) { };
}

/* How many bytes of a range are online? */
static unsigned long online_bytes(unsigned long start, unsigned long end)
{
	unsigned long unit = dmb_memory_block_size(), bytes = 0, next;

	if (!unit)
		return end - start;
	for (; start < end; start = next) {
		next = (start / unit + 1) * unit;
		if (next > end)
			next = end;
		if (memory_online(start))
			bytes += next - start;
	}
	return bytes;
}

/*
 * A block has a line in /proc/iomem in each piece of RAM that it has a part of,
 * if that is all online, and is not memory of a driver.
 */
static bool wrong_lines(const struct dmb_block *blocks, int nr, char *text,
			size_t len)
{
	static struct line ram[MAX_LINES], lines[MAX_LINES];
	int nr_ram = read_iomem("System RAM", ram);
	int nr_lines = read_iomem(MEMORY_DESIGNATED, lines);
	int i, r, wanted = 0;

	for (i = 0; i < nr * nr_ram; i++) {
		const struct dmb_block *block = &blocks[i / nr_ram];
		unsigned long start, end;
		bool has;

		r = i % nr_ram;
		start = ram[r].start > block->base ? ram[r].start : block->base;
		end = block->base + block->size;
		if (ram[r].end < end)
			end = ram[r].end;
		if (ram[r].inner || start >= end)
			continue;
		has = online_bytes(ram[r].start, ram[r].end) ==
		      ram[r].end - ram[r].start;
		wanted += has;
		if (has == memory_in_iomem(MEMORY_DESIGNATED, start,
					   end - start))
			continue;
		snprintf(text, len, "%s is %sin /proc/iomem at %#lx",
			 block->name, has ? "not " : "", start);
		return true;
	}
	if (nr_lines == wanted)
		return false;
	snprintf(text, len, "/proc/iomem has %d blocks, not %d", nr_lines,
		 wanted);
	return true;
}

const char *memory_contradiction(unsigned long unplugged)
{
	struct memory_zone zones[MEMORY_MAX_ZONES];
	unsigned long page = sysconf(_SC_PAGESIZE), managed = 0, dmb = 0;
	unsigned long online, designated = 0;
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int nr_blocks = dmb_read_blocks(blocks);
	int i, z, nr = memory_read_zones(zones);
	static char text[160];

	for (z = 0; z < nr; z++) {
		struct memory_zone *zone = &zones[z];

		for (online = i = 0; i < nr_blocks; i++)
			if (blocks[i].node == zone->node &&
			    !strcmp(blocks[i].zone, zone->name))
				online += online_bytes(blocks[i].base,
						       blocks[i].base +
						       blocks[i].size);
		managed += zone->managed * page;
		dmb += zone->dmb * page;
		designated += online;
		if (zone->dmb <= zone->managed &&
		    zone->managed <= zone->present &&
		    zone->present <= zone->spanned &&
		    (unplugged ? zone->dmb * page <= online :
				 zone->dmb * page == online))
			continue;
		snprintf(text, sizeof(text),
			 "zone %s has %lu pages, %lu, %lu, %lu in blocks, where sysfs has %lu",
			 zone->name, zone->spanned, zone->present,
			 zone->managed, zone->dmb, online / page);
		return text;
	}
	if (dmb + unplugged != designated)
		snprintf(text, sizeof(text),
			 "zones have %lu bytes in blocks, sysfs has %lu without %lu",
			 dmb, designated, unplugged);
	else if (designated != dmb_meminfo("DmbTotal"))
		snprintf(text, sizeof(text), "DmbTotal is %llu, not %lu",
			 dmb_meminfo("DmbTotal"), designated);
	else if (managed != dmb_meminfo("MemTotal"))
		snprintf(text, sizeof(text), "MemTotal is %llu, not %lu",
			 dmb_meminfo("MemTotal"), managed);
	else if (dmb_pageblocks() * dmb_pageblock_size() != designated)
		snprintf(text, sizeof(text), "%lu pageblocks for %lu bytes",
			 dmb_pageblocks(), designated);
	else if (!wrong_lines(blocks, nr_blocks, text, sizeof(text)))
		return NULL;
	return text;
}
