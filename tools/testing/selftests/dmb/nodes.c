// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel treats a node that has nothing but blocks like a node that has
 * only ZONE_MOVABLE: it has memory for user space, and none for the kernel.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "dmb_util.h"

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

/* Fill pipes and run child processes, like many programs. */
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

/* Requests fail on purpose. Keep their warnings off the console. */
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

/* SLUB wants a page from each node that has normal memory. */
TEST_F(node, slub_does_not_miss_it)
{
	int fd = dmb_open_log(false);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, dmb_log_count(fd,
				   "SLUB: Unable to allocate memory from node"));
	close(fd);
}

/*
 * Kernel requests that must be served from the cpuset, for example for pipe
 * buffers, fail in a cpuset of that node. No process is killed for them.
 */
TEST_F(node, cpuset_without_ordinary_memory)
{
	unsigned long level = dmb_read_number(LOGLEVEL);
	int died, status, tries;
	size_t *inside, piped;
	pid_t bystander;
	char text[16];
	void *memory;

	/* Use shared memory, since data in a pipe would need kernel memory. */
	inside = mmap(NULL, sizeof(*inside), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, inside);
	*inside = 0;

	snprintf(text, sizeof(text), "%d", self->node);
	dmb_write(CGROUP "/cgroup.subtree_control", "+cpuset");
	mkdir(GROUP, 0755);
	if (dmb_write(GROUP "/cpuset.mems", text) ||
	    dmb_write(GROUP "/cgroup.procs", "0"))
		SKIP(return, "needs cpusets of cgroup v2");

	bystander = fork();
	if (!bystander) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		memory = dmb_touch(BYSTANDER, false);
		if (memory)
			*inside = dmb_bytes_in_blocks(memory, BYSTANDER);
		pause();
		_exit(1);
	}
	for (tries = 0; tries < 6000; tries++) {
		if (__atomic_load_n(inside, __ATOMIC_RELAXED))
			break;
		usleep(10000);
	}
	EXPECT_EQ(BYSTANDER, *inside);

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

/* Kernel requests disregard a policy that has no memory for them. */
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

/* Find a memory block of the node whose state is this. */
static bool find_memory(int node, const char *state, unsigned long *number)
{
	char path[128], text[16];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), NODES "/node%d", node);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		FILE *f;

		if (sscanf(entry->d_name, "memory%lu", number) != 1)
			continue;
		snprintf(path, sizeof(path), MEMORY "/memory%lu/state",
			 *number);
		f = fopen(path, "r");
		if (!f)
			continue;
		found = fscanf(f, "%15s", text) == 1 && !strcmp(text, state);
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Taking designated memory offline and online does not change node states. */
TEST_F(node, designated_memory_goes_offline_and_online)
{
	unsigned long number;

	if (DMB_STAYS_ONLINE || !find_memory(self->node, "online", &number))
		SKIP(return, "no memory block can go offline");
	ASSERT_EQ(0, dmb_set_memory_state(number * dmb_memory_block_size(),
					  "offline"));
	EXPECT_TRUE(node_in(NODES "/has_memory", self->node));
	EXPECT_FALSE(is_ordinary_node(self->node));
	ASSERT_EQ(0, dmb_set_memory_state(number * dmb_memory_block_size(),
					  "online"));
	EXPECT_TRUE(node_in(NODES "/has_memory", self->node));
	EXPECT_FALSE(is_ordinary_node(self->node));
}

static size_t ordinary_free(const char *vmstat)
{
	return sysconf(_SC_PAGESIZE) *
	       (dmb_read_value(vmstat, "nr_free_pages") -
		dmb_read_value(vmstat, "nr_free_dmb"));
}

/* Adding ordinary memory changes them, and kernel requests can use it. */
TEST_F(node, ordinary_memory_comes)
{
	unsigned long nodes[MAX_NODES / 8 / sizeof(long)] = { };
	const int bits = 8 * sizeof(long);
	unsigned long number;
	size_t piped, used;
	char path[64];

	if (!find_memory(self->node, "offline", &number))
		SKIP(return, "no memory to be added to the node");
	ASSERT_EQ(0, dmb_set_memory_state(number * dmb_memory_block_size(),
					  "online_kernel"));
	EXPECT_TRUE(is_ordinary_node(self->node));

	snprintf(path, sizeof(path), NODES "/node%d/vmstat", self->node);
	nodes[self->node / bits] = 1UL << (self->node % bits);
	ASSERT_EQ(0, syscall(SYS_set_mempolicy, MPOL_BIND, nodes, MAX_NODES));
	used = ordinary_free(path);
	piped = dmb_fill_pipes(PIPES);
	used -= ordinary_free(path);
	TH_LOG("%zu KiB in pipes, %zu of them in ordinary memory of the node",
	       piped / 1024, used / 1024);
	EXPECT_GE(piped, PIPES);
	EXPECT_GE(used, PIPES / 2);
	dmb_close_pipes();
	ASSERT_EQ(0, syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0));

	/* It stays online if the kernel uses some of it. */
	EXPECT_EQ(!!dmb_set_memory_state(number * dmb_memory_block_size(),
					 "offline"),
		  is_ordinary_node(self->node));
}

int main(int argc, char **argv)
{
	/* One of the children of live() */
	if (argc > 1 && !strcmp(argv[1], "exit"))
		return 0;
	dmb_need_blocks();
	return test_harness_run(argc, argv);
}
