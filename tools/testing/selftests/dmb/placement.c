// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that may come from blocks comes from blocks while they have room: for
 * each kind of memory, in each zone, and within the limits of memory policies.
 */

#include <fcntl.h>
#include <linux/mempolicy.h>
#include <linux/mman.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "../kselftest_harness.h"
#include "dmb_util.h"

#define MOST		(900 * MB)	/* of two blocks of 512 MiB */
#define STEP		(4 * MB)
#define SPILL		(64 * MB)	/* requested beyond the blocks */
#define MTHP		(64 * 1024UL)
#define MOST_TO_FILL	(3ULL * 1024 * MB)	/* of memory in all */

/*
 * Pages that may stay in the lists of each CPU, and folios that may merge from
 * pages that these lists free later.
 */
#define CRUMBS		64
#define CRUMB_FOLIOS	4
#define MAX_NODES	8
#define DEVICE_SIZE	(16 * MB)	/* to be moved between nodes */

/* zram has sectors as large as pages. */
#define MKE2FS		"mke2fs -b 4096 /dev/zram0"

static const char hugetlb_pool[] = "/proc/sys/vm/nr_hugepages";

enum kind {
	ANONYMOUS,
	ANONYMOUS_MTHP,
	ANONYMOUS_THP,
	SHMEM,
	PAGE_CACHE,
	HUGETLB,
};

/* Memory of one kind, without pages at first */
struct area {
	enum kind kind;
	size_t folio_size;
	char *memory;
	size_t size;
	int fd;
	char dir[32];
};

static int order_of(const struct area *area)
{
	return __builtin_ctzl(area->folio_size / sysconf(_SC_PAGESIZE));
}

/*
 * Create a file system on a disk of zeroes, and an empty file. Nothing is
 * written to it: a file of holes has page cache, too.
 */
static int open_file(struct area *area)
{
	char path[64];

	if (dmb_write("/sys/block/zram0/reset", "1") ||
	    dmb_write("/sys/block/zram0/disksize", "64M") ||
	    system("{ " MKE2FS " || busybox " MKE2FS "; } >/dev/null 2>&1"))
		return -1;
	snprintf(area->dir, sizeof(area->dir), "/tmp/dmb-XXXXXX");
	if (!mkdtemp(area->dir) ||
	    mount("/dev/zram0", area->dir, "ext4", 0, NULL))
		return -1;
	snprintf(path, sizeof(path), "%s/file", area->dir);
	return open(path, O_RDWR | O_CREAT, 0600);
}

/* Align to huge pages, which the kernel only does with 64-bit addresses. */
static void *aligned_room(size_t size, size_t align)
{
	char *start = mmap(NULL, size + align, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (start == MAP_FAILED)
		return NULL;
	munmap(start, size + align);
	return (void *)(((uintptr_t)start + align - 1) / align * align);
}

/* Return false if this kernel or machine has no such memory. */
static bool open_area(struct area *area, enum kind kind, size_t size)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	int prot = PROT_READ | PROT_WRITE;
	size_t huge = dmb_huge_page_size();

	*area = (struct area) { .kind = kind, .size = size, .fd = -1,
				.folio_size = sysconf(_SC_PAGESIZE) };
	switch (kind) {
	case ANONYMOUS:
		break;
	case ANONYMOUS_MTHP:
	case ANONYMOUS_THP:
		if (!huge)
			return false;
		area->folio_size = kind == ANONYMOUS_THP ? huge : MTHP;
		dmb_folio_size(area->folio_size);
		break;
	case SHMEM:
		area->fd = memfd_create("dmb", 0);
		break;
	case PAGE_CACHE:
		area->fd = open_file(area);
		break;
	case HUGETLB:
		area->folio_size = dmb_meminfo("Hugepagesize");
		flags |= MAP_HUGETLB;
		if (DMB_HUGETLB_STAYS || !area->folio_size ||
		    dmb_write(hugetlb_pool, "0"))
			return false;
		break;
	}
	size = (size + area->folio_size - 1) / area->folio_size *
	       area->folio_size;
	area->size = size;
	if (kind == SHMEM || kind == PAGE_CACHE) {
		if (area->fd < 0 || ftruncate(area->fd, size))
			return false;
		flags = MAP_SHARED;
	}
	if (kind == PAGE_CACHE)
		prot = PROT_READ;
	area->memory = mmap(aligned_room(size, area->folio_size), size, prot,
			    flags, area->fd, 0);
	if (area->memory == MAP_FAILED)
		return false;
	if (kind == ANONYMOUS)
		madvise(area->memory, size, MADV_NOHUGEPAGE);
	if (kind == ANONYMOUS_MTHP || kind == ANONYMOUS_THP)
		madvise(area->memory, size, MADV_HUGEPAGE);
	return true;
}

static void close_area(struct area *area)
{
	if (area->memory && area->memory != MAP_FAILED)
		munmap(area->memory, area->size);
	if (area->fd >= 0)
		close(area->fd);
	if (area->kind == HUGETLB)
		dmb_write(hugetlb_pool, "0");
	if (area->kind == PAGE_CACHE) {
		umount(area->dir);
		rmdir(area->dir);
		dmb_write("/sys/block/zram0/reset", "1");
	}
	if (area->kind == ANONYMOUS_MTHP)
		dmb_folio_size(dmb_huge_page_size());
}

/* The step by which areas grow, in whole folios */
static size_t step_of(const struct area *area)
{
	return area->folio_size > STEP ? area->folio_size : STEP;
}

/* Add memory to an area. Return false if there is none. */
static bool grow_area(const struct area *area, size_t from, size_t size)
{
	char text[32];

	if (area->kind == HUGETLB) {
		snprintf(text, sizeof(text), "%zu",
			 (from + size) / area->folio_size);
		dmb_write(hugetlb_pool, text);
		if (dmb_read_value("/proc/meminfo", "HugePages_Free") *
		    area->folio_size < size)
			return false;
	}
	return !madvise(area->memory + from, size, area->kind == PAGE_CACHE ?
			MADV_POPULATE_READ : MADV_POPULATE_WRITE);
}

static size_t bytes_in_whole_folios(const uint64_t *frames, size_t size,
				    size_t folio_size)
{
	size_t page = sysconf(_SC_PAGESIZE), pages = folio_size / page,
	       bytes = 0, i, j;

	for (i = 0; i + pages <= size / page; i += pages) {
		for (j = 0; j < pages && frames[i + j] == frames[i] + j; j++)
			;
		if (j == pages && frames[i] % pages == 0)
			bytes += folio_size;
	}
	return bytes;
}

/* The node of each page of touched memory, or a negative number. */
static int *nodes_of(char *memory, size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE), nr = size / page, i;
	void **pages = calloc(nr, sizeof(*pages));
	int *nodes = calloc(nr, sizeof(*nodes));

	for (i = 0; i < nr; i++)
		pages[i] = memory + i * page;
	/* Without CONFIG_NUMA, there is one. */
	if (!access("/sys/devices/system/node", F_OK) &&
	    syscall(SYS_move_pages, 0, nr, pages, NULL, nodes, 0))
		ksft_exit_fail_msg("cannot ask for the nodes of pages\n");
	free(pages);
	return nodes;
}

/* Memory in blocks for folios of this order, on one node, or on all with -1 */
static size_t left_in_blocks(int order, int node)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int nr = dmb_read_blocks(blocks), i;
	size_t left = 0;

	if (order)
		return dmb_free_of_order(order, node);
	for (i = 0; i < nr; i++)
		if (node < 0 || blocks[i].node == node)
			left += dmb_unused(&blocks[i]);
	return left;
}

/*
 * Return the room that the blocks of each node have for an area. Free pages in
 * the lists of other CPUs do not count: requests only get them when ordinary
 * memory is short.
 */
static void left_for(const struct area *area, size_t left[MAX_NODES])
{
	int node;

	for (node = 0; node < MAX_NODES; node++)
		left[node] = dmb_free_of_order(order_of(area), node);
}

static void count_outside(const struct area *area, size_t from, size_t size,
			  size_t outside[MAX_NODES])
{
	size_t page = sysconf(_SC_PAGESIZE), i;
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	uint64_t *frames = dmb_frames(area->memory + from, size);
	int *nodes = nodes_of(area->memory + from, size);
	int nr = dmb_read_blocks(blocks);

	memset(outside, 0, MAX_NODES * sizeof(*outside));
	for (i = 0; i < size / page; i++)
		if (frames[i] && dmb_find_block(blocks, nr, frames[i]) < 0)
			outside[nodes[i] > 0 ? nodes[i] : 0] += page;
	free(nodes);
	free(frames);
}

/*
 * Add memory to an area. Add to @wrong the part that is outside of blocks
 * although blocks had room both before and afterwards.
 */
static bool grow_and_judge(const struct area *area, size_t from, size_t size,
			   size_t *wrong)
{
	size_t before[MAX_NODES], after[MAX_NODES], outside[MAX_NODES];
	size_t crumbs = CRUMBS * sysconf(_SC_NPROCESSORS_ONLN) *
			sysconf(_SC_PAGESIZE) +
			CRUMB_FOLIOS * area->folio_size;
	int node;

	left_for(area, before);
	if (!grow_area(area, from, size))
		return false;
	left_for(area, after);
	count_outside(area, from, size, outside);
	for (node = 0; node < MAX_NODES; node++)
		if (before[node] > crumbs && after[node] > crumbs)
			*wrong += outside[node];
	return true;
}

static int this_node(void)
{
	unsigned int node;

	return getcpu(NULL, &node) ? -1 : (int)node;
}

FIXTURE(placement)
{
	struct area area;
	size_t room;
	long long used;
};

FIXTURE_VARIANT(placement)
{
	enum kind kind;
};

FIXTURE_VARIANT_ADD(placement, anonymous)
{
	.kind = ANONYMOUS,
};

FIXTURE_VARIANT_ADD(placement, mthp)
{
	.kind = ANONYMOUS_MTHP,
};

FIXTURE_VARIANT_ADD(placement, thp)
{
	.kind = ANONYMOUS_THP,
};

FIXTURE_VARIANT_ADD(placement, tmpfs)
{
	.kind = SHMEM,
};

FIXTURE_VARIANT_ADD(placement, page_cache)
{
	.kind = PAGE_CACHE,
};

FIXTURE_VARIANT_ADD(placement, hugetlb)
{
	.kind = HUGETLB,
};

FIXTURE_SETUP(placement)
{
	ASSERT_EQ(0, dmb_run_on(0));
	self->used = dmb_audit().used;
	if (!open_area(&self->area, variant->kind,
		       dmb_meminfo("DmbTotal") + SPILL))
		SKIP(return, "no memory of this kind");
	self->room = left_in_blocks(order_of(&self->area),
				    variant->kind == HUGETLB ?
				    -1 : this_node());
	if (self->room < 2 * SPILL)
		SKIP(return, "blocks are too full");
	if (dmb_meminfo("MemAvailable") < self->area.size + 4 * SPILL)
		SKIP(return, "not enough ordinary memory to spill into");
}

FIXTURE_TEARDOWN(placement)
{
	struct dmb_audit audit;

	close_area(&self->area);
	audit = dmb_audit();
	EXPECT_EQ(0, audit.violations);
	EXPECT_LT(llabs(audit.used - self->used), DMB_NOISE);
}

static double percent(size_t part, size_t whole)
{
	return whole ? 100.0 * part / whole : 0;
}

TEST_F(placement, blocks_before_ordinary_memory)
{
	size_t step = step_of(&self->area), size = self->room / 10 * 9;
	size_t inside, whole, wrong = 0, from;
	uint64_t *frames;

	size = (size < MOST ? size : MOST) / step * step;
	if (!size)
		SKIP(return, "no room in blocks for a folio of that size");

	for (from = 0; from < size; from += step)
		ASSERT_TRUE(grow_area(&self->area, from, step));
	inside = dmb_bytes_in_blocks(self->area.memory, size);
	frames = dmb_frames(self->area.memory, size);
	whole = bytes_in_whole_folios(frames, size, self->area.folio_size);
	free(frames);
	TH_LOG("%.2f%% of %zu MiB in blocks, %.2f%% in folios of %zu kB",
	       percent(inside, size), size / MB, percent(whole, size),
	       self->area.folio_size / 1024);
	EXPECT_GE(percent(inside, size), 99.5);
	/* Otherwise the folios would have another size than this tests. */
	EXPECT_GE(percent(whole, size), 95);

	while (from + step <= self->area.size &&
	       grow_and_judge(&self->area, from, step, &wrong))
		from += step;
	TH_LOG("of %zu MiB, %zu kB were placed elsewhere while blocks had room, %zu kB of it left",
	       from / MB, wrong / 1024,
	       left_in_blocks(order_of(&self->area), -1) / 1024);
	EXPECT_GE(from, self->room);
	EXPECT_EQ(0, wrong);
}

FIXTURE(others)
{
	long long used;
};

FIXTURE_SETUP(others)
{
	self->used = dmb_audit().used;
	if (left_in_blocks(0, -1) < SPILL)
		SKIP(return, "blocks are too full");
	if (dmb_meminfo("MemAvailable") < left_in_blocks(0, -1) + 4 * SPILL)
		SKIP(return, "not enough ordinary memory to spill into");
}

FIXTURE_TEARDOWN(others)
{
	struct dmb_audit audit = dmb_audit();

	EXPECT_EQ(0, audit.violations);
	EXPECT_LT(llabs(audit.used - self->used), DMB_NOISE);
}

/* Large pages come from any block that has them if the one in turn has none. */
TEST_F(others, large_pages_of_the_next_block)
{
	size_t page = sysconf(_SC_PAGESIZE), huge_size = 32 * MB, size, i;
	const char *spread = SYSFS_DMB "/spread";
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	void *huge;
	char *memory;

	if (dmb_read_blocks(blocks) < 2 || blocks[0].node != blocks[1].node ||
	    blocks[1].free < 2 * huge_size)
		SKIP(return, "wants two blocks on one node");
	ASSERT_EQ(0, dmb_run_on(0));
	/* Now the lowest block has all turns. */
	ASSERT_EQ(0, dmb_write(spread, "0"));
	size = blocks[0].free / STEP * STEP;
	memory = dmb_touch(size, false);
	EXPECT_NE(NULL, memory);
	for (i = 0; memory && i < size; i += MB / 4)
		madvise(memory + i, page, MADV_DONTNEED);

	huge = dmb_touch(huge_size, true);
	EXPECT_NE(NULL, huge);
	if (huge)
		EXPECT_EQ(huge_size, dmb_bytes_in_blocks(huge, huge_size));
	EXPECT_EQ(0, dmb_write(spread, "1"));
	munmap(huge, huge_size);
	munmap(memory, size);
}

static unsigned long reclaimed(void)
{
	return dmb_read_value("/proc/vmstat", "pgsteal_kswapd") +
	       dmb_read_value("/proc/vmstat", "pgsteal_direct");
}

/*
 * Free pages in the lists of another CPU are used when ordinary memory has
 * become short, and before anything is reclaimed.
 */
TEST_F(others, lists_of_another_cpu)
{
	size_t half = left_in_blocks(0, -1) / 2, listed, from = 0;
	unsigned long steals;
	struct area area;
	void *memory;

	if (dmb_run_on(1))
		SKIP(return, "there is one CPU only");
	if (dmb_meminfo("MemTotal") > MOST_TO_FILL)
		SKIP(return, "takes too long with that much memory");
	ASSERT_TRUE(open_area(&area, ANONYMOUS,
			      dmb_meminfo("MemTotal") / STEP * STEP));
	memory = dmb_touch(half, false);
	ASSERT_NE(NULL, memory);
	ASSERT_EQ(0, dmb_run_on(0));
	for (; from < area.size && dmb_meminfo("MemFree") > 2 * SPILL;
	     from += STEP)
		ASSERT_TRUE(grow_area(&area, from, STEP));
	/* Allocations let lists grow while the zone has memory. */
	ASSERT_EQ(0, dmb_run_on(1));
	munmap(memory, half);
	memory = dmb_touch(half / 4, false);
	ASSERT_NE(NULL, memory);
	munmap(memory, half / 4);
	ASSERT_EQ(0, dmb_run_on(0));

	listed = left_in_blocks(0, -1) - dmb_free_of_order(0, -1);
	/* Lists stay short if nearly all of the zone's memory is in blocks. */
	if (listed < 4 * DMB_NOISE) {
		close_area(&area);
		SKIP(return, "per-cpu lists do not grow here");
	}
	steals = reclaimed();
	/* kswapd drains lists as well, and either of the two may come first. */
	for (; from < area.size && left_in_blocks(0, -1) > DMB_NOISE &&
	     reclaimed() == steals; from += STEP)
		ASSERT_TRUE(grow_area(&area, from, STEP));
	TH_LOG("of %zu kB in lists, %zu kB were left when %lu pages were reclaimed",
	       listed / 1024, left_in_blocks(0, -1) / 1024,
	       reclaimed() - steals);
	EXPECT_LE(left_in_blocks(0, -1), 2 * DMB_NOISE);
	close_area(&area);
}

/* A page that has to move within a block gets a target in a block. */
TEST_F(others, soft_offline)
{
	const char *unpoison = "/sys/kernel/debug/hwpoison/unpoison-pfn";
	size_t page = sysconf(_SC_PAGESIZE), size = 64 * page, i;
	uint64_t *frames;
	char *memory, text[32];

	/* Unpoisoning frees pages a second time, for which page_owner warns. */
	if (!access("/sys/kernel/debug/page_owner", F_OK))
		SKIP(return, "does not go together with page_owner");
	memory = dmb_touch(size, false);
	ASSERT_NE(NULL, memory);
	ASSERT_EQ(size, dmb_bytes_in_blocks(memory, size));
	frames = dmb_frames(memory, size);
	if (access(unpoison, W_OK) || madvise(memory, page, MADV_SOFT_OFFLINE))
		SKIP(return, "needs CONFIG_MEMORY_FAILURE and HWPOISON_INJECT");
	for (i = page; i < size; i += page)
		EXPECT_EQ(0, madvise(memory + i, page, MADV_SOFT_OFFLINE));
	EXPECT_EQ(size, dmb_bytes_in_blocks(memory, size));
	for (i = 0; i < size / page; i++) {
		snprintf(text, sizeof(text), "%llu",
			 (unsigned long long)frames[i]);
		EXPECT_EQ(0, dmb_write(unpoison, text));
	}
	free(frames);
	munmap(memory, size);
}

static int cpu_of_node(int node)
{
	char path[64];
	int cpu = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpulist",
		 node);
	f = fopen(path, "r");
	if (!f)
		return -1;
	if (fscanf(f, "%d", &cpu) != 1)
		cpu = -1;
	fclose(f);
	return cpu;
}

static int bind_memory(void *memory, size_t size, int mode, unsigned long nodes,
		       int flags)
{
	return syscall(SYS_mbind, memory, size, mode, &nodes, MAX_NODES, flags);
}

#define CGROUP	"/sys/fs/cgroup"

/* Bind the memory of this process to one node. */
static bool enter_cpuset(int node)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", node);
	dmb_write(CGROUP "/cgroup.subtree_control", "+cpuset");
	mkdir(CGROUP "/dmb-placement", 0755);
	return !dmb_write(CGROUP "/dmb-placement/cpuset.mems", text) &&
	       !dmb_write(CGROUP "/dmb-placement/cgroup.procs", "0");
}

static void leave_cpuset(void)
{
	dmb_write(CGROUP "/cgroup.procs", "0");
	rmdir(CGROUP "/dmb-placement");
}

static size_t bytes_in_blocks_of(int node, const char *memory, size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE), bytes = 0, i;
	uint64_t *frames = dmb_frames(memory, size);
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int nr = dmb_read_blocks(blocks), b;

	for (i = 0; i < size / page; i++) {
		b = dmb_find_block(blocks, nr, frames[i]);
		if (b >= 0 && blocks[b].node == node)
			bytes += page;
	}
	free(frames);
	return bytes;
}

static size_t bytes_on(int node, char *memory, size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE), bytes = 0, i;
	int *nodes = nodes_of(memory, size);

	for (i = 0; i < size / page; i++)
		if (nodes[i] == node)
			bytes += page;
	free(nodes);
	return bytes;
}

/* Ways to ask for memory of a node while the process runs on the other one */
enum policy {
	LOCAL,
	BIND,
	PREFERRED,
	CPUSET,
};

FIXTURE(nodes)
{
	struct area area;
	size_t room, size;
};

FIXTURE_VARIANT(nodes)
{
	enum policy policy;
	int node;
};

FIXTURE_VARIANT_ADD(nodes, local_0)
{
	.policy = LOCAL, .node = 0,
};

FIXTURE_VARIANT_ADD(nodes, local_1)
{
	.policy = LOCAL, .node = 1,
};

FIXTURE_VARIANT_ADD(nodes, bind_0)
{
	.policy = BIND, .node = 0,
};

FIXTURE_VARIANT_ADD(nodes, bind_1)
{
	.policy = BIND, .node = 1,
};

FIXTURE_VARIANT_ADD(nodes, preferred_0)
{
	.policy = PREFERRED, .node = 0,
};

FIXTURE_VARIANT_ADD(nodes, preferred_1)
{
	.policy = PREFERRED, .node = 1,
};

FIXTURE_VARIANT_ADD(nodes, cpuset_0)
{
	.policy = CPUSET, .node = 0,
};

FIXTURE_VARIANT_ADD(nodes, cpuset_1)
{
	.policy = CPUSET, .node = 1,
};

FIXTURE_SETUP(nodes)
{
	/* Pages that lists return later would count as left in blocks. */
	dmb_drain_lists();
	self->room = dmb_free_of_order(0, variant->node);
	if (self->room < SPILL ||
	    left_in_blocks(0, 1 - variant->node) < 2 * SPILL)
		SKIP(return, "wants blocks on nodes 0 and 1");
	self->size = (left_in_blocks(0, variant->node) + SPILL) / STEP * STEP;
	ASSERT_TRUE(open_area(&self->area, ANONYMOUS, self->size));
}

FIXTURE_TEARDOWN(nodes)
{
	if (variant->policy == CPUSET)
		leave_cpuset();
	close_area(&self->area);
	EXPECT_EQ(0, dmb_audit().violations);
}

/* Blocks of the node meant come first, and then its ordinary memory. */
TEST_F(nodes, policy_is_obeyed)
{
	size_t most = self->room / 10 * 9 / STEP * STEP, stray;
	int node = variant->node, cpu;
	char *memory = self->area.memory;

	cpu = cpu_of_node(variant->policy == LOCAL ? node : 1 - node);
	if (cpu < 0 || dmb_run_on(cpu))
		SKIP(return, "the node has no CPU");
	if (variant->policy == CPUSET && !enter_cpuset(node))
		SKIP(return, "needs cpusets of cgroup v2");
	if (variant->policy == BIND)
		ASSERT_EQ(0, bind_memory(memory, self->size, MPOL_BIND,
					 1UL << node, 0));
	if (variant->policy == PREFERRED)
		ASSERT_EQ(0, bind_memory(memory, self->size, MPOL_PREFERRED,
					 1UL << node, 0));

	ASSERT_TRUE(grow_area(&self->area, 0, most));
	TH_LOG("%.2f%% of %zu MiB in blocks of the node",
	       percent(bytes_in_blocks_of(node, memory, most), most),
	       most / MB);
	EXPECT_GE(percent(bytes_in_blocks_of(node, memory, most), most), 99.5);

	ASSERT_TRUE(grow_area(&self->area, most, self->size - most));
	TH_LOG("%zu kB left in them by %zu MiB",
	       dmb_free_of_order(0, node) / 1024, self->size / MB);
	EXPECT_LE(dmb_free_of_order(0, node), DMB_NOISE);
	stray = self->size - bytes_on(node, memory, self->size);
	TH_LOG("%zu kB on other nodes", stray / 1024);
	EXPECT_EQ(0, stray);
}

FIXTURE(interleave)
{
	struct area full, area;
};

FIXTURE_VARIANT(interleave)
{
	int full_node;
};

FIXTURE_VARIANT_ADD(interleave, blocks_of_0_full)
{
	.full_node = 0,
};

FIXTURE_VARIANT_ADD(interleave, blocks_of_1_full)
{
	.full_node = 1,
};

FIXTURE_SETUP(interleave)
{
	int node = variant->full_node;
	size_t size = (left_in_blocks(0, node) + SPILL) / STEP * STEP;

	if (size < 2 * SPILL || left_in_blocks(0, 1 - node) < 2 * SPILL)
		SKIP(return, "wants blocks on nodes 0 and 1");
	ASSERT_TRUE(open_area(&self->full, ANONYMOUS, size));
	ASSERT_EQ(0, bind_memory(self->full.memory, size, MPOL_BIND,
				 1UL << node, 0));
	ASSERT_TRUE(grow_area(&self->full, 0, size));
	ASSERT_TRUE(open_area(&self->area, ANONYMOUS, 2 * SPILL));
}

FIXTURE_TEARDOWN(interleave)
{
	close_area(&self->area);
	close_area(&self->full);
}

/* Each node has its share, in blocks or not. */
TEST_F(interleave, policy_is_obeyed)
{
	char *memory = self->area.memory;
	size_t on_full;

	ASSERT_EQ(0, bind_memory(memory, 2 * SPILL, MPOL_INTERLEAVE, 3, 0));
	ASSERT_TRUE(grow_area(&self->area, 0, 2 * SPILL));
	on_full = bytes_on(variant->full_node, memory, 2 * SPILL);
	TH_LOG("%zu of %zu MiB on the node whose blocks are full", on_full / MB,
	       2 * SPILL / MB);
	EXPECT_EQ(SPILL, on_full);
	EXPECT_GE(dmb_bytes_in_blocks(memory, 2 * SPILL), SPILL - DMB_NOISE);
}

static bool move_to_node(int node, char *memory, size_t size)
{
	size_t nr = size / sysconf(_SC_PAGESIZE), i;
	int *nodes = calloc(nr, sizeof(*nodes));
	bool moved;

	for (i = 0; i < nr; i++)
		nodes[i] = node;
	moved = !dmb_move_pages(memory, size, nodes);
	free(nodes);
	return moved;
}

FIXTURE(migration)
{
	struct area area;
	size_t room, size;
};

FIXTURE_VARIANT(migration)
{
	int node;
};

FIXTURE_VARIANT_ADD(migration, to_0)
{
	.node = 0,
};

FIXTURE_VARIANT_ADD(migration, to_1)
{
	.node = 1,
};

FIXTURE_SETUP(migration)
{
	ASSERT_EQ(0, dmb_run_on(0));
	dmb_drain_lists();
	self->room = left_in_blocks(0, variant->node);
	if (self->room < SPILL ||
	    left_in_blocks(0, 1 - variant->node) < 2 * SPILL)
		SKIP(return, "wants blocks on nodes 0 and 1");
	self->size = (self->room + SPILL) / STEP * STEP;
	ASSERT_TRUE(open_area(&self->area, ANONYMOUS, self->size));
	ASSERT_EQ(0, bind_memory(self->area.memory, self->size, MPOL_BIND,
				 1UL << (1 - variant->node), 0));
}

FIXTURE_TEARDOWN(migration)
{
	close_area(&self->area);
	EXPECT_EQ(0, dmb_audit().violations);
}

/* The target is asked for with __GFP_THISNODE. */
TEST_F(migration, move_pages)
{
	size_t most = self->room / 10 * 9 / STEP * STEP;
	int node = variant->node;
	char *memory = self->area.memory;

	ASSERT_TRUE(grow_area(&self->area, 0, self->size));
	EXPECT_TRUE(move_to_node(node, memory, self->size));
	EXPECT_EQ(self->size, bytes_on(node, memory, self->size));
	TH_LOG("%.2f%% of %zu MiB moved to blocks of the node",
	       percent(bytes_in_blocks_of(node, memory, most), most),
	       most / MB);
	EXPECT_GE(percent(bytes_in_blocks_of(node, memory, most), most), 99.5);
	EXPECT_LE(dmb_free_of_order(0, node), DMB_NOISE);
}

TEST_F(migration, mbind_moves)
{
	int node = variant->node;
	char *memory = self->area.memory;

	ASSERT_TRUE(grow_area(&self->area, 0, SPILL));
	EXPECT_EQ(SPILL, bytes_in_blocks_of(1 - node, memory, SPILL));
	ASSERT_EQ(0, bind_memory(memory, SPILL, MPOL_BIND, 1UL << node,
				 MPOL_MF_MOVE | MPOL_MF_STRICT));
	EXPECT_EQ(SPILL, bytes_in_blocks_of(node, memory, SPILL));
}

/*
 * The page cache of a block device is not allocated from blocks, and migration
 * must not move it there.
 */
FIXTURE(device)
{
	char *map;
	int fd;
};

FIXTURE_SETUP(device)
{
	if (left_in_blocks(0, 1) < SPILL || dmb_run_on(cpu_of_node(0)))
		SKIP(return, "wants blocks on node 1, and a CPU on node 0");
	self->fd = dmb_read_device(DEVICE_SIZE);
	if (self->fd < 0)
		SKIP(return, "no zram device to use");
	self->map = mmap(NULL, DEVICE_SIZE, PROT_READ,
			 MAP_SHARED | MAP_POPULATE, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	ASSERT_EQ(DEVICE_SIZE, bytes_on(0, self->map, DEVICE_SIZE));
}

FIXTURE_TEARDOWN(device)
{
	EXPECT_EQ(DEVICE_SIZE, bytes_on(1, self->map, DEVICE_SIZE));
	EXPECT_EQ(0, dmb_bytes_in_blocks(self->map, DEVICE_SIZE));
	munmap(self->map, DEVICE_SIZE);
	dmb_close_device(self->fd);
}

TEST_F(device, move_pages)
{
	EXPECT_TRUE(move_to_node(1, self->map, DEVICE_SIZE));
}

TEST_F(device, mbind_moves)
{
	EXPECT_EQ(0, bind_memory(self->map, DEVICE_SIZE, MPOL_BIND, 1UL << 1,
				 MPOL_MF_MOVE | MPOL_MF_STRICT));
}

int main(int argc, char **argv)
{
	dmb_need_blocks();
	return test_harness_run(argc, argv);
}
