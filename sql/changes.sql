-- The change feed from a position on: where it stands now, and the changes in between, a page at the most. A first row even where
-- nothing has changed. `seenToken`: of the change at the position itself, to tell whether this is still the same timeline.
-- The position of replication is read before the changes are: whoever waits for the one after it misses nothing.
SELECT
  k.value AS counter,
  k.token,
  h.at_ms AS heartbeatMs,
  CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED) AS nowMs,
  @@gtid_slave_pos AS replicated,
  (SELECT MIN(number) FROM changes) AS floor,
  seen.token AS seenToken,
  c.number,
  c.token AS changeToken,
  c.kind,
  c.guid,
  c.old_guid AS oldGuid,
  TIMESTAMPDIFF(MICROSECOND, c.at, UTC_TIMESTAMP(3)) DIV 1000 AS delayMs
FROM change_counter AS k
JOIN heartbeat AS h ON h.id = 1
LEFT JOIN changes AS seen ON seen.number = ?
LEFT JOIN changes AS c ON c.number > ? AND c.number <= ?
WHERE k.id = 1;
