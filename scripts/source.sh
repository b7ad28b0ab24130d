# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # shared with who sources this
#
# The patch series, and the kernel source it goes on.

# The folder that mirrors the kernel, with the series in patches/
home=$top
series=$home/patches/series
design=sticky
package=/usr/src/linux-source-6.12.tar.xz
advice=

# zone_design: all that follows is about the rival's series.
zone_design()
{
	home=$top/benchmarks/zone-design
	series=$home/patches/series
	design=zone
}

# own FILE: where a new file of the series is here. The rival shares some of ours.
own()
{
	[ ! -e "$home/$1" ] || { echo "$home/$1"; return; }
	echo "$top/$1"
}

# The steps' patch files, in order.
steps()
{
	sed -n '/^[^#[:space:]]/p' "$series"
}

# core_steps: how many steps the core has, or nothing when its end is not marked.
core_steps()
{
	awk '
		/^# core ends here$/ { print n + 0; exit }
		/^[^#[:space:]]/ { n++ }' "$series"
}

# fixes: how many steps come first that are of use to everybody, without the rest.
fixes()
{
	awk '
		/^# part: / { fixes = $0 == "# part: fixes for everybody" }
		/^[^#[:space:]]/ && fixes { n++ }
		END { print n + 0 }' "$series"
}

# part_ends: the last step of each part, if any part is marked.
part_ends()
{
	awk '
		/^# part: / { parts++; if (step != "") print step; step = "" }
		/^[^#[:space:]]/ { step = $1 }
		END { if (parts && step != "") print step }' "$series"
}

# new_files [STEP]: the new files that join at STEP, or all of them.
new_files()
{
	awk -v step="${1-}" '
		/^#/ || !NF { next }
		!/^\t/ { at = $1; next }
		step == "" || step == at { print $1 }' "$series"
}

# changed [STEP]: the files that the patch of STEP has a diff of, or those that
# any has: existing files, and new ones that joined at an earlier step.
changed()
{
	local step

	for step in ${1:-$(steps)}; do
		sed -n 's|^diff --git a/.* b/||p' "$home/patches/$step"
	done | sort -u
}

# touched [STEP]: the existing files among these.
touched()
{
	changed "${1-}" | comm -23 - <(new_files | sort)
}

# grown STEP: the new files among these.
grown()
{
	changed "$1" | comm -12 - <(new_files | sort)
}

# kernel_version DIR NAME: the version of the source in DIR, which the user knows as
# NAME
kernel_version()
{
	[ -f "$1/Makefile" ] || die "$2 is not a kernel source"
	awk -v OFS=. '
		/^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *=/ { v[$1] = $3 }
		END { print v["VERSION"], v["PATCHLEVEL"], v["SUBLEVEL"] v["EXTRAVERSION"] }' "$1/Makefile"
}

# check_version DIR NAME: sets $version
check_version()
{
	version=$(kernel_version "$1" "$2")
	case $version in
	6.12.*) ;;
	*) die "$2 is Linux $version; the patches are for 6.12" ;;
	esac
}

# unpack FROM DIR.  Files get today's date: those of another source that was
# built here before may be younger than this one's.
unpack()
{
	if [ ! -d "$1" ]; then
		tar -C "$2" --strip-components=1 -xmf "$1"
		return
	fi

	# kbuild wants a source that nothing was built in.
	if [ -e "$1/.git" ]; then
		git -C "$1" ls-files -z -co --exclude-standard
	else
		(cd "$1" && find . ! -type d -print0)
	fi | tar -C "$1" --ignore-failed-read --null -T - -c | tar -C "$2" -xm
}

# Set $base to the folder of the unpatched source, unpacked when it is not yet
# or has changed, $name to what folders that derive from it are called, and
# $base_id to what identifies its content.
pristine()
{
	lock source
	find_source
	flock -u "$lock"
}

find_source()
{
	local from new=$out/src/.new stamp version was=

	from=$(realpath -e "${KERNEL_SRC:-$package}" 2>/dev/null) ||
		die "${KERNEL_SRC:-$package} does not exist"
	if [ -d "$from" ]; then
		check_version "$from" "$KERNEL_SRC"
		[ -e "$from/.git" ] || [ ! -e "$from/.config" ] ||
			die "$from has a build in it: make mrproper there first"
		base_id=$(cd "$from" && find . -name .git -prune -o ! -type d \
			-printf '%p %s %T@\n' | sort | sha1sum)
	else
		base_id=$(stat -c '%n %s %Y' "$from" | sha1sum)
	fi
	base_id=${base_id%% *}

	stamp=$(sha1sum <<<"$from")
	stamp=${stamp:0:8}
	if [ -f "$out/src/$stamp" ]; then
		read -r was name <"$out/src/$stamp"
		base=$out/src/$name
		[ "$was" != "$base_id" ] || return 0
	fi

	rm -rf "$new"
	mkdir -p "$new"
	step source "unpacking $from" unpack "$from" "$new"
	check_version "$new" "$from"
	name=$version
	[ "$from" = "$package" ] || name=$version-$stamp
	base=$out/src/$name
	rm -rf "$out/src/$stamp" "$base"-{sticky,zone,steps}
	if [ -d "$base" ] && command -v rsync >/dev/null; then
		# Only what differs gets a new date, and is compiled again.
		step source "updating $base" rsync -rlpc --delete "$new/" "$base/"
		rm -rf "$new"
	else
		rm -rf "$base"
		mv "$new" "$base"
	fi
	echo "$base_id $name" >"$out/src/$stamp"
}

# put FROM DIR <FILES: make FILES in DIR what they are in FROM.  Never write into
# a file: it may be a hard link.
put()
{
	local file

	while read -r file; do
		if [ ! -e "$1/$file" ]; then
			rm -f "$2/$file"
		elif ! cmp -s "$1/$file" "$2/$file"; then
			mkdir -p "$(dirname "$2/$file")"
			cp --preserve=mode --remove-destination "$1/$file" "$2/$file"
		fi
	done
}

# put_patch DIR STEP [OPTION...] <FILES: apply in DIR what the patch of STEP does to
# FILES. A hunk may have moved, but its context has to be the same, as for git: patch
# would place it by two lines of three, where the third may matter. $advice is for the
# user if that fails.
put_patch()
{
	local dir=$1 step=$2 file

	shift 2
	cat >"$tmp/which"
	# patch takes nothing for garbage.
	[ -s "$tmp/which" ] || return 0
	while read -r file; do
		[ -e "$dir/$file" ] ||
			die "patch $step does not apply to $file: no such file$advice"
	done <"$tmp/which"
	awk 'NR == FNR { wanted["b/" $0]; next }
	     /^diff --git / { on = $4 in wanted }
	     on' "$tmp/which" "$home/patches/$step" >"$tmp/patch"
	rm -f "$tmp/rejected"
	patch -d "$dir" -p1 -f -F0 -r "$tmp/rejected" --no-backup-if-mismatch "$@" \
		<"$tmp/patch" >"$tmp/patch.log" || {
		file=$(awk '/^patching file / { file = $3 }
			/FAILED|ignored/ { print file; exit }' "$tmp/patch.log")
		die "patch $step does not apply to $file:
$(cat "$tmp/rejected" 2>/dev/null)$advice"
	}
}

# joining DIR: leave in DIR each new file as it is when it joins. What is here is
# its final form, so the diffs of the steps come off it, the last one first.
joining()
{
	local step

	for step in $(steps | tac); do
		(put_patch "$1" "$step" -R < <(grown "$step")) ||
			die "what this step brings of new files was edited here; do that in its commit of make tree"
	done
}

# stage SRC DIR [AFTER [ARG...]] <FILES: copy those of FILES that SRC has to DIR
# and put the series on them; run AFTER ARG... STEP when STEP is on. For AFTER,
# new files grow step by step. Without it they have their final form at once, which
# works for whatever was edited in them here.
stage()
{
	local src=$1 dir=$2 new=$tmp/new step file

	shift 2
	rm -rf "$dir" "$new"
	mkdir -p "$dir" "$new"
	while read -r file; do
		[ ! -e "$src/$file" ] ||
			(cd "$src" && cp -p --parents "$file" "$dir")
	done
	for file in $(new_files); do
		mkdir -p "$(dirname "$new/$file")"
		cp -p "$(own "$file")" "$new/$file"
	done
	[ $# = 0 ] || joining "$new"
	for step in $(steps); do
		if [ $# = 0 ]; then touched "$step"; else changed "$step"; fi >"$tmp/changed"
		put_patch "$dir" "$step" -N <"$tmp/changed"
		new_files "$step" >"$tmp/joined"
		(cd "$new" && xargs -r cp -p --parents -t "$dir") <"$tmp/joined"
		[ $# = 0 ] || "$@" "$step"
	done
	[ $# -gt 0 ] || return 0
	for file in $(new_files); do
		cmp -s "$(own "$file")" "$dir/$file" ||
			die "the steps do not make of $file what it is here"
	done
}

# working_copy SUFFIX: a copy of the unpatched source to put the series on, as
# hard links, and the list of all files in it that a series ever touched: what
# the series leaves alone by now goes back to what it was.
working_copy()
{
	copy=$base-$1
	{
		touched
		new_files
		[ ! -f "$copy.files" ] || cat "$copy.files"
	} | sort -u >"$tmp/files"
	cp "$tmp/files" "$copy.files"
	[ ! -d "$copy" ] || return 0

	rm -rf "$copy.new"
	step source "copying $base" cp -al "$base" "$copy.new"
	# What was built from an earlier copy is younger than these: have them
	# written anew.
	(cd "$copy.new" && xargs -r rm -f) <"$copy.files"
	mv "$copy.new" "$copy"
}

# Does the source have the series, or an earlier or a changed form of it?
has_series()
{
	[ -e "$base/mm/dmb.h" ]
}

# Set $src to the folder of the source with the series on it.  Only files that
# differ are written, for make to build just these.
patched()
{
	if has_series; then
		say "$KERNEL_SRC has the series already: it is built as it is"
		src=$base
		{ touched; new_files; } >"$src.files"
		return
	fi
	working_copy "$design"
	src=$copy
	stage "$base" "$tmp/stage" <"$src.files"
	put "$tmp/stage" "$src" <"$src.files"
}
