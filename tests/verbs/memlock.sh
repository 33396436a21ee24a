#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# verbs: a limit of locked memory that is too low. Without a wish tcp is used and rmmap info says
# why; where verbs is asked for, publish or attach says what is too low and what to do.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e
[ "$(id -u)" -eq 0 ] || skip "the limit holds for others than root, and only root can be others"
requires setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$field"
chmod 0711 "$tmp"
chown 65534:65534 "$a" "$b"
RMMAP_LOG=

# limited KIB DIR COMMAND ARG... - as an ordinary user with this limit
limited()
{
	_limit=$(($1 * 1024))
	_where=$2
	shift 2
	# shellcheck disable=SC2086 # words
	RMMAP_RUNDIR=$_where timeout 60 prlimit --memlock="$_limit:$_limit" \
		setpriv --reuid 65534 --regid 65534 --clear-groups $capabilities "$@"
}
capabilities=
# says WORDS - $tmp/out names the limit and the remedy
says()
{
	cat "$tmp/out"
	grep -q "$1" "$tmp/out" || fail "wanted '$1'"
	grep -q 'ulimit -l' "$tmp/out" || fail "it does not say what to do"
}

# no provider named
limited 8192 "$a" rmmap info >"$tmp/out"
says '8192 KiB'
handle=$(RMMAP_FABRIC='' limited 8192 "$a" "$field" publish 4 1) || fail "publish: $handle"
limited 8192 "$a" rmmap info >"$tmp/out"
grep '^fabric .*tcp' "$tmp/out" || fail "tcp is not used instead: $(cat "$tmp/out")"
RMMAP_FABRIC='' limited 8192 "$b" "$field" walk auto up "$handle" >"$tmp/out" ||
	fail "over tcp instead: $(cat "$tmp/out")"
grep -q 'provider=tcp' "$tmp/out" || fail "$(cat "$tmp/out")"

# verbs named: refused by publish, and by attach
stop_daemon "$a"
stop_daemon "$b"
limited 16384 "$a" "$field" publish 1 2 >"$tmp/out" && fail "published within 16 MiB"
says '^EINVAL: .*16384 KiB'
stop_daemon "$a"
handle=$(limited 1048576 "$a" "$field" publish 4 3) || fail "publish: $handle"
limited 16384 "$b" "$field" walk eager up "$handle" >"$tmp/out" && fail "attached within 16 MiB"
says '16384 KiB'

# enough to open the device, not for all that is published, and less for two publications at
# once: what is registered takes turns, nothing is lost, and the log says what would help
stop_daemon "$a"
stop_daemon "$b"
touch "$tmp/log"
chmod 0666 "$tmp/log"
first=$(RMMAP_LOG=$tmp/log limited 98304 "$a" "$field" publish 96 4) || fail "publish: $first"
limited 1048576 "$b" "$field" walk eager up "$first" >"$tmp/out" || fail "$(cat "$tmp/out")"
cat "$tmp/out"
grep -q 'provider=verbs' "$tmp/out" || fail "$(cat "$tmp/out")"
cp "$tmp/log" "$tmp/out"
says 'takes turns.*98304 KiB'
first=$(limited 98304 "$a" "$field" publish 40 5) || fail "publish: $first"
second=$(limited 98304 "$a" "$field" publish 40 6) || fail "publish: $second"
limited 1048576 "$b" "$field" many eager "$first" "$second" >"$tmp/out" || fail "$(cat "$tmp/out")"
# and page by page, which an ordinary user may only with this; it does not lift the limit
stop_daemon "$b"
capabilities="--inh-caps=+sys_ptrace --ambient-caps=+sys_ptrace"
limited 1048576 "$b" "$field" many lazy "$first" "$second" >"$tmp/out" || fail "$(cat "$tmp/out")"
