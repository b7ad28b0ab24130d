// SPDX-License-Identifier: GPL-2.0
/*
 * The program of a guest of the boot matrix. It prints each block on a line that the
 * matrix compares with the case. Then it checks whether all counters of designated
 * memory agree, and whether a small amount of user memory and of kernel memory is
 * where it must be.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "dmb_util.h"

#define PROBE_BYTES	(64 * MB)
#define LOAD_BYTES	(32 * MB)

/*
 * Two CPUs refill their lists between two readings, with 8 MiB each at most: 2016
 * pages of 4 KiB, 480 of 16 KiB, 96 of 64 KiB.
 */
#define PCP_BYTES	(16 * MB)

static int failures;

static void count(bool ok)
{
	if (!ok)
		failures++;
	fputs(ok ? "ok " : "not ok ", stdout);
}

#define check(ok, ...) (count(ok), printf(__VA_ARGS__), putchar('\n'))

static bool close_to(unsigned long long a, unsigned long long b)
{
	return llabs((long long)(a - b)) <= (long long)PCP_BYTES;
}

static unsigned long long pages_to_bytes(unsigned long long pages)
{
	return pages * sysconf(_SC_PAGESIZE);
}

/* The present pages of ZONE_MOVABLE of all nodes, in bytes */
static unsigned long long zone_movable_bytes(void)
{
	FILE *file = fopen("/proc/zoneinfo", "r");
	unsigned long pages = 0, present;
	char line[512], zone[32] = "";

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Node %*d, zone %31s", zone) == 1)
			continue;
		if (sscanf(line, " present %lu", &present) == 1 && !strcmp(zone, "Movable"))
			pages += present;
	}
	fclose(file);
	return pages_to_bytes(pages);
}

/* Free designated memory in bytes, by several files */
struct frees {
	unsigned long long meminfo, vmstat, zoneinfo, sysfs;
};

static struct frees read_frees(void)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	struct frees frees = { .meminfo = dmb_meminfo("DmbFree") };
	int nr = dmb_read_blocks(blocks);

	for (int i = 0; i < nr; i++)
		frees.sysfs += blocks[i].free;
	frees.vmstat = pages_to_bytes(dmb_read_value("/proc/vmstat", "nr_free_dmb"));
	frees.zoneinfo = pages_to_bytes(dmb_read_value("/proc/zoneinfo", "nr_free_dmb"));
	return frees;
}

static bool agree(const struct frees *frees)
{
	return close_to(frees->meminfo, frees->sysfs) &&
	       close_to(frees->meminfo, frees->vmstat) &&
	       close_to(frees->meminfo, frees->zoneinfo);
}

static void check_accounts(void)
{
	unsigned long long typed = (unsigned long long)dmb_pageblocks() * dmb_pageblock_size();
	unsigned long long total = dmb_meminfo("DmbTotal");
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int nr = dmb_read_blocks(blocks), tries;
	struct dmb_audit audit = dmb_audit();
	unsigned long long sizes = 0;
	struct frees frees;

	for (int i = 0; i < nr; i++)
		sizes += blocks[i].size;
	check(sizes == total, "sizes in sysfs %llu, DmbTotal %llu", sizes, total);
	check(typed == total, "designated pageblocks %llu, DmbTotal %llu", typed, total);
	check(audit.used + audit.unused == (long long)total, "the audit saw %lld used, %lld unused",
	      audit.used, audit.unused);

	/*
	 * Readings may differ while per-cpu lists, which are long at the end of boot,
	 * shrink. That takes seconds. A wrong counter stays wrong.
	 */
	for (tries = 0; frees = read_frees(), !agree(&frees) && tries < 50; tries++)
		usleep(100000);
	check(frees.meminfo <= total, "DmbFree %llu, DmbTotal %llu", frees.meminfo, total);
	check(agree(&frees), "free in sysfs %llu, DmbFree %llu, nr_free_dmb in vmstat %llu, in zoneinfo %llu",
	      frees.sysfs, frees.meminfo, frees.vmstat, frees.zoneinfo);
}

/*
 * Free memory in blocks for folios of one size. The kernel prefers a page of the
 * local node to a block of another node, and small blocks may each have some page in
 * use.
 */
static size_t room_for(size_t folio_size)
{
	unsigned int cpu = 0, node = 0;

	/* It has to stay the local node until the memory is there. */
	getcpu(&cpu, &node);
	dmb_run_on(cpu);
	return dmb_free_of_order(__builtin_ctzl(folio_size / sysconf(_SC_PAGESIZE)), node);
}

/* User memory is in blocks as long as they have enough room. */
static void check_user_memory(bool huge)
{
	size_t page = sysconf(_SC_PAGESIZE), inside;
	size_t bytes = room_for(huge ? dmb_huge_page_size() ?: page : page) / 2;
	void *memory;

	if (bytes > PROBE_BYTES)
		bytes = PROBE_BYTES;
	if (bytes < MB)
		return;
	memory = dmb_touch(bytes, huge);
	if (!memory) {
		check(false, "no room for %zu bytes of user memory", bytes);
		return;
	}
	inside = dmb_bytes_in_blocks(memory, bytes);
	check(inside >= bytes / 100 * 95, "%zu of %zu bytes of %s pages in blocks",
	      inside, bytes, huge ? "huge" : "small");
	munmap(memory, bytes);
}

/* Kernel memory is not. */
static void check_kernel_memory(void)
{
	struct dmb_audit before = dmb_audit(), during;
	size_t filled = dmb_fill_pipes(LOAD_BYTES);

	during = dmb_audit();
	dmb_close_pipes();
	check(filled >= LOAD_BYTES, "%zu bytes of kernel memory", filled);
	check(during.used - before.used <= DMB_NOISE,
	      "%lld bytes used in blocks before, %lld with the kernel memory",
	      before.used, during.used);
	check(!during.violations, "%ld violations", during.violations);
}

int main(void)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	double boot = now();
	int nr = dmb_read_blocks(blocks);

	setlinebuf(stdout);
	printf("clock %.0f\n", boot);
	printf("memory %lu kB\n", dmb_read_value("/proc/meminfo", "MemTotal"));
	printf("movable %lluM\n", zone_movable_bytes() / MB);
	for (int i = 0; i < nr; i++) {
		printf("block 0x%llx %lluM node %d zone %s\n", blocks[i].base,
		       blocks[i].size / MB, blocks[i].node, blocks[i].zone);
		printf("name %s 0x%llx\n", blocks[i].name, blocks[i].base);
	}

	if (access(SYSFS_DMB, F_OK)) {
		check(false, "this kernel knows nothing of designated movable blocks");
		return 1;
	}
	check_accounts();
	check_user_memory(false);
	check_user_memory(true);
	check_kernel_memory();
	return failures ? 1 : 0;
}
