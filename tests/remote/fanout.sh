#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Many hosts attach one publication at once, eagerly: those beyond the first few get pages from
# each other. Then some of these are killed while others read from them: all content is right
# everywhere. FANOUT_HOSTS, FANOUT_MIB: so many, of so much.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e
: "${FANOUT_HOSTS:=16}"
: "${FANOUT_MIB:=32}"
RMMAP_FAN_OUT=2
export RMMAP_FAN_OUT

# start NAME FIRST LAST HANDLE - hosts with these numbers attach, and keep it until $tmp/go
start()
{
	i=$2
	while [ "$i" -le "$3" ]; do
		new_rundir "$1$i"
		timeout 300 "$field" walk eager up "$4" 100 "rmmap stat --json '$4' \
			>'$tmp/$1$i.part' && mv '$tmp/$1$i.part' '$tmp/$1$i.json';
			while [ ! -e '$tmp/go' ]; do sleep 0.1; done" >"$tmp/$1$i.out" 2>&1 &
		eval "pid_$1$i=$!"
		i=$((i + 1))
	done
}

# end NAME FIRST LAST - they have all of it, and every word is right
end()
{
	i=$2
	while [ "$i" -le "$3" ]; do
		eval "wait \$pid_$1$i" || fail "host $1$i: $(cat "$tmp/$1$i.out")"
		i=$((i + 1))
	done
}

have()
{
	[ "$(find "$tmp" -maxdepth 1 -name "$1[0-9]*.json" | wc -l)" -eq "$2" ]
}

# sum NAME FIELD - over all hosts
sum()
{
	cat "$tmp/$1"*.json | sed -n "s/^ *\"$2\": \([0-9]*\).*/\1/p" |
		awk '{ sum += $1 } END { printf "%.0f", sum / 1048576 }'
}

handle=$(at "$a" "$field" publish "$FANOUT_MIB" 1)
start host 1 "$FANOUT_HOSTS" "$handle"
wait_for 280 have host "$FANOUT_HOSTS" || fail "not all have it: $(cat "$tmp"/host*.out)"
touch "$tmp/go"
end host 1 "$FANOUT_HOSTS"
fetched=$(sum host fetched_bytes)
relayed=$(sum host relayed_bytes)
echo "$FANOUT_HOSTS hosts, $FANOUT_MIB MiB: $fetched MiB fetched, $((fetched - relayed)) of them" \
     "from the publisher's host"
[ "$fetched" -ge $((FANOUT_HOSTS * FANOUT_MIB)) ] || fail "not all pages were fetched"
[ "$relayed" -ge "$FANOUT_MIB" ] || fail "hardly anything came from other readers"

# once more, and hosts that others read from are killed
rm "$tmp/go"
handle=$(RMMAP_SLOT=9 at "$a" "$field" publish "$FANOUT_MIB" 2)
start first 1 3 "$handle"
wait_for 280 have first 3 || fail "the first do not have it: $(cat "$tmp"/first*.out)"
start second 1 6 "$handle"
some_relayed()
{
	for dir in "$tmp"/second?; do
		[ "$(fact relayed_bytes "$handle" "$dir" 2>/dev/null || echo 0)" -eq 0 ] || return 0
	done 2>/dev/null
	return 1
}
wait_for 280 some_relayed || fail "nobody reads from the first: $(cat "$tmp"/second*.out)"
for i in 1 2 3; do
	eval "dir=\$first$i"
	# shellcheck disable=SC2046,SC2154
	kill -9 $(pids_of "$dir") || :
done
wait_for 280 have second 6 || fail "a killed helper was waited for: $(cat "$tmp"/second*.out)"
touch "$tmp/go"
end second 1 6
echo "$(sum second relayed_bytes) of $(sum second fetched_bytes) MiB came from hosts that were killed"
i=1
while [ "$i" -le 3 ]; do
	eval "wait \$pid_first$i" || :
	i=$((i + 1))
done

# and hosts that stand still: they are waited for, but not for long
rm "$tmp/go"
handle=$(RMMAP_SLOT=19 at "$a" "$field" publish 8 3)
start third 1 2 "$handle"
wait_for 280 have third 2 || fail "the first do not have it: $(cat "$tmp"/third*.out)"
for i in 1 2; do
	eval "dir=\$third$i"
	# shellcheck disable=SC2046,SC2154
	kill -STOP $(pids_of "$dir")
done
start fourth 1 2 "$handle"
wait_for 280 have fourth 2 || fail "a stopped helper was waited for: $(cat "$tmp"/fourth*.out)"
for i in 1 2; do
	eval "dir=\$third$i"
	# shellcheck disable=SC2046,SC2154
	kill -CONT $(cat "/proc/$(cat "$dir/rmmapd.lock")/task/$(cat "$dir/rmmapd.lock")/children") \
		"$(cat "$dir/rmmapd.lock")"
done
touch "$tmp/go"
end fourth 1 2
end third 1 2
