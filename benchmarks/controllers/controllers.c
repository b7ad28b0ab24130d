// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin for QEMU's TCG: what the memory controllers of a guest would be asked for.
 *
 * Each CPU has a data cache of 32 KiB with 8 ways, and all CPUs share a second cache of
 * 1 MiB with 16 ways. Both have lines of 64 bytes, replace the least recently used line,
 * allocate lines on stores, and write lines back when they replace them. The memory
 * behind them belongs to controllers by its physical address.
 *
 * A program in the guest names sections of its run, see marks.h. While a section runs,
 * the plugin records what the first caches ask for. QEMU may run one CPU for 100 ms
 * before it runs the next one, so the requests of the CPUs are merged only when the
 * section has ended, in the order in which CPUs that run at once would have made them.
 * The second cache and the controllers are simulated on the merged requests, once for
 * each placement of the pages:
 *
 *   real	where the guest's kernel has placed them
 *   random	each page on a controller that a hash of its number selects
 *   lines	the lines that reach memory take turns: no controller is ever idle while
 *		another one has requests waiting; what real memory cannot do
 *
 * Not modelled: the coherence of the first caches, page table walks, instruction
 * fetches, what devices access, and instructions that QEMU implements without telling
 * plugins of their accesses, such as "dc zva" of arm64, with which kernels clear pages.
 *
 * Options, after "-plugin FILE,"; sizes have the suffixes of the kernel's command line:
 *
 *   controllers=SIZE@BASE[+SIZE@BASE...]  the guest-physical addresses of each one
 *   ram=SIZE@BASE[+SIZE@BASE...]	where the guest has its memory, if QEMU's address
 *					of it is an offset: on a PC, memory above 4 GiB
 *					is what follows the memory below
 *   out=FILE		results, as lines "SECTION,PLACEMENT,MEASURE,VALUE"
 *   windows=N[+N...]	how many line accesses a window has (64, 1024, 4096)
 *   access=PS		time of a CPU for eight bytes that it loads or stores, without the
 *			time that it waits for memory (250)
 *   service=PS		time of a controller for each line (10000)
 *   latency=PS		from the end of that until the CPU has the line (40000)
 *   outstanding=N	how many lines a CPU can wait for at once (16)
 *   random=1		the second cache replaces random lines, as those of many processors
 *			do. With the least recently used line, a store to memory that was
 *			touched in order often makes the cache write back a line of the
 *			same controller, because lines that compete for a place in the
 *			cache are whole multiples of 64 KiB apart.
 *
 * Measures, for "fills" (lines read) and for "all" (written back as well):
 *
 *   fills-N, all-N	bandwidth of all controllers that a window of N accesses gets:
 *			1 / (controllers x largest share), averaged over the windows
 *   fills, writes	lines
 *   share-K		controller K's share of all accesses
 *   elsewhere		lines that belong to no controller
 *   time		the least time for all accesses, with all controllers busy all the
 *			time, divided by the time that the CPUs would have taken
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "marks.h"
#include "plugin.h"
#include "ranges.h"

#define LINE_SHIFT	6
#define PAGE_SHIFT	12
#define L1_SETS		64
#define L1_WAYS		8
#define L2_SETS		1024
#define L2_WAYS		16
#define MAX_CPUS	64
#define MAX_RANGES	16
#define MAX_WINDOWS	8
#define MAX_OUTSTANDING	64
#define NR_RECENT	4

#define NO_LINE		(~0ULL)

int qemu_plugin_version = PLUGIN_API_VERSION;

struct line {
	uint64_t number;	/* its physical address, in lines */
	uint64_t used;
	bool dirty;
};

struct cache {
	unsigned int sets, ways;
	bool random;		/* replace any line */
	uint64_t now;
	struct line *lines;
};

/* A request of a first cache: a line to read, or one to write back */
struct request {
	uint64_t when;		/* on the CPU's clock */
	uint64_t line : 63;
	uint64_t write : 1;
};

/*
 * Where the CPU has found a line lately. For most accesses, it saves the search of the cache
 * and QEMU's translation of the address.
 */
struct recent {
	uint64_t vline;
	uint64_t number;
	struct line *line;
};

struct cpu {
	struct cache l1 __attribute__((aligned(64)));	/* no two CPUs share a line */
	struct recent recent[NR_RECENT];
	unsigned int next_recent;
	bool kernel;		/* the last access was to the upper half of addresses */
	bool halted;
	uint64_t clock;		/* bytes loaded or stored */
	struct request *requests;
	size_t nr, room;
};

enum placement {
	PLACE_REAL,
	PLACE_RANDOM,
	PLACE_LINES,
	NR_PLACEMENTS,
};

static const char *const placement_names[NR_PLACEMENTS] = { "real", "random", "lines" };

/* The accesses to memory that are measured in windows of some size */
struct window {
	uint64_t size;
	uint64_t accesses;
	uint64_t counts[MAX_RANGES];
	uint64_t windows;
	double bandwidth;	/* sum */
};

enum kind {
	KIND_FILLS,
	KIND_ALL,
	NR_KINDS,
};

static const char *const kind_names[NR_KINDS] = { "fills", "all" };

/* A CPU in the simulation */
struct waiter {
	size_t next;		/* request */
	uint64_t delay;		/* how much later it is than its own clock says */
	uint64_t done[MAX_OUTSTANDING];	/* when its last requests are done, a ring */
	unsigned int next_done;
};

struct simulation {
	enum placement placement;
	struct cache l2;
	uint64_t busy_until[MAX_RANGES];
	uint64_t counts[MAX_RANGES];
	uint64_t fills, writes, elsewhere;
	uint64_t end;
	struct window windows[NR_KINDS][MAX_WINDOWS];
	struct waiter waiters[MAX_CPUS];
};

static struct cpu cpus[MAX_CPUS];
static int nr_cpus;

static struct range controllers[MAX_RANGES];
static int nr_controllers;
static struct range ram[MAX_RANGES];
static int nr_ram;

static uint64_t window_sizes[MAX_WINDOWS] = { 64, 1024, 4096 };
static int nr_windows = 3;
static uint64_t access_ps = 250;
static uint64_t service_ps = 10000;
static uint64_t latency_ps = 40000;
static uint64_t outstanding = 16;
static uint64_t random_l2;

static FILE *out;
static bool measuring;
static uint64_t latest;		/* the clock of the CPU that is ahead of all others */

/* The bits of the name that the guest has spelled so far */
static char name[64];
static unsigned int name_bits;

static void *allocate(void *old, size_t bytes)
{
	void *memory = realloc(old, bytes);

	if (!memory) {
		fputs("controllers: out of memory\n", stderr);
		abort();
	}
	return memory;
}

static void cache_empty(struct cache *cache)
{
	unsigned int i;

	for (i = 0; i < cache->sets * cache->ways; i++)
		cache->lines[i] = (struct line){ .number = NO_LINE };
	cache->now = 0;
}

static void cache_make(struct cache *cache, unsigned int sets, unsigned int ways)
{
	cache->sets = sets;
	cache->ways = ways;
	cache->lines = allocate(NULL, sets * ways * sizeof(*cache->lines));
	cache_empty(cache);
}

/* Equal numbers in each run */
static unsigned int next_random(void)
{
	static uint64_t seed = 1;

	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return seed >> 33;
}

/* The place of a line in the cache, or else of the one that is to make room for it */
static struct line *cache_find(struct cache *cache, uint64_t number)
{
	struct line *set = &cache->lines[number % cache->sets * cache->ways];
	struct line *oldest = set;
	unsigned int i;

	for (i = 0; i < cache->ways; i++) {
		if (set[i].number == number)
			return &set[i];
		if (set[i].used < oldest->used)
			oldest = &set[i];
	}
	/* A line that was never used is empty. */
	if (cache->random && oldest->used)
		return &set[next_random() % cache->ways];
	return oldest;
}

static void cache_use(struct cache *cache, struct line *line, bool store)
{
	line->used = ++cache->now;
	line->dirty |= store;
}

/* QEMU's address of memory to the guest's physical address */
static uint64_t guest_address(uint64_t address)
{
	int i;

	for (i = 0; i < nr_ram; i++) {
		if (address < ram[i].size)
			return ram[i].base + address;
		address -= ram[i].size;
	}
	/* Other memory, such as that of the firmware, follows. */
	return nr_ram ? NO_LINE << LINE_SHIFT : address;
}

static void record(struct cpu *cpu, uint64_t line, bool write)
{
	if (cpu->nr == cpu->room) {
		cpu->room = cpu->room ? 2 * cpu->room : 1 << 16;
		cpu->requests = allocate(cpu->requests,
					 cpu->room * sizeof(*cpu->requests));
	}
	cpu->requests[cpu->nr++] = (struct request){
		.when = cpu->clock,
		.line = line,
		.write = write,
	};
	if (cpu->clock > latest)
		latest = cpu->clock;
}

static void forget_recent(struct cpu *cpu)
{
	int i;

	for (i = 0; i < NR_RECENT; i++)
		cpu->recent[i].vline = NO_LINE;
}

/* QEMU calls this for each load and store. */
static void accessed(unsigned int index, uint32_t access, uint64_t vaddr, void *data)
{
	struct cpu *cpu = &cpus[index];
	uint64_t vline = vaddr >> LINE_SHIFT, number;
	struct qemu_plugin_hwaddr *hwaddr;
	bool kernel = vaddr >> 63, store;
	struct recent *recent;
	struct line *line;
	int i;

	if (!measuring)
		return;

	/* The requests of a CPU that wakes up come after those that woke it. */
	if (cpu->halted) {
		cpu->halted = false;
		if (cpu->clock < latest)
			cpu->clock = latest;
	}
	/*
	 * Count bytes: QEMU lets "rep movsb" access each byte apart, while processors
	 * move whole words.
	 */
	cpu->clock += 1 << qemu_plugin_mem_size_shift(access);
	store = qemu_plugin_mem_is_store(access);

	/*
	 * The kernel accesses its own memory before it replaces a page of a program, so
	 * that what is known about the program's pages is valid up to there.
	 */
	if (kernel != cpu->kernel) {
		cpu->kernel = kernel;
		forget_recent(cpu);
	}
	for (i = 0; i < NR_RECENT; i++) {
		recent = &cpu->recent[i];
		if (recent->vline == vline && recent->line->number == recent->number) {
			cache_use(&cpu->l1, recent->line, store);
			return;
		}
	}

	hwaddr = qemu_plugin_get_hwaddr(access, vaddr);
	if (!hwaddr || qemu_plugin_hwaddr_is_io(hwaddr))
		return;
	number = guest_address(qemu_plugin_hwaddr_phys_addr(hwaddr)) >> LINE_SHIFT;

	line = cache_find(&cpu->l1, number);
	if (line->number != number) {
		if (line->dirty)
			record(cpu, line->number, true);
		record(cpu, number, false);
		*line = (struct line){ .number = number };
	}
	cache_use(&cpu->l1, line, store);

	recent = &cpu->recent[cpu->next_recent++ % NR_RECENT];
	*recent = (struct recent){ .vline = vline, .number = number, .line = line };
}

static void halted(unsigned int index, void *data)
{
	cpus[index].halted = true;
}

/* The controller that has a line; -1 if none has it */
static int place(struct simulation *sim, uint64_t line)
{
	uint64_t address = line << LINE_SHIFT, hash;
	int i;

	for (i = 0; i < nr_controllers; i++)
		if (address - controllers[i].base < controllers[i].size)
			break;
	if (i == nr_controllers)
		return -1;

	switch (sim->placement) {
	case PLACE_RANDOM:
		/* Any hash will do if all bits of the page's number influence it. */
		hash = (address >> PAGE_SHIFT) * 0x9e3779b97f4a7c15ULL;
		hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93ULL;
		return (hash >> 32) % nr_controllers;
	case PLACE_LINES:
		return (sim->fills + sim->writes) % nr_controllers;
	default:
		return i;
	}
}

static void window_count(struct window *window, int controller)
{
	uint64_t most = 0;
	int i;

	window->counts[controller]++;
	if (++window->accesses < window->size)
		return;
	for (i = 0; i < nr_controllers; i++) {
		if (window->counts[i] > most)
			most = window->counts[i];
		window->counts[i] = 0;
	}
	window->bandwidth += (double)window->size / (nr_controllers * most);
	window->windows++;
	window->accesses = 0;
}

/*
 * A CPU accesses memory. It first waits until it has fewer than @outstanding requests, as
 * lines that are written back count as well. @now is its time, which waiting changes.
 */
static void access_memory(struct simulation *sim, struct waiter *waiter, uint64_t *now,
			  uint64_t line, bool write)
{
	int controller = place(sim, line), i;
	uint64_t *done, start;

	if (controller < 0) {
		sim->elsewhere++;
		return;
	}
	for (i = 0; i < nr_windows; i++) {
		if (!write)
			window_count(&sim->windows[KIND_FILLS][i], controller);
		window_count(&sim->windows[KIND_ALL][i], controller);
	}
	sim->counts[controller]++;
	if (write)
		sim->writes++;
	else
		sim->fills++;

	done = &waiter->done[waiter->next_done++ % outstanding];
	if (*done > *now) {
		waiter->delay += *done - *now;
		*now = *done;
	}
	start = sim->busy_until[controller];
	if (start < *now)
		start = *now;
	sim->busy_until[controller] = start + service_ps;
	*done = start + service_ps + latency_ps;
	if (*done > sim->end)
		sim->end = *done;
}

static void access_l2(struct simulation *sim, struct waiter *waiter, uint64_t now,
		      const struct request *request)
{
	struct line *line = cache_find(&sim->l2, request->line);

	if (line->number != request->line) {
		if (line->dirty)
			access_memory(sim, waiter, &now, line->number, true);
		/* Lines that a first cache writes back are complete, and need no fill. */
		if (!request->write)
			access_memory(sim, waiter, &now, request->line, false);
		*line = (struct line){ .number = request->line };
	}
	cache_use(&sim->l2, line, request->write);
}

/* A CPU's clock in picoseconds, with the time that it has waited for memory so far */
static uint64_t cpu_time(const struct simulation *sim, int cpu, uint64_t clock)
{
	return clock * access_ps / 8 + sim->waiters[cpu].delay;
}

/* Merge the requests of all CPUs: the CPU with the earliest next request is next. */
static void simulate(struct simulation *sim)
{
	uint64_t when, first = 0;
	int i, next;

	for (;;) {
		next = -1;
		for (i = 0; i < nr_cpus; i++) {
			if (sim->waiters[i].next == cpus[i].nr)
				continue;
			when = cpu_time(sim, i, cpus[i].requests[sim->waiters[i].next].when);
			if (next < 0 || when < first) {
				first = when;
				next = i;
			}
		}
		if (next < 0)
			break;
		access_l2(sim, &sim->waiters[next], first,
			  &cpus[next].requests[sim->waiters[next].next++]);
	}

	for (i = 0; i < nr_cpus; i++) {
		when = cpu_time(sim, i, cpus[i].clock);
		if (cpus[i].nr && when > sim->end)
			sim->end = when;
	}
}

static void report(const struct simulation *sim)
{
	const char *placement = placement_names[sim->placement];
	uint64_t all = sim->fills + sim->writes;
	int kind, i;

	for (kind = 0; kind < NR_KINDS; kind++) {
		for (i = 0; i < nr_windows; i++) {
			const struct window *window = &sim->windows[kind][i];

			if (window->windows)
				fprintf(out, "%s,%s,%s-%llu,%.4f\n", name, placement,
					kind_names[kind],
					(unsigned long long)window->size,
					window->bandwidth / window->windows);
		}
	}
	fprintf(out, "%s,%s,fills,%llu\n", name, placement, (unsigned long long)sim->fills);
	fprintf(out, "%s,%s,writes,%llu\n", name, placement,
		(unsigned long long)sim->writes);
	fprintf(out, "%s,%s,elsewhere,%llu\n", name, placement,
		(unsigned long long)sim->elsewhere);
	for (i = 0; all && i < nr_controllers; i++)
		fprintf(out, "%s,%s,share-%d,%.4f\n", name, placement, i,
			(double)sim->counts[i] / all);
	if (sim->end)
		fprintf(out, "%s,%s,time,%.4f\n", name, placement,
			(double)all * service_ps / nr_controllers / sim->end);
}

static void begin(void)
{
	int i;

	for (i = 0; i < nr_cpus; i++) {
		cache_empty(&cpus[i].l1);
		forget_recent(&cpus[i]);
		cpus[i].clock = 0;
		cpus[i].nr = 0;
	}
	latest = 0;
	__atomic_store_n(&measuring, true, __ATOMIC_RELEASE);
}

static void end(void)
{
	static struct simulation sim;
	struct cache l2;
	int placement, kind, i;

	__atomic_store_n(&measuring, false, __ATOMIC_RELEASE);
	for (placement = 0; placement < NR_PLACEMENTS; placement++) {
		l2 = sim.l2;
		sim = (struct simulation){ .placement = placement, .l2 = l2 };
		if (l2.lines)
			cache_empty(&sim.l2);
		else
			cache_make(&sim.l2, L2_SETS, L2_WAYS);
		sim.l2.random = random_l2;
		for (kind = 0; kind < NR_KINDS; kind++)
			for (i = 0; i < nr_windows; i++)
				sim.windows[kind][i].size = window_sizes[i];
		simulate(&sim);
		report(&sim);
	}
	fflush(out);
	memset(name, 0, sizeof(name));
	name_bits = 0;
}

static void marked(unsigned int cpu, void *data)
{
	enum mark mark = (uintptr_t)data;
	unsigned int byte = name_bits / 8;

	switch (mark) {
	case MARK_BEGIN:
		begin();
		break;
	case MARK_END:
		if (measuring)
			end();
		break;
	default:
		if (byte < sizeof(name) - 1) {
			name[byte] = name[byte] << 1 | (mark == MARK_ONE);
			name_bits++;
		}
	}
}

/* The mark that this instruction is; -1 if it is none */
static int which_mark(const struct qemu_plugin_insn *insn)
{
	const void *bytes = qemu_plugin_insn_data(insn);
	uint32_t words[2];
	int mark = -1;

	switch (qemu_plugin_insn_size(insn)) {
	case 8:
		memcpy(words, bytes, 8);
		if (words[0] == MARK_X86_OPCODE)
			mark = words[1] - MARK_X86;
		break;
	case 4:
		memcpy(words, bytes, 4);
		mark = (words[0] - MARK_ARM64_INSN) / (1 << 5);
		if (words[0] != (MARK_ARM64_INSN | (uint32_t)mark << 5))
			mark = -1;
		break;
	}
	return mark >= 0 && mark < NR_MARKS ? mark : -1;
}

/* Does the CPU sleep after this instruction? */
static bool is_halt(const struct qemu_plugin_insn *insn)
{
	const char *bytes = qemu_plugin_insn_data(insn);

	switch (qemu_plugin_insn_size(insn)) {
	case 1:	return !memcmp(bytes, "\xf4", 1);		/* hlt */
	case 3:	return !memcmp(bytes, "\x0f\x01\xc9", 3);	/* mwait */
	case 4:	return !memcmp(bytes, "\x7f\x20\x03\xd5", 4);	/* wfi */
	}
	return false;
}

static void translated(uint64_t plugin, struct qemu_plugin_tb *tb)
{
	size_t i, nr = qemu_plugin_tb_n_insns(tb);

	for (i = 0; i < nr; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		int mark = which_mark(insn);

		if (mark >= 0)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked,
							       PLUGIN_NO_REGISTERS,
							       (void *)(uintptr_t)mark);
		else if (is_halt(insn))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, halted,
							       PLUGIN_NO_REGISTERS, NULL);
		qemu_plugin_register_vcpu_mem_cb(insn, accessed, PLUGIN_NO_REGISTERS,
						 PLUGIN_LOADS_AND_STORES, NULL);
	}
}

/* The number of ranges, or 0 if the text is not understood */
static int parse_ranges(struct range *ranges, const char *text)
{
	int nr;

	for (nr = 0; nr < MAX_RANGES; nr++) {
		text = parse_range(&ranges[nr], text);
		if (!text)
			return 0;
		if (!*text)
			return nr + 1;
		if (*text++ != '+')
			return 0;
	}
	return 0;
}

static int parse_windows(const char *text)
{
	char *at;
	int nr;

	for (nr = 0; nr < MAX_WINDOWS; nr++) {
		window_sizes[nr] = strtoull(text, &at, 0);
		if (!window_sizes[nr])
			return 0;
		if (!*at)
			return nr + 1;
		if (*at != '+')
			return 0;
		text = at + 1;
	}
	return 0;
}

/* Does "NAME=VALUE" have this name? */
static bool is_option(const char *text, const char *option)
{
	size_t len = strlen(option);

	return !strncmp(text, option, len) && text[len] == '=';
}

/* Return false if the option is not understood. */
static bool parse_option(const char *text)
{
	static const struct {
		const char *name;
		uint64_t *value;
	} numbers[] = {
		{ "access", &access_ps },
		{ "service", &service_ps },
		{ "latency", &latency_ps },
		{ "outstanding", &outstanding },
		{ "random", &random_l2 },
	};
	const char *value = strchr(text, '=');
	size_t i;
	char *at;

	if (!value)
		return false;
	value++;
	if (is_option(text, "controllers")) {
		nr_controllers = parse_ranges(controllers, value);
		return nr_controllers;
	}
	if (is_option(text, "ram")) {
		nr_ram = parse_ranges(ram, value);
		return nr_ram;
	}
	if (is_option(text, "windows")) {
		nr_windows = parse_windows(value);
		return nr_windows;
	}
	if (is_option(text, "out")) {
		out = fopen(value, "w");
		return out;
	}
	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		if (is_option(text, numbers[i].name)) {
			*numbers[i].value = strtoull(value, &at, 0);
			return at != value && !*at;
		}
	}
	return false;
}

int qemu_plugin_install(uint64_t plugin, const struct plugin_machine *machine,
			int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (!parse_option(argv[i])) {
			fprintf(stderr, "controllers: cannot use %s\n", argv[i]);
			return 1;
		}
	}
	nr_cpus = machine->system.cpus;
	if (!out || !nr_controllers || nr_cpus > MAX_CPUS || !service_ps ||
	    !outstanding || outstanding > MAX_OUTSTANDING) {
		fputs("controllers: no controllers=, no out=, or a number out of range\n",
		      stderr);
		return 1;
	}
	for (i = 0; i < nr_cpus; i++)
		cache_make(&cpus[i].l1, L1_SETS, L1_WAYS);
	qemu_plugin_register_vcpu_tb_trans_cb(plugin, translated);
	return 0;
}
