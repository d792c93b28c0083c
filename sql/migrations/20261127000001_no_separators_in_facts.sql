-- migrate:up

-- The read model keeps the fields of a candidate apart by U+001F, and candidates by U+001E (sql/candidates-write.sql): none of the
-- columns that go into it may hold them, whoever writes. An import of 30,000 add-ons takes no measurably longer for it.
-- Packages could bring such versions in. They were never answered, so they are withdrawn, under names that can be seen.
UPDATE versions
SET version = REPLACE(REPLACE(version, x'1E', _utf8mb4 x'E2909E'), x'1F', _utf8mb4 x'E2909F'), deleted = TRUE
WHERE LOCATE(x'1E', version) > 0 OR LOCATE(x'1F', version) > 0;

SET STATEMENT group_concat_max_len = 1073741824 FOR
REPLACE INTO candidates (addon_id, guid, slug, type, facts)
SELECT
  a.id, a.guid, a.slug, a.type,
  COALESCE(GROUP_CONCAT(o.facts ORDER BY o.version_id DESC, o.application_id SEPARATOR x'1E'), '')
FROM addons AS a
JOIN candidates AS c ON c.addon_id = a.id
LEFT JOIN offerable AS o ON o.addon_id = a.id
WHERE a.id IN (
  SELECT addon_id FROM versions WHERE LOCATE(_utf8mb4 x'E2909E', version) > 0 OR LOCATE(_utf8mb4 x'E2909F', version) > 0
)
GROUP BY a.id;

ALTER TABLE addons ADD CONSTRAINT IF NOT EXISTS addons_no_separators CHECK (
  LOCATE(x'1E', guid) = 0 AND LOCATE(x'1F', guid) = 0 AND LOCATE(x'1E', slug) = 0 AND LOCATE(x'1F', slug) = 0
);
ALTER TABLE versions ADD CONSTRAINT IF NOT EXISTS versions_no_separators CHECK (
  LOCATE(x'1E', version) = 0 AND LOCATE(x'1F', version) = 0
);
ALTER TABLE files ADD CONSTRAINT IF NOT EXISTS files_no_separators CHECK (
  LOCATE(x'1E', filename) = 0 AND LOCATE(x'1F', filename) = 0
  AND IFNULL(LOCATE(x'1E', hash) + LOCATE(x'1F', hash), 0) = 0
  AND IFNULL(LOCATE(x'1E', url) + LOCATE(x'1F', url), 0) = 0
);
ALTER TABLE compatibility ADD CONSTRAINT IF NOT EXISTS compatibility_no_separators CHECK (
  LOCATE(x'1E', min) = 0 AND LOCATE(x'1F', min) = 0 AND LOCATE(x'1E', max) = 0 AND LOCATE(x'1F', max) = 0
);

-- Workers read everything anew.
UPDATE change_counter SET value = LAST_INSERT_ID(value + 1), token = 1 + FLOOR(RAND() * 281474976710654) WHERE id = 1;
INSERT INTO changes (number, token, kind) SELECT value, token, 'all' FROM change_counter WHERE id = 1;

-- migrate:down

ALTER TABLE addons DROP CONSTRAINT IF EXISTS addons_no_separators;
ALTER TABLE versions DROP CONSTRAINT IF EXISTS versions_no_separators;
ALTER TABLE files DROP CONSTRAINT IF EXISTS files_no_separators;
ALTER TABLE compatibility DROP CONSTRAINT IF EXISTS compatibility_no_separators;
