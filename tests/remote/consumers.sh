#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# 20 processes of one host read one publication lazily, each in an order of its own, some until
# they have enough: every page crosses the network once for all of them.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e
can_lazy || skip "userfaultfd is not allowed here, so that attaches are not lazy"

handle=$(at "$a" "$field" publish 16 1)
cat >"$tmp/all" <<'END'
pids=
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17; do
	"$field" walk lazy random:$i "$handle" >"$tmp/$i" &
	pids="$pids $!"
done
"$field" walk lazy up "$handle" >"$tmp/18" &
pids="$pids $!"
"$field" walk lazy down "$handle" >"$tmp/19" &
pids="$pids $!"
"$field" leave detach "$handle" >"$tmp/20" &
pids="$pids $!"
for pid in $pids; do
	wait "$pid" || exit 1
done
rmmap stat --json "$handle" >"$tmp/json"
END
export field handle tmp
at "$b" "$field" walk lazy none "$handle" 0 "sh '$tmp/all'" >/dev/null || {
	cat "$tmp"/[12]* >&2
	fail "a consumer failed"
}
sum=0
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do
	pages=$(counter pages "$tmp/$i")
	sum=$((sum + pages))
done
number()
{
	sed -n "s/^ *\"$1\": \([0-9]*\).*/\1/p" "$tmp/json"
}
fetched=$(number fetched_pages)
data=$(($(number data_bytes) / 4096))
echo "$data pages of data, $fetched fetched by this host, $sum counted by 19 of 20 processes"
[ "$fetched" -eq "$data" ] || fail "not each page was fetched once"
[ "$sum" -le "$fetched" ] || fail "a page was counted twice"
