# SPDX-License-Identifier: BSD-2-Clause
# redis-server under redis-benchmark, BGSAVE and BGREWRITEAOF while it serves, a restart
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program redis-server redis-benchmark redis-cli
cat > "$tmp/script" <<'END'
start()
{
	redis-server --port 0 --bind 127.0.0.1 --unixsocket "$PWD/s" --dir "$PWD" --save '' --daemonize no \
		--io-threads 2 --activedefrag no "$@" >> log 2>&1 &
	server=$!
	n=1200
	until redis-cli -s s ping > pong 2>&1 && grep -q PONG pong; do
		n=$((n - 1)); [ $n -gt 0 ] || { cat log; exit 1; }; sleep 0.1
	done
}
finished()
{
	n=1200
	while redis-cli -s s info persistence | grep -qE 'in_progress:1|scheduled:1'; do
		n=$((n - 1)); [ $n -gt 0 ] || exit 1; sleep 0.1
	done
}
trap 'kill $server 2>/dev/null' EXIT
start
redis-benchmark -s s -q -n 5000 -c 20 -t set,get,incr,lpush,rpop,sadd,hset,zadd,mset > bench || exit 1
redis-benchmark -s s -q -n 5000 -c 20 -d 2000 -r 5000 -P 8 -t set,get >> bench || exit 1
redis-cli -s s eval 'for i = 1, 30000 do redis.call("HSET", "h" .. i % 100, "f" .. i, string.rep("v", i % 64)) end return redis.call("HLEN", "h7")' 0
redis-cli -s s bgsave
redis-benchmark -s s -q -n 5000 -c 20 -d 500 -r 3000 -t set >> bench || exit 1
finished
redis-cli -s s info persistence | grep -o 'rdb_last_bgsave_status:[a-z]*'
redis-cli -s s config set appendonly yes; finished; redis-cli -s s bgrewriteaof; finished
redis-cli -s s info persistence | grep -o 'aof_last_bgrewrite_status:[a-z]*'
redis-cli -s s memory doctor > /dev/null; redis-cli -s s memory purge
redis-cli -s s config set appendonly no
redis-cli -s s flushall async
redis-cli -s s eval 'for i = 1, 20000 do redis.call("SET", "k" .. i, string.rep(i, 20)) end return 1' 0
redis-cli -s s debug digest; redis-cli -s s save; redis-cli -s s shutdown nosave; wait $server; echo "ended $?"
start
redis-cli -s s dbsize; redis-cli -s s get k777 | md5sum
redis-cli -s s shutdown nosave; wait $server; echo "ended $?"
END
same "a server's life" sh "$tmp/script"
