/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The monitor of QEMU, with which a guest can change its own machine. It is at
 * the other end of a serial port.
 */
#ifndef _SELFTESTS_DMB_MONITOR_H
#define _SELFTESTS_DMB_MONITOR_H

#include <stdbool.h>

/* For main(): skip the test program if there is no monitor that answers. */
void monitor_need(void);

/* Send a command that has no answer. */
void monitor_tell(const char *format, ...);

/*
 * Send a command. Return the number after @word in the answer, or -1. If
 * @section is not NULL, @word counts only behind that.
 */
long long monitor_ask(const char *command, const char *section,
		      const char *word);

/* Wait until a device has done as it was told. Return false if it has not. */
bool monitor_wait(long long (*state)(void), long long wanted);

#endif /* _SELFTESTS_DMB_MONITOR_H */
