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
most=$(($(getconf CLK_TCK) / 20))
# what it was still doing comes to an end: one of the next periods is a quiet one
cat >"$tmp/measure" <<'END'
. "$tmp/ticks"
for _ in 1 2 3 4 5 6 7 8 9 10; do
	sleep 1
	from=$(ticks $all)
	sleep 2
	spent=$(($(ticks $all) - from))
	echo "$spent ticks of 2 s, by two rmmapds; at most $most"
	[ "$spent" -ge "$most" ] || exit 0
done
exit 1
END
# shellcheck disable=SC2016
sed -n '/^ticks()/,/^}/p' "$0" >"$tmp/ticks"
at "$b" "$field" walk auto none "$handle" >/dev/null || fail "attach"
all="$(pids_of "$a") $(pids_of "$b")"
export tmp all most
how=eager
! can_lazy || how=lazy
at "$b" "$field" walk "$how" up "$handle" 50 "sh '$tmp/measure'" ||
	fail "$how: rmmapd is busy while nothing happens"
