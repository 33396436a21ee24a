#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Each structure from one run directory to another over libfabric, eagerly and lazily:
# the checksum is right, and its pages came by fi_read. Who touches little fetches little.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

# While it is attached, rmmap stat agrees with what rmmap_stats() said.
walk() # KIND PAGES HOW
{
	# shellcheck disable=SC2046 # two words
	set -- "$@" $(at "$a" "$structure" publish "$1" 1)
	at "$b" "$structure" walk "$3" "$1" "$4" "$5" \
		"rmmap stat --json '$4' >'$tmp/json'; rmmap stat '$4' >'$tmp/text'" \
		>"$tmp/out" || fail "$1, $3: $(cat "$tmp/out")"
	echo "$1, $3: $(cat "$tmp/out")"
	case $(counter provider "$tmp/out") in
	"${RMMAP_FABRIC%%[;@]*}"*) ;;
	*) fail "$1 came by $(counter provider "$tmp/out")" ;;
	esac
	[ "$(counter pages "$tmp/out")" -ge "$2" ] || fail "$1 has $2 pages"
	[ "$(counter bytes "$tmp/out")" -ge $(($2 * 4096)) ] || fail "$1 has $2 pages"
	[ "$(counter reads "$tmp/out")" -ge 1 ] || fail "$1 came without fi_read"
	[ "$3" = eager ] || [ "$(counter faults "$tmp/out")" -ge 1 ] || fail "nobody faulted"
	grep -q "^provider  *$(counter provider "$tmp/out")\$" "$tmp/text" ||
		fail "rmmap stat: $(cat "$tmp/text")"
	grep -q "^fetched  *$(counter bytes "$tmp/out") bytes, $(counter pages "$tmp/out") pages, by\
 $(counter reads "$tmp/out") fi_read calls" "$tmp/text" || fail "rmmap stat: $(cat "$tmp/text")"
	grep -q "\"fi_reads\": $(counter reads "$tmp/out")," "$tmp/json" || fail "rmmap stat --json"
	at "$a" rmmap unpublish "$4"
}

ways=eager
! can_lazy || ways="eager lazy"
for how in $ways; do
	walk list 3907 "$how"
	walk tree 1172 "$how"
	walk table 1295 "$how"
	walk array 16384 "$how"
done

handle=$(at "$a" "$field" publish 64 1)
for how in $ways; do
	at "$b" "$field" walk "$how" part "$handle" >"$tmp/out" || fail "part: $(cat "$tmp/out")"
	echo "2 %, $how: $(cat "$tmp/out")"
	pages=$(counter pages "$tmp/out")
	[ "$pages" -ge 327 ] || fail "fewer pages were fetched than were looked at"
	[ "$how" = eager ] || [ "$pages" -lt 8192 ] || fail "lazily, half of all was fetched for 2 %"
done
[ "$ways" = "eager lazy" ] || echo "lazy attaches were not tested: userfaultfd is not allowed here"
