-- Every application that may ask, and at what point of the change feed they were read.
SELECT
  k.value AS counter,
  k.token,
  h.at_ms AS heartbeatMs,
  a.id,
  a.guid,
  a.name,
  a.manifest,
  a.json_since AS jsonSince
FROM change_counter AS k
JOIN heartbeat AS h ON h.id = 1
LEFT JOIN applications AS a ON TRUE
WHERE k.id = 1;
