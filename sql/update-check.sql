-- What update checks need of the add-ons asked for: each public add-on with its candidates; and at what point of the change feed it
-- was read, in a first row even where nobody knows any of them.
-- LEFT JOIN: an add-on nobody knows (no row) and one with nothing to offer (a row without facts) are different answers.
-- Reads two index entries a guid, in index order: test/update/join.test.ts.
SELECT k.value AS counter, k.token, h.at_ms AS heartbeatMs, c.guid, c.slug, c.type, c.facts
FROM change_counter AS k
JOIN heartbeat AS h ON h.id = 1
LEFT JOIN candidates AS c ON c.guid IN (?)
WHERE k.id = 1;
