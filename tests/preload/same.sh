# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# same.sh - what the tests of real programs begin with, one test for a family of them:
#
#     . "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99
#
# A program has to print and return under LD_PRELOAD=librmmap.so.0 what it does without.
#
#   program CMD...       skip unless all are installed; fail if librmmap cannot be preloaded
#   same [-s STATUS] [-t SECONDS] NAME CMD ARG...
#                        run it plain, then with each heap of PRELOAD_HEAPS, each time in
#                        an empty directory of the same path; output, stderr and status
#                        agree, and the status is STATUS (0)
#   as_user CMD ARG...   as an ordinary user, where root runs the test
#   port                 a number for a loopback port that is likely to be free
#   project DIR          a C project there: 24 modules, a program, a Makefile
#   same_project CC      make one in $tmp/project; same: built by this compiler, and run
#
# PRELOAD_HEAPS, in the environment, is a list of values for RMMAP_HEAP: without it "auto".
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
set -e

: "${PRELOAD_HEAPS:=${RMMAP_HEAP:-auto}}"
unset RMMAP_HEAP
own_malloc
new_rundir runs
ulimit -c 0 2>/dev/null || :
LC_ALL=C.UTF-8
HOME=$tmp/home
TZ=UTC
# the distribution's programs, not what stands in for them elsewhere
PATH=$abs_top_builddir:/usr/bin:/bin:/usr/sbin:/sbin:$PATH
export LC_ALL HOME TZ PATH
mkdir "$HOME"

_as=
program()
{
	for _program do
		_path=$(command -v "$_program") || skip "$_program is not installed"
		# a program that the loader does not load, or loads without it, proves nothing
		LD_TRACE_LOADED_OBJECTS=1 LD_PRELOAD=$lib "$_path" 2>/dev/null | grep -qF "$lib" ||
			fail "librmmap is not preloaded into $_path"
	done
}

as_user()
{
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups "$@"
	else
		"$@"
	fi
}

# _run LABEL SECONDS CMD ARG...: sets _status; what it printed is in $tmp/LABEL.out and .err
_run()
{
	_label=$1 _seconds=$2
	shift 2
	rm -rf "$tmp/work"
	mkdir "$tmp/work"
	chmod 0777 "$tmp/work"
	case $_label in
	plain) set -- env "$@" ;;
	*) set -- env "LD_PRELOAD=$lib" "RMMAP_HEAP=$_label" "$@" ;;
	esac
	_status=0
	(cd "$tmp/work" && exec timeout -k 5 "$_seconds" "$@") < /dev/null \
		> "$tmp/$_label.out" 2> "$tmp/$_label.err" || _status=$?
}

_compare()
{
	[ "$_status" -eq "$_plain" ] || fail "$_name, $_heap: status $_status, not $_plain
$(tail -n 30 "$tmp/$_heap.out" "$tmp/$_heap.err")"
	diff "$tmp/plain.out" "$tmp/$_heap.out" > "$tmp/diff" ||
		fail "$_name, $_heap: other output: $(head -n 40 "$tmp/diff")"
	diff "$tmp/plain.err" "$tmp/$_heap.err" > "$tmp/diff" ||
		fail "$_name, $_heap: other output on stderr: $(head -n 40 "$tmp/diff")"
}

same()
{
	_expected=0 _limit=300
	while :; do
		case $1 in
		-s) _expected=$2 ;;
		-t) _limit=$2 ;;
		*) break ;;
		esac
		shift 2
	done
	_name=$1
	shift
	_run plain "$_limit" "$@"
	_plain=$_status
	[ "$_plain" -eq "$_expected" ] || fail "$_name: not even without librmmap: status $_plain
$(tail -n 30 "$tmp/plain.out" "$tmp/plain.err")"
	for _heap in $PRELOAD_HEAPS; do
		_run "$_heap" "$_limit" "$@"
		_compare
		case $_heap in
		auto | anon)
			[ ! -e "$runs/slots" ] || fail "$_name, $_heap: it touched the run directory" ;;
		*) rm -f "$runs/slots" ;;
		esac
	done
	echo "$_name: $PRELOAD_HEAPS: status $_plain, $(wc -c < "$tmp/plain.out") bytes," \
		"$(wc -c < "$tmp/plain.err") on stderr"
}

# Below those that the kernel gives to clients.
port()
{
	echo $((10000 + $(od -An -N2 -tu2 /dev/urandom) % 20000))
}

project()
{
	mkdir -p "$1"
	_calls= _protos= _objects=main.o
	for _i in $(seq 24); do
		cat > "$1/part$_i.c" <<END
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct node { struct node *left, *right; unsigned key; char text[$_i]; };
static struct node *add(struct node *n, unsigned key)
{
	if (!n) {
		n = calloc(1, sizeof(*n));
		n->key = key;
		memset(n->text, 'a' + (int)(key % 26), sizeof(n->text) - 1);
	} else if (key < n->key) {
		n->left = add(n->left, key);
	} else {
		n->right = add(n->right, key);
	}
	return n;
}
static unsigned sum(const struct node *n)
{
	return n ? n->key + (unsigned)strlen(n->text) + sum(n->left) + sum(n->right) : 0;
}
unsigned part$_i(void)
{
	struct node *root = NULL;
	unsigned x = $_i;
	for (int i = 0; i < 2000; i++)
		root = add(root, x = x * 1103515245 + 12345);
	return sum(root);
}
END
		_protos="$_protos unsigned part$_i(void);"
		_calls="$_calls printf(\"%u \", part$_i());"
		_objects="$_objects part$_i.o"
	done
	printf '%s\n' "#include <stdio.h>" "$_protos" "int main(void) { $_calls return 9; }" > "$1/main.c"
	printf 'CFLAGS = -O2 -g\nprogram: %s\n\t$(CC) -o $@ %s\n%%.o: %%.c\n\t$(CC) $(CFLAGS) -c $<\n' \
		"$_objects" "$_objects" > "$1/Makefile"
}

same_project()
{
	project "$tmp/project"
	same -s 9 "a C project" sh -c "
		cp '$tmp/project'/*.c . && for f in *.c; do $1 -O2 -g -Wall -c \$f || exit 1; done
		$1 -o program *.o && cat *.o program | md5sum && ./program"
}
