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

# enough HOW WHAT KIB LEAST
enough()
{
	[ "$3" -ge "$4" ] && return
	rmmap info --json | grep -A 2 '"huge_pages"' | grep -q 'can be had' ||
		skip "no memory in one piece is left: see rmmap info"
	fail "$1: $2 has $3 KiB in huge pages, wanted $4"
}

# walks HOW LEAST - what is dense is huge, at least so many KiB
walks()
{
	walk "$1"
	enough "$1" "the process" "$(counter huge "$tmp/out")" "$2"
	enough "$1" rmmapd "$(cat "$tmp/rmmapd")" "$2"
	enough "$1" "what rmmap_stats() tells" $(($(counter cache "$tmp/out") / 1024)) "$2"
	export RMMAP_HUGE=off
	walk "$1"
	unset RMMAP_HUGE
	[ "$(counter huge "$tmp/out")" -eq 0 ] || fail "RMMAP_HUGE=off: the process has some"
	[ "$(counter cache "$tmp/out")" -eq 0 ] || fail "RMMAP_HUGE=off: rmmapd makes some"
}

handle=$(at "$a" "$huge" publish)
walks eager 16384
can_lazy || exit 0
walks lazy 4096

# far apart, a few pages bring few: as many as without huge pages, if not fewer
few()
{
	new_rundir "few_$1"
	at "$RMMAP_RUNDIR" env RMMAP_HUGE="$1" "$huge" touch 5 "$handle" >"$tmp/few" ||
		fail "touch, RMMAP_HUGE=$1: $(cat "$tmp/few")"
	echo "5 pages, RMMAP_HUGE=$1: $(cat "$tmp/few")"
	[ "$(counter pages "$tmp/few")" -le 640 ] || fail "5 pages brought many others"
}
few off
few auto

# a child, and the kernel itself, read what is not there yet
for what in fork write; do
	new_rundir "$what"
	at "$RMMAP_RUNDIR" "$huge" "$what" "$handle" || fail "$what"
done
