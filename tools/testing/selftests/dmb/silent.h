/* SPDX-License-Identifier: GPL-2.0 */
/* A file whose server never answers a read, so that its pages stay locked. */
#ifndef _SELFTESTS_DMB_SILENT_H
#define _SELFTESTS_DMB_SILENT_H

#include <stdbool.h>
#include <sys/types.h>

struct silent_file {
	pid_t server;
	pid_t reader;	/* waits for an answer */
};

/* Return false without CONFIG_FUSE_FS. */
bool silent_start(struct silent_file *file);
/* The reads fail, and the pages are unlocked. */
void silent_stop(struct silent_file *file);

#endif /* _SELFTESTS_DMB_SILENT_H */
