#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# rmmap function: events in both modes, what is refused and how, the end.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/function/functions.sh"

umask 077
new_rundir a
start first --readers 3 --ttl 3600 --type test.answer
words='one two three'

# ---- binary mode ----
event show -H 'ce-subject: a%20%22b%22%20%C3%A9' -H 'Content-Type: text/plain' -H 'CE-Extra: "q %31"' \
	-H 'ce-time: 2026-01-31T12:00:00.5+01:00' --data-binary 'some data'
answered 200 '^subject=a "b" é$'
answered 200 '^extra=q 1$'
answered 200 '^datacontenttype=text/plain$'
answered 200 '^data 9 some data$'
[ "$(answer_header ce-specversion)" = 1.0 ] || fail "specversion of the answer"
[ "$(answer_header ce-type)" = test.answer ] || fail "type of the answer"
[ "$(answer_header ce-source)" = /rmmap/libfunction_handler.so ] || fail "source of the answer"
answer_header ce-id | grep -qx '[0-9a-f]\{32\}' || fail "id of the answer"
answer_header ce-time | grep -qx '20[0-9-]*T[0-9:.]*Z' || fail "time of the answer"
answer_header Content-Type | grep -qx text/plain || fail "type of the answer's data"
[ -z "$(answer_header ce-dataref)" ] || fail "a handle out of nothing"

event list -H 'ce-subject: 100% é"' --data-binary "$words"
answered 400 'encodes nothing'
event list -H 'ce-subject: 100%25 %C3%A9' --data-binary "$words"
answered 200
[ "$(answer_header ce-subject)" = '100%25%20%C3%A9' ] || fail "encoding: $(answer_header ce-subject)"
answer_header ce-dataref >"$tmp/handle"
grep -qx 'rmmap1:[A-Za-z0-9_-]*' "$tmp/handle" || fail "no handle"
rmmap stat --json "@$tmp/handle" >"$tmp/stat" || fail "what was published is not there"

# one event's root into the next one; what it hands on
handle=$(cat "$tmp/handle")
start second
event show -H "ce-dataref: $handle"
answered 200 '^word one$'
[ "$(grep '^word' "$tmp/body" | tr '\n' ' ')" = 'word three word two word one ' ] || fail "the list"
event append -H "ce-dataref: $handle" --data-binary 'four'
answered 200
second=$(answer_header ce-dataref)
start third
event show -H "ce-dataref: $second"
[ "$(grep '^word' "$tmp/body" | tr '\n' ' ')" = 'word four word three word two word one ' ] ||
	fail "the list handed on: $(cat "$tmp/body")"
event attach --data-binary "$second"
answered 200 '^4$'

# three readers so far, the two of the second server and its publication's none
event show -H "ce-dataref: $handle"
answered 200
event show -H "ce-dataref: $handle"
answered 422 'cannot attach'
printf '%s' "$second" >"$tmp/second"
rmmap unpublish "@$tmp/second" || fail "unpublish"
event show -H "ce-dataref: $second"
answered 422 'cannot attach'
event show -H 'ce-dataref: rmmap1:nothing'
answered 400 'cannot attach'
event show -H "ce-dataref: http://example.org/"
answered 400
event show -H "ce-dataref: $(echo "$second" | sed 's/^\(.\{20\}\)./\1_/')"
answered 400

# nothing is left attached
detached() { [ "$(rmmap list --json | grep -c '"attached": [1-9]')" -eq 0 ]; }
wait_for 60 detached || fail "something is still attached"

# ---- what a handler may answer ----
event none
answered 204
[ ! -s "$tmp/body" ] || fail "204 with a body"
event fail --data-binary 'because of me'
answered 500 '^because of me$'
printf 'a\nrmmap function: forged\033[2J \377' >"$tmp/reason"
event fail --data-binary "@$tmp/reason"
answered 500
LC_ALL=C grep -Fqx 'rmmap function: answered 500: a?rmmap function: forged?[2J ?' "$log" ||
	fail "not one plain line: $(tail -n 2 "$log" | od -c)"
event fail
answered 500 'gave no reason'
event static
answered 500 'cannot publish'
event name
answered 500 "the handler's answer"
event echo -H 'Content-Type: application/octet-stream' --data-binary "@$abs_top_builddir/run"
answered 200
cmp "$abs_top_builddir/run" "$tmp/body" || fail "data came back as something else"
event json
answered 200

# ---- structured mode ----
json() {
	post -H 'Content-Type: application/cloudevents+json; charset=UTF-8' --data-binary "$1"
}
json '{"specversion":"1.0","id":"1","source":"/t","type":"show","subject":"a \"b\" \u00e9",
	"count":-7,"flag":true,"gone":null,"datacontenttype":"text/plain","data":"some \u0041"}'
answered 200
grep -q '"datacontenttype":"text/plain"' "$tmp/body" || fail "not structured: $(cat "$tmp/body")"
grep -qF 'subject=a \"b\" é\ncount=-7\nflag=true\n' "$tmp/body" || fail "attributes: $(cat "$tmp/body")"
grep -qF 'data 6 some A\n' "$tmp/body" || fail "data: $(cat "$tmp/body")"
answer_header Content-Type | grep -q '^application/cloudevents+json' || fail "the answer's type"
json '{"data": {"a" : [1, 12345678901234567890, -0.5e+3, 0E1, "\u0000"]},"specversion":"1.0","id":"1","source":"/t","type":"echo"}'
grep -qF '"data":{"a" : [1, 12345678901234567890, -0.5e+3, 0E1, "\u0000"]}' "$tmp/body" || fail "JSON data: $(cat "$tmp/body")"
json '{"specversion":"1.0","id":"1","source":"/t","type":"echo","datacontenttype":"x/y","data_base64":"AAECAw=="}'
answered 200 '"data_base64":"AAECAw=="'
json "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/t\",\"type\":\"list\",\"datacontenttype\":\"text/plain\",\"data\":\"$words\"}"
answered 200
handle=$(sed -n 's/.*"dataref":"\([^"]*\)".*/\1/p' "$tmp/body")
[ -n "$handle" ] || fail "no dataref in JSON"
[ -z "$(answer_header ce-dataref)" ] || fail "dataref in both modes"
start fourth
json "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/t\",\"type\":\"show\",\"dataref\":\"$handle\"}"
answered 200 'word three'
json '{"specversion":"1.0","id":"1","source":"/t","type":"json"}'
answered 500 'said to be JSON'

# ---- bad events ----
start=$(date +%s)
for bad in '' '{' '[]' '"x"' '{}x' '{"a":1,}' '{"specversion":1.0}' '{"specversion":"1.0"' \
	'{"specversion":"1.0","id":"1","source":"/t"}' \
	'{"specversion":"1.0","id":"","source":"/t","type":"echo"}' \
	'{"specversion":"1.0","id":"1","id":"2","source":"/t","type":"echo"}' \
	'{"specversion":"1.0","id":"1","source":"/ t","type":"echo"}' \
	'{"specversion":"1.0","id":"1","source":"/t","type":"echo","time":"now"}' \
	'{"specversion":"1.0","id":"1","source":"/t","type":"echo","Name":"x"}' \
	'{"specversion":"1.0","id":"1","source":"/t","type":"echo","x":[1]}' \
	'{"specversion":"1.0","id":"1","source":"/t","type":"echo","x":1.5}' \
	'{"specversion":"1.0","id":"1","source":"/t","type":"echo","x":99999999999}' \
	'{"specversion":"1.0","id":"1","source":"/t","type":"echo","x":"\u0000"}' \
	'{"specversion":"1.0","id":"1","source":"/t","type":"echo","x":"\uZZZZ"}' \
	'{"specversion":"1.0","id\u0000x":"1","source":"/t","type":"echo"}' \
	'{"specversion":"1.0","id":"1","source":"/t","type":"echo","data\u0000x":"y"}' \
	'{"specversion":"1.0","id":"1","source":"/t","type":"echo","x":007}' \
	'{"specversion":"1.0","id":"1","source":"/t","type":"echo","data":[1.e5]}' \
	'{"specversion":"1.0","id":"1","source":"/t","type":"echo","data":-01}' \
	'{"specversion":"1.0","id":"1","source":"/t","type":"echo","data":1e}' \
	'{"specversion":"1.0","id":"1","source":"/t","type":"echo","data":1,"data_base64":"AA=="}' \
	'{"specversion":"1.0","id":"1","source":"/t","type":"echo","data_base64":"A"}' \
	'{"specversion":"0.3","id":"1","source":"/t","type":"echo"}' \
	'{"specversion":"1.0","id":"1","source":"/t","type":"echo","dataref":5}'; do
	json "$bad"
	answered 400
	[ -s "$tmp/body" ] || fail "400 without a reason: $bad"
done
post -H 'ce-specversion: 1.0' -H 'ce-id: 1' -H 'ce-type: echo' -d ''
answered 400 'source is missing'
post -H 'ce-specversion: 0.3' -H 'ce-id: 1' -H 'ce-type: echo' -H 'ce-source: /t' -d ''
answered 400 specversion
event echo -H 'ce-not_a_name: 1' -d ''
answered 400
event echo -H 'ce-id: 2' -d ''
answered 400 twice
event echo -H 'ce-x: %FF' -d ''
answered 400 UTF-8
event echo -H 'ce-x: %00' -d ''
answered 400
post -H 'Content-Type: text/xml' -d '<a/>'
answered 415
post -H 'Content-Type: application/cloudevents-batch+json' -d '[]'
answered 415 batch
post -H 'Content-Type: application/cloudevents+avro' -d 'x'
answered 415
post -H 'Content-Type: application/cloudevents+json; charset=utf-16' -d '{}'
answered 415
post -X PUT -d x
answered 405
[ "$(answer_header Allow)" = POST ] || fail "405 without Allow"
post -X GET
answered 405

# ---- sizes ----
head -c 1048576 /dev/zero >"$tmp/large"
event echo --data-binary "@$tmp/large"
answered 200
cmp "$tmp/large" "$tmp/body" || fail "1 MiB came back as something else"
printf x >>"$tmp/large"
for expect in 'Expect: 100-continue' 'Expect:'; do
	event echo -H "$expect" --data-binary "@$tmp/large"
	answered 413 '1048576'
	event echo -H "$expect" -H 'Transfer-Encoding: chunked' --data-binary "@$tmp/large"
	answered 413
done
head -c 200000 /dev/zero | tr '\0' x >"$tmp/header"
{ printf 'ce-x: '; cat "$tmp/header"; } >"$tmp/headers"
event echo -H "@$tmp/headers" -d ''
answered 431
event echo -d alive
answered 200 alive

# ---- health ----
for path in healthz readyz health/liveness health/readiness; do
	[ "$(curl -s -o /dev/null -w '%{http_code}' "$url$path")" = 200 ] || fail "$path"
done

# ---- what cannot start ----
refused() {     # PATTERN COMMAND...
	pattern=$1
	shift
	got=0
	timeout 300 "$@" 2>"$tmp/err" || got=$?
	[ "$got" -eq "$want" ] || fail "$*: status $got: $(cat "$tmp/err")"
	grep -q -e "$pattern" "$tmp/err" || fail "$*: $(cat "$tmp/err")"
}
want=2
refused 'handler FILE is missing' rmmap function
refused 'unexpected operand' rmmap function --handler "$handler" x
refused 'see rmmap function --help' rmmap function --nothing
refused 'PORT' env PORT=x rmmap function --handler "$handler"
refused 'concurrency wants' rmmap function --handler "$handler" --concurrency 0
want=1
refused 'write ./libfunction_handler.so' sh -c 'cd "${1%/*}" && rmmap function --handler "${1##*/}"' \
	sh "$handler"
refused 'cannot load' rmmap function --handler "$tmp/absent.so" --port 0
refused 'no function rmmap_function' rmmap function --handler "$abs_top_builddir/.libs/librmmap.so.0" --port 0
refused 'start() of .* failed: 3' env HANDLER_FAILS=1 rmmap function --handler "$handler" --port 0
refused 'choose another one with --port' rmmap function --handler "$handler" --address 127.0.0.1 --port "$port"
rmmap function --help | grep -q -- '--handler' || fail "no help"

# ---- without standard output: no socket takes its place ----
start closed >&-
event echo -d alive
answered 200 alive
case $(readlink "/proc/$pid/fd/1") in
/) ;;
*) fail "standard output is $(readlink "/proc/$pid/fd/1")" ;;
esac

# ---- the end ----
end_by_term
[ "$ended" -eq 0 ] || fail "SIGTERM: status $ended"
grep -q 'told to stop' "$log" || fail "rmmap_function_stop() was not called"
grep -rq rmmap1: "$tmp"/*.log && fail "a handle in a log"
echo "$(($(date +%s) - start)) s"
