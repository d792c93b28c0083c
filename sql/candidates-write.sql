-- Second half of rebuilding the candidates of some add-ons: those come, or change, that may be offered.
INSERT INTO candidates
  (addon_id, application_id, version_id, version, min, max, min_packed, max_packed, strict, has_release_notes, file_id, filename, hash, url)
SELECT
  addon_id, application_id, version_id, version, min, max, min_packed, max_packed, strict, has_release_notes, file_id, filename, hash, url
FROM offerable
WHERE addon_id IN (?)
ON DUPLICATE KEY UPDATE
  version = VALUES(version),
  min = VALUES(min),
  max = VALUES(max),
  min_packed = VALUES(min_packed),
  max_packed = VALUES(max_packed),
  strict = VALUES(strict),
  has_release_notes = VALUES(has_release_notes),
  file_id = VALUES(file_id),
  filename = VALUES(filename),
  hash = VALUES(hash),
  url = VALUES(url);
