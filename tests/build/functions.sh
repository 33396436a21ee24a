#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# functions.sh itself: skips say why, cleanups run in reverse and on every way out.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
set -e
functions=$(cd "$abs_top_srcdir" && pwd)/tests/functions.sh

# run TEXT as a test; its output is in $tmp/out, its exit status in $status
try()
{
	printf '. "%s"\n%s\n' "$functions" "$1" >"$tmp/test.sh"
	status=0
	sh "$tmp/test.sh" >"$tmp/out" 2>&1 || status=$?
}

try 'skip "no unicorn"'
[ "$status" = 77 ] || fail "skip ends with $status"
grep -q 'skipped: no unicorn' "$tmp/out" || fail "skip does not say why"

try 'requires false and more'
[ "$status" = 77 ] || fail "requires ends with $status"
grep -q 'false and more' "$tmp/out" || fail "requires does not say what"

try 'requires true; fail "a reason"'
[ "$status" = 1 ] || fail "fail ends with $status"
grep -q 'a reason' "$tmp/out" || fail "fail does not say why"

try 'cleanup_fn echo "it'\''s  first"; cleanup_fn echo "\$HOME second"; echo "$tmp" >'"$tmp/where"'; exit 5'
[ "$status" = 5 ] || fail "the exit status is lost: $status"
printf '%s\n' '$HOME second' "it's  first" | diff - "$tmp/out" || fail "cleanups"
[ ! -e "$(cat "$tmp/where")" ] || fail "the temporary directory stays"

try 'cleanup_fn echo cleaned; kill -TERM $$; sleep 5'
[ "$status" = 99 ] || fail "a signal ends with $status"
grep -q cleaned "$tmp/out" || fail "no cleanup after a signal"

try 'wait_for 1 false || echo late; wait_for 1 true && echo soon'
printf 'late\nsoon\n' | diff - "$tmp/out" || fail "wait_for"

try 'new_rundir a; new_rundir b; stat -c %a "$a" "$b"; [ "$RMMAP_RUNDIR" = "$b" ]
echo $$ >"$b/rmmapd.lock"; daemon_pid "$b" && echo "took any process for rmmapd"
exec 9<"$b/rmmapd.lock"; [ "$(daemon_pid "$b")" = $$ ] && echo "known by its lock"; : >"$b/rmmapd.lock"'
printf '700\n700\nknown by its lock\n' | diff - "$tmp/out" || fail "new_rundir"
[ "$status" = 0 ] || fail "new_rundir ends with $status"

try 'new_rundir a; mkfifo "$tmp/go"
(exec 9>"$a/rmmapd.lock"; trap "" TERM; echo up >"$tmp/go"; while :; do sleep 0.1; done) & pid=$!
read up <"$tmp/go"; echo $pid >"$a/rmmapd.lock"; echo $pid >'"$tmp/pid"
[ "$status" = 0 ] || fail "stopping ends with $status"
! kill -0 "$(cat "$tmp/pid")" 2>/dev/null || fail "one that ignores SIGTERM survives"
