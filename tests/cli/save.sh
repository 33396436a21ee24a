#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# rmmap save and rmmap load: the same structure at the same addresses, in another run directory,
# of another host, with what it refers to; sparse stays sparse. Each damage is refused with the
# reason and nothing published; a save that fails leaves what was there.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99

cd "$tmp" || exit 99
cat >tree.c <<'END'
/* tree large, tree small: print the handle, and on stderr a checksum of pointers and content;
 * tree add FILE: attach that, put a node before it, publish; tree attach FILE: the checksum */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <rmmap.h>

#define BLOCK (96l << 20)
struct node { struct node *next; unsigned long value; char *block; };

static int sum(const struct node *n)
{
	unsigned long s = 5381;

	for (; n; n = n->next) {
		s = s * 33 + (unsigned long)n + n->value;
		for (long at = 0; n->block && at < BLOCK; at += 4096)
			s = s * 33 + (unsigned char)n->block[at] + (unsigned char)n->block[at + 4095];
	}
	return fprintf(stderr, "%lx\n", s) < 0;
}

static int publish(struct node *n)
{
	char handle[RMMAP_HANDLE_MAX];

	if (rmmap_publish(n, handle, sizeof(handle)))
		return fprintf(stderr, "%s\n", rmmap_error()), 1;
	puts(handle);
	return sum(n);
}

static struct node *add(struct node *next, unsigned long value)
{
	struct node *n = calloc(1, sizeof(*n));

	*n = (struct node){ next, value, NULL };
	return n;
}

int main(int argc, char **argv)
{
	char handle[RMMAP_HANDLE_MAX + 2] = "";
	struct node *n = NULL;
	FILE *file = argc > 2 ? fopen(argv[2], "r") : NULL;

	if (file) {
		n = rmmap_attach(fgets(handle, sizeof(handle), file));
		if (!n)
			return fprintf(stderr, "%s\n", rmmap_error()), 1;
		if (!strcmp(argv[1], "attach"))
			return sum(n);
		return publish(add(n, 77));
	}
	for (unsigned long i = 0; i < 20000; i++)
		n = add(n, i * i);
	if (!strcmp(argv[1], "small"))
		return publish(n);
	n->block = calloc(1, BLOCK);
	for (long at = 0; at < BLOCK; at += BLOCK / 50)
		n->block[at & ~4095l] = (char)(1 + at % 100);
	return publish(n);
}
END
! nm -D "$abs_top_builddir/.libs/librmmap.so" | grep -q ' U __[atu][a-z]*san_' ||
	skip "the program is not compiled with the sanitizer that the library has"
${CC:-cc} -I"$abs_top_srcdir/include" -o tree tree.c \
	-L"$abs_top_builddir/.libs" -lrmmap || fail "the program does not compile"

# the structure of the handle in file "new" sums up to what this file says
same_as() { timeout 300 ./tree attach new 2>sum || fail "attach: $(cat sum)"
	cmp -s sum "$1" || fail "not the same structure: $(cat sum "$1")"; }
saves() { timeout 300 rmmap save "$@" 2>err || fail "save: $(cat err)"; }
loads() { timeout 300 rmmap load "$@" >new 2>err || fail "load: $(cat err)"; }
ids() { rmmap list --json | sed -n 's/.*"id": //p' | sort; }

# refuses WORDS FILE: load says these words in one line, and publishes nothing
refuses() {
	before=$(ids)
	got=0
	timeout 300 rmmap load "$2" >out 2>err || got=$?
	[ "$got" -eq 1 ] && [ ! -s out ] || fail "load ends with $got: $1: $(cat out)"
	[ "$(wc -l <err)" -eq 1 ] && grep -q -- "$1" err || fail "load says not \"$1\": $(cat err)"
	[ "$(ids)" = "$before" ] || fail "load has published something: $1"
}

new_rundir a
new_rundir b

# ---- the structure that rmmap verifies node by node, in another run directory ----
RMMAP_RUNDIR=$a rmmap hello >handle
RMMAP_RUNDIR=$a saves @handle hello.rmmap
RMMAP_RUNDIR=$a rmmap unpublish @handle
[ "$(stat -c %a hello.rmmap)" = 600 ] || fail "others may read it: $(stat -c %a hello.rmmap)"
loads hello.rmmap
rmmap hello @new >out || fail "hello: $(cat out)"
rmmap unpublish @new

# ---- pages without data take no room, neither in the file nor in memory ----
RMMAP_RUNDIR=$a ./tree large >handle 2>wanted || fail "tree: $(cat wanted)"
RMMAP_RUNDIR=$a saves @handle tree.rmmap
RMMAP_RUNDIR=$a rmmap stat @handle >stat
bytes=$(sed -n 's/^data *\([0-9]*\).*/\1/p' stat)
blocks=$(($(stat -c %b tree.rmmap) * 512))
[ "$(stat -c %s tree.rmmap)" -gt 90000000 ] || fail "not at their places: $(stat tree.rmmap)"
[ "$blocks" -le $((bytes + 2000000)) ] || fail "$bytes bytes of data take $blocks"
loads tree.rmmap
same_as wanted
held=$(rmmap stat --json @new | sed -n 's/.*"data_bytes": \([0-9]*\).*/\1/p')
[ "$held" -le "$bytes" ] || fail "$bytes bytes of data became $held"
RMMAP_RUNDIR=$a rmmap unpublish @handle
# nobody's word for the layers' names is taken: twice is twice
loads tree.rmmap
same_as wanted
# a copy that knows no holes
cat tree.rmmap >dense.rmmap
loads dense.rmmap
same_as wanted
held=$(rmmap stat --json @new | sed -n 's/.*"data_bytes": \([0-9]*\).*/\1/p')
[ "$held" -le "$bytes" ] || fail "zeros became data: $held"

# ---- from another host, saved again, the same file; readers and ttl ----
RMMAP_RUNDIR=$a loads --readers 2 --ttl 500 tree.rmmap
cp new handle
saves @handle again.rmmap
cmp tree.rmmap again.rmmap || fail "saved again it is another file"
RMMAP_RUNDIR=$a rmmap stat --json @handle >stat
grep -q '"readers": 2' stat && grep -q '"admitted": 1,' stat || fail "readers: $(cat stat)"
sed -n 's/.*"expires_ms": \([0-9]*\).*/\1/p' stat | grep -qE '^(4|5)[0-9]{5}$' || fail "ttl: $(cat stat)"
RMMAP_RUNDIR=$a rmmap save @handle again.rmmap
RMMAP_RUNDIR=$a rmmap save @handle never.rmmap 2>err && fail "a third reader"
[ ! -e never.rmmap ] || fail "no publication, and yet a file"
for wrong in '--readers 0' '--readers x' '--ttl 0' '--ttl 1h'; do
	got=0
	# shellcheck disable=SC2086 # two words
	rmmap load $wrong tree.rmmap >out 2>err || got=$?
	[ "$got" -eq 2 ] && [ ! -s out ] || fail "$wrong: $got"
done

# ---- with what it refers to, whole ----
RMMAP_RUNDIR=$a loads tree.rmmap
cp new first
./tree add first >handle 2>wanted || fail "add: $(cat wanted)"
RMMAP_RUNDIR=$a rmmap unpublish @first
saves @handle both.rmmap
rmmap unpublish @handle
stop_daemon "$a"
stop_daemon "$b"
# no rmmapd runs: load starts it, if it may
RMMAP_DAEMON=off rmmap load both.rmmap 2>said && fail "load without an rmmapd"
grep -q '^rmmap: no rmmapd runs here' said || fail "load without an rmmapd: $(cat said)"
loads both.rmmap
same_as wanted
stop_daemon "$b"

# ---- damaged: every part of it ----
RMMAP_RUNDIR=$a
./tree small >new 2>sum || fail "tree: $(cat sum)"
saves @new small.rmmap
size=$(stat -c %s small.rmmap)
number() { od -An -t u8 -j "$1" -N 8 small.rmmap | tr -d ' '; }
sums=$(number 56)
content=$(number 72)
[ "$(number 80)" -eq "$size" ] && [ "$sums" -gt 4096 ] && [ "$content" -gt "$sums" ] ||
	fail "its header is not as rmmap-file(5) says"
# flip AT: a copy in which one bit of that byte is another
flip() {
	cp small.rmmap damaged
	byte=$(od -An -t u1 -j "$1" -N 1 small.rmmap)
	# shellcheck disable=SC2059 # an octal escape
	printf "\\$(printf %o $((byte ^ ${2:-4})))" | dd of=damaged bs=1 seek="$1" conv=notrunc 2>dd.err
}
while read -r at words; do
	flip "$at"
	refuses "$words" damaged
done <<END
0 is not a file that rmmap save wrote
7 is not a file that rmmap save wrote
8 does not say the byte order
15 does not say the byte order
16 of another version
19 of another version
20 checksum of its header
24 checksum of its header
32 checksum of its header
40 checksum of its header
48 checksum of its header
56 checksum of its header
64 checksum of its header
72 checksum of its header
80 checksum of its header
88 checksum of its header
100 checksum of its header
2000 checksum of its header
4095 checksum of its header
4096 checksum of its table
4120 checksum of its table
$((sums - 1)) checksum of its table
$sums checksum of its table
$((content - 1)) checksum of its table
$content checksum of its content
$((content + 5)) checksum of its content
$((size - 1)) checksum of its content
END
# in a hole: where the copy has none, any byte that is not zero
cp tree.rmmap damaged
printf x | dd of=damaged bs=1 seek=$((60 << 20 | 77)) conv=notrunc 2>dd.err
refuses 'checksum of its content' damaged
cp small.rmmap damaged
truncate -s $((size - 1)) damaged
refuses 'is cut short' damaged
truncate -s $size damaged
cmp -s small.rmmap damaged || refuses 'checksum of its content' damaged
truncate -s $((size + 1)) damaged
refuses 'has more at its end' damaged
for cut in 0 1 4095; do
	head -c $cut small.rmmap >damaged
	refuses 'is not a file that rmmap save wrote' damaged
done
for cut in 4096 $((sums)) $((content)) $((content + 5000)); do
	head -c $cut small.rmmap >damaged
	refuses 'is cut short' damaged
done
# of a machine with the other byte order
cp small.rmmap damaged
printf '\1\2\3\4\5\6\7\10' | dd of=damaged bs=1 seek=8 conv=notrunc 2>dd.err
[ "$(od -An -t u1 -j 8 -N 1 small.rmmap | tr -d ' ')" = 1 ] &&
	printf '\10\7\6\5\4\3\2\1' | dd of=damaged bs=1 seek=8 conv=notrunc 2>dd.err
refuses 'another byte order' damaged
# no such file at all
head -c 100000 /dev/urandom >damaged
refuses 'is not a file that rmmap save wrote' damaged
refuses 'cannot open' nowhere
refuses 'is not a file$' /dev/null
refuses 'is not a file$' .

# ---- where nothing can be written ----
loads small.rmmap
cp new handle
# refuses_to_save WORDS FILE
refuses_to_save() {
	got=0
	rmmap save @handle "$2" >out 2>err || got=$?
	[ "$got" -eq 1 ] && [ "$(wc -l <err)" -eq 1 ] && grep -q -- "$1" err || fail "save to $2: $got: $(cat err)"
}
refuses_to_save 'No such file' nowhere/file
refuses_to_save 'is not a file' .
refuses_to_save 'is not a file' /dev/null
mkdir closed
echo before >closed/file
chmod 500 closed
if ! (: >closed/probe) 2>/dev/null; then
	refuses_to_save 'Permission denied' closed/new
	[ "$(ls -A closed)" = file ] || fail "left behind: $(ls -A closed)"
fi
rm -f closed/probe
chmod 700 closed
# what is there is replaced, and only by what is whole
saves @handle closed/file
cmp -s small.rmmap closed/file || fail "what was there is not replaced"
[ "$(ls -A closed)" = file ] || fail "left behind: $(ls -A closed)"
# the limit for the size of files is an error too, and what was there stays
RMMAP_RUNDIR=$a loads tree.rmmap
echo before >closed/file
(ulimit -f 100 && rmmap save @new closed/file) 2>err && fail "beyond the limit of a file's size"
grep -q 'File too large' err || fail "the limit for files: $(cat err)"
[ "$(cat closed/file)" = before ] && [ "$(ls -A closed)" = file ] || fail "left behind: $(ls -A closed)"

# ---- killed in the middle ----
for delay in 0.001 0.005 0.01 0.02; do
	rmmap save @new closed/file 2>err &
	pid=$!
	sleep $delay
	kill -KILL "$pid" 2>err
	wait "$pid" 2>err
	[ "$(ls -A closed)" = file ] || fail "left behind: $(ls -A closed)"
	[ "$(cat closed/file)" = before ] || cmp -s tree.rmmap closed/file || fail "half a file"
	echo before >closed/file
done
kill -0 "$(daemon_pid "$a")" || fail "rmmapd is gone"

# ---- a disk that is full ----
mkdir disk
if mount -t tmpfs -o size=300k none disk 2>err; then
	cleanup_fn umount "$tmp/disk"
	refuses_to_save_full() { cp new handle; refuses_to_save 'there is no room for' "$1"; }
	refuses_to_save_full disk/file
	[ -z "$(ls -A disk)" ] || fail "left behind: $(ls -A disk)"
	echo before >disk/file
	refuses_to_save_full disk/file
	[ "$(cat disk/file)" = before ] && [ "$(ls -A disk)" = file ] || fail "left behind: $(ls -A disk)"
else
	skip "all but a full disk, for which a tmpfs has to be mounted"
fi
