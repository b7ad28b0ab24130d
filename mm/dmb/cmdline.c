// SPDX-License-Identifier: GPL-2.0
/*
 * movablecore=nn[KMGTPE]@ss[KMGTPE]
 *
 * The option takes a list, divided by commas, of blocks and of at most one
 * plain amount (nn[KMGTPE] or nn%), which keeps the meaning that it has always
 * had.  It may be given more than once.
 *
 * With the word "designated", all memory that would be in ZONE_MOVABLE is
 * designated instead.  The word "acpi" stands for "designated" and
 * movable_node: the memory that firmware calls hot-pluggable is designated.
 */

#define pr_fmt(fmt) "dmb: " fmt

#include <linux/bootconfig.h>
#include <linux/ctype.h>
#include <linux/dmb.h>
#include <linux/kernel.h>
#include <linux/memory_hotplug.h>
#include <linux/overflow.h>
#include <linux/string.h>

#include "boot.h"
#include "internal.h"

bool dmb_instead_of_movable __ro_after_init;
bool dmb_by_firmware __initdata;

/* The longest number that makes sense, with suffix: 0xffffffffffffffffE */
#define DMB_NUMBER_LEN	32

/**
 * dmb_parse_bytes - read one number of bytes with an optional suffix
 * @text: where the number starts
 * @len: where it has to end
 * @bytes: the result
 *
 * Unlike memparse() this takes the whole text or nothing, and notices numbers
 * that do not fit.
 *
 * Return: 0, -EINVAL if this is not a number, -ERANGE if it is too large.
 */
int dmb_parse_bytes(const char *text, size_t len, u64 *bytes)
{
	static const char suffixes[] = "KMGTPE";
	char number[DMB_NUMBER_LEN];
	unsigned int shift = 0;
	const char *suffix;
	int err;

	/* kstrtoull() would take a sign and white space. */
	if (!len || !isdigit(*text))
		return -EINVAL;
	if (len >= sizeof(number))
		return -ERANGE;

	memcpy(number, text, len);
	number[len] = '\0';

	/* In a hexadecimal number, a final E is a digit and not a suffix. */
	suffix = strchr(suffixes, toupper(number[len - 1]));
	if (suffix && !(*suffix == 'E' && !strncasecmp(number, "0x", 2))) {
		shift = 10 * (suffix - suffixes + 1);
		number[--len] = '\0';
	}

	err = kstrtoull(number, 0, bytes);
	if (err)
		return err;
	/* kstrtoull() takes a newline. */
	if (!isxdigit(number[len - 1]))
		return -EINVAL;
	return check_shl_overflow(*bytes, shift, bytes) ? -ERANGE : 0;
}

/**
 * dmb_parse_block - read one nn[KMGTPE]@ss[KMGTPE]
 * @text: where the text starts; it has an '@'
 * @len: where it has to end
 * @base: the physical address found
 * @size: the number of bytes found
 *
 * Return: NULL, or what is wrong with the text.
 */
const char *dmb_parse_block(const char *text, size_t len, u64 *base,
			    u64 *size)
{
	size_t size_len = strcspn(text, "@");
	int err;

	err = dmb_parse_bytes(text, size_len, size);
	if (!err)
		err = dmb_parse_bytes(text + size_len + 1, len - size_len - 1,
				      base);
	if (err == -ERANGE)
		return "number too large";
	if (err)
		return "not nn[KMGTPE]@ss[KMGTPE]";
	return NULL;
}

/*
 * Return true if this is a plain amount, nn[KMGTPE] or nn%. The parser of plain
 * amounts ignores any characters behind that, and so takes 512MB for 512M.
 */
static bool __init dmb_is_amount(const char *text, size_t len)
{
	u64 bytes;
	int err;

	if (!len || !isdigit(*text))
		return false;
	if (text[len - 1] == '%')
		len--;
	err = dmb_parse_bytes(text, len, &bytes);
	if (err == -EINVAL)
		pr_warn("movablecore: \"%.*s\" is not nn[KMGTPE], its end is ignored\n",
			(int)len, text);
	return err != -ERANGE;
}

/* If this is "designated" or "acpi", note that and return true. */
static bool __init dmb_is_word(const char *text, size_t len)
{
	if (len == strlen("designated") && !strncmp(text, "designated", len)) {
		dmb_instead_of_movable = true;
		return true;
	}
	if (len != strlen("acpi") || strncmp(text, "acpi", len))
		return false;
#if defined(CONFIG_ACPI_NUMA) && defined(CONFIG_MEMORY_HOTPLUG)
	if (dmb_requests.nr) {
		pr_warn("movablecore: \"acpi\" ignored: there are ranges of addresses\n");
		return true;
	}
	dmb_by_firmware = true;
	dmb_instead_of_movable = true;
	movable_node_enabled = true;
#else
	pr_warn("movablecore: \"acpi\" ignored: this kernel has no memory hotplug by ACPI\n");
#endif
	return true;
}

/* Request the block nn@ss. Return NULL, or the reason for a refusal. */
static const char * __init dmb_request_text(const char *text, size_t len)
{
	const char *why;
	u64 base, size;

	why = dmb_parse_block(text, len, &base, &size);
	if (why)
		return why;
	if (dmb_by_firmware)
		return "there is movablecore=acpi";
	return dmb_request(base, size, NULL);
}

/**
 * dmb_only_blocks - take the blocks out of a movablecore= option
 * @movablecore: the option's argument; on return, where in it the last plain
 *		 amount starts, if it has one
 *
 * Blocks are noted with dmb_request().  Invalid parts of the list are logged
 * and left out; the other parts stay valid.
 *
 * Context: early_param().
 * Return: true if nothing is left for the parser of plain amounts.
 */
bool __init dmb_only_blocks(char **movablecore)
{
	char *amount = NULL, *arg = *movablecore;
	const char *why;
	size_t len;

	/* "movablecore" without a value: leave it to the old parser. */
	if (!arg)
		return false;

	for (;; arg += len + 1) {
		len = strcspn(arg, ",");

		if (!memchr(arg, '@', len)) {
			if (dmb_is_word(arg, len))
				;
			else if (dmb_is_amount(arg, len))
				amount = arg;
			else
				pr_warn("movablecore: \"%.*s\" ignored: not an amount, \"designated\" or \"acpi\"\n",
					(int)len, arg);
		} else {
			why = dmb_request_text(arg, len);
			if (why)
				pr_warn("movablecore: \"%.*s\" refused: %s\n",
					(int)len, arg, why);
		}

		if (!arg[len])
			break;
	}

	if (amount)
		*movablecore = amount;
	return !amount;
}

#ifdef CONFIG_BOOT_CONFIG
/*
 * The kernel reads the bootconfig after it has parsed all early parameters, and
 * does not parse these again.
 */
static int __init dmb_check_bootconfig(void)
{
	static const char * const keys[] __initconst = {
		"kernel.movablecore", "kernel.dmb_spread", "kernel.dmb_heap",
		"kernel.hugetlb_dmb",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (xbc_find_node(keys[i]))
			pr_warn("%s in the bootconfig is ignored: it has to be on the command line\n",
				keys[i]);
	return 0;
}
core_initcall(dmb_check_bootconfig);
#endif
