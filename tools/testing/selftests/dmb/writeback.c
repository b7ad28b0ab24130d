// SPDX-License-Identifier: GPL-2.0
/*
 * Page cache of block devices is in ordinary memory, and the kernel cannot free
 * it while it is dirty. It must not fill ordinary memory, however much memory
 * there is in blocks.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "dmb_util.h"

/*
 * The serial number of a slow disk that the test may write to. In QEMU:
 * -drive driver=null-co,size=1G,if=none,id=slow,throttling.bps-write=8388608
 * -device virtio-blk-pci,drive=slow,serial=dmb-scratch
 */
#define SERIAL		"dmb-scratch"
#define VMSTAT		"/proc/vmstat"
#define SECONDS		20

static unsigned long long ordinary_memory(void)
{
	return dmb_meminfo("MemTotal") - dmb_meminfo("DmbTotal");
}

static bool default_ratio(void)
{
	return dmb_read_number("/proc/sys/vm/dirty_ratio") == 20;
}

TEST(thresholds_leave_ordinary_memory_room)
{
	unsigned long long threshold, background, page = sysconf(_SC_PAGESIZE);

	if (!default_ratio())
		SKIP(return, "vm.dirty_ratio is not 20");
	threshold = page * dmb_read_value(VMSTAT, "nr_dirty_threshold");
	background = page *
		     dmb_read_value(VMSTAT, "nr_dirty_background_threshold");
	TH_LOG("thresholds %llu and %llu MiB, ordinary memory %llu, blocks %llu",
	       background / MB, threshold / MB, ordinary_memory() / MB,
	       dmb_meminfo("DmbTotal") / MB);
	EXPECT_LE(threshold, ordinary_memory() / 2);
	EXPECT_LT(background, threshold);
	EXPECT_GT(background, 0);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

TEST(slow_device_leaves_ordinary_memory_room)
{
	unsigned long kills = dmb_read_value(VMSTAT, "oom_kill");
	unsigned long long dirty, dirtiest = 0;
	double end = seconds() + SECONDS, worst = 0, start;
	int fd, status;
	char disk[DMB_DEVICE_NAME];
	pid_t writer, child;

	if (!dmb_find_disk(SERIAL, disk))
		SKIP(return, "no disk has the serial number " SERIAL);
	if (!default_ratio())
		SKIP(return, "vm.dirty_ratio is not 20");
	fd = open(disk, O_WRONLY);
	ASSERT_LE(0, fd);

	writer = fork();
	if (!writer) {
		static char data[1024 * 1024];

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (write(fd, data, sizeof(data)) > 0)
			;
		_exit(0);
	}
	while (seconds() < end) {
		start = seconds();
		child = fork();
		if (!child)
			_exit(0);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		worst = seconds() - start > worst ? seconds() - start : worst;

		dirty = dmb_meminfo("Dirty") + dmb_meminfo("Writeback");
		dirtiest = dirty > dirtiest ? dirty : dirtiest;
		usleep(100000);
	}
	kill(writer, SIGKILL);
	waitpid(writer, &status, 0);
	close(fd);

	TH_LOG("at most %llu of %llu MiB dirty, longest fork %.2f s",
	       dirtiest / MB, ordinary_memory() / MB, worst);
	/* Otherwise the disk is not slow, and this tested nothing. */
	EXPECT_GT(dirtiest, ordinary_memory() / 20);
	EXPECT_LE(dirtiest, ordinary_memory() / 2);
	EXPECT_EQ(kills, dmb_read_value(VMSTAT, "oom_kill"));
}

int main(int argc, char **argv)
{
	dmb_need_blocks();
	return test_harness_run(argc, argv);
}
