#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Training and prediction with libsvm: the same models and the same digits in all three ways.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/workflows/functions.sh" || exit 99
needs ml/train msgpack hiredis gsl libsvm
start_redis

# Ten kinds of images that can be told from one another, by a hand that trembles.
awk 'BEGIN { s = 3; for (i = 0; i < 300; i++) { d = i % 10; line = ""
	for (p = 0; p < 64; p++) { s = (s * 16807) % 2147483647
		v = (p * (d + 3) + d * d) % 17 - 14 + s % 29; line = line (v < 0 ? 0 : v > 16 ? 16 : v) "," }
	print line d } }' >"$tmp/digits.csv"
digits=$tmp/digits.csv
ml=$abs_top_builddir/examples/workflows/ml

for functions in 1 5; do
	"$conduct" --via messaging -n $functions "$workflows/training/workflow" "$digits" 2 12 \
		>"$tmp/best.$functions" || fail "$functions trainers"
	cat "$tmp/best.$functions"
	grep -Eq "^best of $functions: .* accuracy (0\.[5-9][0-9]*|1\.000000)," "$tmp/best.$functions" ||
		fail "nothing was learnt"
	awk '{ sub(",", "", $11); exit $11 != $NF }' "$tmp/best.$functions" ||
		fail "the model that was handed over is another one"
done
same_by_count "$tmp/best" training "$digits" 2 12

"$ml/fit" "$digits" 2 "$tmp/model" || fail "no model"
"$conduct" --via messaging -n 3 "$workflows/prediction/workflow" "$tmp/model" "$digits" 3 \
	>"$tmp/told" || fail "prediction"
tail -n 1 "$tmp/told"
grep -Eq "^[0-9]+ of 900 right, accuracy (0\.[5-9]|1\.0)" "$tmp/told" || fail "nothing is told"
same "$tmp/told" prediction "$tmp/model" "$digits" 3
all_ways
