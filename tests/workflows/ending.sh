#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A workflow that ends too early: no process, no publication and no key for ever is left behind.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/workflows/functions.sh" || exit 99
needs finra/rule msgpack hiredis
start_redis

printf 'Date,Open\n2004-01-02,1,2,1,2,5,0,0\n2004-01-05,1,2,1,2,5,0,0\n' >"$tmp/market.csv"
# The portfolio's file is a pipe that nobody writes to, and the rules want that first: the market
# is handed over, and nobody takes it.
mkfifo "$tmp/pipe"
cat >"$tmp/workflow" <<'END'
market near: finra/market %1 1
portfolio near: finra/portfolio %2 10
rule* near portfolio market: finra/rule
merge near rule: finra/merge
END

command_of() { { tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null; }

handed_over() {
	case $1 in
	rmmap) [ "$(rmmap list | wc -l)" -ge 1 ] ;;
	storage) [ "$(redis-cli -s "$WORKFLOW_REDIS" dbsize)" -ge 2 ] ;;
	messaging) market_listens ;;
	esac
}

market_listens() {
	for one in $children; do
		case $(command_of "$one") in
		*finra/market*) [ -n "$(find "/proc/$one/fd" -lname 'socket:*' 2>/dev/null)" ] && return 0 ;;
		esac
	done
	return 1
}

all_started() {
	children=$(cat "/proc/$conductor/task/$conductor/children" 2>/dev/null)
	waiting=0
	for one in $children; do
		# the market may have ended, where it need not wait
		case $(command_of "$one") in
		*finra/portfolio* | *finra/rule* | *finra/merge*) waiting=$((waiting + 1)) ;;
		esac
	done
	[ "$waiting" -eq 5 ]
}

start_workflow() {
	"$conduct" --via "$1" -n 3 "$tmp/workflow" "$tmp/market.csv" "$tmp/pipe" >"$tmp/out" 2>"$tmp/err" &
	conductor=$!
	wait_for 120 all_started || fail "$1: not all functions started: $(cat "$tmp/err")"
	wait_for 120 handed_over "$1" || fail "$1: the market is not handed over: $(cat "$tmp/err")"
}

no_key_for_ever() {
	case $ways in
	*storage*) ;;
	*) return 0 ;;
	esac
	for key in $(redis-cli -s "$WORKFLOW_REDIS" keys '*'); do
		[ "$(redis-cli -s "$WORKFLOW_REDIS" ttl "$key")" -ge 0 ] || fail "$key stays for ever"
	done
	redis-cli -s "$WORKFLOW_REDIS" flushall >/dev/null
}

# ended CAUSE WORDS - the workflow has ended by it, as its WORDS say, and nothing is left
ended() {
	wait "$conductor" && fail "$way: $1 is no success"
	# shellcheck disable=SC2086 # one word for each
	_gone $children || fail "$way: a function outlives $1"
	[ "$(rmmap list | wc -l)" -eq 0 ] || fail "$way: a publication is left by $1"
	grep -q "$2" "$tmp/err" || fail "$way: not the reason: $(cat "$tmp/err")"
	no_key_for_ever
}

for way in $ways; do
	start_workflow "$way"
	kill "$conductor"
	ended "SIGTERM" 'ended by signal 15'

	start_workflow "$way"
	for one in $children; do
		case $(command_of "$one") in
		*finra/rule*) kill -9 "$one"; break ;;
		esac
	done
	ended "a killed function" 'rule was ended by signal 9'

	start_workflow "$way"
	kill -9 "$conductor"
	wait "$conductor" 2>/dev/null
	# shellcheck disable=SC2086 # one word for each
	wait_for 60 _gone $children || fail "$way: a function outlives its conductor"
	no_key_for_ever
	for id in $(rmmap list --json | sed -n 's/.*"id" *: *"\([0-9a-f]*\)".*/\1/p'); do rmmap unpublish "$id"; done
	echo "$way: nothing left"
done

# What is closed is not taken for what a function reads.
printf 'a b a\n' >"$tmp/text"
"$conduct" --via messaging -n 2 "$workflows/wordcount/workflow" "$tmp/text" <&- >"$tmp/out" ||
	fail "without standard input"
[ "$(head -n 1 "$tmp/out")" = '2 a' ] || fail "another count: $(cat "$tmp/out")"

# A number that is none is told, and not taken for another one.
for wrong in -5 10x 99999999999999999999; do
	"$conduct" --via messaging -n 1 "$workflows/finra/workflow" "$tmp/market.csv" 1 "$wrong" \
		>"$tmp/out" 2>"$tmp/err" && fail "$wrong trades"
	grep -q "should be a number" "$tmp/err" || fail "$wrong: $(cat "$tmp/err")"
	"$conduct" --via messaging -n "$wrong" "$workflows/wordcount/workflow" "$tmp/text" \
		>"$tmp/out" 2>"$tmp/err"
	[ $? -eq 2 ] || fail "-n $wrong"
done
all_ways
