#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# RMMAP_FABRIC asks for what cannot be had: publish says so instead of giving a handle that is of
# no use elsewhere. FI_PROVIDER, which is set for MPI, changes nothing. Nobody listens: said
# before an answer would have been waited for in vain. And a link-local address.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

case $RMMAP_FABRIC in
tcp@*) ;;
*) skip "this is about addresses of tcp" ;;
esac

# unpublishable ERRNO WORDS FABRIC - in a run directory of its own
count=0
unpublishable()
{
	count=$((count + 1))
	new_rundir "place$count"
	_status=0
	RMMAP_FABRIC=$3 at "$RMMAP_RUNDIR" "$field" publish 1 1 >"$tmp/out" 2>&1 || _status=$?
	[ "$_status" -ne 0 ] || fail "$3: published"
	grep -q "^$1: .*$2" "$tmp/out" || fail "$3: wanted $1 with '$2': $(cat "$tmp/out")"
	# the one that does not work is said once more at once, and local use goes on without it
	RMMAP_FABRIC=off at "$RMMAP_RUNDIR" "$field" publish 1 1 >"$tmp/handle" ||
		fail "$3: local use fails: $(cat "$tmp/handle")"
}

unpublishable EADDRNOTAVAIL "no interface or address 'nosuchif'.*lo 127.0.0.1" tcp@nosuchif
unpublishable EADDRNOTAVAIL "192.0.2.77.*lo 127.0.0.1" tcp@192.0.2.77
unpublishable EADDRNOTAVAIL "2001:db8::77" 'tcp@[2001:db8::77]:4711'
unpublishable EADDRNOTAVAIL "fe80::1%nosuchif" 'tcp@[fe80::1%nosuchif]'

# a port that is taken, by the rmmapd of another run directory
handle=$(RMMAP_FABRIC=tcp@127.0.0.1 at "$a" "$field" publish 1 1)
port=$(RMMAP_RUNDIR=$a rmmap info --json | sed -n 's/.*"address": "127.0.0.1:\([0-9]*\)".*/\1/p')
[ -n "$port" ] || fail "no port: $(RMMAP_RUNDIR=$a rmmap info)"
unpublishable EADDRINUSE "port $port of 127.0.0.1 is in use" "tcp@127.0.0.1:$port"
grep -q "no fabric: port $port of 127.0.0.1 is in use" "$RMMAP_LOG" || fail "not in the log"
RMMAP_FABRIC=tcp@127.0.0.1:$port refused EHOSTUNREACH "port $port of 127.0.0.1 is in use" \
	"$RMMAP_RUNDIR" auto "$handle"

# what MPI jobs set, with RMMAP_FABRIC and without
new_rundir mpi
FI_PROVIDER=psm3 at "$mpi" "$field" publish 1 1 >"$tmp/out" || fail "FI_PROVIDER: $(cat "$tmp/out")"
FI_PROVIDER=psm3 at "$b" "$field" walk auto up "$(cat "$tmp/out")" >/dev/null ||
	fail "FI_PROVIDER at the reader"
new_rundir mpi_alone
env -u RMMAP_FABRIC FI_PROVIDER='^tcp' RMMAP_RUNDIR="$mpi_alone" "$field" publish 1 1 \
	>"$tmp/out" || fail "FI_PROVIDER alone: $(cat "$tmp/out")"

# nobody listens any more, and nobody ever did
# shellcheck disable=SC2046
kill -KILL $(pids_of "$a")
refused EHOSTUNREACH "127.0.0.1:$port does not answer: it refuses the connection" "$b" auto "$handle"
nobody=$("$forge" address=127.0.0.9 "$handle")
refused EHOSTUNREACH "does not answer: it refuses the connection.*publish again" "$b" auto "$nobody"
# nor anything else: what may be behind that is said
handle=$(at "$mpi" "$field" publish 1 2)
all=$(pids_of "$mpi")
# shellcheck disable=SC2086
kill -STOP $all
refused EHOSTUNREACH "does not answer: see whether .*rmmap info.*firewall" "$b" auto "$handle"
# shellcheck disable=SC2086
kill -CONT $all

# ---- link-local, by the interface's name and by the address with it ----
net=rmmap-test-$$-l
drop()
{
	ip netns del "$1" 2>/dev/null || :
}
cleanup_fn drop "$net"
requires ip netns add "$net"
requires ip -n "$net" link add veth0 type veth peer name veth1
requires nsenter --net="/run/netns/$net" true
requires nsenter --net="/run/netns/$net" sysctl -qw net.ipv6.conf.veth0.accept_dad=0 \
	net.ipv6.conf.veth1.accept_dad=0
ip -n "$net" link set lo up
ip -n "$net" link set veth0 addr 02:00:00:00:00:01
ip -n "$net" link set veth0 up
ip -n "$net" link set veth1 up
there()
{
	_dir=$1
	shift
	RMMAP_RUNDIR=$_dir timeout 300 nsenter --net="/run/netns/$net" "$@"
}
has_address()
{
	ip -n "$net" -6 addr show dev veth0 scope link -tentative | grep -q fe80::ff:fe00:1
}
wait_for 60 has_address || skip "no link-local address: IPv6 is off here"
new_rundir link_a
new_rundir link_b
cleanup_fn stop_daemon "$link_a"
cleanup_fn stop_daemon "$link_b"
for fabric in tcp@veth0 'tcp@[fe80::ff:fe00:1%veth0]' 'tcp@[fe80::ff:fe00:1%veth0]:7471'; do
	stop_daemon "$link_a"
	stop_daemon "$link_b"
	handle=$(RMMAP_FABRIC=$fabric there "$link_a" "$field" publish 4 1) ||
		fail "publish on $fabric: $handle"
	RMMAP_RUNDIR=$link_a rmmap info --json | grep -q '"address": "\[fe80::ff:fe00:1\]:' ||
		fail "$fabric: $(RMMAP_RUNDIR=$link_a rmmap info)"
	RMMAP_FABRIC=tcp@veth0 there "$link_b" "$field" walk auto up "$handle" >"$tmp/out" ||
		fail "$fabric: $(cat "$tmp/out")"
done
# who has no link-local address itself is told what to name
stop_daemon "$link_b"
_status=0
RMMAP_FABRIC='tcp@[::1]' there "$link_b" "$field" walk auto none "$handle" >"$tmp/out" || _status=$?
grep -q '^EPROTO: .*link-local.*tcp@INTERFACE' "$tmp/out" || fail "status $_status: $(cat "$tmp/out")"
