#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A publication of 16 GiB of which 1 % has data, in single pages, and of which other hosts
# touch a part: memory and traffic follow what is touched. SCALE_GIB: so much.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
. "$abs_top_srcdir/tests/scale/functions.sh"
set -e
: "${SCALE_GIB:=16}"

pages=$((SCALE_GIB * 262144 / 100))
touched=$((pages / 20))
handle=$(at "$a" "$scale" sparse "$SCALE_GIB" 10) || fail "publish: $handle"
takes "$a" "$SCALE_GIB GiB, $pages pages of data"
data=$(($(fact data_bytes "$handle" "$a") / 4096))
[ "$data" -le $((pages + pages / 20 + 2000)) ] || fail "$data pages count as data"

# touch DIR HOW - and what its rmmapd has while that is attached
touch_from()
{
	RMMAP_RUNDIR=$1 timeout 300 "$scale" touch "$2" "$handle" "$touched" \
		"touch '$tmp/there'; while [ -e '$tmp/there' ]; do sleep 0.1; done" \
		>"$tmp/out" 2>&1 &
	toucher=$!
	wait_for 280 [ -e "$tmp/there" ] || fail "$2: $(cat "$tmp/out")"
	takes "$1" "$2, $touched pages of data touched"
	shared=$(kib RssShmem "$(workers_of "$1" | tr -d ' ')")
	rm "$tmp/there"
	wait "$toucher" || fail "$2: $(cat "$tmp/out")"
	cat "$tmp/out"
}

touch_from "$a" auto
touch_from "$b" eager
fetched=$(counter pages "$tmp/out")
[ "$fetched" -le "$data" ] || fail "eager: $fetched pages fetched of $data"
[ "$shared" -le $((data * 4 + data / 2)) ] || fail "eager: $shared KiB for $data pages"
if can_lazy; then
	new_rundir sparing
	# shellcheck disable=SC2154
	touch_from "$sparing" lazy
	fetched=$(counter pages "$tmp/out")
	[ "$fetched" -ge "$touched" ] || fail "lazy: only $fetched pages were fetched"
	[ "$fetched" -le $((data / 2)) ] || fail "lazy: $fetched pages fetched of $data"
	[ "$shared" -le $((fetched * 5)) ] || fail "lazy: $shared KiB for $fetched pages"
fi
takes "$a" "the publisher's then"
