-- The same of all public add-ons, a range of ids at a time: what a worker that begins empty reads.
SELECT
  k.value AS counter,
  k.token,
  a.guid,
  a.slug,
  a.type,
  c.application_id AS applicationId,
  c.version_id AS versionId,
  c.facts
FROM change_counter AS k
LEFT JOIN addons AS a
  ON a.id > ? AND a.id <= ? AND a.disabled_by_user = FALSE AND a.status NOT IN ('disabled', 'deleted')
LEFT JOIN candidates AS c ON c.addon_id = a.id
WHERE k.id = 1;
