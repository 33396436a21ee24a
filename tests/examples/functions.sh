# SPDX-License-Identifier: BSD-2-Clause
# wordcount-functions.sh - sourced by wordcount.sh and books.sh, after functions.sh:
# a word count through published hash tables, held against tr, sort and uniq

wordcount=$abs_top_srcdir/examples/wordcount/wordcount.sh
WORDCOUNT=$abs_top_builddir/examples/wordcount
export WORDCOUNT

coreutils() {
	for text; do
		cat "$text"
		echo
	done | LC_ALL=C tr '[:upper:]' '[:lower:]' | LC_ALL=C tr -cs 'a-z0-9\200-\377' '\n' |
		sed '/^$/d' | LC_ALL=C sort | LC_ALL=C uniq -c | awk '{ print $1, $2 }' |
		LC_ALL=C sort -k1,1nr -k2,2
}

nothing_listed() { [ "$(rmmap list | wc -l)" -eq 0 ]; }

# equal WHAT OPTION... -- FILE...
equal() {
	what=$1
	shift
	"$wordcount" "$@" >"$tmp/got" || fail "$what"
	while [ "$1" != -- ]; do shift; done
	shift
	coreutils "$@" >"$tmp/want"
	cmp "$tmp/want" "$tmp/got" || fail "$what: not the count of coreutils"
	wait_for 60 nothing_listed || fail "$what: publications were left behind"
	echo "$what: $(wc -l <"$tmp/got") different words"
}
