#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The manual: every page is clean for mandoc and for man, and nothing that the
# header, the option table or --help has is missing from it.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99

header=$abs_top_srcdir/include/rmmap.h
tree=$tmp
bad=0

complain()
{
	echo "$*" >&2
	bad=1
}

# A tree as it is installed, since a link page names its target within one.
for page in "$abs_top_srcdir"/man/*.[1-8]; do
	section=${page##*.}
	mkdir -p "$tree/man$section"
	cp "$page" "$tree/man$section/"
done
cd "$tree" || exit 99

# ---- each page is clean ----
mandoc=$(command -v mandoc) || mandoc=
groff=$(command -v groff) || groff=
if [ -z "$mandoc" ] && [ -z "$groff" ]; then
	skip "neither mandoc nor groff is here to check the pages with"
fi
for page in man*/*; do
	case $(head -n 1 "$page") in
	.so\ *)
		target=$(sed -n 's/^\.so //p' "$page")
		[ -f "$target" ] || complain "$page: its target $target is not there"
		continue ;;
	esac
	if [ -n "$mandoc" ]; then
		out=$(mandoc -T lint -W warning "$page" 2>&1)
		[ -z "$out" ] || complain "$out"
	fi
	if [ -n "$groff" ]; then
		out=$(LC_ALL=C groff -ww -mdoc -Tascii "$page" 2>&1 >/dev/null)
		[ -z "$out" ] || complain "$page: $out"
	fi
	lines=$(LC_ALL=C awk 'length > 80 { print FILENAME ":" FNR ": longer than 80" }' "$page")
	[ -z "$lines" ] || complain "$lines"
	grep -n 'TO[D]O\|FIX[M]E\|XX[X]' "$page" && complain "$page: unfinished"
done

texts=$(cd "$abs_top_srcdir" && ls README HACKING NEWS SECURITY PACKAGERS NOTICE doc/design/* \
	bench/README tests/README examples/*/README src/*/README src/*/*/README)
for text in $texts; do
	lines=$(LC_ALL=C awk -v f="$text" 'length > 80 { print f ":" FNR ": longer than 80" }' \
		"$abs_top_srcdir/$text")
	[ -z "$lines" ] || complain "$lines"
done

# ---- the texts to begin with stay short ----
[ "$(wc -l <"$abs_top_srcdir/README")" -le 180 ] || complain "README has more than 180 lines"
[ "$(wc -l <"$abs_top_srcdir/HACKING")" -lt 200 ] || complain "HACKING has 200 lines or more"

# ---- every function of the header has a page, with every error named there ----
# Prints "function" and "function ERRNO" for the comment that stands above it.
facts()
{
	awk '
	/^#/ { next }
	/\/\*/ { comment = 1; text = "" }
	comment { text = text " " $0; if (/\*\//) comment = 0; next }
	/^[a-z].*rmmap_[a-z_]*\(/ {
		name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
		print name
		n = split(text, word, /[^A-Z0-9_]+/)
		for (i = 1; i <= n; i++)
			if (word[i] ~ /^E(2BIG|[A-Z]+)$/ && length(word[i]) > 3) print name, word[i]
	}
	/^$/ { text = "" }' "$header"
}
facts > facts
[ "$(grep -c '^[a-z_]*$' facts)" -ge 9 ] || complain "only $(grep -c '^[a-z_]*$' facts) functions found in rmmap.h"
while read -r name error; do
	page=man3/$name.3
	if [ ! -f "$page" ]; then
		complain "$name has no page"
		continue
	fi
	case $(head -n 1 "$page") in .so\ *) page=$(sed -n 's/^\.so //p' "$page") ;; esac
	grep -q "^\\.Nm $name\\( ,\\)*\$" "$page" || complain "$page does not name $name"
	[ -z "$error" ] || grep -q "^\\.It Bq Er $error\$" "$page" ||
		complain "$page: $error is in rmmap.h and not in ERRORS"
done < facts
for error in $(tr -cs 'A-Z0-9_' '\n' < "$header" | grep -E '^E(2BIG|[A-Z]{3,})$' | sort -u); do
	grep -qs "^\\.It Bq Er $error\$" man3/*.3 || complain "$error is in rmmap.h and in no page"
done
for macro in $(sed -n 's/^#define \(RMMAP_[A-Z_]*\).*/\1/p' "$header" | grep -v '_H$' | sort -u); do
	grep -q "$macro" man3/*.3 || complain "$macro is in rmmap.h and in no page of section 3"
done
for field in $(sed -n '/^struct rmmap_/,/^};/s/^\t[a-z0-9_]* \([a-z_]*\)\(\[[0-9]*\]\)*;.*/\1/p' "$header" | sort -u); do
	grep -q "^\\.It Fa $field\$" man3/*.3 || complain "field $field is in rmmap.h and in no page"
done

# ---- the environment: each variable of the table in options.c, which --help prints ----
documented=$(sed -n 's/^\.It Ev \(RMMAP_[A-Z_]*\).*/\1/p' man7/rmmap.7 | sort -u)
table=$("$RMMAP_DAEMON" --help | sed -n '/^Environment:$/,$s/^  \(RMMAP_[A-Z_]*\)=.*/\1/p' | sort -u)
[ -n "$table" ] || complain "rmmapd --help names no variables"
for name in $table; do
	echo "$documented" | grep -qx "$name" || complain "$name is read and not in rmmap(7)"
done
for name in $documented; do
	echo "$table" | grep -qx "$name" || complain "$name is in rmmap(7) and nobody reads it"
done
# a variable that is read somewhere else would be missing from the table
others=$(sed -n 's/.*getenv("\(RMMAP_[A-Z_]*\)").*/\1/p' "$abs_top_srcdir"/src/*/*.c \
	"$abs_top_srcdir"/src/*/*/*.c)
[ -z "$others" ] || complain "read without the table in options.c: $others"

# ---- the commands: every option that --help names ----
options_of()    # PROGRAM ARG...: its options, without the dashes of roff
{
	"$@" --help | sed -n 's/^  --\([a-z]*\).*/\1/p'
}
commands=$(rmmap --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p')
[ "$(echo "$commands" | wc -w)" -ge 12 ] || complain "rmmap --help names these commands only: $commands"
for command in $commands; do
	grep -q "^\.It Cm $command\>" man1/rmmap.1 || complain "rmmap $command is not in rmmap(1)"
	for option in $(options_of rmmap $command); do
		grep -q "Fl -$option\>" man1/rmmap.1 || complain "rmmap $command --$option is not in rmmap(1)"
	done
done
for option in $(options_of "$RMMAP_DAEMON"); do
	grep -q "^\.It Fl -$option\>" man8/rmmapd.8 || complain "rmmapd --$option is not in rmmapd(8)"
done
[ -n "$(options_of "$RMMAP_DAEMON")" ] || complain "rmmapd --help names no options"

# ---- the first program of rmmap(7) is that of README ----
program()       # FILE: its code, without indentation, as in README
{
	awk -v file="$1" '
	$0 ~ "^File " file ":$" { on = 1; next }
	on && /^[^ \t]/ { exit }
	on { sub(/^    /, ""); print }' "$abs_top_srcdir/README" | sed '1{/^$/d;}' | sed '${/^$/d;}'
}
for file in produce.c consume.c; do
	program $file > readme.$file
	sed -n "/^\\.Pa $file :\$/,/^\\.Ed\$/p" man7/rmmap.7 |
		sed '1,2d; $d; s/\\e/\\/g' > manual.$file
	[ -s manual.$file ] && cmp -s readme.$file manual.$file ||
		complain "$file differs between README and rmmap(7)"
done

[ $bad -eq 0 ] && echo "$(ls man*/* | wc -l) pages, $(grep -c ' ' facts) errors, $(echo "$documented" | wc -l) variables"
exit $bad
