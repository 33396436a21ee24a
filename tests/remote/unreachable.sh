#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The other host does not answer: its rmmapd is killed, or stopped, its address has no route or
# nobody behind it. EHOSTUNREACH or ETIMEDOUT, after 5 s at most, or what a busy machine makes of it.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

# silent WHAT HANDLE - attach in b
silent()
{
	_start=$(date +%s)
	_status=0
	RMMAP_RUNDIR=$b timeout 120 "$field" walk auto none "$2" >"$tmp/out" 2>&1 || _status=$?
	_took=$(($(date +%s) - _start))
	echo "$1: $(cat "$tmp/out") after $_took s"
	[ "$_status" -eq 4 ] || fail "$1: status $_status: $(cat "$tmp/out")"
	grep -q '^\(EHOSTUNREACH\|ETIMEDOUT\): ' "$tmp/out" || fail "$1: $(cat "$tmp/out")"
}

stop_them()
{
	# shellcheck disable=SC2086
	kill -CONT $1 2>/dev/null || :
}

handle=$(at "$a" "$field" publish 1 1)
# 192.0.2.0/24 is for documentation: no host has it
silent "an address that nobody has" "$("$forge" address=192.0.2.7 "$handle")"
silent "an address where nobody listens" "$("$forge" address=127.0.0.9 "$handle")"

all=$(pids_of "$a")
# shellcheck disable=SC2086
kill -STOP $all
cleanup_fn stop_them "$all"
silent "a stopped rmmapd" "$handle"
silent "a stopped rmmapd, asked again" "$handle"
# shellcheck disable=SC2086
kill -CONT $all
at "$b" "$field" walk auto up "$handle" >/dev/null || fail "it goes on, and attach fails"

# the worker stopped before the first request of another consumer
# shellcheck disable=SC2046
kill -STOP $(workers_of "$a")
silent "a stopped worker" "$handle"
# shellcheck disable=SC2046
kill -CONT $(workers_of "$a")
at "$b" "$field" walk auto up "$handle" >/dev/null || fail "its worker goes on, and attach fails"

# shellcheck disable=SC2086
kill -KILL $all
silent "a killed rmmapd" "$handle"
# a new one at that run directory does not have it
next=$(at "$a" "$field" publish 1 2)
silent "the address of an rmmapd before" "$handle"
at "$b" "$field" walk auto up "$next" >/dev/null || fail "the new rmmapd's publication"
