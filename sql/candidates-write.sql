-- Second half of rebuilding the candidates of some add-ons: one row for each that is public. Of its facts, U+001E stands between
-- candidates, the newest version first, and U+001F between the fields of one (the view `offerable` makes them,
-- service/update/offer.ts reads them):
--   application id | version id | min high | min low | max high | max low | strict | has release notes | file id |
--   version | min | max | filename | hash | url | SHA-256 of the package in the store
-- The bound on their length stands in the statement, so that a replica which runs it again has it too.
SET STATEMENT group_concat_max_len = 1073741824 FOR
INSERT INTO candidates (addon_id, guid, slug, type, facts)
SELECT
  a.id, a.guid, a.slug, a.type,
  COALESCE(GROUP_CONCAT(o.facts ORDER BY o.version_id DESC, o.application_id SEPARATOR x'1E'), '')
FROM addons AS a
LEFT JOIN offerable AS o ON o.addon_id = a.id
WHERE a.id IN (?) AND a.disabled_by_user = FALSE AND a.status NOT IN ('disabled', 'deleted')
GROUP BY a.id;
