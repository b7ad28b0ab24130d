// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests: contiguous memory that is taken out of blocks, or must not be.
 *
 * User space cannot request contiguous memory that is not movable, nor see the
 * pages of an owner.
 */

#include <kunit/test.h>
#include <linux/dmb_claim.h>
#include <linux/gfp.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>

#include "../internal.h"
#include "tests.h"

#define DMB_TEST_OWNER	"dmb_contig_test"

/* If there are more ranges, the machine is too large to fill. */
#define DMB_TEST_RANGES	64

/* The first pageblock of the first block, which has at least two */
static phys_addr_t dmb_test_base(void)
{
	return dmb_first_byte(dmb_blocks.block[0]->start_pfn);
}

static int dmb_test_need_neighbours(struct kunit *test)
{
	int err = dmb_test_need_blocks(test);

	if (!err && dmb_nr_pages(dmb_blocks.block[0]) < 2 * pageblock_nr_pages)
		kunit_skip(test, "the first block has but one pageblock");
	return err;
}

static int dmb_test_claim(phys_addr_t base, phys_addr_t size,
			  struct dmb_claim **claim)
{
	*claim = dmb_claim_range(base, size, DMB_TEST_OWNER);
	return PTR_ERR_OR_ZERO(*claim);
}

static void dmb_test_claim_range(struct kunit *test)
{
	const struct dmb *dmb = dmb_blocks.block[0];
	phys_addr_t base = dmb_first_byte(dmb->start_pfn);
	phys_addr_t end = base + PFN_PHYS(dmb_nr_pages(dmb));
	struct dmb_claim *claim;

	KUNIT_EXPECT_EQ(test, dmb_test_claim(base, 0, &claim), -EINVAL);
	KUNIT_EXPECT_EQ(test, dmb_test_claim(base + 1, PAGE_SIZE, &claim),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, dmb_test_claim(base, PAGE_SIZE - 1, &claim),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, dmb_test_claim(base, -PAGE_SIZE, &claim),
			-EINVAL);
	KUNIT_EXPECT_EQ(test,
			dmb_test_claim(base - PAGE_SIZE, 2 * PAGE_SIZE, &claim),
			-ENXIO);
	KUNIT_EXPECT_EQ(test,
			dmb_test_claim(end - PAGE_SIZE, 2 * PAGE_SIZE, &claim),
			-ENXIO);
	KUNIT_EXPECT_EQ(test, dmb->claimed, 0);
}

/* An unaligned range, which leaves parts of two pageblocks to the allocator */
static void dmb_test_claim_pages(struct kunit *test)
{
	phys_addr_t size = DMB_MIN_ALIGNMENT_BYTES + PAGE_SIZE;
	phys_addr_t base = dmb_test_base() + PAGE_SIZE;
	unsigned long nr = PHYS_PFN(size), pfn;
	const struct dmb *dmb = dmb_blocks.block[0];
	struct dmb_claim *claim;

	KUNIT_ASSERT_EQ(test, dmb_test_claim(base, size, &claim), 0);
	KUNIT_EXPECT_EQ(test, dmb->claimed, nr);
	for (pfn = PHYS_PFN(base); pfn < PHYS_PFN(base) + nr; pfn++) {
		struct page *page = pfn_to_page(pfn);

		KUNIT_EXPECT_EQ(test, page_count(page), 1);
		KUNIT_EXPECT_EQ(test, get_pageblock_migratetype(page),
				MIGRATE_DMB);
		KUNIT_EXPECT_TRUE(test, dmb_claimed(pfn));
	}
	KUNIT_EXPECT_FALSE(test, dmb_claimed(PHYS_PFN(base) - 1));
	KUNIT_EXPECT_FALSE(test, dmb_claimed(pfn));

	dmb_release(claim);
	KUNIT_EXPECT_EQ(test, dmb->claimed, 0);
	KUNIT_EXPECT_FALSE(test, dmb_claimed(PHYS_PFN(base)));
}

static void dmb_test_claim_overlap(struct kunit *test)
{
	phys_addr_t base = dmb_test_base(), size = 2 * PAGE_SIZE;
	struct dmb_claim *claim, *next, *other;

	KUNIT_ASSERT_EQ(test, dmb_test_claim(base, size, &claim), 0);
	KUNIT_EXPECT_EQ(test, dmb_test_claim(base, size, &other), -EBUSY);
	KUNIT_EXPECT_EQ(test, dmb_test_claim(base + PAGE_SIZE, size, &other),
			-EBUSY);
	KUNIT_ASSERT_EQ(test, dmb_test_claim(base + size, size, &next), 0);
	dmb_release(claim);
	KUNIT_EXPECT_EQ(test, dmb_test_claim(base + size, PAGE_SIZE, &other),
			-EBUSY);
	KUNIT_EXPECT_EQ(test, dmb_blocks.block[0]->claimed, PHYS_PFN(size));
	dmb_release(next);
	KUNIT_EXPECT_EQ(test, dmb_blocks.block[0]->claimed, 0);
}

/* For kexec, /dev/mem and memory hotplug, claimed memory is still RAM. */
static void dmb_test_claim_is_ram(struct kunit *test)
{
	phys_addr_t base = dmb_test_base(), size = DMB_MIN_ALIGNMENT_BYTES;
	const struct dmb *dmb = dmb_blocks.block[0];
	struct dmb_claim *claim;

	KUNIT_ASSERT_EQ(test, dmb_test_claim(base, size, &claim), 0);
	KUNIT_EXPECT_EQ(test, region_intersects(dmb_first_byte(dmb->start_pfn),
						PFN_PHYS(dmb_nr_pages(dmb)),
						IORESOURCE_SYSTEM_RAM |
						IORESOURCE_BUSY,
						IORES_DESC_NONE),
			REGION_INTERSECTS);
	KUNIT_EXPECT_TRUE(test, page_is_ram(PHYS_PFN(base)));
	KUNIT_ASSERT_NOT_NULL(test, dmb->lines->resource.child);
	KUNIT_EXPECT_EQ(test, dmb->lines->resource.child->start, base);
	KUNIT_EXPECT_STREQ(test, dmb->lines->resource.child->name, DMB_TEST_OWNER);
	dmb_release(claim);
	KUNIT_EXPECT_NULL(test, dmb->lines->resource.child);
}

/* A claim does not change a pageblock that was isolated before. */
static void dmb_test_isolated_elsewhere(struct kunit *test)
{
	phys_addr_t base = dmb_test_base(),
		    neighbour = base + DMB_MIN_ALIGNMENT_BYTES;
	unsigned long pfn = PHYS_PFN(base);
	struct dmb_claim *claim;

	KUNIT_ASSERT_EQ(test,
			start_isolate_page_range(pfn, pageblock_end_pfn(pfn),
						 MIGRATE_MOVABLE, 0,
						 GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, dmb_test_claim(base, PAGE_SIZE, &claim), -EBUSY);
	KUNIT_EXPECT_EQ(test, get_pageblock_migratetype(pfn_to_page(pfn)),
			MIGRATE_ISOLATE);
	/* The next pageblock can be claimed. */
	KUNIT_ASSERT_EQ(test, dmb_test_claim(neighbour, DMB_MIN_ALIGNMENT_BYTES,
					     &claim), 0);
	dmb_release(claim);
	undo_isolate_page_range(pfn, pageblock_end_pfn(pfn), MIGRATE_MOVABLE);
	KUNIT_EXPECT_EQ(test, get_pageblock_migratetype(pfn_to_page(pfn)),
			MIGRATE_DMB);

	KUNIT_ASSERT_EQ(test, dmb_test_claim(base, PAGE_SIZE, &claim), 0);
	dmb_release(claim);
}

#ifdef CONFIG_CONTIG_ALLOC
/* Take all ranges that are left for a request that may not use blocks. */
static unsigned long dmb_test_take_ranges(struct kunit *test, gfp_t gfp,
					  int nid, unsigned long nr_pages,
					  struct page **ranges,
					  unsigned long nr)
{
	while (nr < DMB_TEST_RANGES) {
		struct page *page = alloc_contig_pages(nr_pages,
						       gfp | __GFP_NOWARN,
						       nid, NULL);

		if (!page)
			break;
		KUNIT_EXPECT_EQ_MSG(test,
				    dmb_intersects(page_to_pfn(page),
						   page_to_pfn(page) + nr_pages),
				    DMB_DISJOINT, "gfp %pGg", &gfp);
		ranges[nr++] = page;
	}
	return nr;
}

/*
 * The machine has only a few ranges of the largest size that fits into a block,
 * and some of these are in blocks.
 */
static void dmb_test_contig_pages(struct kunit *test)
{
	const struct dmb *dmb = dmb_blocks.block[0];
	unsigned long nr_pages = rounddown_pow_of_two(dmb_nr_pages(dmb)), nr;
	struct page *ranges[DMB_TEST_RANGES], *page;
	int nid = page_to_nid(pfn_to_page(dmb->start_pfn));

	while (ALIGN(dmb->start_pfn, nr_pages) + nr_pages > dmb->end_pfn)
		nr_pages /= 2;

	/* An unmovable range is never in a block, even if there is no other. */
	nr = dmb_test_take_ranges(test, GFP_KERNEL, nid, nr_pages, ranges, 0);
	/* There may be more in highmem. */
	nr = dmb_test_take_ranges(test, GFP_HIGHUSER, nid, nr_pages, ranges,
				  nr);

	/* A movable range may be in a block, where the only ones are left. */
	page = alloc_contig_pages(nr_pages, GFP_HIGHUSER_MOVABLE | __GFP_NOWARN,
				  nid, NULL);
	KUNIT_EXPECT_NOT_NULL(test, page);
	if (page && nr < DMB_TEST_RANGES) {
		KUNIT_EXPECT_NE(test,
				dmb_intersects(page_to_pfn(page),
					       page_to_pfn(page) + nr_pages),
				DMB_DISJOINT);
	}
	if (page)
		free_contig_range(page_to_pfn(page), nr_pages);
	while (nr--)
		free_contig_range(page_to_pfn(ranges[nr]), nr_pages);
	KUNIT_EXPECT_EQ(test,
			get_pageblock_migratetype(pfn_to_page(dmb->start_pfn)),
			MIGRATE_DMB);
}
#endif

static struct kunit_case dmb_contig_cases[] = {
	KUNIT_CASE(dmb_test_claim_range),
	KUNIT_CASE(dmb_test_claim_pages),
	KUNIT_CASE(dmb_test_claim_overlap),
	KUNIT_CASE(dmb_test_claim_is_ram),
	KUNIT_CASE(dmb_test_isolated_elsewhere),
#ifdef CONFIG_CONTIG_ALLOC
	KUNIT_CASE(dmb_test_contig_pages),
#endif
	{}
};

static struct kunit_suite dmb_contig_suite = {
	.name = "dmb_contig",
	.init = dmb_test_need_neighbours,
	.test_cases = dmb_contig_cases,
};

kunit_test_suite(dmb_contig_suite);
