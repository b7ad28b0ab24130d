# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2054 # for those who source this; commas
#
# The kernels that bench compares, guests whose clock counts instructions, and
# where the figures go.

bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../tools/testing/dmb/guest.sh
. "$bench/../tools/testing/dmb/guest.sh"

only_on x86_64 arm64
[ "$PAGES" = 4K ] || { echo "${0##*/} is for PAGES=4K only" >&2; exit 1; }
export EXTRA=bench DEBUG=
work=$guest_dir/bench
results_dir=${BENCH_RESULTS:-$DMB_OUT/bench/$ARCH}
csv=$results_dir/results.csv
# How often each measurement is repeated
rounds=3

# In all guests the same memory: two controllers, with a movable part or an area
# that is in two blocks where there can be two. Under pressure, which is slow, of
# 2 GiB it is 512 MiB, and who has none gets 1536 MiB in all. NUMA emulation needs
# no area, but has nothing for owners of memory: there it is beside CMA, for which the
# kernel chooses the place, as each node has data of its own at its end.
columns=(stock stock-movable stock-cma numa zone sticky-none sticky)
declare -A designs=([stock]=stock [stock-movable]=stock [stock-cma]=stock [numa]=numa
		    [zone]=zone [sticky-none]=sticky [sticky]=sticky)
declare -A areas=([stock]='' [stock-movable]=movablecore=$two_size
		  [stock-cma]=cma=$two_size [numa]='' [zone]=movablecore=$two_blocks
		  [sticky-none]='' [sticky]=movablecore=$two_blocks)
declare -A small_areas=([stock]='' [stock-movable]=movablecore=512M
			[stock-cma]=cma=$one_block [numa]=cma=${one_block%@*}
			[zone]=movablecore=$one_block
			[sticky-none]='' [sticky]=movablecore=$one_block)
# Words of the command line for all guests of a column
declare -A words=([numa]=$two_nodes)
declare -A images archives
# What fills the area or a part of it, as dmb_micro.ko has it
region=region=$(numfmt --from=iec "$two_size")

# An instruction takes a nanosecond, of all CPUs together, and nothing else takes
# any time.
icount='-icount shift=0,sleep=off'
# Between two ticks of the clock that kernels read: QEMU's timer of arm64 has 62.5 MHz.
case $ARCH in
arm64)	clock_tick=16 ;;
x86_64)	clock_tick=1 ;;
esac
qemu=("${qemu_counting[@]}")

# build DESIGN: sets images[DESIGN], and the archives[DESIGN] of its guests
build()
{
	images[$1]=$(kernel_image "DESIGN=$1") &&
		archives[$1]=$(build_archive "$1" "${images[$1]}")
}

# build_archive DESIGN IMAGE: what all guests have, and modules for this kernel
build_archive()
{
	local dir=$work/$1 log=$log_dir/bench-$1.log base object

	object=$(build_dir "$2")
	base=$(guest_archive "$2" initramfs.cpio) || return
	if ! { make -s -C "$bench" "O=$work" "KBUILD=$object" "BASE=$base" \
		    "GUEST_ROOT=$guest_root" "$work/bench.cpio" &&
	       guest_modules "$2" "$dir/modules" "$bench/micro/dmb_micro.c" \
			     "$DMB_TOP/tools/testing/selftests/dmb/test_modules/dmb_load.c"; } \
	     >"$log" 2>&1; then
		echo "cannot build what the guests need, see $log" >&2
		return 1
	fi
	extend_archive "$2" "$work/bench.cpio" "$dir" <<-END
		dir /bench/test_modules 755 0 0
		file /bench/test_modules/dmb_micro.ko $dir/modules/dmb_micro.ko 644 0 0
		file /bench/test_modules/dmb_load.ko $dir/modules/dmb_load.ko 644 0 0
	END
}

# measure NAME COLUMN "QEMU OPTIONS" "COMMAND LINE" PROGRAM[,ARG...]: prints what
# the program in a guest of that column's kernel prints
measure()
{
	local name="bench-$ARCH-$1-$2" design=${designs[$2]} details log

	log=$(guest_log "$name")
	details=$(LIMIT=${LIMIT:-3600} boot "$name" "${kernel:-${images[$design]}}" \
		  "${archives[$design]}" "$3" \
		  "loglevel=6 nokaslr norandmaps kunit.enable=0 dmb.run=$5 ${words[$2]:-} $4") ||
		printf '%s: %s\n' "$name" "$details" >&2
	guest_output "$log"
	cp "$log" "$results_dir/logs/"
}

# record PART COLUMN UNIT: the lines "ROW: NUMBER..." of standard input, to the
# table of all results. A measurement that is repeated has one for each time.
record()
{
	sed -nE "s|^([^:]*): ([-+.0-9e]+).*|$1,\1,$2,\2,$3|p" >>"$csv"
}
