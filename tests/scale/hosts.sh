#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# One publisher's host serves 32 others at once. SCALE_HOSTS: so many; SCALE_MIB: of so much.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
. "$abs_top_srcdir/tests/scale/functions.sh"
set -e
: "${SCALE_HOSTS:=32}"
: "${SCALE_MIB:=4}"

handle=$(at "$a" "$field" publish "$SCALE_MIB" 1)
how=eager
! can_lazy || how=lazy
i=0
pids=
while [ "$i" -lt "$SCALE_HOSTS" ]; do
	i=$((i + 1))
	new_rundir "host$i"
	way=eager
	[ $((i % 2)) -eq 0 ] || way=$how
	# it keeps it until all have it
	timeout 300 "$field" walk "$way" random:$i "$handle" 100 "touch '$tmp/has$i';
		while [ ! -e '$tmp/go' ]; do sleep 0.1; done" >"$tmp/out$i" 2>&1 &
	pids="$pids $!"
done
all_have()
{
	[ "$(find "$tmp" -name 'has*' | wc -l)" -eq "$SCALE_HOSTS" ]
}
wait_for 280 all_have || fail "only $(find "$tmp" -name 'has*' | wc -l) of $SCALE_HOSTS have it:
$(cat "$tmp"/out*)"
takes "$a" "$SCALE_HOSTS hosts, $SCALE_MIB MiB"
have=$(fact remote_attached "$handle" "$a")
[ "$have" -eq "$SCALE_HOSTS" ] || fail "$have hosts have it, it says"
touch "$tmp/go"
i=0
for pid in $pids; do
	i=$((i + 1))
	wait "$pid" || fail "host $i: $(cat "$tmp/out$i")"
done
gone()
{
	[ "$(fact remote_attached "$handle" "$a")" -eq 0 ]
}
wait_for 120 gone || fail "$(fact remote_attached "$handle" "$a") hosts still have it"
