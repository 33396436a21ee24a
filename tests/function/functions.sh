# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# function-functions.sh - sourced after functions.sh by the tests of rmmap function
#
#   start NAME OPTION...   a server of its own on a free port, with tests/function/handler.c;
#                          sets $url and $pid; what it says is in $tmp/NAME.log
#   post CURL-OPTION...    send something; sets $status, leaves $tmp/body and $tmp/head
#   event TYPE [OPTION...] the same, with the attributes that an event must have
#   answered STATUS [PATTERN]  that came, and the body has the pattern (grep)

[ -x "$abs_top_builddir/rmmap-function" ] || skip "this build has no rmmap function (libmicrohttpd, cJSON)"
requires curl --version

handler=$abs_top_builddir/tests/.libs/libfunction_handler.so

start()
{
	log=$tmp/$1.log
	shift
	rmmap function --handler "$handler" --port 0 --address 127.0.0.1 "$@" 2>"$log" &
	pid=$!
	cleanup_fn end_server "$pid"
	wait_for 120 grep -q 'listening on port' "$log" || fail "no server: $(cat "$log")"
	port=$(sed -n 's/.*listening on port \([0-9]*\)$/\1/p' "$log")
	url=http://127.0.0.1:$port/
}

end_server()
{
	kill -KILL "$1" 2>/dev/null || :
}

post()
{
	status=$(curl -s -m 300 -X POST -o "$tmp/body" -D "$tmp/head" -w '%{http_code}' "$@" "$url") || :
}

event()
{
	_type=$1
	shift
	post -H 'ce-specversion: 1.0' -H 'ce-id: 1' -H 'ce-source: /test' -H "ce-type: $_type" "$@"
}

answered()
{
	[ "$status" = "$1" ] || fail "$status and not $1: $(cat "$tmp/body")"
	[ $# -lt 2 ] || grep -q "$2" "$tmp/body" || fail "no '$2' in: $(cat "$tmp/body")"
	[ "${status#4}" = "$status" ] || ! grep -q 'rmmap1:[A-Za-z0-9_-]\{20\}' "$tmp/body" || fail "a handle in an error"
}

# a header of the answer
answer_header()
{
	tr -d '\r' <"$tmp/head" | sed -n "s/^$1: //Ip"
}

# the server ends by SIGTERM: its status
end_by_term()
{
	kill -TERM "$pid"
	ended=0
	wait "$pid" || ended=$?
}
