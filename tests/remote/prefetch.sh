#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What is prefetched changes no content: a list in random order, pages full of addresses. Stats
# tell what RMMAP_PREFETCH brought.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e
can_lazy || skip "userfaultfd is not allowed here, so that attaches are not lazy"
chase=$abs_top_builddir/tests/remote/chase

# walk HOW PREFETCH - of $handle; its line to $tmp/PREFETCH
walk()
{
	at "$b" env RMMAP_PREFETCH="$2" RMMAP_STATS=1 "$chase" walk "$1" "$handle" \
		>"$tmp/$2" 2>"$tmp/err" || fail "$1, RMMAP_PREFETCH=$2: $(cat "$tmp/$2" "$tmp/err")"
	echo "$kind, $1, $2: $(cat "$tmp/$2")"
}

for kind in list hostile; do
	handle=$(at "$a" "$chase" publish $kind)
	walk eager pointer
	sum=$(counter sum "$tmp/pointer")
	for prefetch in off sequential pointer; do
		walk lazy $prefetch
		[ "$(counter sum "$tmp/$prefetch")" = "$sum" ] || fail "another content"
	done
	[ "$(counter prefetched "$tmp/off")" -eq 0 ] || fail "RMMAP_PREFETCH=off brought pages"
	[ "$(counter faults "$tmp/off")" -ge "$(counter pages "$tmp/off")" ] ||
		fail "RMMAP_PREFETCH=off brought pages that nobody touched"
	[ "$(counter pointer "$tmp/sequential")" -eq 0 ] || fail "sequential followed pointers"
	[ "$(counter prefetched "$tmp/sequential")" -gt 0 ] || fail "nothing was read ahead"
	[ "$(counter pointer "$tmp/pointer")" -gt 0 ] || fail "no pointer was followed"
	[ "$(counter used "$tmp/pointer")" -le "$(counter prefetched "$tmp/pointer")" ] ||
		fail "more was used than was prefetched"
	grep -q 'prefetched: [1-9]' "$tmp/err" || fail "RMMAP_STATS=1 does not tell: $(cat "$tmp/err")"
	if [ $kind = list ]; then
		[ "$(counter pointer_used "$tmp/pointer")" -gt 0 ] || fail "none of it was used"
		[ "$(counter faults "$tmp/pointer")" -lt "$(counter faults "$tmp/off")" ] ||
			fail "it saved no fault"
	fi
done

# what a program asks for; the last publication is the one of hostile pages
at "$b" env RMMAP_PREFETCH=sequential "$chase" ask "$handle" >"$tmp/ask" ||
	fail "rmmap_prefetch: $(cat "$tmp/ask")"
echo "rmmap_prefetch: $(cat "$tmp/ask")"
[ "$(counter faults "$tmp/ask")" -lt 400 ] || fail "it saved no fault"
# of this host there is nothing to fetch, and with off it does nothing
at "$a" "$chase" walk eager "$handle" >"$tmp/here"
if at "$b" env CHASE_PATIENCE=3 RMMAP_PREFETCH=off "$chase" ask "$handle" >"$tmp/ask" 2>&1; then
	fail "RMMAP_PREFETCH=off fetched what was asked for"
fi
grep -q 'asked_pages >=' "$tmp/ask" || fail "RMMAP_PREFETCH=off: $(cat "$tmp/ask")"
