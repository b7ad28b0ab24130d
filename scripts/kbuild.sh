# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # shared with who sources this
#
# Configuring and building kernels.

# kmake SRC OBJ TARGET...
kmake()
{
	local src=$1 obj=$2 ccache=

	shift 2
	# ccache gets no base folder: it would make kbuild's absolute paths
	# relative, which -fmacro-prefix-map then misses.
	! command -v ccache >/dev/null || ccache='ccache '
	# Nor does it preprocess each file first, to see whether it has the object.
	# tools/ take DEBUG for a setting of theirs.
	env -u DEBUG CCACHE_DEPEND=1 KBUILD_BUILD_TIMESTAMP="$epoch" KBUILD_BUILD_VERSION=1 \
		KBUILD_BUILD_USER=dmb KBUILD_BUILD_HOST=localhost \
		make -C "$src" O="$obj" ARCH="$kernel_arch" CROSS_COMPILE="$cross" LOCALVERSION= \
		CC="$ccache${cross}gcc" HOSTCC="${ccache}gcc" -j"$(nproc)" "$@"
}

# obj_folder WHAT: where it is built.
obj_folder()
{
	echo "$out/build/$name-$ARCH-$1${pages:+-$pages}${debug:+-$debug}${EXTRA:+-$EXTRA}${CONFIG:+-${CONFIG##*/}}"
}

# config FRAGMENT
config()
{
	cat "$top/tools/testing/dmb/config/$1.config"
}

# The guest's configuration.
fragments()
{
	local fragment devices='' numa=''

	[ "$DESIGN" != numa ] || numa=numa
	if [ -n "$CONFIG" ]; then
		cat "$CONFIG"
		for fragment in guest $numa; do
			config "$fragment"
		done
		return
	fi
	# Where a test needs the drivers: they take a minute to compile.
	case $ARCH$pages$debug$EXTRA in
	x86_64) devices='video dax' ;;
	x86_64debug) devices=dax ;;
	arm64) devices=video ;;
	esac
	for fragment in common "$ARCH" $devices $pages $debug $EXTRA $numa; do
		config "$fragment"
	done
}

# configure SRC OBJ <FRAGMENTS: merge them onto allnoconfig, or with CONFIG= onto what
# the kernel has as defaults, and see that they took effect.
configure()
{
	local src=$1 obj=$2 key=$2/.dmb-config all=$2/.dmb-fragments base_config=allnoconfig

	[ -z "$CONFIG" ] || base_config=alldefconfig
	mkdir -p "$obj"
	cat >"$tmp/fragments"
	{
		cat "$tmp/fragments"
		"${cross}gcc" --version
		# What the options are, as far as the series changes it.
		{ touched; new_files; } | grep Kconfig |
			(cd "$src" && xargs -r cat 2>/dev/null) || :
		echo "$base_id"
	} | sha1sum >"$tmp/key"
	cmp -s "$tmp/key" "$key" && return

	rm -f "$key"
	cp "$tmp/fragments" "$all"
	step "config-${obj##*/}" "configuring ${obj##*/}" \
		kmake "$src" "$obj" KCONFIG_ALLCONFIG="$all" "$base_config" || return
	if [ -n "$CONFIG" ]; then
		grep -qx CONFIG_DMB=y "$obj/.config" ||
			die "CONFIG=$CONFIG lacks what CONFIG_DMB depends on: see mm/dmb/Kconfig"
	else
		verify_config "$src" "$all" "$obj/.config"
	fi
	cp "$tmp/key" "$key"
}

# verify_config SRC FRAGMENTS CONFIG
verify_config()
{
	local symbol wrong=

	while read -r symbol; do
		# The series' own symbols come with its steps.
		case $symbol in
		CONFIG_DMB*)
			grep -rqx --include='Kconfig*' "config ${symbol#CONFIG_}" "$1" ||
				continue
			;;
		esac
		wrong="$wrong $symbol"
	done < <(awk '
		match($0, /^CONFIG_[^=]*=/) {
			symbol = substr($0, 1, RLENGTH - 1)
			value = substr($0, RLENGTH + 1)
			if (FILENAME == ARGV[1])
				want[symbol] = value
			else
				got[symbol] = value
		}
		END {
			for (symbol in want)
				if (want[symbol] != (symbol in got ? got[symbol] : "n"))
					print symbol
		}' "$2" "$3" | sort)
	[ -z "$wrong" ] ||
		die "the configuration's fragments do not take effect for:$wrong"
}
