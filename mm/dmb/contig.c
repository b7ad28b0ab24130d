// SPDX-License-Identifier: GPL-2.0
/*
 * How a range in a block is emptied, for dmb_claim() and cma_alloc(), and what
 * alloc_contig_range() does for such a range and nowhere else. A designated page
 * is always one that can go away, so what is in the way is there for a moment: it
 * is waited for, within bounds. And where there is no room for pages to be moved
 * to, they are reclaimed: they, and others only for those that cannot be.
 */

#include <linux/delay.h>
#include <linux/dmb.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/hugetlb.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/swap.h>
#include <linux/vmstat.h>
#include <linux/wait.h>

#include "internal.h"

#define CREATE_TRACE_POINTS
#include <trace/events/dmb.h>

/*
 * The first round comes at once, for pages that were in per-cpu lists. Before
 * each of the others is a pause, of 1 ms and then twice as long each time: 1.02 s
 * in all. That is for what holds a reference to a page for as long as an
 * operation takes: direct I/O, a reader, writeback, reclaim.
 */
#define DMB_CONTIG_ROUNDS	11
#define DMB_CONTIG_TIME		HZ

/* Two that are quick may be in each other's way, as free pages are larger than pageblocks. */
#define DMB_QUICK_ROUNDS	3

/* So often in a row is writeback waited for that leaves no more room. */
#define DMB_MAX_WAITS		4

/*
 * A file system's data that are still in the way in this round may be so for long, in a
 * transaction that is not committed. Then they are written, and more of the same file
 * with them, for the next transaction is not to be committed for the next page.
 */
#define DMB_WRITE_ROUND		4
#define DMB_WRITE_BYTES		SZ_16M

/*
 * Attempts in the order in which they came. The first one of those that want parts of
 * the same pageblock is under way, and the others wait for it.
 */
static LIST_HEAD(dmb_attempts);
static DEFINE_SPINLOCK(dmb_attempts_lock);
static DECLARE_WAIT_QUEUE_HEAD(dmb_attempts_wait);

/* The attempt that this task makes; NULL if it is in alloc_contig_range() otherwise. */
struct dmb_attempt *dmb_current_attempt(void)
{
	struct dmb_attempt *attempt;

	/* Only the task itself removes it. */
	guard(spinlock)(&dmb_attempts_lock);
	list_for_each_entry(attempt, &dmb_attempts, node)
		if (attempt->task == current)
			return attempt;
	return NULL;
}

/* An error if it makes no sense to go on, whatever is in the way. */
static int dmb_attempt_over(const struct dmb_attempt *attempt)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	if (attempt && attempt->cancelled && READ_ONCE(*attempt->cancelled))
		return -ECANCELED;
	if (attempt && attempt->deadline &&
	    time_after_eq(jiffies, attempt->deadline))
		return -ETIMEDOUT;
	return 0;
}

/* The first attempt in the list that has a pageblock in common with this one */
static struct dmb_attempt *dmb_first_neighbour(const struct dmb_attempt *attempt)
{
	unsigned long first = pageblock_start_pfn(attempt->start_pfn);
	unsigned long end = pageblock_align(attempt->end_pfn);
	struct dmb_attempt *other;

	lockdep_assert_held(&dmb_attempts_lock);
	list_for_each_entry(other, &dmb_attempts, node)
		if (pageblock_start_pfn(other->start_pfn) < end &&
		    first < pageblock_align(other->end_pfn))
			return other;
	return NULL;
}

/* Adds an attempt to the list, unless it cannot wait for what it would wait for. */
static int dmb_queue_attempt(struct dmb_attempt *attempt)
{
	struct dmb_attempt *other;

	guard(spinlock)(&dmb_attempts_lock);
	other = dmb_first_neighbour(attempt);
	if (other && (attempt->quick || other->task == current))
		return -EBUSY;
	list_add_tail(&attempt->node, &dmb_attempts);
	return 0;
}

static bool dmb_attempt_is_first(const struct dmb_attempt *attempt)
{
	guard(spinlock)(&dmb_attempts_lock);
	return dmb_first_neighbour(attempt) == attempt;
}

/* For those who have told dmb_attempt_over() that it is */
void dmb_wake_attempts(void)
{
	wake_up_all(&dmb_attempts_wait);
}

static void dmb_end_attempt(struct dmb_attempt *attempt)
{
	scoped_guard(spinlock, &dmb_attempts_lock)
		list_del(&attempt->node);
	dmb_wake_attempts();
}

static long dmb_jiffies_left(const struct dmb_attempt *attempt, long most)
{
	if (!attempt || !attempt->deadline)
		return most;
	return clamp((long)(attempt->deadline - jiffies), 0L, most);
}

/*
 * Waits for attempts that came before and have some of the pageblocks, as long as
 * their pages take to be written to a device. A task that must not do I/O, or enter
 * file systems, may hold what that waits for: it does not wait for long.
 */
static int dmb_wait_for_neighbours(struct dmb_attempt *attempt)
{
	long most = gfp_has_io_fs(current_gfp_context(GFP_KERNEL)) ?
		    MAX_SCHEDULE_TIMEOUT : DMB_CONTIG_TIME;
	int err = dmb_queue_attempt(attempt);

	if (err)
		return err;
	wait_event_killable_timeout(dmb_attempts_wait,
				    dmb_attempt_is_first(attempt) ||
				    dmb_attempt_over(attempt),
				    dmb_jiffies_left(attempt, most));
	if (dmb_attempt_is_first(attempt))
		return 0;
	dmb_end_attempt(attempt);
	return dmb_attempt_over(attempt) ?: -EBUSY;
}

/* Waits for so many milliseconds, or until the attempt is over. */
static void dmb_pause(const struct dmb_attempt *attempt, unsigned int ms)
{
	if (ms < 4 * MSEC_PER_SEC / HZ)
		fsleep(ms * USEC_PER_MSEC);
	else
		wait_event_killable_timeout(dmb_attempts_wait, dmb_attempt_over(attempt),
					    dmb_jiffies_left(attempt, msecs_to_jiffies(ms)));
}

/* Would alloc_contig_range() go on in vain? */
bool __dmb_contig_stop(void)
{
	return dmb_attempt_over(dmb_current_attempt());
}

/* Is all of a range of page frames online? Nobody may look at others. */
bool dmb_online(unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned long pfn;

	for (pfn = start_pfn; pfn < end_pfn; pfn = pageblock_end_pfn(pfn))
		if (!pfn_to_online_page(pfn))
			return false;
	return true;
}

/* Keeps a file system mounted. Its inodes alone would not. */
static bool dmb_keep_mounted(struct super_block *sb)
{
	if (!down_read_trylock(&sb->s_umount))
		return false;
	if (sb->s_root && sb->s_flags & SB_BORN && !(sb->s_flags & SB_DYING))
		return true;
	up_read(&sb->s_umount);
	return false;
}

/*
 * Begins to write the data of a folio of page cache to where they belong, with those
 * around it in the file: @bytes in all, a power of two. A journal that has them commits
 * first.
 */
static void dmb_write_back(struct folio *folio, size_t bytes)
{
	struct address_space *mapping;
	struct super_block *sb = NULL;
	struct inode *inode = NULL;
	loff_t first;

	folio_lock(folio);
	mapping = folio_mapping(folio);
	if (mapping && !folio_test_swapbacked(folio) &&
	    dmb_keep_mounted(mapping->host->i_sb)) {
		sb = mapping->host->i_sb;
		inode = igrab(mapping->host);
	}
	first = round_down(folio_pos(folio), bytes);
	folio_unlock(folio);

	if (inode) {
		filemap_fdatawrite_range(inode->i_mapping, first, first + bytes - 1);
		iput(inode);
	}
	if (sb)
		up_read(&sb->s_umount);
}

/*
 * Migrates what cannot be reclaimed, and makes room for that as any request would.
 * Those that did not move stay on the list. Returns whether any did.
 */
static bool dmb_migrate_for_room(struct list_head *folios, gfp_t gfp)
{
	struct migration_target_control mtc = {
		.nid = NUMA_NO_NODE,
		.gfp_mask = gfp | __GFP_RETRY_MAYFAIL | __GFP_NOWARN,
		.reason = MR_CONTIG_RANGE,
	};
	unsigned int moved = 0;

	if (list_empty(folios))
		return false;
	migrate_pages(folios, alloc_migration_target, NULL, (unsigned long)&mtc,
		      MIGRATE_SYNC, MR_CONTIG_RANGE, &moved);
	return moved;
}

/* Can this folio not be reclaimed, since there is no swap space for it? */
static bool dmb_unswappable(struct folio *folio)
{
	return folio_test_swapbacked(folio) && !folio_test_swapcache(folio) &&
	       mem_cgroup_get_nr_swap_pages(folio_memcg(folio)) <= 0;
}

/* Can reclaim free this folio? Others have to be moved. */
static bool dmb_reclaimable(struct folio *folio)
{
	return !folio_test_hugetlb(folio) && !__folio_test_movable(folio) &&
	       !folio_test_unevictable(folio) && !dmb_unswappable(folio);
}

/*
 * Wait for the writeback that reclaim has begun, so that the next try finds
 * clean folios. They are on the LRU again, or gone: a reference would have kept
 * reclaim from writing them. Return whether there was any.
 */
static bool dmb_wait_for_writeback(const unsigned long *pfns, unsigned int nr)
{
	bool waited = false;

	while (nr--) {
		struct folio *folio = page_folio(pfn_to_page(pfns[nr]));

		if (!folio_test_writeback(folio) || !folio_try_get(folio))
			continue;
		if (folio_test_writeback(folio)) {
			folio_wait_writeback_killable(folio);
			waited = true;
		}
		folio_put(folio);
	}
	return waited;
}

/**
 * __dmb_reclaim_isolated - reclaim folios that there is no room for elsewhere
 * @folios: isolated folios; those that could be reclaimed leave the list, and
 *	    go back to the LRU if they were not; others that could be moved when
 *	    room was made leave it, too
 * @gfp: the flags of the request that needs their pages
 *
 * Context: Process context, may sleep and do I/O as far as @gfp lets it.
 * Return: whether there is any use in trying again to migrate what is there.
 */
bool __dmb_reclaim_isolated(struct list_head *folios, gfp_t gfp)
{
	struct dmb_attempt *attempt = dmb_current_attempt();
	unsigned long pfns[COMPACT_CLUSTER_MAX];
	struct folio *folio, *next;
	LIST_HEAD(reclaimable);
	unsigned int nr = 0;
	bool progress, waited;

	/* Reclaim may want to write, which filesystems might not stand here. */
	if (!gfp_has_io_fs(gfp) || !gfpflags_allow_blocking(gfp))
		return false;

	/*
	 * What swap and its device need for that should not have to be reclaimed
	 * elsewhere as long as some is free in per-cpu lists.
	 */
	if (!attempt || !attempt->drained)
		drain_all_pages(NULL);
	if (attempt)
		attempt->drained = true;

	/* All at once, before the first one is waited for */
	list_for_each_entry(folio, folios, lru)
		if (dmb_reclaimable(folio) && folio_is_file_lru(folio) &&
		    folio_test_dirty(folio))
			dmb_write_back(folio, folio_size(folio));

	list_for_each_entry_safe(folio, next, folios, lru) {
		if (!dmb_reclaimable(folio))
			continue;
		if (folio_is_file_lru(folio))
			folio_wait_writeback(folio);
		if (nr < ARRAY_SIZE(pfns))
			pfns[nr++] = folio_pfn(folio);
		list_move(&folio->lru, &reclaimable);
		/* reclaim_pages() is for folios that nobody has counted. */
		node_stat_mod_folio(folio, NR_ISOLATED_ANON +
				    folio_is_file_lru(folio),
				    -folio_nr_pages(folio));
	}
	progress = reclaim_pages(&reclaimable);
	waited = dmb_wait_for_writeback(pfns, nr);
	progress |= dmb_migrate_for_room(folios, gfp);
	/* What has been written may be dirty again, or could not be. */
	if (attempt && progress)
		attempt->waits = 0;
	else if (attempt && waited)
		waited = attempt->waits++ < DMB_MAX_WAITS;
	return progress || waited;
}

/**
 * __dmb_contig_first - where to begin to empty a range
 * @pfn: first page frame of the range, in a block
 *
 * Context: Process context, the range isolated.
 * Return: the first page frame of the folio that @pfn is in, which has to go as
 * a whole, or @pfn if that is not in the same pageblock.
 */
unsigned long __dmb_contig_first(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	unsigned long first;

	if (!page)
		return pfn;
	/* Without a reference: at worst, somebody is moved for nothing. */
	first = page_to_pfn(compound_head(page));
	return first >= pageblock_start_pfn(pfn) ? first : pfn;
}

/* The end of the free page that a page frame is in; @pfn itself if there is none. */
static unsigned long dmb_free_end(unsigned long pfn)
{
	unsigned int order;

	for (order = 0; order < NR_PAGE_ORDERS; order++) {
		unsigned long first = ALIGN_DOWN(pfn, 1UL << order);
		unsigned long nr = dmb_buddy_pages(pfn_to_page(first));

		if (nr >= 1UL << order)
			return first + nr;
	}
	return pfn;
}

/* The first page frame of an isolated range that is not in the buddy allocator. */
static unsigned long dmb_first_busy(unsigned long start_pfn,
				    unsigned long end_pfn)
{
	unsigned long pfn = start_pfn, next;

	while (pfn < end_pfn && (next = dmb_free_end(pfn)) > pfn)
		pfn = next;
	return pfn;
}

/*
 * Does somebody else have this page for good? cma_alloc() marks all pages of
 * its range in the bitmap of the area before it asks for them.
 */
static bool dmb_taken(unsigned long pfn, unsigned int migratetype)
{
	return is_migrate_cma(migratetype) ? dmb_owned(pfn) : dmb_claimed(pfn);
}

/* Their names, for the counters, and what the log and traces say of the page frame */
static const struct {
	const char *name;
	const char *text;
} dmb_obstacle_words[DMB_NR_OBSTACLES] = {
	[DMB_OFFLINE] = { "offline",
		"in a range that is not all online any more" },
	[DMB_ISOLATED] = { "isolated",
		"in a pageblock that somebody else has isolated" },
	[DMB_FREE_BY_NOW] = { "free_by_now",
		"free by now" },
	[DMB_NO_ROOM] = { "no_room",
		"in use, and there is no room for it elsewhere" },
	[DMB_GIVEN_UP] = { "given_up",
		"in use, and nobody waits for it any more" },
	[DMB_OWNED] = { "owned",
		"claimed by an owner" },
	[DMB_POISONED] = { "poisoned",
		"poisoned" },
	[DMB_UNPLUGGED] = { "unplugged",
		"offline, as what virtio-mem has unplugged" },
	[DMB_PER_CPU] = { "per_cpu",
		"free, but in a per-cpu list" },
	[DMB_HUGETLB] = { "hugetlb",
		"a hugetlb page that there is no room for elsewhere" },
	[DMB_WRITEBACK] = { "writeback",
		"under writeback" },
	[DMB_PINNED] = { "pinned",
		"pinned, as for direct I/O" },
	[DMB_CACHE_HELD] = { "cache_held",
		"in use, page cache that its file system holds, or as splice() does" },
	[DMB_ANON_HELD] = { "anon_held",
		"in use, anonymous memory that is held as vmsplice() does" },
	[DMB_OFF_LIST] = { "off_list",
		"isolated from its list by somebody else" },
};

static atomic_long_t dmb_obstacles[DMB_NR_OBSTACLES];

/**
 * dmb_show_obstacles - write how many attempts have failed because of what
 * @seq: where to
 *
 * Attempts that are quick do not count: another one comes after most of them.
 */
void dmb_show_obstacles(struct seq_file *seq)
{
	unsigned int i;

	for (i = 0; i < DMB_NR_OBSTACLES; i++)
		seq_printf(seq, "%s %ld\n", dmb_obstacle_words[i].name,
			   atomic_long_read(&dmb_obstacles[i]));
}

/* What a balloon has can move. What is offline for other reasons stays. */
static bool dmb_unplugged(struct page *page)
{
	return PageOffline(page) && !__PageMovable(page);
}

/* A guess, since the page is somebody else's, and nothing holds it. */
static enum dmb_obstacle dmb_what_is_busy(struct page *page, unsigned int migratetype)
{
	struct folio *folio = page_folio(page);

	if (dmb_taken(page_to_pfn(page), migratetype))
		return DMB_OWNED;
	if (PageHWPoison(page))
		return DMB_POISONED;
	if (dmb_unplugged(page))
		return DMB_UNPLUGGED;
	if (!page_count(page))
		return DMB_PER_CPU;
	if (folio_test_hugetlb(folio))
		return DMB_HUGETLB;
	if (folio_test_writeback(folio))
		return DMB_WRITEBACK;
	if (folio_maybe_dma_pinned(folio))
		return DMB_PINNED;
	if (!folio_test_lru(folio) && !__folio_test_movable(folio))
		return DMB_OFF_LIST;
	return folio_test_anon(folio) ? DMB_ANON_HELD : DMB_CACHE_HELD;
}

/* Says what was in the way, in the log only if an owner is told that it failed. */
static void dmb_contig_failed(struct dmb_attempt *attempt, unsigned long start_pfn,
			      unsigned long end_pfn, unsigned long pfn,
			      enum dmb_obstacle obstacle, int err)
{
	const char *reason = dmb_obstacle_words[obstacle].text;

	trace_dmb_contig_failed(start_pfn, end_pfn, pfn, reason, err);
	if (!attempt || !attempt->quick)
		atomic_long_inc(&dmb_obstacles[obstacle]);
	if (attempt && pfn < end_pfn)
		attempt->busy_pfn = pfn;
	if (attempt)
		attempt->poisoned = obstacle == DMB_POISONED;
	if (attempt && !(attempt->gfp & __GFP_NOWARN))
		pr_info_ratelimited("dmb: cannot empty " DMB_RANGE_FMT
				    ": page frame %#lx is %s (%s)\n",
				    dmb_first_byte(start_pfn), dmb_last_byte(end_pfn),
				    pfn, reason, dmb_obstacle_words[obstacle].name);
}

static void dmb_find_obstacle(struct dmb_attempt *attempt, unsigned long start_pfn,
			      unsigned long end_pfn, unsigned int migratetype, int err)
{
	const bool online = dmb_online(start_pfn, end_pfn);
	unsigned long pfn = start_pfn;
	enum dmb_obstacle obstacle;

	/* What was put back a moment ago, in vain, looks isolated otherwise. */
	lru_add_drain();
	if (online)
		pfn = dmb_first_busy(start_pfn, end_pfn);
	if (!online)
		obstacle = DMB_OFFLINE;
	else if (pfn >= end_pfn)
		obstacle = DMB_FREE_BY_NOW;
	else if (err == -ENOMEM)
		obstacle = DMB_NO_ROOM;
	else if (err == -EINTR)
		obstacle = DMB_GIVEN_UP;
	else
		obstacle = dmb_what_is_busy(pfn_to_page(pfn), migratetype);
	dmb_contig_failed(attempt, start_pfn, end_pfn, pfn, obstacle, err);
}

/*
 * Writes what keeps a file system from letting go of a folio. That is done once for each
 * folio that is in the way, so it does not count as a round: there may be many files.
 */
static bool dmb_write_in_the_way(struct dmb_attempt *attempt, unsigned long start_pfn,
				 unsigned long end_pfn)
{
	struct folio *folio;
	unsigned long pfn;
	bool private;

	if (!attempt || !gfp_has_io_fs(current_gfp_context(attempt->gfp)))
		return false;
	pfn = dmb_first_busy(start_pfn, end_pfn);
	if (pfn >= end_pfn || pfn < attempt->written_pfn)
		return false;
	folio = page_folio(pfn_to_page(pfn));
	if (!folio_try_get(folio))
		return false;
	/* It may have become another one's page before there was a reference. */
	private = page_folio(pfn_to_page(pfn)) == folio && folio_test_private(folio);
	if (private) {
		attempt->written_pfn = pfn + 1;
		dmb_write_back(folio, DMB_WRITE_BYTES);
		folio_wait_writeback_killable(folio);
	}
	folio_put(folio);
	return private;
}

/* Does it make sense to wait for what is in the way, and to try again? */
static bool dmb_worth_a_round(struct dmb_attempt *attempt, unsigned long start_pfn,
			      unsigned long end_pfn, unsigned int migratetype,
			      int err, unsigned int round)
{
	unsigned long pfn;

	if ((err != -EBUSY && err != -ENOMEM) || round == DMB_CONTIG_ROUNDS ||
	    (attempt && attempt->quick &&
	     round == (err == -ENOMEM ? 1 : DMB_QUICK_ROUNDS)) ||
	    dmb_attempt_over(attempt) ||
	    !dmb_online(start_pfn, end_pfn))
		return false;
	pfn = dmb_first_busy(start_pfn, end_pfn);
	if (pfn < end_pfn && (PageHWPoison(pfn_to_page(pfn)) ||
			      dmb_unplugged(pfn_to_page(pfn))))
		return false;
	if (pfn < end_pfn && dmb_taken(pfn, migratetype))
		return false;
	return true;
}

/**
 * __dmb_contig_retry - does it make sense to try again to empty a range?
 * @start_pfn: first page frame, in a block
 * @end_pfn: one past the last page frame
 * @migratetype: what alloc_contig_range() was given, MIGRATE_CMA for CMA
 * @err: why it has failed
 * @round: how often this was asked for before, to begin with 0
 *
 * Other CPUs go on to allocate and to free all the while. One that had looked at
 * the type of a pageblock before it was isolated may still put a page on its own
 * list; it cannot do so twice.
 *
 * Context: Process context, the range isolated; sleeps up to 512 ms, or, as far as the
 * flags of the attempt let it, until some data are written to a device.
 * Return: false if the time is up, or what is in the way will stay. What that is
 * has been reported.
 */
bool __dmb_contig_retry(unsigned long start_pfn, unsigned long end_pfn,
			unsigned int migratetype, int err, unsigned int *round)
{
	struct dmb_attempt *attempt = dmb_current_attempt();

	if (attempt)
		attempt->isolated = true;
	if (dmb_worth_a_round(attempt, start_pfn, end_pfn, migratetype, err,
			      *round)) {
		if (*round < DMB_WRITE_ROUND ||
		    !dmb_write_in_the_way(attempt, start_pfn, end_pfn)) {
			if (*round)
				dmb_pause(attempt, 1 << (*round - 1));
			(*round)++;
		}
		/* It may have gone offline meanwhile. */
		if (dmb_online(start_pfn, end_pfn)) {
			__dmb_drain_range(page_zone(pfn_to_page(start_pfn)));
			return true;
		}
	}
	dmb_find_obstacle(attempt, start_pfn, end_pfn, migratetype, err);
	return false;
}

/**
 * dmb_take - empty a range in a block and take its pages
 * @attempt: the range, and how hard to try
 *
 * Context: Process context, may sleep, and do I/O as the flags have it.
 * Return: 0 if each page of the range is the caller's, with one reference; -EBUSY
 * if pages did not move in time or, in an attempt that is quick, another one has
 * its pageblocks; -EHWPOISON if a page is broken; -ENOMEM, -EINTR, -ETIMEDOUT or
 * -ECANCELED.
 */
int dmb_take(struct dmb_attempt *attempt)
{
	unsigned int round;
	int err;

	attempt->task = current;
	attempt->isolated = false;
	attempt->poisoned = false;
	attempt->waits = 0;
	attempt->written_pfn = 0;
	err = dmb_wait_for_neighbours(attempt);
	if (err)
		return err;

	for (round = 0; round < DMB_CONTIG_ROUNDS; round++) {
		err = alloc_contig_range(attempt->start_pfn, attempt->end_pfn,
					 attempt->migratetype, attempt->gfp);
		/* Somebody who is not in the list has isolated a pageblock. */
		if (err != -EBUSY || attempt->isolated || attempt->quick ||
		    dmb_attempt_over(attempt))
			break;
		dmb_pause(attempt, 1 << round);
	}
	if (err && !attempt->isolated)
		dmb_contig_failed(attempt, attempt->start_pfn, attempt->end_pfn,
				  attempt->start_pfn, DMB_ISOLATED, err);
	dmb_end_attempt(attempt);
	/* Too many pages are isolated elsewhere. */
	if (err == -EAGAIN)
		err = -EBUSY;
	if (err && attempt->poisoned)
		return -EHWPOISON;
	return err ? dmb_attempt_over(attempt) ?: err : 0;
}

/**
 * dmb_free_range - free the pages of a range one by one
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 *
 * Context: Process context; the pages are the caller's, who has all references.
 */
void dmb_free_range(unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned long pfn, next;

	for (pfn = start_pfn; pfn < end_pfn; pfn = next) {
		next = min(pageblock_end_pfn(pfn), end_pfn);
		free_contig_range(pfn, next - pfn);
		cond_resched();
	}
}
