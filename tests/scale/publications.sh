#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# 1,000 publications of 50 processes: attached one by one on their host and from another one,
# kept over the death of the worker, and unpublished. SCALE_PUBLICATIONS: so many.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
. "$abs_top_srcdir/tests/scale/functions.sh"
set -e
: "${SCALE_PUBLICATIONS:=1000}"

pids=
i=0
while [ "$i" -lt 50 ]; do
	i=$((i + 1))
	RMMAP_RUNDIR=$a RMMAP_SLOT=$((i * 10)) timeout 100 "$scale" publish \
		$((SCALE_PUBLICATIONS / 50)) 16 >"$tmp/handles$i" &
	pids="$pids $!"
done
for pid in $pids; do
	wait "$pid" || fail "publish: $(grep -v '^rmmap1:' "$tmp"/handles*)"
done
cat "$tmp"/handles* >"$tmp/handles"
count=$(wc -l <"$tmp/handles")
takes "$a" "$count publications"
listed=$(RMMAP_RUNDIR=$a rmmap list --json | grep -c '"id"')
[ "$listed" -eq "$count" ] || fail "$listed are listed"
RMMAP_RUNDIR=$a timeout 100 "$scale" each auto <"$tmp/handles" >"$tmp/out" ||
	fail "on their host: $(cat "$tmp/out")"
kill -9 "$(workers_of "$a" | tr -d ' ')"
RMMAP_RUNDIR=$b timeout 100 "$scale" each auto <"$tmp/handles" >"$tmp/out" ||
	fail "from another host: $(cat "$tmp/out")"
takes "$a" "after that, by a new worker"
# by one process: 1,000 commands are seconds of CPU, and minutes beside other load
RMMAP_RUNDIR=$a timeout 100 "$scale" unpublish <"$tmp/handles" >"$tmp/out" ||
	fail "unpublish: $(cat "$tmp/out")"
listed=$(RMMAP_RUNDIR=$a rmmap list --json | grep -c '"id"') || :
[ "$listed" -eq 0 ] || fail "$listed are left"
