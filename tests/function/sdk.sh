#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# rmmap function and the official CloudEvents SDK for JavaScript. It is looked for in
# RMMAP_TEST_NODE_MODULES, then npm is asked.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/function/functions.sh"

requires node --version
modules=${RMMAP_TEST_NODE_MODULES:-$tmp/node/node_modules}
if [ ! -d "$modules/cloudevents" ]; then
	requires npm --version
	mkdir -p "$tmp/node" "$tmp/home"
	(cd "$tmp/node" && timeout 60 npm install --prefix "$tmp/node" --prefer-offline --no-audit \
		--no-fund --ignore-scripts cloudevents@10.0.0) >"$tmp/npm.log" 2>&1 ||
		skip "npm cannot get cloudevents@10.0.0, and RMMAP_TEST_NODE_MODULES has none"
fi
mkdir -p "$tmp/client"
cp "$abs_top_srcdir/tests/function/sdk.mjs" "$tmp/client/" && ln -s "$modules" "$tmp/client/node_modules"
new_rundir a
start sdk --arrival 10
timeout 300 node "$tmp/client/sdk.mjs" "$url" || fail "the SDK's client: $?; $(tail -n 5 "$log")"
event echo -d alive
answered 200 alive
