#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# sequence.sh - count words with functions that are servers: send the text to split, the answer of
# split to N mappers at once, their answers to reduce. Only handles pass through this script, not
# the text and the tables.
set -eu

usage() {
	cat <<'EOF'
usage: sequence.sh [-n MAPPERS] FILE
  -n MAPPERS  into how many parts, each for one call of map [4]
Prints "COUNT WORD", the most frequent first. FILE of "-" is standard input.
SPLIT_URL, MAP_URL and REDUCE_URL in the environment are where the functions listen;
MAP_URL may be several, separated by blanks, that take turns. RMMAP is the rmmap command.
EOF
}

mappers=4
while getopts n:h option; do
	case $option in
	n) mappers=$OPTARG ;;
	h) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
case $mappers in
'' | *[!0-9]* | 0) usage >&2; exit 2 ;;
esac
if [ $# -ne 1 ] || [ -z "${SPLIT_URL:-}" ] || [ -z "${MAP_URL:-}" ] || [ -z "${REDUCE_URL:-}" ]; then
	usage >&2
	exit 2
fi
# curl would send an empty body instead, and continue
[ "$1" = - ] || [ -r "$1" ] || { echo "sequence.sh: cannot read $1" >&2; exit 1; }
command -v curl >/dev/null || { echo "sequence.sh: curl is not installed" >&2; exit 1; }
rmmap=${RMMAP:-rmmap}

# Handles are secrets: they are in files in a directory that only this user may read, never in an
# argument, which ps shows to everyone.
work=$(mktemp -d "${TMPDIR:-/tmp}/wordcount.XXXXXX")

# A publication of another host cannot be unpublished from here: it ends by its time to live. A
# function unpublishes an answer that nobody has received.
cleanup() {
	trap '' HUP INT TERM
	for curl in "$work"/*.curl; do
		[ ! -e "$curl" ] || kill "$(cat "$curl")" 2>/dev/null || :
	done
	wait
	for head in "$work"/*.head; do
		[ ! -s "$head" ] || dataref_of "$head" >"$work/handle"
		[ ! -s "$work/handle" ] || "$rmmap" unpublish "@$work/handle" 2>/dev/null || :
	done
	rm -rf "$work"
}

dataref_of() {
	tr -d '\r' <"$1" | awk 'tolower($1) == "ce-dataref:" { print $2 }'
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# call NAME URL CURL-OPTION... - send one event. The answer is in $work/NAME.body; its dataref is in
# $work/NAME.handle and, as a header for the next event, in $work/NAME.header.
call() {
	name=$1 url=$2
	shift 2
	curl -s -S -m 600 -X POST -o "$work/$name.body" -D "$work/$name.head" \
		-w '%{http_code}' -H 'ce-specversion: 1.0' -H 'ce-source: /wordcount' \
		-H "ce-id: ${work##*.}-$name" -H 'ce-type: wordcount' "$@" "$url" \
		<&3 >"$work/$name.status" &
	# in the background: a signal ends a wait, but not a program in the foreground
	echo $! >"$work/$name.curl"
	wait $! || {
		rm "$work/$name.curl"
		echo "sequence.sh: no answer from $url" >&2
		return 1
	}
	rm "$work/$name.curl"
	status=$(cat "$work/$name.status")
	[ "$status" = 200 ] || {
		echo "sequence.sh: $url answered $status: $(cat "$work/$name.body")" >&2
		return 1
	}
	dataref_of "$work/$name.head" >"$work/$name.handle"
	sed 's/^/ce-dataref: /' "$work/$name.handle" >"$work/$name.header"
}

exec 3<&0               # a background process has no standard input of its own
call split "$SPLIT_URL" -H "ce-parts: $mappers" -H 'Content-Type: text/plain' --data-binary "@$1"

i=0
pids=
# shellcheck disable=SC2086 # blanks separate them
set -- $MAP_URL
while [ "$i" -lt "$mappers" ]; do
	call "map.$i" "$1" -H "@$work/split.header" -H "ce-part: $i" &
	pids="$pids $!"
	url=$1
	shift
	set -- "$@" "$url"
	i=$((i + 1))
done
wrong=0
for pid in $pids; do
	wait "$pid" || wrong=1
done
[ "$wrong" -eq 0 ] || exit 1

cat "$work"/map.*.handle >"$work/handles"
call reduce "$REDUCE_URL" -H 'Content-Type: text/plain' --data-binary "@$work/handles"
cat "$work/reduce.body"
