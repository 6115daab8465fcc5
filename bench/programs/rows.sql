-- SPDX-License-Identifier: Apache-2.0
-- rows.sql - inserts and queries for sqlite3; for bench/translate.
CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER, s TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
	INSERT INTO t SELECT i, i * 7919 % 10007, printf('row %06d', i) FROM n;
CREATE INDEX k ON t(k);
SELECT count(*), sum(k), max(s) FROM t;
SELECT count(*) FROM t a JOIN t b ON a.k = b.k + 1;
SELECT k % 10, count(*), min(s) FROM t GROUP BY k % 10 ORDER BY 2, 1;
SELECT sum(length(replace(s, '0', 'zero'))) FROM t WHERE s LIKE '%7%';
UPDATE t SET s = upper(s) WHERE k BETWEEN 100 AND 2000;
SELECT count(*) FROM t WHERE s GLOB 'ROW*';
DELETE FROM t WHERE id % 3 = 0;
SELECT count(*), sum(id) FROM t;
