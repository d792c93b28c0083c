-- The package of a public file: the same conditions as `offerable` and update-check.sql, without an application; its size as it was
-- taken in; whose it is; and at what point of the change feed it was read.
SELECT k.value AS counter, k.token, h.at_ms AS heartbeatMs, IF(a.id IS NULL, NULL, f.package) AS package, f.size, a.guid
FROM change_counter AS k
JOIN heartbeat AS h ON h.id = 1
LEFT JOIN files AS f ON f.id = ? AND f.status = 'approved' AND f.package IS NOT NULL
LEFT JOIN versions AS v ON v.id = f.version_id AND v.deleted = FALSE AND v.channel = 'listed'
LEFT JOIN addons AS a
  ON a.id = v.addon_id AND a.disabled_by_user = FALSE AND a.status NOT IN ('disabled', 'deleted')
WHERE k.id = 1;
