#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# verbs: the producer's rmmapd, or only its worker, killed during a fetch, eager and lazy. What
# waits for a page ends within a deadline: right, SIGBUS, or refused; never a hang, never zeros.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

fetching()
{
	case $(fact fetched_pages "$handle" "$b" 2>/dev/null) in
	'' | 0) return 1 ;;
	esac
}

# during HOW PIDS - killed as soon as pages arrive; ends within 30 s: _status
during()
{
	_status=0
	(
		i=0
		until fetching || [ $i -ge 50 ]; do
			i=$((i + 1))
		done
		# shellcheck disable=SC2086
		kill -KILL $2
	) &
	RMMAP_RUNDIR=$b timeout 30 "$field" walk "$1" up "$handle" >"$tmp/out" 2>"$tmp/err" ||
		_status=$?
	wait
	echo "  $1: status $_status $(cat "$tmp/out" "$tmp/err")"
	case $_status in
	124) fail "a walk hangs" ;;
	3) fail "a walk saw what was never published" ;;
	esac
}

ways=eager
! can_lazy || ways="eager lazy"
for how in $ways; do
	handle=$(at "$a" "$field" publish 32 1)
	during "$how" "$(workers_of "$a")"
	[ "$_status" -eq 0 ] || fail "$how: its worker was replaced, and the walk ended with $_status"

	handle=$(at "$a" "$field" publish 32 2)
	during "$how" "$(pids_of "$a")"
	case $how,$_status in
	*,4) grep -q '^\(EHOSTUNREACH\|ETIMEDOUT\|EIO\): ' "$tmp/out" || fail "$(cat "$tmp/out")" ;;
	lazy,135) one_line "$tmp/err" ;;
	*,0) echo "  it had all pages before" ;;
	*) fail "$how: the walk ended with $_status" ;;
	esac
done

# for sure in the middle
if can_lazy; then
	handle=$(at "$a" "$field" publish 32 3)
	_status=0
	RMMAP_RUNDIR=$b timeout 30 "$field" walk lazy up "$handle" 20 "kill -KILL $(pids_of "$a")" \
		>"$tmp/out" 2>"$tmp/err" || _status=$?
	[ "$_status" -eq 135 ] || fail "at 20 %: status $_status: $(cat "$tmp/out" "$tmp/err")"
	one_line "$tmp/err"
fi

# and a new one serves, from the same run directory, those who have seen the old one die
handle=$(at "$a" "$field" publish 4 4)
at "$b" "$field" walk auto up "$handle" >"$tmp/out" || fail "the new rmmapd: $(cat "$tmp/out")"
