// SPDX-License-Identifier: GPL-2.0
/*
 * dmb_heap=[name:]nn[KMGTPE]@ss[KMGTPE]
 *
 * The option takes a comma-separated list of ranges in blocks. Each becomes a
 * CMA area and a DMA-BUF heap, /dev/dma_heap/<name>, or ranges of one name do
 * together. In the devicetree, "shared-dmb-pool" does the same for one range.
 */

#define pr_fmt(fmt) "dmb: " fmt

#include <linux/cma.h>
#include <linux/ctype.h>
#include <linux/dmb.h>
#include <linux/kernel.h>
#include <linux/memblock.h>
#include <linux/string.h>

#include "../cma.h"
#include "boot.h"
#include "internal.h"

/* Kept until the whole command line is parsed: movablecore= may come later. */
struct dmb_heap_request {
	char name[CMA_MAX_NAME];
	u64 base;
	u64 size;
	struct cma *cma;
};

static struct dmb_heap_request dmb_heap_requests[MAX_CMA_AREAS] __initdata;
static unsigned int dmb_nr_heap_requests __initdata;

static const char * __init dmb_parse_heap_name(const char *text, size_t len,
					       char *name)
{
	size_t i;

	if (!len || len >= CMA_MAX_NAME)
		return "the name is empty, or too long";
	for (i = 0; i < len; i++)
		if (!isalnum(text[i]) && text[i] != '-' && text[i] != '_')
			return "a name has only letters, digits, - and _";
	memcpy(name, text, len);
	name[len] = '\0';
	/* The DMA-BUF system heap has this name. */
	return strcmp(name, "system") ? NULL : "there is a heap of that name";
}

/**
 * dmb_parse_heap - note one [name:]nn[KMGTPE]@ss[KMGTPE]
 * @text: the start of the text
 * @len: its length
 *
 * Return: NULL, or what is wrong with the text.
 */
static const char * __init dmb_parse_heap(const char *text, size_t len)
{
	struct dmb_heap_request *request =
		&dmb_heap_requests[dmb_nr_heap_requests];
	const char *colon = memchr(text, ':', len), *why = NULL;

	if (dmb_nr_heap_requests == ARRAY_SIZE(dmb_heap_requests))
		return "there are too many";
	if (colon) {
		why = dmb_parse_heap_name(text, colon - text, request->name);
		len -= colon + 1 - text;
		text = colon + 1;
	} else {
		snprintf(request->name, CMA_MAX_NAME, "dmb-heap%u",
			 dmb_nr_heap_requests);
	}
	if (!why && !memchr(text, '@', len))
		why = "not [name:]nn[KMGTPE]@ss[KMGTPE]";
	if (!why)
		why = dmb_parse_block(text, len, &request->base, &request->size);
	if (!why)
		dmb_nr_heap_requests++;
	return why;
}

static int __init dmb_parse_heaps(char *arg)
{
	const char *why;
	size_t len;

	if (!arg)
		pr_warn("dmb_heap ignored: it has no range\n");
	for (; arg; arg = arg[len] ? arg + len + 1 : NULL) {
		len = strcspn(arg, ",");
		why = dmb_parse_heap(arg, len);
		if (why)
			pr_warn("dmb_heap: \"%.*s\" ignored: %s\n", (int)len,
				arg, why);
	}
	return 0;
}
early_param("dmb_heap", dmb_parse_heaps);

static int __init dmb_area_has_name(struct cma *cma, void *name)
{
	return !strcmp(cma_get_name(cma), name);
}

/* The area of an earlier request of that name, or NULL */
static struct cma * __init dmb_heap_named(const struct dmb_heap_request *request)
{
	const struct dmb_heap_request *other;

	for (other = dmb_heap_requests; other < request; other++)
		if (other->cma && !strcmp(other->name, request->name))
			return other->cma;
	return NULL;
}

/*
 * Make a CMA area of a request, or a part of the area that has the same name.
 * Return NULL, or the reason to refuse it.
 */
static const char * __init dmb_declare_heap(struct dmb_heap_request *request)
{
	struct cma *cma = dmb_heap_named(request);

	if (!dmb_holds_area(request->base, request->size))
		return "is not in a block";
	if (!IS_ALIGNED(request->base | request->size, CMA_MIN_ALIGNMENT_BYTES))
		return "is not made of whole pageblocks";
	/* Reserved memory does not become part of the block. */
	if (memblock_is_region_reserved(request->base, request->size))
		return "has memory that is reserved";
	if (dmb_area_exists(PHYS_PFN(request->base),
			    PHYS_PFN(request->base + request->size)))
		return "has memory of another CMA area";
	if (cma)
		return dmb_extend_area(cma, request->base, request->size) ?
		       NULL : "is one of too many ranges";
	if (cma_for_each_area(dmb_area_has_name, request->name))
		return "has the name of another CMA area";
	if (cma_init_reserved_mem(request->base, request->size, 0,
				  request->name, &cma))
		return "finds no place in the table of CMA areas";
	request->cma = cma;
	return NULL;
}

/**
 * dmb_declare_heaps - make CMA areas of what dmb_heap= asks for
 *
 * Context: Boot, before dmb_designate() makes the blocks.
 */
void __init dmb_declare_heaps(void)
{
	unsigned int i;

	for (i = 0; i < dmb_nr_heap_requests; i++) {
		struct dmb_heap_request *request = &dmb_heap_requests[i];
		const char *why = dmb_declare_heap(request);

		if (why)
			pr_warn("dmb_heap: %s " DMB_RANGE_FMT " refused: it %s\n",
				request->name, request->base,
				request->base + request->size - 1, why);
		else
			pr_info("dmb_heap: %s " DMB_RANGE_FMT "\n", request->name,
				request->base, request->base + request->size - 1);
	}
}
