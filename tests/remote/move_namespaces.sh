#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# rmmap move between two hosts with addresses of their own; the wire is cut before and in the
# middle of it, and the original stays.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

apart 10.78.0

(umask 077 && head -c 32 /dev/urandom >"$a/move.key")
cp -p "$a/move.key" "$b/move.key"
RMMAP_FABRIC=tcp@veth0:7471
in_two rmmap hello >"$tmp/hello" 2>"$tmp/err"
in_two rmmap unpublish "@$tmp/hello"
in_two rmmap info --json | grep -q '"address": "10.78.0.2:7471"' || fail "it does not listen there"
RMMAP_FABRIC=tcp@veth0

# ---- no wire: then a wire ----
handle=$(in_one "$field" publish 64 1)
ip -n "$one" link set veth0 down
_status=0
_start=$(date +%s)
in_one rmmap move "$handle" 10.78.0.2:7471 >"$tmp/out" 2>"$tmp/err" || _status=$?
echo "no wire: $(cat "$tmp/err") after $(($(date +%s) - _start)) s"
[ "$_status" -eq 1 ] && grep -q 'does not answer' "$tmp/err" || fail "moved without a wire: $_status"
in_one "$field" walk eager up "$handle" || fail "the original"
ip -n "$one" link set veth0 up
moved=$(in_one rmmap move "$handle" 10.78.0.2:7471)
holds_nothing() { [ "$(RMMAP_RUNDIR=$a rmmap list --json | grep -c '"id"')" -eq 0 ]; }
wait_for 60 holds_nothing || fail "the original is still there"
in_one "$field" walk eager up "$moved" || fail "back over the wire"

# ---- cut in the middle ----
for delay in 0.05 0.2; do
	handle=$(in_one "$field" publish 128 2)
	_status=0
	in_one rmmap move "$handle" 10.78.0.2:7471 >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	sleep $delay
	ip -n "$one" link set veth0 down
	wait $pid || _status=$?
	echo "cut: status $_status: $(cat "$tmp/err")"
	ip -n "$one" link set veth0 up
	if [ "$_status" -ne 0 ]; then
		[ "$(wc -l <"$tmp/err")" -eq 1 ] || fail "not one line: $(cat "$tmp/err")"
		in_one "$field" walk eager up "$handle" || fail "the original"
	else
		in_two "$field" walk eager up "$(cat "$tmp/out")" || fail "what was moved"
	fi
done
