// SPDX-License-Identifier: GPL-2.0
/*
 * May this folio be in a block?  Allocation decides by the flags of a request.
 * Migration only knows the folio, and must come to the same answer.
 */

#include <linux/dmb.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>

#include "internal.h"

/*
 * Most inodes without a dentry are internal to a file system, such as the one
 * of ext4's buddy bitmaps.  The file system allocates their page cache with
 * flags of its own, whatever the mapping says.
 */
static bool dmb_is_private(struct inode *inode)
{
	return hlist_empty(&inode->i_dentry);
}

/**
 * dmb_folio_may_enter - may a folio of ordinary memory be moved into a block?
 * @folio: the folio; the caller has a reference, but need not hold its lock
 *
 * It is not enough that a folio can be moved, as page cache of block devices
 * can: it must be one that would have been allocated from a block, had there
 * been room.  In doubt, the folio stays out.
 *
 * Context: Any that may take a folio lock with folio_trylock().
 * Return: true if the folio may move into a block.
 */
bool dmb_folio_may_enter(struct folio *folio)
{
	struct address_space *mapping;
	bool may_enter;

	if (folio_test_hugetlb(folio))
		return false;
	/* Unlike balloons, zswap and zram use eligible flags if they can. */
	if (__folio_test_movable(folio))
		return folio_test_zsmalloc(folio);

	/* All user memory is allocated with GFP_HIGHUSER_MOVABLE. */
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
 * __dmb_migration_gfp - select the flags to allocate a migration target with
 * @src: the folio that is to be moved, not a hugetlb folio
 * @gfp: the flags that the caller would use
 *
 * Most callers ask for user memory, whatever the folio is. The rest ask for
 * memory like that of the folio's zone.
 *
 * Context: Any that may take a folio lock with folio_trylock().
 * Return: @gfp, with __GFP_HIGHMEM if @src is in a block. If @src may not move
 * into a block, one of the two eligible flags is cleared: __GFP_MOVABLE if @src
 * is in highmem, where it may stay, else __GFP_HIGHMEM.
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
