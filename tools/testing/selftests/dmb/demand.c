// SPDX-License-Identifier: GPL-2.0
/*
 * How much memory can the kernel have, in the states that machines get into?
 *
 *	demand INSIDE OUTSIDE WHO MIB
 *
 * fills MIB mebibytes, as many as a block has, with INSIDE, and the rest of
 * free memory with OUTSIDE. Where there is a block, it is filled first. Then
 * WHO asks for memory that the kernel cannot move. One line of output says what
 * came of that. All kernels, with a block or without, do the same, for
 * comparison; see tools/testing/dmb/demand.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../../../mm/gup_test.h"
#include "../kselftest.h"
#include "load.h"

/* WHO asks for at most this much. */
#define WANTED		(256 * MB)

/* So much of a block may be in use before, by init and its files. */
#define BEFORE		(24 * MB)

/* Memory outside the block that stays free */
#define KEPT		(64 * MB)

/* The limit of the cgroup, and how much of that is page cache when it asks */
#define CGROUP_MAX	(64 * MB)
#define CGROUP_WANTED	(32 * MB)
#define CGROUP		"/sys/fs/cgroup"

/* Bytes that one page table maps. A child gets copies of all page tables. */
#define PAGE_TABLE_SPAN	(2 * MB)
#define FORK_SPAN	((size_t)2 << 30)

#define FILES		20000
#define READ_DISK	"/dev/vda"
#define SWAP_DISK	"/dev/vdb"

/* Memory with a pattern, which has to be the same afterwards */
static struct {
	void *start;
	size_t size;
} patterns[4];
static int nr_patterns;

/* The directory of a file system */
static int dir;

struct outcome {
	size_t got;		/* bytes */
	size_t wanted;
	/* The module knows the rest, also if the process was killed. */
	bool by_module;
	uint64_t begin_ns;
	uint64_t last_ns;	/* when it had the last of them */
	uint64_t end_ns;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void keep_pattern(void *memory, size_t size)
{
	patterns[nr_patterns].start = memory;
	patterns[nr_patterns++].size = size;
}

static void *fill_anonymous(size_t size)
{
	void *memory = load_write_pattern(size);

	if (!memory)
		ksft_exit_fail_msg("no memory to fill\n");
	keep_pattern(memory, size);
	return memory;
}

static void fill_huge(size_t size)
{
	void *memory = dmb_touch(size, true);

	if (!memory)
		ksft_exit_fail_msg("no memory to fill\n");
	load_fill_pattern(memory, size);
	keep_pattern(memory, size);
}

static void must_write(const char *path, const char *text)
{
	int err = dmb_write(path, text);

	if (err)
		ksft_exit_fail_msg("cannot write %s to %s: %s\n", text, path,
				   strerror(-err));
}

static void swap_on(const char *device)
{
	if (!dmb_swap_on(device))
		ksft_exit_fail_msg("cannot swap to %s\n", device);
}

static void swap_on_zram(size_t size)
{
	char device[DMB_DEVICE_NAME];

	if (!dmb_add_zram(device, size))
		ksft_exit_fail_msg("needs zram\n");
	swap_on(device);
}

static int make_file(const char *name)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT, 0600);

	if (fd < 0)
		ksft_exit_fail_msg("cannot make a file\n");
	return fd;
}

/* Fill memory with dirty page cache, after raising the limits. */
static void fill_dirty(size_t size)
{
	must_write("/proc/sys/vm/dirty_background_ratio", "80");
	must_write("/proc/sys/vm/dirty_ratio", "90");
	must_write("/proc/sys/vm/dirty_expire_centisecs", "1000000");
	must_write("/proc/sys/vm/dirty_writeback_centisecs", "0");
	load_fill_dirty(make_file("dirty"), size);
}

static void fill_tmpfs(size_t size)
{
	int fd = memfd_create("demand", 0);
	char *memory;

	if (fd < 0 || ftruncate(fd, size))
		ksft_exit_fail_msg("cannot make a file\n");
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		ksft_exit_fail_msg("cannot map a file\n");
	load_fill_pattern(memory, size);
	keep_pattern(memory, size);
}

static void fill_clean(const char *name, size_t size)
{
	load_fill_clean(make_file(name), size);
}

static void fill_from_device(size_t size)
{
	dmb_read_file(open(READ_DISK, O_RDONLY), size);
}

/* Claim half of the block. Without one, take as much memory elsewhere. */
static void claim_half(size_t size)
{
	struct dmb_block blocks[DMB_MAX_BLOCKS];

	if (dmb_read_blocks(blocks)) {
		if (dmb_claim(blocks[0].base, size / 2))
			ksft_exit_fail_msg("cannot claim half a block\n");
	} else if (load_hog(size / 2, 0, "kernel") != size / 2) {
		ksft_exit_fail_msg("the kernel cannot have half of a block\n");
	}
}

static void pin_longterm(void *memory, size_t size)
{
	struct pin_longterm_test args = {
		.addr = (uintptr_t)memory,
		.size = size,
		.flags = PIN_LONGTERM_TEST_FLAG_USE_WRITE,
	};
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR);

	if (fd < 0 || ioctl(fd, PIN_LONGTERM_TEST_START, &args))
		ksft_exit_fail_msg("cannot pin memory\n");
}

/* Return memory to free again before the kernel asks. */
static void *fill_inside(const char *what, size_t size)
{
	size_t fill = size - BEFORE;

	if (!strcmp(what, "free"))
		return load_write_pattern(fill);
	if (!strcmp(what, "clean")) {
		fill_clean("inside", fill);
	} else if (!strcmp(what, "dirty")) {
		fill_dirty(fill);
	} else if (!strcmp(what, "tmpfs")) {
		fill_tmpfs(fill);
	} else if (!strcmp(what, "zram")) {
		swap_on_zram(2 * size);
		fill_anonymous(fill);
	} else if (!strcmp(what, "disk")) {
		swap_on(SWAP_DISK);
		fill_anonymous(fill);
	} else if (!strcmp(what, "thp")) {
		fill_huge(fill);
	} else if (!strcmp(what, "claimed")) {
		claim_half(size);
		fill_clean("inside", size / 2 - BEFORE);
	} else {
		ksft_exit_fail_msg("what is %s?\n", what);
	}
	return NULL;
}

static void fill_outside(const char *what)
{
	size_t size = (dmb_meminfo("MemFree") - KEPT) / MB * MB;
	size_t third = size / 3 / MB * MB;

	if (!strcmp(what, "anon")) {
		fill_anonymous(size);
	} else if (!strcmp(what, "clean")) {
		fill_clean("outside", size);
	} else if (!strcmp(what, "both")) {
		fill_anonymous(size / 2);
		fill_clean("outside", size / 2);
	} else if (!strcmp(what, "locked")) {
		if (mlock(fill_anonymous(third), third))
			ksft_exit_fail_msg("cannot lock memory\n");
		fill_anonymous(size - third);
	} else if (!strcmp(what, "pinned")) {
		pin_longterm(fill_anonymous(third), third);
		fill_anonymous(size - third);
	} else if (!strcmp(what, "device")) {
		fill_from_device(size);
	} else if (!strcmp(what, "inodes")) {
		load_make_files(FILES);
		fill_anonymous((dmb_meminfo("MemFree") - KEPT) / MB * MB);
	} else {
		ksft_exit_fail_msg("what is %s?\n", what);
	}
}

static void ask(struct outcome *outcome, int order)
{
	outcome->wanted = WANTED;
	outcome->by_module = true;
	load_hog(WANTED, order, "kernel");
}

static void ask_for_pages(struct outcome *outcome)
{
	ask(outcome, 0);
}

static void ask_for_order2(struct outcome *outcome)
{
	ask(outcome, 2);
}

static void ask_atomically(struct outcome *outcome)
{
	outcome->wanted = WANTED;
	outcome->got = load_hog_slowly(WANTED, 0, "atomic");
	outcome->last_ns = now_ns();
}

/* Fork children, each with page tables of its own. */
static void ask_by_forking(struct outcome *outcome)
{
	unsigned long kills = load_vmstat("oom_kill");
	pid_t pid, self = getpid();
	size_t each, i, sum = 0;
	char *memory;

	outcome->wanted = WANTED;
	memory = mmap(NULL, FORK_SPAN, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return;
	madvise(memory, FORK_SPAN, MADV_NOHUGEPAGE);
	/* The first write makes it memory whose page tables are copied. */
	memory[0] = 1;
	for (i = 0; i < FORK_SPAN; i += PAGE_TABLE_SPAN)
		sum += memory[i];
	if (sum != 1)
		return;
	each = FORK_SPAN / PAGE_TABLE_SPAN * sysconf(_SC_PAGESIZE);
	while (outcome->got < WANTED) {
		pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() == self)
				pause();
			_exit(0);
		}
		if (pid < 0 || load_vmstat("oom_kill") != kills)
			break;
		outcome->got += each;
		outcome->last_ns = now_ns();
	}
}

/* A cgroup that is full of page cache asks for memory within its limit. */
static void ask_in_cgroup(struct outcome *outcome)
{
	char text[32];

	mkdir(CGROUP, 0755);
	if (mount("none", CGROUP, "cgroup2", 0, NULL) && errno != EBUSY)
		ksft_exit_fail_msg("cannot mount " CGROUP "\n");
	must_write(CGROUP "/cgroup.subtree_control", "+memory");
	mkdir(CGROUP "/demand", 0755);
	snprintf(text, sizeof(text), "%zu", CGROUP_MAX);
	must_write(CGROUP "/demand/memory.max", text);

	outcome->wanted = CGROUP_WANTED;
	must_write(CGROUP "/demand/cgroup.procs", "0");
	fill_clean("cgroup", 2 * CGROUP_MAX);
	outcome->begin_ns = now_ns();
	while (outcome->got < CGROUP_WANTED) {
		size_t more = dmb_fill_pipes(MB);

		outcome->got += more;
		outcome->last_ns = now_ns();
		if (more < MB)
			break;
	}
}

static const struct {
	const char *name;
	void (*ask)(struct outcome *outcome);
} who[] = {
	{ "page",	ask_for_pages },
	{ "order2",	ask_for_order2 },
	{ "atomic",	ask_atomically },
	{ "fork",	ask_by_forking },
	{ "cgroup",	ask_in_cgroup },
};

/*
 * Start the process that asks when it reads a byte from @start.  It shares no
 * memory that is filled later, and is the first one to be killed.
 */
static pid_t start_asking(const char *name, int start, struct outcome *outcome)
{
	unsigned int i = 0;
	pid_t pid;
	char byte;

	while (i < ARRAY_SIZE(who) && strcmp(who[i].name, name))
		i++;
	if (i == ARRAY_SIZE(who))
		ksft_exit_fail_msg("who is %s?\n", name);
	pid = fork();
	if (pid < 0)
		ksft_exit_fail_msg("no process to ask for memory\n");
	if (pid)
		return pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must_write("/proc/self/oom_score_adj", "1000");
	if (read(start, &byte, 1) != 1)
		_exit(1);
	outcome->begin_ns = now_ns();
	outcome->last_ns = outcome->begin_ns;
	who[i].ask(outcome);
	_exit(0);
}

static size_t count_wrong(void)
{
	size_t wrong = 0;
	int i;

	for (i = 0; i < nr_patterns; i++)
		wrong += load_check_pattern(patterns[i].start,
					    patterns[i].size);
	return wrong;
}

int main(int argc, char **argv)
{
	struct outcome *outcome;
	unsigned long kills;
	size_t size, unused;
	void *filler;
	int start[2];
	pid_t pid;

	if (argc != 5)
		ksft_exit_fail_msg("usage: %s INSIDE OUTSIDE WHO MIB\n",
				   argv[0]);
	if (!load_have_module())
		ksft_exit_fail_msg("needs the module dmb_load\n");
	load_begin();
	dir = load_open_disk(1024 * MB);
	if (dir < 0)
		ksft_exit_fail_msg("needs zram, ext4 and mke2fs\n");
	outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (outcome == MAP_FAILED || pipe(start))
		ksft_exit_fail_msg("no memory to start with\n");
	pid = start_asking(argv[3], start[0], outcome);

	size = strtoul(argv[4], NULL, 10) * MB;
	filler = fill_inside(argv[1], size);
	fill_outside(argv[2]);
	if (filler)
		munmap(filler, size - BEFORE);

	kills = load_vmstat("oom_kill");
	unused = dmb_meminfo("MemFree");
	if (write(start[1], "", 1) != 1 || waitpid(pid, NULL, 0) != pid)
		ksft_exit_fail_msg("nobody to ask for memory\n");
	outcome->end_ns = now_ns();
	kills = load_vmstat("oom_kill") - kills;
	if (outcome->by_module)
		load_hog_outcome(&outcome->got, &outcome->last_ns);

	load_free_hogs();
	load_print_relief();
	printf("demand: free %zu got %zu wanted %zu us %llu after %llu kills %lu wrong %zu\n",
	       unused / MB, outcome->got / MB, outcome->wanted / MB,
	       (unsigned long long)(outcome->last_ns - outcome->begin_ns) /
	       1000,
	       (unsigned long long)(outcome->end_ns - outcome->last_ns) / 1000,
	       kills, count_wrong());
	return 0;
}
