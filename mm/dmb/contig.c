// SPDX-License-Identifier: GPL-2.0
/*
 * How dmb_claim() and cma_alloc() empty a range in a block, and what
 * alloc_contig_range() does for such a range only. A designated page can always
 * go away sooner or later, so the attempt waits for it, within bounds. Pages
 * that have no room elsewhere are reclaimed. Other memory is reclaimed only to
 * make room for pages of the range that cannot be reclaimed themselves.
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
 * each later round there is a pause, of 1 ms and then twice as long each time:
 * 1.02 s in all. That outlasts most operations that hold a reference to a page:
 * direct I/O, a read, writeback, reclaim.
 */
#define DMB_CONTIG_ROUNDS	11
#define DMB_CONTIG_TIME		HZ

/* A search ends after so many failures in a row if its attempts may wait. */
#define DMB_MAX_FAILURES	4

/* If they are quick, it does not end before so many failures. */
#define DMB_MAX_QUICK_FAILURES	16

/* Two quick attempts may collide if a free page spans their pageblocks. */
#define DMB_QUICK_ROUNDS	3

/* Wait for writeback at most this often in a row if it gains no room. */
#define DMB_MAX_WAITS		4

/*
 * If data of a file system are still in the way in this round, they may be part
 * of a transaction that is not committed soon. Write them then, with the
 * data around them, so that the next page does not need another commit.
 */
#define DMB_WRITE_ROUND		4
#define DMB_WRITE_BYTES		SZ_16M

/*
 * Wait this long for the device, or the server, that reads or writes the data
 * of one page. Look every few milliseconds whether it has.
 */
#define DMB_IO_TIME		(30 * HZ)
#define DMB_IO_PAUSE_MS		8

/* Memory that is to go offline waits this long for attempts to end. */
#define DMB_OFFLINE_TIME	(5 * HZ)

/*
 * Attempts in the order in which they began. Of the attempts that need parts of
 * the same pageblock, the first one is under way, and the others wait for it.
 */
static LIST_HEAD(dmb_attempts);
static DEFINE_SPINLOCK(dmb_attempts_lock);
static DECLARE_WAIT_QUEUE_HEAD(dmb_attempts_wait);

static struct dmb_attempt *dmb_attempt_of_task(void)
{
	struct dmb_attempt *attempt;

	lockdep_assert_held(&dmb_attempts_lock);
	/* Writeback in an attempt may make another one, which counts. */
	list_for_each_entry_reverse(attempt, &dmb_attempts, node)
		if (attempt->task == current)
			return attempt;
	return NULL;
}

/* The attempt that this task makes, NULL if there is none */
struct dmb_attempt *dmb_current_attempt(void)
{
	/* Only the task itself removes it. */
	guard(spinlock)(&dmb_attempts_lock);
	return dmb_attempt_of_task();
}

/* Return an error if the attempt has to end, whatever is in the way. */
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

/* The first attempt in the list that needs any pageblock of this range */
static struct dmb_attempt *dmb_first_attempt_in(unsigned long start_pfn,
						unsigned long end_pfn)
{
	unsigned long first = pageblock_start_pfn(start_pfn);
	unsigned long end = pageblock_align(end_pfn);
	struct dmb_attempt *attempt;

	lockdep_assert_held(&dmb_attempts_lock);
	list_for_each_entry(attempt, &dmb_attempts, node)
		if (pageblock_start_pfn(attempt->start_pfn) < end &&
		    first < pageblock_align(attempt->end_pfn))
			return attempt;
	return NULL;
}

/* The first attempt in the list that has a pageblock in common with this one */
static struct dmb_attempt *dmb_first_neighbour(const struct dmb_attempt *attempt)
{
	return dmb_first_attempt_in(attempt->start_pfn, attempt->end_pfn);
}

/* Add an attempt to the list, unless it would have to wait but must not. */
static int dmb_queue_attempt(struct dmb_attempt *attempt)
{
	struct dmb_attempt *other;

	guard(spinlock)(&dmb_attempts_lock);
	other = dmb_first_neighbour(attempt);
	/* Whoever waits within an attempt may be waited for. */
	if (other && (attempt->quick || dmb_attempt_of_task()))
		return -EBUSY;
	list_add_tail(&attempt->node, &dmb_attempts);
	return 0;
}

static bool dmb_attempt_is_first(const struct dmb_attempt *attempt)
{
	guard(spinlock)(&dmb_attempts_lock);
	return dmb_first_neighbour(attempt) == attempt;
}

/* Let waiting attempts check dmb_attempt_over(), and whether they are first. */
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

static bool dmb_nobody_empties(unsigned long start_pfn, unsigned long end_pfn)
{
	guard(spinlock)(&dmb_attempts_lock);
	return !dmb_first_attempt_in(start_pfn, end_pfn);
}

/**
 * __dmb_wait_for_attempts - wait until nobody is emptying a part of a range
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 *
 * This gives up after some seconds, or after a signal.
 *
 * Context: Process context, may sleep.
 */
void __dmb_wait_for_attempts(unsigned long start_pfn, unsigned long end_pfn)
{
	wait_event_interruptible_timeout(dmb_attempts_wait,
					 dmb_nobody_empties(start_pfn, end_pfn),
					 DMB_OFFLINE_TIME);
}

static long dmb_jiffies_left(const struct dmb_attempt *attempt, long most)
{
	if (!attempt || !attempt->deadline)
		return most;
	return clamp((long)(attempt->deadline - jiffies), 0L, most);
}

/*
 * Wait for earlier attempts that need some of the same pageblocks, which may
 * wait for writeback themselves. A task that must not do I/O, or enter file
 * systems, may hold what that writeback needs, so it waits a second at most.
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

/* Sleep for so many milliseconds, or until the attempt is over. */
static void dmb_pause(const struct dmb_attempt *attempt, unsigned int ms)
{
	if (ms < 4 * MSEC_PER_SEC / HZ)
		fsleep(ms * USEC_PER_MSEC);
	else
		wait_event_killable_timeout(dmb_attempts_wait,
					    dmb_attempt_over(attempt),
					    dmb_jiffies_left(attempt,
							     msecs_to_jiffies(ms)));
}

/* Should alloc_contig_range() give up, as the attempt of this task is over? */
bool __dmb_contig_stop(void)
{
	return dmb_attempt_over(dmb_current_attempt());
}

/* Is all of a range online? Only then may its struct pages be looked at. */
bool dmb_online(unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned long pfn;

	for (pfn = start_pfn; pfn < end_pfn; pfn = pageblock_end_pfn(pfn))
		if (!pfn_to_online_page(pfn))
			return false;
	return true;
}

/* Keep a file system mounted. A reference to an inode does not. */
static bool dmb_keep_mounted(struct super_block *sb)
{
	if (!down_read_trylock(&sb->s_umount))
		return false;
	if (sb->s_root && sb->s_flags & SB_BORN && !(sb->s_flags & SB_DYING))
		return true;
	up_read(&sb->s_umount);
	return false;
}

/* Wait for writeback until the attempt is over, but not for too long. */
static void dmb_wait_writeback(const struct dmb_attempt *attempt,
			       struct folio *folio)
{
	unsigned long end = jiffies + DMB_IO_TIME;

	if (!attempt)
		folio_wait_writeback_killable(folio);
	while (attempt && attempt->waits < DMB_MAX_WAITS &&
	       folio_test_writeback(folio) && !dmb_attempt_over(attempt) &&
	       time_before(jiffies, end))
		dmb_pause(attempt, DMB_IO_PAUSE_MS);
}

/*
 * Start writeback of a folio of page cache and of the data around it in the
 * file: @bytes in all, a power of two. If a transaction of the journal has
 * them, the file system commits it first.
 */
static void dmb_write_back(struct folio *folio, size_t bytes)
{
	struct address_space *mapping;
	struct super_block *sb = NULL;
	struct inode *inode = NULL;
	loff_t first;

	if (!folio_trylock(folio))
		return;
	mapping = folio_mapping(folio);
	if (mapping && !folio_test_swapbacked(folio) &&
	    dmb_keep_mounted(mapping->host->i_sb)) {
		sb = mapping->host->i_sb;
		inode = igrab(mapping->host);
	}
	first = round_down(folio_pos(folio), bytes);
	folio_unlock(folio);

	if (inode) {
		filemap_fdatawrite_range(inode->i_mapping, first,
					 first + bytes - 1);
		iput(inode);
	}
	if (sb)
		up_read(&sb->s_umount);
}

/*
 * Migrate folios that cannot be reclaimed, with targets for which other memory
 * may be reclaimed. Folios that did not move stay on the list. Return true if
 * any has moved.
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
		      dmb_current_attempt() ? MIGRATE_ASYNC : MIGRATE_SYNC,
		      MR_CONTIG_RANGE, &moved);
	return moved;
}

/* Can this folio not be reclaimed, since there is no swap space for it? */
static bool dmb_unswappable(struct folio *folio)
{
	return folio_test_swapbacked(folio) && !folio_test_swapcache(folio) &&
	       mem_cgroup_get_nr_swap_pages(folio_memcg(folio)) <= 0;
}

/* Can reclaim free this folio? If not, it has to be migrated. */
static bool dmb_reclaimable(struct folio *folio)
{
	return !folio_test_hugetlb(folio) && !__folio_test_movable(folio) &&
	       !folio_test_unevictable(folio) && !dmb_unswappable(folio);
}

/*
 * Wait for the writeback that reclaim has begun, so that the next try finds
 * clean folios. The caller has no references, as these would have kept reclaim
 * from writing the folios, so some may be freed by now. Return true if any was
 * under writeback.
 */
static bool dmb_wait_for_writeback(const struct dmb_attempt *attempt,
				   const unsigned long *pfns, unsigned int nr)
{
	bool waited = false;

	while (nr--) {
		struct folio *folio = page_folio(pfn_to_page(pfns[nr]));

		if (!folio_test_writeback(folio) || !folio_try_get(folio))
			continue;
		if (folio_test_writeback(folio)) {
			dmb_wait_writeback(attempt, folio);
			waited = true;
		}
		folio_put(folio);
	}
	return waited;
}

/**
 * __dmb_reclaim_isolated - reclaim folios that there is no room for elsewhere
 * @folios: isolated folios; reclaimable ones leave the list, and go back to the
 *	    LRU if reclaim did not free them; others leave it if they moved to
 *	    room that was made for them
 * @gfp: the flags of the request that needs their pages
 *
 * Context: Process context, may sleep and do I/O as far as @gfp lets it.
 * Return: true if another try to migrate the range may succeed.
 */
bool __dmb_reclaim_isolated(struct list_head *folios, gfp_t gfp)
{
	struct dmb_attempt *attempt = dmb_current_attempt();
	unsigned long pfns[COMPACT_CLUSTER_MAX];
	struct folio *folio, *next;
	LIST_HEAD(reclaimable);
	unsigned int nr = 0;
	bool progress, waited;

	/* Reclaim may write, which filesystems may not allow here. */
	if (!gfp_has_io_fs(gfp) || !gfpflags_allow_blocking(gfp))
		return false;

	/*
	 * Swap and its device need memory to write these folios. Let them have
	 * the free pages of per-cpu lists before they have to reclaim others.
	 */
	if (!attempt || !attempt->drained)
		drain_all_pages(NULL);
	if (attempt)
		attempt->drained = true;

	/* Start all writeback before waiting for the first folio. */
	list_for_each_entry(folio, folios, lru)
		if (dmb_reclaimable(folio) && folio_is_file_lru(folio) &&
		    folio_test_dirty(folio))
			dmb_write_back(folio, folio_size(folio));

	list_for_each_entry_safe(folio, next, folios, lru) {
		if (!dmb_reclaimable(folio))
			continue;
		if (folio_is_file_lru(folio))
			dmb_wait_writeback(attempt, folio);
		if (nr < ARRAY_SIZE(pfns))
			pfns[nr++] = folio_pfn(folio);
		list_move(&folio->lru, &reclaimable);
		/* reclaim_pages() expects folios not counted as isolated. */
		node_stat_mod_folio(folio, NR_ISOLATED_ANON +
				    folio_is_file_lru(folio),
				    -folio_nr_pages(folio));
	}
	progress = reclaim_pages(&reclaimable);
	waited = dmb_wait_for_writeback(attempt, pfns, nr);
	progress |= dmb_migrate_for_room(folios, gfp);
	/* A folio may be dirty again, or writing it may have failed. */
	if (attempt && progress)
		attempt->waits = 0;
	else if (attempt && waited)
		waited = attempt->waits++ < DMB_MAX_WAITS;
	return progress || (attempt && waited);
}

/**
 * __dmb_contig_first - where to begin to empty a range
 * @pfn: first page frame of the range, in a block
 *
 * Context: Process context, the range isolated.
 * Return: the first page frame of the folio that contains @pfn, since it moves
 * as a whole; or @pfn if the folio begins in another pageblock.
 */
unsigned long __dmb_contig_first(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	unsigned long first;

	if (!page)
		return pfn;
	/* There is no reference. At worst, another folio moves needlessly. */
	first = page_to_pfn(compound_head(page));
	return first >= pageblock_start_pfn(pfn) ? first : pfn;
}

/* The end of the free page that contains @pfn, or @pfn if it is not free */
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

/* The first page frame of an isolated range that is not in a free page */
static unsigned long dmb_first_busy(unsigned long start_pfn,
				    unsigned long end_pfn)
{
	unsigned long pfn = start_pfn, next;

	while (pfn < end_pfn && (next = dmb_free_end(pfn)) > pfn)
		pfn = next;
	return pfn;
}

/*
 * Has a claim or CMA taken this page for good? In an attempt of CMA, the bitmap
 * of the area does not tell: cma_alloc() has already marked its range there.
 */
static bool dmb_taken(unsigned long pfn, unsigned int migratetype)
{
	return is_migrate_cma(migratetype) ? dmb_owned(pfn) : dmb_claimed(pfn);
}

/* The names of obstacles, for the counters, and the texts for log and traces */
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
 * dmb_show_obstacles - write how many attempts each kind of obstacle made fail
 * @seq: the file to write to
 *
 * Quick attempts do not count, as most are followed by one that is not quick.
 */
void dmb_show_obstacles(struct seq_file *seq)
{
	unsigned int i;

	for (i = 0; i < DMB_NR_OBSTACLES; i++)
		seq_printf(seq, "%s %ld\n", dmb_obstacle_words[i].name,
			   atomic_long_read(&dmb_obstacles[i]));
}

/* Is this page logically offline for good? A balloon's pages can move. */
static bool dmb_unplugged(struct page *page)
{
	return PageOffline(page) && !__PageMovable(page);
}

/* A guess: without a reference, the page may change at any time. */
static enum dmb_obstacle dmb_what_is_busy(struct page *page,
					  unsigned int migratetype)
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

/* Report what was in the way. __GFP_NOWARN keeps it out of the log. */
static void dmb_contig_failed(struct dmb_attempt *attempt,
			      unsigned long start_pfn,
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
				    dmb_first_byte(start_pfn),
				    dmb_last_byte(end_pfn), pfn, reason,
				    dmb_obstacle_words[obstacle].name);
}

static void dmb_find_obstacle(struct dmb_attempt *attempt,
			      unsigned long start_pfn, unsigned long end_pfn,
			      unsigned int migratetype, int err)
{
	const bool online = dmb_online(start_pfn, end_pfn);
	unsigned long pfn = start_pfn;
	enum dmb_obstacle obstacle;

	/* Folios that did not move look isolated until they are on the LRU. */
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
 * Wait if the page in the way is under writeback, or locked, which it is while
 * its data are read. Return true if so. Many pages may be read and written, so
 * this does not count as a round. A task that must not do I/O, or enter file
 * systems, may hold what this waits for.
 */
static bool dmb_wait_for_io(struct dmb_attempt *attempt,
			    unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned long pfn;
	struct folio *folio;
	bool io;

	if (!attempt || attempt->quick ||
	    !gfp_has_io_fs(current_gfp_context(attempt->gfp)))
		return false;
	pfn = dmb_first_busy(start_pfn, end_pfn);
	if (pfn >= end_pfn)
		return false;
	folio = page_folio(pfn_to_page(pfn));
	if (!folio_try_get(folio))
		return false;
	/* NFS migrates no folio with PG_private_2 in mode MIGRATE_ASYNC. */
	io = folio_test_writeback(folio) || folio_test_locked(folio) ||
	     folio_test_private_2(folio);
	folio_put(folio);
	if (!io)
		return false;

	if (attempt->io_pfn != pfn) {
		attempt->io_pfn = pfn;
		attempt->io_end = jiffies + DMB_IO_TIME;
	}
	if (time_after_eq(jiffies, attempt->io_end))
		return false;
	dmb_pause(attempt, DMB_IO_PAUSE_MS);
	return true;
}

/* Does a file system have to write this locked folio before it can migrate? */
static bool dmb_stays_dirty(struct folio *folio)
{
	struct address_space *mapping = folio_mapping(folio);

	return mapping && !folio_test_swapbacked(folio) &&
	       folio_test_dirty(folio) && !mapping->a_ops->migrate_folio;
}

/*
 * Write the folio in the way if its file system holds private data of it, or
 * cannot migrate it while it is dirty. Return true if so. This happens once for
 * each folio, and there may be many files, so it does not count as a round.
 */
static bool dmb_write_in_the_way(struct dmb_attempt *attempt,
				 unsigned long start_pfn, unsigned long end_pfn)
{
	struct folio *folio;
	unsigned long pfn;
	bool write;

	if (!attempt || !gfp_has_io_fs(current_gfp_context(attempt->gfp)))
		return false;
	pfn = dmb_first_busy(start_pfn, end_pfn);
	if (pfn >= end_pfn || pfn < attempt->written_pfn)
		return false;
	folio = page_folio(pfn_to_page(pfn));
	if (!folio_try_get(folio))
		return false;
	/* Before there was a reference, the page may have left the folio. */
	write = page_folio(pfn_to_page(pfn)) == folio &&
		!folio_test_writeback(folio) && folio_trylock(folio);
	if (write) {
		write = folio_test_private(folio) || dmb_stays_dirty(folio);
		folio_unlock(folio);
	}
	if (write) {
		attempt->written_pfn = pfn + 1;
		dmb_write_back(folio, DMB_WRITE_BYTES);
	}
	folio_put(folio);
	return write;
}

/* Can another round succeed, after a pause, and does the attempt allow one? */
static bool dmb_worth_a_round(struct dmb_attempt *attempt,
			      unsigned long start_pfn, unsigned long end_pfn,
			      unsigned int migratetype,
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
 * __dmb_contig_retry - should alloc_contig_range() try a range again?
 * @start_pfn: first page frame, in a block
 * @end_pfn: one past the last page frame
 * @migratetype: as for alloc_contig_range(), MIGRATE_CMA for CMA
 * @err: the error that it has met
 * @round: number of rounds so far, 0 at first; counted here
 *
 * Other CPUs go on to allocate and to free. A CPU that has read the type of a
 * pageblock before it was isolated may still put a page on its per-cpu list,
 * but only once.
 *
 * Context: Process context, the range isolated; sleeps up to 512 ms, or, if the
 * flags of the attempt allow I/O, until some data are written to a device.
 * Return: false if the time is up, or if the obstacle will stay. Then the
 * obstacle has been reported.
 */
bool __dmb_contig_retry(unsigned long start_pfn, unsigned long end_pfn,
			unsigned int migratetype, int err, unsigned int *round)
{
	struct dmb_attempt *attempt = dmb_current_attempt();

	if (attempt)
		attempt->isolated = true;
	if (dmb_worth_a_round(attempt, start_pfn, end_pfn, migratetype, err,
			      *round)) {
		if (!dmb_wait_for_io(attempt, start_pfn, end_pfn) &&
		    (*round < DMB_WRITE_ROUND ||
		     !dmb_write_in_the_way(attempt, start_pfn, end_pfn))) {
			if (*round)
				dmb_pause(attempt, 1 << (*round - 1));
			(*round)++;
		}
		/* The range may have gone offline during the pause. */
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
 * Context: Process context, may sleep, and do I/O if the flags allow it.
 * Return: 0 if all pages of the range belong to the caller, each with one
 * reference; -EBUSY if pages did not move in time or, for a quick attempt,
 * another one has its pageblocks; -EHWPOISON if a page is poisoned; -ENOMEM,
 * -EINTR, -ETIMEDOUT or -ECANCELED.
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
	attempt->io_pfn = DMB_NO_PFN;
	err = dmb_wait_for_neighbours(attempt);
	if (err)
		return err;

	for (round = 0; ; round++) {
		err = alloc_contig_range(attempt->start_pfn, attempt->end_pfn,
					 attempt->migratetype, attempt->gfp);
		/* Wait if memory hotplug or the like isolated a pageblock. */
		if (err != -EBUSY || attempt->isolated || attempt->quick ||
		    dmb_attempt_over(attempt) ||
		    round + 1 == DMB_CONTIG_ROUNDS)
			break;
		dmb_pause(attempt, 1 << round);
	}
	if (err && !attempt->isolated)
		dmb_contig_failed(attempt, attempt->start_pfn, attempt->end_pfn,
				  attempt->start_pfn, DMB_ISOLATED, err);
	dmb_end_attempt(attempt);
	/* isolate_migratepages_range() met too many isolated pages. */
	if (err == -EAGAIN)
		err = -EBUSY;
	if (err && attempt->poisoned)
		return -EHWPOISON;
	return err ? dmb_attempt_over(attempt) ?: err : 0;
}

/**
 * dmb_take_ordinary - allocate a range of ordinary memory, to become a block
 * @attempt: the range, and the flags
 *
 * This tries once. It does not wait for pages whose data are read or written.
 *
 * Context: Process context, may sleep.
 * Return: 0, or an error of alloc_contig_range().
 */
int dmb_take_ordinary(struct dmb_attempt *attempt)
{
	int err;

	attempt->task = current;
	scoped_guard(spinlock, &dmb_attempts_lock)
		list_add_tail(&attempt->node, &dmb_attempts);
	err = alloc_contig_range(attempt->start_pfn, attempt->end_pfn,
				 attempt->migratetype, attempt->gfp);
	dmb_end_attempt(attempt);
	return err;
}

/*
 * Are data of any page in this range being read or written? A guess: there is
 * no reference, and functions for folios would check their state.
 */
static bool dmb_has_io(unsigned long start_pfn, unsigned long end_pfn)
{
	const unsigned long io = BIT(PG_locked) | BIT(PG_writeback);
	unsigned long pfn, flags;

	for (pfn = start_pfn; pfn < end_pfn; pfn++) {
		flags = READ_ONCE(compound_head(pfn_to_page(pfn))->flags);
		if ((flags & BIT(PG_lru)) && (flags & io))
			return true;
	}
	return false;
}

/**
 * dmb_wait_for_data - wait for data of pages that may have been in the way
 * @attempt: an attempt at ordinary memory that has failed
 *
 * If any of the pages is being read or written, this waits some milliseconds.
 * The pages are not isolated any more, so others may be in use by now.
 *
 * Context: Process context, may sleep.
 * Return: true if it is worth another try; false if no page is being read or
 * written, or after the deadline of the attempt.
 */
bool dmb_wait_for_data(struct dmb_attempt *attempt)
{
	if (dmb_attempt_over(attempt) ||
	    !dmb_has_io(attempt->start_pfn, attempt->end_pfn))
		return false;
	dmb_pause(attempt, DMB_IO_PAUSE_MS);
	return true;
}

/**
 * dmb_obstacle_end - where to look for another range after a failure
 * @attempt: what has failed; its @busy_pfn was in the way
 *
 * Return: the page frame behind the page that was in the way, or behind the
 * pageblock if somebody else empties that.
 */
unsigned long dmb_obstacle_end(const struct dmb_attempt *attempt)
{
	return attempt->isolated ? attempt->busy_pfn + 1 :
				   pageblock_end_pfn(attempt->busy_pfn);
}

/**
 * dmb_give_up - should a search for memory end?
 * @attempt: the kind of its attempts
 * @failures: how many of them in a row have failed
 * @err: the last error
 * @began: when the search began, in jiffies
 *
 * Attempts that may wait do so up to a second each. Quick ones take some ms, so
 * many of them may fail before a range is found whose pages nobody holds. But
 * if there is no room elsewhere, more of them do not help.
 */
bool dmb_give_up(const struct dmb_attempt *attempt, unsigned int failures,
		 int err, unsigned long began)
{
	if (!attempt->quick)
		return failures >= DMB_MAX_FAILURES;
	return failures >= DMB_MAX_QUICK_FAILURES &&
	       (err == -ENOMEM || time_after(jiffies, began + DMB_CONTIG_TIME));
}

/**
 * dmb_free_range - free the pages of a range one by one
 * @start_pfn: first page frame
 * @end_pfn: one past the last page frame
 *
 * Context: Process context. The caller holds the only reference to each page.
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
