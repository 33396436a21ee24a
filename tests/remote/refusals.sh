#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What another host cannot be asked for, or refuses: each with its errno and words.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

handle=$(at "$a" "$field" publish 1 1)

refused EPROTO "window" "$b" auto "$("$forge" window "$handle")"
refused EPROTO "pages have 8192 bytes" "$b" auto "$("$forge" page "$handle")"
# the command line names both windows, too
"$forge" window "$handle" >"$tmp/window"
! rmmap stat "@$tmp/window" 2>"$tmp/err" || fail "a handle of another window"
grep -q "publisher's window of addresses is 0x.*, this program's is 0x.*--with-window" "$tmp/err" ||
	fail "a handle of another window: $(cat "$tmp/err")"
refused EACCES "secret" "$b" auto "$("$forge" secret "$handle")"
refused EACCES "secret" "$a" auto "$("$forge" secret "$handle")"
refused ENOENT "gone" "$b" auto "$("$forge" id "$handle")"
# a wrong secret after the right one was accepted, and the other way round
at "$b" "$field" walk auto up "$handle" >/dev/null || fail "attach after refusals"
refused EACCES "secret" "$b" auto "$("$forge" secret "$handle")"
at "$b" "$field" walk auto none "$handle" 0 \
	"! '$field' walk auto none '$("$forge" secret "$handle")' >'$tmp/second'" >/dev/null ||
	fail "a wrong secret while it is attached"
grep -q '^EACCES' "$tmp/second" || fail "a wrong secret while it is attached: $(cat "$tmp/second")"

# what was unpublished is gone
gone=$(at "$a" "$field" publish 1 2)
at "$a" rmmap unpublish "$gone"
refused ENOENT "gone" "$b" auto "$gone"
# it was attached when it was unpublished: who has it keeps it, new readers are refused
gone=$(at "$a" "$field" publish 1 3)
at "$b" "$field" walk auto up "$gone" 50 "RMMAP_RUNDIR='$a' rmmap unpublish '$gone'" >/dev/null ||
	fail "unpublished under a reader"
refused ENOENT "gone" "$b" auto "$gone"

# no network, by the consumer's wish and by the publisher's
new_rundir off_here
refused_off()
{
	RMMAP_FABRIC=off refused EHOSTUNREACH "RMMAP_FABRIC" "$@"
}
refused_off "$off_here" auto "$handle"
new_rundir off_there
quiet=$(RMMAP_FABRIC=off at "$off_there" "$field" publish 1 4)
refused EHOSTUNREACH "fabric" "$b" auto "$quiet"

# an unknown provider: the message names those that there are
new_rundir unknown
RMMAP_FABRIC=nonsense refused EINVAL "tcp" "$unknown" auto "$handle"
RMMAP_FABRIC=nonsense at "$unknown" "$field" publish 1 5 >"$tmp/out" && fail "published by nonsense"
grep -q '^EINVAL: .*nonsense.*tcp' "$tmp/out" || fail "publish by nonsense: $(cat "$tmp/out")"
