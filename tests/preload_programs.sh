# SPDX-License-Identifier: BSD-2-Clause
# preload_programs: under LD_PRELOAD=librmmap.so.0 everyday programs print and return what
# they do without it
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
set -e

lib=$abs_top_builddir/.libs/librmmap.so.0
if nm -D "$lib" | grep -qE '__(asan|tsan)_'; then
	skip "a sanitizer has its own malloc"
fi
new_rundir runs
mkdir "$tmp/plain" "$tmp/preloaded"
LC_ALL=C.UTF-8
HOME=$tmp
export LC_ALL HOME

# same NAME CMD ARG...: run twice, each in a directory of its own; output and status agree
same()
{
	_name=$1
	shift
	requires command -v "$1"
	_plain=0
	(cd "$tmp/plain" && exec "$@") > "$tmp/plain.out" 2> "$tmp/plain.err" || _plain=$?
	_preloaded=0
	(cd "$tmp/preloaded" && exec env LD_PRELOAD="$lib" "$@") \
		> "$tmp/preloaded.out" 2> "$tmp/preloaded.err" || _preloaded=$?
	[ "$_plain" -eq "$_preloaded" ] || fail "$_name: status $_preloaded, not $_plain: $(cat "$tmp/preloaded.err")"
	cmp "$tmp/plain.out" "$tmp/preloaded.out" || fail "$_name: other output"
	diff "$tmp/plain.err" "$tmp/preloaded.err" >&2 || fail "$_name: other output on stderr"
	echo "$_name: status $_plain, $(wc -c < "$tmp/plain.out") bytes, $(wc -c < "$tmp/plain.err") on stderr"
}

same ls ls -lR "$abs_top_srcdir/src"
same "ls of nothing" ls "$tmp/none"
same bash bash -c '
	for i in 1 2 3 4 5 6 7 8; do (echo sub $i; x=$(echo deep | tr a-z A-Z); echo $x) ; done
	seq 20000 | sort -R | sort -n | tail -n 3 | while read n; do echo $((n * 2)); done
	cat <<-END
		here $(printf "%s" document) $((6 * 7))
	END
	cat <(echo process) <(echo substitution)
	f() { local a=("$@"); echo ${#a[@]} "${a[@]: -1}"; }
	f $(seq 5000)
	trap "echo trapped" USR1; kill -USR1 $$
	sleep 0.1 & wait $!; coproc cat; echo to >&${COPROC[1]}; read -u ${COPROC[0]} r; echo $r
	exit 7'
same python3 python3 -c '
import json, os, re, subprocess, threading, multiprocessing
data = {str(i): list(range(i % 50)) for i in range(20000)}
print(len(json.dumps(data)), sum(len(v) for v in json.loads(json.dumps(data)).values()))
seen = []
threads = [threading.Thread(target=lambda n=n: seen.append(sum(range(n * 1000)))) for n in range(16)]
[t.start() for t in threads]; [t.join() for t in threads]
print(sorted(seen)[-1])
print(subprocess.run(["sh", "-c", "echo child; exit 3"], capture_output=True))
print(multiprocessing.get_context("fork").Pool(4).map(len, ["a" * n for n in range(100)])[-1])
pid = os.fork()
if not pid: os._exit(len(bytearray(50_000_000)) % 256)
print(os.waitpid(pid, 0)[1], len(re.findall("a+", "ab" * 100000)))
'
same perl perl -e '
my %h = map { $_ => "x" x ($_ % 300) } 1 .. 50000; delete @h{1 .. 25000};
print scalar(keys %h), " ", length(join ",", map { $h{$_} } sort keys %h), "\n";
my $pid = open my $p, "-|"; if (!$pid) { print "from a child\n"; exit 0 } print <$p>;
print `echo backticks`; local $_ = "abc" x 10000; print scalar(() = /b/g), "\n"; exit 5;'
same awk awk 'BEGIN { for (i = 0; i < 100000; i++) a[i % 977] = a[i % 977] i; print length(a[5]); exit 4 }'
same "sort in parallel" sh -c 'seq 300000 | sort --parallel=4 -S 8M -k1,1r | md5sum'
same tar sh -c "tar -C '$abs_top_srcdir' -cf - src | xz -T2 -1 | xz -d | tar -tf - | sort | md5sum"

export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b \
	GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z' \
	GIT_CONFIG_NOSYSTEM=1
same git sh -ec "
	git init -q . && cp -R '$abs_top_srcdir/src' . && git add . && git commit -qm one
	for f in src/lib/*.c; do echo >> \$f; done
	git diff --stat; git commit -qam two; git gc -q; git fsck; git log --stat; git blame src/lib/heap.c
	git checkout -q HEAD~1; git status; git show-ref; git grep -c static; git stash list"

cat > "$tmp/hello.c" <<END
#include <stdio.h>
#include <stdlib.h>
int main(void) { void *p = malloc(5); puts(p ? "compiled" : "no"); free(p); return 9; }
END
same "${CC%% *}" sh -c "${CC:-cc} -O2 -g -c '$tmp/hello.c' -o x.o && ${CC:-cc} x.o -o x && ./x"
same "a compile error" sh -c "echo 'int main(void) { return y; }' > e.c; ${CC:-cc} -c e.c"
[ ! -e "$runs/slots" ] || fail "one of these programs touched the run directory"
