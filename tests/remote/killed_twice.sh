#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The kernel kills the worker for an attach that is too large, and the next one with the same
# request under way: then that one fails, and everything else lives on.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

# info NAME - a number of rmmap info --json at b
info()
{
	RMMAP_RUNDIR=$b rmmap info --json | sed -n "s/^ *\"$1\": \([0-9]*\).*/\1/p"
}

handle=$(at "$a" "$field" publish 64 1) || fail "publish: $handle"
other=$(at "$a" "$field" publish 8 2) || fail "publish: $other"
mine=$(at "$b" "$field" publish 4 3) || fail "publish: $mine"

over() { ! kill -0 "$1" 2>/dev/null; }

# At b another process has something else, while workers are killed and the large one fails.
publisher=$(workers_of "$a")
at "$b" "$field" walk eager up "$other" 50 "touch '$tmp/has'; while [ ! -e '$tmp/done' ]; do
	sleep 0.1; done" >"$tmp/walk" 2>&1 &
reader=$!
has() { [ -e "$tmp/has" ]; }
wait_for 60 has || fail "no attach: $(cat "$tmp/walk")"

# shellcheck disable=SC2086
kill -STOP $publisher
at "$b" "$field" walk eager up "$handle" >"$tmp/out" 2>&1 &
large=$!
# A kill that comes before the request was sent again is none of its deaths.
kills=0
while [ "$kills" -lt 4 ] && ! over "$large"; do
	sleep 0.7
	over "$large" && break
	# shellcheck disable=SC2046
	kill -KILL $(workers_of "$b")
	kills=$((kills + 1))
	sleep 0.3
done
wait_for 60 over "$large" || fail "it hangs"
# shellcheck disable=SC2086
kill -CONT $publisher
status=0
wait "$large" || status=$?
echo "after $kills kills: $(cat "$tmp/out")"
[ "$status" -eq 4 ] || fail "status $status"
grep -q '^ENOMEM: .*rmmapd ran out of memory' "$tmp/out" || fail "refused otherwise"
[ "$kills" -ge 2 ] || fail "after $kills kills"
[ "$(info worker_restarts)" -eq "$kills" ] || fail "$(info worker_restarts) restarts"

# The rest lives: what is attached, what was published; and another attach is another attempt.
touch "$tmp/done"
wait "$reader" || fail "who had another one: $(cat "$tmp/walk")"
at "$b" "$field" walk auto up "$mine" >/dev/null || fail "what was published is gone"
at "$b" "$field" walk eager up "$handle" >/dev/null || fail "it cannot be attached any more"
holds_mine() { [ "$(info cache_bytes)" -eq 0 ]; }
wait_for 60 holds_mine || fail "its cache stays: $(info cache_bytes) bytes"
