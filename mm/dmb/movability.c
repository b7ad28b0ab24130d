// SPDX-License-Identifier: GPL-2.0
/*
 * May this folio live in a block?  Allocation decides by the flags of a request;
 * migration has a folio only, and must come to the same answer.
 */

#include <linux/dmb.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>

#include "internal.h"

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
	const gfp_t eligible = __GFP_HIGHMEM | __GFP_MOVABLE;
	struct address_space *mapping;
	bool may_enter;

	if (folio_test_hugetlb(folio) || __folio_test_movable(folio))
		return false;

	/* User memory is allocated with GFP_HIGHUSER_MOVABLE, all of it. */
	if (folio_test_anon(folio))
		return true;

	/* Only the lock keeps truncation from freeing the mapping. */
	if (!folio_trylock(folio))
		return false;
	mapping = folio->mapping;
	may_enter = mapping && !folio_test_anon(folio) &&
		    (mapping_gfp_mask(mapping) & eligible) == eligible;
	folio_unlock(folio);
	return may_enter;
}
