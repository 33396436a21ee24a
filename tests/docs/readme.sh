#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# README word for word: its files are written as they stand, and every line that begins
# with a prompt is run as it stands. What it prints must be what README shows below it. "a$" and
# "b$" are two hosts: two run directories here, so scp has nothing to do.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99

requires cc --version
requires pkg-config --version
! nm -D "$abs_top_builddir/.libs/librmmap.so" | grep -q ' U __[atu][a-z]*san_' ||
	skip "README's programs are not compiled with the sanitizer that the library has"
readme=$abs_top_srcdir/README
mkdir "$tmp/here" && cd "$tmp/here" || exit 99

# ---- its files: below "File NAME:", indented ----
awk '
/^File [a-z_.]*:$/ { file = substr($2, 1, length($2) - 1); next }
/^[^ \t]/ { file = "" }
file != "" { sub(/^    /, ""); if ($0 != "" || begun[file]) { print > file; begun[file] = 1 } }
' "$readme"
for file in produce.c consume.c; do
	[ -s $file ] || fail "README has no $file"
done

# ---- its commands: "$HOST TAB COMMAND", then ">LINE" for each line that is expected ----
awk '
/^    [ab]?\$ / {
	line = $0; sub(/^    /, "", line)
	host = substr(line, 1, index(line, "$") - 1)
	print "$" host "\t" substr(line, index(line, "$") + 2); on = 1; next
}
/^$/ || /^[^ ]/ { on = 0 }
on { sub(/^    /, ""); print ">" $0 }
END { print "$\t:" }' "$readme" >"$tmp/steps"
steps=$(grep -c '^\$' "$tmp/steps")
[ "$steps" -ge 10 ] || fail "README has lost its commands: $steps are left"

# What the rpm or deb would have put in the usual places is in the build tree.
PKG_CONFIG_PATH=$abs_top_builddir/src${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH
new_rundir host_
new_rundir host_a
new_rundir host_b
mkdir -m 0700 a b
for dir in a b; do
	cleanup_fn stop_daemon "$tmp/here/$dir"
done

: >"$tmp/expected"
command=:
host=
run_step()
{
	case $command in scp\ *) return 0 ;; esac
	eval "RMMAP_RUNDIR=\$host_$host"
	timeout 60 sh -c "$command" >"$tmp/out" 2>"$tmp/err" </dev/null ||
		fail "$command: exit status $?: $(cat "$tmp/err")"
	[ ! -s "$tmp/expected" ] || diff "$tmp/expected" "$tmp/out" >&2 ||
		fail "$command: README shows something else"
}

tab=$(printf '\t')
while IFS= read -r step; do
	case $step in
	'>'*) echo "${step#>}" >>"$tmp/expected"; continue ;;
	esac
	run_step
	: >"$tmp/expected"
	host=${step%%"$tab"*}
	host=${host#\$}
	command=${step#*"$tab"}
done <"$tmp/steps"
echo "$steps steps"
