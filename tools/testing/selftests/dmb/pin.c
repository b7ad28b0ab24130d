// SPDX-License-Identifier: GPL-2.0
/* Long-term pins move pages out of blocks first. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "../../../../mm/gup_test.h"
#include "../kselftest_harness.h"
#include "load.h"

#define SIZE	(32 * (long)MB)

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
	.flags = PIN_LONGTERM_TEST_FLAG_USE_WRITE |
		 PIN_LONGTERM_TEST_FLAG_USE_FAST,
};

FIXTURE_VARIANT_ADD(pin, huge_pages)
{
	.huge = true,
	.flags = PIN_LONGTERM_TEST_FLAG_USE_WRITE,
};

FIXTURE_SETUP(pin)
{
	load_begin();
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
	load_end();
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

TEST_F(pin, fixed_buffers_leave_blocks)
{
	struct iovec iov = { .iov_base = self->memory, .iov_len = SIZE };
	struct io_uring_params params = { };
	int ring = syscall(SYS_io_uring_setup, 1, &params);

	if (ring < 0)
		SKIP(return, "needs CONFIG_IO_URING");
	ASSERT_EQ(0, syscall(SYS_io_uring_register, ring,
			     IORING_REGISTER_BUFFERS, &iov, 1));
	EXPECT_EQ(0, dmb_bytes_in_blocks(self->memory, SIZE));
	close(ring);
}

#define ROUNDS	25
#define SHARED	(16 * MB)

/* Shared by two processes that both pin in each round, and count failures */
struct rounds {
	atomic_int begun, ended, failed, over;
};

static void pin_in_rounds(struct rounds *rounds, void *memory)
{
	struct iovec iov = { .iov_base = memory, .iov_len = SHARED };
	int i;

	for (i = 1; i <= ROUNDS; i++) {
		struct io_uring_params params = { };
		int ring = syscall(SYS_io_uring_setup, 1, &params);

		while (rounds->begun < i && !rounds->over)
			sched_yield();
		if (rounds->over)
			break;
		rounds->failed += !!syscall(SYS_io_uring_register, ring,
					    IORING_REGISTER_BUFFERS, &iov, 1);
		rounds->ended++;
		while (rounds->ended < 2 * i)
			sched_yield();
		close(ring);
	}
	_exit(0);
}

/* Each process has references while the other one wants to move the pages. */
TEST(two_pins_at_once)
{
	const int prot = PROT_READ | PROT_WRITE,
		  flags = MAP_SHARED | MAP_ANONYMOUS;
	struct rounds *rounds = mmap(NULL, sizeof(*rounds), prot, flags, -1, 0);
	char *memory = mmap(NULL, SHARED, prot, flags, -1, 0);
	time_t end = time(NULL) + 30;
	size_t in_blocks = 0;
	int i;

	ASSERT_NE(MAP_FAILED, rounds);
	ASSERT_NE(MAP_FAILED, memory);
	for (i = 0; i < 2; i++)
		if (!fork())
			pin_in_rounds(rounds, memory);
	/* On a slow machine fewer rounds have to do. */
	for (i = 1; i <= ROUNDS && time(NULL) < end; i++) {
		/* Rings are closed a moment later. New pages are in blocks. */
		do
			usleep(20000);
		while (rounds->ended < 2 * (i - 1));
		madvise(memory, SHARED, MADV_REMOVE);
		memset(memory, i, SHARED);
		in_blocks += dmb_bytes_in_blocks(memory, SHARED);
		rounds->begun = i;
	}
	while (rounds->ended < 2 * (i - 1))
		usleep(1000);
	rounds->over = true;
	while (wait(NULL) > 0)
		;
	TH_LOG("%d of %d failed", rounds->failed, rounds->ended);
	EXPECT_LT(0, in_blocks);
	EXPECT_EQ(0, rounds->failed);
	munmap(memory, SHARED);
	munmap(rounds, sizeof(*rounds));
}

/*
 * A pipe holds a reference to a page, so the page cannot move. A pin must not
 * succeed while the page is in a block.
 */
TEST_F(pin, is_refused_when_a_page_cannot_leave)
{
	struct pin_longterm_test args = {
		.addr = (uintptr_t)self->memory,
		.size = SIZE,
		.flags = variant->flags,
	};
	struct iovec iov = {
		.iov_base = self->memory,
		.iov_len = sysconf(_SC_PAGESIZE),
	};
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(iov.iov_len, vmsplice(fds[1], &iov, 1, 0));
	EXPECT_EQ(-1, ioctl(self->fd, PIN_LONGTERM_TEST_START, &args));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_NE(0, dmb_bytes_in_blocks(self->memory, iov.iov_len));

	/* The failed attempt left no traces, and now the page can move. */
	close(fds[0]);
	close(fds[1]);
	EXPECT_EQ(0, ioctl(self->fd, PIN_LONGTERM_TEST_START, &args));
	EXPECT_EQ(0, dmb_bytes_in_blocks(self->memory, SIZE));
	EXPECT_EQ(0, ioctl(self->fd, PIN_LONGTERM_TEST_STOP));
}

/* KASAN frees memory late, so that the OOM killer would kill the parent. */
static bool kernel_has_kasan(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[512];
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, " kasan_report\n");
	fclose(f);
	return found;
}

/*
 * Blocks have room, but pinned pages must not be there. As for any allocation
 * without memory, an error or the OOM killer ends this.
 */
TEST_F(pin, fails_without_ordinary_memory)
{
	/* The hog cannot use the lists of other CPUs. Reclaim drains them. */
	size_t size = SIZE + dmb_read_lists(-1).others * sysconf(_SC_PAGESIZE);
	struct pin_longterm_test args = {
		.size = size,
		.flags = variant->flags,
	};
	void *memory;
	int status;
	pid_t pid;

	if (!load_have_module())
		SKIP(return, "needs the module dmb_load");
	if (kernel_has_kasan())
		SKIP(return, "needs all that is freed to be free");
	if (dmb_audit().unused < size + DMB_NOISE)
		SKIP(return, "blocks are too small");
	memory = dmb_touch(size, variant->huge);
	ASSERT_NE(NULL, memory);
	args.addr = (uintptr_t)memory;
	pid = fork();
	if (!pid) {
		dmb_write("/proc/self/oom_score_adj", "1000");
		/* Leave others some memory, far less than all pages need. */
		dmb_fill_pipes(SIZE / 4);
		/* Stop where other requests would invoke the OOM killer. */
		load_hog(dmb_meminfo("MemTotal"), 0, "anywhere");
		dmb_close_pipes();
		_exit(ioctl(self->fd, PIN_LONGTERM_TEST_START, &args) ?
		      errno : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	load_free_hogs();

	TH_LOG("%s, %zu of %zu MiB in blocks", WIFSIGNALED(status) ?
	       strsignal(WTERMSIG(status)) : strerror(WEXITSTATUS(status)),
	       dmb_bytes_in_blocks(memory, size) / MB, size / MB);
	EXPECT_NE(0, status);
	ioctl(self->fd, PIN_LONGTERM_TEST_STOP);
	munmap(memory, size);
}

int main(int argc, char **argv)
{
	dmb_need_blocks();
	return test_harness_run(argc, argv);
}
