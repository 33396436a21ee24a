#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# In a cgroup of 120 MB 256 MiB of another host are refused, or given as far as they fit:
# nothing there is killed, and who has something else keeps it.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

# A cgroup with a memory limit, of either version.
new_cgroup()
{
	_v1=$(sed -n 's/^[^ ]* [^ ]* [^ ]* \/ \([^ ]*\) .* - cgroup [^ ]* .*memory.*/\1/p' \
		/proc/self/mountinfo | head -n 1)
	_v2=$(sed -n 's/^[^ ]* [^ ]* [^ ]* \/ \([^ ]*\) .* - cgroup2 .*/\1/p' \
		/proc/self/mountinfo | head -n 1)
	if [ -n "$_v1" ]; then
		cgroup=$_v1/rmmap-test.$$
		_limit=memory.limit_in_bytes
	elif [ -n "$_v2" ] && grep -q memory "$_v2/cgroup.subtree_control"; then
		cgroup=$_v2/rmmap-test.$$
		_limit=memory.max
	else
		skip "no cgroup here has the memory controller"
	fi
	mkdir "$cgroup" 2>/dev/null || skip "no cgroup can be made in ${cgroup%/*}: run it as root"
	cleanup_fn remove_cgroup
	echo "$1" >"$cgroup/$_limit" 2>/dev/null || skip "$cgroup/$_limit cannot be written"
}

remove_cgroup()
{
	wait_for 30 rmdir "$cgroup" 2>/dev/null || echo "$cgroup stays" >&2
}

# inside COMMAND ARG... - in the cgroup, at b
inside()
{
	RMMAP_RUNDIR=$b timeout 300 sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$cgroup" "$@"
}

# the rmmapd of b is started from in there by the first one that needs it
stop_daemon "$b"
new_cgroup 125829120
cleanup_fn stop_daemon "$b"
large=$(at "$a" "$field" publish 256 1) || fail "publish: $large"
small=$(at "$a" "$field" publish 16 2) || fail "publish: $small"

echo "eager:"
inside "$field" walk eager up "$large" >"$tmp/out" && fail "256 MiB in 120 MB"
grep -q '^ENOSPC: .*cgroup.* 125829120 .*no room for 268435456' "$tmp/out" ||
	fail "refused otherwise: $(cat "$tmp/out")"
RMMAP_RUNDIR=$b rmmap info | grep '^memory .*its cgroup has [0-9]* bytes of 125829120' ||
	fail "rmmap info has no limit: $(RMMAP_RUNDIR=$b rmmap info)"
worker=$(workers_of "$b")

can_lazy || skip "of lazy attaches: userfaultfd is not allowed here"
echo "lazy, beside a reader of something else:"
inside "$field" walk lazy up "$small" 50 "
	_status=0
	'$field' walk lazy up '$large' 2>'$tmp/err' || _status=\$?
	[ \$_status -eq 135 ] || { echo \"status \$_status\"; cat '$tmp/err'; exit 1; }" ||
	fail "256 MiB in 120 MB, lazily"
one_line "$tmp/err"
grep -q 'cgroup of rmmapd may have 125829120 bytes.*SIGBUS' "$tmp/err" ||
	fail "no reason: $(cat "$tmp/err")"
inside "$field" walk eager up "$small" >/dev/null || fail "16 MiB in 120 MB"
[ "$worker" = "$(workers_of "$b")" ] || fail "the worker was replaced"
