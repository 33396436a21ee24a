#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# rmmapd has nothing to do while nothing happens, with a fabric open and remote attachments held
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

# user and system time of all of them, in ticks
ticks()
{
	for _one do
		sed 's/.*) //' "/proc/$_one/stat" | awk '{ print $12 + $13 }'
	done | awk '{ sum += $1 } END { print sum }'
}

handle=$(at "$a" "$field" publish 4 1)
cat >"$tmp/measure" <<'END'
sleep 1
. "$tmp/ticks"
from=$(ticks $all)
sleep 2
echo $(($(ticks $all) - from)) >"$tmp/spent"
END
# shellcheck disable=SC2016
sed -n '/^ticks()/,/^}/p' "$0" >"$tmp/ticks"
at "$b" "$field" walk auto none "$handle" >/dev/null || fail "attach"
all="$(pids_of "$a") $(pids_of "$b")"
export tmp all
how=eager
! can_lazy || how=lazy
at "$b" "$field" walk "$how" up "$handle" 50 "sh '$tmp/measure'" || fail "$how"
spent=$(cat "$tmp/spent")
most=$(($(getconf CLK_TCK) / 20))
echo "$spent ticks of 2 s, by two rmmapds; at most $most"
[ "$spent" -lt "$most" ] || fail "rmmapd is busy while nothing happens"
