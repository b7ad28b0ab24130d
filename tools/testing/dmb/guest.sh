# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # for those who source this
# Functions for the scripts in this folder and in benchmarks/: build a kernel and the
# archives of its guests, boot a guest, count results.

set -u -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DMB_TOP=${DMB_TOP:-$(cd "$here/../../.." && pwd)}
DMB_OUT=${DMB_OUT:-$DMB_TOP/out}
# Guests at a time: one for each processor, as long as each can have 3 GiB
JOBS=${JOBS:-$(awk -v most="$(nproc)" '/^MemAvailable/ {
	n = int($2 / (3 * 1024 * 1024)); print (n > most ? most : n < 1 ? 1 : n) }' /proc/meminfo)}
# shellcheck source-path=SCRIPTDIR source=../../../scripts/arch.sh
. "$DMB_TOP/scripts/arch.sh"
export CROSS_COMPILE=$cross
# shellcheck source-path=SCRIPTDIR source=../../../scripts/only.sh
. "$DMB_TOP/scripts/only.sh"

guest_dir=$DMB_OUT/guest/$ARCH
log_dir=$DMB_OUT/logs
# A script that another script calls adds to the results of that script.
results=${DMB_RESULTS:-$log_dir/results.$$}

mkdir -p "$guest_dir" "$log_dir"

# The guests of two runs would write the same logs, and read each other's archives. A
# script that another script calls has the lock already.
if [ -z "${DMB_GUESTS:-}" ]; then
	exec 8>"$DMB_OUT/guests.lock"
	flock -n 8 || { echo "waiting for another run in $DMB_OUT" >&2; flock 8; }
	export DMB_GUESTS=1
fi

# What a kernel prints when it has found a bug
complaints='WARNING:|BUG:|BUG at|Oops|KASAN|UBSAN|possible recursive locking|circular locking'
complaints+='|suspicious RCU|Call Trace|page allocation failure|Kernel panic|dmb: dmb[0-9]+: BUG'

console='panic=-1 oops=panic'
cpu=max

# $machine is the usual machine without its -m, and $one_block a block in 2 GiB of it.
# $two_controllers is a machine with two memory controllers, each in its own zone.
# $two_blocks are a block on each, $two_size is the size of both together, and
# $two_load is an amount of user memory that fits into both. $two_nodes has NUMA emulation
# make a node of each controller, and programs interleave them.
two_nodes='numa=fake=2 dmb.interleave=0-1'
case $ARCH in
x86_64)
	# With a host thread for each CPU, QEMU 7.2 sometimes lets a CPU hit the
	# breakpoint of a static branch that another CPU has finished patching:
	# "Oops: int3", on any kernel. One thread for all CPUs costs nothing if there
	# are more guests than processors of the host.
	threads=single
	machine='-machine pc'
	one_block=512M@512M
	# On a busy host the kernel may think that the timer does not tick.
	console+=' console=ttyS0 no_timer_check'
	two_controllers='-machine pc -m 6G'
	controllers=3G@0,3G@4G
	two_blocks=512M@1G,512M@4G
	two_size=1G
	two_load=900M
	;;
arm64)
	# Each TLB invalidation involves all CPUs. With one thread they would have to
	# wait for each other.
	threads=multi
	machine='-machine virt'
	one_block=512M@1536M
	console+=' console=ttyAMA0'
	# This may be more than the host has, but the guest does not touch the memory
	# between the controllers.
	two_controllers='-machine virt,memory-backend=ram -m 12G -devicetree two-controllers'
	two_controllers+=' -object memory-backend-ram,id=ram,size=12G,reserve=off'
	controllers=1G@1G,1G@12G
	two_blocks=300M@0x60000000,300M@0x320000000
	two_size=600M
	two_load=540M
	# Blocks consist of whole pageblocks.
	case $PAGES in
	16K)	two_blocks=${two_blocks//300M/320M} two_size=640M ;;
	64K)	two_blocks=${two_blocks//300M/512M} two_size=1G two_load=900M ;;
	esac
	;;
arm)
	threads=multi
	# In QEMU 7.2, "max" has 32 address bits.
	cpu=cortex-a15
	machine='-machine virt'
	one_block=512M@2G
	console+=' console=ttyAMA0'
	# It has no NUMA.
	two_nodes=
	# QEMU's virt has one range of memory, from 1 GiB on. All memory beyond the first
	# 768 MiB is ZONE_HIGHMEM, so each of the two blocks is in a zone of its own.
	two_controllers='-machine virt -m 6G'
	controllers=2G@1G,4G@3G
	two_blocks=300M@0x50000000,300M@4G
	two_size=600M
	two_load=540M
	;;
riscv64)
	threads=multi
	cpu=rv64
	machine='-machine virt'
	one_block=512M@3G
	console+=' console=ttyS0'
	# One range of memory as well, from 2 GiB on. ZONE_DMA32 ends at 4 GiB.
	two_controllers='-machine virt -m 4G'
	controllers=2G@2G,2G@4G
	two_blocks=300M@3G,300M@5G
	two_size=600M
	two_load=540M
	;;
esac
qemu=("$qemu_program" -accel "tcg,thread=$threads" -cpu "$cpu" -smp 2 -nodefaults
      -nographic -no-reboot)
# The same with one thread for all CPUs, as QEMU needs it to count instructions
qemu_counting=("${qemu[@]/%thread=multi/thread=single}")

# only_on ARCH...: ends the script unless ARCH is one of these
only_on()
{
	[[ " $* " != *" $ARCH "* ]] || return 0
	echo "${0##*/} is for these values of ARCH only: $*" >&2
	exit 1
}

# kernel_image [VARIABLE=VALUE...]: the path of the kernel that "make image" builds
kernel_image()
{
	make -s -C "$DMB_TOP" image "$@" | tail -n 1
}

# build_dir IMAGE
build_dir()
{
	realpath "$(dirname "$1")/../../.."
}

# without_decompressor IMAGE: the path of the same kernel for QEMU, without what
# decompresses it, which takes longer than the boot when QEMU counts instructions
without_decompressor()
{
	local kernel=${1%/*}/vmlinux.elf

	[ "$ARCH" = x86_64 ] || { echo "$1"; return; }
	ln -sfr "$(build_dir "$1")/vmlinux" "$kernel"
	echo "$kernel"
}

# configured IMAGE SYMBOL: does the kernel have this option?
configured()
{
	grep -qx "CONFIG_$2=y" "$(build_dir "$1")/.config"
}

# guest_archive IMAGE NAME: builds an archive with the Makefile here; prints its path
guest_archive()
{
	local log=$log_dir/$2.log

	if ! make -s -C "$here" "O=$guest_dir" "KBUILD=$(build_dir "$1")" \
	     "KERNEL_ARCH=$kernel_arch" "GUEST_ROOT=$guest_root" "KSELFTESTS=$guest_dir/kselftests" \
	     "$guest_dir/$2" >"$log" 2>&1; then
		echo "cannot build $2, see $log" >&2
		return 1
	fi
	echo "$guest_dir/$2"
}

# guest_modules IMAGE DIR SOURCE...: builds a module of each file in DIR
guest_modules()
{
	local object dir=$2 source

	object=$(build_dir "$1")
	shift 2
	mkdir -p "$dir"
	cp "$@" "$dir"
	for source; do
		echo "obj-m += $(basename "$source" .c).o"
	done >"$dir/Makefile"
	make -s -C "$object" "ARCH=$kernel_arch" "M=$dir" modules
}

# extend_archive IMAGE ARCHIVE DIR: makes an archive that adds to ARCHIVE the files on
# standard input, in the format of gen_init_cpio; prints its path
extend_archive()
{
	cat >"$3/list"
	"$(build_dir "$1")/usr/gen_init_cpio" "$3/list" | cat "$2" - >"$3/archive.cpio" &&
		echo "$3/archive.cpio"
}

# guest_log NAME
guest_log()
{
	echo "$log_dir/guest-${1//[^a-zA-Z0-9]/-}.log"
}

# guest_output LOG: what the program in the guest printed
guest_output()
{
	sed -n 's/^\[ *[0-9.]*\] out: //p' "$1"
}

# kernel_complaints LOG: except out-of-memory reports, which tests cause on purpose
kernel_complaints()
{
	sed '/ invoked oom-killer: /,/ <\/TASK>/d' "$1" | grep -E "$complaints"
}

# merge_devicetree FILE NAME "QEMU OPTIONS": makes FILE, the devicetree of the machine with the
# overlay devicetree/NAME.dtso
merge_devicetree()
{
	local dtb=$1 overlay=$guest_dir/$2.dtbo

	# shellcheck disable=SC2086 # a list of words
	flock "$guest_dir" make -s -C "$here" "O=$guest_dir" "$overlay" >&2 &&
		"${qemu[@]}" $3 -machine "dumpdtb=$dtb.machine" >&2 &&
		fdtoverlay -i "$dtb.machine" -o "$dtb.merged" "$overlay" >&2 &&
		# fdtoverlay leaves the overlay's /memreserve/ out.
		{ echo '/dts-v1/;'
		  dtc -q -I dtb -O dts "$overlay" | grep '^/memreserve/'
		  dtc -q -I dtb -O dts "$dtb.merged" | grep -v '^/dts-v1/'
		} | dtc -q -O dtb -o "$dtb" &&
		rm "$dtb.machine" "$dtb.merged"
}

# write_srat FILE NODES: the ACPI table that calls the memory below 4 GiB node 0 and the memory
# above it node 1; the memory of NODES, divided by commas, is hot-pluggable
write_srat()
{
	python3 - "$1" "$2" <<-'END'
		import struct, sys
		table = struct.pack('<IQ', 1, 0)
		# Both processors are in node 0.
		for cpu in 0, 1:
		    table += struct.pack('<BBBBIB3xI', 0, 16, 0, cpu, 1, 0, 0)
		for node in 0, 1:
		    flags = 3 if str(node) in sys.argv[2].split(',') else 1
		    table += struct.pack('<BBIHQQIIQ', 1, 40, node, 0, node << 32, 1 << 32, 0, flags, 0)
		open(sys.argv[1], 'wb').write(table)
	END
}

# write_mirror FILE IMAGE RANGES: FILE.kernel, which is the kernel image with another address to
# jump to, and FILE.efi with what is there. It tells the kernel that EFI calls the memory of
# RANGES (size@base, divided by commas) more reliable, and jumps to where the kernel is.
write_mirror()
{
	python3 - "$@" <<-'END'
		import struct, sys
		file, image, ranges = sys.argv[1:]
		start, entry = 0xc000000, 0x100000
		system, memory = start + 4096, start + 8192
		def number(text):
		    shift = {'M': 20, 'G': 30}.get(text[-1], 0)
		    return int(text.rstrip('MG')) << shift
		table = b''
		for text in ranges.split(','):
		    size, base = map(number, text.split('@'))
		    # EFI_CONVENTIONAL_MEMORY that is EFI_MEMORY_MORE_RELIABLE
		    table += struct.pack('<IxxxxQQQQ', 7, base, 0, size >> 12, 1 << 16)
		# The fields of efi_info and code32_start in struct boot_params, to which %esi points
		fields = {0x1c0: int.from_bytes(b'EL64', 'little'), 0x1c4: system, 0x1c8: 40, 0x1cc: 1,
		          0x1d0: memory, 0x1d4: len(table), 0x214: entry}
		code = b''
		for offset, value in fields.items():
		    code += b'\xc7\x86' + struct.pack('<II', offset, value)	# movl value, offset(%esi)
		code += b'\xb8' + struct.pack('<I', entry) + b'\xff\xe0'	# movl entry, %eax; jmp *%eax
		# A system table without a signature, and with an empty list of tables. The kernel
		# finds ACPI as without EFI then.
		table = struct.pack('<112xQ', system).ljust(4096, b'\0') + table
		open(file + '.efi', 'wb').write(code.ljust(4096, b'\0') + table)
		kernel = bytearray(open(image, 'rb').read())
		kernel[0x214:0x218] = struct.pack('<I', start)
		open(file + '.kernel', 'wb').write(kernel)
	END
}

# disk NAME FILE[,SETTING]: prints the options for a disk with the serial number dmb-NAME
disk()
{
	echo "-drive file=$2,format=raw,if=none,id=$1 -device virtio-blk-pci,drive=$1,serial=dmb-$1"
}

# qemu_options FILE "OPTIONS" IMAGE: prints the options, with what QEMU knows in place of
#
#   -devicetree NAME    the machine's devicetree with the overlay devicetree/NAME.dtso
#   -hibernation-disk   an empty disk to swap to
#   -journal-disk       a disk with an ext4 file system; it forgets what is written to it
#   -mirrored RANGES    the memory of RANGES (size@base, divided by commas) is mirrored, and 192
#                       MiB is the address of a page that the kernel cannot use
#   -monitor-port       QEMU's monitor, at the other end of the guest's second serial port
#   -removable NODES    the memory above 4 GiB is node 1, and that of NODES (0, 1 or 0,1) is
#                       hot-pluggable
#   -slow-swap BYTES    an empty disk to swap to, which writes so many bytes in a second
#
# The files for a guest of its own are FILE.*. If something cannot be made, prints the option
# that needs it, and fails.
qemu_options()
{
	local file=$1 image=$3 option tree='' known=() journal=$guest_dir/journal.img
	local port=path=dmb-$$-${1##*/},abstract=on

	# shellcheck disable=SC2086 # a list of words
	set -- $2
	while [ $# != 0 ]; do
		option=$1
		case $option in
		-devicetree)
			option='' tree=$2
			shift ;;
		-hibernation-disk)
			rm -f "$file.swap" && truncate -s 2G "$file.swap" &&
				option=$(disk swap "$file.swap") ;;
		-journal-disk)
			flock "$guest_dir" make -s -C "$here" "O=$guest_dir" "$journal" >&2 &&
				option=$(disk journal "$journal,snapshot=on") ;;
		-mirrored)
			write_mirror "$file" "$image" "$2" &&
				option="-kernel $file.kernel" &&
				option+=" -device loader,file=$file.efi,addr=0xc000000,force-raw=on" &&
				shift ;;
		-monitor-port)
			option="-chardev socket,id=monitor,$port,server=on,wait=off -mon chardev=monitor"
			option+=" -chardev socket,id=port,$port -serial chardev:port" ;;
		-slow-swap)
			rm -f "$file.swap" && truncate -s 2G "$file.swap" &&
				option=$(disk swap "$file.swap,throttling.bps-write=$2") &&
				shift ;;
		-removable)
			write_srat "$file.srat" "$2" &&
				option="-acpitable sig=SRAT,rev=3,data=$file.srat" && shift ;;
		esac || { echo "$option"; return 1; }
		known+=("$option")
		shift
	done
	if [ -n "$tree" ]; then
		merge_devicetree "$file.dtb" "$tree" "${known[*]}" ||
			{ echo "-devicetree $tree"; return 1; }
		known+=("-dtb $file.dtb")
	fi
	echo "${known[*]}"
}

# Has the guest of this log hibernated so many times, and not come to its end?
hibernates()
{
	[ "$(grep -c 'PM: Image saving done' "$1")" = "$2" ] && ! grep -q ' dmb-guest: exit ' "$1"
}

# boot NAME IMAGE ARCHIVE "QEMU OPTIONS" "COMMAND LINE" [ALLOWED]
#
# Runs a guest to its end, and on from there if it hibernates. The options may include those
# of qemu_options().
# ARCHIVE is empty if the guest's root is a disk. Succeeds if the guest's program
# succeeded and the kernel printed no complaint other than ALLOWED, a regular
# expression. Otherwise prints what went wrong, and returns the exit status of the
# program if it had one. The time limit is for guests that hang, and long enough for a
# slow host. Ctrl-C ends the guest: it is in the process group of the terminal.
boot()
{
	local name=$1 image=$2 archive=$3 options=$4 cmdline=$5 allowed=${6:-}
	local log file status=0 limit=${LIMIT:-120} said complaint runs=0 program=("${qemu[@]}")

	[[ $options != *-icount* ]] || program=("${qemu_counting[@]}")
	configured "$image" KASAN && limit=${LIMIT:-600}
	log=$(guest_log "$name")
	file=${log%.log}
	rm -f "$log"
	if ! options=$(qemu_options "$file" "$options" "$image" 2>"$file.options"); then
		echo "cannot make what $options needs, see $file.options"
		return 1
	fi

	while [ "$runs" = 0 ] || hibernates "$log" "$runs"; do
		runs=$((runs + 1))
		# The options and the command line are lists of words.
		# shellcheck disable=SC2086
		timeout --foreground "$limit" "${program[@]}" -monitor none \
			-chardev "file,id=log,path=$log,append=on" -serial chardev:log \
			-kernel "$image" $options ${archive:+-initrd "$archive"} \
			-append "$console $cmdline" </dev/null >"$log.qemu" 2>&1 || status=$?
	done
	rm -f "$file".{swap,srat,kernel,efi,options}
	if [ ! -s "$log" ]; then
		echo "qemu ended with status $status:"
		tail -n 5 "$log.qemu"
		return 1
	fi
	rm -f "$log.qemu"
	sed -i 's/\r$//' "$log"

	said=$(sed -n 's/^\[ *[0-9.]*\] dmb-guest: exit //p' "$log")
	complaint=$(kernel_complaints "$log" | grep -Ev "${allowed:-^$}")
	[ "$said" = 0 ] && [ -z "$complaint" ] && return

	if [ "$status" = 124 ]; then
		echo "the guest hung: stopped after $limit s"
	elif [ -z "$said" ]; then
		echo "the guest ended before its program did"
	elif [ "$said" != 0 ]; then
		echo "the program in the guest exited with status $said"
	fi
	if [ -n "$complaint" ]; then
		echo "the kernel complained:"
		head -n 5 <<<"$complaint"
	fi
	echo "the end of $log:"
	tail -n 25 "$log"
	[ "${said:-0}" != 0 ] || return 1
	return "$said"
}

# Waits until one more guest may run.
wait_for_slot()
{
	while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do
		wait -n
	done
}

# plan NAME: notes that there has to be a result of this test
plan()
{
	echo "$1" >>"$results.plan"
}

# result ok|not ok|skip "NAME[ (REMARK)]" [DETAILS]: counts a test and prints its line
result()
{
	(
		flock 9
		echo "$1" >>"$results"
		echo "$2" >>"$results.seen"
		echo "$1 $(wc -l <"$results") $2"
		[ -z "${3:-}" ] || echo "    ${3//$'\n'/$'\n'    }"
	) 9>"$results.lock"
}

# missing_results: the names that plan() has got and result() has not
missing_results()
{
	[ -e "$results.plan" ] || return 0
	touch "$results.seen"
	awk 'FILENAME == ARGV[1] { seen[$0]; sub(/ \(.*/, ""); seen[$0]; next }
	     !($0 in seen)' "$results.seen" "$results.plan"
}

# Prints the last line of a run; fails unless a test passed and none failed.
summary()
{
	local passed failed skipped name

	while read -r name; do
		result 'not ok' "$name" 'It did not run.'
	done < <(missing_results)
	passed=$(grep -cx 'ok' "$results")
	failed=$(grep -cx 'not ok' "$results")
	skipped=$(grep -cx 'skip' "$results")
	rm -f "$results" "$results".{lock,plan,seen}
	[ "$skipped" = 0 ] || echo "$skipped skipped"
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ] && [ "$passed" != 0 ]
}
