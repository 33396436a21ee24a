# SPDX-License-Identifier: BSD-2-Clause
# functions.sh - what the tests between two hosts share: run directories a and b, who may
# attach lazily, the programs of this directory. Read after ../functions.sh.

structure=$abs_top_builddir/tests/remote/structure
field=$abs_top_builddir/tests/remote/field
forge=$abs_top_builddir/tests/remote/forge
ulimit -c 0

# at DIR COMMAND ARG... - there, and not for ever
at()
{
	_dir=$1
	shift
	RMMAP_RUNDIR=$_dir timeout 300 "$@"
}

can_lazy()
{
	rmmap info --json | grep -A 1 '"userfaultfd"' | grep -q '"ok": true'
}

workers_of()
{
	_keeper_of=$(daemon_pid "$1") || return 1
	cat "/proc/$_keeper_of/task/$_keeper_of/children"
}

# "keeper worker" of a run directory
pids_of()
{
	echo "$(daemon_pid "$1") $(workers_of "$1")"
}

# refused ERRNO WORDS DIR HOW HANDLE - the attach there is refused with this, and says this
refused()
{
	_status=0
	at "$3" "$field" walk "$4" none "$5" >"$tmp/refused" 2>&1 || _status=$?
	[ "$_status" -eq 4 ] || fail "status $_status, wanted a refusal with $1: $(cat "$tmp/refused")"
	grep -q "^$1: .*$2" "$tmp/refused" || fail "wanted $1 with '$2': $(cat "$tmp/refused")"
}

# counter NAME FILE - of a line that field or structure printed
counter()
{
	tr ' ' '\n' <"$2" | sed -n "s/^$1=//p"
}

# fact NAME HANDLE DIR - of rmmap stat --json
fact()
{
	RMMAP_RUNDIR=$3 rmmap stat --json "$2" | sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\).*/\1/p"
}

# one_line FILE - the keeper's words on a consumer's stderr, which may come a moment after SIGBUS
told()
{
	grep -q '^rmmap: publication ' "$1"
}
one_line()
{
	wait_for 120 told "$1" || fail "no line on stderr"
	[ "$(grep -c '^rmmap: publication ' "$1")" -eq 1 ] || fail "not one line on stderr"
}

# walk_b HOW ORDER [PERCENT COMMAND] - of $handle, in b, for $walk_seconds at most: sets _status,
# and leaves $tmp/out and $tmp/err
walk_seconds=300
walk_b()
{
	_how=$1 _order=$2
	shift 2
	_status=0
	RMMAP_RUNDIR=$b timeout "$walk_seconds" "$field" walk "$_how" "$_order" "$handle" "$@" \
		>"$tmp/out" 2>"$tmp/err" || _status=$?
	echo "  $_how $_order: status $_status $(cat "$tmp/out" "$tmp/err")"
}

# apart NET - two network namespaces, $one for a and $two for b, joined by their veth0, which have
# the addresses NET.1 and NET.2
drop_namespace()
{
	ip netns del "$1" 2>/dev/null || :
}
apart()
{
	one=rmmap-test-$$-a
	two=rmmap-test-$$-b
	cleanup_fn drop_namespace "$one"
	cleanup_fn drop_namespace "$two"
	requires ip netns add "$one"
	requires ip netns add "$two"
	requires ip -n "$one" link add veth0 type veth peer name veth0 netns "$two"
	requires nsenter --net="/run/netns/$one" true
	ip -n "$one" addr add "$1.1/24" dev veth0
	ip -n "$two" addr add "$1.2/24" dev veth0
	ip -n "$one" link set veth0 up
	ip -n "$two" link set veth0 up
	# rmmapd is ended before the namespaces go: the last cleanup comes first
	cleanup_fn stop_daemon "$a"
	cleanup_fn stop_daemon "$b"
}

# in_one, in_two COMMAND ARG... - nsenter, since ip netns exec would remount /sys too
in_one()
{
	RMMAP_RUNDIR=$a timeout 300 nsenter --net="/run/netns/$one" "$@"
}
in_two()
{
	RMMAP_RUNDIR=$b timeout 300 nsenter --net="/run/netns/$two" "$@"
}

new_rundir b
new_rundir a
