// SPDX-License-Identifier: GPL-2.0
/*
 * Early allocations beside ranges that are to be designated movable blocks: they keep
 * out of these ranges while there is other memory, and have a piece of them otherwise.
 */
#include "common.h"
#include "dmb_api.h"
#include "../boot.h"
#include "../../../../mm/dmb/early.c"

#define PAGES	(PHYS_MEM_SIZE / PAGE_SIZE)
#define MEM	ALIGN(dummy_physical_memory_base(), PAGE_SIZE)
/* The dummy memory begins anywhere in its first page. */
#define NR	(PAGES - 1)

struct dmb_table dmb_requests;

static struct memblock_region *first_regions;

/* Page number N of the dummy memory */
static phys_addr_t page(unsigned long n)
{
	return MEM + n * PAGE_SIZE;
}

static void request(unsigned long n, unsigned long nr)
{
	struct dmb *dmb = &dmb_requests.block[dmb_requests.nr++];

	dmb->start_pfn = page(n) / PAGE_SIZE;
	dmb->end_pfn = dmb->start_pfn + nr;
}

static bool requested(phys_addr_t base, phys_addr_t size)
{
	return dmb_table_first(&dmb_requests, base / PAGE_SIZE,
			       (base + size + PAGE_SIZE - 1) / PAGE_SIZE);
}

static void begin(void)
{
	if (!first_regions)
		first_regions = memblock.reserved.regions;
	reset_memblock_attributes();
	/* A test may have got a larger array, in the dummy memory. */
	memblock.reserved.regions = first_regions;
	memblock.reserved.cnt = INIT_MEMBLOCK_RESERVED_REGIONS;
	reset_memblock_regions();
	memblock_add(MEM, NR * PAGE_SIZE);
	memblock_allow_resize();
	dmb_requests.nr = 0;
}

static phys_addr_t phys_alloc(phys_addr_t size)
{
	return memblock_phys_alloc_range(size, PAGE_SIZE, 0, MEMBLOCK_ALLOC_ACCESSIBLE);
}

/*
 * Requests at both ends and in the middle. Expect memory between them, until there is
 * none; then a piece of a request.
 */
static int dmb_keep_out_check(void)
{
	phys_addr_t found;
	int i;

	PREFIX_PUSH();
	begin();
	request(0, 100);
	request(110, 90);
	request(210, NR - 210);
	for (i = 0; i < 20; i++) {
		found = phys_alloc(PAGE_SIZE);
		ASSERT_NE(0, found);
		ASSERT_FALSE(requested(found, PAGE_SIZE));
	}
	found = phys_alloc(PAGE_SIZE);
	ASSERT_NE(0, found);
	ASSERT_TRUE(requested(found, PAGE_SIZE));
	ASSERT_NE(NULL, memblock_alloc(SZ_64, SMP_CACHE_BYTES));
	test_pass_pop();
	return 0;
}

/*
 * All memory below a limit is requested. Expect who can have other memory next not to
 * get a piece of it, and who cannot to get one.
 */
static int dmb_widen_check(void)
{
	phys_addr_t limit = page(1000), found;
	void *memory;

	PREFIX_PUSH();
	begin();
	request(0, 1000);
	found = memblock_alloc_range_nid(PAGE_SIZE, PAGE_SIZE, 0, limit, NUMA_NO_NODE,
					 false);
	ASSERT_EQ(0, found);
	found = memblock_phys_alloc_range(PAGE_SIZE, PAGE_SIZE, 0, limit);
	ASSERT_NE(0, found);
	ASSERT_LT(found, limit);

	/* As for the usage maps of sparse memory */
	memory = memblock_alloc_try_nid(PAGE_SIZE, PAGE_SIZE, page(500), limit,
					NUMA_NO_NODE);
	ASSERT_EQ(NULL, memory);
	memory = memblock_alloc_try_nid(PAGE_SIZE, PAGE_SIZE, page(500),
					MEMBLOCK_ALLOC_ACCESSIBLE, NUMA_NO_NODE);
	ASSERT_NE(NULL, memory);
	ASSERT_FALSE(requested((phys_addr_t)memory, PAGE_SIZE));
	/* As for memory that devices can address */
	ASSERT_NE(NULL, memblock_alloc_try_nid(PAGE_SIZE, PAGE_SIZE, 0, limit,
					       NUMA_NO_NODE));
	test_pass_pop();
	return 0;
}

/* Expect that who spares blocks gets no piece of them. */
static int dmb_spare_check(void)
{
	bool spared;

	PREFIX_PUSH();
	begin();
	request(0, NR);
	spared = dmb_spare_blocks(true);
	ASSERT_FALSE(spared);
	ASSERT_EQ(0, phys_alloc(PAGE_SIZE));
	spared = dmb_spare_blocks(false);
	ASSERT_TRUE(spared);
	ASSERT_NE(0, phys_alloc(PAGE_SIZE));
	spared = dmb_spare_blocks(false);
	ASSERT_FALSE(spared);
	test_pass_pop();
	return 0;
}

/* Memory above a limit is requested. Expect the memory below it. */
static int dmb_lower_check(void)
{
	void *memory;

	PREFIX_PUSH();
	begin();
	request(1000, NR - 1000);
	memory = memblock_alloc_try_nid(PAGE_SIZE, PAGE_SIZE, page(1500),
					MEMBLOCK_ALLOC_ACCESSIBLE, NUMA_NO_NODE);
	ASSERT_NE(NULL, memory);
	ASSERT_FALSE(requested((phys_addr_t)memory, PAGE_SIZE));
	test_pass_pop();
	return 0;
}

/* All is requested. Expect nothing for a gigantic page, or on an exact node. */
static int dmb_refuse_check(void)
{
	PREFIX_PUSH();
	begin();
	request(0, NR);
	ASSERT_EQ(NULL, memblock_alloc_try_nid_raw(2 * DMB_MIN_ALIGNMENT_BYTES,
						   2 * DMB_MIN_ALIGNMENT_BYTES, 0,
						   MEMBLOCK_ALLOC_ACCESSIBLE, 0));
	ASSERT_EQ(NULL, memblock_alloc_exact_nid_raw(PAGE_SIZE, PAGE_SIZE, 0,
						     MEMBLOCK_ALLOC_ACCESSIBLE,
						     NUMA_NO_NODE));
	ASSERT_NE(NULL, memblock_alloc_raw(PAGE_SIZE, PAGE_SIZE));
	test_pass_pop();
	return 0;
}

/*
 * All is requested, and there are more reservations than memblock has room for. Expect
 * its larger array to be reserved, and to be in none of the others.
 */
static void many_reservations(unsigned long first, long step)
{
	phys_addr_t array, size;
	unsigned int i, k;

	begin();
	request(0, NR);
	for (i = 0; memblock.reserved.max == INIT_MEMBLOCK_RESERVED_REGIONS; i++) {
		int err = memblock_reserve(page(first + i * step), PAGE_SIZE);

		ASSERT_EQ(0, err);
	}

	array = __pa(memblock.reserved.regions);
	size = memblock.reserved.max * sizeof(struct memblock_region);
	ASSERT_TRUE(memblock_is_region_reserved(array, size));
	for (k = 0; k < i; k++) {
		ASSERT_TRUE(memblock_is_reserved(page(first + k * step)));
		ASSERT_FALSE(memblock_addrs_overlap(page(first + k * step), PAGE_SIZE,
						    array, size));
	}
	begin();
}

static int dmb_many_reservations_check(void)
{
	PREFIX_PUSH();
	many_reservations(1, 2);
	many_reservations(NR - 1, -2);
	test_pass_pop();
	return 0;
}

/* Is there room from @start to @end, beside the requests if @ordinary? */
static bool has_room(phys_addr_t size, phys_addr_t align, phys_addr_t start,
		     phys_addr_t end, bool ordinary)
{
	phys_addr_t base;

	for (base = ALIGN(start ?: MEM, align);
	     base + size <= end; base += align)
		if (!memblock_is_region_reserved(base, size) &&
		    !(ordinary && requested(base, size)))
			return true;
	return false;
}

/*
 * Random requests, reservations and allocations. Expect each allocation beside the
 * requests if there is room there, in them otherwise, and none to fail that fits.
 */
static int dmb_random_check(void)
{
	unsigned long n, nr, round, i;

	PREFIX_PUSH();
	for (round = 0; round < 300; round++) {
		begin();
		for (n = rand() % 200; n < NR && dmb_requests.nr < 40; n += rand() % 400) {
			nr = rand() % 600 + 1;
			if (nr > NR - n)
				nr = NR - n;
			request(n, nr);
			n += nr;
		}
		for (i = rand() % 200; i; i--)
			memblock_reserve(page(rand() % NR), PAGE_SIZE);
		for (i = 0; i < 30; i++) {
			phys_addr_t size = (1 + rand() % (rand() % 4 ? 16 : 400)) * PAGE_SIZE;
			phys_addr_t align = PAGE_SIZE << rand() % 6;
			phys_addr_t start = rand() % 4 ? 0 : page(rand() % NR);
			phys_addr_t end = rand() % 4 ? page(NR) : page(rand() % NR);
			bool ordinary = has_room(size, align, start, end, true);
			bool any = has_room(size, align, start, end, false);
			bool widens = rand() % 2;
			phys_addr_t found;

			found = widens ? memblock_alloc_range_nid(size, align, start, end,
								  NUMA_NO_NODE, false) :
					 memblock_phys_alloc_range(size, align, start, end);
			ASSERT_EQ(widens ? ordinary : any, !!found);
			if (!found)
				continue;
			ASSERT_EQ(ordinary, !requested(found, size));
			ASSERT_LE(start, found);
			ASSERT_LE(found + size, end);
		}
	}
	begin();
	test_pass_pop();
	return 0;
}

/* Room for 0 bytes in the middle of a request. Expect an end, with or without memory. */
static int dmb_nothing_check(void)
{
	PREFIX_PUSH();
	begin();
	request(100, 100);
	memblock_phys_alloc_range(0, PAGE_SIZE, page(150), page(160));
	ASSERT_NE(0, phys_alloc(PAGE_SIZE));
	test_pass_pop();
	return 0;
}

int memblock_dmb_checks(void)
{
	prefix_reset();
	prefix_push("designated movable blocks");
	test_print("Running designated movable blocks tests...\n");

	dummy_physical_memory_init();
	run_top_down(dmb_keep_out_check);
	run_bottom_up(dmb_keep_out_check);
	dmb_widen_check();
	dmb_spare_check();
	dmb_lower_check();
	dmb_refuse_check();
	dmb_many_reservations_check();
	run_top_down(dmb_nothing_check);
	run_bottom_up(dmb_nothing_check);
	run_top_down(dmb_random_check);
	run_bottom_up(dmb_random_check);
	dummy_physical_memory_cleanup();

	prefix_pop();
	return 0;
}
