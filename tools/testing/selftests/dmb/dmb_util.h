/* SPDX-License-Identifier: GPL-2.0 */
/* Helpers for the tests of designated movable blocks */
#ifndef _SELFTESTS_DMB_UTIL_H
#define _SELFTESTS_DMB_UTIL_H

#include "blocks.h"
#include "files.h"
#include "pages.h"

#define MB		((size_t)1024 * 1024)

/*
 * Seconds that the harness gives a test without a timeout of its own. The
 * default of 30 is too short for a test that touches most of the memory of an
 * emulated machine on a busy host. The file settings has the same value for
 * each program.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	900

#endif /* _SELFTESTS_DMB_UTIL_H */
