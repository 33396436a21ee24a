#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A run directory that is full, has no inodes left, or is read-only: a publish fails at once and
# says so, and rmmap info says it too; with room again both work. An rmmapd that is run by hand
# ends with 0 when it serves, and with its reason when it cannot.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
set -e

if [ "${1:-}" != mounted ]; then
	requires unshare -m true
	unshare -m sh -c "mount -t tmpfs none $tmp" 2>/dev/null || skip "no tmpfs may be mounted here"
	status=0
	unshare -m sh "$0" mounted || status=$?
	exit $status
fi

RMMAP_RUNDIR=$tmp/dir
export RMMAP_RUNDIR
mkdir "$RMMAP_RUNDIR"
cleanup_fn umount -q "$RMMAP_RUNDIR"

# refused WORDS: publish fails with them, quickly
refused()
{
	! timeout 25 rmmap hello >"$tmp/out" 2>"$tmp/err" || fail "published, wanted: $1"
	grep -q "$1" "$tmp/err" || fail "wanted \"$1\", got: $(cat "$tmp/err")"
}

# info VERDICT WORDS
info()
{
	rmmap info >"$tmp/info"
	grep -q "^run directory  *$1 .*$2" "$tmp/info" ||
		fail "wanted run directory $1, $2; got: $(grep '^run dir' "$tmp/info")"
}

fresh()
{
	mount -t tmpfs -o "mode=0700,$1" none "$RMMAP_RUNDIR"
}

# ---- no room ----
fresh size=16k
dd if=/dev/zero of="$RMMAP_RUNDIR/filler" bs=4k count=16 2>/dev/null || :
info short "takes no file: No space left on device"
refused "host cannot be made: No space left on device"
rm "$RMMAP_RUNDIR/filler"
info ok "$RMMAP_RUNDIR"
rmmap hello >/dev/null 2>&1 || fail "no publish where there is room again"
stop_daemon "$RMMAP_RUNDIR"
umount "$RMMAP_RUNDIR"

# ---- no inodes: of one that takes n files each later file in turn finds none ----
for n in 1 2 3; do
	fresh nr_inodes=$n
	refused "No space left on device"
	umount "$RMMAP_RUNDIR"
done

# ---- read-only ----
fresh size=16k
mount -o remount,ro "$RMMAP_RUNDIR"
info short "Read-only file system"
refused "Read-only file system"
umount "$RMMAP_RUNDIR"

# ---- by hand ----
fresh size=1m
rmmapd --idle 0 2>"$tmp/err" || fail "rmmapd: $(cat "$tmp/err")"
pid=$(daemon_pid "$RMMAP_RUNDIR")
rmmapd || fail "one that finds another serving ends with $?"
[ "$(daemon_pid "$RMMAP_RUNDIR")" = "$pid" ] || fail "it took the place of the other"
stop_daemon "$RMMAP_RUNDIR"
# so few descriptors that the keeper starts, and its worker does not
for n in 8 9 10 11 12 13; do
	# shellcheck disable=SC3045 # dash and bash have it
	if (ulimit -n $n && exec rmmapd --idle 0) 2>"$tmp/err"; then
		daemon_pid "$RMMAP_RUNDIR" >/dev/null || fail "ulimit -n $n: 0, and none serves"
		stop_daemon "$RMMAP_RUNDIR"
	else
		grep -q "Too many open files\|Cannot allocate memory" "$tmp/err" ||
			fail "ulimit -n $n: no reason: $(cat "$tmp/err")"
	fi
done
umount "$RMMAP_RUNDIR"
