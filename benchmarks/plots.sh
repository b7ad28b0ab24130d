# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # of report's
#
# The pictures of the report, by gnuplot: $dir is where it is made, $scratch where
# what gnuplot reads is put.

# plot NAME WIDTH HEIGHT: the gnuplot commands of standard input
plot()
{
	{
		echo "set terminal svg size $2,$3 dynamic background '#ffffff' noenhanced font 'sans-serif,12'"
		echo "set output '$dir/plots/$1.svg'"
		cat <<-'END'
		set datafile separator ','
		set border linecolor rgb '#808080'
		set grid linecolor rgb '#e0e0e0' linetype 1
		END
		cat
	} >"$scratch/$1.gp"
	# It writes the names of the files that it has read into the picture.
	if gnuplot "$scratch/$1.gp"; then
		sed -i "s|$scratch/||" "$dir/plots/$1.svg"
	else
		rm -f "$dir/plots/$1.svg"
	fi
}

# legend Y 'TEXT|X|POINT'...: at the bottom of several plots
legend()
{
	local y=$1 entry text x point n=0
	shift

	cat <<-'END'
	unset label; unset arrow; unset tics; unset border; unset grid
	unset ylabel; unset y2label; unset y2tics
	set origin 0,0; set size 1,1
	set xrange [0:1]; set yrange [0:1]
	END
	for entry; do
		IFS='|' read -r text x point <<<"$entry"
		n=$((n + 1))
		echo "set label $n '$text' at screen $x,$y point $point pointsize 1 offset 0.7,0"
	done
	echo 'plot NaN'
	echo 'unset multiplot'
}

# Nine panels: what is compared by how full the area is; a point for each row
plot_micro()
{
	local pair state i=0 j range title limit

	has micro || return
	# X,RATIO,MODE for each panel; X by request and order
	awk -F, -v scratch="$scratch" "$awk_functions"'
	NR == 1 || $1 != "micro" { next }
	{ read_summary() }
	END {
		split("user movable kernel atomic", kinds, " ")
		for (k in kinds)
			at[kinds[k]] = (k - 1) * 6
		place["o0"] = 1; place["o1"] = 3; place["o3"] = 4; place["o9"] = 5
		split("pair batch bulk", modes, " ")
		for (m in modes)
			mode[modes[m]] = m
		n = split("sticky-none/stock sticky/stock sticky/zone", pairs, " ")
		for (p = 1; p <= n; p++)
			for (i = 1; i <= rows["micro"]; i++) {
				split(pairs[p], columns, "/")
				r = name["micro", i]
				split(r, f, ".")
				if (!both("micro", r, columns[1], columns[2]))
					continue
				x = at[f[1]] + (f[5] == "" ? place[f[2]] : 2)
				printf "%.2f,%.5f,%d\n", x + (mode[f[3]] - 2) * 0.22,
				       relative("micro", r, columns[1], columns[2]),
				       mode[f[3]] >(scratch "/micro-" p "-" f[4])
			}
	}' "$dir/summary.csv"

	{
		cat <<-'END'
		set multiplot
		set xrange [0.3:23.7]
		set key off
		set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0
		set style line 1 pointtype 7 pointsize 0.55 linecolor rgb '#0072b2'
		set style line 2 pointtype 5 pointsize 0.5 linecolor rgb '#e69f00'
		set style line 3 pointtype 9 pointsize 0.65 linecolor rgb '#009e73'
		END
		for pair in 'sticky-none / stock|' 'sticky / stock|' 'sticky / zone|1.03'; do
			IFS='|' read -r title limit <<<"$pair"
			i=$((i + 1))
			range=$(cat "$scratch/micro-$i"-* 2>/dev/null | awk -F, -v limit="${limit:-1}" '
				BEGIN { low = 0.98; high = limit > 1.02 ? limit : 1.02 }
				{ low = $2 < low ? $2 : low; high = $2 > high ? $2 : high }
				END { d = (high - low) * 0.06; printf "[%.4f:%.4f]", low - d, high + d }')
			j=0
			for state in empty half full; do
				j=$((j + 1))
				awk -v i="$i" -v j="$j" 'BEGIN {
					printf "set origin %.4f,%.4f\n", 0.055 + (i - 1) * 0.32, 1.02 - j * 0.305
					print "set size 0.285,0.235"
				}'
				echo "set yrange $range"
				echo 'unset label; unset arrow'
				[ $j != 1 ] || echo "set label 1 '$title' at graph 0.5,1.07 center font 'sans-serif,14'"
				[ $i != 1 ] || echo "set label 2 'area $state' at graph -0.16,0.5 center rotate font 'sans-serif,13'"
				cat <<-END
				set xtics ('0' 1, '0x4' 2, '1' 3, '3' 4, '9' 5, '0' 7, '0x4' 8, '1' 9, '3' 10, '9' 11, \
					'0' 13, '0x4' 14, '1' 15, '3' 16, '9' 17, '0' 19, '0x4' 20, '1' 21, '3' 22, '9' 23) \
					font 'sans-serif,9' scale 0
				set label 3 'user' at 3,graph -0.15 center
				set label 4 'movable' at 9,graph -0.15 center
				set label 5 'kernel' at 15,graph -0.15 center
				set label 6 'atomic' at 21,graph -0.15 center
				set arrow 1 from 6,graph 0 to 6,graph 1 nohead linecolor rgb '#b0b0b0'
				set arrow 2 from 12,graph 0 to 12,graph 1 nohead linecolor rgb '#b0b0b0'
				set arrow 3 from 18,graph 0 to 18,graph 1 nohead linecolor rgb '#b0b0b0'
				set arrow 4 from graph 0,first 1 to graph 1,first 1 nohead linewidth 1.5 linecolor rgb '#606060'
				END
				[ -z "$limit" ] || echo "set arrow 5 from graph 0,first $limit to graph 1,first $limit nohead dashtype 2 linecolor rgb '#d00000'"
				if [ -s "$scratch/micro-$i-$state" ]; then
					echo "plot for [m=1:3] '$scratch/micro-$i-$state' using (\$3 == m ? \$1 : NaN):2 with points linestyle m"
				else
					echo "set label 7 'not measured' at graph 0.5,0.6 center"
					echo "plot NaN"
				fi
			done
		done
		legend 0.02 'pairs|0.06|pointtype 7 linecolor rgb "#0072b2"' \
			'batches of 64|0.12|pointtype 5 linecolor rgb "#e69f00"' \
			'in bulk|0.23|pointtype 9 linecolor rgb "#009e73"' \
			'instructions, relative: lower is better; by order, 0x4: order 0, four tasks at a time|0.31|pointtype 0'
	} | plot micro 1300 900
}

# Bars of how much more an operation costs than on stock
plot_stress()
{
	local width limits low high plots='' column n=0 i=0 colours=('#999999' '#56b4e9' '#cc79a7' '#e69f00' '#009e73' '#d55e00')

	has stress || return
	# A line for each row: NAME, then how many percent more for each column
	awk -F, "$awk_functions"'
	NR == 1 || $1 != "stress" { next }
	{ read_summary() }
	END {
		n = split("stock-movable stock-cma numa zone sticky-none sticky", column, " ")
		for (i = 1; i <= rows["stress"]; i++) {
			r = name["stress", i]
			printf "%s", r
			for (c = 1; c <= n; c++)
				if (both("stress", r, column[c], "stock")) {
					ratio = relative("stress", r, column[c], "stock")
					printf ",%.4f", (ratio - 1) * 100
					sum[c] += log(ratio)
					nr[c]++
				} else {
					printf ",NaN"
				}
			print ""
		}
		printf "geometric mean"
		for (c = 1; c <= n; c++)
			printf ",%s", nr[c] ? sprintf("%.4f", (exp(sum[c] / nr[c]) - 1) * 100) : "NaN"
		print ""
	}' "$dir/summary.csv" >"$scratch/stress"
	for column in stock-movable stock-cma numa zone sticky-none sticky; do
		i=$((i + 1))
		grep -q "^stress,[^,]*,$column," "$dir/summary.csv" || continue
		plots+="${plots:+, }'$scratch/stress' using (\$0 + ($n - SHIFT) * 0.14):$((i + 1)):(0.13)"
		plots+=" with boxes linecolor rgb '${colours[i - 1]}' title '$column'"
		n=$((n + 1))
	done
	[ $n != 0 ] || return
	plots=${plots//SHIFT/$(((n - 1) * 5)) / 10.0}
	n=$(wc -l <"$scratch/stress")
	width=$((n < 8 ? 570 : 200 + n * 46))
	# So that one that stands out does not make the others invisible
	limits=$(cut -d, -f2- "$scratch/stress" | tr , '\n' | grep -v NaN | sort -g | awk '
		function least(a, b) { return a < b ? a : b }
		{ v[NR] = $1 }
		END {
			high = least(v[NR], 3 * v[int(NR * 0.9)])
			low = least(-v[1], -3 * v[int(NR * 0.1) + 1])
			print -(low > 0.2 ? low : 0.2) - 0.1, (high > 0.2 ? high : 0.2) + 0.1
		}')
	read -r low high <<<"$limits"
	{
		cat <<-END
		set style fill solid 1 noborder
		set xrange [-0.6:$n - 0.4]
		set ylabel 'instructions per operation, % more than stock'
		set xtics rotate by -45 scale 0
		set bmargin 7; set rmargin 8
		set yrange [$low:$high]
		set for [i=0:$n] arrow from i - 0.5,graph 0 to i - 0.5,graph 1 nohead linecolor rgb '#e0e0e0'
		set grid noxtics ytics
		set key above horizontal
		set xzeroaxis linetype 1 linewidth 1.5 linecolor rgb '#606060'
		$(awk -F, -v low="$low" -v high="$high" '
		{
			for (i = 2; i <= NF; i++)
				if ($i != "NaN" && ($i > high || $i < low))
					out = out sprintf("%s%+.1f", out == "" ? "" : " ", $i)
			if (out != "")
				printf "set label \"%s\" at %d,graph 0.97 center front\n", out, NR - 1
			out = ""
		}' "$scratch/stress")
		plot $plots, '$scratch/stress' using 0:(0):xticlabels(1) with dots linecolor rgb '#ffffff' notitle
		END
	} | plot stress "$width" 480
}

# All scenarios that were seen over time
scenarios()
{
	local column file

	for column in $columns; do
		for file in "$dir"/timeline/*-"$column".csv; do
			[ -e "$file" ] || continue
			file=$(basename "$file" "-$column.csv")
			case $file in
			map-* | area-* | pressure-*) ;;
			*) echo "$file" ;;
			esac
		done
	done | sort -u
}

# have_seen SCENARIO PREFIX: the columns with a file of it
have_seen()
{
	local column

	for column in $columns; do
		[ ! -s "$dir/timeline/$2$1-$column.csv" ] || echo "$column"
	done
}

# lines FILE: the figures without a header
lines()
{
	grep '^[0-9]' "$1"
}

# plot_timeline SCENARIO: for each kernel who holds the area, how much is free
# outside, and how hard the kernel works at that
plot_timeline()
{
	local seen column n=0 rows from to pressure limits area ordinary rate earliest latest

	seen=$(have_seen "$1" '')
	[ "$seen" ] || return
	for column in $seen; do
		# The beginning of the pressure is 0; how the memory was filled is not shown.
		pressure=$dir/timeline/pressure-$1-$column.csv
		from=0 to=
		[ ! -s "$pressure" ] || IFS=, read -r from to _ < <(lines "$pressure" | tail -n 1)
		lines "$dir/timeline/$1-$column.csv" | awk -F, -v OFS=, -v from="$from" -v known="$to" '
		known != "" && $1 < from - 0.6 { next }
		{
			# Pages per second, as MiB
			d = $1 - last
			scanned = n && d > 0 ? ($8 - last_scanned) / 256 / d : 0
			moved = n && d > 0 ? ($10 - last_moved) / 256 / d : 0
			killed = n && $9 > last_killed
			print $1 - from, $2, $2 + $3, $2 + $3 + $5, $2 + $3 + $4 + $5, $6, scanned,
			      moved, killed
			last = $1; last_scanned = $8; last_moved = $10; last_killed = $9
			n++
		}' >"$scratch/$1-$column"
		echo "${to:+$(awk "BEGIN { print $to - $from }")}" >"$scratch/$1-$column.end"
	done
	# Scales for all panels; who is killed leaves more than is interesting.
	limits=$(for column in $seen; do cat "$scratch/$1-$column"; echo end; done | awk -F, '
		$1 == "end" { killed = 0; next }
		{
			killed = killed || $9
			area = $5 > area ? $5 : area
			if (!killed)
				ordinary = $6 > ordinary ? $6 : ordinary
			rate = $7 > rate ? $7 : rate
			rate = $8 > rate ? $8 : rate
			low = $1 < low ? $1 : low
			high = $1 > high ? $1 : high
		}
		END { print area * 1.02 + 1, ordinary * 1.25 + 1, rate * 2 + 10, low + 0, high }')
	read -r area ordinary rate earliest latest <<<"$limits"
	rows=$(($(wc -w <<<"$seen") + 1))
	rows=$((rows / 2))
	{
		cat <<-END
		set multiplot
		set xrange [$earliest:$latest]
		set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0
		set key off
		set style fill solid 1 noborder
		END
		for column in $seen; do
			awk -v n="$n" -v rows="$rows" 'BEGIN {
				h = 1 - 60 / (rows * 360 + 60)
				h /= rows
				printf "x = %.4f; y = %.4f; h = %.4f\n", n % 2 ? 0.57 : 0.06,
				       1 - (int(n / 2) + 1) * h, h
			}'
			cat <<-END
			unset label; unset arrow
			set origin x,y + h * 0.36; set size 0.37,h * 0.54
			set label 1 '$column$(outcome "$1" "$column")' at graph 0,1.07 font 'sans-serif,14'
			$([ -s "$dir/timeline/area-$1-$column.csv" ] || echo "set label 3 'no area' at graph 0.5,0.5 center")
			set yrange [0:$area]; set y2range [0:$ordinary]
			set ytics nomirror; set y2tics; set xtics format ''
			set ylabel 'area, MiB' offset 1; set y2label 'ordinary free, MiB' offset -1
			END
			events "$1" "$column"
			cat <<-END
			plot '$scratch/$1-$column' using 1:5 with filledcurves x1 linecolor rgb '#e4e4e4', \
				'' using 1:4 with filledcurves x1 linecolor rgb '#404040', \
				'' using 1:3 with filledcurves x1 linecolor rgb '#56b4e9', \
				'' using 1:2 with filledcurves x1 linecolor rgb '#e69f00', \
				'' using 1:6 axes x1y2 with steps linewidth 2 linecolor rgb '#d00000'
			unset label; unset arrow; unset y2tics; unset y2label
			set origin x,y + h * 0.12; set size 0.37,h * 0.2
			set logscale y; set yrange [1:$rate]; set xtics format '%g s'; set ytics 10 mirror
			set ylabel 'MiB/s' offset 1
			plot '$scratch/$1-$column' using 1:7 with impulses linewidth 2 linecolor rgb '#cc79a7', \
				'' using 1:8 with impulses linewidth 2 linecolor rgb '#009e73'
			unset logscale; set ytics autofreq
			END
			n=$((n + 1))
		done
		legend "$(awk "BEGIN { print 20 / ($rows * 360 + 60) }")" \
			'anonymous|0.06|pointtype 5 linecolor rgb "#e69f00"' \
			'page cache|0.16|pointtype 5 linecolor rgb "#56b4e9"' \
			'other|0.26|pointtype 5 linecolor rgb "#404040"' \
			'free|0.32|pointtype 5 linecolor rgb "#d0d0d0"' \
			'ordinary memory free|0.38|pointtype 5 linecolor rgb "#d00000"' \
			'scanned by reclaim|0.55|pointtype 5 linecolor rgb "#cc79a7"' \
			'moved into the area|0.7|pointtype 5 linecolor rgb "#009e73"'
	} | plot "timeline-$1" 1200 $((rows * 360 + 60))
}

# outcome SCENARIO COLUMN: what the kernel got, and at whose expense
outcome()
{
	local wanted got holder file=$dir/timeline/pressure-$1-$2.csv

	[ -s "$file" ] || return
	IFS=, read -r _ _ wanted got holder < <(lines "$file" | tail -n 1)
	echo ": the kernel got $got of $wanted MiB, holder $holder"
}

# events SCENARIO COLUMN: marks for when pressure begins and ends, and who was killed
events()
{
	local end n=10 time

	end=$(cat "$scratch/$1-$2.end")
	if [ "$end" ]; then
		for time in 0 "$end"; do
			n=$((n + 1))
			echo "set arrow $n from first $time,graph 0 to first $time,graph 1 nohead front dashtype 2 linecolor rgb '#606060'"
		done
	fi
	awk -F, '$9 { print $1 }' "$scratch/$1-$2" | while read -r time; do
		n=$((n + 1))
		echo "set arrow $n from first $time,graph 0 to first $time,graph 1 nohead front linewidth 2 linecolor rgb '#000000'"
		[ $n != 13 ] || echo "set label 2 'OOM kill' at first $time,graph 0.92 offset 0.6 front"
	done
}

# plot_map SCENARIO: memory by address, for each kernel before and after
plot_map()
{
	local seen column when y=0 file tics=

	seen=$(have_seen "$1" map-before-)
	[ "$seen" ] || return
	: >"$scratch/map"
	: >"$scratch/frames"
	for column in $seen; do
		for when in before after; do
			file=$dir/timeline/map-$when-$1-$column.csv
			[ -s "$file" ] || continue
			y=$((y + 1))
			tics+="${tics:+, }'$column $when' -$y"
			# FROM,TO,Y,KIND in GiB: neighbours of a kind are one box.
			lines "$file" | awk -F, -v OFS=, -v y=$y '
			function flush() { if (kind) print from / 1024, to / 1024, -y, kind }
			{
				most = 2
				for (k = 3; k <= 5; k++)
					most = $k > $most ? k : most
				if (most - 1 != kind || $1 != to) {
					flush()
					from = $1
					kind = most - 1
				}
				to = $1 + 8
			}
			END { flush() }' >>"$scratch/map"
			file=$dir/timeline/area-$1-$column.csv
			[ ! -s "$file" ] || lines "$file" |
				awk -F, -v OFS=, -v y=$y '{ print $1 / 1024, $2 / 1024, -y }' >>"$scratch/frames"
		done
	done
	{
		cat <<-END
		set style fill solid 1 noborder
		set yrange [-$y - 0.6:-0.4]
		set ytics ($tics) scale 0
		set xtics out nomirror
		set xlabel 'GiB of physical addresses'
		set key above horizontal samplen 1.5
		set grid noytics noxtics
		set offsets 0,0,0,0
		set style line 1 linecolor rgb '#e69f00'
		set style line 2 linecolor rgb '#56b4e9'
		set style line 3 linecolor rgb '#e4e4e4'
		set style line 4 linecolor rgb '#404040'
		set style line 5 linecolor rgb '#d00000' linewidth 2
		array kinds[4] = ['mostly anonymous', 'page cache', 'free', 'kernel']
		plot for [k=1:4] '$scratch/map' using (\$4 == k ? \$1 : NaN):3:1:2:(\$3 - 0.32):(\$3 + 0.32) \
			with boxxyerror linestyle k title kinds[k]\\
		END
		if [ -s "$scratch/frames" ]; then
			# shellcheck disable=SC2016 # gnuplot's $
			printf ", '%s' using 1:3:1:2:(\$3 - 0.4):(\$3 + 0.4) with boxxyerror fillstyle empty linestyle 5 title 'area'\n" \
				"$scratch/frames"
		fi
	} | plot "map-$1" 1200 $((110 + y * 34))
}
