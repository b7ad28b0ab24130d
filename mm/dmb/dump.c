// SPDX-License-Identifier: GPL-2.0
/*
 * What programs that read a crash dump need to tell designated pages from others, and to
 * find those that are free: they are in no list of struct zone.
 *
 * dmb_map says which pageblocks are designated, and has the pool of each. All pools of a
 * node are in the list of its struct dmb_node, and have free lists like those of a zone, of
 * which only that of MIGRATE_DMB is in use.
 */

#include <linux/dmb.h>
#include <linux/init.h>
#include <linux/mmzone.h>
#include <linux/vmcore_info.h>

#include "internal.h"

/* Behind crash_save_vmcoreinfo_init() */
static int __init dmb_describe_for_dumps(void)
{
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
