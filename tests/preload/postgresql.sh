# SPDX-License-Identifier: BSD-2-Clause
# PostgreSQL: initdb, pgbench with several clients, sorts and joins in memory, an orderly end
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2> /dev/null | sort -V | tail -n 1)
[ -x "$bin/postgres" ] || skip "postgres is not installed"
PATH=$PATH:$bin
program postgres initdb pgbench psql
if [ "$(id -u)" -eq 0 ]; then
	requires as_user cat "$lib"
	chmod 0711 "$tmp"
	# PostgreSQL refuses to run as root
	set -- setpriv --reuid=nobody "--regid=$(id -g nobody)" --clear-groups
else
	set --
fi
cat > "$tmp/script" <<'END'
initdb -D data -U test -A trust -N --no-instructions -E UTF8 --locale=C.UTF-8 > init.log 2>&1 || { cat init.log; exit 1; }
postgres -D "$PWD/data" -k "$PWD" -c listen_addresses= -c fsync=off -c shared_buffers=16MB -c work_mem=16MB \
	-c max_parallel_workers_per_gather=2 -c logging_collector=off > log 2>&1 & server=$!
trap 'kill -INT $server 2>/dev/null' EXIT
export PGHOST=$PWD PGUSER=test PGDATABASE=postgres PGOPTIONS='-c client_min_messages=warning'
n=1200
until psql -qc 'select 1' > /dev/null 2>&1; do n=$((n - 1)); [ $n -gt 0 ] || { cat log; exit 1; }; sleep 0.1; done
pgbench -q -i -s 2 > bench 2>&1 || { cat bench; exit 1; }
pgbench -n -c 4 -j 2 -t 300 --random-seed=5 > bench 2>&1 || { cat bench; exit 1; }
pgbench -n -c 4 -j 2 -t 300 --random-seed=5 -S -M prepared > bench 2>&1 || { cat bench; exit 1; }
psql -At <<SQL
select count(*), sum(delta) from pgbench_history;
select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history);
create table t as select i, md5(i::text) as m, (i * 7919) % 10007 as k from generate_series(1, 200000) i;
create index on t(m); analyze t;
select sum(a.i) from t a join t b on a.k = b.i;
select md5(string_agg(m, '' order by m desc)) from t;
select k % 7, count(distinct m), max(m) from t group by 1 order by 1;
select jsonb_object_agg(i, m) -> '77' from t where i < 5000;
select sum(length(repeat(m, 100))) from t;
set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set min_parallel_table_scan_size = 0;
select count(*), max(m) from t where m like '%ab%';
delete from t where i % 3 = 0; vacuum t; select count(*) from t;
do \$\$ declare s text := ''; begin for n in 1..20000 loop s := s || n; end loop; raise warning '%', length(s); end \$\$;
select 1 / 0;
SQL
kill -INT $server; wait $server; echo "ended $?"
grep -E 'PANIC|terminated by signal|server process' log
exit 0
END
same "initdb, pgbench, queries" "$@" sh "$tmp/script"
