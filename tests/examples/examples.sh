#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The examples, as their comments say to run them; on one host and on two.
. "${abs_top_srcdir:-.}/tests/functions.sh"

examples=$abs_top_builddir/examples
umask 077

cat >"$tmp/want" <<'EOF'
Venus
Earth
Mars
sum of the tree: 500500
EOF
new_rundir a
"$examples/01_publish" | "$examples/02_attach" >"$tmp/got" || fail "01_publish | 02_attach"
cmp "$tmp/want" "$tmp/got" || fail "02_attach printed something else"

"$examples/01_publish" >"$tmp/handle" || fail "01_publish"
new_rundir b
"$examples/02_attach" <"$tmp/handle" >"$tmp/got" || fail "02_attach on another host"
cmp "$tmp/want" "$tmp/got" || fail "02_attach on another host printed something else"
"$examples/02_attach" </dev/null 2>"$tmp/err" && fail "02_attach without a handle"
echo rmmap1:nothing | "$examples/02_attach" 2>"$tmp/err" && fail "02_attach of no handle"
grep -q '^02_attach: .' "$tmp/err" || fail "02_attach says nothing of a bad handle"
export RMMAP_RUNDIR="$a"
rmmap hello "@$tmp/handle" 2>"$tmp/err" && fail "rmmap hello takes a structure of 01_publish"
grep -q 'not of a structure' "$tmp/err" || fail "rmmap hello: $(cat "$tmp/err")"

# Position-independent or not: without the library, and with it.
for program in 03_optional 03_optional_nopie; do
	[ "$("$examples/$program")" = "1 2 3 4 5 6 7 8 9 10" ] || fail "$program without rmmap"
	RMMAP_HEAP=shared rmmap run "$examples/$program" >"$tmp/handle" 2>"$tmp/err" ||
		fail "$program with rmmap: $(cat "$tmp/err")"
	grep -qx 'rmmap1:[A-Za-z0-9_-]*' "$tmp/handle" || fail "$program published nothing"
	rmmap stat "@$tmp/handle" >/dev/null || fail "what $program published is not there"
	rmmap unpublish "@$tmp/handle" || fail "unpublish"
done
case $(od -An -tx2 -j16 -N2 "$examples/03_optional_nopie") in
*0002*) ;;
*) fail "03_optional_nopie is position-independent after all" ;;
esac
