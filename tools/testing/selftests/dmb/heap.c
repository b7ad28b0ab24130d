// SPDX-License-Identifier: GPL-2.0
/*
 * Programs allocate buffers in blocks from DMA-BUF heaps, while the memory is
 * in use, and pass them to drivers. The buffers are zeroed, and go back when
 * nobody has them any more.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/videodev2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "claims.h"
#include "load.h"

#define HEAPS		"/dev/dma_heap"
#define CMA		"/sys/kernel/debug/cma"
#define NR_BUFFERS	8
#define ROUNDS		10

/* A frame of the video test driver, and how many of them are captured */
#define WIDTH		640
#define HEIGHT		360
#define FRAME		(WIDTH * HEIGHT * 3)
#define NR_FRAMES	12

/* One camera, whose memory has to be contiguous */
#define VIVID_OPTIONS	"n_devs=1 node_types=0x1 num_inputs=1 input_types=0 allocators=1"

struct buffer {
	int fd;
	size_t size;
	unsigned char *memory;
};

FIXTURE(heap)
{
	struct dmb_state before;
	struct tenants tenants;
	uint64_t base;	/* of the first block of the heap */
	uint64_t end;	/* of the last one */
	size_t size;	/* of its memory in all blocks */
	int fd;
};

/* A number of pages or a page frame of a CMA area, in bytes */
static uint64_t area_bytes(const char *area, const char *file)
{
	char path[512];

	snprintf(path, sizeof(path), CMA "/%s/%s", area, file);
	return dmb_read_number(path) * sysconf(_SC_PAGESIZE);
}

/* Open the first heap in blocks, and set *@base, *@end and *@size. */
static int open_heap(uint64_t *base, uint64_t *end, size_t *size)
{
	DIR *dir = opendir(HEAPS);
	unsigned long before = dmb_claimed();
	struct dirent *entry;
	char path[512];
	int fd = -1;

	while (dir && fd < 0 && (entry = readdir(dir))) {
		struct dma_heap_allocation_data data = {
			.len = MB,
			.fd_flags = O_RDWR | O_CLOEXEC,
		};

		if (entry->d_name[0] == '.')
			continue;
		*base = area_bytes(entry->d_name, "base_pfn");
		*end = *base + area_bytes(entry->d_name, "count");
		*size = *end - *base - area_bytes(entry->d_name, "used");
		snprintf(path, sizeof(path), HEAPS "/%s", entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (!ioctl(fd, DMA_HEAP_IOCTL_ALLOC, &data)) {
			bool found = dmb_claimed() >= before + MB;

			close(data.fd);
			if (found)
				break;
		}
		close(fd);
		fd = -1;
	}
	if (dir)
		closedir(dir);
	return fd;
}

FIXTURE_SETUP(heap)
{
	load_begin();
	self->before = dmb_note_state(true);
	self->fd = open_heap(&self->base, &self->end, &self->size);
	if (self->fd < 0)
		SKIP(return, "no DMA-BUF heap has memory in blocks");
	/* The heap's memory has to be in use when buffers are allocated. */
	ASSERT_TRUE(claims_move_in(ANONYMOUS, &self->tenants,
				   load_area_free() * 3 / 4));
}

FIXTURE_TEARDOWN(heap)
{
	if (self->fd >= 0) {
		EXPECT_EQ(0, claims_wrong_stamps(&self->tenants));
		claims_move_out(&self->tenants);
		close(self->fd);
	}
	load_end();
	EXPECT_UNCHANGED(&self->before);
	EXPECT_EQ(0, dmb_claimed());
}

/* Allocate a buffer and map it. Return 0 or -errno. */
static int get_buffer(int heap, size_t size, struct buffer *buffer)
{
	struct dma_heap_allocation_data data = {
		.len = size,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};

	if (ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data))
		return -errno;
	buffer->fd = data.fd;
	buffer->size = size;
	buffer->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			      data.fd, 0);
	return buffer->memory == MAP_FAILED ? -errno : 0;
}

static void put_buffer(struct buffer *buffer)
{
	munmap(buffer->memory, buffer->size);
	close(buffer->fd);
}

/* Begin or end the processor's access to the content of a buffer. */
static void sync_buffer(const struct buffer *buffer, uint64_t what)
{
	struct dma_buf_sync sync = { .flags = what | DMA_BUF_SYNC_RW };

	ioctl(buffer->fd, DMA_BUF_IOCTL_SYNC, &sync);
}

/* How many bytes differ from @value */
static size_t other_bytes(const struct buffer *buffer, unsigned char value)
{
	size_t i, nr = 0;

	for (i = 0; i < buffer->size; i++)
		nr += buffer->memory[i] != value;
	return nr;
}

/* Small buffers are as close together as possible, but pass by claims. */
TEST_F(heap, small_buffers_pass_by_claims)
{
	struct buffer buffer;

	if (!self->size)
		SKIP(return, "needs CMA_DEBUGFS");
	ASSERT_EQ(0, dmb_claim(self->base, 4 * MB));
	ASSERT_EQ(0, get_buffer(self->fd, sysconf(_SC_PAGESIZE), &buffer));
	put_buffer(&buffer);
	EXPECT_EQ(0, dmb_release(self->base, 4 * MB));
}

TEST_F(heap, buffers_are_zeroed_and_given_back)
{
	size_t page = sysconf(_SC_PAGESIZE), sum;
	struct buffer buffers[NR_BUFFERS];
	pid_t churn = load_start_churn(0);
	int round, i;

	for (round = 0; round < ROUNDS; round++) {
		for (i = 0, sum = 0; i < NR_BUFFERS; i++) {
			size_t size = page + random() % (4 * MB);

			ASSERT_EQ(0, get_buffer(self->fd, size, &buffers[i]));
			EXPECT_EQ(0, other_bytes(&buffers[i], 0));
			memset(buffers[i].memory, 0x40 + i, size);
			sum += (size + page - 1) / page * page;
		}
		EXPECT_EQ(sum, dmb_claimed());
		for (i = 0; i < NR_BUFFERS; i++) {
			EXPECT_EQ(0, other_bytes(&buffers[i], 0x40 + i));
			put_buffer(&buffers[i]);
		}
		EXPECT_EQ(0, dmb_claimed());
	}
	load_stop_churn(churn);
	EXPECT_EQ(0, dmb_audit().violations);
}

/* Allocate small buffers, which share pageblocks. Return how many failed. */
static int use_small_buffers(int heap, unsigned char value)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct buffer buffers[NR_BUFFERS];
	int round, i, failed = 0;

	srandom(value);
	for (round = 0; round < 5 * ROUNDS; round++) {
		for (i = 0; i < NR_BUFFERS; i++) {
			if (get_buffer(heap, (1 + random() % 40) * page,
				       &buffers[i])) {
				buffers[i].size = 0;
				failed++;
				continue;
			}
			failed += !!other_bytes(&buffers[i], 0);
			memset(buffers[i].memory, value, buffers[i].size);
		}
		for (i = 0; i < NR_BUFFERS; i++) {
			if (!buffers[i].size)
				continue;
			failed += !!other_bytes(&buffers[i], value);
			put_buffer(&buffers[i]);
		}
	}
	return failed;
}

/* Nobody fails because of somebody else in the same pageblock. */
TEST_F(heap, several_users_at_once)
{
	pid_t pids[4];
	int i, status;

	for (i = 0; i < 4; i++) {
		pids[i] = fork();
		if (!pids[i])
			_exit(!!use_small_buffers(self->fd, 1 + i));
	}
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(0, dmb_claimed());
	EXPECT_EQ(0, dmb_audit().violations);
}

/* The last file descriptor or mapping to go frees a buffer. */
TEST_F(heap, last_reference_gives_it_back)
{
	struct buffer buffer;
	int pipes[2];
	pid_t child;
	char byte;

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(0, get_buffer(self->fd, 2 * MB, &buffer));
	memset(buffer.memory, 0x55, buffer.size);
	child = fork();
	if (!child) {
		/* It has both, and waits until the parent closes its end. */
		close(pipes[1]);
		_exit(read(pipes[0], &byte, 1) || other_bytes(&buffer, 0x55));
	}
	close(pipes[0]);
	put_buffer(&buffer);
	EXPECT_EQ(2 * MB, dmb_claimed());
	close(pipes[1]);
	EXPECT_EQ(child, waitpid(child, &pipes[0], 0));
	EXPECT_EQ(0, pipes[0]);
	EXPECT_EQ(0, dmb_claimed());
}

/*
 * Buffers whose size is not a power of two can be next to each other. As each
 * is where it is the cheapest, there are some gaps, but not one for each
 * buffer.
 */
TEST_F(heap, buffers_fill_it)
{
	/* CMA aligns large buffers to 256 pages. */
	size_t size = 3 * 256 * sysconf(_SC_PAGESIZE), nr = 0, i, nr_blocks;
	struct dmb_block blocks[DMB_MAX_BLOCKS];
	struct buffer *buffers;

	if (!self->size)
		SKIP(return, "needs CONFIG_CMA_DEBUGFS");
	buffers = calloc(self->size / size + 1, sizeof(*buffers));
	ASSERT_NE(NULL, buffers);
	while (nr <= self->size / size &&
	       !get_buffer(self->fd, size, &buffers[nr]))
		nr++;
	TH_LOG("%zu buffers of %zu MiB in %zu MiB", nr, size / MB,
	       self->size / MB);
	EXPECT_LE(self->size / size * 9 / 10, nr);
	nr_blocks = dmb_read_blocks(blocks);
	for (i = 0; i < nr_blocks; i++)
		if (blocks[i].base + blocks[i].size > self->base &&
		    blocks[i].base < self->end)
			EXPECT_LT(0, blocks[i].claimed);
	for (i = 0; i < nr; i++)
		put_buffer(&buffers[i]);
	free(buffers);
}

/* A buffer larger than the heap is an error that loses no memory. */
TEST_F(heap, too_large_a_buffer_is_refused)
{
	struct buffer buffer;

	EXPECT_NE(0, get_buffer(self->fd, load_area_bytes() + MB, &buffer));
	EXPECT_EQ(0, dmb_claimed());
}

static int xioctl(int fd, unsigned long request, void *data)
{
	int err;

	do {
		err = ioctl(fd, request, data) ? -errno : 0;
	} while (err == -EINTR);
	return err;
}

/* Load vivid if need be, and open its capture device. Return -1 on failure. */
static int open_camera(void)
{
	struct v4l2_capability capability;
	char path[32];
	int i, fd;

	if (access("/sys/module/vivid", F_OK) &&
	    system("modprobe vivid " VIVID_OPTIONS))
		return -1;
	/* udev or devtmpfs creates the device node. */
	for (i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "/dev/video%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (!xioctl(fd, VIDIOC_QUERYCAP, &capability) &&
		    !strcmp((char *)capability.driver, "vivid") &&
		    capability.device_caps & V4L2_CAP_VIDEO_CAPTURE)
			return fd;
		close(fd);
	}
	return -1;
}

/* Set a control, by its name, to the entry of its menu that has this text. */
static bool set_menu(int camera, const char *name, const char *text)
{
	struct v4l2_queryctrl control = { .id = V4L2_CTRL_FLAG_NEXT_CTRL };
	struct v4l2_control value;
	struct v4l2_querymenu entry;

	while (!xioctl(camera, VIDIOC_QUERYCTRL, &control)) {
		if (strcmp((char *)control.name, name)) {
			control.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
			continue;
		}
		entry.id = control.id;
		for (entry.index = 0; (int)entry.index <= control.maximum;
		     entry.index++) {
			if (xioctl(camera, VIDIOC_QUERYMENU, &entry) ||
			    strcmp((char *)entry.name, text))
				continue;
			value.id = control.id;
			value.value = entry.index;
			return !xioctl(camera, VIDIOC_S_CTRL, &value);
		}
	}
	return false;
}

static bool set_up_camera(int camera, const char *pattern)
{
	struct v4l2_format format = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.fmt.pix = {
			.width = WIDTH,
			.height = HEIGHT,
			.pixelformat = V4L2_PIX_FMT_RGB24,
			.field = V4L2_FIELD_NONE,
		},
	};

	return !xioctl(camera, VIDIOC_S_FMT, &format) &&
	       format.fmt.pix.width == WIDTH &&
	       format.fmt.pix.height == HEIGHT &&
	       format.fmt.pix.sizeimage == FRAME &&
	       set_menu(camera, "Test Pattern", pattern) &&
	       set_menu(camera, "OSD Text Mode", "None");
}

static int queue(int camera, struct buffer *buffers, unsigned int index)
{
	struct v4l2_buffer buffer = {
		.index = index,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_DMABUF,
		.m.fd = buffers[index].fd,
		.length = buffers[index].size,
	};

	return xioctl(camera, VIDIOC_QBUF, &buffer);
}

/* Count the pixels that differ from this color by more than 8. */
static size_t other_pixels(const struct buffer *buffer, int red, int green,
			   int blue)
{
	size_t i, nr = 0;

	sync_buffer(buffer, DMA_BUF_SYNC_START);
	for (i = 0; i < FRAME; i += 3)
		nr += abs(buffer->memory[i] - red) > 8 ||
		      abs(buffer->memory[i + 1] - green) > 8 ||
		      abs(buffer->memory[i + 2] - blue) > 8;
	sync_buffer(buffer, DMA_BUF_SYNC_END);
	return nr;
}

/*
 * vivid plays a camera, with its own code for the memory of devices that need
 * it contiguous. It gets buffers of the heap to write its frames to.
 */
TEST_F(heap, camera_captures_into_buffers)
{
	struct v4l2_requestbuffers request = {
		.count = 4,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_DMABUF,
	};
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE, camera = open_camera();
	struct buffer buffers[4];
	unsigned int i;

	if (camera < 0)
		SKIP(return, "needs the module vivid");
	ASSERT_TRUE(set_up_camera(camera, "100% Red"));
	ASSERT_EQ(0, xioctl(camera, VIDIOC_REQBUFS, &request));
	ASSERT_EQ(4, request.count);
	for (i = 0; i < request.count; i++) {
		ASSERT_EQ(0, get_buffer(self->fd, FRAME, &buffers[i]));
		ASSERT_EQ(0, queue(camera, buffers, i));
	}
	ASSERT_EQ(0, xioctl(camera, VIDIOC_STREAMON, &type));
	for (i = 0; i < NR_FRAMES; i++) {
		struct v4l2_buffer done = {
			.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
			.memory = V4L2_MEMORY_DMABUF,
		};
		struct buffer *buffer;

		ASSERT_EQ(0, xioctl(camera, VIDIOC_DQBUF, &done));
		EXPECT_EQ(FRAME, done.bytesused);
		EXPECT_FALSE(done.flags & V4L2_BUF_FLAG_ERROR);
		buffer = &buffers[done.index];
		if (i < NR_FRAMES / 2)
			EXPECT_EQ(0, other_pixels(buffer, 255, 0, 0));
		/* Frames may have been captured with the previous pattern. */
		if (i == NR_FRAMES / 2)
			ASSERT_TRUE(set_menu(camera, "Test Pattern",
					     "100% Blue"));
		if (i == NR_FRAMES - 1)
			EXPECT_EQ(0, other_pixels(buffer, 0, 0, 255));
		memset(buffer->memory, 0, FRAME);
		ASSERT_EQ(0, queue(camera, buffers, done.index));
	}
	/* The driver still has the buffers. */
	EXPECT_EQ(4 * ((FRAME + getpagesize() - 1) / getpagesize()) *
		  getpagesize(),
		  dmb_claimed());
	EXPECT_EQ(0, dmb_audit().violations);
	ASSERT_EQ(0, xioctl(camera, VIDIOC_STREAMOFF, &type));
	request.count = 0;
	EXPECT_EQ(0, xioctl(camera, VIDIOC_REQBUFS, &request));
	for (i = 0; i < 4; i++)
		put_buffer(&buffers[i]);
	close(camera);
}

int main(int argc, char **argv)
{
	dmb_need_blocks();
	return test_harness_run(argc, argv);
}
