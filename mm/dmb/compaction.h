/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Compaction of blocks: a part of mm/compaction.c, whose functions this file
 * needs.
 */

static enum compact_result
compact_zone(struct compact_control *cc, struct capture_control *capc);

static enum compact_result compact_blocks_finished(struct compact_control *cc)
{
	if (compact_scanners_met(cc))
		return COMPACT_COMPLETE;

	if (pageblock_aligned(cc->migrate_pfn)) {
		if (is_via_compact_memory(cc->order)) {
			if (!dmb_scattered(cc->zone))
				return COMPACT_COMPLETE;
		} else if (dmb_has_free_order(cc->zone, cc->order)) {
			return COMPACT_SUCCESS;
		}
	}

	if (cc->contended || fatal_signal_pending(current))
		return COMPACT_CONTENDED;
	return COMPACT_CONTINUE;
}

/*
 * Compact the blocks of a zone for a request that may use them, as a zone of
 * their own: pages only move from block to block. The positions that the zone
 * caches, and the skip hints, are for its ordinary memory.
 */
static enum compact_result
compact_blocks(struct compact_control *cc, struct capture_control *capc)
{
	const bool ignore_skip_hint = cc->ignore_skip_hint;
	const bool no_set_skip_hint = cc->no_set_skip_hint;
	const bool everything = is_via_compact_memory(cc->order);
	enum compact_result ret;

	if (!dmb_enabled() || compacts_blocks(cc) || !zone_dmb_pages(cc->zone))
		return COMPACT_SKIPPED;
	if (everything) {
		if (cc->proactive_compaction || !dmb_scattered(cc->zone))
			return COMPACT_SKIPPED;
	} else if (!dmb_compactable(cc->zone, cc->order, cc->highest_zoneidx) ||
		   dmb_compaction_deferred(cc->zone, cc->order)) {
		return COMPACT_SKIPPED;
	}

	cc->designated = true;
	cc->ignore_skip_hint = true;
	cc->no_set_skip_hint = true;
	ret = compact_zone(cc, capc);
	cc->designated = false;
	cc->contended = false;
	cc->ignore_skip_hint = ignore_skip_hint;
	cc->no_set_skip_hint = no_set_skip_hint;
	/* Each pass scans all blocks: after a failure, defer the next ones. */
	if (!everything && (ret == COMPACT_COMPLETE || ret == COMPACT_SUCCESS))
		dmb_defer_compaction(cc->zone, cc->order,
				     ret == COMPACT_COMPLETE);
	return ret;
}
