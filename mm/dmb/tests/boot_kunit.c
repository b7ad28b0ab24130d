// SPDX-License-Identifier: GPL-2.0
/* KUnit tests: parse the command line, check and trim requests for blocks. */

#include <kunit/test.h>
#include <linux/ctype.h>
#include <linux/dmb.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "../boot.h"
#include "tests.h"
#include "../internal.h"

struct dmb_bytes_case {
	const char *text;
	u64 bytes;
	int err;
};

static const struct dmb_bytes_case dmb_bytes_cases[] __initconst = {
	{ "0", 0 },
	{ "4096", 4096 },
	{ "0x1000", 4096 },
	{ "010", 8 },
	{ "1K", SZ_1K },
	{ "1k", SZ_1K },
	{ "3M", 3 * SZ_1M },
	{ "0x10M", 16 * SZ_1M },
	{ "2G", 2ULL * SZ_1G },
	{ "1T", 1ULL << 40 },
	{ "1P", 1ULL << 50 },
	{ "1E", 1ULL << 60 },
	{ "15E", 15ULL << 60 },
	/* The E is a hexadecimal digit here, not a suffix. */
	{ "0x1E", 0x1e },
	{ "0xffffffffffffffff", U64_MAX },
	{ "16E", 0, -ERANGE },
	{ "18446744073709551616", 0, -ERANGE },
	{ "99999999999999999999999999999999999999", 0, -ERANGE },
	{ "", 0, -EINVAL },
	{ "M", 0, -EINVAL },
	{ "0x", 0, -EINVAL },
	{ "-1", 0, -EINVAL },
	{ "+1", 0, -EINVAL },
	{ " 1", 0, -EINVAL },
	{ "1 ", 0, -EINVAL },
	{ "1MM", 0, -EINVAL },
	{ "1Mfoo", 0, -EINVAL },
	{ "1.5G", 0, -EINVAL },
	{ "1\n", 0, -EINVAL },
	{ "1\nG", 0, -EINVAL },
	{ "0xg", 0, -EINVAL },
};

static void __init dmb_test_parse_bytes(struct kunit *test)
{
	const struct dmb_bytes_case *c = dmb_bytes_cases;
	u64 bytes;
	int err;

	for (; c < dmb_bytes_cases + ARRAY_SIZE(dmb_bytes_cases); c++) {
		err = dmb_parse_bytes(c->text, strlen(c->text), &bytes);
		KUNIT_EXPECT_EQ_MSG(test, err, c->err, "\"%s\"", c->text);
		if (!c->err)
			KUNIT_EXPECT_EQ_MSG(test, bytes, c->bytes, "\"%s\"",
					    c->text);
	}
}

/* As in a list, text follows the number. */
static void __init dmb_test_parse_bytes_in_list(struct kunit *test)
{
	u64 bytes;

	KUNIT_EXPECT_EQ(test, dmb_parse_bytes("12M@1G", 3, &bytes), 0);
	KUNIT_EXPECT_EQ(test, bytes, 12 * SZ_1M);
}

static const char * __init dmb_test_parse(const char *text, u64 *base,
					  u64 *size)
{
	return dmb_parse_block(text, strcspn(text, ","), base, size);
}

static void __init dmb_test_parse_block(struct kunit *test)
{
	static const char no_block[] = "not nn[KMGTPE]@ss[KMGTPE]";
	u64 base, size;

	KUNIT_EXPECT_NULL(test, dmb_test_parse("512M@1G", &base, &size));
	KUNIT_EXPECT_EQ(test, size, 512ULL * SZ_1M);
	KUNIT_EXPECT_EQ(test, base, 1ULL * SZ_1G);

	KUNIT_EXPECT_NULL(test,
			  dmb_test_parse("0x200000@0x320000000,1G", &base,
					 &size));
	KUNIT_EXPECT_EQ(test, size, SZ_2M);
	KUNIT_EXPECT_EQ(test, base, 0x320000000ULL);

	KUNIT_EXPECT_STREQ(test, dmb_test_parse("@1G", &base, &size), no_block);
	KUNIT_EXPECT_STREQ(test, dmb_test_parse("1G@", &base, &size), no_block);
	KUNIT_EXPECT_STREQ(test, dmb_test_parse("@", &base, &size), no_block);
	KUNIT_EXPECT_STREQ(test, dmb_test_parse("1G@1Gfoo", &base, &size),
			   no_block);
	KUNIT_EXPECT_STREQ(test, dmb_test_parse("1G@1G@1G", &base, &size),
			   no_block);
	KUNIT_EXPECT_STREQ(test, dmb_test_parse("10%@1G", &base, &size),
			   no_block);
	KUNIT_EXPECT_STREQ(test, dmb_test_parse("16E@1G", &base, &size),
			   "number too large");
	KUNIT_EXPECT_STREQ(test, dmb_test_parse("1G@16E", &base, &size),
			   "number too large");
}

static void __init dmb_test_check_request(struct kunit *test)
{
	const u64 align = DMB_MIN_ALIGNMENT_BYTES;
	struct dmb_table *table = kunit_kzalloc(test, sizeof(*table),
						GFP_KERNEL);
	char want[64];

	KUNIT_ASSERT_NOT_NULL(test, table);
	KUNIT_ASSERT_TRUE(test, dmb_test_add(test, table, PHYS_PFN(8 * align),
					     PHYS_PFN(16 * align), NULL));

	KUNIT_EXPECT_NULL(test, dmb_check_request(table, 0, align));
	KUNIT_EXPECT_NULL(test, dmb_check_request(table, 0, 8 * align));
	KUNIT_EXPECT_NULL(test, dmb_check_request(table, 16 * align, align));

	KUNIT_EXPECT_STREQ(test, dmb_check_request(table, align, 0),
			   "size is zero");
	KUNIT_EXPECT_STREQ(test,
			   dmb_check_request(table, U64_MAX - align + 1, align),
			   "runs past the end of the address space");
	KUNIT_EXPECT_STREQ(test, dmb_check_request(table, align, U64_MAX),
			   "runs past the end of the address space");

	snprintf(want, sizeof(want),
		 "not aligned to %lluM, %lluM@%#llx would do",
		 align / SZ_1M, 2 * align / SZ_1M, 4 * align);
	KUNIT_EXPECT_STREQ(test,
			   dmb_check_request(table, 4 * align + PAGE_SIZE,
					     align),
			   want);
	KUNIT_EXPECT_STREQ(test, dmb_check_request(table, 4 * align, align + 1),
			   want);

	KUNIT_EXPECT_TRUE(test,
			  strstarts(dmb_check_request(table, 7 * align,
						      2 * align),
				    "overlaps [mem "));
	KUNIT_EXPECT_TRUE(test,
			  strstarts(dmb_check_request(table, 0, 32 * align),
				    "overlaps [mem "));

	while (table->nr < DMB_MAX_BLOCKS)
		dmb_test_add(test, table, PHYS_PFN((20 + table->nr) * align),
			     PHYS_PFN((21 + table->nr) * align), NULL);
	KUNIT_EXPECT_TRUE(test, strstarts(dmb_check_request(table, 0, align),
					  "the table of "));
}

/*
 * Trimming: each character stands for a pageblock. A digit is the zone that it
 * is in, any other character a reason why it cannot be used. Dots are a hole in
 * memory, which is judged as a whole.
 */
static struct zone dmb_test_zones[10] __initdata;

static void __init dmb_test_judge(const char *map, unsigned long i,
				  struct dmb_run *run)
{
	static const char initrd[] = "I", image[] = "K", hole[] = ".";
	unsigned long nr = max_t(unsigned long, strspn(map + i, hole), 1);

	*run = (struct dmb_run) {
		.start_pfn = i * pageblock_nr_pages,
		.end_pfn = (i + nr) * pageblock_nr_pages,
	};
	if (isdigit(map[i]))
		run->zone = &dmb_test_zones[map[i] - '0'];
	else
		run->why = map[i] == '.' ? hole :
			   map[i] == 'I' ? initrd : image;
}

static void __init dmb_test_print(char *text, size_t size,
				  const struct dmb_run *run)
{
	size_t len = strlen(text);

	scnprintf(text + len, size - len, "%lu+%lu:%c ",
		  run->start_pfn / pageblock_nr_pages,
		  (run->end_pfn - run->start_pfn) / pageblock_nr_pages,
		  run->zone ? (char)('0' + (run->zone - dmb_test_zones)) :
		  *run->why);
}

static void __init dmb_test_runs(struct kunit *test, const char *map,
				 const char *runs)
{
	struct dmb_run run = { }, next;
	char got[128] = "";
	unsigned long i;

	for (i = 0; map[i]; i = next.end_pfn / pageblock_nr_pages) {
		dmb_test_judge(map, i, &next);
		if (dmb_extend_run(&run, &next))
			continue;
		dmb_test_print(got, sizeof(got), &run);
		run = next;
	}
	if (run.end_pfn > run.start_pfn)
		dmb_test_print(got, sizeof(got), &run);
	KUNIT_EXPECT_STREQ_MSG(test, got, runs, "map \"%s\"", map);
}

static void __init dmb_test_trim(struct kunit *test)
{
	dmb_test_runs(test, "", "");
	dmb_test_runs(test, "1", "0+1:1 ");
	dmb_test_runs(test, "1111", "0+4:1 ");
	dmb_test_runs(test, "K", "0+1:K ");
	/* Unusable pageblocks at either end, in the middle, and everywhere */
	dmb_test_runs(test, "KK11", "0+2:K 2+2:1 ");
	dmb_test_runs(test, "11KK", "0+2:1 2+2:K ");
	dmb_test_runs(test, "1K11", "0+1:1 1+1:K 2+2:1 ");
	dmb_test_runs(test, "K1K1", "0+1:K 1+1:1 2+1:K 3+1:1 ");
	/* Two adjacent reasons make two runs. */
	dmb_test_runs(test, "1KI1", "0+1:1 1+1:K 2+1:I 3+1:1 ");
	/* A block ends at the border of its zone, and so of its node. */
	dmb_test_runs(test, "1122", "0+2:1 2+2:2 ");
	dmb_test_runs(test, "12K2", "0+1:1 1+1:2 2+1:K 3+1:2 ");
	/* All pageblocks of a hole are one run. */
	dmb_test_runs(test, "....", "0+4:. ");
	dmb_test_runs(test, "1...K", "0+1:1 1+3:. 4+1:K ");
}

/* The kernel needs a share of its memory in each zone, within limits. */
static void __init dmb_test_zone_need(struct kunit *test)
{
	const unsigned long mib = SZ_1M / PAGE_SIZE;

	KUNIT_EXPECT_EQ(test, dmb_zone_need(1600 * mib, 3000 * mib), 100 * mib);
	/* Half of a zone is always enough. */
	KUNIT_EXPECT_EQ(test, dmb_zone_need(1600 * mib, 160 * mib), 80 * mib);
	/* 512 MiB are always enough, however large the machine is. */
	KUNIT_EXPECT_EQ(test, dmb_zone_need(64000 * mib, 3000 * mib),
			512 * mib);
	/* A zone for ISA devices does not matter. */
	KUNIT_EXPECT_EQ(test, dmb_zone_need(1600 * mib, 15 * mib), 0);
}

static struct kunit_case __refdata dmb_boot_cases[] = {
	KUNIT_CASE(dmb_test_parse_bytes),
	KUNIT_CASE(dmb_test_parse_bytes_in_list),
	KUNIT_CASE(dmb_test_parse_block),
	KUNIT_CASE(dmb_test_check_request),
	KUNIT_CASE(dmb_test_trim),
	KUNIT_CASE(dmb_test_zone_need),
	{}
};

static struct kunit_suite __refdata dmb_boot_suite = {
	.name = "dmb_boot",
	.test_cases = dmb_boot_cases,
};
kunit_test_init_section_suites(&dmb_boot_suite);
