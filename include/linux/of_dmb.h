/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_OF_DMB_H
#define _LINUX_OF_DMB_H

/* Blocks in the devicetree: hooks of the scan of /reserved-memory */

#include <linux/errno.h>
#include <linux/types.h>

#ifdef CONFIG_DMB

bool dmb_is_node(unsigned long node);
int dmb_request_node(unsigned long node, const char *name);
void dmb_place_node(unsigned long node, phys_addr_t size, phys_addr_t *align,
		    const __be32 **ranges, int *len);
bool dmb_refuse_node(unsigned long node, const char *name, phys_addr_t base,
		     phys_addr_t size);

#else

static inline bool dmb_is_node(unsigned long node)
{
	return false;
}

static inline int dmb_request_node(unsigned long node, const char *name)
{
	return -ENOENT;
}

static inline void dmb_place_node(unsigned long node, phys_addr_t size,
				  phys_addr_t *align, const __be32 **ranges,
				  int *len)
{
}

static inline bool dmb_refuse_node(unsigned long node, const char *name,
				   phys_addr_t base, phys_addr_t size)
{
	return false;
}

#endif /* CONFIG_DMB */

#endif /* _LINUX_OF_DMB_H */
