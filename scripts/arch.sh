# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # for those who source this
#
# What is called differently for each architecture: the kernel's image, the
# compiler, Debian's packages, QEMU, and the sizes that pages can have. What its
# guests are like is in tools/testing/dmb/guest.sh.

: "${ARCH:=x86_64}" "${PAGES:=4K}"
export ARCH PAGES
page_sizes=4K

# What the kernel calls the architecture
kernel_arch=$ARCH
# Where Debian has the guests' programs, if not in the release that the host has
suite=

case $ARCH in
x86_64)
	boot=arch/x86/boot/bzImage
	triplet=x86_64-linux-gnu
	debian=amd64
	qemu_program=qemu-system-x86_64
	qemu_package=qemu-system-x86
	;;
arm64)
	boot=arch/arm64/boot/Image
	triplet=aarch64-linux-gnu
	debian=arm64
	qemu_program=qemu-system-aarch64
	qemu_package=qemu-system-arm
	page_sizes='4K 16K 64K'
	;;
arm)
	boot=arch/arm/boot/zImage
	triplet=arm-linux-gnueabihf
	debian=armhf
	# It has these processors as well, and qemu-system-arm 7.2 cuts the addresses
	# of page tables to 32 bits.
	qemu_program=qemu-system-aarch64
	qemu_package=qemu-system-arm
	;;
riscv64)
	kernel_arch=riscv
	boot=arch/riscv/boot/Image
	triplet=riscv64-linux-gnu
	debian=riscv64
	qemu_program=qemu-system-riscv64
	qemu_package=qemu-system-misc
	# Debian 12 has a compiler for it, but no packages.
	suite=trixie
	;;
*)
	echo "ARCH=$ARCH is unknown; there are x86_64, arm64, arm and riscv64" >&2
	exit 1
	;;
esac

case " $page_sizes " in
*" $PAGES "*) ;;
*)
	echo "PAGES=$PAGES is unknown; ARCH=$ARCH has $page_sizes" >&2
	exit 1
	;;
esac

# What the names of the compiler and its tools begin with, where the host's own
# are for another architecture
cross=$triplet-
case $(uname -m)-$ARCH in
x86_64-x86_64 | aarch64-arm64) cross= ;;
esac

# Where Debian's programs for the guests are: beside the host's own, or unpacked
# by scripts/deps, which does not install those of another architecture.
guest_root=${cross:+${DMB_OUT:?}/debian-$debian}
