#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Each provider of this libfabric by itself: eager, lazy, another one on the other side, revoked,
# and the publisher's rmmapd dead. RMMAP_TEST_PROVIDERS names others than tcp, net and sockets.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

publish()
{
	handle=$(at "$a" "$field" publish 32 "$1") || fail "$provider: publish: $handle"
}

tried=0
other=
for provider in ${RMMAP_TEST_PROVIDERS:-tcp net sockets}; do
	stop_daemon "$a"
	stop_daemon "$b"
	RMMAP_FABRIC=$provider@$RMMAP_TEST_ADDRESS
	echo "$provider:"
	if ! at "$a" "$field" publish 32 1 >"$tmp/handle"; then
		cat "$tmp/handle"
		# what was asked for by name has to be there
		[ -z "$RMMAP_TEST_PROVIDERS" ] && [ "$provider" != tcp ] &&
			grep -q "unknown provider '$provider'" "$tmp/handle" ||
			fail "$provider: $(cat "$tmp/handle")"
		continue
	fi
	handle=$(cat "$tmp/handle")
	walk_b eager up 100 "rmmap stat '$handle' >'$tmp/stat'"
	[ "$_status" -eq 0 ] || fail "$provider: eager: $(cat "$tmp/out" "$tmp/err")"
	[ "$(counter bytes "$tmp/out")" -ge 33554432 ] || fail "$provider: bytes: $(cat "$tmp/out")"
	grep -q "^provider  *$provider" "$tmp/stat" || fail "$provider: $(cat "$tmp/stat")"
	tried=$((tried + 1))
	# another provider on the other side: both are named
	if [ -n "$other" ]; then
		stop_daemon "$b"
		RMMAP_FABRIC=$other@$RMMAP_TEST_ADDRESS refused EPROTO "$provider.*$other" "$b" auto "$handle"
		stop_daemon "$b"
	fi
	other=$provider
	if can_lazy; then
		publish 3
		walk_b lazy random:3
		[ "$_status" -eq 0 ] || fail "$provider: lazy: $(cat "$tmp/out" "$tmp/err")"
		publish 4
		walk_b lazy up 5 "RMMAP_RUNDIR='$a' rmmap unpublish --revoke '$handle'"
		[ "$_status" -eq 135 ] || fail "$provider: revoked: $(cat "$tmp/out" "$tmp/err")"
		publish 5
		walk_b lazy up 5 "kill -KILL $(pids_of "$a")"
		[ "$_status" -eq 135 ] || fail "$provider: dead: $(cat "$tmp/out" "$tmp/err")"
	fi
done
[ "$tried" -gt 0 ] || fail "no provider was tried"
can_lazy || skip "userfaultfd is not allowed here: $tried providers were tried eagerly only"
