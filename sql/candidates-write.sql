-- Second half of rebuilding the candidates of some add-ons: those come, or change, that may be offered.
-- The fields of `facts`, with U+001F between them (the view `offerable` makes them, service/update/offer.ts reads them):
--   min high | min low | max high | max low | strict | has release notes | file id |
--   version | min | max | filename | hash | url | SHA-256 of the package in the store
INSERT INTO candidates (addon_id, application_id, version_id, facts)
SELECT addon_id, application_id, version_id, facts
FROM offerable
WHERE addon_id IN (?)
ON DUPLICATE KEY UPDATE facts = VALUES(facts);
