// SPDX-License-Identifier: GPL-2.0
/*
 * Ends the running kernel and starts another one: /boot/kernel, with the archive
 * /boot/initrd and the command line in /boot/cmdline.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	int kernel = open("/boot/kernel", O_RDONLY), initrd = open("/boot/initrd", O_RDONLY);
	FILE *file = fopen("/boot/cmdline", "r");
	char cmdline[2048];
	size_t len;

	if (kernel < 0 || initrd < 0 || !file) {
		perror("/boot");
		return 1;
	}
	len = fread(cmdline, 1, sizeof(cmdline) - 1, file);
	cmdline[len] = '\0';
	if (syscall(SYS_kexec_file_load, kernel, initrd, len + 1, cmdline, 0)) {
		perror("kexec_file_load");
		return 1;
	}
	reboot(RB_KEXEC);
	perror("reboot");
	return 1;
}
