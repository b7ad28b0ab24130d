/* SPDX-License-Identifier: GPL-2.0 */
/* Instructions since the machine was reset, if that is what its clock counts: with -icount */
#ifndef DMB_CLOCK_H
#define DMB_CLOCK_H

#include <stdint.h>

#if defined(__x86_64__)
#include <x86intrin.h>

/* Ticks once per nanosecond of the emulated clock */
static inline double now(void)
{
	return __rdtsc();
}
#elif defined(__aarch64__)
static inline double now(void)
{
	uint64_t count, frequency;

	asm volatile("isb; mrs %0, cntvct_el0" : "=r" (count));
	asm volatile("mrs %0, cntfrq_el0" : "=r" (frequency));
	return count * 1e9 / frequency;
}
#else
/* Nothing is measured there. */
static inline double now(void)
{
	return 0;
}
#endif

#endif
