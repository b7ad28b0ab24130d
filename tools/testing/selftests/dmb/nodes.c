// SPDX-License-Identifier: GPL-2.0
/*
 * A node that has nothing but blocks is to the kernel what a node of
 * ZONE_MOVABLE alone is: it has memory for user space, and none for the kernel.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "dmb.h"

#define MAX_NODES	64
#define BYSTANDER	(64 * MB)
#define PIPES		(16 * MB)
#define CHILDREN	20

#define CGROUP		"/sys/fs/cgroup"
#define GROUP		CGROUP "/dmb-nodes"
#define NODES		"/sys/devices/system/node"
#define LOGLEVEL	"/proc/sys/kernel/printk"
#define MEMORY		"/sys/devices/system/memory"

/* Is the node in a list such as "0-1,3"? */
static bool node_in(const char *path, int node)
{
	char text[256] = "", *word, *rest = text;
	FILE *f = fopen(path, "r");
	bool found = false;

	if (!f || !fgets(text, sizeof(text), f))
		text[0] = '\0';
	if (f)
		fclose(f);
	while ((word = strsep(&rest, ","))) {
		int first, last, nr = sscanf(word, "%d-%d", &first, &last);

		if (nr == 1)
			last = first;
		found |= nr > 0 && node >= first && node <= last;
	}
	return found;
}

/* The first node all of whose memory is designated, or -1 */
static int find_node(void)
{
	unsigned long managed[MAX_NODES] = { }, dmb[MAX_NODES] = { }, pages;
	FILE *f = fopen("/proc/zoneinfo", "r");
	int node = 0;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Node %d, zone", &node) == 1 &&
		    node >= MAX_NODES)
			break;
		if (sscanf(line, " managed %lu", &pages) == 1)
			managed[node] += pages;
		if (sscanf(line, " dmb %lu", &pages) == 1)
			dmb[node] += pages;
	}
	if (f)
		fclose(f);
	for (node = 0; node < MAX_NODES; node++)
		if (dmb[node] && dmb[node] == managed[node])
			return node;
	return -1;
}

static bool is_ordinary_node(int node)
{
	return node_in(NODES "/has_normal_memory", node) ||
	       node_in(NODES "/has_high_memory", node);
}

static unsigned long oom_kills(void)
{
	return dmb_read_value("/proc/vmstat", "oom_kill");
}

/* What any program does: pipes with data in them, and children that exec. */
static int live(size_t *piped)
{
	int i, died = 0, status;
	pid_t pid;

	*piped = dmb_fill_pipes(PIPES);
	for (i = 0; i < CHILDREN; i++) {
		pid = fork();
		if (!pid) {
			execl("/proc/self/exe", "nodes", "exit", NULL);
			_exit(127);
		}
		if (pid < 0)
			break;
		waitpid(pid, &status, 0);
		died += status != 0;
	}
	dmb_close_pipes();
	return i < CHILDREN ? CHILDREN : died;
}

/* Requests fail on purpose, and the console need not have the warnings. */
static void set_loglevel(unsigned long level)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", level);
	dmb_write(LOGLEVEL, text);
}

FIXTURE(node)
{
	unsigned long kills;
	int node;
};

FIXTURE_SETUP(node)
{
	self->node = find_node();
	if (self->node < 0)
		SKIP(return, "no node has nothing but blocks");
	self->kills = oom_kills();
}

FIXTURE_TEARDOWN(node)
{
	EXPECT_EQ(self->kills, oom_kills());
}

TEST_F(node, has_memory_but_no_ordinary_one)
{
	EXPECT_TRUE(node_in(NODES "/has_memory", self->node));
	EXPECT_FALSE(is_ordinary_node(self->node));
}

/* SLUB would want a page of each node that it thinks can have some. */
TEST_F(node, slub_does_not_miss_it)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	bool missed = false;
	char text[2048];
	ssize_t len;

	ASSERT_GE(fd, 0);
	while ((len = read(fd, text, sizeof(text) - 1)) > 0) {
		text[len] = '\0';
		if (strstr(text, "SLUB: Unable to allocate memory from node"))
			missed = true;
	}
	close(fd);
	EXPECT_FALSE(missed);
}

/*
 * Requests of the kernel that must be served from the cpuset, for pipe buffers
 * for one, fail in a cpuset of that node, and nobody is killed for them.
 */
TEST_F(node, cpuset_without_ordinary_memory)
{
	unsigned long level = dmb_read_number(LOGLEVEL);
	int fds[2], died, status;
	size_t piped, inside;
	pid_t bystander;
	void *memory;
	char text[16];

	snprintf(text, sizeof(text), "%d", self->node);
	dmb_write(CGROUP "/cgroup.subtree_control", "+cpuset");
	mkdir(GROUP, 0755);
	if (dmb_write(GROUP "/cpuset.mems", text) ||
	    dmb_write(GROUP "/cgroup.procs", "0"))
		SKIP(return, "needs cpusets of cgroup v2");

	ASSERT_EQ(0, pipe(fds));
	bystander = fork();
	if (!bystander) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		memory = dmb_touch(BYSTANDER, false);
		inside = memory ? dmb_bytes_in_blocks(memory, BYSTANDER) : 0;
		if (write(fds[1], &inside, sizeof(inside)) == sizeof(inside))
			pause();
		_exit(1);
	}
	close(fds[1]);
	ASSERT_EQ(sizeof(inside), read(fds[0], &inside, sizeof(inside)));
	close(fds[0]);
	EXPECT_EQ(BYSTANDER, inside);

	set_loglevel(1);
	died = live(&piped);
	set_loglevel(level);
	dmb_write(CGROUP "/cgroup.procs", "0");
	TH_LOG("%zu KiB in pipes, %d of %d children died, %lu killed",
	       piped / 1024, died, CHILDREN, oom_kills() - self->kills);
	EXPECT_EQ(0, died);
	EXPECT_EQ(0, waitpid(bystander, &status, WNOHANG));
	kill(bystander, SIGKILL);
	waitpid(bystander, &status, 0);
	rmdir(GROUP);
}

/* The kernel's own requests disregard a policy that leaves them no memory. */
TEST_F(node, policy_without_ordinary_memory)
{
	unsigned long nodes[MAX_NODES / 8 / sizeof(long)] = { };
	const int bits = 8 * sizeof(long);
	size_t piped;
	void *memory;
	int died;

	nodes[self->node / bits] = 1UL << (self->node % bits);
	ASSERT_EQ(0, syscall(SYS_set_mempolicy, MPOL_BIND, nodes, MAX_NODES));
	memory = dmb_touch(BYSTANDER, false);
	ASSERT_NE(NULL, memory);
	EXPECT_EQ(BYSTANDER, dmb_bytes_in_blocks(memory, BYSTANDER));
	died = live(&piped);
	TH_LOG("%zu KiB in pipes, %d of %d children died, %lu killed",
	       piped / 1024, died, CHILDREN, oom_kills() - self->kills);
	EXPECT_EQ(0, died);
	EXPECT_GE(piped, PIPES);
	ASSERT_EQ(0, syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0));
	munmap(memory, BYSTANDER);
}

/* Memory blocks of the node whose state is this; returns how many it tells. */
static int memory_blocks(int node, const char *state, unsigned long *numbers,
			 int max)
{
	unsigned long i, nr_blocks = 1UL << 16;
	char path[128], text[16];
	int nr = 0;

	for (i = 0; i < nr_blocks && nr < max; i++) {
		FILE *f;

		snprintf(path, sizeof(path), NODES "/node%d/memory%lu/state",
			 node, i);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fscanf(f, "%15s", text) == 1 && !strcmp(text, state))
			numbers[nr++] = i;
		fclose(f);
	}
	return nr;
}

static int set_memory_state(unsigned long number, const char *state)
{
	char path[128];

	snprintf(path, sizeof(path), MEMORY "/memory%lu/state", number);
	return dmb_write(path, state);
}

/* Designated memory that goes and comes back does not make it another node. */
TEST_F(node, designated_memory_goes_offline_and_online)
{
	unsigned long number;

	if (DMB_STAYS_ONLINE ||
	    !memory_blocks(self->node, "online", &number, 1))
		SKIP(return, "no memory block can go offline");
	ASSERT_EQ(0, set_memory_state(number, "offline"));
	EXPECT_TRUE(node_in(NODES "/has_memory", self->node));
	EXPECT_FALSE(is_ordinary_node(self->node));
	ASSERT_EQ(0, set_memory_state(number, "online"));
	EXPECT_TRUE(node_in(NODES "/has_memory", self->node));
	EXPECT_FALSE(is_ordinary_node(self->node));
}

/* Ordinary memory that is added to it does, and the kernel finds it there. */
TEST_F(node, ordinary_memory_comes)
{
	unsigned long number, free, nodes[MAX_NODES / 8 / sizeof(long)] = { };
	const int bits = 8 * sizeof(long);
	char path[64];
	size_t piped;

	if (!memory_blocks(self->node, "offline", &number, 1))
		SKIP(return, "no memory to be added to the node");
	ASSERT_EQ(0, set_memory_state(number, "online_kernel"));
	EXPECT_TRUE(is_ordinary_node(self->node));

	snprintf(path, sizeof(path), NODES "/node%d/meminfo", self->node);
	nodes[self->node / bits] = 1UL << (self->node % bits);
	ASSERT_EQ(0, syscall(SYS_set_mempolicy, MPOL_BIND, nodes, MAX_NODES));
	free = dmb_read_value("/proc/zoneinfo", "nr_free_pages");
	piped = dmb_fill_pipes(PIPES);
	free -= dmb_read_value("/proc/zoneinfo", "nr_free_pages");
	EXPECT_GE(piped, PIPES);
	TH_LOG("%zu KiB in pipes, %lu pages of ordinary memory",
	       piped / 1024, free);
	dmb_close_pipes();
	ASSERT_EQ(0, syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0));

	if (set_memory_state(number, "offline"))
		SKIP(return, "it is in use and cannot go offline again");
	EXPECT_FALSE(is_ordinary_node(self->node));
}

int main(int argc, char **argv)
{
	/* One of the children of live() */
	if (argc > 1 && !strcmp(argv[1], "exit"))
		return 0;
	dmb_need_blocks();
	return test_harness_run(argc, argv);
}
