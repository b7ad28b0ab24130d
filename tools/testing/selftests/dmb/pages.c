// SPDX-License-Identifier: GPL-2.0
/* Pages of user space, of pipes and of devices, and the memory that has them */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mempolicy.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../kselftest.h"
#include "dmb_util.h"

#define PFN_MASK	(((uint64_t)1 << 55) - 1)
#define PAGE_PRESENT	((uint64_t)1 << 63)

#define SYSFS_THP	"/sys/kernel/mm/transparent_hugepage"
#define SYSFS_MEMORY	"/sys/devices/system/memory"
#define SOFT_OFFLINE	SYSFS_MEMORY "/soft_offline_page"
#define HARD_OFFLINE	SYSFS_MEMORY "/hard_offline_page"
#define UNPOISON	"/sys/kernel/debug/hwpoison/unpoison-pfn"
#define ADD_ZRAM	"/sys/class/zram-control/hot_add"

#define MAX_PIPES	512
#define PIPE_SIZE	(1 * MB)

static int pipes[MAX_PIPES][2];
static int nr_pipes, nr_filled;

/*
 * Make free() return all large arrays to the kernel. By default the C library
 * keeps up to twice the size of the largest array. Tests that compare how much
 * memory is used in blocks would count it.
 */
__attribute__((constructor)) static void give_arrays_back(void)
{
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

void *dmb_touch(size_t size, bool huge)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *memory;
	size_t i;

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	madvise(memory, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (i = 0; i < size; i += page)
		memory[i] = i / page;
	return memory;
}

uint64_t *dmb_frames(const void *memory, size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE), nr = size / page, done = 0, i;
	off_t offset = (uintptr_t)memory / page * sizeof(uint64_t);
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t *frames = calloc(nr, sizeof(*frames));

	if (fd < 0 || !frames)
		ksft_exit_fail_msg("cannot read /proc/self/pagemap\n");
	while (done < nr * sizeof(*frames)) {
		ssize_t len = pread(fd, (char *)frames + done,
				    nr * sizeof(*frames) - done, offset + done);

		if (len <= 0)
			ksft_exit_fail_msg("pagemap ends early\n");
		done += len;
	}
	close(fd);
	for (i = 0; i < nr; i++)
		frames[i] = frames[i] & PAGE_PRESENT ? frames[i] & PFN_MASK : 0;
	return frames;
}

size_t dmb_bytes_in(const struct dmb_block *blocks, int nr, const void *memory,
		    size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint64_t *frames = dmb_frames(memory, size);
	size_t i, bytes = 0;

	for (i = 0; i < size / page; i++)
		if (dmb_find_block(blocks, nr, frames[i]) >= 0)
			bytes += page;
	free(frames);
	return bytes;
}

size_t dmb_bytes_in_blocks(const void *memory, size_t size)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	int nr = dmb_read_blocks(blocks);

	return dmb_bytes_in(blocks, nr, memory, size);
}

int dmb_move_pages(void *memory, size_t size, const int *nodes)
{
	size_t page = sysconf(_SC_PAGESIZE), nr = size / page, i;
	void **pages = calloc(nr, sizeof(*pages));
	int *status = calloc(nr, sizeof(*status)), err = -ENOMEM;

	for (i = 0; pages && i < nr; i++)
		pages[i] = (char *)memory + i * page;
	if (pages && status)
		err = syscall(SYS_move_pages, 0, nr, pages, nodes, status,
			      MPOL_MF_MOVE) < 0 ? -errno : 0;
	/* The system call also succeeds if it has not moved any page. */
	for (i = 0; !err && status[i] != nodes[i]; i++)
		if (i == nr - 1)
			err = status[0] < 0 ? status[0] : -EBUSY;
	free(status);
	free(pages);
	return err;
}

void dmb_folio_size(size_t size)
{
	DIR *dir = opendir(SYSFS_THP);
	struct dirent *entry;
	unsigned long kb;
	char path[PATH_MAX];

	while (dir && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "hugepages-%lukB", &kb) != 1)
			continue;
		snprintf(path, sizeof(path), SYSFS_THP "/%s/enabled",
			 entry->d_name);
		dmb_write(path, kb * 1024 == size ? "madvise" : "never");
	}
	if (dir)
		closedir(dir);
}

size_t dmb_huge_page_size(void)
{
	return dmb_read_number(SYSFS_THP "/hpage_pmd_size");
}

size_t dmb_fill_pipes(size_t size)
{
	static char data[64 * 1024];
	size_t filled = 0;
	ssize_t written;

	while (filled < size && nr_filled < MAX_PIPES) {
		int *fds = pipes[nr_filled];

		if (nr_filled == nr_pipes) {
			if (pipe2(fds, O_NONBLOCK))
				break;
			nr_pipes++;
			if (fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE) < 0)
				break;
		}
		nr_filled++;
		while ((written = write(fds[1], data, sizeof(data))) > 0)
			filled += written;
	}
	return filled;
}

void dmb_empty_pipes(void)
{
	static char data[64 * 1024];

	for (; nr_filled; nr_filled--)
		while (read(pipes[nr_filled - 1][0], data, sizeof(data)) > 0)
			;
}

void dmb_close_pipes(void)
{
	for (; nr_pipes; nr_pipes--) {
		close(pipes[nr_pipes - 1][0]);
		close(pipes[nr_pipes - 1][1]);
	}
	nr_filled = 0;
}

unsigned long dmb_memory_block_size(void)
{
	FILE *f = fopen(SYSFS_MEMORY "/block_size_bytes", "r");
	unsigned long size = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%lx", &size) != 1)
		size = 0;
	fclose(f);
	return size;
}

int dmb_set_memory_state(unsigned long address, const char *state)
{
	char path[128];

	snprintf(path, sizeof(path), SYSFS_MEMORY "/memory%lu/state",
		 address / dmb_memory_block_size());
	return dmb_write(path, state);
}

static int write_number(const char *path, uint64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%#llx", (unsigned long long)number);
	return dmb_write(path, text);
}

bool dmb_can_unpoison(void)
{
	return !access(SOFT_OFFLINE, W_OK) && !access(UNPOISON, W_OK);
}

int dmb_poison(uint64_t frame)
{
	return write_number(HARD_OFFLINE, frame * sysconf(_SC_PAGESIZE));
}

int dmb_poison_softly(uint64_t frame)
{
	return write_number(SOFT_OFFLINE, frame * sysconf(_SC_PAGESIZE));
}

int dmb_unpoison(uint64_t frame)
{
	return write_number(UNPOISON, frame);
}

bool dmb_find_disk(const char *serial, char device[DMB_DEVICE_NAME])
{
	DIR *dir = opendir("/sys/block");
	struct dirent *entry;
	char path[512], text[32];
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/block/%s/serial",
			 entry->d_name);
		found = dmb_read_line(path, text, sizeof(text)) &&
			!strcmp(text, serial);
		if (found)
			snprintf(device, DMB_DEVICE_NAME, "/dev/%.20s",
				 entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

bool dmb_add_zram(char device[DMB_DEVICE_NAME], size_t size)
{
	char path[64], text[32];
	unsigned long id;

	if (access(ADD_ZRAM, R_OK))
		return false;
	/* Reading the file adds a device. */
	id = dmb_read_number(ADD_ZRAM);
	snprintf(path, sizeof(path), "/sys/block/zram%lu/disksize", id);
	snprintf(device, DMB_DEVICE_NAME, "/dev/zram%lu", id);
	snprintf(text, sizeof(text), "%zu", size);
	return !dmb_write(path, text);
}

bool dmb_swap_on(const char *device)
{
	return dmb_run_tool("mkswap", device) && !swapon(device, 0);
}

void dmb_read_file(int fd, size_t size)
{
	static char data[1 * MB];
	size_t done, part;

	for (done = 0; done < size; done += part) {
		part = size - done < sizeof(data) ? size - done : sizeof(data);
		if (pread(fd, data, part, done) != (ssize_t)part)
			ksft_exit_fail_msg("cannot read a file at %zu\n", done);
	}
}

int dmb_read_device(size_t size)
{
	char text[32];
	int fd;

	snprintf(text, sizeof(text), "%zu", size);
	if (dmb_write("/sys/block/zram0/reset", "1") ||
	    dmb_write("/sys/block/zram0/disksize", text))
		return -1;
	fd = open("/dev/zram0", O_RDONLY);
	if (fd >= 0)
		dmb_read_file(fd, size);
	return fd;
}

void dmb_close_device(int fd)
{
	close(fd);
	dmb_write("/sys/block/zram0/reset", "1");
}
