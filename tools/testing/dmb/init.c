// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of the test guests. It mounts the filesystems that the programs need, runs the
 * program that dmb.run=PROGRAM[,ARG...] on the kernel command line names, or a shell on
 * the console without dmb.run=, and then ends the machine. With dmb.interleave=FIRST-LAST
 * they are run as "numactl --interleave=FIRST-LAST" would.
 *
 * It writes the output of the program to the kernel log, line by line with "out: " in
 * front. So the host reads one stream, and no message is in the middle of another.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <libgen.h>
#include <linux/mempolicy.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_ARGS 32

static const struct {
	const char *type;
	const char *where;
} filesystems[] = {
	{ "proc", "/proc" },
	{ "sysfs", "/sys" },
	{ "devtmpfs", "/dev" },
	{ "debugfs", "/sys/kernel/debug" },
	{ "tracefs", "/sys/kernel/tracing" },
	{ "cgroup2", "/sys/fs/cgroup" },
	{ "tmpfs", "/tmp" },
	{ }
};

/* Ignore filesystems that this kernel lacks: programs that need them will fail. */
static void mount_filesystems(void)
{
	for (int i = 0; filesystems[i].type; i++) {
		mkdir(filesystems[i].where, 0755);
		mount("none", filesystems[i].where, filesystems[i].type, 0, NULL);
	}
}

/* Read a one-line file of /proc or /sys. On failure the text is empty. */
static void read_line(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "r");

	*text = '\0';
	if (!file)
		return;
	if (fgets(text, size, file))
		text[strcspn(text, "\n")] = '\0';
	fclose(file);
}

/* Write a record to the kernel log, which takes at most 1024 bytes. */
static void log_line(const char *mark, const char *text)
{
	static int kmsg = -1;
	char record[1000];
	int len;

	if (kmsg < 0) {
		/* Otherwise the kernel would drop lines of a program with much output. */
		kmsg = open("/proc/sys/kernel/printk_devkmsg", O_WRONLY);
		if (kmsg >= 0) {
			dprintf(kmsg, "on\n");
			close(kmsg);
		}
		kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	}
	len = snprintf(record, sizeof(record), "<5>%s: %s", mark, text);
	if (len >= (int)sizeof(record))
		len = sizeof(record) - 1;
	if (write(kmsg, record, len) < 0)
		puts(record);
}

static void exec_program(char *words)
{
	char *argv[MAX_ARGS + 1] = { NULL };
	char *dir;
	int argc = 0;

	for (char *word = strtok(words, ","); word && argc < MAX_ARGS; word = strtok(NULL, ","))
		argv[argc++] = word;
	if (!argc)
		_exit(127);

	/* kselftests look for their helpers in their own folder. */
	dir = dirname(strdup(argv[0]));
	if (!chdir(dir))
		execv(argv[0], argv);
	fprintf(stderr, "cannot run %s: %m\n", argv[0]);
	_exit(127);
}

/* Run a program. Return its exit status as a shell does. */
static int run(char *words)
{
	char *line = NULL;
	size_t size = 0;
	int status = 0;
	int pipefd[2];
	FILE *out;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC))
		return 127;
	pid = fork();
	if (pid < 0)
		return 127;
	if (!pid) {
		dup2(pipefd[1], STDOUT_FILENO);
		dup2(pipefd[1], STDERR_FILENO);
		exec_program(words);
	}
	close(pipefd[1]);

	out = fdopen(pipefd[0], "r");
	while (out && getline(&line, &size, out) > 0) {
		line[strcspn(line, "\n")] = '\0';
		log_line("out", line);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Run a shell with job control, which needs a terminal other than /dev/console. */
static void shell(void)
{
	char device[64] = "/dev/";
	pid_t pid = fork();

	if (pid) {
		waitpid(pid, NULL, 0);
		return;
	}
	setsid();
	read_line("/sys/class/tty/console/active", device + 5, sizeof(device) - 5);
	close(STDIN_FILENO);
	if (open(device, O_RDWR) == STDIN_FILENO) {
		ioctl(STDIN_FILENO, TIOCSCTTY, 0);
		dup2(STDIN_FILENO, STDOUT_FILENO);
		dup2(STDIN_FILENO, STDERR_FILENO);
	}
	if (system("/bin/busybox --install -s /bin") == 0)
		puts("The programs of the tests are in /bin; \"exit\" ends the guest.");
	execl("/bin/busybox", "sh", "-l", NULL);
	_exit(127);
}

/* Have what is run from here on take its memory from these nodes in turn. */
static bool interleave(const char *cmdline)
{
	const char *word = strstr(cmdline, "dmb.interleave=");
	unsigned long nodes, got = 0;
	unsigned int first, last;
	int mode;

	if (!word)
		return true;
	if (sscanf(word, "dmb.interleave=%2u-%2u", &first, &last) != 2 || first > last ||
	    last >= 8 * sizeof(nodes))
		return false;
	nodes = (2UL << last) - (1UL << first);
	/* The kernel leaves nodes out that do not exist, and does not say so. */
	return !syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, &nodes, 8 * sizeof(nodes) + 1) &&
	       !syscall(SYS_get_mempolicy, &mode, &got, 8 * sizeof(got) + 1, NULL, 0) &&
	       got == nodes;
}

int main(void)
{
	char cmdline[4096];
	char status[16];
	char *words;

	mount_filesystems();
	setenv("PATH", "/bin", 1);
	setenv("HOME", "/", 1);

	read_line("/proc/cmdline", cmdline, sizeof(cmdline));
	words = strstr(cmdline, "dmb.run=");
	if (!interleave(cmdline)) {
		log_line("out", "cannot interleave these nodes");
		log_line("dmb-guest", "exit 1");
	} else if (words) {
		words += strlen("dmb.run=");
		words[strcspn(words, " ")] = '\0';
		snprintf(status, sizeof(status), "exit %d", run(words));
		log_line("dmb-guest", status);
	} else {
		shell();
	}

	/* QEMU is told not to reboot; unlike a power-off, this needs no ACPI. */
	reboot(RB_AUTOBOOT);
	return 1;
}
