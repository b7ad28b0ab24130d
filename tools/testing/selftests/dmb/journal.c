// SPDX-License-Identifier: GPL-2.0
/*
 * A file system's journal has pages until it has committed their transaction,
 * which it does after some seconds, or a minute. A claim does not wait so long
 * for that: it has the journal commit at once.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "claims.h"

/*
 * The serial number of a disk with an ext4 file system that the test may
 * change. In QEMU: -drive file=FILE,format=raw,snapshot=on,if=none,id=journal
 * -device virtio-blk-pci,drive=journal,serial=dmb-journal
 */
#define SERIAL		"dmb-journal"
#define DIRECTORY	"/tmp/dmb-journal"
#define SIZE		(48 * MB)
#define SMALL		(256 * 1024)

FIXTURE(journal)
{
	struct dmb_block block;
	struct dmb_state before;
	char disk[DMB_DEVICE_NAME];
	char *data;
	bool mounted;
};

FIXTURE_VARIANT(journal)
{
	const char *options;
};

FIXTURE_VARIANT_ADD(journal, of_metadata)
{
	.options = "data=ordered,commit=600",
};

FIXTURE_VARIANT_ADD(journal, of_data)
{
	.options = "data=journal,commit=600",
};

FIXTURE_SETUP(journal)
{
	size_t i;

	if (!dmb_find_disk(SERIAL, self->disk))
		SKIP(return, "no disk has the serial number " SERIAL);
	if (!claims_choose_block(&self->block, &self->before))
		SKIP(return, "needs " DMB_CLAIM);
	mkdir("/tmp", 0700);
	mkdir(DIRECTORY, 0700);
	self->mounted = !mount(self->disk, DIRECTORY, "ext4", 0,
			       variant->options);
	ASSERT_TRUE(self->mounted);
	self->data = malloc(SIZE);
	ASSERT_NE(NULL, self->data);
	for (i = 0; i < SIZE; i++)
		self->data[i] = random();
}

FIXTURE_TEARDOWN(journal)
{
	free(self->data);
	if (self->mounted)
		EXPECT_EQ(0, umount(DIRECTORY));
	EXPECT_UNCHANGED(&self->before);
	EXPECT_EQ(0, dmb_claimed());
}

/* Write @data to files, a part to each. */
static bool write_files(const char *data, size_t size)
{
	char path[64];
	size_t i;

	for (i = 0; i < SIZE; i += size) {
		int fd;

		snprintf(path, sizeof(path), DIRECTORY "/%zu", i / size);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (fd < 0 || write(fd, data + i, size) != (ssize_t)size)
			return false;
		close(fd);
	}
	return true;
}

static const void *map_file(size_t index, size_t size)
{
	void *memory;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), DIRECTORY "/%zu", index);
	fd = open(path, O_RDONLY);
	memory = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	close(fd);
	return memory;
}

/* Unlink the files. Return how many differ from @data. */
static size_t wrong_files(const char *data, size_t size)
{
	size_t i, wrong = 0;
	char path[64];

	for (i = 0; i < SIZE; i += size) {
		const void *memory = map_file(i / size, size);

		wrong += memory == MAP_FAILED || memcmp(memory, data + i, size);
		munmap((void *)memory, size);
		snprintf(path, sizeof(path), DIRECTORY "/%zu", i / size);
		unlink(path);
	}
	return wrong;
}

/* How much of the files' page cache is in the block */
static size_t cache_in_block(const struct dmb_block *block, size_t size)
{
	size_t i, bytes = 0;

	for (i = 0; i < SIZE; i += size) {
		const void *memory = map_file(i / size, size);

		bytes += dmb_bytes_in(block, 1, memory, size);
		munmap((void *)memory, size);
	}
	return bytes;
}

/* Transactions that the journal has committed since the mount */
static unsigned long commits(const char *disk)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/fs/jbd2/%s-8/info",
		 disk + strlen("/dev/"));
	return dmb_read_number(path);
}

static void claim_from(struct __test_metadata *_metadata,
		       const struct dmb_block *block, const char *disk,
		       const char *data, size_t size)
{
	struct timespec before, after;
	unsigned long nr;

	ASSERT_TRUE(write_files(data, size));
	/* Otherwise the claim would not have to move any of it. */
	ASSERT_GT(cache_in_block(block, size), SIZE / 2);
	nr = commits(disk);
	clock_gettime(CLOCK_MONOTONIC, &before);
	EXPECT_EQ(0, dmb_claim(block->base, block->size));
	clock_gettime(CLOCK_MONOTONIC, &after);
	nr = commits(disk) - nr;
	TH_LOG("claimed in %.2f s, with %lu commits",
	       after.tv_sec - before.tv_sec +
	       (after.tv_nsec - before.tv_nsec) / 1e9, nr);
	/* The claim needs far fewer commits than pages or files. */
	EXPECT_LT(nr, 20);
	dmb_release(block->base, block->size);
	EXPECT_EQ(0, wrong_files(data, size));
}

TEST_F(journal, large_file)
{
	claim_from(_metadata, &self->block, self->disk, self->data, SIZE);
}

TEST_F(journal, small_files)
{
	claim_from(_metadata, &self->block, self->disk, self->data, SMALL);
}

/*
 * The file system goes away while a claim has it write: one of them has to
 * wait. A claim that comes later can fail, as unmounting may take longer than a
 * claim waits.
 */
TEST_F(journal, unmounted_meanwhile)
{
	int i, status;

	for (i = 0; i < 5; i++) {
		pid_t claimer;

		ASSERT_TRUE(write_files(self->data, SMALL));
		claimer = fork();
		if (!claimer)
			_exit(-dmb_claim(self->block.base, self->block.size));
		/* Unmount at another time of the claim in each round. */
		usleep(20000 << i);
		EXPECT_EQ(0, umount(DIRECTORY));
		EXPECT_EQ(claimer, waitpid(claimer, &status, 0));
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_TRUE(!WEXITSTATUS(status) ||
			    WEXITSTATUS(status) == EBUSY);
		/* Now nothing is in the way. */
		if (WEXITSTATUS(status))
			EXPECT_EQ(0, dmb_claim(self->block.base,
					       self->block.size));
		dmb_release(self->block.base, self->block.size);
		self->mounted = !mount(self->disk, DIRECTORY, "ext4", 0,
				       variant->options);
		ASSERT_TRUE(self->mounted);
		EXPECT_EQ(0, wrong_files(self->data, SMALL));
	}
}

int main(int argc, char **argv)
{
	dmb_need_blocks();
	return test_harness_run(argc, argv);
}
