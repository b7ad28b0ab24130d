/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dmb

#if !defined(_TRACE_DMB_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_DMB_H

#include <linux/tracepoint.h>
#include <linux/types.h>

/* A range in a block could not be emptied, because of the page frame @pfn. */
TRACE_EVENT(dmb_contig_failed,

	TP_PROTO(unsigned long start_pfn, unsigned long end_pfn,
		 unsigned long pfn, const char *reason, int err),

	TP_ARGS(start_pfn, end_pfn, pfn, reason, err),

	TP_STRUCT__entry(
		__field(unsigned long, start_pfn)
		__field(unsigned long, end_pfn)
		__field(unsigned long, pfn)
		__string(reason, reason)
		__field(int, err)
	),

	TP_fast_assign(
		__entry->start_pfn = start_pfn;
		__entry->end_pfn = end_pfn;
		__entry->pfn = pfn;
		__assign_str(reason);
		__entry->err = err;
	),

	TP_printk("start_pfn=%#lx end_pfn=%#lx pfn=%#lx err=%d reason=%s",
		  __entry->start_pfn, __entry->end_pfn, __entry->pfn,
		  __entry->err, __get_str(reason))
);

#endif /* _TRACE_DMB_H */

#include <trace/define_trace.h>
