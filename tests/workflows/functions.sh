# SPDX-License-Identifier: BSD-2-Clause
# functions.sh - sourced by the tests of examples/workflows, after tests/functions.sh: a workflow in
# all three ways, on one host and on two, with the same answer

conduct=$abs_top_builddir/examples/workflows/common/conduct
workflows=$abs_top_srcdir/examples/workflows

# needs PROGRAM LIBRARY...: skip where it was not built, naming what is missing
needs() {
	program=$1
	shift
	[ -x "$abs_top_builddir/examples/workflows/$program" ] ||
		skip "configure did not find all of these: $*"
}

end_redis() {
	kill "$redis" 2>/dev/null
	wait "$redis" 2>/dev/null
	return 0
}

# Redis on a socket of its own that keeps nothing; sets $ways, without storage where it is missing.
start_redis() {
	ways="rmmap messaging"
	command -v redis-server >/dev/null && command -v redis-cli >/dev/null || return 0
	WORKFLOW_REDIS=$tmp/redis.sock
	export WORKFLOW_REDIS
	redis-server --port 0 --unixsocket "$WORKFLOW_REDIS" --save '' --appendonly no \
		--dir "$tmp" >"$tmp/redis.log" 2>&1 &
	redis=$!
	cleanup_fn end_redis
	wait_for 120 redis-cli -s "$WORKFLOW_REDIS" ping >/dev/null 2>&1 || fail "Redis does not start"
	ways="$ways storage"
}

# same_by_count WANT WORKFLOW ARG...: all ways with 1 and 5 functions, here and on another host;
# what is wanted is in WANT.1 and WANT.5
same_by_count() {
	want=$1
	name=$2
	shift 2
	for way in $ways; do
		for functions in 1 5; do
			for far in "" "env RMMAP_RUNDIR=$b WORKFLOW_ADDRESS=127.0.0.2"; do
				what="$name, $way, $functions functions${far:+, on another host}"
				timeout 600 "$conduct" --via "$way" -n "$functions" --far "$far" \
					--figures "$tmp/figures" --memory 1 \
					"$workflows/$name/workflow" "$@" >"$tmp/got" || fail "$what"
				cmp "$want.$functions" "$tmp/got" || fail "$what: another answer"
			done
		done
	done
	[ "$(wc -w <"$tmp/figures")" -eq "$(($(wc -l <"$tmp/figures") * 7))" ] || fail "figures"
	awk '$1 <= 0 || $4 <= 0 || $7 <= 0 { exit 1 }' "$tmp/figures" || fail "figures of nothing"
	wait_for 120 nothing_left || fail "$name: publications or keys were left behind"
	echo "$name: $ways"
}

# same WANT WORKFLOW ARG...: where the answer does not depend on how many there are
same() {
	cp "$1" "$tmp/same.1"
	cp "$1" "$tmp/same.5"
	shift
	same_by_count "$tmp/same" "$@"
}

nothing_left() {
	[ "$(RMMAP_RUNDIR=$a rmmap list | wc -l)" -eq 0 ] || return 1
	[ "$(RMMAP_RUNDIR=$b rmmap list | wc -l)" -eq 0 ] || return 1
	case $ways in
	*storage*) [ "$(redis-cli -s "$WORKFLOW_REDIS" dbsize)" = 0 ] ;;
	esac
}

# At the end: what was left out for want of Redis is said.
all_ways() {
	case $ways in
	*storage*) ;;
	*) skip "redis-server and redis-cli are not installed; the two other ways passed" ;;
	esac
}

new_rundir b
new_rundir a
