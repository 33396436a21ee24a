#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A lazy attach that does not come to its end is an error, or goes on with another rmmapd: it
# never ends the process. rmmapd dies around RM_LAZY, the message fails, descriptors run out.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e
can_lazy || skip "userfaultfd is not allowed here, so that attaches are not lazy"
moment=$abs_top_builddir/tests/remote/moment

# shellcheck disable=SC2046
set -- $(at "$a" "$structure" publish array 1)
handle=$1
sum=$2

# attach WHEN COMMAND - in b: its status
attach()
{
	_status=0
	at "$b" "$moment" "$1" "$handle" "$sum" "$2" >"$tmp/out" 2>"$tmp/err" || _status=$?
	echo "  $1: status $_status: $(cat "$tmp/out" "$tmp/err")"
}

goes_on()
{
	attach "$@"
	[ "$_status" -eq 0 ] || fail "the attach ended with $_status"
	[ "$(counter faults "$tmp/out")" -gt 0 ] || fail "it was not lazy"
}

# The keeper is stopped first, or it would start another worker. They are gone before it goes on.
cat >"$tmp/kill" <<'END'
. "$abs_top_srcdir/tests/functions.sh"
keeper=$(daemon_pid "$1") && worker=$(cat "/proc/$keeper/task/$keeper/children") || exit 1
kill -STOP $keeper
kill -KILL $worker $keeper
wait_for 60 _gone $worker $keeper
END
kill_all="sh '$tmp/kill' '$b'"
export abs_top_srcdir abs_top_builddir

echo "all of rmmapd dies:"
goes_on sent "$kill_all"
goes_on answered "$kill_all"

echo "the message does not get away:"
attach unsent :
[ "$_status" -eq 4 ] && grep -q '^ENOMEM: ' "$tmp/out" || fail "wanted ENOMEM"
goes_on none :

echo "nothing is absent any more when rmmapd answers:"
stop_daemon "$b"
attach sent "RMMAP_RUNDIR='$b' '$structure' walk eager array '$handle' '$sum'"
[ "$_status" -eq 0 ] || fail "the attach ended with $_status"

echo "no descriptor for a userfaultfd, once:"
stop_daemon "$b"
goes_on short :
grep -q '^EMFILE: .*ulimit -n' "$tmp/out" || fail "wanted EMFILE with the remedy"

echo "an rmmapd with few descriptors:"
for limit in $(seq 16 2 36) 64; do
	stop_daemon "$b"
	(
		# shellcheck disable=SC3045 # dash and bash have it
		ulimit -n "$limit"
		RMMAP_RUNDIR=$b "$abs_top_builddir/rmmapd"
	) </dev/null >/dev/null 2>&1 || continue
	attach "$limit" :
	case $_status in
	0 | 4) ;;
	*) fail "the attach ended with $_status" ;;
	esac
done
[ "$_status" -eq 0 ] || fail "$limit are not enough"
