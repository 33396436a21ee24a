#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# rmmap plan: what it prints, what it refuses, and a word count that is run as planned, on three
# "hosts", where without a plan two of them could take the same addresses.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/examples/functions.sh" || exit 99

# refused LINE WORDS: the file $tmp/bad names that line and says so
refused() {
	got=0
	rmmap plan "$tmp/bad" >"$tmp/out" 2>"$tmp/err" || got=$?
	[ "$got" -eq 1 ] || fail "exit status $got: $(cat "$tmp/bad")"
	[ ! -s "$tmp/out" ] || fail "half a plan: $(cat "$tmp/out")"
	[ "$(wc -l <"$tmp/err")" -eq 1 ] || fail "not one line: $(cat "$tmp/err")"
	grep -q "^rmmap: $tmp/bad: line $1: .*$2" "$tmp/err" ||
		fail "not line $1 with $2: $(cat "$tmp/err")"
}

cat >"$tmp/words" <<'END'
# a word count
split:

map*4: split    # each takes its part
reduce: map
END
cat >"$tmp/want" <<'END'
split[0] RMMAP_SLOT=0
map[0] RMMAP_SLOT=1
map[1] RMMAP_SLOT=2
map[2] RMMAP_SLOT=3
map[3] RMMAP_SLOT=4
reduce[0] RMMAP_SLOT=5
END
rmmap plan "$tmp/words" >"$tmp/plan" || fail "exit status $?"
diff "$tmp/want" "$tmp/plan" >&2 || fail "another plan"
rmmap plan - <"$tmp/words" | cmp - "$tmp/want" || fail "standard input gives another plan"
rmmap plan --json "$tmp/words" | tr -d ' \n' >"$tmp/json"
grep -qF '{"name":"map","instance":3,"slot":4}' "$tmp/json" || fail "JSON: $(cat "$tmp/json")"
[ "$(grep -o '"slot":' "$tmp/json" | wc -l)" -eq 6 ] || fail "JSON: $(cat "$tmp/json")"
: >"$tmp/empty"
rmmap plan "$tmp/empty" >"$tmp/out" || fail "an empty file: exit status $?"
[ ! -s "$tmp/out" ] || fail "a plan of nothing: $(cat "$tmp/out")"

printf 'a:\nb: a c\n' >"$tmp/bad"; refused 2 "unknown function 'c'"
printf 'a:\nb: c\nc: d\nd: b\n' >"$tmp/bad"; refused 2 cycle
printf 'a*1000:\n\nb*25: a\n' >"$tmp/bad"; refused 3 'too many instances'
printf 'a:\nb a\n' >"$tmp/bad"; refused 2 "':'"
got=0
rmmap plan "$tmp/nothing-there" 2>"$tmp/err" || got=$?
[ "$got" -eq 1 ] || fail "no file: exit status $got"

# ---- run as planned ----
planned() { sed -n "s/^$1\[$2\] //p" "$tmp/plan"; }
printf 'the cat and the hat and the rat\nthat sat\n' >"$tmp/text"
for _ in 1 2 3 4 5 6; do cat "$tmp/text" "$tmp/text" >"$tmp/more"; mv "$tmp/more" "$tmp/text"; done
new_rundir reducers
new_rundir mappers
new_rundir splitters
env "$(planned split 0)" "$WORDCOUNT/split" 4 "$tmp/text" >"$tmp/parts" || fail "split"
RMMAP_RUNDIR=$mappers
for i in 0 1 2 3; do
	env "$(planned map $i)" "$WORDCOUNT/map" $i <"$tmp/parts" >"$tmp/map.$i" || fail "map $i"
done
slots_at() {
	RMMAP_RUNDIR=$1 rmmap list --json | sed -n 's/^ *"slot": \([0-9]*\).*/\1/p' | sort -n | tr '\n' ' '
}
[ "$(slots_at "$splitters")" = "0 " ] || fail "split is in $(slots_at "$splitters")"
RMMAP_RUNDIR=$mappers rmmap list --json >"$tmp/out"
grep '"state": "published"' "$tmp/out" | wc -l | grep -qx 4 || fail "not 4 maps: $(cat "$tmp/out")"
case "$(slots_at "$mappers")" in
*"1 2 3 4 ") ;;
*) fail "map is in $(slots_at "$mappers")" ;;
esac
RMMAP_RUNDIR=$reducers
cat "$tmp"/map.* | env "$(planned reduce 0)" "$WORDCOUNT/reduce" >"$tmp/got" || fail "reduce"
coreutils "$tmp/text" | cmp - "$tmp/got" || fail "not the count of coreutils"
