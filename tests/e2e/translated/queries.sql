-- SPDX-License-Identifier: Apache-2.0
-- queries.sql - inserts, an index, a join, a transaction taken back; for sqlite3.
PRAGMA journal_mode = wal;
CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER, s TEXT, d REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
	INSERT INTO t SELECT i, i * 7919 % 1009, printf('row %05d', i), i / 7.0 FROM n;
CREATE INDEX k ON t(k);
SELECT count(*), sum(k), round(sum(d), 3), max(s) FROM t;
SELECT a.k, count(*) FROM t a JOIN t b ON a.k = b.k WHERE a.k < 3 GROUP BY a.k;
BEGIN;
DELETE FROM t WHERE id % 2;
ROLLBACK;
UPDATE t SET s = upper(s) WHERE id BETWEEN 10 AND 12;
SELECT group_concat(s) FROM t WHERE id BETWEEN 9 AND 13;
PRAGMA integrity_check;
