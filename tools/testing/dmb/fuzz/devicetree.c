// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzes a boot with a devicetree: a machine, a header and nodes of /reserved-memory, the
 * scan of these as drivers/of does it, and dmb_designate(). Whatever nodes there are,
 *
 *  - the requests are of nodes that ask for blocks, and do not overlap;
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
struct mutex { int unused; };

typedef int (*reservedmem_of_init_fn)(struct reserved_mem *rmem);

static const void *initial_boot_params;
static int dt_root_addr_cells, dt_root_size_cells;
static struct device_node node_found, *of_chosen = &node_found;

#define MAX_RESERVED_REGIONS		64
#define CMA_MIN_ALIGNMENT_BYTES		(PAGE_SIZE << pageblock_order)
#define DEFINE_MUTEX(name)		struct mutex name
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

static char tree[16384];
static struct set others, holes;

static u64 take_address(void)
{
	switch (take(8)) {
	case 0:	return take(1ULL << 40);
	case 1:	return ~0ULL - take(1ULL << 24);
	case 2:	return take(PHYS_PFN(memory_end())) * PAGE_SIZE;
	}
	return take(memory_end() / MIB / 2 + 2) * 2 * MIB;
}

static u64 take_bytes(void)
{
	switch (take(8)) {
	case 0:	return 0;
	case 1:	return take(1ULL << 34);
	case 2:	return (1 + take(64)) * PAGE_SIZE;
	case 3:	return ~0ULL >> take(64);
	}
	return take_mib() * MIB;
}

static int add_cells(__be32 *cell, int cells, u64 value)
{
	int i;

	for (i = 0; i < cells; i++)
		cell[i] = cpu_to_be32(cells - 1 - i ? value >> 32 : value);
	return cells;
}

static void add_property(const char *name)
{
	fdt_property(tree, name, "", 0);
}

static void add_ranges(const char *name, unsigned int n)
{
	__be32 cells[64];
	int len = 0;

	while (n--) {
		len += add_cells(cells + len, dt_root_addr_cells, take_address());
		len += add_cells(cells + len, dt_root_size_cells, take_bytes());
	}
	/* Sometimes a cell is missing. */
	if (len && !take(16))
		len--;
	fdt_property(tree, name, cells, len * sizeof(cells[0]));
}

static void add_number(const char *name, int cells, u64 value)
{
	__be32 cell[4];

	fdt_property(tree, name, cell, add_cells(cell, cells, value) * sizeof(cell[0]));
}

static void add_node(unsigned int i)
{
	static const char * const kinds[] = {
		"designated-movable-block", "shared-dmb-pool", "vendor,owned", "vendor,other",
		"shared-dma-pool", "restricted-dma-pool", "",
	};
	char name[160], list[160] = "";
	unsigned int n, len = 0;
	u64 value;

	snprintf(name, sizeof(name), "%.*s@%x", (int)take(8) ? 6 : 100,
		 "memory-for-a-device-whose-name-is-longer-than-the-name-of-a-block-in-sysfs-may-be-by-far", i);
	fdt_begin_node(tree, name);
	for (n = take(4) ? 1 : take(4); n--; ) {
		const char *kind = kinds[take(ARRAY_SIZE(kinds))];

		strcpy(list + len, kind);
		len += strlen(kind) + 1;
	}
	fdt_property(tree, "compatible", list, len);
	if (take(4))
		add_property("reusable");
	if (!take(8))
		add_property("no-map");
	if (!take(8))
		add_property("linux,cma-default");
	if (!take(16)) {
		const char *status = take(2) ? "okay" : "disabled";

		fdt_property_string(tree, "status", status);
	}
	if (take(4)) {
		/* Of an empty reg, Linux reads what is behind it. */
		add_ranges("reg", take(4) ? 1 : 1 + take(3));
	} else {
		value = take_bytes();
		add_number("size", take(16) ? dt_root_size_cells : take(4), value);
		if (!take(4))
			add_number("alignment", take(16) ? dt_root_addr_cells : take(4),
				   1ULL << take(40));
		if (!take(2))
			add_ranges("alloc-ranges", take(4));
	}
	fdt_end_node(tree);
}

static void make_tree(void)
{
	unsigned int i, n;

	dt_root_addr_cells = take(4) ? 2 : 1;
	dt_root_size_cells = take(4) ? 2 : 1;
	fdt_create(tree, sizeof(tree));
	for (n = take(4); n--; ) {
		u64 start = take_address(), size = 1 + take(64 * PAGE_SIZE);

		fdt_add_reservemap_entry(tree, start, size);
	}
	fdt_finish_reservemap(tree);
	fdt_begin_node(tree, "");
	fdt_begin_node(tree, "reserved-memory");
	add_number("#address-cells", 1, dt_root_addr_cells);
	add_number("#size-cells", 1, dt_root_size_cells);
	if (take(32))
		add_property("ranges");
	for (i = 0, n = take(12); i < n; i++)
		add_node(i);
	fdt_end_node(tree);
	fdt_end_node(tree);
	EXPECT(!fdt_finish(tree));
	initial_boot_params = tree;
}

/* What the requests are that the scan has noted; as they are sorted, by address */
static void note_requests(void)
{
	unsigned int i;

	for (i = 0; i < dmb_requests.nr; i++) {
		u64 start = PFN_PHYS(dmb_requests.block[i]->start_pfn);
		u64 end = PFN_PHYS(dmb_requests.block[i]->end_pfn);

		EXPECT(start < end && !set_overlaps(&requests, start, end));
		set_add(&requests, start, end);
		request[nr_requests++] = (struct span) { start, end };
	}
}

/* Note what the nodes that are not for blocks may have reserved. */
static void note_others(void)
{
	const int cells = dt_root_addr_cells + dt_root_size_cells;
	int parent = fdt_path_offset(tree, "/reserved-memory"), node, i;
	const __be32 *reg;
	u64 start, size;
	int len;

	for (i = 0; i < fdt_num_mem_rsv(tree); i++) {
		fdt_get_mem_rsv(tree, i, &start, &size);
		if (!size)
			break;
		/* Linux reserves it after the nodes, or before the first that needs a place. */
		memblock_reserve(start, size);
		set_add(&others, start, start + size < start ? U64_MAX : start + size);
	}
	fdt_for_each_subnode(node, tree, parent) {
		if (!of_fdt_device_is_available(tree, node))
			continue;
		if (dmb_is_node(node) && !of_get_flat_dt_prop(node, "no-map", NULL))
			continue;
		reg = of_get_flat_dt_prop(node, "reg", &len);
		if (!reg || len % (cells * sizeof(*reg)))
			continue;
		for (; len > 0; len -= cells * sizeof(*reg)) {
			start = dt_mem_next_cell(dt_root_addr_cells, &reg);
			size = dt_mem_next_cell(dt_root_size_cells, &reg);
			if (of_get_flat_dt_prop(node, "no-map", NULL))
				set_add(&holes, start, start + size < start ? U64_MAX : start + size);
			else
				set_add(&others, start, start + size < start ? U64_MAX : start + size);
		}
	}
	/* Those without an address have what they have got. */
	for (i = 0; i < reserved_mem_count; i++) {
		struct reserved_mem *rmem = &reserved_mem[i];

		if (!dmb_is_node(rmem->fdt_node))
			set_add(&others, rmem->base, rmem->base + rmem->size < rmem->base ?
						     U64_MAX : rmem->base + rmem->size);
	}
}

/* Bytes of memory that are reserved, but for whom? */
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
	return set_size(&set);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	bool usable_root;

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
	usable_root = !__reserved_mem_check_root(fdt_path_offset(tree, "/reserved-memory"));

	fdt_scan_reserved_mem();
	note_others();
	note_requests();
	EXPECT(usable_root || !nr_requests);
	fdt_scan_reserved_mem_reg_nodes();
	note_others();
	EXPECT(lost() <= 64 * PAGE_SIZE);

	make_zones(0);
	note_free();
	model_excess();
	if (kernel_is_lost())
		return 0;
	dmb_designate();
	check_blocks();
	note_free();
	if (!close_call)
		model_blocks();
	return 0;
}
