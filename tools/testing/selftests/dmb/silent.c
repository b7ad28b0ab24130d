// SPDX-License-Identifier: GPL-2.0
/*
 * A file whose server never answers a read. The file is the root of a FUSE file
 * system, as any user can mount one.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/fuse.h>

#include "silent.h"

#define PATH	"/tmp/silent"
#define SIZE	(1024 * 1024)

static void answer(int fd, const struct fuse_in_header *in, int err, void *data,
		   size_t len)
{
	struct fuse_out_header out = {
		.len = sizeof(out) + len, .error = err, .unique = in->unique
	};
	struct iovec vec[] = {
		{ .iov_base = &out, .iov_len = sizeof(out) },
		{ .iov_base = data, .iov_len = len },
	};

	if (writev(fd, vec, 2) < 0)
		_exit(1);
}

static void serve(int fd)
{
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = SIZE, .max_write = 4096,
	};
	struct fuse_attr_out attr = {
		.attr_valid = 3600,
		.attr = {
			.ino = FUSE_ROOT_ID, .size = SIZE, .nlink = 1,
			.mode = S_IFREG | 0600, .blksize = 4096,
		},
	};
	struct fuse_open_out opened = { };
	static char buffer[256 * 1024];
	const struct fuse_in_header *in = (void *)buffer;

	while (read(fd, buffer, sizeof(buffer)) > 0) {
		switch (in->opcode) {
		case FUSE_INIT:
			answer(fd, in, 0, &init, sizeof(init));
			break;
		case FUSE_GETATTR:
			answer(fd, in, 0, &attr, sizeof(attr));
			break;
		case FUSE_OPEN:
			answer(fd, in, 0, &opened, sizeof(opened));
			break;
		case FUSE_READ:
		case FUSE_FORGET:
		case FUSE_INTERRUPT:
			break;
		default:
			answer(fd, in, -EOPNOTSUPP, NULL, 0);
		}
	}
}

static void end_process(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

bool silent_start(struct silent_file *file)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[96];
	bool mounted;

	if (fd < 0)
		return false;
	close(open(PATH, O_CREAT | O_WRONLY, 0600));
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=100600,user_id=0,group_id=0", fd);
	mounted = !mount("silent", PATH, "fuse", 0, options);
	if (mounted)
		file->server = fork();
	if (mounted && !file->server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(fd);
		_exit(0);
	}
	close(fd);
	if (!mounted)
		return false;

	file->reader = fork();
	if (!file->reader) {
		char page[4096];

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(read(open(PATH, O_RDONLY), page, sizeof(page)) < 0);
	}
	sleep(1);
	return true;
}

void silent_stop(struct silent_file *file)
{
	end_process(file->server);
	end_process(file->reader);
	umount2(PATH, MNT_DETACH);
}
