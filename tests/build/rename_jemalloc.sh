# SPDX-License-Identifier: BSD-2-Clause
# rename_jemalloc: the renamed archive is the same on every run, has no public name of malloc's
# left and no C++, and asks us where it asked the system
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
set -e

input=$(sed -n 's/^JEMALLOC_ARCHIVE = //p' "$abs_top_builddir/Makefile")
[ -n "$input" ] || input=$abs_top_builddir/jemalloc/lib/libjemalloc_pic.a
script=$abs_top_srcdir/scripts/rename-jemalloc

"$script" "$input" "$tmp/one.a" "$tmp/one-exports.a"
sleep 1.1
mkdir "$tmp/elsewhere"
(cd "$tmp/elsewhere" && umask 077 && LC_ALL=C.UTF-8 "$script" "$input" two.a two-exports.a)
cmp "$tmp/one.a" "$tmp/elsewhere/two.a" || fail "two runs made different archives"
cmp "$tmp/one-exports.a" "$tmp/elsewhere/two-exports.a" || fail "two runs made different exports"
cmp "$tmp/one.a" "$abs_top_builddir/src/lib/rmjemalloc.a" || fail "the build's archive is another"

nm -g "$tmp/one.a" 2>/dev/null | awk 'NF >= 2 { print $NF }' | sort -u > "$tmp/names"
for name in malloc calloc realloc free posix_memalign aligned_alloc memalign valloc \
	malloc_usable_size mallctl malloc_conf secure_getenv getenv readlink mmap pthread_key_create pthread_mutex_lock \
	pthread_mutex_trylock pthread_mutex_unlock; do
	if grep -qx "$name" "$tmp/names"; then
		fail "$name is still there"
	fi
done
if grep -qE '^(_Zn|_Zd|__gxx)' "$tmp/names"; then
	fail "C++ is still there"
fi
nm -g --defined-only "$tmp/one.a" 2>/dev/null | awk 'NF == 3 && $3 !~ /^(rj_|je_)/' > "$tmp/odd"
[ ! -s "$tmp/odd" ] || fail "names that are neither rj_ nor je_: $(cat "$tmp/odd")"

if objdump -h "$tmp/one.a" | grep -qE '\.(init_array|ctors)'; then
	fail "a constructor is still there"
fi

# the other one differs by names of the same functions
nm "$tmp/one-exports.a" 2>/dev/null | grep -vE ' T (malloc|calloc|own_malloc)$' > "$tmp/but"
nm "$tmp/one.a" 2>/dev/null | cmp - "$tmp/but" || fail "more than malloc and calloc was added"
for name in malloc calloc; do
	[ "$(nm "$tmp/one-exports.a" 2>/dev/null | awk -v n="^(rj_)?$name\$" '$3 ~ n { print $1 }' |
		sort | uniq -c | awk '{ print $1 }')" = 2 ] || fail "$name is not rj_$name"
done

# what is not jemalloc is refused, and leaves nothing
echo 'int x;' > "$tmp/x.c"
${CC:-cc} -c "$tmp/x.c" -o "$tmp/x.o"
ar rc "$tmp/x.a" "$tmp/x.o"
if "$script" "$tmp/x.a" "$tmp/none.a" 2> "$tmp/why"; then
	fail "an archive without malloc was taken"
fi
grep -q 'not jemalloc' "$tmp/why" || fail "the reason is not given"
[ ! -e "$tmp/none.a" ] || fail "a failure left an archive"
