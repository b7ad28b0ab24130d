// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that read crash dumps have to find designated pages, and the free
 * ones among them. This one does it the same way: the addresses and offsets are
 * those of vmcoreinfo, and /proc/kcore stands for the dump. What it finds must
 * be what sysfs says.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "dmb_util.h"

#define NOTE		"VMCOREINFO"
#define STRUCT_PAGE	256	/* more than its size */
#define TOUCHED		(32 * MB)
#define ADDED		"64M"
#define TRIES		50

/* What vmcoreinfo says */
static struct {
	unsigned long page, pageblock_order, migrate_dmb, buddy;
	unsigned long map, map_first, map_nr, map_pool;
	unsigned long pgdat_dmb, pgdat_zones, pgdat_nr_zones, zone_size;
	unsigned long node_pools, pool_list, pool_zone, pool_free_area;
	unsigned long free_area_size, free_list, orders, types;
	unsigned long list_size, list_next, list_prev;
	unsigned long struct_page, page_lru, page_private, page_mapcount;
	unsigned long section, section_roots, section_size, section_map;
	unsigned long section_bits;
} info;

static const struct {
	const char *name;
	unsigned long *value;
} lines[] = {
	{ "PAGESIZE", &info.page },
	{ "NUMBER(pageblock_order)", &info.pageblock_order },
	{ "NUMBER(MIGRATE_DMB)", &info.migrate_dmb },
	{ "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)", &info.buddy },
	{ "SYMBOL(dmb_map)", &info.map },
	{ "OFFSET(dmb_map.first)", &info.map_first },
	{ "OFFSET(dmb_map.nr)", &info.map_nr },
	{ "OFFSET(dmb_map.pool)", &info.map_pool },
	{ "OFFSET(pglist_data.dmb)", &info.pgdat_dmb },
	{ "OFFSET(pglist_data.node_zones)", &info.pgdat_zones },
	{ "OFFSET(pglist_data.nr_zones)", &info.pgdat_nr_zones },
	{ "SIZE(zone)", &info.zone_size },
	{ "OFFSET(dmb_node.pools)", &info.node_pools },
	{ "OFFSET(dmb_pool.list)", &info.pool_list },
	{ "OFFSET(dmb_pool.zone)", &info.pool_zone },
	{ "OFFSET(dmb_pool.free_area)", &info.pool_free_area },
	{ "SIZE(free_area)", &info.free_area_size },
	{ "OFFSET(free_area.free_list)", &info.free_list },
	{ "LENGTH(zone.free_area)", &info.orders },
	{ "LENGTH(free_area.free_list)", &info.types },
	{ "SIZE(list_head)", &info.list_size },
	{ "OFFSET(list_head.next)", &info.list_next },
	{ "OFFSET(list_head.prev)", &info.list_prev },
	{ "SIZE(page)", &info.struct_page },
	{ "OFFSET(page.lru)", &info.page_lru },
	{ "OFFSET(page.private)", &info.page_private },
	{ "OFFSET(page._mapcount)", &info.page_mapcount },
	{ "SYMBOL(mem_section)", &info.section },
	{ "LENGTH(mem_section)", &info.section_roots },
	{ "SIZE(mem_section)", &info.section_size },
	{ "OFFSET(mem_section.section_mem_map)", &info.section_map },
	{ "NUMBER(SECTION_SIZE_BITS)", &info.section_bits },
};

/* /proc/kcore, its segments, and the text of its note */
static int core = -1;
static struct elf64_phdr *segments;
static unsigned int nr_segments;
static char note[64 * 1024];

/* Keep nothing of the notes but the text of vmcoreinfo. */
static void find_vmcoreinfo(size_t len)
{
	struct elf64_note *header;
	size_t at = 0, name, text;

	while (at + sizeof(*header) <= len) {
		header = (void *)(note + at);
		name = at + sizeof(*header);
		text = name + (header->n_namesz + 3) / 4 * 4;
		at = text + (header->n_descsz + 3) / 4 * 4;
		if (at > len || strcmp(note + name, NOTE))
			continue;
		memmove(note, note + text, header->n_descsz);
		note[header->n_descsz] = '\0';
		return;
	}
	note[0] = '\0';
}

/* Read what is in front of the segments, which change when memory comes. */
static bool read_headers(void)
{
	struct elf64_hdr header;
	ssize_t len;
	size_t bytes;

	if (pread(core, &header, sizeof(header), 0) != sizeof(header))
		return false;
	nr_segments = header.e_phnum;
	bytes = nr_segments * sizeof(*segments);
	segments = malloc(bytes);
	if (!segments ||
	    pread(core, segments, bytes, header.e_phoff) != (ssize_t)bytes ||
	    segments[0].p_type != PT_NOTE ||
	    segments[0].p_filesz >= sizeof(note))
		return false;
	len = pread(core, note, segments[0].p_filesz, segments[0].p_offset);
	find_vmcoreinfo(len < 0 ? 0 : len);
	return true;
}

/* Find the number in a line of vmcoreinfo. Return false if it is not there. */
static bool find_line(const char *name, unsigned long *value)
{
	int base = strncmp(name, "SYMBOL", 6) ? 10 : 16;
	size_t len = strlen(name);
	char *line;

	for (line = note; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) || line[len] != '=')
			continue;
		*value = strtoul(line + len + 1, NULL, base);
		return true;
	}
	return false;
}

/* Read memory of the kernel. Return false if the dump does not have it. */
static bool read_kernel(unsigned long address, void *to, size_t len)
{
	unsigned int i;

	for (i = 0; i < nr_segments; i++) {
		struct elf64_phdr *segment = &segments[i];

		if (segment->p_type == PT_LOAD && address >= segment->p_vaddr &&
		    address - segment->p_vaddr < segment->p_memsz)
			return pread(core, to, len, segment->p_offset +
				     address - segment->p_vaddr) ==
			       (ssize_t)len;
	}
	return false;
}

/* Return a word of the kernel's memory, 0 if the dump does not have it. */
static unsigned long read_word(unsigned long address)
{
	unsigned long word;

	return read_kernel(address, &word, sizeof(word)) ? word : 0;
}

/* The pool of the pageblock that has this address; 0 if it is not designated */
static unsigned long pool_at(unsigned long long address)
{
	unsigned long pageblock = address / info.page >> info.pageblock_order;
	unsigned long first = read_word(info.map + info.map_first);

	if (pageblock - first >= read_word(info.map + info.map_nr))
		return 0;
	return read_word(read_word(info.map + info.map_pool) +
			 pageblock * sizeof(long));
}

/*
 * Where the struct page of page frame 0 would be, if all struct pages were in
 * one array with those of the section that has this address
 */
static unsigned long page_array(unsigned long long address)
{
	unsigned long per_root = info.page / info.section_size;
	unsigned long nr = address >> info.section_bits;
	unsigned long root;

	/* With SPARSEMEM_EXTREME, mem_section has pointers. */
	root = read_word(info.section + nr / per_root * sizeof(root));
	if (nr / per_root >= info.section_roots || !root)
		return 0;
	/* Flags are in the lowest bits. */
	return read_word(root + nr % per_root * info.section_size +
			 info.section_map) & ~(info.page - 1);
}

/**
 * struct listed - the pages of a block that are in its free lists
 * @block: the block, by sysfs
 * @pages: the number of these pages
 * @in_list: for each page of the block, whether it is in a list
 */
struct listed {
	struct dmb_block block;
	unsigned long pages;
	bool *in_list;
};

/* Read one list. Return what is wrong with it, or NULL. */
static const char *read_list(unsigned long head, unsigned long order,
			     unsigned long array, struct listed *listed)
{
	unsigned long first = listed->block.base / info.page, nr = 1UL << order;
	unsigned long last = head, entry, pfn;
	char text[STRUCT_PAGE];

	for (entry = read_word(head + info.list_next); entry != head;
	     last = entry,
	     entry = *(unsigned long *)(text + info.page_lru +
					info.list_next)) {
		unsigned long offset = entry - info.page_lru - array;

		if (!read_kernel(entry - info.page_lru, text, info.struct_page))
			return "the dump has no such struct page";
		if (offset % info.struct_page)
			return "an entry is no struct page";
		pfn = offset / info.struct_page;
		if (pfn % nr || pfn < first ||
		    pfn - first + nr > listed->block.size / info.page)
			return "a page is not in the block";
		if (*(unsigned long *)(text + info.page_lru +
				       info.list_prev) != last)
			return "an entry does not point back";
		if (*(int *)(text + info.page_mapcount) != (int)info.buddy)
			return "a page is not free";
		if (*(unsigned long *)(text + info.page_private) != order)
			return "a page is in the list of another order";
		if (listed->in_list[pfn - first])
			return "a page is in two lists";
		memset(listed->in_list + pfn - first, true, nr);
		listed->pages += nr;
	}
	return NULL;
}

/* Read all free lists of a block. Return what is wrong with them, or NULL. */
static const char *read_lists(struct listed *listed)
{
	unsigned long pool = pool_at(listed->block.base), order, type, head;
	unsigned long array = page_array(listed->block.base);
	const char *wrong = NULL;

	if (!pool || !array)
		return pool ? "no struct pages" : "no pool";
	listed->pages = 0;
	memset(listed->in_list, 0, listed->block.size / info.page);
	for (order = 0; order < info.orders; order++) {
		for (type = 0; type < info.types && !wrong; type++) {
			head = pool + info.pool_free_area +
			       order * info.free_area_size + info.free_list +
			       type * info.list_size;
			if (type == info.migrate_dmb)
				wrong = read_list(head, order, array, listed);
			else if (read_word(head + info.list_next) != head)
				wrong = "a list of another type is in use";
		}
	}
	return wrong;
}

FIXTURE(crash)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	struct listed listed[DMB_MAX_BLOCKS];
	int nr;
};

/* Note the blocks of sysfs. */
static bool note_blocks(FIXTURE_DATA(crash) *self)
{
	int i, nr = dmb_read_blocks(self->blocks);

	for (i = 0; i < self->nr; i++)
		free(self->listed[i].in_list);
	self->nr = nr;
	for (i = 0; i < nr; i++) {
		struct listed *listed = &self->listed[i];

		listed->block = self->blocks[i];
		listed->in_list = calloc(listed->block.size / info.page, 1);
		if (!listed->in_list)
			return false;
	}
	return true;
}

FIXTURE_SETUP(crash)
{
	unsigned long word;
	size_t i;

	self->nr = 0;
	if (sizeof(long) != sizeof(uint64_t))
		SKIP(return, "needs 64 bits");
	core = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
	if (core < 0)
		SKIP(return, "needs CONFIG_PROC_KCORE");
	ASSERT_TRUE(read_headers());
	if (!*note)
		SKIP(return, "needs CONFIG_VMCORE_INFO");
	if (!find_line("SYMBOL(mem_section)", &word))
		SKIP(return, "needs CONFIG_SPARSEMEM");
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		ASSERT_TRUE(find_line(lines[i].name, lines[i].value))
			TH_LOG("vmcoreinfo has no %s", lines[i].name);
	}
	ASSERT_GE(STRUCT_PAGE, info.struct_page);
	ASSERT_TRUE(note_blocks(self));
}

FIXTURE_TEARDOWN(crash)
{
	close(core);
	free(segments);
}

/* Read the free lists of all blocks. Return what is wrong, or NULL. */
static const char *read_all_lists(FIXTURE_DATA(crash) *self)
{
	static char text[160];
	unsigned long sum = 0, counter;
	const char *wrong;
	int i;

	for (i = 0; i < self->nr; i++) {
		struct listed *listed = &self->listed[i];

		wrong = read_lists(listed);
		sum += listed->pages;
		if (!wrong)
			continue;
		snprintf(text, sizeof(text), "%s: %s", listed->block.name,
			 wrong);
		return text;
	}
	if (dmb_read_blocks(self->blocks) != self->nr)
		return "there are other blocks";
	for (i = 0; i < self->nr; i++) {
		struct listed *listed = &self->listed[i];

		listed->block = self->blocks[i];
		if (listed->pages * info.page == listed->block.free)
			continue;
		snprintf(text, sizeof(text), "%s: %lu pages, in sysfs %llu",
			 listed->block.name, listed->pages,
			 listed->block.free / info.page);
		return text;
	}
	dmb_write("/proc/sys/vm/stat_refresh", "1");
	counter = dmb_read_value("/proc/vmstat", "nr_free_dmb");
	if (sum == counter)
		return NULL;
	snprintf(text, sizeof(text), "%lu pages, nr_free_dmb %lu", sum,
		 counter);
	return text;
}

/*
 * Do the free lists of all blocks have the pages that are free? The lists may
 * change while they are read, so read them again. A list that is wrong remains
 * wrong.
 */
static const char *wrong_lists(FIXTURE_DATA(crash) *self)
{
	const char *wrong;
	int i;

	for (i = 0; (wrong = read_all_lists(self)) && i < TRIES; i++)
		usleep(100000);
	return wrong;
}

#define EXPECT_RIGHT_LISTS(self) do {					\
	const char *wrong = wrong_lists(self);				\
									\
	EXPECT_EQ(NULL, wrong) TH_LOG("%s", wrong);			\
} while (0)

/* Count those of some page frames that are in blocks, and in free lists. */
static size_t count_frames(const FIXTURE_DATA(crash) *self,
			   const uint64_t *frames, size_t nr, bool listed)
{
	size_t i, count = 0;

	for (i = 0; i < nr; i++) {
		int block = dmb_find_block(self->blocks, self->nr, frames[i]);

		if (block >= 0)
			count += !listed || self->listed[block].in_list
				[frames[i] - self->blocks[block].base /
				 info.page];
	}
	return count;
}

/* Count the first pages of the first block that are in free lists. */
static size_t count_listed(const FIXTURE_DATA(crash) *self, size_t nr)
{
	size_t i, count = 0;

	for (i = 0; i < nr; i++)
		count += self->listed[0].in_list[i];
	return count;
}

/* The pageblocks that have a pool are those of the blocks, and no others. */
TEST_F(crash, pageblocks_have_pools)
{
	unsigned long pool[DMB_MAX_BLOCKS] = { }, *pools, first, nr, i;
	int block, other;

	EXPECT_EQ(sysconf(_SC_PAGESIZE), info.page);
	EXPECT_EQ(dmb_pageblock_size(), info.page << info.pageblock_order);
	first = read_word(info.map + info.map_first);
	nr = read_word(info.map + info.map_nr);
	ASSERT_LT(0, nr);
	pools = malloc(nr * sizeof(*pools));
	ASSERT_NE(NULL, pools);
	ASSERT_TRUE(read_kernel(read_word(info.map + info.map_pool) +
				first * sizeof(*pools), pools,
				nr * sizeof(*pools)));

	for (i = 0; i < nr; i++) {
		unsigned long frame = (first + i) << info.pageblock_order;

		block = dmb_find_block(self->blocks, self->nr, frame);
		if (block < 0) {
			EXPECT_EQ(0, pools[i]);
			continue;
		}
		if (!pool[block])
			pool[block] = pools[i];
		EXPECT_NE(0, pools[i]);
		EXPECT_EQ(pool[block], pools[i]);
	}
	free(pools);
	for (block = 0; block < self->nr; block++) {
		EXPECT_NE(0, pool[block]);
		for (other = 0; other < block; other++)
			EXPECT_NE(pool[other], pool[block]);
	}
}

/* The pools of all blocks of a node are in its list, and have a zone of it. */
TEST_F(crash, nodes_have_pools)
{
	unsigned long nodes, pgdat, head, entry, zone, offset;
	bool many;
	int i;

	many = find_line("SYMBOL(node_data)", &nodes);
	if (!many && !find_line("SYMBOL(contig_page_data)", &nodes))
		SKIP(return, "vmcoreinfo does not tell where the nodes are");
	for (i = 0; i < self->nr; i++) {
		const struct dmb_block *block = &self->blocks[i];
		unsigned long pool = pool_at(block->base);

		pgdat = many ? read_word(nodes + block->node * sizeof(long)) :
			       nodes;
		ASSERT_NE(0, pgdat);
		head = read_word(pgdat + info.pgdat_dmb) + info.node_pools;
		for (entry = read_word(head + info.list_next);
		     entry && entry != head && entry != pool + info.pool_list;
		     entry = read_word(entry + info.list_next))
			;
		EXPECT_EQ(pool + info.pool_list, entry)
			TH_LOG("%s is not in node %d", block->name,
			       block->node);

		zone = read_word(pool + info.pool_zone);
		offset = zone - pgdat - info.pgdat_zones;
		EXPECT_EQ(0, offset % info.zone_size);
		EXPECT_GT((unsigned int)read_word(pgdat + info.pgdat_nr_zones),
			  offset / info.zone_size);
	}
}

TEST_F(crash, free_pages_are_in_lists)
{
	EXPECT_RIGHT_LISTS(self);
}

TEST_F(crash, pages_in_use_are_in_no_list)
{
	size_t nr = TOUCHED / info.page, in_blocks, listed;
	uint64_t *frames;
	void *memory;

	memory = dmb_touch(TOUCHED, false);
	ASSERT_NE(NULL, memory);
	frames = dmb_frames(memory, TOUCHED);
	ASSERT_NE(NULL, frames);
	in_blocks = count_frames(self, frames, nr, false);
	EXPECT_LT(nr / 2, in_blocks);
	EXPECT_RIGHT_LISTS(self);
	EXPECT_EQ(0, count_frames(self, frames, nr, true));

	munmap(memory, TOUCHED);
	dmb_drain_lists();
	EXPECT_RIGHT_LISTS(self);
	listed = count_frames(self, frames, nr, true);
	TH_LOG("%zu of %zu pages are free again", listed, in_blocks);
	EXPECT_LT(in_blocks / 2, listed);
	free(frames);
}

TEST_F(crash, claimed_memory_is_in_no_list)
{
	size_t nr = 1UL << info.pageblock_order, size = nr * info.page;

	if (dmb_claim(self->blocks[0].base, size))
		SKIP(return, "needs claims by debugfs");
	EXPECT_RIGHT_LISTS(self);
	EXPECT_EQ(0, count_listed(self, nr));
	EXPECT_EQ(0, dmb_release(self->blocks[0].base, size));
	dmb_drain_lists();
	EXPECT_RIGHT_LISTS(self);
	EXPECT_LT(nr / 2, count_listed(self, nr));
}

/* A block that is made later has a pool, and does not keep it. */
TEST_F(crash, blocks_are_made_and_dissolved)
{
	struct dmb_block made = { };
	unsigned long pool;
	int i, nr = self->nr;

	if (dmb_write(SYSFS_DMB "/add", ADDED " exact"))
		SKIP(return, "there is no room for another block");
	for (i = dmb_read_blocks(self->blocks) - 1; i >= 0; i--) {
		unsigned long long base = self->blocks[i].base;
		int k;

		for (k = 0; k < nr && self->listed[k].block.base != base; k++)
			;
		if (k == nr)
			made = self->blocks[i];
	}
	ASSERT_NE(0, made.size);
	EXPECT_TRUE(note_blocks(self));
	EXPECT_EQ(nr + 1, self->nr);
	pool = pool_at(made.base);
	EXPECT_NE(0, pool);
	EXPECT_RIGHT_LISTS(self);

	EXPECT_EQ(0, dmb_write(SYSFS_DMB "/remove", made.name));
	EXPECT_TRUE(note_blocks(self));
	EXPECT_EQ(nr, self->nr);
	EXPECT_EQ(0, pool_at(made.base));
	EXPECT_RIGHT_LISTS(self);
}

int main(int argc, char **argv)
{
	dmb_need_blocks();
	return test_harness_run(argc, argv);
}
