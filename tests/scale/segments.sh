#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A publication of more than 100,000 segments: every page is right on its own host and on
# another one, lazily and eagerly, handed on, and shared by two.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
set -e
new_rundir here

timeout 300 "$abs_top_builddir/tests/handoff/scattered" 140288 50 >"$tmp/out" 2>&1 || {
	cat "$tmp/out" >&2
	fail "see above"
}
cat "$tmp/out"
segments=$(sed -n 's/.*, \([0-9]*\) segments$/\1/p' "$tmp/out")
[ "$segments" -ge 100000 ] || fail "only $segments segments"
