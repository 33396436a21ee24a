#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Includes point one way: each file's #include "..." against the LEVEL lines of HACKING, and
# programs never include each other. What must not be called: malloc in src/common, stdio and
# foreign libraries in src/lib. And each room's README names each of its files.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
cd "$abs_top_srcdir" || exit 99

sed -n 's/^LEVEL \([0-9][0-9]*\) \([^ ]*\)$/\1 \2/p' HACKING >"$tmp/levels"
[ -s "$tmp/levels" ] || fail "HACKING has no LEVEL lines"
for room in include src/common src/lib src/daemon src/cli src/function; do
	grep -q " $room\$" "$tmp/levels" || fail "HACKING gives no level for $room"
done

# FILE:LINE:what is included, for every include in quotes
while read -r _ room; do
	[ ! -d "$room" ] ||
		find "$room" -name '*.[ch]' -o -name '*.cc' -o -name '*.h.in'
done <"$tmp/levels" | sort -u >"$tmp/files"
[ -s "$tmp/files" ] || fail "no sources in $abs_top_srcdir"
while read -r file; do
	sed -n 's|^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*|\1|p' "$file" |
	while read -r name; do
		dir=${file%/*}
		# as the compiler does: beside the file, then the -I directories
		for path in "$dir/$name" "include/$name" "src/common/$name" "src/common/$name.in"; do
			[ ! -f "$path" ] || break
			path=
		done
		# made by configure, at the top of the build tree
		[ "$name" != config.h ] || continue
		[ -n "$path" ] || { echo "$file $name -"; continue; }
		while :; do
			case $path in
			*/[!.]*/../*) path=$(echo "$path" | sed 's|[^/.][^/]*/\.\./||') ;;
			[!.]*/../*) path=$(echo "$path" | sed 's|^[^/]*/\.\./||') ;;
			*) break ;;
			esac
		done
		echo "$file $name $path"
	done
done <"$tmp/files" >"$tmp/includes"
[ -s "$tmp/includes" ] || fail "found no includes"

# the room of a file: the longest name that it begins with
room_of='
function room(path,  r, best) {
	best = ""
	for (r in level)
		if (index(path, r "/") == 1 && length(r) > length(best))
			best = r
	return best
}
'
awk "$room_of"'
function program(path,  part) {         # src/lib of src/lib/heap; the others are for all
	if (split(path, part, "/") < 2 || part[1] != "src" || part[2] == "common")
		return ""
	return part[2]
}
FNR == NR { level[$2] = $1; next }
$3 == "-" { print $1 ": \"" $2 "\" is found nowhere"; bad = 1; next }
{
	from = room($1); to = room($3)
	if (to == "") {
		print $1 ": \"" $2 "\" is in a room without a level"; bad = 1
	} else if (program(from) && program(to) && program(from) != program(to)) {
		print $1 ": \"" $2 "\": " from " and " to " are of different programs"; bad = 1
	} else if (from != to && level[to] >= level[from]) {
		print $1 ": \"" $2 "\": " from " (" level[from] ") may not include " to " (" level[to] ")"
		bad = 1
	}
}
END { exit bad }
' "$tmp/levels" "$tmp/includes" >&2 || fail "an include points up or sideways; see the levels in HACKING"

banned='stdio\.h|rdma/|infiniband/|sodium|threads\.h|jemalloc/'
! grep -rnE --include='*.[ch]' "^[[:space:]]*#[[:space:]]*include[[:space:]]*<($banned)" \
	src/lib >&2 ||
	fail "librmmap depends on libc alone and does not use stdio"
! grep -rnE --include='*.[ch]' \
	'^[[:space:]]*#[[:space:]]*include[[:space:]]*<(stdio\.h|stdlib\.h|rdma/|sodium)' \
	src/common >&2 ||
	fail "src/common neither allocates nor prints"

# Each room's README names its files, "name.c", or "name.[ch]" for both.
while read -r _ room; do
	case $room in src/*) [ -d "$room" ] || continue ;; *) continue ;; esac
	[ -f "$room/README" ] || fail "$room has no README"
	for file in "$room"/*.[ch]; do
		[ -f "$file" ] || continue
		name=${file##*/}
		grep -qwF -e "$name" -e "${name%.*}.[ch]" "$room/README" ||
			fail "$room/README does not name $name"
	done
done <"$tmp/levels"

# the objects, not only the text
archive=$abs_top_builddir/.libs/libcommon.a
[ -f "$archive" ] || archive=$abs_top_builddir/libcommon.a
[ -f "$archive" ] || fail "no libcommon.a in $abs_top_builddir"
! ${NM:-nm} -u "$archive" | grep -wE 'malloc|calloc|realloc|free|strdup|asprintf|printf|getenv' >&2 ||
	fail "src/common calls what it must not"

# Calls point one way too: no object calls one of a room above its own, and no objects of a program
# need each other in a circle. The "LOOP FILE NAME" lines of HACKING are the exceptions.
sed -n 's/^LOOP \([^ ]*\) \([^ ]*\)$/\1 \2/p' HACKING >"$tmp/exceptions"
cd "$abs_top_builddir" || exit 99
# OBJECT: src/lib/heap/hooks, however libtool and automake call it
object() { echo "$1" | sed 's|/\.libs/|/|; s|/[a-z_]*-\([^/]*\)\.o$|/\1|; s|\.o$||'; }
for room in src/common src/lib src/daemon src/cli src/function; do
	[ -d "$room" ] || continue
	find "$room" -name '*.o' | sort >"$tmp/objects"
	# of what libtool compiles twice, the one for the shared library
	grep '/\.libs/' "$tmp/objects" >"$tmp/shared" || cp "$tmp/objects" "$tmp/shared"
	while read -r file; do
		name=$(object "$file")
		${NM:-nm} "$file" 2>/dev/null | awk -v name="$name" '
			NF == 3 && $2 ~ /[TDBRCVW]/ { print "D", name, $3 }
			NF == 2 && $1 == "U" { print "U", name, $2 }'
	done <"$tmp/shared"
	# the programs are not compiled twice
	[ "$room" != src/daemon ] || ${NM:-nm} src/daemon/rmmapd-main.o 2>/dev/null | awk '
		NF == 2 && $1 == "U" { print "U", "src/daemon/main", $2 }'
done >"$tmp/symbols"
grep -q '^D' "$tmp/symbols" || fail "no objects in $abs_top_builddir"
awk '
function program(path,  part) { split(path, part, "/"); return part[2] }
FILENAME ~ /exceptions$/ { allowed[$1 " " $2] = 1; next }
$1 == "D" { where[program($2) " " $3] = $2; next }
{ uses[++n] = $2 " " $3 }
END {
	for (i = 1; i <= n; i++) {
		split(uses[i], u, " ")
		to = where[program(u[1]) " " u[2]]
		if (to == "")
			to = where["common " u[2]]
		if (to != "" && to != u[1] && !((u[1] " " u[2]) in allowed))
			print u[1], to, u[2]
	}
}' "$tmp/exceptions" "$tmp/symbols" | sort -u >"$tmp/calls"
[ -s "$tmp/calls" ] || fail "no object calls another: is this a build tree?"
awk "$room_of"'
FNR == NR { level[$2] = $1; next }
{
	from = room($1); to = room($2)
	if (from != to && level[to] >= level[from]) {
		print $1 " (" level[from] ") calls " $3 "() of " $2 " (" level[to] ")"
		bad = 1
	}
}
END { exit bad }
' "$tmp/levels" "$tmp/calls" >&2 || fail "a call points up or sideways; see the levels in HACKING"
# tsort names the members of each loop on stderr
awk '{ print $1, $2 }' "$tmp/calls" | sort -u | tsort >/dev/null 2>"$tmp/loops" || {
	cat "$tmp/loops" >&2
	fail "objects need each other in a circle"
}
