#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A host that has a publication of another one already: each further attach there is still for
# the publisher's host to admit, and to count.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

# while_held HANDLE COMMAND - run by a process of b that has attached all of it and goes on
while_held()
{
	at "$b" "$field" walk eager up "$1" 50 "$2" >"$tmp/first" 2>&1 ||
		fail "the first reader: $(cat "$tmp/first" "$tmp/out" "$tmp/err" 2>/dev/null)"
}

# one more reader in b, for while_held: status 0, or $tmp/out begins with the error's name
cat >"$tmp/more" <<'END'
wanted=$1
status=0
"$field" walk auto up "$handle" >"$tmp/out" 2>"$tmp/err" || status=$?
case $wanted in
admitted) [ "$status" -eq 0 ] ;;
*) [ "$status" -eq 4 ] && grep -q "^$wanted: " "$tmp/out" ;;
esac
END
more="sh '$tmp/more'"
export field handle tmp

# unpublished over there
handle=$(at "$a" "$field" publish 1 1)
while_held "$handle" "$more admitted && RMMAP_RUNDIR='$a' rmmap unpublish '$handle' &&
	$more ENOENT && $more ENOENT"
grep -q 'gone' "$tmp/out" || fail "words: $(cat "$tmp/out")"
refused ENOENT "gone" "$b" auto "$handle"

# three attaches, two readers; and as many again one after the other
handle=$(at "$a" "$field" publish 1 2 2)
while_held "$handle" "$more admitted && $more ENOENT"
refused ENOENT "used up" "$b" auto "$handle"
handle=$(at "$a" "$field" publish 1 3 2)
at "$b" "$field" walk auto up "$handle" >/dev/null || fail "the first of two"
at "$b" "$field" walk auto up "$handle" >/dev/null || fail "the second of two"
refused ENOENT "used up" "$b" auto "$handle"

# their worker is replaced, and ours: who has it is not counted again
handle=$(at "$a" "$field" publish 1 4 3)
while_held "$handle" "kill -KILL $(workers_of "$a") && $more admitted &&
	kill -KILL $(workers_of "$b") && $more admitted && $more ENOENT"

# their rmmapd is killed: what is here stays with who has it, and nobody else gets it
handle=$(at "$a" "$field" publish 1 5)
# shellcheck disable=SC2046
while_held "$handle" "$more admitted && kill -KILL $(pids_of "$a") && $more EHOSTUNREACH"
echo "after $a was killed: $(cat "$tmp/out")"
