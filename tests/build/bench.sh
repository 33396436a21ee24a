#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# bench/ways: every structure comes out the same by every way that is built in, between two
# run directories too. No times are looked at.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
set -e
ways=$abs_top_builddir/bench/ways
new_rundir b
new_rundir a

built=$("$ways/plain" ways | grep -Ev 'redis|fi_read' | tr '\n' ,)
kinds=7 touches=3
"$ways/pair" --ways "${built}rmmap" --sizes 65536 --reps 1 \
	--kinds list,list-random,tree,hash,matrix,graph,table >"$tmp/same" || fail "$(grep '^#' "$tmp/same")"
lines=$((kinds * touches * $(echo "${built}rmmap" | tr , '\n' | wc -l)))
[ "$(grep -vc '^#' "$tmp/same")" -eq "$lines" ] || fail "not $lines rows: $(cat "$tmp/same")"

"$ways/pair" --net apart --rundirs "$a,$b" --ways rmmap,rmmap-eager --sizes 1048576 --reps 1 \
	--touches full,few --kinds list,list-random,tree,hash,matrix,graph,table,chase \
	>"$tmp/apart"  || fail "$(grep '^#' "$tmp/apart")"
[ "$(grep -c '^apart' "$tmp/apart")" -eq $(((kinds + 1) * 2 * 2)) ] || fail "apart: $(cat "$tmp/apart")"

"$ways/pair" --net pages --rundirs "$a,$b" --kinds flat --ways rmmap,rmmap-eager,fi_read \
	--sizes 4194304 --reps 1 --touches full,half,few,runs >"$tmp/pages" || fail "$(grep '^#' "$tmp/pages")"
[ "$(grep -c '^pages' "$tmp/pages")" -eq 12 ] || fail "pages: $(cat "$tmp/pages")"

if "$ways/plain" ways | grep -q redis && command -v redis-server >/dev/null; then
	mkdir "$tmp/redis"
	# the port may be somebody's: then the next one
	listens()
	{
		grep -q 'Ready to accept' "$tmp/redis/log" || ! kill -0 "$redis" 2>/dev/null
	}
	for try in 0 1 2 3 4 5 6 7 8 9; do
		port=$((20000 + ($$ + try * 997) % 10000))
		redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no \
			--dir "$tmp/redis" >"$tmp/redis/log" &
		redis=$!
		cleanup_fn kill $redis
		wait_for 120 listens || fail "redis-server: $(cat "$tmp/redis/log")"
		! grep -q 'Ready to accept' "$tmp/redis/log" || break
	done
	WAYS_REDIS=127.0.0.1:$port "$ways/pair" --ways redis --sizes 65536 --reps 1 --touches full \
		>"$tmp/redis/rows" || fail "$(grep '^#' "$tmp/redis/rows")"
	[ "$(grep -vc '^#' "$tmp/redis/rows")" -eq "$kinds" ] || fail "$(cat "$tmp/redis/rows")"
else
	echo "without Redis: hiredis or redis-server is not installed"
fi
