// SPDX-License-Identifier: GPL-2.0
/*
 * The contract over time: a mixed load moves, copies, merges, pins and swaps
 * pages. No page that must not be in a block gets there. The load runs for some
 * minutes, or for the number of seconds that is the first argument.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../../../mm/gup_test.h"
#include "../kselftest.h"
#include "dmb_util.h"

#define DEFAULT_SECONDS	180
#define AUDIT_INTERVAL	15	/* seconds */
#define OWNERS_SECONDS	5	/* of these, for page_owner */
#define PATIENCE	2	/* seconds to offline a memory block */

#define MEMORY		"/sys/devices/system/memory"
#define KSM		"/sys/kernel/mm/ksm"
#define DEMOTION	"/sys/kernel/mm/numa/demotion_enabled"
#define FS_DIR		"/tmp/dmb-contract"
#define HUGE_SIZE	(2 * MB)
#define NR_FILES	8
#define MADE_AT_ONCE	4096	/* pages */
#define DEMOTION_TRIES	100

/* Added in 6.1, and not known to every C library */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/* The result of a round. The kernel may refuse some, but not all: IN_VAIN. */
enum outcome { GOOD, IN_VAIN, UNAVAILABLE, WRONG };

/* Shared by all workers */
struct progress {
	unsigned long rounds;
	unsigned long good;
	enum outcome outcome;
};

struct worker {
	const char *name;
	enum outcome (*round)(void);
	unsigned int share;	/* memory to work on: RAM divided by that */
};

static struct progress *progress;
static size_t page;
static unsigned int nr_nodes;

/* Of the worker in this process */
static char *memory;
static size_t size;
static uint64_t random_state;

static char fs_device[32] = "/dev/vda";
static char swap_device[32];

static uint64_t random_number(uint64_t below)
{
	/* A linear congruential generator. Its high bits are more random. */
	random_state = random_state * 6364136223846793005ULL +
		       1442695040888963407ULL;
	return (random_state >> 33) % below;
}

static void stamp(char *at, uint64_t value)
{
	*(uint64_t *)at = value;
}

static bool stamped(const char *at, uint64_t value)
{
	return *(const uint64_t *)at == value;
}

static void stamp_all(uint64_t value)
{
	size_t i;

	for (i = 0; i < size; i += page)
		stamp(memory + i, value + i);
}

static enum outcome check_all(uint64_t value)
{
	size_t i;

	for (i = 0; i < size; i += page)
		if (!stamped(memory + i, value + i))
			return WRONG;
	return GOOD;
}

static enum outcome anonymous(void)
{
	size_t i, at;

	for (i = 0; i < MADE_AT_ONCE; i++) {
		at = random_number(size / page) * page;
		if (i % 2)
			madvise(memory + at, page, MADV_DONTNEED);
		else
			stamp(memory + at, at);
	}
	return GOOD;
}

static enum outcome forks(void)
{
	uint64_t value = random_number(1000);
	int status = 0;
	pid_t pid;

	stamp_all(value);
	pid = fork();
	if (!pid) {
		size_t i;

		for (i = 0; i < size; i += 2 * page)
			stamp(memory + i, 0);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	return check_all(value);
}

static enum outcome huge_pages(void)
{
	uint64_t value = random_number(1000);
	enum outcome outcome = IN_VAIN;
	size_t i;

	madvise(memory, size, MADV_HUGEPAGE);
	stamp_all(value);
	/* Have huge pages split, and collapsed again. */
	for (i = 0; i + HUGE_SIZE <= size; i += HUGE_SIZE) {
		char *hole = memory + i +
			     random_number(HUGE_SIZE / page) * page;

		madvise(hole, page, MADV_DONTNEED);
		stamp(hole, value + (hole - memory));
		if (!madvise(memory + i, HUGE_SIZE, MADV_COLLAPSE))
			outcome = GOOD;
	}
	if (check_all(value))
		return WRONG;
	madvise(memory, size, MADV_DONTNEED);
	return outcome;
}

static enum outcome same_pages(void)
{
	size_t i;

	if (access(KSM "/run", W_OK))
		return UNAVAILABLE;
	madvise(memory, size, MADV_MERGEABLE);
	for (i = 0; i < size; i += page)
		memset(memory + i, i / page % 4 + 1, page);
	usleep(200 * 1000);
	/* Write to some pages, so that they are no longer merged. */
	for (i = 0; i < size; i += 8 * page)
		stamp(memory + i, i);
	for (i = page; i < size; i += 8 * page)
		if (memory[i] != 2)
			return WRONG;
	return GOOD;
}

static enum outcome locked(void)
{
	uint64_t value = random_number(1000);
	enum outcome outcome;

	if (mlock(memory, size))
		return UNAVAILABLE;
	stamp_all(value);
	outcome = check_all(value);
	munlock(memory, size);
	madvise(memory, size, MADV_DONTNEED);
	return outcome;
}

static enum outcome swapped(void)
{
	uint64_t value = random_number(1000);

	if (!swap_device[0])
		return UNAVAILABLE;
	stamp_all(value);
	madvise(memory, size, MADV_PAGEOUT);
	return check_all(value);
}

static enum outcome tmpfs(void)
{
	uint64_t value = random_number(1000);
	enum outcome outcome = GOOD;
	int fd = memfd_create("dmb", 0);
	size_t i;
	char *file;

	if (fd < 0 || ftruncate(fd, size))
		return UNAVAILABLE;
	file = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (i = 0; i < size; i += page)
		stamp(file + i, value + i);
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size / 4);
	for (i = size / 4; i < size; i += page)
		if (!stamped(file + i, value + i))
			outcome = WRONG;
	munmap(file, size);
	close(fd);
	return outcome;
}

/* Write a file. Its metadata is in the page cache of the device. */
static enum outcome files(void)
{
	uint64_t value = random_number(1000), found;
	enum outcome outcome = GOOD;
	char name[64];
	size_t i;
	int fd;

	snprintf(name, sizeof(name), FS_DIR "/%d",
		 (int)random_number(NR_FILES));
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		return errno == ENOENT ? UNAVAILABLE : WRONG;
	stamp_all(value);
	for (i = 0; i < size / 2; i += page)
		if (pwrite(fd, memory + i, page, i) != (ssize_t)page) {
			outcome = IN_VAIN;
			goto out;
		}
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	for (i = 0; i < size / 2; i += page)
		if (pread(fd, &found, sizeof(found), i) != sizeof(found) ||
		    found != value + i)
			outcome = WRONG;
out:
	close(fd);
	if (!random_number(2))
		unlink(name);
	return outcome;
}

/* Move each page to a random node. */
static enum outcome scatter(char *at, size_t bytes)
{
	enum outcome outcome = UNAVAILABLE;
	size_t i, nr = bytes / page;
	int *nodes = malloc(nr * sizeof(*nodes));

	if (nr_nodes > 1 && nodes) {
		for (i = 0; i < nr; i++)
			nodes[i] = random_number(nr_nodes);
		outcome = dmb_move_pages(at, bytes, nodes) ? IN_VAIN : GOOD;
	}
	free(nodes);
	return outcome;
}

/* Map the buffers, since only mapped pages move to another node. */
static enum outcome device_buffers(void)
{
	int fd = open(fs_device, O_RDONLY);
	char *map;
	size_t i;

	if (fd < 0)
		return UNAVAILABLE;
	for (i = 0; i < size; i += page)
		if (pread(fd, memory + i, page, i) <= 0)
			break;
	map = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (map != MAP_FAILED) {
		scatter(map, size);
		munmap(map, size);
	}
	posix_fadvise(fd, 0, size / 2, POSIX_FADV_DONTNEED);
	close(fd);
	return GOOD;
}

static enum outcome resize_hugetlb(void)
{
	char text[32];
	char *huge;

	snprintf(text, sizeof(text), "%d",
		 (int)random_number(size / HUGE_SIZE + 1));
	if (dmb_write("/proc/sys/vm/nr_hugepages", text))
		return UNAVAILABLE;
	huge = mmap(NULL, HUGE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (huge == MAP_FAILED)
		return IN_VAIN;
	stamp(huge, 1);
	munmap(huge, HUGE_SIZE);
	return GOOD;
}

static enum outcome compact(void)
{
	usleep(random_number(500) * 1000);
	return dmb_write("/proc/sys/vm/compact_memory", "1") ?
	       UNAVAILABLE : GOOD;
}

static enum outcome move_between_nodes(void)
{
	uint64_t value = random_number(1000);
	enum outcome outcome;

	stamp_all(value);
	outcome = scatter(memory, size);
	return check_all(value) ? WRONG : outcome;
}

/* Reclaim moves cold pages to a node of slower memory, if there is one. */
static enum outcome demotion(void)
{
	static unsigned int tries;
	char text[32];

	snprintf(text, sizeof(text), "%zu", size);
	dmb_write("/sys/fs/cgroup/memory.reclaim", text);
	usleep(random_number(500) * 1000);
	if (dmb_read_value("/proc/vmstat", "pgdemote_direct"))
		return GOOD;
	return ++tries < DEMOTION_TRIES ? IN_VAIN : UNAVAILABLE;
}

static void wake_up(int sig)
{
}

/* Take a memory block offline and online. Every other time it is designated. */
static enum outcome offline(void)
{
	struct sigaction action = { .sa_handler = wake_up };
	struct dmb_block blocks[DMB_MAX_BLOCKS], *block;
	unsigned long unit = dmb_memory_block_size(), nr;
	char path[128];
	int ret;

	if (!unit || DMB_STAYS_ONLINE)
		return UNAVAILABLE;
	sigaction(SIGALRM, &action, NULL);
	nr = random_number(dmb_meminfo("MemTotal") / unit + 1);
	if (random_number(2)) {
		block = &blocks[random_number(dmb_read_blocks(blocks))];
		nr = (block->base + random_number(block->size)) / unit;
	}
	snprintf(path, sizeof(path), MEMORY "/memory%lu/state", nr);
	/* The kernel tries to offline a memory block until a signal arrives. */
	alarm(PATIENCE);
	ret = dmb_write(path, "offline");
	alarm(0);
	usleep(random_number(500) * 1000);
	dmb_write(path, "online");
	return ret ? IN_VAIN : GOOD;
}

static enum outcome long_term_pins(void)
{
	struct pin_longterm_test args = {
		.addr = (uintptr_t)memory,
		.size = size,
		.flags = PIN_LONGTERM_TEST_FLAG_USE_WRITE,
	};
	uint64_t value = random_number(1000);
	enum outcome outcome = IN_VAIN;
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR);

	if (fd < 0)
		return UNAVAILABLE;
	stamp_all(value);
	if (!ioctl(fd, PIN_LONGTERM_TEST_START, &args)) {
		outcome = dmb_bytes_in_blocks(memory, size) ? WRONG : GOOD;
		ioctl(fd, PIN_LONGTERM_TEST_STOP);
	}
	close(fd);
	if (check_all(value))
		outcome = WRONG;
	madvise(memory, size, MADV_DONTNEED);
	return outcome;
}

static enum outcome fixed_buffers(void)
{
	struct iovec iov = { .iov_base = memory, .iov_len = size };
	struct io_uring_params params = { };
	enum outcome outcome = IN_VAIN;
	int ring = syscall(SYS_io_uring_setup, 1, &params);

	if (ring < 0)
		return UNAVAILABLE;
	stamp_all(0);
	if (!syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS,
		     &iov, 1))
		outcome = dmb_bytes_in_blocks(memory, size) ? WRONG : GOOD;
	close(ring);
	madvise(memory, size, MADV_DONTNEED);
	return outcome;
}

static enum outcome kernel_memory(void)
{
	size_t filled = dmb_fill_pipes(size);

	usleep(random_number(200) * 1000);
	dmb_close_pipes();
	return filled ? GOOD : IN_VAIN;
}

static const struct worker workers[] = {
	{ "anonymous memory",		anonymous,		4 },
	{ "forks",			forks,			128 },
	{ "huge pages",			huge_pages,		64 },
	{ "same pages",			same_pages,		256 },
	{ "locked memory",		locked,			128 },
	{ "swapped memory",		swapped,		128 },
	{ "tmpfs",			tmpfs,			64 },
	{ "files",			files,			256 },
	{ "block device buffers",	device_buffers,		128 },
	{ "hugetlb pages",		resize_hugetlb,		64 },
	{ "compaction",			compact,		0 },
	{ "moving between nodes",	move_between_nodes,	256 },
	{ "demotion",			demotion,		128 },
	{ "memory offline and online",	offline,		0 },
	{ "long-term pins",		long_term_pins,		256 },
	{ "fixed buffers",		fixed_buffers,		256 },
	{ "kernel memory",		kernel_memory,		16 },
};

#define NR_WORKERS	ARRAY_SIZE(workers)

static void prepare(void)
{
	size_t size = dmb_meminfo("MemTotal") / 4;
	char path[64];

	if ((!access(fs_device, W_OK) || dmb_add_zram(fs_device, size)) &&
	    dmb_run_tool("mke2fs -b 4096", fs_device)) {
		mkdir(FS_DIR, 0700);
		mount(fs_device, FS_DIR, "ext4", 0, NULL);
	}
	if (!dmb_add_zram(swap_device, size) || !dmb_swap_on(swap_device))
		swap_device[0] = '\0';
	while (snprintf(path, sizeof(path),
			"/sys/devices/system/node/node%u", nr_nodes),
	       !access(path, F_OK))
		nr_nodes++;
	dmb_write("/proc/sys/kernel/numa_balancing", "1");
	dmb_write(DEMOTION, "true");
	dmb_write(KSM "/pages_to_scan", "1000");
	dmb_write(KSM "/run", "1");
}

static void clean_up(void)
{
	dmb_write(KSM "/run", "2");
	dmb_write("/proc/sys/kernel/numa_balancing", "0");
	dmb_write(DEMOTION, "false");
	dmb_write("/proc/sys/vm/nr_hugepages", "0");
	umount(FS_DIR);
	if (swap_device[0])
		swapoff(swap_device);
}

/* Bring all memory online, as before. */
static void online_all(void)
{
	unsigned long unit = dmb_memory_block_size(), i;
	char path[128];

	for (i = 0; unit && i <= dmb_meminfo("MemTotal") / unit + 64; i++) {
		snprintf(path, sizeof(path), MEMORY "/memory%lu/state", i);
		dmb_write(path, "online");
	}
}

static pid_t start(unsigned int nr)
{
	const struct worker *worker = &workers[nr];
	pid_t pid = fork();

	if (pid)
		return pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	random_state = nr;
	if (worker->share) {
		size = dmb_meminfo("MemTotal") / worker->share / HUGE_SIZE *
		       HUGE_SIZE;
		memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED)
			_exit(1);
	}
	do {
		progress[nr].outcome = worker->round();
		progress[nr].rounds++;
		progress[nr].good += progress[nr].outcome == GOOD;
	} while (progress[nr].outcome <= IN_VAIN);
	_exit(0);
}

/* On a slow machine some workers have done nothing when the time is over. */
static bool all_have_worked(void)
{
	unsigned int i;

	for (i = 0; i < NR_WORKERS; i++)
		if (!progress[i].good && progress[i].outcome <= IN_VAIN)
			return false;
	return true;
}

/* End a worker. Return false if something else has ended it before. */
static bool stop(unsigned int nr, pid_t pid)
{
	bool alive = !waitpid(pid, NULL, WNOHANG);

	if (alive) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return alive || progress[nr].outcome > IN_VAIN;
}

/* Print which code allocated a page, and with which flags. */
static void print_owner(unsigned long pfn)
{
	static char text[4096];
	int fd = open("/sys/kernel/debug/page_owner", O_RDONLY);

	/* Offsets of this file are page frames. */
	if (fd >= 0 && pread(fd, text, sizeof(text) - 1, pfn) > 0)
		ksft_print_msg("%s\n", text);
	close(fd);
}

static unsigned long owners_seen;

/* With 0 @seconds, check all records of page_owner. */
static bool audit_once(unsigned int seconds)
{
	struct dmb_owners owners = dmb_audit_owners(seconds);
	struct dmb_audit audit = dmb_audit();

	owners_seen += owners.pages;
	if (owners.violations)
		print_owner(owners.pfn);
	if (!audit.violations)
		return !audit.cut_short && !owners.violations;
	ksft_print_msg("%ld violations, one at %#lx: %s\n", audit.violations,
		       audit.pfn, audit.reason);
	print_owner(audit.pfn);
	return false;
}

static long seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - start->tv_sec;
}

int main(int argc, char **argv)
{
	long seconds = argc > 1 ? atol(argv[1]) : DEFAULT_SECONDS;
	unsigned long pageblocks, kills, audits = 0, bad = 0;
	pid_t pids[NR_WORKERS];
	bool lived[NR_WORKERS];
	struct timespec began;
	unsigned int i;

	dmb_need_blocks();
	ksft_print_header();
	ksft_set_plan(NR_WORKERS + 2);

	page = sysconf(_SC_PAGESIZE);
	pageblocks = dmb_pageblocks();
	kills = dmb_read_value("/proc/vmstat", "oom_kill");
	progress = mmap(NULL, NR_WORKERS * sizeof(*progress),
			PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (progress == MAP_FAILED)
		ksft_exit_fail_msg("no memory to start with\n");

	prepare();
	for (i = 0; i < NR_WORKERS; i++)
		pids[i] = start(i);

	clock_gettime(CLOCK_MONOTONIC, &began);
	while (seconds_since(&began) < seconds ||
	       (!all_have_worked() && seconds_since(&began) < 3 * seconds)) {
		sleep(AUDIT_INTERVAL - (dmb_page_owner() ? OWNERS_SECONDS : 0));
		bad += !audit_once(OWNERS_SECONDS);
		audits++;
	}
	for (i = 0; i < NR_WORKERS; i++)
		lived[i] = stop(i, pids[i]);
	bad += !audit_once(0);
	clean_up();

	for (i = 0; i < NR_WORKERS; i++) {
		if (progress[i].outcome == UNAVAILABLE)
			ksft_test_result_skip("%s\n", workers[i].name);
		else
			ksft_test_result(lived[i] && progress[i].good &&
					 progress[i].outcome != WRONG,
					 "%s: %lu of %lu rounds%s\n",
					 workers[i].name, progress[i].good,
					 progress[i].rounds,
					 lived[i] ? "" : ", then it died");
	}
	ksft_print_msg("%lu killed for want of memory, %lu pages demoted\n",
		       dmb_read_value("/proc/vmstat", "oom_kill") - kills,
		       dmb_read_value("/proc/vmstat", "pgdemote_direct") +
		       dmb_read_value("/proc/vmstat", "pgdemote_kswapd"));
	if (dmb_page_owner())
		ksft_print_msg("%lu times page_owner had the right flags for a page or folio\n",
			       owners_seen);
	ksft_test_result(!bad, "%lu audits under load and one after it\n",
			 audits);
	/* Memory that is offline has no pageblocks. */
	online_all();
	ksft_test_result(dmb_pageblocks() == pageblocks,
			 "pageblocks of type DMB: %lu of %lu\n",
			 dmb_pageblocks(), pageblocks);
	ksft_finished();
}
