# SPDX-License-Identifier: BSD-2-Clause
# python: its own allocator and PYTHONMALLOC=malloc; fork and spawn, threads, subprocesses
PRELOAD_HEAPS=${PRELOAD_HEAPS:-auto shared}
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program python3
PYTHONHASHSEED=0
PYTHONDONTWRITEBYTECODE=1
export PYTHONHASHSEED PYTHONDONTWRITEBYTECODE
cat > "$tmp/many.py" <<'END'
import concurrent.futures, json, multiprocessing, os, re, subprocess, sys, threading, zlib

def work(n):
    return sum(len(str(i)) for i in range(n)), zlib.crc32(bytes(n))

def main():
    data = {str(i): list(range(i % 50)) for i in range(20000)}
    text = json.dumps(data)
    print(len(text), sum(len(v) for v in json.loads(text).values()))
    seen = []
    threads = [threading.Thread(target=lambda n=n: seen.append(sum(range(n * 1000)))) for n in range(16)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    print(sorted(seen))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        print(list(pool.map(work, range(0, 4000, 100)))[-3:])
    for way in "fork", "spawn":
        context = multiprocessing.get_context(way)
        with context.Pool(3) as pool:
            print(way, pool.map(work, range(0, 4000, 100))[-3:])
        queue = context.Queue()
        child = context.Process(target=queue.put, args=(list(range(1000)),))
        child.start()
        print(way, sum(queue.get()))
        child.join()
        print(way, child.exitcode)
    print(subprocess.run(["sh", "-c", "echo child; exit 3"], capture_output=True))
    print(subprocess.run([sys.executable, "-c", "print(len(bytearray(10**7)))"], capture_output=True,
                         env={}, close_fds=True).stdout)
    for n in range(30):
        pid = os.fork()
        if not pid:
            os._exit(len(bytearray(n * 100000 + n)) % 251)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), end=" ")
    print(len(re.findall("a+", "ab" * 100000)))

if __name__ == "__main__":
    main()
    sys.exit(4)
END
same -s 4 "its own allocator" python3 "$tmp/many.py"
same -s 4 "PYTHONMALLOC=malloc" env PYTHONMALLOC=malloc python3 "$tmp/many.py"
same -s 4 "PYTHONMALLOC=malloc_debug" env PYTHONMALLOC=malloc_debug python3 "$tmp/many.py"
same "fork under threads that allocate" env PYTHONMALLOC=malloc python3 -W ignore -c '
import os, threading
stop = False
def churn():
    while not stop:
        x = [bytes(n) for n in range(0, 3000, 7)]
threads = [threading.Thread(target=churn) for _ in range(4)]
[t.start() for t in threads]
for n in range(60):
    pid = os.fork()
    if not pid:
        y = [str(i) * 3 for i in range(2000)]
        os._exit(n)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == n
stop = True
[t.join() for t in threads]
print("joined")'
same "a database" python3 -c '
import sqlite3
db = sqlite3.connect(":memory:")
db.execute("create table t(a, b)")
db.executemany("insert into t values(?, ?)", ((i, str(i) * (i % 9)) for i in range(50000)))
print(db.execute("select count(*), sum(length(b)) from t where a % 3").fetchall())'
same -s 1 "an exception" python3 -c 'raise ValueError("no")'
