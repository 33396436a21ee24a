#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# rmmap function: several calls at once, too many events, handlers that take too long, that
# crash, that never return; the drain at SIGTERM.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/function/functions.sh"

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
# gated NAME [OPTION...] - an event whose handler runs, and goes on when opened
gated()
{
	_gate=$1
	shift
	later "$_gate" gate -d "$tmp/$_gate" "$@"
	wait_for 60 test -e "$tmp/$_gate.in" || fail "$_gate: the handler was not called"
}
opened() { : >"$tmp/$1.go"; }

# With a queue of one and a handler at work, one of two events waits and the other is refused:
# then it is certain that one waits. Sets $waits, its name.
one_waits()
{
	later "$1" echo -d "$1"
	later "$2" echo -d "$2"
	wait_for 60 refused_one "$1" "$2" || fail "two wait in a queue of one"
	waits=$1
	refused_one "$1" && waits=$2
	came "$([ "$waits" = "$1" ] && echo "$2" || echo "$1")" 503
}
refused_one()
{
	for _name do
		[ ! -s "$tmp/$_name.status" ] || return 0
	done
	return 1
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
start late --queue 1 --timeout 5
health healthz 200 || fail "not healthy"
gated late
one_waits early1 early2
for name in early1 early2; do
	[ "$name" = "$waits" ] && continue
	grep -q 'wait already' "$tmp/$name.body" || fail "not told: $(cat "$tmp/$name.body")"
	grep -qi '^Retry-After: 1.$' "$tmp/$name.head" || fail "503 without Retry-After"
done
came late 504
came "$waits" 503
wait_for 60 health healthz 503 || fail "healthy with a handler that does not return"
opened late
wait_for 60 health healthz 200 || fail "not healthy when it has returned"
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
start drain --queue 1 --timeout 300 --drain 300
gated runs
one_waits next1 next2
kill -TERM "$pid"
wait_for 60 health readyz 503 || fail "ready while it ends"
event echo
answered 503 'is ending'
opened runs
ended=0
wait "$pid" || ended=$?
[ "$ended" -eq 0 ] || fail "drain: status $ended"
came runs 200
came "$waits" 200
event echo
[ "$status" = 000 ] || fail "it still answers: $status"

# ---- slow clients do not hold the drain ----
# This one would hold it for ever: it says no more, and hangs up when the server does.
start slow --drain 3600
mkfifo "$tmp/pipe"
curl -s "telnet://127.0.0.1:$port" <"$tmp/pipe" >/dev/null &
exec 9>"$tmp/pipe"
printf 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc' >&9
sleep 0.3
over() { [ -e "$tmp/ended" ] || [ ! -d "$tmp" ]; }
{ exec 9>&-; wait_for 120 over || kill -KILL "$pid"; } &
end_by_term
: >"$tmp/ended"
[ "$ended" -eq 0 ] || fail "a slow client and SIGTERM: status $ended, 137 if it held the drain"
exec 9>&-

# ---- one that never returns ----
start forever --drain 1
gated never
end_by_term
[ "$ended" -eq 1 ] || fail "a handler that never returns and SIGTERM: status $ended"
grep -q 'did not return within --drain' "$log" || fail "not told: $(cat "$log")"
came never 503

# ---- published after its client was sent away ----
before=$(rmmap list | wc -l)
start toolate --timeout 1
gated list -H 'ce-subject: words'
came list 504
opened list
wait_for 60 health healthz 200 || fail "not healthy when it has returned"
end_by_term
[ "$ended" -eq 0 ] || fail "SIGTERM: status $ended"
publications "$before" || fail "more publications than before"

# ---- one that outlives its client is waited for, too ----
start outlives --timeout 1 --drain 300
gated after
came after 504
kill -TERM "$pid"
wait_for 60 health readyz 503 || fail "ready while it ends"
opened after
ended=0
wait "$pid" || ended=$?
[ "$ended" -eq 0 ] || fail "a handler whose client had 504, and SIGTERM: status $ended"
