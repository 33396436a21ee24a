#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# verbs between two guests, the reader: eager and lazy over a wire, revoked, the
# publisher's rmmapd killed, and the wire cut
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e
can_lazy || fail "userfaultfd is not allowed here"

# ask NUMBER WHAT [ARGUMENT] - of the publisher's guest; its answer
cat >"$tmp/ask" <<'END2'
set -e
echo "$@" >/exchange/link.part
mv /exchange/link.part /exchange/link.ask
i=0
until [ -e "/exchange/link.$1" ]; do
	i=$((i + 1))
	[ "$i" -lt 1200 ] || exit 1
	sleep 0.1
done
cat "/exchange/link.$1"
END2
ask()
{
	sh "$tmp/ask" "$@" || fail "the publisher does not answer: $*"
}
walk_seconds=60
received()
{
	cat /sys/class/net/eth0/statistics/rx_bytes
}

number=0
for how in eager lazy; do
	number=$((number + 1))
	handle=$(ask "$number" publish 16)
	before=$(received)
	walk_b "$how" up
	[ "$_status" -eq 0 ] || fail "$how"
	[ "$(counter provider "$tmp/out")" = "verbs;ofi_rxm" ] || fail "not by verbs"
	[ "$(counter bytes "$tmp/out")" -ge 16777216 ] || fail "not all of it was fetched"
	[ $(($(received) - before)) -ge 16777216 ] || fail "it did not come over the wire"
done

echo "revoked:"
handle=$(ask 3 publish 16)
walk_b lazy up 5 "sh '$tmp/ask' 4 revoke '$handle'"
[ "$_status" -eq 135 ] || fail "revoked, and the walk ended with $_status"
one_line "$tmp/err"
handle=$(ask 5 publish 4)
walk_b auto up
[ "$_status" -eq 0 ] || fail "after a publication was revoked, another one"

echo "killed:"
handle=$(ask 8 publish 16)
walk_b lazy up 20 "sh '$tmp/ask' 9 kill"
[ "$_status" -eq 135 ] || fail "killed, and the walk ended with $_status"
one_line "$tmp/err"
handle=$(ask 10 publish 4)
walk_b auto up
[ "$_status" -eq 0 ] || fail "after its rmmapd was killed, the next one"
echo "the wire is cut:"
handle=$(ask 11 publish 16)
walk_b lazy up 20 "ip link set eth0 down"
[ "$_status" -eq 135 ] || fail "the wire was cut, and the walk ended with $_status"
one_line "$tmp/err"
ask 12 end
