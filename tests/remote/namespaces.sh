#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Two network namespaces joined by veth, with one rmmapd each: what a rundir is to the other
# tests, a host of its own with an address of its own.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

apart 10.77.0
ways=eager
! can_lazy || ways="eager lazy"
for fabric in tcp@10.77.0.1 tcp@veth0 tcp@10.77.0.1:7471; do
	RMMAP_FABRIC=$fabric
	stop_daemon "$a"
	handle=$(in_one "$field" publish 16 1) || fail "publish on $fabric: $handle"
	RMMAP_RUNDIR=$a rmmap info --json | grep -q '"address": "10.77.0.1:' ||
		fail "rmmapd does not listen on the address it was told"
	RMMAP_FABRIC=tcp
	for how in $ways; do
		in_two "$field" walk "$how" up "$handle" >"$tmp/out" || fail "$how: $(cat "$tmp/out")"
		echo "$fabric, $how: $(cat "$tmp/out")"
		[ "$(counter pages "$tmp/out")" -ge 4096 ] || fail "not all pages were fetched"
	done
done

# no RMMAP_FABRIC at all, and a default route
unset RMMAP_FABRIC
stop_daemon "$a"
stop_daemon "$b"
ip -n "$one" route add default via 10.77.0.2
ip -n "$two" route add default via 10.77.0.1
handle=$(in_one "$field" publish 16 2)
in_two "$field" walk auto random:3 "$handle" || fail "without RMMAP_FABRIC"

# the wire is cut in mid-walk: SIGBUS and one line, or a refusal; and then it is back
handle=$(in_one "$field" publish 64 3)
if [ "$ways" = "eager lazy" ]; then
	_status=0
	in_two "$field" walk lazy up "$handle" 30 "ip -n '$one' link set veth0 down" \
		>"$tmp/out" 2>"$tmp/err" || _status=$?
	echo "cut: status $_status: $(cat "$tmp/out" "$tmp/err")"
	[ "$_status" -eq 135 ] || fail "status $_status, not SIGBUS, after the wire was cut"
	one_line "$tmp/err"
else
	ip -n "$one" link set veth0 down
fi
_start=$(date +%s)
_status=0
in_two "$field" walk auto none "$handle" >"$tmp/out" || _status=$?
echo "no wire: $(cat "$tmp/out") after $(($(date +%s) - _start)) s"
[ "$_status" -eq 4 ] || fail "attached without a wire: status $_status"
grep -q '^\(EHOSTUNREACH\|ETIMEDOUT\): ' "$tmp/out" || fail "no wire: $(cat "$tmp/out")"
ip -n "$one" link set veth0 up
in_two "$field" walk auto up "$handle" >"$tmp/out" || fail "it is back: $(cat "$tmp/out")"
