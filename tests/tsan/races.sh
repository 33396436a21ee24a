#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# races: ThreadSanitizer has nothing to report of src/lib in a process of many threads, nor of
# the processes beside it, rmmapd among them
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
set -e

TSAN_OPTIONS="log_path=$tmp/report history_size=7"
export TSAN_OPTIONS

status=0
"$abs_top_builddir/tests/tsan/races" || status=$?
for report in "$tmp"/report.*; do
	[ -f "$report" ] || continue
	! grep -q 'unexpected memory mapping' "$report" ||
		skip "vm.mmap_rnd_bits is too large for this ThreadSanitizer"
	cat "$report" >&2
	status=1
done
[ "$status" = 0 ] || fail "status $status"
