// SPDX-License-Identifier: GPL-2.0
/*
 * Persistent memory beside blocks. memmap=nn!ss makes it of RAM. A device
 * shows it to programs, or it becomes memory of the system.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "load.h"

#define NAMESPACE	"namespace0.0"
#define ND		"/sys/bus/nd/devices/"
#define ND_DRIVERS	"/sys/bus/nd/drivers/"
#define DAX		"/sys/bus/dax/devices/dax0.0/"
#define DAX_DRIVERS	"/sys/bus/dax/drivers/"
#define DAX_DEVICE	"/dev/dax0.0"

#define USED		(64 * MB)

/* Make a device for programs of the persistent memory. */
static int make_device(void)
{
	char seed[32], path[128];
	int err;

	if (!access(DAX, F_OK))
		return 0;
	if (!dmb_read_line(ND "region0/dax_seed", seed, sizeof(seed)))
		return -ENODEV;
	/* The driver for block devices has it. */
	dmb_write(ND_DRIVERS "nd_pmem/unbind", NAMESPACE);
	snprintf(path, sizeof(path), ND "%s/uuid", seed);
	err = dmb_write(path, "6e7b1dbc-3d44-4a7b-a1a5-51b6bcb7d2c1");
	snprintf(path, sizeof(path), ND "%s/mode", seed);
	err = err ?: dmb_write(path, "ram");
	snprintf(path, sizeof(path), ND "%s/namespace", seed);
	err = err ?: dmb_write(path, NAMESPACE);
	return err ?: dmb_write(ND_DRIVERS "dax_pmem/bind", seed);
}

/* Move the device from one driver to another. */
static int change_driver(const char *from, const char *to)
{
	char path[128];
	int err;

	snprintf(path, sizeof(path), DAX_DRIVERS "%s/unbind", from);
	err = dmb_write(path, "dax0.0");
	snprintf(path, sizeof(path), DAX_DRIVERS "%s/new_id", to);
	return err ?: dmb_write(path, "dax0.0");
}

/* Find what the device is as memory of the system, in bytes. */
static bool find_memory(unsigned long *start, unsigned long *end)
{
	FILE *iomem = fopen("/proc/iomem", "r");
	unsigned long last;
	bool found = false;
	char line[256];

	while (iomem && !found && fgets(line, sizeof(line), iomem))
		found = strstr(line, ": System RAM (kmem)") &&
			sscanf(line, "%lx-%lx", start, &last) == 2;
	if (iomem)
		fclose(iomem);
	if (found)
		*end = last + 1;
	return found;
}

FIXTURE(dax)
{
	struct dmb_state state;
	unsigned long unit;	/* a memory block */
	char auto_online[64];
	void *mapped;		/* the device */
	int fd;
};

FIXTURE_SETUP(dax)
{
	if (access(ND NAMESPACE, F_OK))
		SKIP(return, "no memmap=nn!ss, or no drivers for it");
	dmb_need_blocks();
	ASSERT_EQ(0, make_device());
	self->unit = dmb_memory_block_size();
	ASSERT_TRUE(dmb_read_line(DMB_AUTO_ONLINE, self->auto_online,
				  sizeof(self->auto_online)));
	ASSERT_EQ(0, dmb_write(DMB_AUTO_ONLINE, "offline"));
	self->state = dmb_note_state(false);

	self->fd = open(DAX_DEVICE, O_RDWR);
	ASSERT_LE(0, self->fd) TH_LOG("%s: %m", DAX_DEVICE);
	self->mapped = mmap(NULL, USED, PROT_READ | PROT_WRITE, MAP_SHARED,
			    self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->mapped);
}

FIXTURE_TEARDOWN(dax)
{
	EXPECT_EQ(0, dmb_write(DMB_AUTO_ONLINE, self->auto_online));
	EXPECT_NO_VIOLATION();
	EXPECT_UNCHANGED(&self->state);
}

static void unmap(FIXTURE_DATA(dax) *self)
{
	munmap(self->mapped, USED);
	close(self->fd);
}

/* No page of the device is in a block, and the data stay while blocks fill. */
TEST_F(dax, device)
{
	size_t size = load_area_bytes() + USED;
	uint64_t *frames;
	void *memory;

	load_fill_pattern(self->mapped, USED);
	frames = dmb_frames(self->mapped, USED);
	ASSERT_NE(NULL, frames);
	EXPECT_NE(0, frames[0]);
	free(frames);
	EXPECT_EQ(0, dmb_bytes_in_blocks(self->mapped, USED));
	memory = dmb_touch(size, false);
	ASSERT_NE(NULL, memory);
	EXPECT_NO_VIOLATION();
	EXPECT_EQ(0, load_check_pattern(self->mapped, USED));
	munmap(memory, size);
	unmap(self);
}

/* As memory of the system, it can be designated, or join ZONE_MOVABLE. */
TEST_F(dax, memory)
{
	static const char * const how[] = {
		DMB_DESIGNATED, "online_movable", DMB_DESIGNATED,
	};
	unsigned long long blocks = dmb_meminfo("DmbTotal");
	unsigned long long total = dmb_meminfo("MemTotal");
	unsigned long start, end, at;
	void *memory;
	size_t i, size;

	unmap(self);
	ASSERT_EQ(0, change_driver("device_dax", "kmem"));
	ASSERT_TRUE(find_memory(&start, &end));
	EXPECT_EQ(blocks, dmb_meminfo("DmbTotal"));
	for (i = 0; i < ARRAY_SIZE(how); i++) {
		bool designated = !strcmp(how[i], DMB_DESIGNATED);

		for (at = start; at < end; at += self->unit)
			ASSERT_EQ(0, dmb_set_memory_state(at, how[i]))
				TH_LOG("%s at %#lx", how[i], at);
		EXPECT_EQ(total + end - start, dmb_meminfo("MemTotal"));
		EXPECT_EQ(blocks + (designated ? end - start : 0),
			  dmb_meminfo("DmbTotal"));

		size = blocks + (end - start) / 2;
		memory = dmb_touch(size, false);
		ASSERT_NE(NULL, memory);
		if (designated)
			EXPECT_LT(blocks, dmb_bytes_in_blocks(memory, size));
		EXPECT_NO_VIOLATION();
		munmap(memory, size);

		for (at = start; at < end; at += self->unit)
			ASSERT_EQ(0, dmb_set_memory_state(at, "offline"))
				TH_LOG("%s at %#lx", how[i], at);
		EXPECT_EQ(blocks, dmb_meminfo("DmbTotal"));
		EXPECT_EQ(total, dmb_meminfo("MemTotal"));
	}
	/* The device goes back to programs, and the memory is removed. */
	EXPECT_EQ(0, change_driver("kmem", "device_dax"));
	EXPECT_FALSE(find_memory(&start, &end));
}

TEST_HARNESS_MAIN
