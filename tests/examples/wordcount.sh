#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Word counts through published hash tables are those of tr, sort and uniq.
. "${abs_top_srcdir:-.}/tests/functions.sh"
. "$abs_top_srcdir/tests/examples/functions.sh"

# Texts that are hard to cut: no newline at the end, no word, no byte, one long word,
# bytes that are no letters, letters that are no ASCII, zeros.
mkdir "$tmp/texts"
printf 'the end has no newline' >"$tmp/texts/1"
printf 'newline' >"$tmp/texts/2"
printf ' ,;\n\n' >"$tmp/texts/3"
: >"$tmp/texts/4"
awk 'BEGIN { for (i = 0; i < 300000; i++) printf "W"; print "" }' >"$tmp/texts/5"
printf 'Na\303\257ve na\303\257ve \377\376 \0 a\0b \303\211t\303\251 don'"'"'t_x\n' >"$tmp/texts/6"
awk 'BEGIN { s = 1; for (i = 0; i < 200000; i++) { s = (s * 16807) % 2147483647
	printf "w%d%s", s % (s % 5000 + 1), i % 11 ? " " : "\n" } }' >"$tmp/texts/7"

new_rundir a
for mappers in 1 3 8; do
	equal "made texts, $mappers mappers" -n $mappers -- "$tmp"/texts/*
done
equal "no word at all" -n 2 -- "$tmp/texts/3" "$tmp/texts/4"

new_rundir b
new_rundir c
export RMMAP_RUNDIR="$a"
elsewhere="env RMMAP_RUNDIR=$b"
equal "made texts, mappers on another host" -n 3 -p "$elsewhere" -- "$tmp"/texts/*
rmmap info --json | grep -q '"fetched_bytes": [1-9]' || fail "the reducer's host fetched nothing"

# What cannot work says so, and leaves nothing behind.
"$wordcount" "$tmp/nothing-there" 2>/dev/null && fail "a text that is not there"
"$wordcount" -n 0 "$tmp/texts/1" 2>/dev/null && fail "no mapper"
"$wordcount" -n 2 -p "env RMMAP_FABRIC=off RMMAP_RUNDIR=$c" "$tmp/texts/1" 2>/dev/null &&
	fail "mappers that cannot reach the splitter's host"
wait_for 60 nothing_listed || fail "publications were left behind"

# Mappers that are still at work when one fails, or when all is told to end.
cat >"$tmp/prefix" <<'END'
#!/bin/sh
# the second word is the mapper's number
if [ "$2" = 0 ]; then
	[ -z "$FIRST_FAILS" ] || exit 1
	: >"$STARTED"
fi
sleep 1
exec "$@"
END
chmod +x "$tmp/prefix"
# one that is its own wrapper: unpublish goes straight to rmmap
cat >"$tmp/before" <<'END'
#!/bin/sh
case $1 in
*/map) exec "$(dirname "$0")/prefix" "$@" ;;
esac
exec "$@"
END
chmod +x "$tmp/before"
export STARTED="$tmp/started" FIRST_FAILS=yes
"$wordcount" -n 3 -p "$tmp/before" "$tmp/texts/7" 2>"$tmp/err" >"$tmp/out" && fail "the first mapper failed"
grep -q 'a mapper failed' "$tmp/err" || fail "not the reason: $(cat "$tmp/err")"
nothing_listed || fail "publications of those that went on were left behind"
FIRST_FAILS=
"$wordcount" -n 3 -p "$tmp/before" "$tmp/texts/7" 2>"$tmp/err" >"$tmp/out" &
pid=$!
wait_for 60 test -e "$STARTED" || fail "no mapper was started"
children=$(cat "/proc/$pid/task/$pid/children")
kill "$pid"
wait "$pid" && fail "SIGTERM is no success"
# shellcheck disable=SC2086 # one word for each
_gone $children || fail "a mapper outlives the script"
nothing_listed || fail "publications were left behind by SIGTERM"
exit 0
