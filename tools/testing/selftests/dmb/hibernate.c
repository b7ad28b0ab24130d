// SPDX-License-Identifier: GPL-2.0
/*
 * Hibernation with blocks that are empty, full of data, or claimed in part.
 *
 * The machine has to be started again each time, with the same memory and the
 * same command line, which says resume=.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "load.h"

#define POWER_STATE	"/sys/power/state"
#define POWER_DISK	"/sys/power/disk"

FIXTURE(hibernate)
{
	struct dmb_state before;
};

FIXTURE_SETUP(hibernate)
{
	load_begin();
	ASSERT_EQ(0, dmb_write(POWER_DISK, "reboot"));
	self->before = dmb_note_state(true);
}

FIXTURE_TEARDOWN(hibernate)
{
	EXPECT_UNCHANGED(&self->before);
	load_end();
}

/* Hibernate, and return when the machine has resumed. */
static int hibernate(void)
{
	unsigned long long total = dmb_meminfo("DmbTotal");
	int err = dmb_write(POWER_STATE, "disk");

	return err ?: total == dmb_meminfo("DmbTotal") ? 0 : -ERANGE;
}

TEST_F(hibernate, empty_blocks)
{
	unsigned long long available = dmb_meminfo("MemAvailable");

	ASSERT_EQ(0, hibernate());
	EXPECT_NO_VIOLATION();
	EXPECT_LE(available - available / 8, dmb_meminfo("MemAvailable"));
}

TEST_F(hibernate, data_in_blocks)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int nr = dmb_read_blocks(blocks);
	size_t size, in_blocks;
	void *memory;

	memory = load_fill_areas(&size);
	ASSERT_NE(NULL, memory);
	load_fill_pattern(memory, size);
	in_blocks = dmb_bytes_in(blocks, nr, memory, size);

	ASSERT_EQ(0, hibernate());
	EXPECT_EQ(0, load_check_pattern(memory, size));
	/* Pages that were swapped out for the image are not present. */
	EXPECT_LE(in_blocks / 2, dmb_bytes_in(blocks, nr, memory, size));
	EXPECT_NO_VIOLATION();
	munmap(memory, size);

	/* Blocks can be filled as before. */
	memory = load_fill_areas(&size);
	ASSERT_NE(NULL, memory);
	munmap(memory, size);
}

/* An owner's memory is a part of the image, too. */
TEST_F(hibernate, claimed_memory)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	unsigned long size = dmb_pageblock_size();

	ASSERT_LT(0, dmb_read_blocks(blocks));
	if (dmb_claim(blocks[0].base, size))
		SKIP(return, "needs claims by debugfs");
	EXPECT_EQ(0, hibernate());
	EXPECT_EQ(size, dmb_claimed());
	EXPECT_EQ(0, dmb_release(blocks[0].base, size));
	EXPECT_NO_VIOLATION();
}

int main(int argc, char **argv)
{
	char disk[DMB_DEVICE_NAME];

	dmb_need_blocks();
	if (access(POWER_DISK, W_OK) || !dmb_find_disk(SWAP_SERIAL, disk) ||
	    !dmb_swap_on(disk))
		ksft_exit_skip("this machine cannot hibernate to a disk "
			       SWAP_SERIAL "\n");
	return test_harness_run(argc, argv);
}
