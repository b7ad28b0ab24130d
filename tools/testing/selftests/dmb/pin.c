// SPDX-License-Identifier: GPL-2.0
/* Long-term pins move pages out of blocks first. */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../../../../mm/gup_test.h"
#include "../kselftest_harness.h"
#include "dmb.h"

#define SIZE	(16 * (long)MB)

FIXTURE(pin)
{
	void *memory;
	int fd;
};

FIXTURE_VARIANT(pin)
{
	bool huge;
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(pin, base_pages)
{
	.flags = PIN_LONGTERM_TEST_FLAG_USE_WRITE,
};

FIXTURE_VARIANT_ADD(pin, base_pages_fast)
{
	.flags = PIN_LONGTERM_TEST_FLAG_USE_WRITE | PIN_LONGTERM_TEST_FLAG_USE_FAST,
};

FIXTURE_VARIANT_ADD(pin, huge_pages)
{
	.huge = true,
	.flags = PIN_LONGTERM_TEST_FLAG_USE_WRITE,
};

FIXTURE_SETUP(pin)
{
	self->fd = open("/sys/kernel/debug/gup_test", O_RDWR);
	if (self->fd < 0)
		SKIP(return, "needs CONFIG_GUP_TEST");
	if (dmb_audit().unused < SIZE + DMB_NOISE)
		SKIP(return, "blocks are too full");
	self->memory = dmb_touch(SIZE, variant->huge);
	ASSERT_NE(NULL, self->memory);
	ASSERT_EQ(SIZE, dmb_bytes_in_blocks(self->memory, SIZE));
}

FIXTURE_TEARDOWN(pin)
{
	munmap(self->memory, SIZE);
	close(self->fd);
	EXPECT_EQ(0, dmb_audit().violations);
}

TEST_F(pin, leaves_no_pinned_page_in_a_block)
{
	struct pin_longterm_test args = {
		.addr = (uintptr_t)self->memory,
		.size = SIZE,
		.flags = variant->flags,
	};
	char *content = malloc(SIZE);

	ASSERT_NE(NULL, content);
	memcpy(content, self->memory, SIZE);

	ASSERT_EQ(0, ioctl(self->fd, PIN_LONGTERM_TEST_START, &args));
	EXPECT_EQ(0, dmb_bytes_in_blocks(self->memory, SIZE));
	EXPECT_EQ(0, memcmp(content, self->memory, SIZE));
	EXPECT_EQ(0, ioctl(self->fd, PIN_LONGTERM_TEST_STOP));
	free(content);
}

int main(int argc, char **argv)
{
	dmb_need_blocks();
	return test_harness_run(argc, argv);
}
