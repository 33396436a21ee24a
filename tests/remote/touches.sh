#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# An absent page that is touched first by a write, by a system call, or by a child of fork()
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e
can_lazy || skip "userfaultfd is not allowed here, so that attaches are not lazy"

# shellcheck disable=SC2046
set -- $(at "$a" "$structure" publish array 1)
touch=$abs_top_builddir/tests/remote/touch
# another process has it attached all the while: what the first writes is not to be seen there
at "$b" "$structure" walk lazy array "$1" "$2" "'$touch' '$1' 1 >'$tmp/one'" || {
	cat "$tmp/one"
	fail "touched what was there"
}
at "$b" "$touch" "$1" 1 >"$tmp/out" || fail "touched what was absent: $(cat "$tmp/out")"
[ "$(counter faults "$tmp/out")" -ge 3 ] || fail "nothing was absent: $(cat "$tmp/out")"
at "$b" "$structure" walk lazy array "$1" "$2" || fail "what one wrote, another sees"
