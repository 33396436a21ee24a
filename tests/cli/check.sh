#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# rmmap check: what it finds and names, at once and when the publisher is long gone, on this host
# and on another; what it says is what RMMAP_CHECK says.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99

json() { sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\).*/\1/p" "$tmp/out" | head -n 1; }

# check STATUS OPERAND...
check() {
	wanted=$1
	shift
	got=0
	timeout 300 rmmap check "$@" >"$tmp/out" 2>"$tmp/err" || got=$?
	[ "$got" -eq "$wanted" ] || fail "exit status $got: $(cat "$tmp/err" "$tmp/out")"
}
says() { grep -q -- "$1" "$tmp/out" || fail "no $1: $(cat "$tmp/out")"; }

cd "$tmp" || exit 99
cat >producer.c <<'END'
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <rmmap.h>

struct block { struct block *next; long number; const void *out; long room; };
static int zeros[64], numbers[64] = { 1 };

static struct block *add(struct block *list, const void *out)
{
	struct block *block = calloc(1, sizeof(*block));

	*block = (struct block){ list, 5, out, 0 };
	return block;
}

int main(int argc, char **argv)
{
	char handle[RMMAP_HANDLE_MAX];
	struct block *list = add(NULL, NULL);

	for (int i = 1; i < argc; i++) {
		const char *what = argv[i];

		if (!strcmp(what, "literal"))
			list = add(list, "a literal");
		else if (!strcmp(what, "function"))
			list = add(list, (void *)main);
		else if (!strcmp(what, "data"))
			list = add(list, numbers + 5);
		else if (!strcmp(what, "bss"))
			list = add(list, zeros + 5);
		else if (!strcmp(what, "library"))
			list = add(list, dlsym(RTLD_DEFAULT, "qsort"));
		else if (!strcmp(what, "stack"))
			list = add(list, handle);
		else if (!strcmp(what, "slot"))
			list = add(list, (void *)0x4f0000001000);
		else if (!strcmp(what, "memory"))
			list = add(list, mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
			                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	}
	if (rmmap_publish(list, handle, sizeof(handle)))
		return fprintf(stderr, "%s\n", rmmap_error()), 1;
	puts(handle);
	return 0;
}
END
! nm -D "$abs_top_builddir/.libs/librmmap.so" | grep -q ' U __[atu][a-z]*san_' ||
	skip "the producer is not compiled with the sanitizer that the library has"
${CC:-cc} -I"$abs_top_srcdir/include" -o producer producer.c \
	-L"$abs_top_builddir/.libs" -lrmmap || fail "the producer does not compile"

new_rundir a
new_rundir b
RMMAP_RUNDIR=$a

# ---- nothing to be found ----
RMMAP_CHECK=1 ./producer >clean 2>err || fail "producer: $(cat err)"
grep -q '^rmmap: check: no words point out' err || fail "RMMAP_CHECK: $(cat err)"
check 0 @clean
says '^no words point out of the snapshot'
check 0 - <clean
check 0 --json "$(cat clean)"
[ "$(json words)" -eq 0 ] || fail "$(cat out)"
[ "$(json places_known)" = true ] || fail "$(cat out)"

# ---- each kind, by name ----
while read -r what count into; do
	./producer "$what" >handle || fail "producer $what"
	check 1 @handle
	says '^1 words look like pointers out of the snapshot: 1 '
	says "^block at 0x[0-9a-f]* +16 -> $into\$"
	check 1 --json @handle
	[ "$(json "$count")" -eq 1 ] && [ "$(json words)" -eq 1 ] && [ "$(json offset)" -eq 16 ] ||
		fail "$what: $(cat out)"
done <<'END'
literal program .rodata of ./producer
function program .text of ./producer
data program .data of ./producer
bss program .bss of ./producer
library files .text of /.*libc.*
stack stack the stack
memory memory anonymous memory
slot slots slot 1008, outside of the snapshot
END

# ---- as RMMAP_CHECK says it ----
RMMAP_CHECK=1 ./producer literal function data bss library stack memory slot >handle 2>err
sed 's/^rmmap: check: //' err >want
[ "$(wc -l <want)" -eq 9 ] || fail "RMMAP_CHECK: $(cat err)"
check 1 @handle
diff want out >&2 || fail "rmmap check says something else"
./producer literal literal literal literal literal literal literal literal literal >handle
check 1 @handle
says '^9 words'
[ "$(grep -c '^block' out)" -eq 8 ] || fail "not the first 8: $(cat out)"

# ---- the program is gone ----
./producer literal function >handle
mv producer moved
check 1 @handle
says '-> .rodata of ./producer$'
says '-> .text of ./producer$'

# ---- from another host, where no rmmapd runs yet; readers are counted ----
RMMAP_RUNDIR=$b
check 1 @handle
says '^2 words'
says '-> .rodata of ./producer$'
check 0 --json @clean
RMMAP_RUNDIR=$a rmmap stat --json @clean >"$tmp/out"
[ "$(json admitted)" -eq 4 ] || fail "$(json admitted) readers"
# nothing stays attached
detached()
{
	RMMAP_RUNDIR=$1 rmmap list --json >"$tmp/out"
	! grep -q '"attached": [1-9]' out
}
for dir in "$a" "$b"; do
	wait_for 60 detached "$dir" || fail "still attached: $(cat out)"
done

# ---- no publication ----
RMMAP_RUNDIR=$a rmmap unpublish @clean
RMMAP_RUNDIR=$a
check 1 @clean
[ ! -s out ] && [ "$(wc -l <err)" -eq 1 ] || fail "of what is gone: $(cat out err)"
stop_daemon "$a"
check 1 @clean
[ ! -s out ] && [ "$(wc -l <err)" -eq 1 ] || fail "of an rmmapd that is gone: $(cat out err)"
check 1 nonsense
[ ! -s out ] && [ "$(wc -l <err)" -eq 1 ] || fail "of no handle: $(cat out err)"
