#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# 200 processes have one publication at once: on its own host, and on another one, where each
# page crosses the network once. SCALE_CONSUMERS: so many.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
. "$abs_top_srcdir/tests/scale/functions.sh"
set -e
: "${SCALE_CONSUMERS:=200}"

handle=$(at "$a" "$scale" publish 1 4096)

# crowd DIR HOW
crowd()
{
	RMMAP_RUNDIR=$1 timeout 300 "$scale" crowd "$SCALE_CONSUMERS" "$2" "$handle" \
		"rmmap stat --json '$handle' >'$tmp/json'; touch '$tmp/there';
		 while [ -e '$tmp/there' ]; do sleep 0.1; done" >"$tmp/out" 2>&1 &
	crowd=$!
	wait_for 280 [ -e "$tmp/there" ] || fail "$2: $(cat "$tmp/out")"
	takes "$1" "$SCALE_CONSUMERS at once, $2"
	rm "$tmp/there"
	wait "$crowd" || fail "$2: $(cat "$tmp/out")"
	attached=$(sed -n 's/^ *"attached": \([0-9]*\).*/\1/p' "$tmp/json")
	[ "$attached" -eq "$SCALE_CONSUMERS" ] || fail "$2: $attached have it"
}

crowd "$a" auto
ways=eager
! can_lazy || ways="lazy eager"
for how in $ways; do
	new_rundir "there_$how"
	eval "dir=\$there_$how"
	crowd "$dir" "$how"
	fetched=$(sed -n 's/^ *"fetched_pages": \([0-9]*\).*/\1/p' "$tmp/json")
	data=$(($(sed -n 's/^ *"data_bytes": \([0-9]*\).*/\1/p' "$tmp/json") / 4096))
	echo "$how: $data pages of data, $fetched fetched"
	[ "$fetched" -gt 0 ] || fail "$how: nothing was fetched"
	[ "$fetched" -le "$data" ] || fail "$how: a page was fetched twice"
done
