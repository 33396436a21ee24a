#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# RMMAP_LIMIT bounds what is fetched of other hosts, too. What does not fit is refused with both
# figures, or is SIGBUS with a line; what is there already, and who has it, is left alone.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

# info NAME - a number of rmmap info --json at b
info()
{
	RMMAP_RUNDIR=$b rmmap info --json | sed -n "s/^ *\"$1\": \([0-9]*\).*/\1/p"
}

# walk HOW ORDER HANDLE [PERCENT COMMAND] - at b, within the limit
walk()
{
	RMMAP_LIMIT=16M at "$b" "$field" walk "$@"
}

# too_much HOW HANDLE BYTES - refused; the limit and what is asked for are in the words
too_much()
{
	RMMAP_LIMIT=16M refused ENOSPC "16777216 bytes (RMMAP_LIMIT) .*no room for $3" "$b" "$1" "$2"
}

large=$(at "$a" "$field" publish 32 1) || fail "publish: $large"
half=$(at "$a" "$field" publish 8 2)
third=$(at "$a" "$field" publish 4 3)
other=$(at "$a" "$field" publish 8 4)

echo "eager:"
too_much eager "$large" 33554432
worker=$(workers_of "$b")
[ "$(info cache_bytes)" -eq 0 ] || fail "$(info cache_bytes) bytes were fetched in vain"
walk eager up "$half" >/dev/null || fail "what fits was refused"

# Two of 8 MiB and no third; what a process let go is room again.
export b field half third other
walk eager up "$half" 50 "
	RMMAP_RUNDIR='$b' '$field' walk eager up '$half' >/dev/null || exit 1
	RMMAP_RUNDIR='$b' '$field' walk eager up '$third' 50 '
		RMMAP_RUNDIR=\"\$b\" \"\$field\" walk eager none \"\$other\" >\"$tmp/third\" || :' >/dev/null || exit 1
	RMMAP_RUNDIR='$b' '$field' walk eager up '$third' >'$tmp/again'
	RMMAP_RUNDIR='$b' rmmap info >'$tmp/info'" >/dev/null 2>"$tmp/err" || fail "$(cat "$tmp/err")"
grep -q '^ENOSPC: .*16777216 bytes (RMMAP_LIMIT) .* no room for' "$tmp/third" ||
	fail "the third: $(cat "$tmp/third")"
grep -q '^pages=' "$tmp/again" || fail "4 MiB beside 8: $(cat "$tmp/again")"
grep -q '^memory  *ok .*bytes held.*RMMAP_LIMIT 16777216' "$tmp/info" ||
	fail "rmmap info has no limit: $(cat "$tmp/info")"

if can_lazy; then
	echo "lazy:"
	# A part of what is too large, while another process has 8 MiB.
	walk lazy part "$large" >"$tmp/out" || fail "a part: $(cat "$tmp/out")"
	# All of it: as far as there is room, then SIGBUS, and nobody else is troubled.
	walk eager up "$half" 50 "
		_status=0
		RMMAP_RUNDIR='$b' '$field' walk lazy up '$large' >/dev/null 2>'$tmp/sigbus' ||
			_status=\$?
		[ \$_status -eq 135 ] || exit 1
		RMMAP_RUNDIR='$b' '$field' walk eager up '$third'" >/dev/null || fail "beside SIGBUS"
	one_line "$tmp/sigbus"
	grep -q 'RMMAP_LIMIT.*SIGBUS' "$tmp/sigbus" || fail "no reason: $(cat "$tmp/sigbus")"
	[ "$worker" = "$(workers_of "$b")" ] || fail "the worker was replaced"
	holds_nothing() { [ "$(info held_bytes)" = 0 ]; }
	wait_for 30 holds_nothing || fail "$(info held_bytes) bytes are still held"

	# There is room for no page at all: already the attach is refused.
	sixteen=$(at "$a" "$field" publish 16 5)
	bytes=$(fact data_bytes "$sixteen" "$a")
	RMMAP_LIMIT=$bytes
	export RMMAP_LIMIT
	stop_daemon "$b"
	at "$b" "$field" walk eager none "$sixteen" 100 "
		RMMAP_RUNDIR='$b' '$field' walk lazy none '$half' >'$tmp/full' || :" >/dev/null ||
		fail "16 MiB of $bytes bytes"
	unset RMMAP_LIMIT
	grep -q "^ENOSPC: .*$bytes bytes (RMMAP_LIMIT)" "$tmp/full" ||
		fail "attached lazily without room: $(cat "$tmp/full")"
fi

echo "moved here:"
# A cache that becomes a publication is the same memory, and counts once.
(umask 077 && head -c 32 /dev/urandom >"$a/move.key" && cp "$a/move.key" "$b/move.key")
stop_daemon "$b"
RMMAP_LIMIT=12M at "$b" "$field" walk eager up "$half" >/dev/null || fail "8 MiB of 12"
address=$(RMMAP_RUNDIR=$b rmmap info --json | sed -n 's/.*"address": "\([^"]*\)".*/\1/p' |
	head -n 1)
at "$a" rmmap move "$half" "$address" >"$tmp/moved" 2>"$tmp/err" || fail "$(cat "$tmp/err")"
held=$(info held_bytes)
[ "$held" -ge 8388608 ] && [ "$held" -lt 12582912 ] || fail "$held bytes held of 8 MiB"
walk eager none "$third" >"$tmp/out" && fail "12 MiB of 12, with tables: $held bytes held"
grep -q '^ENOSPC' "$tmp/out" || fail "$(cat "$tmp/out")"
