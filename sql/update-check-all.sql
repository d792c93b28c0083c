-- What update-check.sql tells, of all public add-ons: a page of rising ids at a time, for a worker that begins empty.
SELECT k.value AS counter, k.token, h.at_ms AS heartbeatMs, c.addon_id AS id, c.guid, c.slug, c.type, c.facts
FROM change_counter AS k
JOIN heartbeat AS h ON h.id = 1
LEFT JOIN (
  SELECT addon_id, guid, slug, type, facts
  FROM candidates
  WHERE addon_id > ?
  ORDER BY addon_id
  LIMIT ?
) AS c ON TRUE
WHERE k.id = 1;
