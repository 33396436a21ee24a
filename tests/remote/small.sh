#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The pages of a small publication come with the answer to the attach: no fi_read, and readers
# are counted and refused as before.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

reads()
{
	RMMAP_RUNDIR=$b rmmap info --json | sed -n 's/^ *"fi_reads": \([0-9]*\).*/\1/p'
}

# held COMMAND - run by a process of b that has attached $handle
held()
{
	at "$b" "$field" walk auto up "$handle" 50 "$1" >"$tmp/out" 2>&1 ||
		fail "walk: $(cat "$tmp/out")"
}

export handle b
handle=$(at "$a" "$field" publish 32k 7 2) || fail "publish: $handle"
bytes=$(fact data_bytes "$handle" "$a")
[ "$bytes" -gt 0 ] && [ "$bytes" -le 32768 ] || fail "it is no small one: $bytes bytes"
held "RMMAP_RUNDIR='$b' rmmap stat --json '$handle' >'$tmp/stat'"
pages=$(sed -n 's/^ *"fetched_pages": \([0-9]*\).*/\1/p' "$tmp/stat")
echo "$bytes bytes of data, $pages pages came, $(reads) reads"
[ "$((pages * $(getconf PAGESIZE)))" -eq "$bytes" ] || fail "not each page came once"
[ "$(reads)" -eq 0 ] || fail "$(reads) reads were posted"

# the second of two readers, and no third; once revoked there is none
held true
refused ENOENT "used up" "$b" auto "$handle"
handle=$(at "$a" "$field" publish 32k 8)
held "RMMAP_RUNDIR='$a' rmmap unpublish --revoke '$handle'"
refused ENOENT "gone\|revoked" "$b" auto "$handle"

# the publisher's worker is replaced under a reader, and the reader's: nothing is read for it
handle=$(at "$a" "$field" publish 32k 9)
held "kill -KILL $(workers_of "$a") && RMMAP_RUNDIR='$b' '$field' walk auto up '$handle' &&
	kill -KILL $(workers_of "$b") && RMMAP_RUNDIR='$b' '$field' walk auto up '$handle'"
[ "$(reads)" -eq 0 ] || fail "$(reads) reads after workers were replaced"

# one that does not fit is read
handle=$(at "$a" "$field" publish 1 10)
held true
[ "$(reads)" -gt 0 ] || fail "1 MiB came without a read"
