/* SPDX-License-Identifier: GPL-2.0 */
/* Pages of user space, of pipes and of devices, and the memory that has them */
#ifndef _SELFTESTS_DMB_PAGES_H
#define _SELFTESTS_DMB_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocks.h"

/* The kernel cannot migrate huge pages of hugetlb on 32-bit ARM. */
#ifdef __arm__
#define DMB_HUGETLB_STAYS	true
#else
#define DMB_HUGETLB_STAYS	false
#endif

/* arm64 refuses to take boot memory offline. */
#ifdef __aarch64__
#define DMB_STAYS_ONLINE	true
#else
#define DMB_STAYS_ONLINE	false
#endif

/* Map anonymous memory and touch each page. Return NULL if there is no room. */
void *dmb_touch(size_t size, bool huge);

/*
 * Return the page frame of each base page of mapped memory, 0 for a page that
 * is not present. The caller frees the array. Needs CAP_SYS_ADMIN.
 */
uint64_t *dmb_frames(const void *memory, size_t size);

/* Bytes of touched memory in these blocks, or in any; needs CAP_SYS_ADMIN */
size_t dmb_bytes_in(const struct dmb_block *blocks, int nr, const void *memory,
		    size_t size);
size_t dmb_bytes_in_blocks(const void *memory, size_t size);

/*
 * Move each base page to its node in @nodes. Return 0 if at least one page is
 * there afterwards, or -errno.
 */
int dmb_move_pages(void *memory, size_t size, const int *nodes);

/*
 * Set the only size of folios, in bytes, that transparent huge pages use where
 * madvise() asks for them.
 */
void dmb_folio_size(size_t size);

/* Return the bytes that one PMD entry maps; 0 without huge pages. */
size_t dmb_huge_page_size(void);

/*
 * Fill pipes with data, which the kernel cannot move. Return the bytes that
 * they hold. dmb_empty_pipes() frees their data, page by page, and leaves them
 * open. dmb_close_pipes() frees everything.
 */
size_t dmb_fill_pipes(size_t size);
void dmb_empty_pipes(void);
void dmb_close_pipes(void);

/* Size of the units that go online and offline; 0 without memory hotplug */
unsigned long dmb_memory_block_size(void);

/* The file that says how memory comes online when it is added */
#define DMB_AUTO_ONLINE	"/sys/devices/system/memory/auto_online_blocks"

/* What makes blocks of memory, in this file and as a state of a unit */
#define DMB_DESIGNATED	"online_designated"

/*
 * Write a state, such as "online", "offline" or DMB_DESIGNATED, for the unit at
 * an address, in bytes. Return 0 or -errno.
 */
int dmb_set_memory_state(unsigned long address, const char *state);

/*
 * Report a page frame as broken, or softly as about to break. The kernel takes
 * it out of use, and first saves its content if it is only about to break.
 * Unpoisoning undoes this. Return 0 or -errno.
 */
bool dmb_can_unpoison(void);
int dmb_poison(uint64_t frame);
int dmb_poison_softly(uint64_t frame);
int dmb_unpoison(uint64_t frame);

#define DMB_DEVICE_NAME	32

/* The serial number of a disk to swap to */
#define SWAP_SERIAL	"dmb-swap"

/* Find a disk by the serial number that QEMU gives virtio-blk with serial=. */
bool dmb_find_disk(const char *serial, char device[DMB_DEVICE_NAME]);

/* Create a zram device of so many bytes. Return false without zram. */
bool dmb_add_zram(char device[DMB_DEVICE_NAME], size_t size);

/* Make swap space of a device, and use it. */
bool dmb_swap_on(const char *device);

/* Read so many bytes from the beginning of a file, which is not shorter. */
void dmb_read_file(int fd, size_t size);

/*
 * Fill the page cache of a block device with pages that can be moved but must
 * not be in blocks. The device is a zram disk of zeroes. The pages stay until
 * dmb_close_device() gets the returned file descriptor. Return -1 if there is
 * no such device.
 */
int dmb_read_device(size_t size);
void dmb_close_device(int fd);

#endif /* _SELFTESTS_DMB_PAGES_H */
