// SPDX-License-Identifier: GPL-2.0
/* Create memory pressure; measure reclaim, compaction and the OOM killer. */

#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest.h"
#include "load.h"

#define CMA		"/sys/kernel/debug/cma/reserved"
#define TRACING		"/sys/kernel/tracing"
#define ISOLATE		TRACING "/events/vmscan/mm_vmscan_lru_isolate"
#define LOAD		"/sys/kernel/debug/dmb_load"
#define MODULE		"test_modules/dmb_load.ko"

#define CACHE_DIR	"/tmp/dmb-cache"
#define CACHE_FILE	CACHE_DIR "/file"

#define KPF_UPTODATE	((uint64_t)1 << 3)
#define KPF_ANON	((uint64_t)1 << 12)
#define KPF_SWAPBACKED	((uint64_t)1 << 14)
#define KPF_OFFLINE	((uint64_t)1 << 23)

/* Free bytes, at least, of areas and of ordinary memory in single pages */
#define SCATTERED	(64 * MB)

/* Bytes of atomic requests, for each order */
#define BURST		((size_t)256 * 1024)

#define BATCH		8192	/* pages to look at in one go */

static size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/*
 * Read ZONE_MOVABLE of all nodes: its free pages, and its spans as areas.
 * Return the number of spans.
 */
static int read_movable_zones(struct dmb_block areas[DMB_MAX_BLOCKS],
			      size_t *nr_free)
{
	FILE *f = fopen("/proc/zoneinfo", "r");
	unsigned long long page = page_size();
	unsigned long value, spanned = 0;
	bool movable = false;
	char line[256];
	int nr = 0;

	if (!f)
		ksft_exit_fail_msg("cannot read /proc/zoneinfo\n");
	*nr_free = 0;
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "Node", 4)) {
			movable = strstr(line, "Movable");
		} else if (!movable) {
			continue;
		} else if (sscanf(line, " pages free %lu", &value) == 1) {
			*nr_free += value;
		} else if (sscanf(line, " spanned %lu", &value) == 1) {
			spanned = value;
		} else if (sscanf(line, " start_pfn: %lu", &value) == 1 &&
			   spanned && nr < DMB_MAX_BLOCKS) {
			areas[nr].base = value * page;
			areas[nr++].size = spanned * page;
		}
	}
	fclose(f);
	return nr;
}

int load_areas(struct dmb_block areas[DMB_MAX_BLOCKS])
{
	unsigned long long page = page_size();
	int nr = dmb_read_blocks(areas);
	size_t nr_free;

	if (nr)
		return nr;
	if (access(CMA, R_OK))
		return read_movable_zones(areas, &nr_free);
	areas[0].base = dmb_read_number(CMA "/base_pfn") * page;
	areas[0].size = dmb_read_number(CMA "/count") * page;
	return 1;
}

size_t load_area_bytes(void)
{
	struct dmb_block areas[DMB_MAX_BLOCKS];
	int i, nr = load_areas(areas);
	size_t size = 0;

	for (i = 0; i < nr; i++)
		size += areas[i].size;
	return size;
}

size_t load_area_free(void)
{
	/* A kernel has one of them. The other one reads as 0. */
	size_t nr_free, size = dmb_meminfo("DmbFree") + dmb_meminfo("CmaFree");
	struct dmb_block zones[DMB_MAX_BLOCKS];

	if (size || dmb_meminfo("DmbTotal") || dmb_meminfo("CmaTotal"))
		return size;
	read_movable_zones(zones, &nr_free);
	return nr_free * page_size();
}

size_t load_ordinary_free(void)
{
	size_t area = load_area_free(), all = dmb_meminfo("MemFree");

	return all > area ? all - area : 0;
}

size_t load_reserve(void)
{
	/* Double it for other CPUs' lists and for unaccounted memory. */
	return dmb_read_value("/proc/zoneinfo", "low") * page_size() * 2;
}

unsigned long load_vmstat(const char *prefix)
{
	FILE *f = fopen("/proc/vmstat", "r");
	unsigned long value, sum = 0;
	char name[64];

	if (!f)
		ksft_exit_fail_msg("cannot read /proc/vmstat\n");
	while (fscanf(f, "%63s %lu", name, &value) == 2)
		if (!strncmp(name, prefix, strlen(prefix)))
			sum += value;
	fclose(f);
	return sum;
}

unsigned long load_stalls(void)
{
	return load_vmstat("allocstall") + load_vmstat("compact_stall");
}

unsigned long load_effort(void)
{
	return load_vmstat("pgscan_") + load_vmstat("allocstall_") +
	       load_vmstat("compact_") + load_vmstat("pageoutrun");
}

bool load_frame_in_area(uint64_t frame)
{
	static struct dmb_block areas[DMB_MAX_BLOCKS];
	static int nr = -1;

	if (nr < 0)
		nr = load_areas(areas);
	return dmb_find_block(areas, nr, frame) >= 0;
}

/*
 * Word @w of page @i.  Three quarters of a page are zero, so that it can be
 * compressed about as well as that of a program.
 */
static uint64_t pattern_word(size_t i, size_t w)
{
	return w < page_size() / 4 / sizeof(uint64_t) ?
	       (i + 1) * (2 * w + 1) : 0;
}

void load_fill_pattern(void *memory, size_t size)
{
	size_t i, w, page = page_size();

	for (i = 0; i < size; i += page) {
		uint64_t *words = memory + i;

		for (w = 0; w < page / sizeof(*words); w++)
			words[w] = pattern_word(i / page, w);
	}
}

void *load_write_pattern(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	madvise(memory, size, MADV_NOHUGEPAGE);
	load_fill_pattern(memory, size);
	return memory;
}

size_t load_check_pattern(const void *memory, size_t size)
{
	size_t i, page = page_size(), wrong = 0;

	for (i = 0; i < size; i += page) {
		const uint64_t *words = memory + i;
		size_t w;

		for (w = 0; w < page / sizeof(*words); w++)
			if (words[w] != pattern_word(i / page, w)) {
				wrong++;
				break;
			}
	}
	return wrong;
}

/*
 * Free every other page: in some groups the even ones, in others the odd ones.
 * Where compaction has found no free page, it only checks each 32nd page frame.
 * If these were all even or all odd, it might see no free page in all of
 * memory.
 */
static bool is_given_up(size_t i)
{
	return (i ^ i / 64) % 2 == 0;
}

struct load_memory load_fragment(unsigned int percents, size_t *wanted)
{
	size_t size = load_area_free() + load_ordinary_free() - load_reserve();
	size_t i, page = page_size();
	struct load_memory memory;

	memory.size = size / 100 * percents / MB * MB;
	memory.start = load_write_pattern(memory.size);
	memory.frames = NULL;
	if (!memory.start)
		return memory;
	*wanted = load_ordinary_free() / (2 * MB) * (2 * MB) + SCATTERED;
	for (i = 0; i < memory.size / page; i++)
		if (is_given_up(i))
			madvise(memory.start + i * page, page, MADV_DONTNEED);
	memory.frames = dmb_frames(memory.start, memory.size);
	return memory;
}

void load_release(struct load_memory *memory)
{
	if (memory->start)
		munmap(memory->start, memory->size);
	free(memory->frames);
}

struct load_travel load_travel_since(const struct load_memory *memory)
{
	uint64_t *now = dmb_frames(memory->start, memory->size);
	size_t i, nr = memory->size / page_size();
	struct load_travel travel = { };

	for (i = 0; i < nr; i++) {
		uint64_t then = memory->frames[i];
		bool was, is;

		if (!then || !now[i] || then == now[i])
			continue;
		was = load_frame_in_area(then);
		is = load_frame_in_area(now[i]);
		travel.in += !was && is;
		travel.out += was && !is;
		travel.within += was && is;
	}
	free(now);
	return travel;
}

static void *map_all_memory(size_t *size)
{
	char *memory;

	*size = dmb_meminfo("MemTotal") / MB * MB;
	memory = mmap(NULL, *size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		ksft_exit_fail_msg("no address space\n");
	madvise(memory, *size, MADV_NOHUGEPAGE);
	return memory;
}

static void touch(char *memory, size_t size)
{
	size_t i, page = page_size();

	for (i = 0; i < size; i += page)
		memory[i] = 1;
}

void *load_fill_areas(size_t *size)
{
	size_t bite = 64 * 1024, done = 0, all, nr = bite / page_size();
	int cpu, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char *memory = map_all_memory(&all);
	cpu_set_t affinity;

	/* A CPU uses free pages in its lists first. */
	sched_getaffinity(0, sizeof(affinity), &affinity);
	for (cpu = 0; cpu < cpus; cpu++) {
		bool full = false;

		dmb_run_on(cpu);
		for (; !full && done < all; done += bite) {
			uint64_t *frames;
			size_t i;

			touch(memory + done, bite);
			frames = dmb_frames(memory + done, bite);
			for (i = 0; i < nr; i++)
				full |= !load_frame_in_area(frames[i]);
			free(frames);
		}
	}
	sched_setaffinity(0, sizeof(affinity), &affinity);
	munmap(memory + done, all - done);
	*size = done;
	return memory;
}

void load_fill_clean(int fd, size_t size)
{
	/* Holes are read into the page cache like data, and stay clean. */
	if (ftruncate(fd, size))
		ksft_exit_fail_msg("cannot make a file of %zu bytes\n", size);
	dmb_read_file(fd, size);
}

void load_fill_dirty(int fd, size_t size)
{
	static const char zeroes[1 * MB];
	size_t done;

	for (done = 0; done < size; done += sizeof(zeroes))
		if (write(fd, zeroes, sizeof(zeroes)) != sizeof(zeroes))
			ksft_exit_fail_msg("cannot write a file at %zu\n",
					   done);
}

static void end_cache(void)
{
	if (!umount(CACHE_DIR))
		dmb_write("/sys/block/zram0/reset", "1");
}

int load_open_disk(size_t disk_size)
{
	char text[32];

	snprintf(text, sizeof(text), "%zu", disk_size);
	if (dmb_write("/sys/block/zram0/disksize", text))
		return -1;
	mkdir(CACHE_DIR, 0700);
	if (!dmb_run_tool("mke2fs -b 4096", "/dev/zram0") ||
	    mount("/dev/zram0", CACHE_DIR, "ext4", 0, NULL))
		return -1;
	return open(CACHE_DIR, O_RDONLY | O_DIRECTORY);
}

/* Create an empty file on a separate file system. Return -1 on failure. */
static int make_cache(size_t disk_size)
{
	int fd = load_open_disk(disk_size);

	if (fd < 0)
		return -1;
	close(fd);
	fd = open(CACHE_FILE, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		ksft_exit_fail_msg("cannot make %s\n", CACHE_FILE);
	return fd;
}

int load_open_cache(size_t size)
{
	int fd = make_cache(64 * MB);

	if (fd >= 0)
		load_fill_clean(fd, size);
	return fd;
}

int load_open_buffered(size_t size)
{
	int fd = make_cache(size + size / 8);

	if (fd >= 0) {
		load_fill_dirty(fd, size);
		fsync(fd);
	}
	return fd;
}

size_t load_make_files(size_t nr)
{
	char name[64];
	size_t i;
	int fd;

	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), CACHE_DIR "/%zu", i / 500);
		if (i % 500 == 0 && mkdir(name, 0700))
			break;
		snprintf(name, sizeof(name), CACHE_DIR "/%zu/%zu", i / 500, i);
		fd = open(name, O_WRONLY | O_CREAT, 0600);
		if (fd < 0 || write(fd, name, sizeof(name)) != sizeof(name))
			break;
		/* Keep the page cache clean. */
		if (i % 4096 == 4095)
			syncfs(fd);
		close(fd);
	}
	return i;
}

/* Pages in a batch on their way to the LRU lack the flag LRU; these do not. */
static bool is_page_cache(uint64_t flags)
{
	return (flags & KPF_UPTODATE) && !(flags & (KPF_ANON | KPF_SWAPBACKED));
}

/* A balloon has such pages, or virtio-mem has unplugged them. */
static bool is_offline(uint64_t flags)
{
	return flags & KPF_OFFLINE;
}

/* Append to *@map for each page whether it @is something, and advance it. */
static void map_area(int fd, const struct dmb_block *area,
		     bool (*is)(uint64_t flags), unsigned char **map)
{
	uint64_t pfn = area->base / page_size();
	uint64_t end = pfn + area->size / page_size();
	static uint64_t flags[BATCH];

	while (pfn < end) {
		size_t i, nr = end - pfn < BATCH ? end - pfn : BATCH;
		size_t size = nr * sizeof(*flags);

		if (pread(fd, flags, size, pfn * sizeof(*flags)) !=
		    (ssize_t)size)
			ksft_exit_fail_msg("/proc/kpageflags ends early\n");
		for (i = 0; i < nr; i++)
			*(*map)++ = is(flags[i]);
		pfn += nr;
	}
}

/* For each page of the areas, whether it @is something */
static unsigned char *map_areas(bool (*is)(uint64_t flags))
{
	unsigned char *map = malloc(load_area_bytes() / page_size()), *at = map;
	struct dmb_block areas[DMB_MAX_BLOCKS];
	int fd = open("/proc/kpageflags", O_RDONLY);
	int i, nr = load_areas(areas);

	if (fd < 0 || !map)
		ksft_exit_fail_msg("cannot read /proc/kpageflags\n");
	for (i = 0; i < nr; i++)
		map_area(fd, &areas[i], is, &at);
	close(fd);
	return map;
}

static size_t count_pages(const unsigned char *map)
{
	size_t i, nr = load_area_bytes() / page_size(), pages = 0;

	for (i = 0; i < nr; i++)
		pages += map[i];
	return pages;
}

struct load_cache load_note_cache(void)
{
	struct load_cache cache = { .map = map_areas(is_page_cache) };

	cache.pages = count_pages(cache.map);
	return cache;
}

size_t load_cache_lost(struct load_cache *cache)
{
	size_t i, nr = load_area_bytes() / page_size(), lost = 0;
	unsigned char *now = map_areas(is_page_cache);

	for (i = 0; i < nr; i++)
		lost += cache->map[i] && !now[i];
	free(now);
	free(cache->map);
	return lost;
}

size_t load_area_offline(void)
{
	unsigned char *map = map_areas(is_offline);
	size_t pages = count_pages(map);

	free(map);
	return pages * page_size();
}

int load_set_mglru(bool on)
{
	return dmb_write("/sys/kernel/mm/lru_gen/enabled", on ? "y" : "n");
}

static void clear_trace(void)
{
	close(open(TRACING "/trace", O_WRONLY | O_TRUNC));
}

/* ZONE_MOVABLE in enum zone_type is the number of zones before it. */
static int movable_zone_index(void)
{
	FILE *f = fopen("/proc/zoneinfo", "r");
	char line[256], name[16];
	int node, index = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Node %d, zone %15s", &node, name) != 2)
			continue;
		if (!strcmp(name, "Movable"))
			break;
		index++;
	}
	if (f)
		fclose(f);
	return index;
}

/* Trace the isolation of folios, to see which reclaim skips. */
static int trace_isolation(void)
{
	char filter[64];
	int err;

	/* Do not overwrite old events, so that a loss is noticed. */
	dmb_write(TRACING "/buffer_size_kb", "4096");
	clear_trace();
	snprintf(filter, sizeof(filter),
		 "nr_skipped > 0 || highest_zoneidx >= %d",
		 movable_zone_index());
	err = dmb_write(ISOLATE "/filter", filter);
	return err ?: dmb_write(ISOLATE "/enable", "1");
}

/* The number after a name like "nr_taken=", or 0 */
static unsigned long traced(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	return at ? strtoul(at + strlen(name), NULL, 10) : 0;
}

static void read_isolation(struct load_reclaim *reclaim)
{
	unsigned long skipped, movable = movable_zone_index();
	char line[512];
	FILE *f;

	dmb_write(ISOLATE "/enable", "0");
	f = fopen(TRACING "/trace", "r");
	while (f && fgets(line, sizeof(line), f)) {
		skipped = traced(line, "nr_skipped=");
		if (skipped > reclaim->longest_skip)
			reclaim->longest_skip = skipped;
		if (traced(line, "classzone=") >= movable)
			reclaim->for_users += traced(line, "nr_taken=");
	}
	if (f)
		fclose(f);
	dmb_write(ISOLATE "/filter", "0");
	clear_trace();
}

bool load_have_module(void)
{
	int err;

	if (!access(LOAD "/command", W_OK))
		return true;
	if (access(MODULE, R_OK))
		return false;
	/* Do not skip: the module may have been built for another kernel. */
	err = dmb_load_module(MODULE, "");
	if (err)
		ksft_exit_fail_msg("cannot load %s: %s\n", MODULE,
				   strerror(-err));
	return !access(LOAD "/command", W_OK);
}

void load_hog_outcome(size_t *got, uint64_t *last_ns)
{
	*got = dmb_read_value(LOAD "/result", "hog_got") * page_size();
	*last_ns = dmb_read_value(LOAD "/result", "hog_last_ns");
}

size_t load_hog(size_t size, int order, const char *how)
{
	char text[64];

	snprintf(text, sizeof(text), "hog %zu %d %s", size / page_size(), order,
		 how);
	if (dmb_write(LOAD "/command", text))
		return 0;
	return dmb_read_value(LOAD "/result", "hog_got") * page_size();
}

pid_t load_start_churn(int cpu)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dmb_run_on(cpu);
	for (;;) {
		void *memory = dmb_touch(8 * MB, false);

		if (memory)
			munmap(memory, 8 * MB);
	}
}

void load_stop_churn(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Is there a kswapd that has work, whether or not it runs? */
static bool kswapd_awake(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	bool awake = false;

	while (dir && (entry = readdir(dir))) {
		char path[PATH_MAX], name[32], state;
		FILE *f;

		if (!isdigit(entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fscanf(f, "%*d (%31[^)]) %c", name, &state) == 2 &&
		    !strncmp(name, "kswapd", 6))
			awake |= state != 'S';
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return awake;
}

size_t load_hog_slowly(size_t size, int order, const char *how)
{
	size_t bite = 1 * MB, got, done;
	int tries;

	for (done = 0; done < size; done += got) {
		got = load_hog(bite, order, how);
		if (got < bite)
			return done + got;
		/* Let kswapd finish, also on a slow machine. */
		for (tries = 0; !tries || (kswapd_awake() && tries < 2000);
		     tries++)
			usleep(5000);
	}
	return done;
}

void load_free_hogs(void)
{
	dmb_write(LOAD "/command", "free");
}

struct load_reclaim load_reclaim_cache(bool slowly)
{
	struct load_reclaim reclaim = {
		.kswapd = load_vmstat("pgscan_kswapd"),
		.direct = load_vmstat("pgscan_direct"),
	};
	struct load_cache cache = load_note_cache();
	size_t outside = dmb_meminfo("Cached") - cache.pages * page_size();

	/* As much again as is free, so that half of the cache has to go. */
	reclaim.wanted = (load_ordinary_free() + outside / 2) / MB * MB;
	reclaim.pages = cache.pages;
	if (trace_isolation())
		ksft_exit_fail_msg("cannot trace " ISOLATE "\n");
	reclaim.got = slowly ? load_hog_slowly(reclaim.wanted, 0, "kernel") :
			       load_hog(reclaim.wanted, 0, "kernel");
	read_isolation(&reclaim);
	reclaim.lost = load_cache_lost(&cache);
	reclaim.kswapd = load_vmstat("pgscan_kswapd") - reclaim.kswapd;
	reclaim.direct = load_vmstat("pgscan_direct") - reclaim.direct;
	return reclaim;
}

void load_print_relief(void)
{
	printf("# relief: %lu times directly, %lu by kswapd, %lu pages moved, %lu failed, ",
	       load_vmstat("dmb_relief_direct"),
	       load_vmstat("dmb_relief_kswapd"),
	       load_vmstat("dmb_relief_moved"),
	       load_vmstat("dmb_relief_failed"));
	printf("%lu dropped\n", load_vmstat("dmb_relief_dropped"));
}

static void set_background(const char *proactiveness, const char *boost)
{
	load_free_hogs();
	end_cache();
	dmb_write("/proc/sys/vm/compaction_proactiveness", proactiveness);
	dmb_write("/proc/sys/vm/watermark_boost_factor", boost);
}

void load_begin(void)
{
	set_background("0", "0");
}

void load_end(void)
{
	/* The defaults of the kernel */
	set_background("20", "15000");
}

static unsigned long sum_of_orders(const char *what)
{
	unsigned long sum = 0;
	char word[32];
	int order;

	for (order = 0; order < 4; order++) {
		snprintf(word, sizeof(word), "atomic_%s_%d", what, order);
		sum += dmb_read_value(LOAD "/result", word);
	}
	return sum;
}

struct load_atomic load_atomic_run(unsigned long runs, size_t ring)
{
	struct load_atomic run = { };
	char text[64];

	snprintf(text, sizeof(text), "atomic %lu %zu %zu", runs,
		 ring / page_size(), BURST / page_size());
	if (dmb_write(LOAD "/command", text))
		return run;
	run.asked = sum_of_orders("asked");
	run.failed = sum_of_orders("failed");
	run.failed_above = sum_of_orders("failed_above");
	return run;
}

struct load_atomic load_atomic_run_reading(unsigned long runs)
{
	/* Leave enough ordinary memory for the kernel. */
	size_t size = load_area_bytes() + load_ordinary_free() / 2;
	struct load_atomic run = { };
	int fd = load_open_cache(size);
	pid_t reader;

	if (fd < 0)
		return run;
	reader = fork();
	if (!reader) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			dmb_read_file(fd, size);
	}
	run = load_atomic_run(runs, size);
	kill(reader, SIGKILL);
	waitpid(reader, NULL, 0);
	close(fd);
	return run;
}

struct load_oom load_until_oom(int order)
{
	struct load_oom oom = {
		.kills = load_vmstat("oom_kill"),
		.scanned = load_vmstat("pgscan_"),
	};
	uint64_t last_ns;
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dmb_write("/proc/self/oom_score_adj", "1000");
		load_hog(dmb_meminfo("MemTotal") * 2, order, "kernel");
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		ksft_exit_fail_msg("no process to kill\n");
	load_hog_outcome(&oom.got, &last_ns);
	oom.seconds = (dmb_read_value(LOAD "/result", "hog_end_ns") - last_ns) /
		      1e9;
	oom.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	oom.kills = load_vmstat("oom_kill") - oom.kills;
	oom.scanned = load_vmstat("pgscan_") - oom.scanned;
	return oom;
}

void load_verify_forever(size_t size)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		void *memory = load_write_pattern(size);
		pid_t pid;

		if (!memory)
			_exit(2);
		pid = fork();
		if (!pid)
			_exit(load_check_pattern(memory, size) ? 1 : 0);
		if (pid > 0) {
			int status;

			waitpid(pid, &status, 0);
			if (status)
				_exit(1);
		}
		munmap(memory, size);
	}
}

void load_start_verifying(pid_t *pids, int nr, size_t size)
{
	for (int i = 0; i < nr; i++) {
		pids[i] = fork();
		if (!pids[i])
			load_verify_forever(size);
	}
}

int load_stop_verifying(const pid_t *pids, int nr)
{
	int ended = 0;

	for (int i = 0; i < nr; i++) {
		ended += waitpid(pids[i], NULL, WNOHANG) != 0;
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	return ended;
}

bool load_hold_page(void *page, int pipes[2])
{
	struct iovec vec = {
		.iov_base = page, .iov_len = sysconf(_SC_PAGESIZE)
	};

	return !pipe(pipes) &&
	       vmsplice(pipes[1], &vec, 1, 0) == (ssize_t)vec.iov_len;
}

bool load_ends_within(pid_t pid, int seconds)
{
	int tries;

	for (tries = 0; tries < seconds * 10; tries++, usleep(100000))
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return true;
	return false;
}
