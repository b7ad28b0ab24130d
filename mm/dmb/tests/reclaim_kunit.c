// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests: reclaim finds folios in blocks on the LRU of ZONE_MOVABLE.
 */

#include <kunit/test.h>
#include <linux/dmb.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/swap.h>
#include <linux/vmstat.h>

#include "../internal.h"
#include "tests.h"

#define NR_FOLIOS	256

static unsigned long zone_anon(struct zone *zone)
{
	return zone_page_state_snapshot(zone, NR_ZONE_INACTIVE_ANON) +
	       zone_page_state_snapshot(zone, NR_ZONE_ACTIVE_ANON);
}

/* Folios in blocks count for ZONE_MOVABLE, not for the zone of their pages. */
static void dmb_test_folios_are_movable(struct kunit *test)
{
	struct zone *zone = dmb_blocks.block[0]->pool->zone, *movable;
	unsigned long counted, elsewhere, i, in_blocks = 0;
	struct file *file;

	movable = &zone->zone_pgdat->node_zones[ZONE_MOVABLE];
	file = shmem_kernel_file_setup("dmb_test", NR_FOLIOS * PAGE_SIZE,
				       VM_NORESERVE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);

	lru_add_drain_all();
	counted = zone_anon(movable);
	elsewhere = zone_anon(zone);
	for (i = 0; i < NR_FOLIOS; i++) {
		struct folio *folio = shmem_read_folio(file->f_mapping, i);

		if (IS_ERR(folio))
			break;
		if (dmb_contains_pfn(folio_pfn(folio))) {
			KUNIT_EXPECT_EQ(test, folio_zonenum(folio),
					ZONE_MOVABLE);
			in_blocks++;
		}
		folio_put(folio);
	}
	lru_add_drain_all();
	counted = zone_anon(movable) - counted;
	elsewhere = zone_anon(zone) - elsewhere;
	fput(file);

	KUNIT_EXPECT_EQ(test, i, NR_FOLIOS);
	if (in_blocks < NR_FOLIOS)
		kunit_skip(test, "blocks are nearly full");
	/* The counters may change a bit, since other tasks run meanwhile. */
	KUNIT_EXPECT_GE(test, counted, NR_FOLIOS / 2);
	KUNIT_EXPECT_LT(test, (long)elsewhere, NR_FOLIOS / 2);
}

static struct kunit_case dmb_reclaim_cases[] = {
	KUNIT_CASE(dmb_test_folios_are_movable),
	{}
};

static struct kunit_suite dmb_reclaim_suite = {
	.name = "dmb_reclaim",
	.init = dmb_test_need_blocks,
	.test_cases = dmb_reclaim_cases,
};

kunit_test_suite(dmb_reclaim_suite);
