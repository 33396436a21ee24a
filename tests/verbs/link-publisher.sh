#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# verbs between two guests, the publisher: does what the reader asks for by files in /exchange
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

# answer NAME COMMAND ARG... - what it says becomes the reader's file
answer()
{
	_name=$1
	shift
	"$@" >"$tmp/answer" 2>&1 || { cat "$tmp/answer"; fail "$*"; }
	mv "/exchange/link.ask" "/exchange/link.asked"
	cp "$tmp/answer" "/exchange/link.$_name.part"
	mv "/exchange/link.$_name.part" "/exchange/link.$_name"
}
asked()
{
	[ -e /exchange/link.ask ]
}
kill_all()
{
	# shellcheck disable=SC2046
	kill -KILL $(pids_of "$a")
}

while wait_for 240 asked; do
	read -r number what argument </exchange/link.ask
	echo "$number: $what"
	case $what in
	publish) answer "$number" at "$a" "$field" publish "$argument" "$number" ;;
	revoke) answer "$number" at "$a" rmmap unpublish --revoke "$argument" ;;
	kill) answer "$number" kill_all ;;
	end)
		answer "$number" true
		exit 0
		;;
	*) fail "the reader asks for '$what'" ;;
	esac
done
fail "the reader asks for nothing any more"
