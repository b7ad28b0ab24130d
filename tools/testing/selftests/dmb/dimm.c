// SPDX-License-Identifier: GPL-2.0
/*
 * Memory devices that ACPI adds to the machine and removes from it, at addresses
 * that movablecore= names although there was no memory at boot, and at others.
 *
 * The arguments are an address, in MiB, where QEMU has room for two memory
 * devices one after the other, and how much movablecore= asks for there. The
 * first device is in what it asks for, and the second one is not.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "load.h"
#include "memory.h"
#include "monitor.h"

#define DIMM_SIZE	(256 * MB)

/* What the kernel logs when it cannot empty a memory device */
#define REFUSED		"Offline failed"

static unsigned long base, requested;	/* in bytes */

/* The bytes of all memory devices; -1 without a monitor */
static long long dimm_bytes(void)
{
	return monitor_ask("info memory_size_summary", NULL,
			   "plugged memory: ");
}

/* Memory blocks that the kernel has of the device at this address */
static unsigned long dimm_at;

static long long count_blocks(bool (*is)(unsigned long address))
{
	unsigned long unit = dmb_memory_block_size(), at;
	long long nr = 0;

	for (at = dimm_at; at < dimm_at + DIMM_SIZE; at += unit)
		nr += is(at);
	return nr;
}

static long long memory_blocks(void)
{
	return count_blocks(memory_present);
}

static long long memory_blocks_online(void)
{
	return count_blocks(memory_online);
}

static void tell_to_unplug(void)
{
	monitor_tell("device_del dimm0");
}

/* Wait until the device has gone, for the kernel and for QEMU. */
static bool wait_until_unplugged(void)
{
	if (!monitor_wait(memory_blocks, 0) || !monitor_wait(dimm_bytes, 0))
		return false;
	monitor_tell("object_del dimm-memory");
	return true;
}

FIXTURE(dimm)
{
	struct dmb_state before;
	struct memory_zone zone;	/* as it was, without the device */
	unsigned long long total;	/* MemTotal, in bytes, without it */
	unsigned long at;
	char auto_online[64];
};

FIXTURE_VARIANT(dimm)
{
	bool named;		/* by movablecore= */
	const char *policy;	/* for auto_online_blocks */
	const char *by_hand;	/* the state to write, if the policy is none */
	bool designated;	/* what the memory becomes */
	const char *zone;
};

FIXTURE_VARIANT_ADD(dimm, named)
{
	.named = true, .policy = "online", .designated = true,
	.zone = "Normal",
};

FIXTURE_VARIANT_ADD(dimm, named_by_hand)
{
	.named = true, .policy = "offline", .by_hand = "online_movable",
	.designated = true, .zone = "Normal",
};

FIXTURE_VARIANT_ADD(dimm, movable)
{
	.policy = "online_movable", .zone = "Movable",
};

FIXTURE_VARIANT_ADD(dimm, designated)
{
	.policy = DMB_DESIGNATED, .designated = true, .zone = "Normal",
};

/* Plug the device, and wait until the kernel has brought it online. */
static bool plug(const FIXTURE_DATA(dimm) *self,
		 const FIXTURE_VARIANT(dimm) *variant)
{
	unsigned long unit = dmb_memory_block_size(), at;

	dimm_at = self->at;
	monitor_tell("object_add memory-backend-ram,id=dimm-memory,size=%zu",
		     DIMM_SIZE);
	monitor_tell("device_add pc-dimm,id=dimm0,memdev=dimm-memory,addr=%#lx",
		     dimm_at);
	if (!monitor_wait(memory_blocks, DIMM_SIZE / unit))
		return false;
	for (at = dimm_at; variant->by_hand && at < dimm_at + DIMM_SIZE;
	     at += unit)
		if (dmb_set_memory_state(at, variant->by_hand))
			return false;
	return monitor_wait(memory_blocks_online, DIMM_SIZE / unit);
}

FIXTURE_SETUP(dimm)
{
	self->at = variant->named ? base : base + DIMM_SIZE;
	if (variant->named && requested < DIMM_SIZE)
		SKIP(return, "movablecore= asks for none of this memory");
	load_begin();
	ASSERT_EQ(0, dimm_bytes());
	ASSERT_TRUE(dmb_read_line(DMB_AUTO_ONLINE, self->auto_online,
				  sizeof(self->auto_online)));
	ASSERT_EQ(0, dmb_write(DMB_AUTO_ONLINE, variant->policy));
	EXPECT_AGREEMENT(0);
	self->before = dmb_note_state(false);
	self->zone = memory_zone(variant->zone);
	self->total = dmb_meminfo("MemTotal");
	ASSERT_TRUE(plug(self, variant));
}

/* All accounts are what they were before the device was there. */
FIXTURE_TEARDOWN(dimm)
{
	struct memory_zone zone;

	if (dimm_bytes()) {
		tell_to_unplug();
		EXPECT_TRUE(wait_until_unplugged());
	}
	EXPECT_EQ(0, dmb_write(DMB_AUTO_ONLINE, self->auto_online));
	zone = memory_zone(variant->zone);
	EXPECT_EQ(self->zone.present, zone.present);
	EXPECT_EQ(self->zone.managed, zone.managed);
	EXPECT_EQ(self->zone.dmb, zone.dmb);
	EXPECT_EQ(self->total, dmb_meminfo("MemTotal"));
	EXPECT_AGREEMENT(0);
	EXPECT_UNCHANGED(&self->before);
	load_end();
}

/* The memory of the device is all designated, or none of it is. */
static void expect_plugged(struct __test_metadata *_metadata,
			   const FIXTURE_DATA(dimm) *self,
			   const FIXTURE_VARIANT(dimm) *variant)
{
	unsigned long pages = DIMM_SIZE / sysconf(_SC_PAGESIZE), at,
		      designated = variant->designated ? DIMM_SIZE : 0;
	struct memory_zone zone = memory_zone(variant->zone);
	struct dmb_block found[DMB_MAX_BLOCKS];
	char text[64];

	EXPECT_EQ(variant->designated,
		  memory_blocks_in(self->at, self->at + DIMM_SIZE, found));
	if (variant->designated) {
		EXPECT_EQ(self->at, found[0].base);
		EXPECT_EQ(DIMM_SIZE, found[0].size);
		EXPECT_EQ(0, found[0].claimed);
		EXPECT_STREQ(variant->zone, found[0].zone);
	}
	EXPECT_EQ(variant->designated,
		  memory_in_iomem(MEMORY_DESIGNATED, self->at, DIMM_SIZE));
	for (at = self->at; at < self->at + DIMM_SIZE;
	     at += dmb_memory_block_size()) {
		EXPECT_TRUE(memory_read(at, "valid_zones", text, sizeof(text)));
		EXPECT_STREQ(variant->zone, text);
		EXPECT_TRUE(memory_read(at, "removable", text, sizeof(text)));
		EXPECT_STREQ("1", text);
	}
	EXPECT_EQ(self->before.total + designated, dmb_meminfo("DmbTotal"));
	EXPECT_EQ(self->total + DIMM_SIZE, dmb_meminfo("MemTotal"));
	EXPECT_EQ(self->zone.present + pages, zone.present);
	EXPECT_EQ(self->zone.managed + pages, zone.managed);
	EXPECT_EQ(self->zone.dmb + (variant->designated ? pages : 0), zone.dmb);
	EXPECT_AGREEMENT(0);
	EXPECT_NO_VIOLATION();
}

/* It is the same when it comes back. */
TEST_F(dimm, plug_twice)
{
	struct dmb_block found[DMB_MAX_BLOCKS];

	expect_plugged(_metadata, self, variant);
	tell_to_unplug();
	ASSERT_TRUE(wait_until_unplugged());
	EXPECT_EQ(0, memory_blocks_in(self->at, self->at + DIMM_SIZE, found));
	EXPECT_EQ(self->before.total, dmb_meminfo("DmbTotal"));
	EXPECT_EQ(self->total, dmb_meminfo("MemTotal"));
	EXPECT_AGREEMENT(0);
	ASSERT_TRUE(plug(self, variant));
	expect_plugged(_metadata, self, variant);
}

/* User data moves elsewhere. */
TEST_F(dimm, unplug_what_is_in_use)
{
	struct dmb_block dimm = { .base = self->at, .size = DIMM_SIZE };
	size_t size = load_area_free(), inside;
	void *memory;

	if (!variant->designated)
		size += DIMM_SIZE;
	memory = load_write_pattern(size);
	ASSERT_NE(NULL, memory);
	inside = dmb_bytes_in(&dimm, 1, memory, size);
	TH_LOG("%zu of %zu MiB are in the device", inside / MB, size / MB);
	EXPECT_LT(DIMM_SIZE / 2, inside);

	tell_to_unplug();
	EXPECT_TRUE(wait_until_unplugged());
	EXPECT_EQ(0, dmb_bytes_in(&dimm, 1, memory, size));
	EXPECT_EQ(0, load_check_pattern(memory, size));
	EXPECT_EQ(self->before.total, dmb_meminfo("DmbTotal"));
	EXPECT_EQ(self->total, dmb_meminfo("MemTotal"));
	EXPECT_AGREEMENT(0);
	EXPECT_NO_VIOLATION();
	munmap(memory, size);
}

/* How often the kernel has refused to give a device back since then */
static int kernel_log = -1;

static long long refused(void)
{
	static long long sum;

	sum += dmb_log_count(kernel_log, REFUSED);
	return sum;
}

/* Expect that the device stays because of claims of so many bytes. */
static void expect_refused(struct __test_metadata *_metadata,
			   const FIXTURE_DATA(dimm) *self,
			   unsigned long claimed)
{
	struct dmb_block found[DMB_MAX_BLOCKS];

	kernel_log = dmb_open_log(true);
	ASSERT_LE(0, kernel_log);
	tell_to_unplug();
	EXPECT_TRUE(monitor_wait(refused, 1));
	close(kernel_log);
	EXPECT_TRUE(monitor_wait(dimm_bytes, DIMM_SIZE));
	EXPECT_EQ(1, memory_blocks_in(self->at, self->at + DIMM_SIZE, found));
	EXPECT_EQ(claimed, found[0].claimed);
	EXPECT_AGREEMENT(0);
}

/* A device with the memory of an owner stays, and so does the claim. */
TEST_F(dimm, unplug_what_is_claimed)
{
	unsigned long size = dmb_pageblock_size(), at, claimed = 0;

	if (!variant->designated)
		SKIP(return, "nobody can claim this memory");
	/* There is a claim in each memory block, so that all stay online. */
	for (at = self->at; at < self->at + DIMM_SIZE;
	     at += dmb_memory_block_size()) {
		if (dmb_claim(at, size))
			SKIP(return, "needs claims by debugfs");
		claimed += size;
	}
	expect_refused(_metadata, self, claimed);
	for (at = self->at; at < self->at + DIMM_SIZE;
	     at += dmb_memory_block_size()) {
		EXPECT_TRUE(memory_in_iomem("debugfs", at, size));
		EXPECT_EQ(-EBUSY, dmb_claim(at, size));
		EXPECT_EQ(0, dmb_release(at, size));
	}
	expect_plugged(_metadata, self, variant);
}

/* What has gone offline before a claim is found in the way comes back. */
TEST_F(dimm, unplug_what_is_claimed_in_part)
{
	unsigned long size = dmb_pageblock_size(),
		      claim = self->at + DIMM_SIZE - size;

	if (!variant->designated)
		SKIP(return, "nobody can claim this memory");
	if (dmb_claim(claim, size))
		SKIP(return, "needs claims by debugfs");
	expect_refused(_metadata, self, size);
	EXPECT_TRUE(memory_in_iomem("debugfs", claim, size));
	EXPECT_EQ(-EBUSY, dmb_claim(claim, size));
	EXPECT_EQ(0, dmb_release(claim, size));
	expect_plugged(_metadata, self, variant);
}

int main(int argc, char **argv)
{
	base = dmb_number_argument(&argc, &argv, 0) * MB;
	requested = dmb_number_argument(&argc, &argv, 0) * MB;
	if (!base || !dmb_memory_block_size())
		ksft_exit_skip("this machine has no room for memory devices\n");
	dmb_need_blocks();
	monitor_need();
	return test_harness_run(argc, argv);
}
