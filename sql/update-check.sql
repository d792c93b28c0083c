-- What update checks need of the add-ons asked for: each public add-on, and its candidates beside it.
-- LEFT JOIN: an add-on nobody knows (no row) and one with nothing to offer (a row without a version) are different answers.
-- Reads two index entries a guid and the candidates it returns, in index order: test/update/join.test.ts.
SELECT
  a.guid,
  a.slug,
  a.type,
  c.application_id AS applicationId,
  c.version_id AS versionId,
  c.version,
  c.min,
  c.max,
  c.min_packed DIV 100000000 AS minHigh,
  c.min_packed MOD 100000000 AS minLow,
  c.max_packed DIV 100000000 AS maxHigh,
  c.max_packed MOD 100000000 AS maxLow,
  c.strict,
  c.has_release_notes AS hasReleaseNotes,
  c.file_id AS fileId,
  c.filename,
  c.hash,
  c.url
FROM addons AS a
LEFT JOIN candidates AS c ON c.addon_id = a.id
WHERE a.guid IN (?) AND a.disabled_by_user = FALSE AND a.status NOT IN ('disabled', 'deleted');
