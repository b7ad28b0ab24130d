/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The part of QEMU's interface for TCG plugins that controllers.c uses, in version 1,
 * as of QEMU 7.2. Debian's packages have no header of it.
 */
#ifndef PLUGIN_H
#define PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLUGIN_API_VERSION	1

struct qemu_plugin_tb;		/* a translated piece of guest code */
struct qemu_plugin_insn;	/* an instruction in it */
struct qemu_plugin_hwaddr;	/* a physical address; valid until the callback returns */

/* What the machine is like. controllers.c needs nothing beyond @cpus. */
struct plugin_machine {
	const char *target;
	struct {
		int min, current;
	} version;
	bool is_system;
	struct {
		int cpus, max_cpus;
	} system;
};

/* May a callback look at the registers of the CPU? Here, none does. */
enum plugin_registers {
	PLUGIN_NO_REGISTERS,
};

enum plugin_accesses {
	PLUGIN_LOADS = 1,
	PLUGIN_STORES = 2,
	PLUGIN_LOADS_AND_STORES = PLUGIN_LOADS | PLUGIN_STORES,
};

typedef void (*plugin_translated_fn)(uint64_t plugin, struct qemu_plugin_tb *tb);
typedef void (*plugin_executed_fn)(unsigned int cpu, void *data);
typedef void (*plugin_accessed_fn)(unsigned int cpu, uint32_t access, uint64_t vaddr,
				   void *data);

/* QEMU calls this with the options of -plugin, as NAME=VALUE. Failure ends QEMU. */
int qemu_plugin_install(uint64_t plugin, const struct plugin_machine *machine,
			int argc, char **argv);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t plugin, plugin_translated_fn fn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    plugin_executed_fn fn,
					    enum plugin_registers registers, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
				      plugin_accessed_fn fn,
				      enum plugin_registers registers,
				      enum plugin_accesses accesses, void *data);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
						 size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

bool qemu_plugin_mem_is_store(uint32_t access);
unsigned int qemu_plugin_mem_size_shift(uint32_t access);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(uint32_t access, uint64_t vaddr);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *hwaddr);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *hwaddr);

#endif
