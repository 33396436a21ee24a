#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# However a lazy consumer leaves, rmmapd has the descriptors and the memory that it had before.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e
can_lazy || skip "userfaultfd is not allowed here, so that attaches are not lazy"

# what rmmapd of b has open
descriptors()
{
	for _one in $(pids_of "$b"); do
		ls "/proc/$_one/fd"
	done | wc -l
}
back_to()
{
	[ "$(descriptors)" -le "$1" ]
}
rss()
{
	for _one in $(pids_of "$b"); do
		sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$_one/status"
	done | awk '{ sum += $1 } END { print sum }'
}

handle=$(at "$a" "$field" publish 32 1)
way()
{
	at "$b" "$field" leave "$1" "$handle" >"$tmp/out" || fail "$1: $(cat "$tmp/out")"
}
killed()
{
	_status=0
	# shellcheck disable=SC2016
	at "$b" "$field" walk lazy up "$handle" 30 'kill -KILL $PPID' >/dev/null 2>&1 || _status=$?
	[ "$_status" -eq 137 ] || fail "status $_status of a killed one"
}
way detach
killed
way exit
left()
{
	[ -z "$(fact attached "$handle" "$b" 2>/dev/null)" ]
}
wait_for 120 left || fail "still attached"
before=$(descriptors)
memory=$(rss)
as_much()
{
	[ "$(rss)" -le $((memory + 2048)) ]
}
for round in 1 2 3 4; do
	for one in detach exit exec close; do
		way "$one"
		wait_for 120 back_to "$before" || fail "$one, round $round: $(descriptors) descriptors, \
before it were $before"
	done
	killed
	wait_for 120 back_to "$before" || fail "killed, round $round: $(descriptors) descriptors"
done
echo "$before descriptors before, $(descriptors) after; $memory KiB before, $(rss) after"
wait_for 60 as_much || fail "rmmapd has grown from $memory to $(rss) KiB"

# on the publisher's side, too
at "$a" rmmap unpublish "$handle"
no_lease()
{
	[ "$(RMMAP_RUNDIR=$a rmmap list --json | grep -c '"id"')" -eq 0 ]
}
wait_for 120 no_lease || fail "the publisher holds what nobody has: $(at "$a" rmmap list)"
