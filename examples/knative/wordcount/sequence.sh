#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# sequence.sh - count words with functions that are servers: the text to split, what split
# answers to N mappers at once, what they answer to reduce. Handles go from one to the next,
# the text and the tables do not go through here.
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
# curl would send nothing in its place, and go on
[ "$1" = - ] || [ -r "$1" ] || { echo "sequence.sh: cannot read $1" >&2; exit 1; }
command -v curl >/dev/null || { echo "sequence.sh: curl is not installed" >&2; exit 1; }
rmmap=${RMMAP:-rmmap}

# Handles are secrets: they go through files in a directory that is ours alone, and never
# into an argument, which ps shows to all.
work=$(mktemp -d "${TMPDIR:-/tmp}/wordcount.XXXXXX")

# What was published on another host cannot be ended from here: it goes by its time to live. A
# function whose answer nobody takes unpublishes it.
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

# call NAME URL CURL-OPTION... - one event; the answer is in $work/NAME.body, and its
# dataref in $work/NAME.handle and, as a header for the next one, in $work/NAME.header
call() {
	name=$1 url=$2
	shift 2
	curl -s -S -m 600 -X POST -o "$work/$name.body" -D "$work/$name.head" \
		-w '%{http_code}' -H 'ce-specversion: 1.0' -H 'ce-source: /wordcount' \
		-H "ce-id: ${work##*.}-$name" -H 'ce-type: wordcount' "$@" "$url" \
		<&3 >"$work/$name.status" &
	# waited for, since a signal then ends the wait
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

exec 3<&0               # what runs beside the shell has no standard input
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
