// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzes a boot: a machine, a command line with movablecore=, allocations from memblock,
 * and dmb_designate(). A model of intervals knows what has to come of it:
 *
 *  - which items of the command line are requests, and which are refused;
 *  - no allocation is in a request while there is other memory that would do, none fails
 *    while there is any, and memblock's own array keeps to that;
 *  - which requests leave the kernel too little, and are refused;
 *  - what can be designated is designated, no more and no less, zone by zone, and nobody
 *    has reserved anything of it.
 *
 * The input is a sequence of choices, see take(). Without any left, all choices are 0.
 */
#include "machine.h"

/* Firmware, boot loader and the kernel image have some of it. */
static void make_reservations(void)
{
	unsigned int i, n = take(8);
	u64 start, size;

	for (i = 0; i < n; i++) {
		start = take(memory_end() / PAGE_SIZE) * PAGE_SIZE;
		size = take(4) ? (1 + take(64)) * PAGE_SIZE : take_mib() * MIB;
		switch (take(8)) {
		case 0:
			memblock_mark_nomap(start, size);
			continue;
		case 1:
			crashk_res = (struct resource) { start, start + size - 1 };
			break;
		case 2:
			initrd_start = (unsigned long)__va(start);
			initrd_end = initrd_start + size;
			break;
		case 3:
			start += take(PAGE_SIZE);
			break;
		}
		memblock_reserve(start, size);
	}
	fuzz_kernel_start = take(PHYS_PFN(memory_end())) * PAGE_SIZE;
	size = 16 * MIB;
	_text = fuzz_memory;
	_end = _text + size;
	memblock_reserve(fuzz_kernel_start, size);
}

/* The command line */

static char line[2048];

static void write_number(char *text, size_t room, u64 bytes)
{
	static const char suffixes[] = "KMGTPE";
	unsigned int i = 0, shift;
	const char *format = "%llu";

	switch (take(8)) {
	case 0:	format = "%#llx"; break;
	case 1:	format = "0%llo"; break;
	}
	shift = take(7);
	while (shift && bytes & ((1ULL << (10 * shift)) - 1))
		shift--;
	bytes >>= 10 * shift;
	i = snprintf(text, room, format, (unsigned long long)bytes);
	if (shift && i + 1 < room) {
		text[i++] = take(2) ? suffixes[shift - 1] : tolower(suffixes[shift - 1]);
		text[i] = '\0';
	}
}

static void write_item(char *text, size_t room)
{
	size_t i, len;

	if (!take(8)) {
		static const char letters[] = "0123456789xXaEeKMG@,%. -+\"\n";

		len = min(room - 1, (size_t)take(24));
		for (i = 0; i < len; i++)
			text[i] = take(4) ? letters[take(sizeof(letters) - 1)] :
					    1 + take(255);
		text[i] = '\0';
		return;
	}
	write_number(text, room, take_size());
	if (!take(16))
		return;
	len = strlen(text);
	text[len++] = '@';
	write_number(text + len, room - len, take_address());
}

/* The value of digits with a suffix; or -EINVAL, or -ERANGE if it is 2^64 or more */
static int model_number(const char *text, const char *end, u64 *value)
{
	static const char suffixes[] = "KMGTPE";
	unsigned __int128 sum = 0;
	unsigned int base = 10, digit;
	const char *at = text;
	bool over = false;

	if (at == end || *at < '0' || *at > '9')
		return -EINVAL;
	if (end - at >= 32)
		return -ERANGE;
	if (at[0] == '0' && end - at >= 2 && tolower(at[1]) == 'x') {
		base = 16;
		at += 2;
	} else if (at[0] == '0') {
		base = 8;
	}
	for (text = at; at < end; at++) {
		if (*at >= '0' && *at <= '9')
			digit = *at - '0';
		else if (base == 16 && strchr("abcdefABCDEF", *at))
			digit = tolower(*at) - 'a' + 10;
		else
			break;
		if (digit >= base)
			break;
		sum = sum * base + digit;
		if (sum >> 64) {
			over = true;
			sum = 1;
		}
	}
	if (at == text)
		return -EINVAL;
	if (over)
		return -ERANGE;
	*value = sum;
	if (at == end)
		return 0;
	if (at + 1 != end || !strchr(suffixes, toupper(*at)))
		return -EINVAL;
	sum <<= 10 * (strchr(suffixes, toupper(*at)) - suffixes + 1);
	*value = sum;
	return sum >> 64 ? -ERANGE : 0;
}

static void model_block(u64 size, u64 base)
{
	u64 last = base + size - 1;

	if (!size || last < base || last > (~0ULL << PAGE_SHIFT) - PAGEBLOCK ||
	    size % PAGEBLOCK || base % PAGEBLOCK || nr_requests == DMB_MAX_BLOCKS ||
	    set_overlaps(&requests, base, base + size))
		return;
	request[nr_requests++] = (struct span) { base, base + size };
	set_add(&requests, base, base + size);
}

/* Returns the last plain amount, which the kernel's own parser gets; NULL if there is none. */
static const char *model_line(const char *text)
{
	const char *end, *at, *amount = NULL;
	u64 size, base;

	for (;; text = end + 1) {
		end = strchrnul(text, ',');
		at = memchr(text, '@', end - text);
		if (at) {
			if (!model_number(text, at, &size) && !model_number(at + 1, end, &base))
				model_block(size, base);
		} else if (text < end && *text >= '0' && *text <= '9' &&
			   model_number(text, end - (end[-1] == '%'), &size) != -ERANGE) {
			amount = text;
		}
		if (!*end)
			return amount;
	}
}

static void parse_command_line(void)
{
	const char *amount;
	unsigned int i, n;
	size_t len = 0;
	char *rest;
	bool only;

	n = take(8) ? take(6) : take(200);
	for (i = 0; i < n && len < sizeof(line) - 80; i++) {
		if (len)
			line[len++] = ',';
		write_item(line + len, 64);
		len += strlen(line + len);
	}
	line[len] = '\0';

	rest = line;
	only = dmb_only_blocks(&rest);
	amount = model_line(line);
	EXPECT(only == !amount);
	EXPECT(only || rest == amount);

	EXPECT(dmb_requests.nr == nr_requests);
	for (i = 0; i < nr_requests; i++) {
		struct dmb *dmb = dmb_requests.block[i];

		EXPECT(!i || dmb_requests.block[i - 1]->end_pfn <= dmb->start_pfn);
		EXPECT(set_has(&requests, PFN_PHYS(dmb->start_pfn), PFN_PHYS(dmb->end_pfn)));
	}
	EXPECT(PHYS_PFN(set_size(&requests)) ==
	       ({ u64 sum = 0; for (i = 0; i < nr_requests; i++)
			sum += dmb_nr_pages(dmb_requests.block[i]); sum; }));
}

/* Allocations */

/* Is all of this free, in one span? On which node? */
static bool is_free(const struct free *free, int nid, u64 start, u64 end)
{
	unsigned int i;

	for (i = 0; i < free->nr; i++)
		if ((nid == NUMA_NO_NODE || nid == piece[i].nid) &&
		    set_has(&free->set[i], start, end))
			return true;
	return false;
}

/* Bytes of requests that are free */
static u64 free_in_requests(void)
{
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < all.nr; i++)
		sum += set_size(&all.set[i]) - set_size(&ordinary.set[i]);
	return sum;
}

#define MAX_ALLOCS	64

static struct span had[MAX_ALLOCS];
static unsigned int nr_had;

/* What was found of memory between two addresses, on a node that is asked for, if possible */
static void judge(u64 found, u64 size, u64 align, int nid, u64 start, u64 end, bool requested_too)
{
	bool inside = found && set_overlaps(&requests, ALIGN_DOWN(found, PAGE_SIZE),
					    ALIGN(found + size, PAGE_SIZE));

	if (found) {
		EXPECT(found % align == 0);
		EXPECT(found >= start && found + size <= end);
		EXPECT(is_free(&all, NUMA_NO_NODE, found, found + size));
	}
	if (found && !inside) {
		if (node_has_room(&ordinary, nid, size, align, start, end))
			EXPECT(is_free(&all, nid, found, found + size));
		return;
	}
	/* There may be no memory for memblock's array. */
	if (!found && memblock.reserved.cnt == memblock.reserved.max)
		return;
	if (inside) {
		EXPECT(requested_too);
		EXPECT(!has_room(&ordinary, size, align, start, end));
	} else if (requested_too) {
		EXPECT(!has_room(&all, size, align, start, end));
	} else {
		EXPECT(!has_room(&ordinary, size, align, start, end));
	}
}

static void allocate(void)
{
	u64 size = take(4) ? 1 + take(4 * PAGE_SIZE) : (1 + take(256)) * 16 * PAGE_SIZE;
	u64 align = 1ULL << (take(4) ? 6 : take(32)), start = 0, end = 0, found = 0;
	u64 before, after;
	/* It grows when it is full, and its new memory needs a place of its own, too. */
	bool grows = memblock.reserved.cnt == memblock.reserved.max;
	int nid = take(4) ? NUMA_NO_NODE : take(fuzz_nodes);
	bool between;
	void *virt;

	if (!take(4))
		start = take(memory_end() / MIB) * MIB;
	if (!take(4))
		end = take(memory_end() / MIB) * MIB;
	note_free();
	before = free_in_requests();

	switch (take(4)) {
	case 0:
		size <<= take(16);
		found = memblock_phys_alloc_range(size, align, start, end);
		judge(found, size, align, NUMA_NO_NODE, start, end ?: U64_MAX, !dmb_spared);
		break;
	case 1:
		found = memblock_phys_alloc_try_nid(size, align, nid);
		judge(found, size, align, nid, 0, U64_MAX, !dmb_spared);
		break;
	case 2:
		virt = memblock_alloc_try_nid_raw(size, align, start, end, nid);
		found = virt ? __pa(virt) : 0;
		between = start && end;
		/* It would like to be above @start. */
		if (!has_room(&ordinary, size, align, start, end ?: U64_MAX))
			start = 0;
		judge(found, size, align, nid, start, end ?: U64_MAX,
		      !dmb_spared && !between && align <= PAGEBLOCK);
		break;
	case 3:
		virt = memblock_alloc_exact_nid_raw(size, align, start, end, nid);
		found = virt ? __pa(virt) : 0;
		if (found) {
			EXPECT(is_free(&ordinary, nid, found, found + size));
			EXPECT(found % align == 0 && found + size <= (end ?: U64_MAX));
		} else if (!grows) {
			EXPECT(!node_has_room(&ordinary, nid, size, align, 0, end ?: U64_MAX));
		}
		break;
	}
	note_free();
	after = free_in_requests();
	/* What else it takes may be memblock's array. */
	if (found && set_overlaps(&requests, found, found + size))
		after += size;
	EXPECT(after >= before || grows);

	if (found && nr_had < MAX_ALLOCS)
		had[nr_had++] = (struct span) { found, found + size };
}

/* How many regions memblock adds for a reservation: one for each piece that is not reserved */
static unsigned int new_regions(u64 start, u64 end)
{
	const struct memblock_type *type = &memblock.reserved;
	unsigned int i, nr = 0;

	for (i = 0; i < type->cnt && start < end; i++) {
		u64 base = type->regions[i].base;

		if (base >= end)
			break;
		nr += start < base;
		start = max(start, base + type->regions[i].size);
	}
	return nr + (start < end);
}

/*
 * Reserves so much that memblock's array has to grow. A reservation may fail only if
 * there is no memory for that.
 */
static void reserve_many(void)
{
	u64 start = take(PHYS_PFN(memory_end())) * PAGE_SIZE;
	unsigned int i, n = take(300);
	u64 inside, array;

	for (i = 0; i < n && memblock.reserved.cnt < MAX_SPANS / 2; i++) {
		u64 at = start + 2 * i * PAGE_SIZE;

		if (memblock.reserved.cnt + new_regions(at, at + PAGE_SIZE) <=
		    memblock.reserved.max) {
			EXPECT(!memblock_reserve(at, PAGE_SIZE));
			continue;
		}
		array = PAGE_ALIGN(memblock.reserved.max * 2 * sizeof(struct memblock_region));
		note_free();
		inside = free_in_requests();
		if (memblock_reserve(at, PAGE_SIZE)) {
			/* It is not put where the new reservation is to be. */
			EXPECT(!has_room(&all, array, PAGE_SIZE, 0, at));
			EXPECT(!has_room(&all, array, PAGE_SIZE, at + PAGE_SIZE, U64_MAX));
			return;
		}
		if (has_room(&ordinary, array, PAGE_SIZE, 0, at) ||
		    has_room(&ordinary, array, PAGE_SIZE, at + PAGE_SIZE, U64_MAX)) {
			note_free();
			EXPECT(free_in_requests() + PAGE_SIZE >= inside);
		}
	}
}

static void run_early(void)
{
	unsigned int n = take(24);

	nr_had = 0;
	memblock_set_bottom_up(take(2));
	while (n--) {
		switch (take(16)) {
		case 0:
			reserve_many();
			break;
		case 1:
			memblock_set_bottom_up(take(2));
			break;
		case 2:
			if (nr_had) {
				struct span *one = &had[--nr_had];

				memblock_phys_free(one->start, one->end - one->start);
			}
			break;
		case 3:
			dmb_spare_blocks(take(2));
			break;
		default:
			allocate();
		}
	}
	dmb_spare_blocks(false);
	memblock_set_bottom_up(false);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	unsigned long core = 0, movable = 0;

	input = data;
	input_end = data + size;
	reset();
	make_memory();
	make_reservations();
	parse_command_line();
	run_early();

	if (!take(4))
		movable = PHYS_PFN(take_mib() * MIB);
	if (!take(4))
		core = PHYS_PFN(take_mib() * MIB);
	EXPECT_SHORT(dmb_adjust_core(&core, &movable));
	make_zones(take(4) ? 0 : take_mib() * MIB);

	designate();
	return 0;
}
