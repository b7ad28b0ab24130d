// SPDX-License-Identifier: GPL-2.0
/*
 * Tell crash tools which pages are designated, and where to find free
 * designated pages, which are in no list of struct zone.
 *
 * dmb_map has the pool of each designated pageblock. All pools of a node are in
 * the list of its struct dmb_node. Their free lists are like those of a zone,
 * but only those of MIGRATE_DMB are in use.
 */

#include <linux/dmb.h>
#include <linux/init.h>
#include <linux/mmzone.h>
#include <linux/vmcore_info.h>

#include "internal.h"

/* Runs after crash_save_vmcoreinfo_init(). */
static int __init dmb_describe_for_dumps(void)
{
	VMCOREINFO_NUMBER(pageblock_order);
	VMCOREINFO_SYMBOL(dmb_map);
	VMCOREINFO_OFFSET(dmb_map, first);
	VMCOREINFO_OFFSET(dmb_map, nr);
	VMCOREINFO_OFFSET(dmb_map, pool);
	VMCOREINFO_OFFSET(pglist_data, dmb);
	VMCOREINFO_OFFSET(dmb_node, pools);
	VMCOREINFO_OFFSET(dmb_pool, list);
	VMCOREINFO_OFFSET(dmb_pool, zone);
	VMCOREINFO_OFFSET(dmb_pool, free_area);
	VMCOREINFO_NUMBER(MIGRATE_DMB);
	return 0;
}
fs_initcall(dmb_describe_for_dumps);
