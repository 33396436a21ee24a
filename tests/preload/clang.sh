# SPDX-License-Identifier: BSD-2-Clause
# clang builds a C project to the same bytes, and its programs run
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program clang
same_project clang
same -s 1 "an error" sh -c 'echo "int main(void) { return y; }" > e.c; clang -c e.c'
