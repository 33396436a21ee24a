# SPDX-License-Identifier: BSD-2-Clause
# symbols: librmmap exports its interface with a version, the malloc family and what forks
# without handlers without one, and nothing else; it needs libc only, cannot be unloaded, and is not to be dlopened
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
set -e

lib=$abs_top_builddir/.libs/librmmap.so.0

cat > "$tmp/wanted" <<END
_Fork
aligned_alloc
calloc
clone
free
free_aligned_sized
free_sized
mallinfo
mallinfo2
malloc
malloc_trim
malloc_usable_size
mallopt
memalign
posix_memalign
pvalloc
realloc
reallocarray
valloc
END
# every function of the header, and the version node itself
sed -n 's/^[a-z].*[ *]\(rmmap_[a-z_]*\)(.*/\1@@RMMAP_0.1/p' "$abs_top_srcdir/include/rmmap.h" >> "$tmp/wanted"
[ "$(grep -c rmmap_ "$tmp/wanted")" -ge 8 ] || fail "the header's functions were not found"
sort -o "$tmp/wanted" "$tmp/wanted"
nm -D --defined-only "$lib" | awk '$2 != "A" { print $3 }' | sort > "$tmp/there"
diff "$tmp/wanted" "$tmp/there" >&2 || fail "exported symbols (>) are not those wanted (<)"

# nm shows no version for one that has the base version, either: ask the version table
readelf -W --dyn-syms "$lib" | awk '$7 != "UND" && $8 ~ /^malloc(@|$)/ { print $8 }' > "$tmp/malloc"
[ "$(cat "$tmp/malloc")" = malloc ] || fail "malloc has a version: $(cat "$tmp/malloc")"

readelf -W -d "$lib" > "$tmp/dynamic"
grep -q 'SONAME.*\[librmmap.so.0\]' "$tmp/dynamic" || fail "the soname is not librmmap.so.0"
for flag in NODELETE NOOPEN; do
	grep 'FLAGS_1' "$tmp/dynamic" | grep -q "$flag" || fail "not linked -z no${flag#NO}: $flag"
done
sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' "$tmp/dynamic" > "$tmp/needed"
if grep -vE '^(libc|libm|libgcc_s|ld-linux.*)\.so' "$tmp/needed" | grep -vE '^lib(a|ub|t)san\.' >&2; then
	fail "the library depends on more than libc"
fi
if readelf -W -d "$lib" | grep -qE 'RPATH|RUNPATH'; then
	fail "the library has a run path"
fi
