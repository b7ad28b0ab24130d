/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A machine: its memory, nodes and zones, what is free of it, and a model of what
 * dmb_designate() has to make of requests. To be included once, in a fuzzer: it has the
 * kernel's sources.
 */
#define IN_TREE_1(path)	#path
#define IN_TREE(path)	IN_TREE_1(path)
#include IN_TREE(SRC/lib/kstrtox.c)
#define kstrtoull(text, base, value) \
	(kstrtoull)(text, base, (unsigned long long *)(value))
#include IN_TREE(SRC/mm/dmb/table.c)
#include IN_TREE(SRC/mm/dmb/early.c)
#include IN_TREE(SRC/mm/memblock.c)

/* How often mm/dmb has looked at a range of memblock */
static unsigned long looks;

#define __next_mem_range(...)		(looks++, __next_mem_range(__VA_ARGS__))
#define __next_mem_range_rev(...)	(looks++, __next_mem_range_rev(__VA_ARGS__))
#define __next_mem_pfn_range(...)	(looks++, __next_mem_pfn_range(__VA_ARGS__))

#include IN_TREE(SRC/mm/dmb/request.c)
#undef pr_fmt
#include IN_TREE(SRC/mm/dmb/cmdline.c)
#undef pr_fmt
#include IN_TREE(SRC/mm/dmb/zone.c)
#include IN_TREE(SRC/mm/dmb/boot.c)
#include "sets.h"

char *fuzz_memory;
phys_addr_t fuzz_kernel_start;
char *_text, *_end;
pg_data_t fuzz_node[MAX_NUMNODES];
unsigned int fuzz_nodes;
unsigned long max_low_pfn, min_low_pfn, max_pfn;
unsigned long long max_possible_pfn;
struct resource crashk_res, crashk_low_res;
unsigned long initrd_start, initrd_end;
bool mirrored_kernelcore, movable_node_enabled;

static struct dmb_pool pools[MAX_NUMNODES][MAX_NR_ZONES];

#define MIB		(1ULL << 20)
#define PAGEBLOCK	DMB_MIN_ALIGNMENT_BYTES

/* Memory as memblock has it: neighbours of one node are one region. */
struct piece {
	u64 start, end;
	int nid;
};

static struct piece piece[64];
static unsigned int nr_pieces;

static struct set nomap;
static struct set requests;
static struct span request[DMB_MAX_BLOCKS];	/* in the order of the command line */
static unsigned int range[DMB_MAX_BLOCKS];	/* their numbers, by address */
static unsigned int nr_requests;

static const u8 *input, *input_end;

static u64 take(u64 limit)
{
	u64 value = 0, max = limit - 1;

	for (; max; max >>= 8)
		value = value << 8 | (input < input_end ? *input++ : 0);
	return value % limit;
}

#define EXPECT(condition)						\
	do {								\
		if (!(condition)) {					\
			fprintf(stderr, "%s:%d: expected %s\n",	\
				__FILE__, __LINE__, #condition);			\
			abort();					\
		}							\
	} while (0)

/*
 * However large requests are, a few walks over all ranges for each pair of them: the kernel
 * refuses one at a time, and looks at all that are left each time, in each range of memory.
 */
#define EXPECT_SHORT(call)						\
	do {								\
		unsigned long ranges = memblock.memory.cnt + memblock.reserved.cnt; \
		unsigned long requests = dmb_requests.nr + 1;		\
									\
		looks = 0;						\
		call;							\
		requests = max(requests, dmb_requests.nr + 1UL);	\
		EXPECT(looks <= 256 * ranges * requests *		\
			       (1 + requests * memblock.memory.cnt / 8)); \
	} while (0)

/* What the kernel's sources call */

static enum zone_type type_of(unsigned long pfn, int nid)
{
	struct zone *movable = &fuzz_node[nid].node_zones[ZONE_MOVABLE];

	if (movable->spanned_pages && pfn >= movable->zone_start_pfn)
		return ZONE_MOVABLE;
	if (pfn < PHYS_PFN(16 * MIB))
		return ZONE_DMA;
	return pfn < PHYS_PFN(4096 * MIB) ? ZONE_DMA32 : ZONE_NORMAL;
}

int early_pfn_to_nid(unsigned long pfn)
{
	unsigned int i;

	for (i = 0; i < nr_pieces; i++)
		if (piece[i].start <= PFN_PHYS(pfn) && PFN_PHYS(pfn) < piece[i].end)
			return piece[i].nid;
	return 0;
}

struct zone *page_zone(struct page *page)
{
	int nid = early_pfn_to_nid(page_to_pfn(page));

	return &fuzz_node[nid].node_zones[type_of(page_to_pfn(page), nid)];
}

static struct set typed;

void set_pageblock_migratetype(struct page *page, int migratetype)
{
	EXPECT(migratetype == MIGRATE_DMB);
	EXPECT(!set_overlaps(&typed, page_to_pfn(page), page_to_pfn(page) + 1));
	set_add(&typed, page_to_pfn(page), page_to_pfn(page) + pageblock_nr_pages);
}

int get_pageblock_migratetype(struct page *page)
{
	return MIGRATE_DMB;
}

/* How large the real ones are about */
#define POOL_SIZE	1216

size_t dmb_pools_size(unsigned int nr, unsigned long start_pfn, unsigned long end_pfn)
{
	return nr * POOL_SIZE + ALIGN((end_pfn - start_pfn) / pageblock_nr_pages *
				      sizeof(void *), SMP_CACHE_BYTES);
}

struct dmb_pool *dmb_alloc_pool(struct zone *zone)
{
	struct dmb_pool *pool = &pools[zone->node][zone->type];

	dmb_alloc_early(POOL_SIZE);
	pool->zone = zone;
	return pool;
}

void dmb_init_pools(void)
{
	unsigned long start = dmb_blocks.block[0]->start_pfn;
	unsigned long end = dmb_blocks.block[dmb_blocks.nr - 1]->end_pfn;

	dmb_alloc_early((end - start) / pageblock_nr_pages * sizeof(void *));
}

void dmb_settle_nodes(void)
{
}

bool dmb_name_reserved(const char *name)
{
	return !strcmp(name, "spread");
}

int dmb_audit_block(const struct dmb *dmb, struct dmb_audit *audit,
		    struct dmb_suspects *suspects)
{
	return 0;
}

void memblock_free_pages(struct page *page, unsigned long pfn, unsigned int order)
{
}

/* There is no slab allocator yet. */
bool slab_is_available(void)
{
	return false;
}

void *kmalloc(size_t size, gfp_t gfp)
{
	abort();
}

void kfree(void *p)
{
	abort();
}

/* The machine */

static void reset(void)
{
	/*
	 * What an earlier input wrote goes, with its page tables, in which MADV_DONTNEED
	 * would look for pages at each input.
	 */
	fuzz_memory = mmap(fuzz_memory, FUZZ_MEMORY_END, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
			   (fuzz_memory ? MAP_FIXED : 0), -1, 0);
	EXPECT(fuzz_memory != MAP_FAILED);

	memset(memblock_memory_init_regions, 0, sizeof(memblock_memory_init_regions));
	memset(memblock_reserved_init_regions, 0, sizeof(memblock_reserved_init_regions));
	memblock = (struct memblock) {
		.memory.regions = memblock_memory_init_regions,
		.memory.max = INIT_MEMBLOCK_MEMORY_REGIONS,
		.memory.name = "memory",
		.reserved.regions = memblock_reserved_init_regions,
		.reserved.max = INIT_MEMBLOCK_RESERVED_REGIONS,
		.reserved.name = "reserved",
		.current_limit = MEMBLOCK_ALLOC_ANYWHERE,
	};
	memblock_can_resize = 0;
	memblock_memory_in_slab = memblock_reserved_in_slab = 0;

	dmb_requests.nr = dmb_blocks.nr = 0;
	dmb_early_may_cut = dmb_spared = dmb_present = false;
	dmb_nr_asked = 0;
	memset(fuzz_node, 0, sizeof(fuzz_node));
	nr_pieces = nr_requests = 0;
	requests.nr = nomap.nr = typed.nr = 0;
	crashk_res = crashk_low_res = (struct resource) { };
	initrd_start = initrd_end = 0;
}

static void add_piece(u64 start, u64 end, int nid)
{
	struct piece *last = nr_pieces ? &piece[nr_pieces - 1] : NULL;

	memblock_add_node(start, end - start, nid, MEMBLOCK_NONE);
	if (last && last->end == start && last->nid == nid)
		last->end = end;
	else
		piece[nr_pieces++] = (struct piece) { start, end, nid };
}

/* A size in MiB: often of whole pageblocks, often large */
static u64 take_mib(void)
{
	switch (take(4)) {
	case 0:	return 1 + take(16);
	case 1:	return 2 * (1 + take(64));
	case 2:	return 64 * (1 + take(16));
	}
	return 256 * (1 + take(16));
}

static u64 memory_end(void)
{
	return piece[nr_pieces - 1].end;
}

static void make_memory(void)
{
	unsigned int i, n = 1 + take(6);
	u64 at = take(4) ? 0 : take_mib() * MIB;
	int nid = 0;

	for (i = 0; i < n; i++) {
		u64 size = take_mib() * MIB;

		/* Memory need not begin or end where a page does. */
		if (!take(16))
			at += take(2 * PAGE_SIZE);
		if (at + size > FUZZ_MEMORY_END)
			break;
		add_piece(at, at + size, nid);
		at += size;
		if (!take(4))
			at += take_mib() * MIB;
		if (nid < 3 && !take(4))
			nid++;
	}
	if (!nr_pieces)
		add_piece(0, 512 * MIB, 0);
	fuzz_nodes = nid + 1;
	min_low_pfn = PHYS_PFN(piece[0].start);
	max_pfn = max_low_pfn = PHYS_PFN(memory_end());
	memblock_allow_resize();
}

/* Sizes and addresses of requests, possible ones and others */

static u64 take_size(void)
{
	switch (take(16)) {
	case 0:	return 0;
	case 1:	return take(1ULL << 40);
	case 2:	return take(1ULL << 34);
	case 3:	return ~0ULL >> take(64);
	case 4:	return 1ULL << take(64);
	case 5:	return (1 + take(64)) * PAGE_SIZE;
	case 6:
	case 7:
	case 8:	return memory_end() / 16 * take(17) / PAGEBLOCK * PAGEBLOCK;
	}
	return take_mib() * MIB;
}

static u64 take_address(void)
{
	switch (take(16)) {
	case 0:	return take(1ULL << 40);
	case 1:	return ~0ULL - take(1ULL << 24);
	case 2:	return 1ULL << take(64);
	case 3:	return 4096 * MIB - take_mib() * MIB;
	case 4:	return take(PHYS_PFN(memory_end())) * PAGE_SIZE;
	case 5:
	case 6:	return nr_requests ? request[nr_requests - 1].end : 0;
	}
	return take(memory_end() / MIB / 2 + 2) * 2 * MIB;
}

/* Each zone from the first to the last of its memory */
static void make_zones(u64 movable)
{
	static const char * const names[] = { "DMA", "DMA32", "Normal", "Movable" };
	unsigned int i;
	int nid, type;

	for (nid = 0; nid < fuzz_nodes; nid++) {
		for (type = 0; type < MAX_NR_ZONES; type++)
			fuzz_node[nid].node_zones[type] = (struct zone) {
				.name = names[type], .node = nid, .type = type };
		fuzz_node[nid].nr_zones = MAX_NR_ZONES;
	}
	if (movable) {
		struct piece *last = &piece[nr_pieces - 1];
		struct zone *zone = &fuzz_node[last->nid].node_zones[ZONE_MOVABLE];
		unsigned long end_pfn = PFN_DOWN(last->end);

		zone->zone_start_pfn = max(end_pfn - min_t(u64, end_pfn, PHYS_PFN(movable)),
					   PFN_UP(last->start));
		zone->zone_start_pfn = ALIGN(zone->zone_start_pfn, MAX_ORDER_NR_PAGES);
		if (zone->zone_start_pfn < end_pfn)
			zone->spanned_pages = end_pfn - zone->zone_start_pfn;
	}
	for (i = 0; i < nr_pieces; i++) {
		unsigned long pfn = PFN_UP(piece[i].start), next;

		for (; pfn < PFN_DOWN(piece[i].end); pfn = next) {
			enum zone_type type = type_of(pfn, piece[i].nid);
			struct zone *zone = &fuzz_node[piece[i].nid].node_zones[type];

			next = PFN_DOWN(piece[i].end);
			if (type == ZONE_DMA)
				next = min(next, PHYS_PFN(16 * MIB));
			if (type == ZONE_DMA32)
				next = min(next, PHYS_PFN(4096 * MIB));
			if (type != ZONE_MOVABLE) {
				struct zone *last = &fuzz_node[piece[i].nid].node_zones[ZONE_MOVABLE];

				if (last->spanned_pages && last->zone_start_pfn > pfn)
					next = min(next, last->zone_start_pfn);
				if (!zone->spanned_pages)
					zone->zone_start_pfn = pfn;
				zone->spanned_pages = next - zone->zone_start_pfn;
			}
		}
	}
}

/* Memory that is free, in the spans that memblock has it in */
struct free {
	unsigned int nr;
	struct set set[64];
};

static struct free all, ordinary;

static void take_reservations(struct set *set)
{
	unsigned int i;

	for (i = 0; i < memblock.reserved.cnt; i++)
		set_remove(set, memblock.reserved.regions[i].base,
			   memblock.reserved.regions[i].base +
			   memblock.reserved.regions[i].size);
}

static void note_free(void)
{
	struct memblock_region *region;
	unsigned int i;

	nomap.nr = 0;
	for_each_mem_region(region)
		if (memblock_is_nomap(region))
			set_add(&nomap, region->base, region->base + region->size);
	all.nr = ordinary.nr = nr_pieces;
	for (i = 0; i < nr_pieces; i++) {
		struct set *set = &all.set[i];

		set->nr = 0;
		set_add(set, piece[i].start, piece[i].end);
		set_remove_all(set, &nomap);
		take_reservations(set);
		set_copy(&ordinary.set[i], set);
		set_remove_all(&ordinary.set[i], &requests);
	}
}

static bool node_has_room(const struct free *free, int nid, u64 size, u64 align, u64 start,
			  u64 end)
{
	unsigned int i;
	static struct set set;

	for (i = 0; i < free->nr; i++) {
		if (nid != NUMA_NO_NODE && nid != piece[i].nid)
			continue;
		set_copy(&set, &free->set[i]);
		set_clip(&set, max(start, (u64)PAGE_SIZE), end);
		if (set_has_room(&set, size, align))
			return true;
	}
	return false;
}

static bool has_room(const struct free *free, u64 size, u64 align, u64 start, u64 end)
{
	return node_has_room(free, NUMA_NO_NODE, size, align, start, end);
}

/* What becomes of requests */

/* Free page frames below a limit, of one piece */
static void free_pages(struct set *pages, unsigned int i, u64 limit)
{
	unsigned int j;

	pages->nr = 0;
	for (j = 0; j < all.set[i].nr; j++)
		set_add(pages, PFN_UP(all.set[i].span[j].start),
			min_t(u64, PFN_DOWN(all.set[i].span[j].end), limit));
}

/* Whole pageblocks of these that are in a range */
static void whole_pageblocks(struct set *pages, const struct span *range)
{
	static struct set out;
	unsigned int i;

	out.nr = 0;
	set_clip(pages, PHYS_PFN(range->start), PHYS_PFN(range->end));
	for (i = 0; i < pages->nr; i++)
		set_add(&out, ALIGN(pages->span[i].start, pageblock_nr_pages),
			ALIGN_DOWN(pages->span[i].end, pageblock_nr_pages));
	set_copy(pages, &out);
}

/* Page frames that are free below a limit, and of those the kernel's */
static u64 count(const struct span *only, u64 limit, bool kernels)
{
	static struct set pages;
	struct zone *zone;
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < nr_pieces; i++) {
		free_pages(&pages, i, U64_MAX);
		if (only)
			whole_pageblocks(&pages, only);
		set_clip(&pages, 0, limit);
		for (zone = fuzz_next_zone(NULL); zone && kernels; zone = fuzz_next_zone(zone))
			if (zone->type == ZONE_MOVABLE)
				set_remove(&pages, zone->zone_start_pfn, zone_end_pfn(zone));
		sum += set_size(&pages);
	}
	return sum;
}

static u64 count_requests(u64 limit, bool kernels)
{
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < nr_requests; i++)
		sum += count(&request[i], limit, kernels);
	return sum;
}

static u64 left(u64 limit)
{
	return count(NULL, limit, true) - count_requests(limit, true);
}

/*
 * dmb_designate() allocates a few pages first. What it decides by so few is not judged:
 * it may be one way or the other.
 */
static bool close_call;

static bool too_little(u64 has, u64 need)
{
	if (has < need + 16 && need < has + 16)
		close_call = true;
	return has < need;
}

/* The limit below which the kernel would have too little, or 0 */
static u64 short_below(void)
{
	u64 rest = left(max_low_pfn), need = 0, limit, has;
	enum zone_type type;
	struct zone *zone;
	unsigned int i;

	for (i = 0; i < nr_pieces; i++)
		need += PFN_DOWN(piece[i].end) - PFN_UP(piece[i].start);
	need = max(need / 64, (u64)PHYS_PFN(64 * MIB));
	if (too_little(rest, need))
		return max_low_pfn;

	for (type = ZONE_DMA; type <= ZONE_DMA32; type++) {
		limit = 0;
		for (zone = fuzz_next_zone(NULL); zone; zone = fuzz_next_zone(zone))
			if (zone->type <= type)
				limit = max(limit, (u64)zone_end_pfn(zone));
		has = count(NULL, limit, true);
		need = min(min(rest / 16, has / 2), (u64)PHYS_PFN(512 * MIB));
		if (!too_little(has, PHYS_PFN(32 * MIB)) && too_little(left(limit), need))
			return limit;
	}
	return 0;
}

static void by_address(void)
{
	unsigned int i, j;

	for (i = 0; i < nr_requests; i++)
		for (j = i + 1; j < nr_requests; j++)
			if (request[j].start < request[i].start) {
				struct span other = request[i];

				request[i] = request[j];
				request[j] = other;
			}
}

static void model_excess(bool ample)
{
	unsigned int i, largest;
	u64 limit = 0, most, size;

	close_call = false;
	by_address();
	for (i = 0; i < nr_requests; i++)
		range[i] = i;
	while (nr_requests && (limit = short_below()) && count_requests(limit, true)) {
		for (largest = i = 0, most = 0; i < nr_requests; i++) {
			size = count(&request[i], limit, true);
			/* These few pages may take a pageblock from the larger one. */
			if (!ample && i && size < most + 2 * pageblock_nr_pages &&
			    most < size + 2 * pageblock_nr_pages)
				close_call = true;
			if (size > most) {
				most = size;
				largest = i;
			}
		}
		printk("model: [%#llx-%#llx) leaves %llu pages below %#llx\n",
		       request[largest].start, request[largest].end, left(limit), limit);
		memmove(&request[largest], &request[largest + 1],
			(--nr_requests - largest) * sizeof(request[0]));
		memmove(&range[largest], &range[largest + 1],
			(nr_requests - largest) * sizeof(range[0]));
	}
	/* What memblock's array leaves when it grows may make one of their pageblocks free. */
	if (nr_requests && limit)
		close_call = true;
}

/*
 * All but nothing is in ZONE_MOVABLE, where requests may have everything. No kernel boots
 * like that, with or without blocks.
 */
static bool kernel_is_lost(void)
{
	return left(max_low_pfn) < PHYS_PFN(MIB);
}

/* Blocks are what is free of a request, of one node and zone, as large as can be. */
static void model_blocks(void)
{
	unsigned int n, i, j, at = 0;

	for (n = 0; n < nr_requests; n++) {
		for (i = 0; i < nr_pieces; i++) {
			static struct set pages;

			free_pages(&pages, i, U64_MAX);
			whole_pageblocks(&pages, &request[n]);
			for (j = 0; j < pages.nr; j++) {
				u64 pfn = pages.span[j].start, end = pages.span[j].end;

				while (pfn < end) {
					struct zone *zone = page_zone(pfn_to_page(pfn));
					u64 start = pfn;
					struct dmb *dmb;

					while (pfn < end && page_zone(pfn_to_page(pfn)) == zone)
						pfn += pageblock_nr_pages;
					printk("model: a block of page frames %#llx to %#llx\n", start, pfn);
					EXPECT(at < dmb_blocks.nr);
					dmb = dmb_blocks.block[at++];
					EXPECT(dmb->start_pfn == start && dmb->end_pfn == pfn);
					EXPECT(dmb->pool->zone == zone);
					EXPECT(dmb->range == range[n]);
				}
			}
		}
	}
	EXPECT(at == dmb_blocks.nr);
}

static void check_blocks(void)
{
	unsigned int i, j;
	u64 pages = 0, typed_pages = set_size(&typed);
	struct zone *zone;

	for (i = 0; i < dmb_blocks.nr; i++) {
		struct dmb *dmb = dmb_blocks.block[i];
		u64 start = PFN_PHYS(dmb->start_pfn), end = PFN_PHYS(dmb->end_pfn);

		EXPECT(!memblock_is_region_reserved(start, end - start));
		EXPECT(set_has(&typed, dmb->start_pfn, dmb->end_pfn));
		pages += dmb_nr_pages(dmb);
		EXPECT(dmb->name[0]);
		for (j = 0; j < i; j++)
			EXPECT(strcmp(dmb->name, dmb_blocks.block[j]->name));
	}
	EXPECT(pages == typed_pages);
	for (zone = fuzz_next_zone(NULL); zone; zone = fuzz_next_zone(zone))
		pages -= zone->dmb_pages;
	EXPECT(pages == 0);
}

/* Bytes of the requests that were not refused, as far as they are free */
static u64 free_in_kept(void)
{
	static struct set set;
	unsigned int i, j;
	u64 sum = 0;

	for (i = 0; i < nr_pieces; i++) {
		set_copy(&set, &all.set[i]);
		for (j = 0; j < nr_requests; j++)
			set_remove(&set, request[j].start, request[j].end);
		sum += set_size(&all.set[i]) - set_size(&set);
	}
	return sum;
}

static void designate(void)
{
	bool lost, ample;
	u64 before;

	note_free();
	ample = has_room(&ordinary, MIB, PAGE_SIZE, 0, U64_MAX);
	model_excess(ample);
	lost = kernel_is_lost();
	before = free_in_kept();
	EXPECT_SHORT(dmb_designate());
	if (lost)
		return;

	check_blocks();
	note_free();
	if (close_call)
		return;
	/* What it needs itself it has from others. */
	EXPECT(!ample || free_in_kept() == before);
	model_blocks();
}
