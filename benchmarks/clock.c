// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>

#include "../tools/testing/dmb/clock.h"

int main(void)
{
	printf("until init: %.0f\n", now());
	return 0;
}
