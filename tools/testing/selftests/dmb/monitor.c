// SPDX-License-Identifier: GPL-2.0
/*
 * The monitor of QEMU, with which a guest can change its own machine. It is at
 * the other end of a serial port.
 */

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest.h"
#include "monitor.h"

#define MONITOR		"/dev/ttyS1"
#define ANSWER_TIMEOUT	20	/* tenths of a second */
#define DEVICE_TIMEOUT	120	/* seconds until a device obeys */

static int monitor = -1;

static bool open_monitor(void)
{
	struct termios raw;

	monitor = open(MONITOR, O_RDWR | O_NOCTTY);
	if (monitor < 0 || tcgetattr(monitor, &raw))
		return false;
	/*
	 * Do not echo: the monitor would take the echo for a command. Wait for
	 * a tenth of a second.
	 */
	cfmakeraw(&raw);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 1;
	return !tcsetattr(monitor, TCSANOW, &raw);
}

void monitor_tell(const char *format, ...)
{
	va_list args;

	dprintf(monitor, "\n");
	va_start(args, format);
	vdprintf(monitor, format, args);
	va_end(args);
	dprintf(monitor, "\n");
}

/*
 * The monitor sends all of a line again for each character that it gets. The
 * rest of what it has said to earlier lines may be some ten thousand bytes.
 */
static long long ask_once(const char *command, const char *section,
			  const char *word)
{
	static char answer[64 * 1024];
	int silence = 0;
	size_t len = 0;
	ssize_t got;
	char *value;

	*answer = '\0';
	tcflush(monitor, TCIFLUSH);
	monitor_tell("%s", command);
	while (silence < ANSWER_TIMEOUT && len < sizeof(answer) - 1) {
		got = read(monitor, answer + len, sizeof(answer) - 1 - len);
		if (got < 0)
			break;
		silence = got ? 0 : silence + 1;
		len += got;
		answer[len] = '\0';
		value = section ? strstr(answer, section) : answer;
		value = value ? strstr(value, word) : NULL;
		if (value && strchr(value, '\r'))
			return strtoll(value + strlen(word), NULL, 0);
	}
	return -1;
}

long long monitor_ask(const char *command, const char *section,
		      const char *word)
{
	long long number = ask_once(command, section, word);

	/* Another message of the monitor may have come between. */
	return number < 0 ? ask_once(command, section, word) : number;
}

/* Until the port is raw it may echo a part of the monitor's greeting. */
static bool monitor_answers(void)
{
	int i;

	for (i = 0; i < 5; i++)
		if (monitor_ask("info version", NULL, ".") >= 0)
			return true;
	return false;
}

void monitor_need(void)
{
	if (!open_monitor() || !monitor_answers())
		ksft_exit_skip("QEMU's monitor is not at " MONITOR "\n");
}

bool monitor_wait(long long (*state)(void), long long wanted)
{
	time_t end = time(NULL) + DEVICE_TIMEOUT;

	do {
		if (state() == wanted)
			return true;
		usleep(100000);
	} while (time(NULL) < end);
	return false;
}
