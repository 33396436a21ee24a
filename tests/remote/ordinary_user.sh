#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A consumer that may not use userfaultfd: it fetches eagerly by itself, rmmap info says so and
# what to do, and RMMAP_LAZY is ENOTSUP.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

handle=$(at "$a" "$field" publish 4 1)
as_nobody=
if [ "$(id -u)" -eq 0 ]; then
	requires setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$field"
	as_nobody="setpriv --reuid 65534 --regid 65534 --clear-groups"
	chmod 0711 "$tmp"
	chown 65534:65534 "$b"
	RMMAP_LOG=
fi
can_nobody()
{
	# shellcheck disable=SC2086
	RMMAP_RUNDIR=$b $as_nobody rmmap info --json | grep -A 1 '"userfaultfd"' |
		grep -q '"ok": true'
}
! can_nobody || skip "userfaultfd is allowed to everybody here"

# shellcheck disable=SC2086
RMMAP_RUNDIR=$b $as_nobody rmmap info >"$tmp/out"
grep -A 1 '^userfaultfd  *short' "$tmp/out" | tee "$tmp/said"
grep -q "fetched whole at attach" "$tmp/said" || fail "rmmap info does not say that attaches are eager"
grep -q unprivileged_userfaultfd "$tmp/said" || fail "rmmap info does not say what to do"

# shellcheck disable=SC2086
at "$b" $as_nobody "$field" walk auto up "$handle" >"$tmp/out" || fail "auto: $(cat "$tmp/out")"
[ "$(counter pages "$tmp/out")" -ge 1024 ] || fail "not all was fetched: $(cat "$tmp/out")"
[ "$(counter faults "$tmp/out")" -eq 0 ] || fail "it was lazy: $(cat "$tmp/out")"
# asked for, by the program or by its environment
for wish in auto lazy; do
	_status=0
	# shellcheck disable=SC2086
	at "$b" env RMMAP_FETCH=lazy $as_nobody "$field" walk $wish up "$handle" >"$tmp/out" ||
		_status=$?
	echo "RMMAP_FETCH=lazy, $wish: $(cat "$tmp/out")"
	[ "$_status" -eq 4 ] || fail "status $_status"
	grep -q '^ENOTSUP: .*userfaultfd' "$tmp/out" || fail "not ENOTSUP with the reason"
done
