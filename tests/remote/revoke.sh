#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# rmmap unpublish --revoke: other hosts get no page any more, whoever is on this host keeps all.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

publish()
{
	handle=$(at "$a" "$field" publish 64 "$1") || fail "publish: $handle"
}
revoke="RMMAP_RUNDIR='$a' rmmap unpublish --revoke"

# on the publisher's host, in the middle of a walk
publish 1
at "$a" "$field" walk auto up "$handle" 50 "$revoke '$handle'" >"$tmp/out" ||
	fail "a process of this host lost it: $(cat "$tmp/out")"
refused ENOENT "gone" "$a" auto "$handle"

# fetched whole before: kept whole, and nobody new gets it
publish 2
at "$b" "$field" walk eager up "$handle" 50 "$revoke '$handle'" >"$tmp/out" ||
	fail "what had been fetched is lost: $(cat "$tmp/out")"
refused ENOENT "gone\|revoked" "$b" auto "$handle"

# twice is told; after a plain unpublish it still can be
publish 3
at "$a" "$field" walk auto up "$handle" 50 "RMMAP_RUNDIR='$a' rmmap unpublish '$handle' &&
	$revoke '$handle' && ! $revoke '$handle' 2>'$tmp/twice'" >/dev/null || fail "unpublish, then revoke"
grep -q 'revoked before' "$tmp/twice" || fail "revoked twice: $(cat "$tmp/twice")"

can_lazy || skip "userfaultfd is not allowed here: revoking under a lazy reader was not tried"

# lost ORDER PERCENT COMMAND - a lazy reader of b gets SIGBUS, and one line says why
lost()
{
	_status=0
	RMMAP_RUNDIR=$b timeout 300 "$field" walk lazy "$1" "$handle" "$2" "$3" \
		>"$tmp/out" 2>"$tmp/err" || _status=$?
	echo "  $1 at $2 %: status $_status $(cat "$tmp/out" "$tmp/err")"
	[ "$_status" -eq 135 ] || fail "a reader of another host ended with $_status"
	one_line "$tmp/err"
}
for when in "up 0" "up 5" "down 10"; do
	publish 4
	# shellcheck disable=SC2086
	lost $when "$revoke '$handle'"
done

# one of this host has it, so that the publication still is there; its worker is replaced, too
publish 5
at "$a" "$field" walk auto none "$handle" 0 "
	RMMAP_RUNDIR='$b' timeout 300 '$field' walk lazy up '$handle' 5 \"$revoke '$handle' &&
		kill -KILL $(workers_of "$a")\" >'$tmp/out' 2>'$tmp/err'
	[ \$? -eq 135 ]" || fail "held here, revoked there: $(cat "$tmp/out" "$tmp/err")"
one_line "$tmp/err"
grep -q 'revoked on its host' "$tmp/err" || fail "the line: $(cat "$tmp/err")"
