#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Trade validation: the same verdicts in all three ways.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/workflows/functions.sh" || exit 99
needs finra/rule msgpack hiredis
start_redis

awk 'BEGIN { print "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits"; s = 7
	for (stock = 0; stock < 3; stock++) { price = 20 * (stock + 1)
		for (d = 0; d < 700; d++) { s = (s * 16807) % 2147483647
			open = price; price *= 1 + (s % 1000 - 500) / 20000
			high = (open > price ? open : price) * 1.01; low = (open < price ? open : price) * 0.99
			printf "%d-%02d-%02d,%.6f,%.6f,%.6f,%.6f,%d,0.0,0.0\n", 2004 + int(d / 336),
				int(d / 28) % 12 + 1, d % 28 + 1, open, high, low, price, 1000 + s % 90000 } } }' \
	>"$tmp/market.csv"

"$conduct" --via messaging -n 5 "$workflows/finra/workflow" "$tmp/market.csv" 4 3000 >"$tmp/want.5" ||
	fail "five rules"
"$conduct" --via messaging -n 1 "$workflows/finra/workflow" "$tmp/market.csv" 4 3000 >"$tmp/want.1" ||
	fail "one rule"
cat "$tmp/want.5"
[ "$(wc -l <"$tmp/want.5")" -eq 6 ] || fail "not a verdict of each rule"
for rule in format price margin side duplicate; do
	grep -Eq "^$rule 0: [1-9][0-9]* trades, .*T[0-9]{8} first" "$tmp/want.5" ||
		fail "nothing to object to by $rule"
done
same_by_count "$tmp/want" finra "$tmp/market.csv" 4 3000
all_ways
