/* SPDX-License-Identifier: GPL-2.0 */
/* Files of the kernel, commands, modules, and the test program itself */
#ifndef _SELFTESTS_DMB_FILES_H
#define _SELFTESTS_DMB_FILES_H

#include <stdbool.h>
#include <stddef.h>

#define PCP_FRACTION	"/proc/sys/vm/percpu_pagelist_high_fraction"
#define RESERVE_RATIO	"/proc/sys/vm/lowmem_reserve_ratio"

/* Read the first line of a file, without its end. Return true if it has one. */
bool dmb_read_line(const char *path, char *text, size_t len);

/* Return the number that a file consists of; 0 if it cannot be read. */
unsigned long dmb_read_number(const char *path);

/* Return the number that follows a word in a file such as /proc/zoneinfo. */
unsigned long dmb_read_value(const char *path, const char *word);
unsigned long long dmb_meminfo(const char *field);	/* bytes */

/* Write text to a file. Return 0 or -errno. */
int dmb_write(const char *path, const char *text);

/*
 * Open the kernel log, to read it from its beginning, or what comes from now
 * on. Read the next line; return false at the end, behind which there may be
 * more later. Read up to the end, and count the lines that have this text.
 */
int dmb_open_log(bool from_now_on);
bool dmb_log_line(int fd, char *text, size_t len);
int dmb_log_count(int fd, const char *text);

/* Run a tool such as mke2fs. A small system only has it in busybox. */
bool dmb_run_tool(const char *tool, const char *device);

/* Load a module. Return 0 or -errno. */
int dmb_load_module(const char *path, const char *params);

/*
 * For main(): if the first argument is a number, remove it from the arguments
 * and return it. Otherwise return @otherwise.
 */
int dmb_number_argument(int *argc, char ***argv, int otherwise);

/* Bind this process to one CPU. Return 0 if there is such a CPU. */
int dmb_run_on(int cpu);

#endif /* _SELFTESTS_DMB_FILES_H */
