// SPDX-License-Identifier: GPL-2.0
/*
 * Devices with memory in blocks, as the devicetree describes them: one that
 * allocates from a pool, and one that takes all of its memory while it is bound
 * to its driver. See test_modules/dmb_device.c and dmb_owner.c. Memory for
 * dmb_owner needs a compatible string with a built-in owner, which
 * mm/dmb/tests/of_kunit.c declares.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "load.h"

#define MODULES		"test_modules/"
#define DRIVERS		"/sys/bus/platform/drivers"
#define DEVICES		"/sys/bus/platform/devices"
#define CMA		"/sys/kernel/mm/cma"

#define BUFFER		(1 * MB)
#define MAX_BUFFERS	64

/* Memory beyond the size of the blocks, to be sure that they are full */
#define SPILL		(2 * MB)

#define TAINT_WARN	0x200

static int nr_rounds = 200;

static bool load_driver(const char *module)
{
	char path[PATH_MAX];
	int err;

	snprintf(path, sizeof(path), MODULES "%s.ko", module);
	err = dmb_load_module(path, "");
	return !err || err == -EEXIST;
}

struct device {
	char name[64];
	const char *driver;
	struct dmb_block block;		/* which memory-region points to */
};

/* Find the block with the name of the node with this phandle. */
static bool find_block(const unsigned char phandle[4], struct dmb_block *block)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int i, nr = dmb_read_blocks(blocks);

	for (i = 0; i < nr; i++) {
		unsigned char found[4] = "";
		char path[PATH_MAX];
		int fd;

		snprintf(path, sizeof(path),
			 "/proc/device-tree/reserved-memory/%.63s/phandle",
			 blocks[i].name);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			continue;
		if (read(fd, found, sizeof(found)) == sizeof(found) &&
		    !memcmp(found, phandle, sizeof(found))) {
			close(fd);
			*block = blocks[i];
			return true;
		}
		close(fd);
	}
	return false;
}

/* Read the first bytes of a property of a device's node, if it has any. */
static bool read_property(const char *device, const char *property, void *value,
			  size_t size)
{
	char path[PATH_MAX];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), DEVICES "/%s/of_node/%s", device,
		 property);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;
	len = read(fd, value, size);
	close(fd);
	return len == (ssize_t)size;
}

/* Is there a device of this kind? The driver has the name of its module. */
static bool find_device(const char *kind, const char *driver,
			struct device *device)
{
	char compatible[64], found[64];
	struct dirent *entry;
	DIR *dir;

	snprintf(compatible, sizeof(compatible), "linux,%s", kind);
	device->driver = driver;
	device->name[0] = '\0';
	dir = opendir(DEVICES);
	while (dir && (entry = readdir(dir)))
		if (read_property(entry->d_name, "compatible", found,
				  strlen(compatible) + 1) &&
		    !strcmp(found, compatible))
			snprintf(device->name, sizeof(device->name), "%.63s",
				 entry->d_name);
	if (dir)
		closedir(dir);
	return device->name[0];
}

/* Is the device bound to its driver, and its memory in a block? */
static bool device_works(struct device *device)
{
	unsigned char phandle[4];
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DRIVERS "/%s/%s", device->driver,
		 device->name);
	return !access(path, F_OK) &&
	       read_property(device->name, "memory-region", phandle,
			     sizeof(phandle)) &&
	       find_block(phandle, &device->block);
}

static unsigned long claimed_bytes(const struct dmb_block *block)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), SYSFS_DMB "/%s/claimed", block->name);
	return dmb_read_number(path);
}

struct buffer {
	uint64_t base;
	uint64_t size;
};

static int add_buffer(const struct device *device, size_t size)
{
	char path[PATH_MAX], number[32];

	snprintf(path, sizeof(path), DEVICES "/%s/buffers", device->name);
	snprintf(number, sizeof(number), "%zu", size);
	return dmb_write(path, number);
}

static int free_buffers(const struct device *device)
{
	return add_buffer(device, 0);
}

static int read_buffers(const struct device *device,
			struct buffer buffers[MAX_BUFFERS])
{
	unsigned long long base, size;
	char path[PATH_MAX];
	FILE *f;
	int nr = 0;

	snprintf(path, sizeof(path), DEVICES "/%s/buffers", device->name);
	f = fopen(path, "r");
	while (f && nr < MAX_BUFFERS &&
	       fscanf(f, "%llx@%llx\n", &size, &base) == 2) {
		buffers[nr].base = base;
		buffers[nr++].size = size;
	}
	if (f)
		fclose(f);
	return nr;
}

static bool inside(uint64_t base, uint64_t size, uint64_t start, uint64_t end)
{
	return base >= start && base + size <= end;
}

FIXTURE(pool)
{
	struct device device;
	struct dmb_state before;
};

FIXTURE_SETUP(pool)
{
	load_begin();
	if (!find_device("dmb-test-device", "dmb_device", &self->device))
		SKIP(return, "needs a device with a shared-dmb-pool");
	ASSERT_TRUE(load_driver(self->device.driver));
	ASSERT_TRUE(device_works(&self->device));
	self->before = dmb_note_state(true);
	ASSERT_EQ(0, claimed_bytes(&self->device.block));
}

FIXTURE_TEARDOWN(pool)
{
	free_buffers(&self->device);
	load_end();
	EXPECT_UNCHANGED(&self->before);
	EXPECT_EQ(0, claimed_bytes(&self->device.block));
}

/* User memory uses the pool while no device has a buffer in it. */
TEST_F(pool, is_a_block_like_any_other)
{
	const struct dmb_block *block = &self->device.block;
	/* Fill all blocks, since they take turns, and the per-cpu lists. */
	size_t size = dmb_audit().unused + SPILL;
	char path[PATH_MAX];
	void *memory;

	snprintf(path, sizeof(path), CMA "/%s", block->name);
	EXPECT_EQ(0, access(path, F_OK));

	memory = dmb_touch(size, false);
	ASSERT_NE(NULL, memory);
	EXPECT_LE(dmb_unused(block), block->size / 8);
	munmap(memory, size);
}

/* A device gets a buffer in a full pool. The other pages keep their content. */
TEST_F(pool, serves_its_device_under_load)
{
	const struct dmb_block *block = &self->device.block;
	struct buffer buffers[MAX_BUFFERS];
	size_t page = sysconf(_SC_PAGESIZE);
	size_t size, i, others = 0;
	uint64_t *frames;
	void *memory;
	int n, nr;

	/* More than fits into the other blocks */
	size = dmb_audit().unused - block->size / 4;
	memory = load_write_pattern(size);
	ASSERT_NE(NULL, memory);

	nr = block->size / 2 / BUFFER;
	if (nr > MAX_BUFFERS)
		nr = MAX_BUFFERS;
	for (n = 0; n < nr; n++)
		EXPECT_EQ(0, add_buffer(&self->device, BUFFER));
	EXPECT_EQ(nr * BUFFER, claimed_bytes(block));

	ASSERT_EQ(nr, read_buffers(&self->device, buffers));
	for (n = 0; n < nr; n++) {
		EXPECT_EQ(BUFFER, buffers[n].size);
		EXPECT_TRUE(inside(buffers[n].base, buffers[n].size,
				   block->base, block->base + block->size))
			TH_LOG("buffer at %#llx",
			       (unsigned long long)buffers[n].base);
	}

	/* Pages of user space are in the block, but not in the buffers. */
	frames = dmb_frames(memory, size);
	for (i = 0; i < size / page; i++) {
		if (dmb_find_block(block, 1, frames[i]) < 0)
			continue;
		others++;
		for (n = 0; n < nr; n++)
			EXPECT_FALSE(inside(frames[i] * page, page,
					    buffers[n].base,
					    buffers[n].base + buffers[n].size));
	}
	TH_LOG("%d buffers of %zu MiB, %zu MiB of others' pages beside them",
	       nr, BUFFER / MB, others * page / MB);
	EXPECT_NE(0, others);
	free(frames);

	EXPECT_EQ(0, free_buffers(&self->device));
	EXPECT_EQ(0, claimed_bytes(block));
	EXPECT_EQ(0, load_check_pattern(memory, size));
	munmap(memory, size);
}

/* A buffer can be as large as the pool. */
TEST_F(pool, can_be_used_up)
{
	const struct dmb_block *block = &self->device.block;
	struct buffer buffers[MAX_BUFFERS];

	ASSERT_EQ(0, add_buffer(&self->device, block->size));
	EXPECT_EQ(block->size, claimed_bytes(block));
	ASSERT_EQ(1, read_buffers(&self->device, buffers));
	EXPECT_EQ(block->base, buffers[0].base);
	EXPECT_EQ(0, dmb_unused(block));
}

FIXTURE(owned)
{
	struct device device;
	struct dmb_state before;
	pid_t churn;
};

static int bind_device(const struct device *device, const char *what)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DRIVERS "/%s/%s", device->driver, what);
	return dmb_write(path, device->name);
}

FIXTURE_SETUP(owned)
{
	load_begin();
	if (!find_device("dmb-test-master", "dmb_owner", &self->device))
		SKIP(return, "needs the owner of a reusable node");
	ASSERT_TRUE(load_driver(self->device.driver));
	ASSERT_TRUE(device_works(&self->device));
	ASSERT_EQ(self->device.block.size, claimed_bytes(&self->device.block));
	ASSERT_EQ(0, bind_device(&self->device, "unbind"));
	self->before = dmb_note_state(true);
	dmb_run_on(0);
}

FIXTURE_TEARDOWN(owned)
{
	if (self->churn)
		load_stop_churn(self->churn);
	load_end();
	EXPECT_UNCHANGED(&self->before);
	/* Leave the device bound. */
	EXPECT_EQ(0, bind_device(&self->device, "bind"));
}

static void pause_churn(pid_t pid)
{
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
}

/*
 * All other blocks are full, so the pages in the owner's block have to move to
 * ordinary memory. In every other round ordinary memory is full, too. In the
 * other rounds a process on the other CPU allocates and frees half of it while
 * the owner claims the block.
 */
TEST_F(owned, driver_takes_its_memory_hundreds_of_times)
{
	const struct dmb_block *block = &self->device.block;
	unsigned long kills = load_vmstat("oom_kill");
	size_t all, page = sysconf(_SC_PAGESIZE);
	int round, err = 0, full = 0;
	unsigned long moved;
	void *memory;

	ASSERT_EQ(0, bind_device(&self->device, "bind"));
	all = dmb_audit().unused + SPILL;
	memory = load_write_pattern(all);
	ASSERT_NE(NULL, memory);
	self->churn = load_start_churn(1);
	pause_churn(self->churn);
	moved = load_vmstat("pgmigrate_success");
	for (round = 0; round < nr_rounds && !err; round++) {
		size_t size = round % 2 ? block->size / 2 : block->size + SPILL;
		void *piece;

		EXPECT_EQ(0, bind_device(&self->device, "unbind"));
		EXPECT_EQ(0, claimed_bytes(block));
		piece = load_write_pattern(size);
		ASSERT_NE(NULL, piece);
		full += dmb_bytes_in(block, 1, piece, size) >=
			block->size - block->size / 16;

		kill(self->churn, SIGCONT);
		err = bind_device(&self->device, "bind");
		pause_churn(self->churn);
		if (err)
			TH_LOG("round %d: %s", round, strerror(-err));
		else
			EXPECT_EQ(block->size, claimed_bytes(block));
		EXPECT_EQ(0, load_check_pattern(piece, size));
		munmap(piece, size);
	}
	moved = load_vmstat("pgmigrate_success") - moved;
	TH_LOG("%d times %llu MiB, %d times full, %lu MiB moved", round,
	       block->size / MB, full, moved * page / MB);
	EXPECT_EQ(0, err);
	EXPECT_EQ((nr_rounds + 1) / 2, full);
	EXPECT_GE(moved * page, full * (block->size - block->size / 16));
	EXPECT_EQ(kills, load_vmstat("oom_kill"));
	EXPECT_EQ(0, bind_device(&self->device, "unbind"));
	/* The driver warns if its memory was written to. */
	EXPECT_EQ(0, dmb_read_number("/proc/sys/kernel/tainted") & TAINT_WARN);
	EXPECT_EQ(0, load_check_pattern(memory, all));
	munmap(memory, all);
}

int main(int argc, char **argv)
{
	dmb_need_blocks();
	/* How often the owner's driver is bound to its device */
	nr_rounds = dmb_number_argument(&argc, &argv, nr_rounds);
	return test_harness_run(argc, argv);
}
