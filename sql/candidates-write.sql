-- Second half of rebuilding the candidates of some add-ons: one text an add-on, U+001E between candidates, the newest version first.
-- The fields of each, with U+001F between them (the view `offerable` makes them, service/update/offer.ts reads them):
--   application id | version id | min high | min low | max high | max low | strict | has release notes | file id |
--   version | min | max | filename | hash | url | SHA-256 of the package in the store
-- The length stands in the statement, so that a replica which runs it again has it too.
SET STATEMENT group_concat_max_len = 1073741824 FOR
INSERT INTO candidates (addon_id, facts)
SELECT addon_id, GROUP_CONCAT(facts ORDER BY version_id DESC, application_id SEPARATOR x'1E')
FROM offerable
WHERE addon_id IN (?)
GROUP BY addon_id
ON DUPLICATE KEY UPDATE facts = VALUES(facts);
