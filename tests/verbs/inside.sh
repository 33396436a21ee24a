#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# inside.sh NAME - in a guest of check-verbs: an RDMA device, the tests, and what came of each
# to /exchange/NAME.results. NAME: alone, or publisher and reader, which share a network.
set -u
name=$1
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
results=/exchange/$name.results
: >"$results"

# Its output goes to the console as it comes, since a guest may not live to tell.
# What runs where; a name is a test's path, under tests
suite="unit/fabric/test_fabric remote/structures.sh verbs/killed.sh verbs/memlock.sh"
case $name in
alone) tests=$(cat /exchange/tests) device=dummy0 address=10.77.0.1 ;;
publisher) tests=verbs/link-publisher.sh device=eth0 address=10.77.0.1 ;;
reader) tests=verbs/link-reader.sh device=eth0 address=10.77.0.2 ;;
esac
case $tests in
*[!\ ]*) ;;
*) tests=$suite ;;
esac

# IPv6 off: then the address that is asked for is the device's second one, as verbs wants it.
# A large MTU: a quarter of the packets.
sysctl -qw "net.ipv6.conf.$device.disable_ipv6=1"
ip link set lo up
ip link set "$device" mtu 9000 up
ip addr add "$address/24" dev "$device"
rdma link add rxe0 type rxe netdev "$device" || echo "no rxe device"
rdma link

# Libtool's wrappers are shell scripts that run dozens of commands: put programs in their place.
cd "$abs_top_builddir" || exit 1
find . -path '*/.libs/*' -type f -perm -u+x ! -name '*.so*' ! -name 'lt-*' | while read -r file; do
	[ ! -e "${file%/.libs/*}/${file##*/}" ] ||
		ln -sf ".libs/${file##*/}" "${file%/.libs/*}/${file##*/}"
done

RMMAP_TEST_PROVIDERS=verbs RMMAP_TEST_ADDRESS=$address
export RMMAP_TEST_PROVIDERS RMMAP_TEST_ADDRESS
uptime_s()
{
	cut -d. -f1 /proc/uptime
}
failed=0
for test in $tests; do
	from=$(uptime_s)
	status=0
	echo "== $test"
	case $test in
	*.sh) timeout -k 10 300 ./run /bin/sh "$abs_top_srcdir/tests/$test" ;;
	*) timeout -k 10 300 ./run "tests/$test" ;;
	esac 2>&1 </dev/null || status=$?
	case $status in
	0) word=PASS ;;
	77) word=SKIP ;;
	*)
		word=FAIL
		failed=1
		;;
	esac
	echo "$word  $test ($(($(uptime_s) - from)) s of the guest's time$(
		[ "$status" -eq 0 ] || echo ", status $status"))" | tee -a "$results"
done
exit "$failed"
