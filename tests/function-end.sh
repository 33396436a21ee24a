#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# rmmap function: several calls at once, too many events, handlers that take too long, that
# crash, that never return; the drain at SIGTERM.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/function-functions.sh"

new_rundir a

# later NAME TYPE OPTION... - an event in the background: its status in $tmp/NAME.status
later()
{
	_name=$1 _type=$2
	shift 2
	curl -s -m 60 -X POST -o "$tmp/$_name.body" -D "$tmp/$_name.head" -w '%{http_code}' \
		-H 'ce-specversion: 1.0' -H 'ce-id: 1' -H 'ce-source: /test' -H "ce-type: $_type" \
		"$@" "$url" >"$tmp/$_name.status" &
	eval "later_$_name=\$!"
}
# came NAME STATUS
came()
{
	eval "wait \$later_$1" || :
	[ "$(cat "$tmp/$1.status")" = "$2" ] ||
		fail "$1: $(cat "$tmp/$1.status") and not $2: $(cat "$tmp/$1.body")"
}
health() { [ "$(curl -s -m 20 -o /dev/null -w '%{http_code}' "$url$1")" = "$2" ]; }
publications() { [ "$(rmmap list | wc -l)" -eq "$1" ]; }

# ---- several at once ----
start many --concurrency 4
for i in 1 2 3 4; do later "$i" slow -d 700; done
for i in 1 2 3 4; do came "$i" 200; done
event spread
answered 200
[ "$(cat "$tmp/body")" -gt 1 ] || fail "--concurrency 4: never more than one at once"

# Two publications of one function are at the same addresses: one waits for the other.
start maker
event list -d 'a b c'
first=$(answer_header ce-dataref)
event list -d 'd e f'
other=$(answer_header ce-dataref)
start reader --concurrency 4
later one slow -H "ce-dataref: $first" -d 500
later two slow -H "ce-dataref: $other" -d 500
later three slow -H "ce-dataref: $first" -d 100
for name in one two three; do came $name 200; done
event show -H "ce-dataref: $other"
answered 200 'word d'

# ---- too many, too long ----
start late --queue 1 --timeout 2
health healthz 200 || fail "not healthy"
later runs slow -d 4500
sleep 0.5
later waits echo
sleep 0.5
event echo
answered 503 'wait already'
[ "$(answer_header Retry-After)" = 1 ] || fail "503 without Retry-After"
came runs 504
came waits 503
wait_for 10 health healthz 503 || fail "healthy with a handler that does not return"
wait_for 20 health healthz 200 || fail "not healthy when it has returned"
event echo -d again
answered 200 again

# ---- rmmapd is somebody else's business ----
RMMAP_DAEMON_WAS=$RMMAP_DAEMON RMMAP_RUNDIR_WAS=$RMMAP_RUNDIR
new_rundir none
RMMAP_DAEMON=off
export RMMAP_DAEMON
start nobody
health readyz 503 || fail "ready without rmmapd"
event list -d x
answered 503 'cannot publish'
RMMAP_DAEMON=$RMMAP_DAEMON_WAS
"$RMMAP_DAEMON" --foreground --idle 0 &
wait_for 20 health readyz 200 || fail "not ready with rmmapd"
event list -d x
answered 200
kill -KILL "$pid"
RMMAP_RUNDIR=$RMMAP_RUNDIR_WAS
export RMMAP_DAEMON RMMAP_RUNDIR

# ---- a handler that crashes: the client sees it, rmmapd keeps nothing ----
rmmap list --json | grep -q '"attached": [1-9]' && fail "something is attached before"
start crash
event crash -H "ce-dataref: $first"
[ "$status" = 000 ] || fail "an answer of a server that crashed: $status"
ended=0
wait "$pid" || ended=$?
[ "$ended" -eq 134 ] || fail "abort(): status $ended"
detached() { ! rmmap list --json | grep -q '"attached": [1-9]'; }
wait_for 10 detached || fail "a crash leaves something attached"
start restarted
event show -H "ce-dataref: $first"
answered 200 'word a'

# ---- the drain ----
start drain --drain 20
later runs slow -d 1500
later waits echo -d waits
sleep 0.5
kill -TERM "$pid"
wait_for 10 health readyz 503 || fail "ready while it ends"
event echo
answered 503 'is ending'
ended=0
wait "$pid" || ended=$?
[ "$ended" -eq 0 ] || fail "drain: status $ended"
came runs 200
came waits 200
event echo
[ "$status" = 000 ] || fail "it still answers: $status"

# ---- slow clients do not hold the drain ----
start slow --drain 20
{ printf 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc'; sleep 30; } |
	timeout 40 curl -s -m 40 "telnet://127.0.0.1:$port" >/dev/null &
sleep 0.3
begun=$(date +%s)
end_by_term
[ "$ended" -eq 0 ] || fail "a slow client and SIGTERM: status $ended"
[ $(($(date +%s) - begun)) -lt 15 ] || fail "a slow client held the drain"

# ---- one that never returns ----
start forever --drain 1
later never forever
sleep 0.5
end_by_term
[ "$ended" -eq 1 ] || fail "a handler that never returns and SIGTERM: status $ended"
grep -q 'did not return within --drain' "$log" || fail "not told: $(cat "$log")"
came never 503

# ---- published after its client was sent away ----
before=$(rmmap list | wc -l)
start toolate --timeout 1
later list slow -d 2500
came list 504
sleep 2
publications "$before" || fail "more publications than before"
end_by_term
[ "$ended" -eq 0 ] || fail "SIGTERM: status $ended"
