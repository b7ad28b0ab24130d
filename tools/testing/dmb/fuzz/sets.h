/* SPDX-License-Identifier: GPL-2.0 */
/* Sets of numbers as ranges, for models: simple, and unlike memblock */

/* libFuzzer shall look for new ways through the kernel's sources, not through these. */
#pragma clang attribute push(__attribute__((no_sanitize("coverage"))), apply_to = function)

#define MAX_SPANS	1024

struct span {
	u64 start;
	u64 end;	/* not in the set */
};

struct set {
	unsigned int nr;
	struct span span[MAX_SPANS];	/* by number; they do not touch */
};

static void set_remove(struct set *set, u64 start, u64 end)
{
	unsigned int i, kept;

	for (i = 0; i < set->nr && set->span[i].end <= start; i++)
		;
	if (i == set->nr || set->span[i].start >= end || start >= end)
		return;
	if (set->span[i].start < start && end < set->span[i].end) {
		assert(set->nr < MAX_SPANS);
		memmove(&set->span[i + 1], &set->span[i], (set->nr++ - i) * sizeof(set->span[0]));
		set->span[i].end = start;
		set->span[i + 1].start = end;
		return;
	}
	if (set->span[i].start < start)
		set->span[i++].end = start;
	for (kept = i; kept < set->nr && set->span[kept].end <= end; kept++)
		;
	if (kept < set->nr && set->span[kept].start < end)
		set->span[kept].start = end;
	memmove(&set->span[i], &set->span[kept], (set->nr - kept) * sizeof(set->span[0]));
	set->nr -= kept - i;
}

static void set_add(struct set *set, u64 start, u64 end)
{
	unsigned int i, at = 0;

	if (start >= end)
		return;
	if (!set->nr || set->span[set->nr - 1].end < start) {
		assert(set->nr < MAX_SPANS);
		set->span[set->nr++] = (struct span) { start, end };
		return;
	}
	/* What overlaps or touches becomes a part of it. */
	for (i = 0; i < set->nr; i++) {
		struct span r = set->span[i];

		if (r.start <= end && start <= r.end) {
			start = min(start, r.start);
			end = max(end, r.end);
		} else {
			set->span[at++] = r;
		}
	}
	set->nr = at;
	for (i = set->nr++; i && set->span[i - 1].start > start; i--)
		set->span[i] = set->span[i - 1];
	set->span[i] = (struct span) { start, end };
	assert(set->nr <= MAX_SPANS);
}

static void set_remove_all(struct set *set, const struct set *others)
{
	unsigned int i;

	for (i = 0; i < others->nr; i++)
		set_remove(set, others->span[i].start, others->span[i].end);
}

/* Leave what is between. */
static void set_clip(struct set *set, u64 start, u64 end)
{
	set_remove(set, 0, start);
	set_remove(set, end, U64_MAX);
}

static void set_copy(struct set *to, const struct set *from)
{
	to->nr = from->nr;
	memcpy(to->span, from->span, from->nr * sizeof(from->span[0]));
}

static bool set_has(const struct set *set, u64 start, u64 end)
{
	unsigned int i;

	for (i = 0; i < set->nr; i++)
		if (set->span[i].start <= start && end <= set->span[i].end)
			return true;
	return false;
}

static bool set_overlaps(const struct set *set, u64 start, u64 end)
{
	unsigned int i;

	for (i = 0; i < set->nr; i++)
		if (set->span[i].start < end && start < set->span[i].end)
			return true;
	return false;
}

static u64 set_size(const struct set *set)
{
	unsigned int i;
	u64 size = 0;

	for (i = 0; i < set->nr; i++)
		size += set->span[i].end - set->span[i].start;
	return size;
}

/* Is there room for so much, at a multiple of @align? */
static bool set_has_room(const struct set *set, u64 size, u64 align)
{
	unsigned int i;

	for (i = 0; i < set->nr; i++) {
		u64 start = roundup(set->span[i].start, align);

		if (start + size <= set->span[i].end)
			return true;
	}
	return false;
}

#pragma clang attribute pop
