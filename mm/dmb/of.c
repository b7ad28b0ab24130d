// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks from the devicetree. A node below /reserved-memory asks for a block of
 * the same name if it is compatible with one of these:
 *
 *	"designated-movable-block"
 *		it becomes a block, and nothing else;
 *	"shared-dmb-pool", and reusable
 *		all of the block is a CMA area, which devices find through
 *		memory-region, and which is a DMA-BUF heap;
 *	a string of DMB_OWNER_DECLARE(), and reusable
 *		a driver will claim the memory when it needs it.
 *
 * Such a node is not reserved. Its range is noted like a request of
 * movablecore=: early memory keeps out of it, and dmb_designate() makes blocks
 * of the parts that are not reserved. If there is none, the range is ordinary
 * memory. Other nodes are reserved as before, wherever they are.
 */

#define pr_fmt(fmt) "dmb: " fmt

#include <linux/dma-map-ops.h>
#include <linux/dmb.h>
#include <linux/libfdt.h>
#include <linux/memblock.h>
#include <linux/of.h>
#include <linux/of_dmb.h>
#include <linux/of_fdt.h>
#include <linux/of_reserved_mem.h>

#include "boot.h"
#include "internal.h"

/* For DMB_OWNER_DECLARE(): nothing to set up, the range is noted already. */
int __init dmb_setup_owned(struct reserved_mem *rmem)
{
	return 0;
}

static bool __init dmb_node_is_pool(unsigned long node)
{
	return of_flat_dt_is_compatible(node, "shared-dmb-pool");
}

static bool __init dmb_node_is_reusable(unsigned long node)
{
	return of_get_flat_dt_prop(node, "reusable", NULL);
}

static bool __init dmb_node_is_block(unsigned long node)
{
	return of_flat_dt_is_compatible(node, "designated-movable-block");
}

/* Is one of the node's compatible strings declared by DMB_OWNER_DECLARE()? */
static bool __init dmb_node_is_owned(unsigned long node)
{
	const struct of_device_id *entry = __reservedmem_of_table;

	for (; entry->compatible[0]; entry++)
		if (entry->data == dmb_setup_owned &&
		    of_flat_dt_is_compatible(node, entry->compatible))
			return true;
	return false;
}

/**
 * dmb_is_node - does a node ask for a block?
 * @node: offset in the flat devicetree, of a child of /reserved-memory
 *
 * Context: Boot.
 * Return: true if it does, whether or not there is anything wrong with it.
 */
bool __init dmb_is_node(unsigned long node)
{
	if (dmb_node_is_block(node) || dmb_node_is_pool(node))
		return true;
	return dmb_node_is_reusable(node) && dmb_node_is_owned(node);
}

/* Return why a node cannot be a block, whatever its memory is; or NULL. */
static const char * __init dmb_node_fault(unsigned long node)
{
	if (of_get_flat_dt_prop(node, "no-map", NULL))
		return "no-map keeps the kernel out of it";
	if (of_flat_dt_is_compatible(node, "shared-dma-pool"))
		return "it is a shared-dma-pool, too";
	if (of_flat_dt_is_compatible(node, "restricted-dma-pool"))
		return "it is a restricted-dma-pool, too";
	if (!dmb_node_is_pool(node))
		return NULL;
	if (!IS_ENABLED(CONFIG_DMA_CMA))
		return "this kernel has no pools, for want of CONFIG_DMA_CMA";
	if (of_get_flat_dt_prop(node, "linux,cma-default", NULL))
		return "a pool in a block cannot be linux,cma-default";
	if (!dmb_node_is_reusable(node))
		return "a pool in a block has to be reusable";
	return NULL;
}

/* Return true, and log the reason, if a node cannot be a block. */
static bool __init dmb_node_refused(unsigned long node, const char *name)
{
	const char *fault = dmb_node_fault(node);

	if (fault)
		pr_warn("%s refused: %s\n", name, fault);
	return fault;
}

/* Note a node's range, or log why it is refused. */
static int __init dmb_note_node(unsigned long node, const char *name,
				u64 base, u64 size)
{
	int err = 0;

	/* The range may be a part of another request. */
	if (!dmb_announce_part(base, size, name))
		err = dmb_reserve(base, size, name);
	if (!err && dmb_node_is_pool(node))
		dma_contiguous_early_fixup(base, size);
	return err;
}

/* Two areas cannot share memory, even if it is in one block. */
static bool __init dmb_pool_overlaps(unsigned long node, const char *name,
				     phys_addr_t base, phys_addr_t size)
{
	if (!dmb_node_is_pool(node) ||
	    !dmb_area_exists(PHYS_PFN(base), PHYS_PFN(base + size)))
		return false;
	pr_warn("%s refused: a part of it is in a pool already\n", name);
	return true;
}

/**
 * dmb_request_node - ask for a block for a node that has an address
 * @node: offset in the flat devicetree, of a child of /reserved-memory
 * @name: the node's name
 *
 * Context: early_init_fdt_scan_reserved_mem(), before the node is reserved.
 * Return: 0 if its ranges are noted or refused, each as a block of its own. The
 * node needs a place in the table of reserved memory, but nothing is to be
 * reserved.
 * -EINVAL if the node itself is invalid: its memory is ordinary memory.
 * -ENOENT if the scan is to go on as if there were no blocks: the node asks for
 * none, has no address yet, or its memory must not be mapped.
 */
int __init dmb_request_node(unsigned long node, const char *name)
{
	const int cells = dt_root_addr_cells + dt_root_size_cells;
	const __be32 *reg;
	u64 base, size;
	int len;

	if (!dmb_is_node(node))
		return -ENOENT;
	reg = of_get_flat_dt_prop(node, "reg", &len);
	if (!(reg && len) && !of_get_flat_dt_prop(node, "size", NULL)) {
		pr_warn("%s refused: it has neither reg nor size\n", name);
		return -EINVAL;
	}
	if (reg && (len < cells * sizeof(*reg) || len % (cells * sizeof(*reg))))
		return -ENOENT;

	/* Respect no-map: an access to the memory might stop the machine. */
	if (dmb_node_refused(node, name))
		return reg && of_get_flat_dt_prop(node, "no-map", NULL) ?
		       -ENOENT : -EINVAL;
	if (!reg)
		return -ENOENT;

	for (; len > 0; len -= cells * sizeof(*reg)) {
		base = dt_mem_next_cell(dt_root_addr_cells, &reg);
		size = dt_mem_next_cell(dt_root_size_cells, &reg);
		/* A refused range may still be a part of a later request. */
		dmb_note_node(node, name, base, size);
	}
	return 0;
}

/*
 * Reserve the memory that the header of the devicetree lists as reserved. The
 * caller does so only later, after it may have placed a block there.
 */
static void __init dmb_reserve_header(void)
{
	u64 base, size;
	int n;

	for (n = 0; ; n++) {
		fdt_get_mem_rsv(initial_boot_params, n, &base, &size);
		if (!size)
			break;
		memblock_reserve(base, size);
	}
}

/*
 * Look for a range of alloc-ranges that has room outside of all requests.
 * Otherwise the caller would take the first range that has any room, even if
 * that is in a request.
 */
static void __init dmb_choose_range(phys_addr_t size, phys_addr_t align,
				    const __be32 **ranges, int *len)
{
	const int cells = dt_root_addr_cells + dt_root_size_cells;
	const __be32 *next, *range = *ranges;
	phys_addr_t start, end, found;
	int left;

	for (left = *len; left > 0; left -= cells * sizeof(*range)) {
		next = range;
		start = dt_mem_next_cell(dt_root_addr_cells, &next);
		end = start + dt_mem_next_cell(dt_root_size_cells, &next);
		/* This keeps out of requested ranges. */
		found = memblock_alloc_range_nid(size, align ?: SMP_CACHE_BYTES,
						 start,
						 end ?: MEMBLOCK_ALLOC_ANYWHERE,
						 NUMA_NO_NODE, false);
		if (found) {
			memblock_phys_free(found, size);
			*ranges = range;
			*len = left;
			return;
		}
		range = next;
	}
}

/**
 * dmb_place_node - choose the place for a node without address
 * @node: offset in the flat devicetree, of a child of /reserved-memory
 * @size: size of the node in bytes, whether it is for a block or not
 * @align: its alignment, which may be 0; raised to that of blocks for a block
 * @ranges: the value of alloc-ranges, or NULL; on return, it begins with the
 *	    first range that has room outside of all requests, if there is one
 * @len: length of @ranges in bytes
 *
 * Context: early_init_fdt_scan_reserved_mem().
 */
void __init dmb_place_node(unsigned long node, phys_addr_t size,
			   phys_addr_t *align, const __be32 **ranges, int *len)
{
	const int cells = dt_root_addr_cells + dt_root_size_cells;

	if (dmb_is_node(node)) {
		*align = max_t(phys_addr_t, *align, DMB_MIN_ALIGNMENT_BYTES);
		dmb_reserve_header();
	}
	/* The caller complains about ranges that are not complete. */
	if (*ranges && *len % (cells * sizeof(**ranges)) == 0 &&
	    dmb_requests.nr)
		dmb_choose_range(size, *align, ranges, len);
}

/*
 * Ask for a block for a node that memory was allocated for. The memory can be
 * freed, because memblock has reserved it for this node alone.
 */
static bool __init dmb_adopt_node(unsigned long node, const char *name,
				  phys_addr_t base, phys_addr_t size)
{
	memblock_phys_free(base, size);
	return !dmb_pool_overlaps(node, name, base, size) &&
	       !dmb_note_node(node, name, base, size);
}

/**
 * dmb_refuse_node - is a node refused, so that nothing is to be set up for it?
 * @node: offset in the flat devicetree, of a child of /reserved-memory
 * @name: the node's name
 * @base: its first byte
 * @size: its bytes
 *
 * For a node without an address, this is called after memory was allocated for
 * it, frees the memory and notes the range. For one with an address, it is
 * called after all nodes were reserved.
 *
 * Context: fdt_reserved_mem_save_node().
 * Return: true if the node is for a block that is refused, or for a pool of
 * which a part is reserved or in another pool.
 */
bool __init dmb_refuse_node(unsigned long node, const char *name,
			    phys_addr_t base, phys_addr_t size)
{
	if (!dmb_is_node(node))
		return false;
	if (!of_get_flat_dt_prop(node, "reg", NULL))
		return !dmb_adopt_node(node, name, base, size);
	if (dmb_node_fault(node) || !dmb_holds_area(base, size) ||
	    dmb_pool_overlaps(node, name, base, size))
		return true;
	if (!dmb_node_is_pool(node) || !memblock_is_region_reserved(base, size))
		return false;
	pr_warn("%s is no pool: a part of it is reserved, see below\n", name);
	return true;
}

/**
 * dmb_node_holding - find the node that has reserved memory in a range
 * @base: physical address of the first byte of the range
 * @size: size of the range in bytes
 *
 * Context: Boot, once the devicetree is unflattened.
 * Return: of the children of /reserved-memory that do not ask for a block and
 * overlap the range, the one with the lowest address; NULL if there is none.
 */
const struct reserved_mem * __init dmb_node_holding(phys_addr_t base,
						    phys_addr_t size)
{
	const struct reserved_mem *lowest = NULL;
	struct device_node *root, *node;

	root = of_find_node_by_path("/reserved-memory");
	for_each_available_child_of_node(root, node) {
		struct reserved_mem *rmem = of_reserved_mem_lookup(node);

		if (!rmem || dmb_is_node(rmem->fdt_node) ||
		    !memblock_addrs_overlap(base, size, rmem->base, rmem->size))
			continue;
		if (!lowest || rmem->base < lowest->base)
			lowest = rmem;
	}
	of_node_put(root);
	return lowest;
}

/**
 * dmb_usable_range_given - does the devicetree say which memory to use?
 *
 * Context: Boot, once the devicetree is unflattened.
 * Return: true if it has linux,usable-memory-range, as for a crash kernel.
 */
bool __init dmb_usable_range_given(void)
{
	return of_property_present(of_chosen, "linux,usable-memory-range");
}
