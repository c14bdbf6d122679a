CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, price REAL, owner INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250000)
INSERT INTO item SELECT i, 'item ' || (i * 7919 % 120011), (i * 31 % 1000) / 10.0, i % 97 FROM n;
CREATE INDEX by_name ON item(name);
SELECT count(*), round(sum(price), 2), min(name), max(name) FROM item;
SELECT owner, count(*), round(avg(price), 3) FROM item GROUP BY owner ORDER BY 3 DESC, 1 LIMIT 5;
SELECT count(*) FROM item a JOIN item b ON b.name = 'item ' || a.id WHERE a.owner < 40;
UPDATE item SET price = price * 1.01 WHERE name LIKE 'item 1%';
SELECT round(sum(price), 2) FROM item WHERE name GLOB '*7*';
DELETE FROM item WHERE id % 3 = 0;
SELECT count(*), round(total(price), 2) FROM item;
