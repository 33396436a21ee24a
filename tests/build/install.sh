#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# make install: every file where it belongs, and programs build against what is there.
. "${abs_top_srcdir:-.}/tests/functions.sh"

unset MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES
dest=$tmp/dest
${MAKE:-make} -C "$abs_top_builddir" install DESTDIR="$dest" >"$tmp/log" 2>&1 || {
	tail -n 20 "$tmp/log" >&2
	fail "make install"
}

# where configure put this variable
dir() { sed -n "s/^$1 = //p" "$abs_top_builddir/Makefile" | head -n 1; }
prefix=$(dir prefix)
# a directory of configure's, with what it refers to put in
place() {
	dir "$1" | sed "s|\${datarootdir}|$(dir datarootdir)|; s|\${exec_prefix}|$(dir exec_prefix)|
		s|\${PACKAGE_TARNAME}|rmmap|; s|\${datadir}|$(dir datadir)|
		s|\${datarootdir}|$(dir datarootdir)|; s|\${prefix}|$prefix|; s|\${prefix}|$prefix|"
}
libdir=$(place libdir)
present() {
	for file; do
		[ -f "$dest$file" ] || [ -h "$dest$file" ] || fail "$file is not installed"
	done
}
present "$libdir/librmmap.so" "$libdir/librmmap.so.0" "$libdir/pkgconfig/rmmap.pc" \
	"$(place includedir)/rmmap.h" "$(place includedir)/rmmap-function.h" "$(place bindir)/rmmap" "$(place libexecdir)/rmmapd" \
	"$(place mandir)/man1/rmmap.1" "$(place mandir)/man5/rmmap-file.5" "$(place mandir)/man7/rmmap.7" "$(place mandir)/man8/rmmapd.8"
for function in publish attach detach unpublish error version stats publish_with attach_with; do
	present "$(place mandir)/man3/rmmap_$function.3"
done
for file in 01_publish.c 02_attach.c 03_optional.c shapes.h wordcount/split.c wordcount/wordcount.sh; do
	present "$(place docdir)/examples/$file"
done
grep -q '^FUNCTION_FALSE = #' "$abs_top_builddir/Makefile" &&
	present "$(place libexecdir)/rmmap-function" "$(place mandir)/man3/rmmap-function.3"
grep -q '^SYSTEMD_FALSE = #' "$abs_top_builddir/Makefile" &&
	present "$(place systemduserunitdir)/rmmapd.service"
for shell in bash:rmmap bash:rmmapd zsh:_rmmap zsh:_rmmapd fish:rmmap.fish fish:rmmapd.fish; do
	[ "$(dir "${shell%%:*}completiondir")" = no ] ||
		present "$(place "${shell%%:*}completiondir")/${shell#*:}"
done
for program in "$(place bindir)/rmmap" "$(place libexecdir)/rmmapd"; do
	[ -x "$dest$program" ] || fail "$program is not executable"
done
[ ! -e "$dest$libdir/librmmap.a" ] || fail "a static library is installed: it cannot work"
find "$dest" -type f -perm /022 | grep . && fail "files that others may write"

# The library needs nothing but libc and what belongs to it.
readelf -d "$dest$libdir/librmmap.so.0" >"$tmp/dynamic" || fail "readelf"
grep -q 'SONAME.*\[librmmap\.so\.0\]' "$tmp/dynamic" || fail "soname"
sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' "$tmp/dynamic" |
	grep -v '^lib[cm]\.so\|^libgcc_s\.so\|^ld-linux\|^libpthread\.so\|^libdl\.so' &&
	fail "librmmap.so.0 needs another library"
grep -q 'RPATH\|RUNPATH' "$tmp/dynamic" && fail "librmmap.so.0 has a search path built in"

# pkg-config from the place of installation, seen through DESTDIR
command -v pkg-config >/dev/null || skip "pkg-config is not here"
PKG_CONFIG_PATH=$dest$libdir/pkgconfig
export PKG_CONFIG_PATH
flags=$(pkg-config --define-variable=prefix="$dest$prefix" --cflags --libs rmmap) || fail "rmmap.pc"
[ "$(pkg-config --modversion rmmap)" = "$(dir PACKAGE_VERSION)" ] || fail "version of rmmap.pc"

for example in 01_publish 02_attach; do
	# shellcheck disable=SC2086 # flags are words
	${CC:-cc} -std=c99 -pedantic-errors -Wall -Werror -D_POSIX_C_SOURCE=200809L -o "$tmp/$example" \
		"$dest$(place docdir)/examples/$example.c" $flags || fail "$example does not compile as C99"
done
# shellcheck disable=SC2086
${CC:-cc} -std=c99 -pedantic-errors -Wall -Werror -o "$tmp/c" "$abs_top_srcdir/tests/build/header.c" $flags ||
	fail "rmmap.h does not compile as C99"
# shellcheck disable=SC2086
${CXX:-c++} -std=c++11 -pedantic-errors -Wall -Werror -o "$tmp/cxx" "$abs_top_srcdir/tests/build/header.cc" $flags ||
	fail "rmmap.h does not compile as C++"

# What is installed works without the build tree.
LD_LIBRARY_PATH=$dest$libdir RMMAP_DAEMON=$dest$(place libexecdir)/rmmapd
PATH=$dest$(place bindir):$PATH
export LD_LIBRARY_PATH RMMAP_DAEMON PATH
new_rundir a
"$tmp/c" || fail "the C program"
"$tmp/cxx" || fail "the C++ program"
"$tmp/01_publish" | "$tmp/02_attach" | grep -q '^sum of the tree: 500500$' || fail "the installed library"
rmmap run cat /proc/self/maps | grep -q "$dest$libdir/librmmap.so.0" ||
	fail "rmmap run does not preload the installed library"
