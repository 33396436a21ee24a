# SPDX-License-Identifier: BSD-2-Clause
# others: editors, terminals, tracers, sorters, package tools and what runs under Java, with and
# without the library; programs it cannot reach; other libraries beside it. What is not installed
# is left out, and said.
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

seq 200000 | awk '{ print ($1 * 7919) % 200003, "line", $1 }' > "$tmp/lines"
SHELL=/bin/sh
export tmp SHELL

# tried CMD ARG...: what a container may forbid, without the library
tried()
{
	"$@" < /dev/null > /dev/null 2>&1 && return 0
	echo "others: this does not work here: $*: not tried" >&2
	return 1
}

# maybe PROGRAM SAME-ARGUMENT...
maybe()
{
	_wanted=$1
	shift
	if command -v "$_wanted" > /dev/null; then
		program "$_wanted"
		same "$@"
	else
		echo "others: $_wanted is not installed: not tried" >&2
	fi
}

program sort
same "sort with threads" sort --parallel=4 -S 8M -n "$tmp/lines"
maybe awk "awk" awk '{ n[$1 % 997] = n[$1 % 997] $3 } END { for (i = 0; i < 997; i++) print length(n[i]) }' "$tmp/lines"
maybe sed "sed" sed -E 's/(.)(.*)/\2\1/;N;P;D' "$tmp/lines"
maybe find "find and xargs" sh -c 'find /usr/share/doc -maxdepth 2 -name "c*" | sort | xargs -P 4 -n 50 echo | wc -c'
maybe bc "bc" sh -c 'echo "2^20000" | bc | cksum'
maybe jq "jq" jq -n '[range(100000) | {a: ., b: "\(.)"}] | group_by(.a % 7) | map(length)'
# shellcheck disable=SC2016 # the shell's own
maybe vim "vim" sh -c 'cp "$tmp/lines" v && vim -es -u NONE -i NONE -c "%s/line/LINE/g" -c "sort n" -c wq v; cksum v'
maybe man "man" env MANPAGER=cat man "$abs_top_srcdir/man/rmmap.7"
maybe dpkg "dpkg" sh -c 'dpkg -l | cksum'
maybe apt-cache "apt-cache" apt-cache policy dash
maybe cmake "cmake" cmake --help-command-list
maybe gpg "gpg" sh -c 'gpg --version | head -n 1'
maybe ssh-keygen "ssh-keygen" sh -c 'ssh-keygen -q -t ed25519 -N "" -f key && cut -d" " -f1 key.pub'
# shellcheck disable=SC2016 # of the inner shells
tried strace -o /dev/null true && maybe strace "strace -f" sh -c 'strace -f -o out sh -c "ls / | wc -l; (exit 3)"; echo $?; grep -c "exited with 3" out'
# tells the status of what it ran, and its threads
tried gdb -q -batch -nx -ex run --args true && maybe gdb "gdb" sh -c 'gdb -q -batch -nx -ex "break malloc" -ex run -ex bt -ex "delete" -ex continue \
	--args /bin/echo from gdb 2>&1 | grep -c "^from gdb"'
# shellcheck disable=SC2016 # of the inner shell
tried sh -c 'TMUX_TMPDIR=$tmp tmux -f /dev/null new-session -d "sleep 20" \; kill-server' &&
	maybe tmux "tmux" sh -c 'export TMUX_TMPDIR=$PWD; tmux -f /dev/null new-session -d "sleep 20"
	tmux list-windows -F "#{window_panes}"; tmux split-window -d "sleep 20"
	tmux list-panes | wc -l; tmux kill-server'
cat > "$tmp/Threads.java" <<'END'
import java.util.*;

public class Threads {
	public static void main(String[] arguments) throws Exception {
		List<Thread> threads = new ArrayList<>();
		for (int i = 0; i < 4; i++) {
			Thread t = new Thread(() -> {
				Map<Integer, String> m = new HashMap<>();
				for (int k = 0; k < 50000; k++)
					m.put(k, "" + k);
				synchronized (Threads.class) {
					System.out.println(m.size());
				}
			});
			t.start();
			threads.add(t);
		}
		for (Thread t : threads)
			t.join();
	}
}
END
# shellcheck disable=SC2016 # of the inner shell
tried javac -version && maybe javac "java" sh -c 'cp "$tmp/Threads.java" . && javac Threads.java && java -Xmx128m -cp . Threads'

# ---- not reached, and not upset: static programs, and what gained rights by its file ----
echo 'int puts(const char *); int main(void) { return puts("static") < 0; }' > "$tmp/s.c"
if ${CC:-cc} -static -o "$tmp/s" "$tmp/s.c" 2> /dev/null; then
	same "a static program" "$tmp/s"
else
	echo "others: no static libc: not tried" >&2
fi
if [ "$(id -u)" -eq 0 ] && cp -p "$(command -v id)" "$tmp/id" && chown nobody "$tmp/id" &&
	chmod 4755 "$tmp/id" && chmod 0711 "$tmp"; then
	# ld.so takes no path for such a program, and may say that it does not
	LD_PRELOAD=$lib setpriv --reuid=1 --clear-groups "$tmp/id" -u > "$tmp/out" 2> "$tmp/err" ||
		fail "a setuid program: status $?: $(cat "$tmp/err")"
	[ "$(cat "$tmp/out")" = "$(id -u nobody)" ] || [ "$(cat "$tmp/out")" = 1 ] ||
		fail "a setuid program: $(cat "$tmp/out")"      # 1: where the file system knows no setuid
	echo "a setuid program: user $(cat "$tmp/out")"
fi

# ---- beside it: another allocator, before, after, or by dlopen ----
jemalloc=$(find /usr/lib /lib -name 'libjemalloc.so.2' 2> /dev/null | head -n 1)
for beside in ${jemalloc:+"$lib $jemalloc" "$jemalloc $lib"} "$lib $lib"; do
	seq 5000 | LD_PRELOAD=$beside sort -R --random-source="$lib" | LD_PRELOAD=$beside sort -n > "$tmp/out" 2> "$tmp/err" ||
		fail "LD_PRELOAD=$beside: status $?: $(cat "$tmp/err")"
	[ "$(cksum < "$tmp/out")" = "$(seq 5000 | cksum)" ] || fail "LD_PRELOAD=$beside: another output"
	[ ! -s "$tmp/err" ] || fail "LD_PRELOAD=$beside: $(cat "$tmp/err")"
	echo "LD_PRELOAD=$beside: the same output"
done
