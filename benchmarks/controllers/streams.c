// SPDX-License-Identifier: GPL-2.0
/*
 * The program that runs in a guest while controllers.c models the memory controllers.
 *
 *   streams SIZE@BASE...
 *
 * The ranges are the controllers. Each section of the run has a name, WORKLOAD.STATE
 * or WORKLOAD.STATE.VARIANT. STATE is
 *
 *   fresh	a program touches all its memory in order, once
 *   churned	then random pages of it have been freed and touched again, many times
 *
 * and WORKLOAD is
 *
 *   check	reads only pages on controller VARIANT, to test the plugin's addresses
 *   read	reads an array
 *   copy	copies one array to another that begins VARIANT pages behind it
 *   three, four	the same with two and three sources, all so far apart
 *   threads	four threads, each copying its own buffer of 64 MiB to another
 *   cache	reads a file from page cache
 *   random	reads and writes lines of an array in random order
 *   server	a server forks four times. Its children write to every second page of
 *		its heap and read all of it
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "marks.h"
#include "ranges.h"

#define MB		(1UL << 20)
#define LINE		64
#define PFN_MASK	((1ULL << 55) - 1)

#define ARENA		(512 * MB)	/* memory of the program; it fits into the blocks */
#define COPY		(16 * MB)	/* size of each array that is copied */
#define NR_DISTANCES	64
#define NR_THREADS	4
#define THREAD_COPY	(64 * MB)
#define FILE_SIZE	(64 * MB)
#define HEAP		(16 * MB)
#define NR_CHILDREN	4
#define CHECK_PAGES	1024

static char *arena;
static size_t page;
static const char *state;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* Equal numbers in each run */
static unsigned int next_random(void)
{
	static uint64_t seed = 1;

	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return seed >> 33;
}

#if defined(__x86_64__)
#define mark(which)							\
do {									\
	asm volatile(".long %c0, %c1" : :				\
		     "i" (MARK_X86_OPCODE), "i" (MARK_X86 + (which)) :	\
		     "memory");						\
} while (0)
#elif defined(__aarch64__)
#define mark(which)							\
do {									\
	asm volatile(".inst %c0" : :					\
		     "i" (MARK_ARM64_INSN + ((which) << 5)) :		\
		     "memory");						\
} while (0)
#endif

/* Begin a section. @variant is negative if the workload has none. */
static void begin(const char *workload, long variant)
{
	char name[64];
	int i, bit;

	if (variant < 0)
		snprintf(name, sizeof(name), "%s.%s", workload, state);
	else
		snprintf(name, sizeof(name), "%s.%s.%05ld", workload, state, variant);
	for (i = 0; name[i]; i++) {
		for (bit = 7; bit >= 0; bit--) {
			if (name[i] >> bit & 1)
				mark(MARK_ONE);
			else
				mark(MARK_ZERO);
		}
	}
	mark(MARK_BEGIN);
}

static void end(void)
{
	mark(MARK_END);
}

static char *map(size_t size)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	if (memory == MAP_FAILED)
		fail("mmap");
	madvise(memory, size, MADV_NOHUGEPAGE);
	return memory;
}

static void touch(char *memory, size_t size)
{
	size_t i;

	for (i = 0; i < size; i += page)
		memory[i] = 1;
}

static void free_pages(char *memory, size_t size)
{
	if (madvise(memory, size, MADV_DONTNEED))
		fail("madvise");
}

/*
 * Free random pages, or touch those that are free. Do so four times for each page, so that
 * the kernel has placed nearly all of them anew. Then touch those that are free.
 */
static void churn(char *memory, size_t size)
{
	size_t pages = size / page, times = 4 * pages, i;
	bool *freed = calloc(pages, sizeof(*freed));

	if (!freed)
		fail("calloc");
	while (times--) {
		i = next_random() % pages;
		if (freed[i])
			memory[i * page] = 1;
		else
			free_pages(memory + i * page, page);
		freed[i] = !freed[i];
	}
	free(freed);
	touch(memory, size);
}

static void free_half(char *memory, size_t size)
{
	size_t i;

	for (i = 0; i < size; i += page)
		if (next_random() & 1)
			free_pages(memory + i, page);
}

static uint64_t sum_of(const char *memory, size_t size)
{
	const volatile uint64_t *words = (const volatile uint64_t *)memory;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < size / sizeof(*words); i++)
		sum += words[i];
	return sum;
}

/* Read some pages that are in @range by what the kernel says, if there are as many. */
static void check(const struct range *range, int index, int pagemap)
{
	char *pages[CHECK_PAGES];
	uint64_t entry, address;
	int nr = 0, i;
	size_t at;

	for (at = 0; at < ARENA && nr < CHECK_PAGES; at += page) {
		if (pread(pagemap, &entry, sizeof(entry),
			  ((uintptr_t)arena + at) / page * sizeof(entry)) != sizeof(entry))
			fail("pagemap");
		address = (entry & PFN_MASK) * page;
		if (address - range->base < range->size)
			pages[nr++] = arena + at;
	}
	if (nr < CHECK_PAGES)
		return;
	begin("check", index);
	for (i = 0; i < nr; i++)
		sum_of(pages[i], page);
	end();
}

static void read_array(void)
{
	begin("read", -1);
	sum_of(arena, 32 * MB);
	end();
}

/*
 * Store the sum of @sources arrays. All arrays are @distance bytes apart, and the one
 * to store to is the last.
 */
static void stream(const char *name, char *memory, size_t distance, int sources)
{
	const volatile uint64_t *from = (const volatile uint64_t *)memory;
	size_t step = distance / sizeof(*from), i;
	volatile uint64_t *to = (volatile uint64_t *)memory + sources * step;

	begin(name, distance / page);
	switch (sources) {
	case 1:
		for (i = 0; i < COPY / sizeof(*from); i++)
			to[i] = from[i];
		break;
	case 2:
		for (i = 0; i < COPY / sizeof(*from); i++)
			to[i] = from[i] + from[i + step];
		break;
	case 3:
		for (i = 0; i < COPY / sizeof(*from); i++)
			to[i] = from[i] + from[i + step] + from[i + 2 * step];
		break;
	}
	end();
}

/*
 * Half of the distances are sizes that arrays have, some with a page for a header in
 * front of the array, or a few pages. The others are random.
 */
static size_t distance(int index)
{
	static const size_t sizes[] = { 16, 20, 24, 32, 48, 64, 96, 128 };
	static const size_t pages[] = { 0, 1, 3, 77 };

	if (index % 2)
		return COPY + next_random() % (112 * MB / page) * page;
	index /= 2;
	return sizes[index % 8] * MB + pages[index / 8] * page;
}

static void copies(void)
{
	size_t bytes;
	int i;

	for (i = 0; i < NR_DISTANCES; i++) {
		bytes = distance(i);
		stream("copy", arena + i * MB, bytes, 1);
		if (i % 8 < 2) {
			stream("three", arena + i * MB, bytes, 2);
			stream("four", arena + i * MB, bytes, 3);
		}
	}
}

static pthread_barrier_t ready;
static volatile bool started;

static void *copy_thread(void *memory)
{
	const volatile uint64_t *from = memory;
	volatile uint64_t *to = (volatile uint64_t *)((char *)memory + THREAD_COPY);
	size_t i;

	pthread_barrier_wait(&ready);
	/* The threads do not sleep here, so that all start at once. */
	while (!started)
		;
	for (i = 0; i < THREAD_COPY / sizeof(*from); i++)
		to[i] = from[i];
	return NULL;
}

static void threads(void)
{
	pthread_t thread[NR_THREADS];
	int i;

	started = false;
	pthread_barrier_init(&ready, NULL, NR_THREADS + 1);
	for (i = 0; i < NR_THREADS; i++)
		if (pthread_create(&thread[i], NULL, copy_thread,
				   arena + i * 2 * THREAD_COPY))
			fail("pthread_create");
	pthread_barrier_wait(&ready);
	usleep(200000);
	begin("threads", -1);
	started = true;
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(thread[i], NULL);
	end();
}

static void page_cache(void)
{
	static char buffer[64 << 10];
	int file = open("/tmp/file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	size_t i;

	if (file < 0)
		fail("/tmp/file");
	memset(buffer, 1, sizeof(buffer));
	for (i = 0; i < FILE_SIZE; i += sizeof(buffer))
		if (write(file, buffer, sizeof(buffer)) != sizeof(buffer))
			fail("write");
	lseek(file, 0, SEEK_SET);
	begin("cache", -1);
	while (read(file, buffer, sizeof(buffer)) > 0)
		;
	end();
	close(file);
	unlink("/tmp/file");
}

static void random_access(void)
{
	volatile uint64_t *word;
	int i;

	begin("random", -1);
	for (i = 0; i < 1 << 18; i++) {
		word = (volatile uint64_t *)(arena + next_random() % (64 * MB / LINE) * LINE);
		if (i & 1)
			*word = i;
		else
			*word;
	}
	end();
}

static void server(void)
{
	pid_t pids[NR_CHILDREN];
	size_t at;
	int i;

	madvise(arena + HEAP, ARENA - HEAP, MADV_DONTFORK);
	begin("server", -1);
	for (i = 0; i < NR_CHILDREN; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			fail("fork");
		if (pids[i])
			continue;
		for (at = 0; at < HEAP; at += 2 * page)
			arena[at] = i;
		sum_of(arena, HEAP);
		_exit(0);
	}
	for (i = 0; i < NR_CHILDREN; i++)
		waitpid(pids[i], NULL, 0);
	end();
	madvise(arena + HEAP, ARENA - HEAP, MADV_DOFORK);
}

/* The workloads that use all of the arena */
static void large_workloads(void)
{
	read_array();
	copies();
	random_access();
	threads();
}

/* The workloads that need free memory besides the arena */
static void small_workloads(void)
{
	server();
	page_cache();
}

int main(int argc, char **argv)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY), i;
	struct range range;

	page = sysconf(_SC_PAGESIZE);
	state = "fresh";
	arena = map(ARENA);
	touch(arena, ARENA);
	for (i = 1; i < argc; i++) {
		if (!parse_range(&range, argv[i]))
			return 1;
		check(&range, i - 1, pagemap);
	}
	large_workloads();
	free_pages(arena + ARENA / 2, ARENA / 2);
	small_workloads();

	state = "churned";
	churn(arena, ARENA);
	large_workloads();
	free_half(arena + ARENA / 2, ARENA / 2);
	small_workloads();
	return 0;
}
