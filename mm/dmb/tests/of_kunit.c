// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests: which nodes of the devicetree request a block, and which of them
 * are refused. This also declares an owner, for a test module to play.
 */

#include <kunit/test.h>
#include <linux/dmb.h>
#include <linux/libfdt.h>
#include <linux/of.h>
#include <linux/of_dmb.h>
#include <linux/of_fdt.h>
#include <linux/of_reserved_mem.h>

#include "../internal.h"

#define DMB_TEST_FDT_SIZE	4096

DMB_OWNER_DECLARE(dmb_test_owner, "linux,dmb-test-owner");

struct dmb_node_case {
	const char *name;
	const char *compatible;
	/* Names of properties, each with a NUL behind it */
	const char *flags;
	u32 size;
	bool asks;
	int err;	/* of dmb_request_node() */
};

/*
 * All nodes have an address. None may become a block so late, so the nodes that
 * are otherwise valid are refused for their size.
 */
static const struct dmb_node_case dmb_node_cases[] __initconst = {
	{ "block", "designated-movable-block", "", 4096, true, 0 },
	{ "reusable block", "designated-movable-block", "reusable\0",
	  4096, true, 0 },
	{ "unmapped block", "designated-movable-block", "no-map\0",
	  4096, true, -ENOENT },
	{ "pool", "shared-dmb-pool", "reusable\0", 4096, true, 0 },
	{ "pool for good", "shared-dmb-pool", "", 4096, true, -EINVAL },
	{ "default pool", "shared-dmb-pool", "reusable\0linux,cma-default\0",
	  4096, true, -EINVAL },
	{ "unmapped pool", "shared-dmb-pool", "reusable\0no-map\0",
	  4096, true, -ENOENT },
	{ "owned", "linux,dmb-test-owner", "reusable\0", 4096, true, 0 },
	{ "unmapped and owned", "linux,dmb-test-owner", "reusable\0no-map\0",
	  4096, true, -ENOENT },
	{ "owned for good", "linux,dmb-test-owner", "", 4096, false, -ENOENT },
	{ "somebody's", "linux,dmb-test-stranger", "reusable\0",
	  4096, false, -ENOENT },
	{ "pool of CMA", "shared-dma-pool", "reusable\0",
	  4096, false, -ENOENT },
	{ "log of oopses", "ramoops", "", 4096, false, -ENOENT },
	{ "nobody's", NULL, "reusable\0", 4096, false, -ENOENT },
	{ "nothing", "designated-movable-block", "", 0, true, 0 },
};

/* Make a devicetree with one node. Return its offset, or an error of libfdt. */
static int __init dmb_test_tree(void *fdt, const struct dmb_node_case *c)
{
	const char *flag;
	int err;

	err = fdt_create(fdt, DMB_TEST_FDT_SIZE);
	err = err ?: fdt_finish_reservemap(fdt);
	err = err ?: fdt_begin_node(fdt, "");
	err = err ?: fdt_begin_node(fdt, "node");
	if (c->compatible)
		err = err ?: fdt_property_string(fdt, "compatible",
						 c->compatible);
	for (flag = c->flags; *flag; flag += strlen(flag) + 1)
		err = err ?: fdt_property(fdt, flag, NULL, 0);
	if (!err) {
		/* Address 0 and the size, with one or two cells each */
		fdt32_t reg[4] = { };

		reg[dt_root_addr_cells + dt_root_size_cells - 1] =
			cpu_to_fdt32(c->size);
		err = fdt_property(fdt, "reg", reg, sizeof(reg[0]) *
				   (dt_root_addr_cells + dt_root_size_cells));
	}
	err = err ?: fdt_end_node(fdt);
	err = err ?: fdt_end_node(fdt);
	err = err ?: fdt_finish(fdt);
	return err ?: fdt_path_offset(fdt, "/node");
}

static void __init dmb_test_nodes(struct kunit *test)
{
	const struct dmb_node_case *c = dmb_node_cases;
	void *fdt = kunit_kzalloc(test, DMB_TEST_FDT_SIZE, GFP_KERNEL);
	void *machine = initial_boot_params;

	KUNIT_ASSERT_NOT_NULL(test, fdt);
	if (!dt_root_addr_cells)
		kunit_skip(test, "this machine has no devicetree");

	for (; c < dmb_node_cases + ARRAY_SIZE(dmb_node_cases); c++) {
		int node = dmb_test_tree(fdt, c);

		KUNIT_ASSERT_GE_MSG(test, node, 0, "%s", c->name);
		initial_boot_params = fdt;
		KUNIT_EXPECT_EQ_MSG(test, dmb_is_node(node), c->asks, "%s",
				    c->name);
		KUNIT_EXPECT_EQ_MSG(test, dmb_request_node(node, c->name),
				    c->err, "%s", c->name);
		KUNIT_EXPECT_FALSE_MSG(test, dmb_holds_area(0, c->size), "%s",
				       c->name);
		initial_boot_params = machine;
	}
}

static struct kunit_case __refdata dmb_of_cases[] = {
	KUNIT_CASE(dmb_test_nodes),
	{}
};

static struct kunit_suite __refdata dmb_of_suite = {
	.name = "dmb_of",
	.test_cases = dmb_of_cases,
};
kunit_test_init_section_suites(&dmb_of_suite);
