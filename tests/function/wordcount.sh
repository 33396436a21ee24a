#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The word count as functions that are servers, which sequence.sh has call one another.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/function/functions.sh"
. "$abs_top_srcdir/tests/examples/functions.sh"
wordcount=$abs_top_srcdir/examples/knative/wordcount/sequence.sh

# serve NAME OPTION... - a server of the word count's function NAME
serve()
{
	handler=$abs_top_builddir/examples/knative/wordcount/.libs/$1.so
	start "$@"
}

awk 'BEGIN { s = 1; for (i = 0; i < 200000; i++) { s = (s * 16807) % 2147483647
	printf "w%d%s", s % (s % 5000 + 1), i % 11 ? " " : "\n" } }' >"$tmp/text"
printf 'Na\303\257ve na\303\257ve the end has no newline' >"$tmp/short"
: >"$tmp/empty"

new_rundir a
serve split --body 8M --ttl 600
SPLIT_URL=$url
serve reduce
REDUCE_URL=$url
serve map --ttl 600
MAP_URL=$url
export SPLIT_URL REDUCE_URL MAP_URL

for mappers in 1 4; do
	equal "one server of map, $mappers parts" -n $mappers -- "$tmp/text"
	equal "less text than parts would have, $mappers" -n $mappers -- "$tmp/short"
	equal "no text, $mappers parts" -n $mappers -- "$tmp/empty"
done
"$wordcount" -n 2 - <"$tmp/short" >"$tmp/got" || fail "standard input"
coreutils "$tmp/short" | cmp - "$tmp/got" || fail "standard input: not the count of coreutils"
one=$MAP_URL
for name in b c d; do
	handler=$abs_top_builddir/examples/knative/wordcount/.libs/map.so
	start "map-$name" --ttl 600
	MAP_URL="$MAP_URL $url"
done
equal "four servers of map" -n 4 -- "$tmp/text"
equal "four servers of map, 9 parts" -n 9 -- "$tmp/text"

# a mapper on another host: its table comes from there, and goes by its time to live
new_rundir b
handler=$abs_top_builddir/examples/knative/wordcount/.libs/map.so
start elsewhere --ttl 1
MAP_URL="$url $one"
RMMAP_RUNDIR=$a
equal "a mapper on another host" -n 4 -- "$tmp/text"
rmmap info --json | grep -q '"fetched_bytes": [1-9]' || fail "the reducer's host fetched nothing"
expired() { [ "$(RMMAP_RUNDIR=$b rmmap list | wc -l)" -eq 0 ]; }
wait_for 20 expired || fail "left behind on the other host: $(RMMAP_RUNDIR=$b rmmap list)"
MAP_URL=$one

# told to end while map is called: at once, no call goes on, and what split published goes
handler=$abs_top_builddir/examples/knative/wordcount/.libs/map.so
start stopped
kill -STOP "$pid"
MAP_URL=$url "$wordcount" -n 2 "$tmp/text" >"$tmp/got" 2>"$tmp/err" &
script=$!
printf '%s\n' "$url" >"$tmp/url"         # not in grep's own arguments
calls() { [ "$(grep -lsF -f "$tmp/url" /proc/[0-9]*/cmdline | wc -l)" -ge "$1" ]; }
wait_for 60 calls 2 || fail "map is not called: $(cat "$tmp/err")"
kill "$script"
wait "$script" && fail "SIGTERM is no success"
calls 1 && fail "a call goes on after SIGTERM"
nothing_listed || fail "publications were left behind by SIGTERM"
kill -KILL "$pid"

# ---- what a Sequence does: each answer is the next one's event ----
url=$SPLIT_URL
post -H 'ce-specversion: 1.0' -H 'ce-id: 1' -H 'ce-source: /test' -H 'ce-type: text' \
	-H 'Content-Type: text/plain' --data-binary "@$tmp/text"
answered 200
printf '%s' "$(answer_header ce-dataref)" >"$tmp/split"
url=$MAP_URL
event text -H "ce-dataref: $(cat "$tmp/split")"
answered 200
printf '%s' "$(answer_header ce-dataref)" >"$tmp/map"
url=$REDUCE_URL
event text -H "ce-dataref: $(cat "$tmp/map")"
answered 200
coreutils "$tmp/text" | cmp - "$tmp/body" || fail "a sequence of three: not the count of coreutils"

# ---- a service for one part ----
WORDCOUNT_PART=1
export WORDCOUNT_PART
handler=$abs_top_builddir/examples/knative/wordcount/.libs/map.so
start part-1
event text -H "ce-dataref: $(cat "$tmp/split")"
answered 500 'no number of a part'
event text -H "ce-dataref: $(cat "$tmp/split")" -H 'ce-part: 0'
answered 200
printf '%s' "$(answer_header ce-dataref)" >"$tmp/part"
rmmap unpublish "@$tmp/part" || fail "unpublish"

# ---- what cannot work says so ----
url=$SPLIT_URL
for parts in 0 1001 x 1x -1 99999999999999999999999; do
	event text -H "ce-parts: $parts" -d text
	answered 500 'from 1 to 1000'
done
url=$MAP_URL
event text -d text
answered 500 'no dataref'
event text -H "ce-dataref: $(cat "$tmp/split")" -H 'ce-part: 1'
answered 500 'no number of a part'
url=$REDUCE_URL
event text
answered 500 'no tables'
event text -d 'rmmap1:nothing'
answered 500 .
awk 'BEGIN { for (i = 0; i < 5000; i++) printf "x" }' >"$tmp/long"
event text --data-binary "@$tmp/long"
answered 500 'one a line'
for handle in map split; do rmmap unpublish "@$tmp/$handle" || fail "unpublish"; done

"$wordcount" "$tmp/nothing-there" 2>"$tmp/err" && fail "a text that is not there"
"$wordcount" -n 0 "$tmp/short" 2>/dev/null && fail "no part"
REDUCE_URL=$MAP_URL "$wordcount" -n 2 "$tmp/short" >"$tmp/got" 2>"$tmp/err" && fail "no reducer"
grep -q 'answered 500: no dataref' "$tmp/err" || fail "sequence.sh says: $(cat "$tmp/err")"
[ ! -s "$tmp/got" ] || fail "counts without a reducer"
MAP_URL="$MAP_URL http://127.0.0.1:1/" "$wordcount" -n 2 "$tmp/short" >"$tmp/got" 2>"$tmp/err" &&
	fail "a mapper that is not there"
grep -q 'no answer from http://127.0.0.1:1/' "$tmp/err" || fail "sequence.sh says: $(cat "$tmp/err")"
[ "$(rmmap list | wc -l)" -eq 0 ] || fail "publications were left behind: $(rmmap list)"
exit 0
