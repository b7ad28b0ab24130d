// SPDX-License-Identifier: GPL-2.0
/* Files of the kernel, commands, modules, and the test program itself */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../kselftest.h"
#include "files.h"

bool dmb_read_line(const char *path, char *text, size_t len)
{
	FILE *f = fopen(path, "r");
	bool read;

	*text = '\0';
	if (!f)
		return false;
	read = fgets(text, len, f);
	text[strcspn(text, "\n")] = '\0';
	fclose(f);
	return read;
}

unsigned long dmb_read_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return strtoul(text, NULL, 0);
}

unsigned long dmb_read_value(const char *path, const char *word)
{
	size_t len = strlen(word);
	unsigned long value = 0;
	char line[256];
	FILE *f;

	f = fopen(path, "r");
	if (!f)
		ksft_exit_fail_msg("cannot read %s\n", path);
	while (fgets(line, sizeof(line), f)) {
		char *s = line + strspn(line, " ");

		if (!strncmp(s, word, len) && strchr(" :\t", s[len]))
			value += strtoul(s + len + strspn(s + len, " :\t"),
					 NULL, 10);
	}
	fclose(f);
	return value;
}

unsigned long long dmb_meminfo(const char *field)
{
	return dmb_read_value("/proc/meminfo", field) * 1024ULL;
}

int dmb_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int dmb_open_log(bool from_now_on)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	if (fd >= 0 && from_now_on)
		lseek(fd, 0, SEEK_END);
	return fd;
}

bool dmb_log_line(int fd, char *text, size_t len)
{
	bool waited = false;
	ssize_t got;

	/*
	 * Each read returns a line. -EPIPE says that lines were lost. -EAGAIN
	 * may mean that another CPU is still writing the next line, though
	 * there are lines behind it.
	 */
	while ((got = read(fd, text, len - 1)) < 0) {
		if (errno == EPIPE)
			continue;
		if (waited)
			break;
		waited = true;
		usleep(10000);
	}
	text[got > 0 ? got : 0] = '\0';
	return got > 0;
}

int dmb_log_count(int fd, const char *text)
{
	char line[1024];
	int count = 0;

	while (dmb_log_line(fd, line, sizeof(line)))
		count += !!strstr(line, text);
	return count;
}

bool dmb_run_tool(const char *tool, const char *device)
{
	char command[160];

	snprintf(command, sizeof(command),
		 "(%s %s || busybox %s %s) >/dev/null 2>&1",
		 tool, device, tool, device);
	return !system(command);
}

int dmb_load_module(const char *path, const char *params)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return err;
}

int dmb_number_argument(int *argc, char ***argv, int otherwise)
{
	int number = *argc > 1 ? atoi((*argv)[1]) : 0;

	if (number <= 0)
		return otherwise;
	(*argv)[1] = (*argv)[0];
	(*argv)++;
	(*argc)--;
	return number;
}

int dmb_run_on(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one);
}
