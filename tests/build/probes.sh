# SPDX-License-Identifier: BSD-2-Clause
# probes: where it was built with sys/sdt.h, librmmap and rmmapd have the static markers that
# rmmap(7) promises, each with three arguments
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
set -e

grep -q '^#define HAVE_SYS_SDT_H 1' "$abs_top_builddir/config.h" ||
	skip "built without sys/sdt.h (Debian: systemtap-sdt-dev)"
requires readelf --version

# program FILE: the one that libtool made of it
program()
{
	if [ -e "$abs_top_builddir/.libs/$1" ]; then
		echo "$abs_top_builddir/.libs/$1"
	else
		echo "$abs_top_builddir/$1"
	fi
}

# has FILE PROBE...: these and no others
has()
{
	_file=$1
	shift
	readelf -W -n "$(program "$_file")" > "$tmp/notes" 2>/dev/null
	sed -n '/Provider: rmmap$/{n;s/^ *Name: //p;}' "$tmp/notes" | sort -u > "$tmp/there"
	printf '%s\n' "$@" > "$tmp/wanted"
	diff "$tmp/wanted" "$tmp/there" >&2 || fail "$_file: markers (>) are not those wanted (<)"
	sed -n '/Provider: rmmap$/,/Arguments:/s/^ *Arguments: //p' "$tmp/notes" > "$tmp/arguments"
	[ -s "$tmp/arguments" ] || fail "$_file: its markers have no arguments"
	while read -r _line; do
		# shellcheck disable=SC2086 # words
		set -- $_line
		case $#,$* in
		3,*@*@*@*) ;;
		*) fail "$_file: a marker has other arguments than three: $_line" ;;
		esac
	done < "$tmp/arguments"
}

has librmmap.so.0 attach publish
has rmmapd fault
for name in publish attach fault; do
	grep -q "^.Ql $name" "$abs_top_srcdir/man/rmmap.7" || fail "rmmap(7) does not say what $name is"
done
