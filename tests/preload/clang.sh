# SPDX-License-Identifier: BSD-2-Clause
# clang builds a C project to the same bytes, and its programs run
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program clang
project "$tmp/project"
same -s 9 "a C project" sh -c "
	cp '$tmp/project'/*.c . && for f in *.c; do clang -O2 -g -Wall -c \$f || exit 1; done
	clang -o program *.o && cat *.o program | md5sum && ./program"
same -s 1 "an error" sh -c 'echo "int main(void) { return y; }" > e.c; clang -c e.c'
