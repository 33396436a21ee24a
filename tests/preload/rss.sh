# SPDX-License-Identifier: BSD-2-Clause
# preload_rss: after 1 GiB of blocks was freed the memory is the system's again, as it is
# with jemalloc itself, but for what either happens to keep a little longer
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
set -e

own_malloc
LD_PRELOAD=$lib "$abs_top_builddir/tests/preload/rss" > "$tmp/ours" &
pid=$!
jemalloc=$(ldconfig -p 2>/dev/null | sed -n 's/.*libjemalloc\.so\.2 .*=> //p' | head -n 1)
if [ -n "$jemalloc" ]; then
	LD_PRELOAD=$jemalloc "$abs_top_builddir/tests/preload/rss" > "$tmp/theirs"
fi
wait "$pid" || fail "rss failed"
new_rundir runs
for how in "" fork; do
	# shellcheck disable=SC2086
	RMMAP_HEAP=shared LD_PRELOAD=$lib "$abs_top_builddir/tests/preload/rss" $how > "$tmp/shared"
	read -r full freed later < "$tmp/shared"
	echo "shared heap, ${how:-not} forked: $full, $freed, $later"
	[ "$full" -ge 1024 ] || fail "1 GiB was not in use"
	[ "$freed" -le 300 ] && [ "$later" -le 300 ] || fail "$freed MiB stay resident, $later later"
done
read -r full freed later < "$tmp/ours"
echo "resident MiB: $full in use, $freed when freed, $later after 12 s"
[ "$full" -ge 1024 ] || fail "1 GiB was not in use"
[ "$freed" -le 300 ] || fail "$freed MiB stay resident"
[ "$later" -le "$freed" ] || fail "$later MiB later"
if [ -n "$jemalloc" ]; then
	read -r full theirs later_theirs < "$tmp/theirs"
	echo "with $jemalloc: $full, $theirs, $later_theirs"
	[ "$freed" -le $((theirs + 64)) ] || fail "jemalloc itself keeps $theirs MiB, we $freed"
	[ "$later" -le $((later_theirs + 64)) ] || fail "jemalloc itself keeps $later_theirs MiB, we $later"
fi
