#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The word count in all three ways counts what tr, sort and uniq count.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/examples/functions.sh" || exit 99
. "$abs_top_srcdir/tests/workflows/functions.sh" || exit 99
needs wordcount/map msgpack hiredis
start_redis

printf 'the end has no newline' >"$tmp/1"
: >"$tmp/2"
printf 'Na\303\257ve na\303\257ve \377\376 \0 a\0b \303\211t\303\251 don'"'"'t_x\n' >"$tmp/3"
awk 'BEGIN { s = 1; for (i = 0; i < 50000; i++) { s = (s * 16807) % 2147483647
	printf "w%d%s", s % (s % 5000 + 1), i % 11 ? " " : "\n" } }' >"$tmp/4"
coreutils "$tmp/1" "$tmp/2" "$tmp/3" "$tmp/4" >"$tmp/want"
same "$tmp/want" wordcount "$tmp/1" "$tmp/2" "$tmp/3" "$tmp/4"
grep -q . "$tmp/figures" || fail "no figures"

# What fails says so, and takes the others with it.
"$conduct" --via rmmap -n 2 "$workflows/wordcount/workflow" "$tmp/nothing" >"$tmp/out" 2>"$tmp/err" &&
	fail "a text that is not there"
grep -q 'conduct: split failed' "$tmp/err" || fail "not the reason: $(cat "$tmp/err")"
"$conduct" --via pigeon -n 2 "$workflows/wordcount/workflow" "$tmp/1" 2>"$tmp/err" >"$tmp/out" &&
	fail "a way that is none"
grep -q 'rmmap, messaging or storage' "$tmp/err" || fail "not the reason: $(cat "$tmp/err")"
printf 'split near: wordcount/split %%A\nreduce near%s: wordcount/reduce\n' "$(printf ' split%.0s' $(seq 40))" \
	>"$tmp/workflow"
"$conduct" --via messaging -n 1 "$tmp/workflow" "$tmp/1" 2>"$tmp/err" >"$tmp/out"
[ $? -eq 1 ] || fail "40 inputs: $(cat "$tmp/err")"
grep -q 'more than 16 inputs' "$tmp/err" || fail "not the reason: $(cat "$tmp/err")"
all_ways
