#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Publications of 8 processes of another host in one consumer, and of both hosts together
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

handles=
for i in 1 2 3 4 5 6 7 8; do
	handles="$handles $(RMMAP_SLOT=$((i * 3)) at "$a" "$field" publish 4 "$i")"
done
ways=eager
! can_lazy || ways="eager lazy"
for how in $ways; do
	# shellcheck disable=SC2086
	at "$b" "$field" many "$how" $handles >"$tmp/out" || fail "8, $how: $(cat "$tmp/out")"
	echo "8, $how: $(cat "$tmp/out")"
	[ "$(counter pages "$tmp/out")" -ge 8192 ] || fail "8, $how: not all pages were fetched"
done

near=$(RMMAP_SLOT=100 at "$b" "$field" publish 4 9)
near2=$(RMMAP_SLOT=101 at "$b" "$field" publish 4 10)
new_rundir third
third_handle=$(RMMAP_SLOT=102 at "$third" "$field" publish 4 11)
for how in $ways; do
	# shellcheck disable=SC2086
	at "$b" "$field" many "$how" "$near" $handles "$near2" "$third_handle" >"$tmp/out" ||
		fail "of three hosts, $how: $(cat "$tmp/out")"
	echo "of three hosts, $how: $(cat "$tmp/out")"
	[ "$(counter pages "$tmp/out")" -ge 9216 ] || fail "of three hosts: too few pages fetched"
	[ "$(counter pages "$tmp/out")" -lt 11264 ] || fail "pages of this host came by fi_read"
done
