#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# wordcount.sh - count words with one splitter, N mappers and one reducer, each a
# process. They pass pointer structures to each other, by handle.
set -eu

usage() {
	cat <<'EOF'
usage: wordcount.sh [-n MAPPERS] [-p PREFIX] FILE...
  -n MAPPERS  how many mappers [4]
  -p PREFIX   words put before each mapper's command, to run it elsewhere:
              -p "env RMMAP_RUNDIR=/tmp/other" or -p "ip netns exec b"
Prints "COUNT WORD", the most frequent first.
WORDCOUNT in the environment is the directory of split, map and reduce; RMMAP the
rmmap command.
EOF
}

mappers=4
prefix=
pids=
while getopts n:p:h option; do
	case $option in
	n) mappers=$OPTARG ;;
	p) prefix=$OPTARG ;;
	h) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
case $mappers in
'' | *[!0-9]* | 0) usage >&2; exit 2 ;;
esac
[ $# -gt 0 ] || { usage >&2; exit 2; }

programs=${WORDCOUNT:-$(dirname "$0")}
rmmap=${RMMAP:-rmmap}

# Handles are secrets: they are in files in a directory that only this user may read.
handles=$(mktemp -d "${TMPDIR:-/tmp}/wordcount.XXXXXX")

cleanup() {
	trap '' HUP INT TERM
	# a mapper that still runs could publish, and nobody would unpublish it
	# shellcheck disable=SC2086 # one word for each
	[ -z "$pids" ] || kill $pids 2>/dev/null || :
	wait
	i=0
	while [ "$i" -lt "$mappers" ]; do
		# shellcheck disable=SC2086 # the prefix is meant to be split into words
		[ ! -s "$handles/map.$i" ] || $prefix "$rmmap" unpublish "@$handles/map.$i" || :
		i=$((i + 1))
	done
	[ ! -s "$handles/split" ] || "$rmmap" unpublish "@$handles/split" || :
	rm -rf "$handles"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

"$programs/split" "$mappers" "$@" >"$handles/split"

i=0
while [ "$i" -lt "$mappers" ]; do
	# shellcheck disable=SC2086 # the prefix is meant to be split into words
	$prefix "$programs/map" "$i" <"$handles/split" >"$handles/map.$i" &
	pids="$pids $!"
	i=$((i + 1))
done
failed=
for pid in $pids; do
	wait "$pid" || failed=yes
done
pids=
[ -z "$failed" ] || { echo "wordcount.sh: a mapper failed" >&2; exit 1; }

cat "$handles"/map.* | "$programs/reduce"
