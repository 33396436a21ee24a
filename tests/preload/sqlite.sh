# SPDX-License-Identifier: BSD-2-Clause
# sqlite3: 300,000 inserts, indexes, joins, a dump that is read back
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program sqlite3
cat > "$tmp/many.sql" <<'END'
PRAGMA synchronous = OFF;
CREATE TABLE t(id INTEGER PRIMARY KEY, k TEXT, v REAL);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
	INSERT INTO t SELECT i, 'key' || (i * 7919 % 300007), i / 3.0 FROM n;
COMMIT;
CREATE INDEX tk ON t(k);
SELECT count(*), sum(id), round(avg(v), 3), max(k) FROM t;
SELECT substr(k, 1, 5) AS p, count(*) FROM t GROUP BY p ORDER BY 2 DESC, 1 LIMIT 5;
SELECT a.id, b.id FROM t a JOIN t b ON b.k = 'key' || a.id WHERE a.id < 5000 ORDER BY a.id DESC LIMIT 3;
DELETE FROM t WHERE id % 3 = 0;
UPDATE t SET k = k || k WHERE id % 5 = 0;
VACUUM;
PRAGMA integrity_check;
SELECT length(group_concat(k)) FROM t;
END
same "300,000 inserts" sh -c "sqlite3 a.db < '$tmp/many.sql' && md5sum < a.db"
same "a transaction each" sh -c '
	{ echo "PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL; CREATE TABLE s(a, b);"
	  for i in $(seq 5000); do echo "INSERT INTO s VALUES($i, \"row $i\");"; done
	  echo "SELECT count(*), sum(a) FROM s;"; } | sqlite3 b.db'
same "a dump" sh -c "sqlite3 a.db < '$tmp/many.sql' > /dev/null && sqlite3 a.db .dump | sqlite3 b.db && sqlite3 b.db .dump | md5sum"
same "in memory" sqlite3 :memory: '
	CREATE TABLE x(a PRIMARY KEY, b);
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
		INSERT INTO x SELECT hex(i), json_object("n", i, "l", json_array(i, i * 2)) FROM n;
	SELECT sum(json_extract(b, "$.l[1]")) FROM x;'
same -s 1 "an error" sqlite3 :memory: 'SELECT * FROM none;'
