#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The words of real books, counted through published hash tables on one host and on two.
. "${abs_top_srcdir:-.}/tests/functions.sh"
. "$abs_top_srcdir/tests/examples/functions.sh"

set --
for book in "$abs_top_srcdir"/../shared/data/*_*_*.txt; do
	[ ! -f "$book" ] || set -- "$@" "$book"
done
[ $# -gt 0 ] || skip "the books of ../shared/data are not there"

new_rundir b
new_rundir a
equal "books, 4 mappers" -n 4 -- "$@"
equal "books, mappers on another host" -n 4 -p "env RMMAP_RUNDIR=$b" -- "$@"
rmmap info --json | grep -q '"fetched_bytes": [1-9]' || fail "the reducer's host fetched nothing"
