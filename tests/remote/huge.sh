#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What comes from another host lies in 2 MiB pages, in rmmapd and in who attaches; the content is
# the same with and without them. A few pages that are touched bring no others than before.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e
huge=$abs_top_builddir/tests/remote/huge
rmmap info --json | grep -A 2 '"huge_pages"' | grep -q 'can be had' ||
	skip "the kernel makes no huge pages of memory files: see rmmap info"

# KiB of caches that the worker of $c has mapped by huge pages
cat >"$tmp/rmmapd_huge" <<EOF
awk '/^[0-9a-f]+-/ { ours = /memfd:rmmap-cache/ }
     ours && /^ShmemPmdMapped:/ { sum += \$2 } END { print sum + 0 }' \
	"/proc/\$(RMMAP_RUNDIR=\$1 rmmap info --json | sed -n 's/^ *"worker_pid": \([0-9]*\).*/\1/p')/smaps"
EOF

# walk HOW - on a host that has nothing of it yet
walk()
{
	hosts=$((${hosts:-0} + 1))
	new_rundir "c$hosts"
	c=$RMMAP_RUNDIR
	at "$c" "$huge" walk "$1" "$handle" "sh '$tmp/rmmapd_huge' '$c' >'$tmp/rmmapd'" \
		>"$tmp/out" || fail "$1: $(cat "$tmp/out")"
	echo "$1, RMMAP_HUGE=${RMMAP_HUGE:-auto}: $(cat "$tmp/out"), in rmmapd $(cat "$tmp/rmmapd")"
}

# walks HOW - most of what is dense is huge
walks()
{
	walk "$1"
	[ "$(counter huge "$tmp/out")" -ge 16384 ] || fail "the process maps few huge pages"
	[ "$(cat "$tmp/rmmapd")" -ge 16384 ] || fail "rmmapd maps few huge pages"
	[ "$(counter cache "$tmp/out")" -ge 16777216 ] || fail "rmmap_stats() tells of few"
	export RMMAP_HUGE=off
	walk "$1"
	unset RMMAP_HUGE
	[ "$(counter huge "$tmp/out")" -eq 0 ] || fail "RMMAP_HUGE=off: the process has some"
	[ "$(counter cache "$tmp/out")" -eq 0 ] || fail "RMMAP_HUGE=off: rmmapd makes some"
}

handle=$(at "$a" "$huge" publish)
walks eager
