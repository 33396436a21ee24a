#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Workers and whole rmmapds killed, on either side, between publish and attach and at different
# moments of a lazy walk. Content is right, or SIGBUS ends the reader; never zeros, never a hang.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e
can_lazy || skip "userfaultfd is not allowed here, so that attaches are not lazy"

# killed WHEN PIDS - a command that kills them so many ms after it was started
killed()
{
	if [ "$1" -eq 0 ]; then
		echo "kill -KILL $2"
	else
		echo "(sleep 0.$(printf '%03d' "$1"); kill -KILL $2) >/dev/null 2>&1 &"
	fi
}

# lazily ORDER PERCENT COMMAND - walk in b: its status
lazily()
{
	_status=0
	RMMAP_RUNDIR=$b timeout 300 "$field" walk lazy "$1" "$handle" "$2" "$3" \
		>"$tmp/out" 2>"$tmp/err" || _status=$?
	echo "  $1 at $2 %: status $_status $(cat "$tmp/out" "$tmp/err")"
	case $_status in
	124) fail "a walk hangs" ;;
	3) fail "a walk saw what was never published" ;;
	esac
}

right()
{
	lazily "$@"
	[ "$_status" -eq 0 ] || fail "the walk ended with $_status"
}

# all is right, or SIGBUS
right_or_sigbus()
{
	lazily "$@"
	[ "$_status" -eq 0 ] || [ "$_status" -eq 135 ] || fail "the walk ended with $_status"
}

# New rmmapds: one whose worker has died six times within ten seconds gives up.
afresh()
{
	stop_daemon "$a"
	stop_daemon "$b"
}

publish()
{
	handle=$(at "$a" "$field" publish 32 "$1") || fail "publish: $handle"
}

for moment in "up 0 0" "up 40 0" "random:1 10 3" "down 90 0" "random:2 30 10"; do
	afresh
	publish 1
	# shellcheck disable=SC2086
	set -- $moment
	echo "the consumer's worker:"
	at "$b" "$field" walk lazy none "$handle" >/dev/null || fail "attach before"
	right "$1" "$2" "$(killed "$3" "$(workers_of "$b")")"
	echo "the producer's worker:"
	right "$1" "$2" "$(killed "$3" "$(workers_of "$a")")"
done
echo "both workers:"
right random:3 20 "$(killed 0 "$(workers_of "$a") $(workers_of "$b")")"

echo "between publish and attach:"
# shellcheck disable=SC2046
kill -KILL $(workers_of "$a")
right up 0 :
# shellcheck disable=SC2046
kill -KILL $(workers_of "$b")
right up 0 :

echo "all of the producer's rmmapd:"
afresh
for moment in "up 0 0" "up 50 0" "random:1 10 3" "down 60 0"; do
	# shellcheck disable=SC2086
	set -- $moment
	publish 2
	right_or_sigbus "$1" "$2" "$(killed "$3" "$(pids_of "$a")")"
	[ "$_status" -eq 0 ] || one_line "$tmp/err"
	[ "$_status" -eq 135 ] || [ "$3" -ne 0 ] || fail "the pages came from nowhere"
done

echo "all of the consumer's rmmapd:"
publish 3
for moment in "up 0 0" "up 50 0" "random:1 10 3" "down 60 0"; do
	# shellcheck disable=SC2086
	set -- $moment
	at "$b" "$field" walk lazy none "$handle" >/dev/null || fail "attach before"
	right_or_sigbus "$1" "$2" "$(killed "$3" "$(pids_of "$b")")"
done

echo "a keeper alone: its worker goes on with what it holds"
for dir in "$a" "$b"; do
	afresh
	publish 4
	at "$b" "$field" walk lazy none "$handle" >/dev/null || fail "attach before"
	orphan=$(workers_of "$dir")
	lazily random:5 20 "kill -KILL $(daemon_pid "$dir")"
	# nobody else would end it for as long as it holds a publication
	# shellcheck disable=SC2086
	kill -KILL $orphan
	[ "$_status" -eq 0 ] || fail "the walk ended with $_status"
done

afresh
publish 5
echo "between publish and attach, all of the consumer's:"
at "$b" "$field" walk lazy none "$handle" >/dev/null || fail "attach before"
# shellcheck disable=SC2046
kill -KILL $(pids_of "$b")
right up 0 :
