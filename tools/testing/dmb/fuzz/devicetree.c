// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzes a boot with a devicetree: a machine, a header and nodes of /reserved-memory, the
 * scan of these as drivers/of does it, and dmb_designate(). Whatever nodes there are,
 *
 *  - the requests are those of a model, which knows the nodes as they were made;
 *  - what others have in the devicetree is reserved, or not mapped;
 *  - nothing else is reserved, so that no memory is lost;
 *  - no node gets memory in a request while there is other memory that would do;
 *  - blocks are made as for the command line.
 *
 * The input is a sequence of choices, see take().
 */
#define CONFIG_OF_RESERVED_MEM 1
#define CONFIG_CMA 1
#define CONFIG_DMA_CMA 1

#include <libfdt.h>

/* What drivers/of has, for a flat tree */
struct of_device_id {
	const char *compatible;
	const void *data;
};

struct device_node { const char *full_name; int offset; };
struct device;

typedef int (*reservedmem_of_init_fn)(struct reserved_mem *rmem);

static const void *initial_boot_params;
static int dt_root_addr_cells, dt_root_size_cells;
static struct device_node node_found, *of_chosen = &node_found;

#define MAX_RESERVED_REGIONS		64
#define CMA_MIN_ALIGNMENT_BYTES		(PAGE_SIZE << pageblock_order)
#define mutex_lock(lock)		((void)(lock))
#define mutex_unlock(lock)		((void)(lock))
#define dev_info(...)			do { } while (0)
#define kmemleak_ignore_phys(phys)	do { } while (0)
#define dma_contiguous_early_fixup(base, size) do { } while (0)
#define of_property_present(node, name)	((void)(node), false)
#define of_parse_phandle(...)		NULL
#define of_property_match_string(...)	0
#define of_device_is_available(node)	true
#define of_node_put(node)		do { } while (0)
#define kbasename(path)			(path)
#define array_size(a, b)		((size_t)(a) * (b))
#define sort(base, n, size, cmp, swap)	qsort(base, n, size, cmp)
#define be32_to_cpup(cell)		be32_to_cpu(*(cell))
#define __refdata
#define _LINUX_OF_PRIVATE_H
#undef __section
#define __section(name)

/* The table of who is told of a node, with its end */
#define __reservedmem_of_table		fuzz_table
#define __rmem_of_table_sentinel	*fuzz_table_end

static int of_flat_dt_is_compatible(unsigned long node, const char *compatible)
{
	int len;
	const char *list = fdt_getprop(initial_boot_params, node, "compatible", &len);

	return list && fdt_stringlist_contains(list, len, compatible);
}

static const void *of_get_flat_dt_prop(unsigned long node, const char *name, int *size)
{
	return fdt_getprop(initial_boot_params, node, name, size);
}

static bool of_fdt_device_is_available(const void *fdt, unsigned long node)
{
	const char *status = fdt_getprop(fdt, node, "status", NULL);

	return !status || !strcmp(status, "okay");
}

static u64 dt_mem_next_cell(int cells, const __be32 **cell)
{
	u64 value = 0;

	while (cells--)
		value = value << 32 | be32_to_cpup((*cell)++);
	return value;
}

static struct device_node *of_find_node_by_path(const char *path)
{
	node_found.offset = fdt_path_offset(initial_boot_params, path);
	return &node_found;
}

static struct device_node *fuzz_next_child(struct device_node *parent, struct device_node *child)
{
	static struct device_node next;
	int offset;

	if (parent->offset < 0)
		return NULL;
	offset = child ? fdt_next_subnode(initial_boot_params, child->offset) :
			 fdt_first_subnode(initial_boot_params, parent->offset);
	if (offset < 0)
		return NULL;
	next.offset = offset;
	next.full_name = fdt_get_name(initial_boot_params, offset, NULL);
	return &next;
}

#define for_each_available_child_of_node(parent, child)				\
	for ((child) = fuzz_next_child(parent, NULL); (child);			\
	     (child) = fuzz_next_child(parent, child))

struct reserved_mem *of_reserved_mem_lookup(struct device_node *np);
bool dmb_area_exists(unsigned long start_pfn, unsigned long end_pfn);
int dmb_setup_owned(struct reserved_mem *rmem);

#include "machine.h"
#undef pr_fmt
#include IN_TREE(SRC/mm/dmb/of.c)
#undef pr_fmt
#include IN_TREE(SRC/drivers/of/of_reserved_mem.c)

static struct set areas;

bool dmb_area_exists(unsigned long start_pfn, unsigned long end_pfn)
{
	return set_overlaps(&areas, start_pfn, end_pfn);
}

static int setup_pool(struct reserved_mem *rmem)
{
	unsigned long start_pfn = PHYS_PFN(rmem->base), end_pfn = PHYS_PFN(rmem->base + rmem->size);

	EXPECT(!set_overlaps(&areas, start_pfn, end_pfn));
	set_add(&areas, start_pfn, end_pfn);
	return 0;
}

static int setup_dma(struct reserved_mem *rmem)
{
	if (of_get_flat_dt_prop(rmem->fdt_node, "reusable", NULL) &&
	    !of_get_flat_dt_prop(rmem->fdt_node, "no-map", NULL))
		return 0;
	return of_get_flat_dt_prop(rmem->fdt_node, "no-map", NULL) ? 0 : -EINVAL;
}

static int setup_nothing(struct reserved_mem *rmem)
{
	return -ENOENT;
}

const struct of_device_id fuzz_table[] = {
	{ "shared-dmb-pool", setup_pool },
	{ "shared-dma-pool", setup_dma },
	{ "vendor,owned", dmb_setup_owned },
	{ "vendor,other", setup_nothing },
	{ "" },
};

/* The devicetree */

/* A range as the devicetree has it */
struct reg {
	u64 start, size;
};

/* A node as it was made, and what the scan has to make of it */
struct node {
	char name[160];
	bool available, block, pool, owned, other, dma, restricted;
	bool reusable, nomap, cma_default, has_size;
	unsigned int nr_reg;		/* 0 if it has none, or one that lacks a cell */
	bool bad_reg;
	struct reg reg[4];
	u64 size, align;
	bool bad_size;
	unsigned int nr_ranges;
	struct reg range[4];
	bool found;
};

static char tree[16384];
static struct node node[16];
static unsigned int nr_nodes;
static struct set headers;

static u64 end_of(const struct reg *reg)
{
	return reg->start + reg->size < reg->start ? U64_MAX : reg->start + reg->size;
}

/* Writes a number, of which few cells may have room for a part only. */
static int add_cells(__be32 *cell, int cells, u64 *value)
{
	int i;

	if (cells == 1)
		*value = (u32)*value;
	for (i = 0; i < cells; i++)
		cell[i] = cpu_to_be32(cells - 1 - i ? *value >> 32 : *value);
	return cells;
}

static void add_property(const char *name)
{
	fdt_property(tree, name, "", 0);
}

/* Returns false if a cell is missing. */
static bool add_ranges(const char *name, unsigned int n, struct reg *reg)
{
	bool whole = take(16);
	__be32 cells[64];
	int len = 0;

	for (; n--; reg++) {
		*reg = (struct reg) { take_address(), take_size() };
		len += add_cells(cells + len, dt_root_addr_cells, &reg->start);
		len += add_cells(cells + len, dt_root_size_cells, &reg->size);
	}
	fdt_property(tree, name, cells, (len - !whole) * sizeof(cells[0]));
	return whole;
}

static bool add_number(const char *name, int cells, int right, u64 *value)
{
	__be32 cell[4];

	fdt_property(tree, name, cell, add_cells(cell, cells, value) * sizeof(cell[0]));
	return cells == right;
}

static void add_node(unsigned int i)
{
	struct node *new = &node[nr_nodes++];
	char list[160] = "";
	unsigned int n, len = 0;

	*new = (struct node) { .available = true };
	/* Blocks have only the beginning of a long name. */
	snprintf(new->name, sizeof(new->name), "%x-%.*s", i, take(8) ? 6 : 100,
		 "memory-for-a-device-whose-name-is-longer-than-the-name-of-a-block-in-sysfs-may-be-by-far");
	fdt_begin_node(tree, new->name);
	for (n = take(4) ? 1 : take(4); n--; ) {
		static const char * const kinds[] = {
			"designated-movable-block", "shared-dmb-pool", "vendor,owned",
			"vendor,other", "shared-dma-pool", "restricted-dma-pool", "",
		};
		unsigned int kind = take(ARRAY_SIZE(kinds));

		new->block |= kind == 0;
		new->pool |= kind == 1;
		new->owned |= kind == 2;
		new->other |= kind == 3;
		new->dma |= kind == 4;
		new->restricted |= kind == 5;
		strcpy(list + len, kinds[kind]);
		len += strlen(kinds[kind]) + 1;
	}
	fdt_property(tree, "compatible", list, len);
	new->reusable = take(4);
	if (new->reusable)
		add_property("reusable");
	new->nomap = !take(8);
	if (new->nomap)
		add_property("no-map");
	new->cma_default = !take(8);
	if (new->cma_default)
		add_property("linux,cma-default");
	if (!take(16)) {
		new->available = take(2);
		fdt_property_string(tree, "status", new->available ? "okay" : "disabled");
	}
	if (take(4)) {
		/* Of an empty reg, Linux reads what is behind it. */
		new->nr_reg = take(4) ? 1 : 1 + take(3);
		new->bad_reg = !add_ranges("reg", new->nr_reg, new->reg);
	} else {
		new->has_size = true;
		new->size = take_size();
		new->bad_size = !add_number("size", take(16) ? dt_root_size_cells : take(4),
					    dt_root_size_cells, &new->size);
		if (!take(4)) {
			new->align = 1ULL << take(40);
			if (!add_number("alignment", take(16) ? dt_root_addr_cells : take(4),
					dt_root_addr_cells, &new->align))
				new->bad_size = true;
		}
		if (!take(2)) {
			new->nr_ranges = 1 + take(3);
			if (!add_ranges("alloc-ranges", new->nr_ranges, new->range))
				new->bad_size = true;
		}
	}
	fdt_end_node(tree);
}

static void make_tree(void)
{
	u64 addr_cells, size_cells;
	unsigned int i, n;

	dt_root_addr_cells = take(4) ? 2 : 1;
	dt_root_size_cells = take(4) ? 2 : 1;
	addr_cells = dt_root_addr_cells;
	size_cells = dt_root_size_cells;
	nr_nodes = headers.nr = 0;
	fdt_create(tree, sizeof(tree));
	for (n = take(4); n--; ) {
		struct reg reg = { take_address(), 1 + take(64 * PAGE_SIZE) };

		fdt_add_reservemap_entry(tree, reg.start, reg.size);
		set_add(&headers, reg.start, end_of(&reg));
	}
	fdt_finish_reservemap(tree);
	fdt_begin_node(tree, "");
	fdt_begin_node(tree, "reserved-memory");
	add_number("#address-cells", 1, 1, &addr_cells);
	add_number("#size-cells", 1, 1, &size_cells);
	add_property("ranges");
	for (i = 0, n = take(12); i < n; i++)
		add_node(i);
	fdt_end_node(tree);
	fdt_end_node(tree);
	EXPECT(!fdt_finish(tree));
	initial_boot_params = tree;
}

/* What the scan has to make of it */

static bool asks_for_block(const struct node *node)
{
	return node->block || node->pool || (node->owned && node->reusable);
}

static bool at_fault(const struct node *node)
{
	return node->nomap || node->dma || node->restricted ||
	       (node->pool && (node->cma_default || !node->reusable));
}

/* setup_dma() is the only one that refuses a node, and has its memory freed. */
static bool is_freed(const struct node *node)
{
	return node->dma && !node->reusable && !node->nomap && !node->owned && !node->other;
}

/* Ranges of nodes that are not for blocks; these, as far as they must not be mapped */
static struct set others, holes;

static void model_request(u64 start, u64 size)
{
	u64 last = start + size - 1;

	if (!size || last < start || last > (~0ULL << PAGE_SHIFT) - PAGEBLOCK ||
	    size % PAGEBLOCK || start % PAGEBLOCK || set_overlaps(&requests, start, last + 1))
		return;
	set_add(&requests, start, last + 1);
}

/* The nodes that have an address, in their order */
static void model_nodes(void)
{
	unsigned int i, j;

	for (i = 0; i < nr_nodes; i++) {
		struct node *one = &node[i];

		if (!one->available || !one->nr_reg || one->bad_reg)
			continue;
		if (asks_for_block(one) && !at_fault(one)) {
			for (j = 0; j < one->nr_reg; j++)
				model_request(one->reg[j].start, one->reg[j].size);
			continue;
		}
		if (asks_for_block(one) && !one->nomap)
			continue;
		for (j = 0; j < one->nr_reg; j++)
			set_add(one->nomap ? &holes : &others, one->reg[j].start,
				end_of(&one->reg[j]));
	}
}

static struct node *find_node(const char *name)
{
	unsigned int i;

	for (i = 0; i < nr_nodes; i++)
		if (!strncmp(node[i].name, name, DMB_NAME_LEN - 1))
			return &node[i];
	abort();
}

/*
 * The requests are those of the model, and of nodes without an address. Those have the size
 * that is asked for, and nothing that the devicetree has in its header.
 */
static void check_requests(void)
{
	static struct set rest;
	unsigned int i;

	set_copy(&rest, &requests);
	for (i = 0; i < dmb_requests.nr; i++) {
		struct dmb *dmb = dmb_requests.block[i];
		u64 start = PFN_PHYS(dmb->start_pfn), end = PFN_PHYS(dmb->end_pfn);
		struct node *one = find_node(dmb->name);

		request[nr_requests++] = (struct span) { start, end };
		EXPECT(!i || dmb_requests.block[i - 1]->end_pfn <= dmb->start_pfn);
		if (one->nr_reg) {
			EXPECT(set_has(&rest, start, end));
			set_remove(&rest, start, end);
			continue;
		}
		EXPECT(asks_for_block(one) && !at_fault(one) && one->available);
		EXPECT(!one->found && !one->bad_size && end - start == one->size);
		EXPECT(!one->align || start % one->align == 0);
		EXPECT(!set_overlaps(&headers, start, end));
		one->found = true;
		set_add(&requests, start, end);
	}
	EXPECT(!rest.nr);
}

/*
 * Is this in a range of a no-map node of which something is reserved? All of the range stays
 * mapped then.
 */
static bool stays_mapped(u64 start, u64 end, const struct set *reserved)
{
	unsigned int i, j;

	for (i = 0; i < nr_nodes; i++) {
		for (j = 0; j < node[i].nr_reg && node[i].nomap; j++) {
			const struct reg *reg = &node[i].reg[j];

			if (reg->start < end && start < end_of(reg) &&
			    set_overlaps(reserved, reg->start, end_of(reg)))
				return true;
		}
	}
	return false;
}

/* What others have is reserved, or not mapped, as far as it is RAM. */
static void check_others(void)
{
	static struct set set, reserved, unmapped;
	struct memblock_region *region;
	unsigned int i;

	reserved.nr = unmapped.nr = 0;
	for_each_reserved_mem_region(region)
		set_add(&reserved, region->base, region->base + region->size);
	for_each_mem_region(region)
		if (memblock_is_nomap(region))
			set_add(&unmapped, region->base, region->base + region->size);

	for (i = 0; i < nr_pieces; i++) {
		set_copy(&set, &others);
		set_clip(&set, piece[i].start, piece[i].end);
		set_remove_all(&set, &reserved);
		EXPECT(!set.nr);

		set_copy(&set, &holes);
		set_clip(&set, piece[i].start, piece[i].end);
		set_remove_all(&set, &unmapped);
		while (set.nr) {
			u64 start = set.span[0].start, end = set.span[0].end;

			EXPECT(stays_mapped(start, end, &reserved));
			set_remove(&set, start, end);
		}
	}
}

/*
 * A node without an address has a part of a request only if there is no other memory that
 * would do. Since it was placed, memory has become less.
 */
static void check_places(void)
{
	unsigned int i, j;

	note_free();
	for (i = 0; i < reserved_mem_count; i++) {
		struct reserved_mem *rmem = &reserved_mem[i];
		struct node *one = find_node(rmem->name);
		u64 align = max((u64)SMP_CACHE_BYTES, one->align);

		if (one->nr_reg || asks_for_block(one))
			continue;
		EXPECT(rmem->size == one->size);
		if (is_freed(one))
			continue;
		set_add(&others, rmem->base, rmem->base + rmem->size);
		if (!rmem->size || !set_overlaps(&requests, rmem->base, rmem->base + rmem->size))
			continue;
		if (one->dma && one->reusable && !one->nomap)
			align = max(align, (u64)CMA_MIN_ALIGNMENT_BYTES);
		EXPECT(one->nr_ranges || !has_room(&ordinary, one->size, align, 0, U64_MAX));
		for (j = 0; j < one->nr_ranges; j++)
			EXPECT(!has_room(&ordinary, one->size, align, one->range[j].start,
					 one->range[j].start + one->range[j].size));
	}
}

/* Bytes of memory that are reserved for nobody */
static u64 lost(void)
{
	static struct set set;
	unsigned int i;

	set.nr = 0;
	for (i = 0; i < memblock.reserved.cnt; i++)
		set_add(&set, memblock.reserved.regions[i].base,
			memblock.reserved.regions[i].base + memblock.reserved.regions[i].size);
	set_remove_all(&set, &others);
	set_remove_all(&set, &holes);
	set_remove_all(&set, &headers);
	return set_size(&set);
}

/* Linux reserves this after the nodes, or before the first block that needs a place. */
static void reserve_headers(void)
{
	unsigned int i;
	u64 start, size;

	for (i = 0; i < fdt_num_mem_rsv(tree); i++) {
		fdt_get_mem_rsv(tree, i, &start, &size);
		memblock_reserve(start, size);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	input = data;
	input_end = data + size;
	reset();
	areas.nr = others.nr = holes.nr = 0;
	fuzz_table_end = fuzz_table + ARRAY_SIZE(fuzz_table) - 1;
	reserved_mem = reserved_mem_array;
	reserved_mem_count = 0;
	total_reserved_mem_cnt = MAX_RESERVED_REGIONS;
	make_memory();
	make_tree();
	model_nodes();

	fdt_scan_reserved_mem();
	check_requests();
	check_places();
	check_others();
	reserve_headers();
	fdt_scan_reserved_mem_reg_nodes();
	EXPECT(lost() <= 64 * PAGE_SIZE);

	make_zones(0);
	designate();
	return 0;
}
