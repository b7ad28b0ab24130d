# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # shared with who sources this
#
# The series as commits on the unpatched source.

nobody='unsigned <unsigned@localhost>'

# tgit ARG...: git in the tree, whatever the user's configuration is.
tgit()
{
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git -C "$tree" "$@"
}

# identity 'NAME <ADDRESS>' [DATE]: whose commits follow, and when.
identity()
{
	export GIT_AUTHOR_NAME=${1% <*} GIT_AUTHOR_EMAIL=${1##*<}
	GIT_AUTHOR_EMAIL=${GIT_AUTHOR_EMAIL%>}
	export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
	export GIT_AUTHOR_DATE=${2-} GIT_COMMITTER_DATE=${2-}
}

# What the tree was made from, or saved to. The comments of the list may change.
series_sum()
{
	{
		sed '/^#/d; /^$/d' "$series"
		{ steps; new_files | sed 's|^|../|'; } | (cd "$top/patches" && xargs cat)
	} | sha1sum
}

new_tree()
{
	local final=$tree tree=$tree.new

	rm -rf "$tree"
	git init -q -b dmb "$tree"
	# Not in the background, where it meets the mv below.
	tgit config gc.auto 0
	cp -a "$base/." "$tree"
	# Debian has git ignore whatever it packages; a new file must show.
	sed -i '/^# Debian packaging/,$d' "$tree/.gitignore"
	tgit -c core.looseCompression=0 add -fA .
	tgit commit -q -m "Linux ${name%%-*}"
	tgit tag base
	tgit update-ref refs/dmb/saved HEAD
	tgit config dmb.base "$base_id"
	rm -rf "$final"
	mv "$tree" "$final"
}

# Set $tree to the git tree of the unpatched source; make it when there is none,
# or when it is of another source.
open_tree()
{
	! has_series || die "$KERNEL_SRC has the series already"
	tree=$out/tree/$name
	[ "$(tgit config dmb.base 2>/dev/null)" != "$base_id" ] || return 0
	keep_unsaved
	identity "$nobody" "$epoch"
	step tree "making $tree" new_tree
}

# Stop when the tree has work in it that "make save" has not seen.
keep_unsaved()
{
	[ "$FORCE" != 1 ] && [ -e "$tree/.git" ] || return 0
	[ -z "$(tgit status --porcelain)" ] ||
		die "$tree has uncommitted changes; FORCE=1 drops them"
	[ "$(tgit rev-parse HEAD)" = "$(tgit rev-parse refs/dmb/saved)" ] ||
		die "$tree has commits that are not saved: make save, or FORCE=1 to drop them"
}

# commit_step TRAILER STEP: commit to $tip what is staged.
commit_step()
{
	local msg=$tmp/message tree_id

	{ changed "$2"; new_files "$2"; } |
		tgit --work-tree="$tmp/stage" update-index --add --remove --stdin
	tree_id=$(tgit write-tree)
	git mailinfo -b "$tmp/body" /dev/null <"$top/patches/$2" >"$tmp/header"
	{
		sed -n 's/^Subject: //p' "$tmp/header"
		echo
		cat "$tmp/body"
	} | git stripspace >"$msg"
	[ -z "$1" ] || git interpret-trailers --in-place --trailer "$1" "$msg"
	tip=$(tgit commit-tree -p "$tip" -F "$msg" "$tree_id")
}

# commit_series TRAILER: commit the series, and leave the last commit in $tip.
commit_series()
{
	export GIT_INDEX_FILE=$tmp/index
	tip=$(tgit rev-parse base)
	tgit read-tree base
	stage "$base" "$tmp/stage" commit_step "$1" < <(touched)
	unset GIT_INDEX_FILE
}
