# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # for those who source this
#
# What every script here starts with: settings, messages, long steps, the lock.

set -euo pipefail
export LC_ALL=C
umask 022

# The make that started us must not leak its flags into kbuild, nor a git hook
# its repository into the git commands.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
out=${DMB_OUT:-$top/out}

DMB_OUT=$out
# shellcheck source=scripts/arch.sh
. "$top/scripts/arch.sh"
: "${DESIGN:=sticky}" "${KERNEL_SRC:=}" "${FORCE:=}" "${EXTRA:=}" "${CONFIG:=}"
case ${DEBUG:=} in
1) debug=debug ;;
'' | 0) debug= ;;
*) echo "DEBUG=$DEBUG: it is 1 or nothing" >&2; exit 1 ;;
esac

if [ -n "$CONFIG" ]; then
	[ -f "$CONFIG" ] || { echo "CONFIG=$CONFIG: there is no such file" >&2; exit 1; }
	[ -z "$debug$EXTRA" ] ||
		{ echo "CONFIG= goes with neither DEBUG=1 nor EXTRA=" >&2; exit 1; }
	CONFIG=$(realpath "$CONFIG")
fi

# The size of pages, where it is not the usual one
pages=$PAGES
[ "$pages" != 4K ] || pages=

# Whatever carries a date carries this one, so that two builds of the same
# source are the same: the day 6.12 was released.
epoch='2024-11-17T00:00:00Z'

# How many objects the next step is going to make, if that is known
expect=

job=
tmp=$(mktemp -d)
trap '[ -z "$job" ] || kill -- "-$job" 2>/dev/null; rm -rf "$tmp"' EXIT
# A signal comes twice, from the terminal and from make: let the second one not
# interrupt the trap above.
trap 'trap "" INT TERM HUP; exit 1' INT TERM HUP

say()
{
	echo "$*" >&2
}

die()
{
	say "$*"
	exit 1
}

# lock NAME: one script at a time does what NAME is, from here until it ends.
lock()
{
	mkdir -p "$out"
	exec {lock}>"$out/$1.lock"
	flock -n "$lock" && return
	say "waiting for another make in $top"
	flock "$lock"
}

# step NAME LABEL COMMAND...: run COMMAND with its output in out/logs/NAME.log
# and keep the user posted on stderr: once a second on a terminal, every 20
# seconds elsewhere, not at all when it takes no time.  Says so when it fails.
step()
{
	local log=$out/logs/$1.log label=$2 start=$SECONDS shown=0 every=20 eol='\n' end='\n'

	shift 2
	mkdir -p "$out/logs"
	if [ -t 2 ]; then
		every=1 eol='\033[K\r' end='\033[K\n'
	fi

	# A process group of its own, to be killed whole when we are.
	set -m
	"$@" >"$log" 2>&1 </dev/null &
	job=$!
	set +m
	while kill -0 "$job" 2>/dev/null; do
		if [ $((SECONDS - start - shown)) -ge "$every" ]; then
			shown=$((SECONDS - start))
			progress "$shown" "$label" "$log" "$eol"
		fi
		sleep 0.1
	done
	if ! wait "$job"; then
		job=
		tail -n 25 "$log" >&2
		say "$label failed; the whole log is $log"
		return 1
	fi
	job=
	expect=
	[ $((SECONDS - start)) -lt 2 ] ||
		progress $((SECONDS - start)) "$label" "$log" ", done$end"
}

progress()
{
	local objects

	# kbuild's "  CC      mm/page_alloc.o"
	objects=$(grep -c '^  [A-Z]' "$3") || objects=
	if [ -n "$objects" ] && [ -n "$expect" ]; then
		objects="$((objects < expect ? 100 * objects / expect : 99))%, $objects"
	fi
	printf "[%3ds] %s%s$4" "$1" "$2" "${objects:+: $objects objects}" >&2
}
