/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MEMBLOCK_DMB_H
#define _MEMBLOCK_DMB_H

int memblock_dmb_checks(void);

#endif
