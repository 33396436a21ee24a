# SPDX-License-Identifier: BSD-2-Clause
# thread_cost: instructions of a thread that allocates once, from its making to its end, counted
# by valgrind, which does not depend on what else the machine does
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
set -e

own_malloc
command -v valgrind > /dev/null || skip "no valgrind"
[ "$(uname -m)" = x86_64 ] || skip "the bound was measured on x86-64"

# count N: instructions of a program with N threads
count()
{
	valgrind --tool=callgrind --trace-children=yes --callgrind-out-file=/dev/null \
		env LD_PRELOAD="$lib" "$abs_top_builddir/tests/preload/thread_cost" "$1" 2>&1 |
		sed -n 's/^.*Collected : *//p' | tail -n 1
}

few=$(count 20)
many=$(count 120)
[ -n "$few" ] && [ -n "$many" ] || fail "valgrind counted nothing"
each=$(((many - few) / 100))
echo "$each instructions for each thread"
# jemalloc itself takes 37,500, with glibc 2.36; before caches were left alone it was 49,000 here
[ "$each" -gt 5000 ] || fail "that is too few to be right"
[ "$each" -lt 43000 ] || fail "a thread costs $each instructions"
