// SPDX-License-Identifier: GPL-2.0
/*
 * May this folio live in a block?  Allocation decides by the flags of a request;
 * migration has a folio only, and must come to the same answer.
 */

#include <linux/dmb.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>

#include "internal.h"

/*
 * An inode that no dentry leads to is most often one that a file system keeps
 * for itself.  It fills the page cache of that with flags of its own, whatever
 * the mapping says; ext4 does so with its buddy bitmaps.
 */
static bool dmb_is_private(struct inode *inode)
{
	return hlist_empty(&inode->i_dentry);
}

/**
 * dmb_folio_may_enter - may a folio of ordinary memory be moved into a block?
 * @folio: the folio; the caller has a reference, but need not hold its lock
 *
 * That a folio can be moved is not enough, as the page cache of block devices
 * shows: it must be one that would have been allocated from a block, had there
 * been room.  What is not known to be such a one stays out.
 *
 * Context: Any that may take a folio lock with folio_trylock().
 */
bool dmb_folio_may_enter(struct folio *folio)
{
	struct address_space *mapping;
	bool may_enter;

	if (folio_test_hugetlb(folio))
		return false;
	/* zswap and zram, unlike balloons, ask for such memory whenever they can. */
	if (__folio_test_movable(folio))
		return folio_test_zsmalloc(folio);

	/* User memory is allocated with GFP_HIGHUSER_MOVABLE, all of it. */
	if (folio_test_anon(folio))
		return true;

	/* Only the lock keeps truncation from freeing the mapping. */
	if (!folio_trylock(folio))
		return false;
	mapping = folio->mapping;
	may_enter = mapping && !folio_test_anon(folio) &&
		    dmb_eligible_gfp(mapping_gfp_mask(mapping)) &&
		    !dmb_is_private(mapping->host);
	folio_unlock(folio);
	return may_enter;
}

/**
 * __dmb_migration_gfp - with which flags to ask for the target of a migration
 * @src: the folio that is to be moved, not a hugetlb folio
 * @gfp: the flags, by what the caller knows
 *
 * Most callers ask for user memory, whatever the folio is, and others for memory
 * like that of the folio's zone.
 *
 * Context: Any that may take a folio lock with folio_trylock().
 * Return: @gfp, with __GFP_HIGHMEM if @src is in a block, and not eligible if @src
 * may not move into one. What is in highmem may stay there.
 */
gfp_t __dmb_migration_gfp(struct folio *src, gfp_t gfp)
{
	if (dmb_contains_pfn(folio_pfn(src)))
		return gfp | __GFP_HIGHMEM;
	if (dmb_eligible_gfp(gfp) && !dmb_folio_may_enter(src))
		return gfp & ~(is_highmem(folio_zone(src)) ? __GFP_MOVABLE :
							     __GFP_HIGHMEM);
	return gfp;
}
