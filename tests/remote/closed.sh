#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A process that closes all descriptors has no userfaultfd of its own, and no lifeline: rmmapd
# fetches all that is absent, also if its worker dies meanwhile. After that it needs nobody.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e
can_lazy || skip "userfaultfd is not allowed here, so that attaches are not lazy"

handle=$(at "$a" "$field" publish 32 1)
cat >"$tmp/meanwhile" <<'END'
# the keeper has it from the attach on until a worker has unregistered all, whoever that is then
serves()
{
	ls -l "/proc/$keeper/fd" 2>/dev/null | grep -q userfaultfd
}
serves || exit 1
worker=$(cat "/proc/$keeper/task/$keeper/children")
kill -STOP $publisher
# its socket was closed just now: all of it is to be fetched, and nothing can come
sleep 0.3
kill -KILL $worker
kill -CONT $publisher
i=0
while [ $((i += 1)) -lt 600 ] && serves; do
	sleep 0.1
done
serves && exit 1
kill -KILL $(cat "/proc/$keeper/task/$keeper/children") "$keeper"
END
RMMAP_RUNDIR=$b rmmap list >/dev/null
at "$b" "$field" walk lazy none "$handle" >/dev/null || fail "attach before"
keeper=$(daemon_pid "$b") publisher=$(workers_of "$a")
export keeper publisher
_status=0
at "$b" "$field" leave close "$handle" "sh $tmp/meanwhile" >"$tmp/out" 2>&1 || _status=$?
[ "$_status" -eq 0 ] || fail "status $_status: $(cat "$tmp/out")"
