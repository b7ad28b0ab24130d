/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a guest's program talks to controllers.c: by instructions that do nothing and
 * that no compiler emits. The plugin recognises them when QEMU translates them.
 */
#ifndef MARKS_H
#define MARKS_H

enum mark {
	MARK_ZERO,	/* a bit of the name of the next section, the highest bit */
	MARK_ONE,	/* of each character first */
	MARK_BEGIN,	/* a section with that name begins */
	MARK_END,	/* it ends */
	NR_MARKS,
};

/* x86: nopl MARK_X86 + mark(%rax,%rax) */
#define MARK_X86_OPCODE	0x00841f0f
#define MARK_X86	0x444d4200

/* arm64: movz xzr, #(MARK_ARM64 + mark), lsl #48 */
#define MARK_ARM64	0xdb00
#define MARK_ARM64_INSN	(0xd2e0001f | MARK_ARM64 << 5)

#endif
