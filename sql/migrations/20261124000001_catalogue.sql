-- migrate:up

-- Guids, slugs and versions are compared byte for byte: `utf8mb4_bin` would pad, and find 'a@b' for 'a@b  '.
-- Every statement can run twice: MariaDB doesn't undo what a broken migration has created.

CREATE TABLE IF NOT EXISTS applications (
  id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT,
  guid VARCHAR(255) NOT NULL,
  name VARCHAR(32) NOT NULL COMMENT 'short, as in import files and download addresses',
  manifest ENUM('json', 'rdf') NOT NULL DEFAULT 'json',
  json_since BIGINT UNSIGNED NULL DEFAULT 0 COMMENT 'packed version from which it reads JSON; NULL: never',
  PRIMARY KEY (id),
  UNIQUE KEY guid (guid),
  UNIQUE KEY name (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

INSERT IGNORE INTO applications (id, guid, name) VALUES
  (1, '{ec8030f7-c20a-464f-9b0e-13a3a9e97384}', 'firefox'),
  (2, '{aa3c5121-dab2-40e2-81ca-7ea25febc110}', 'android');

CREATE TABLE IF NOT EXISTS addons (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  guid VARCHAR(255) NOT NULL,
  slug VARCHAR(190) NOT NULL,
  type ENUM('extension', 'theme', 'dictionary', 'langpack', 'langpack-addon', 'search', 'plugin', 'webapp') NOT NULL DEFAULT 'extension',
  status ENUM('incomplete', 'nominated', 'approved', 'disabled', 'deleted') NOT NULL DEFAULT 'approved' COMMENT 'by the site',
  disabled_by_user BOOLEAN NOT NULL DEFAULT FALSE COMMENT 'by its developer',
  is_featured BOOLEAN NOT NULL DEFAULT FALSE,
  average_daily_users INT UNSIGNED NOT NULL DEFAULT 0,
  weekly_downloads INT UNSIGNED NOT NULL DEFAULT 0,
  rating_average DOUBLE NULL,
  rating_count INT UNSIGNED NOT NULL DEFAULT 0,
  created DATETIME NOT NULL DEFAULT UTC_TIMESTAMP(),
  PRIMARY KEY (id),
  UNIQUE KEY guid (guid),
  UNIQUE KEY slug (slug)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin
  COMMENT = 'narrow, since update checks read it; what only people read is in addon_details';

CREATE TABLE IF NOT EXISTS addon_details (
  addon_id INT UNSIGNED NOT NULL,
  name JSON NULL COMMENT 'translations by locale, as the next ones',
  summary JSON NULL,
  description JSON NULL,
  homepage JSON NULL,
  default_locale VARCHAR(35) NOT NULL DEFAULT 'en-US',
  target_locale VARCHAR(35) NULL COMMENT 'of dictionaries and language packs',
  payment ENUM('free', 'premium') NOT NULL DEFAULT 'free',
  icon VARCHAR(255) NULL,
  PRIMARY KEY (addon_id),
  CONSTRAINT addon_details_addon FOREIGN KEY (addon_id) REFERENCES addons (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS authors (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  username VARCHAR(190) NOT NULL,
  name VARCHAR(255) NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY username (username)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS addon_authors (
  addon_id INT UNSIGNED NOT NULL,
  position SMALLINT UNSIGNED NOT NULL,
  author_id INT UNSIGNED NOT NULL,
  PRIMARY KEY (addon_id, position),
  KEY author (author_id),
  CONSTRAINT addon_authors_addon FOREIGN KEY (addon_id) REFERENCES addons (id),
  CONSTRAINT addon_authors_author FOREIGN KEY (author_id) REFERENCES authors (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS categories (
  id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT,
  slug VARCHAR(190) NOT NULL,
  name VARCHAR(190) NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY slug (slug)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

INSERT IGNORE INTO categories (slug, name) VALUES
  ('alerts-updates', 'Alerts & Updates'),
  ('appearance', 'Appearance'),
  ('bookmarks', 'Bookmarks'),
  ('download-management', 'Download Management'),
  ('feeds-news-blogging', 'Feeds, News & Blogging'),
  ('games-entertainment', 'Games & Entertainment'),
  ('language-support', 'Language Support'),
  ('photos-music-videos', 'Photos, Music & Videos'),
  ('privacy-security', 'Privacy & Security'),
  ('shopping', 'Shopping'),
  ('social-communication', 'Social & Communication'),
  ('tabs', 'Tabs'),
  ('web-development', 'Web Development'),
  ('other', 'Other');

CREATE TABLE IF NOT EXISTS addon_categories (
  addon_id INT UNSIGNED NOT NULL,
  category_id SMALLINT UNSIGNED NOT NULL,
  PRIMARY KEY (addon_id, category_id),
  KEY category (category_id),
  CONSTRAINT addon_categories_addon FOREIGN KEY (addon_id) REFERENCES addons (id),
  CONSTRAINT addon_categories_category FOREIGN KEY (category_id) REFERENCES categories (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS addon_tags (
  addon_id INT UNSIGNED NOT NULL,
  tag VARCHAR(128) NOT NULL,
  PRIMARY KEY (addon_id, tag),
  KEY tag (tag),
  CONSTRAINT addon_tags_addon FOREIGN KEY (addon_id) REFERENCES addons (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS versions (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'the highest that fits is served: rising is newer',
  addon_id INT UNSIGNED NOT NULL,
  version VARCHAR(255) NOT NULL,
  channel ENUM('listed', 'unlisted') NOT NULL DEFAULT 'listed',
  deleted BOOLEAN NOT NULL DEFAULT FALSE,
  created DATETIME NOT NULL DEFAULT UTC_TIMESTAMP(),
  release_notes JSON NULL COMMENT 'translations by locale',
  PRIMARY KEY (id),
  UNIQUE KEY version (addon_id, channel, version),
  CONSTRAINT versions_addon FOREIGN KEY (addon_id) REFERENCES addons (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS files (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  version_id INT UNSIGNED NOT NULL,
  status ENUM('awaiting_review', 'approved', 'disabled') NOT NULL DEFAULT 'approved',
  hash VARCHAR(135) NULL COMMENT 'as announced: sha256:… or sha512:…',
  size BIGINT UNSIGNED NULL COMMENT 'bytes',
  filename VARCHAR(255) NOT NULL,
  strict_compatibility BOOLEAN NOT NULL DEFAULT FALSE,
  url VARCHAR(2048) NULL COMMENT 'another host that serves it',
  package CHAR(64) NULL COMMENT 'SHA-256 of the package in the store; NULL: not there',
  PRIMARY KEY (id),
  UNIQUE KEY version (version_id),
  CONSTRAINT files_version FOREIGN KEY (version_id) REFERENCES versions (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS compatibility (
  version_id INT UNSIGNED NOT NULL,
  application_id SMALLINT UNSIGNED NOT NULL,
  min VARCHAR(64) NOT NULL,
  max VARCHAR(64) NOT NULL,
  min_packed BIGINT UNSIGNED NOT NULL,
  max_packed BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (version_id, application_id),
  KEY application (application_id),
  CONSTRAINT compatibility_version FOREIGN KEY (version_id) REFERENCES versions (id),
  CONSTRAINT compatibility_application FOREIGN KEY (application_id) REFERENCES applications (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

-- What may be offered, by the catalogue's own tables: the truth that `candidates` must equal.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW offerable AS
SELECT
  v.addon_id,
  c.application_id,
  v.id AS version_id,
  v.version,
  c.min,
  c.max,
  c.min_packed,
  c.max_packed,
  f.strict_compatibility AS strict,
  v.release_notes IS NOT NULL AS has_release_notes,
  f.id AS file_id,
  f.filename,
  f.hash,
  f.url
FROM versions AS v
JOIN files AS f ON f.version_id = v.id
JOIN compatibility AS c ON c.version_id = v.id
WHERE v.deleted = FALSE AND v.channel = 'listed' AND f.status = 'approved';

-- The read model of update checks: one narrow row for each version that may be offered to an application, clustered as it is read.
CREATE TABLE IF NOT EXISTS candidates (
  addon_id INT UNSIGNED NOT NULL,
  application_id SMALLINT UNSIGNED NOT NULL,
  version_id INT UNSIGNED NOT NULL,
  version VARCHAR(255) NOT NULL,
  min VARCHAR(64) NOT NULL,
  max VARCHAR(64) NOT NULL,
  min_packed BIGINT UNSIGNED NOT NULL,
  max_packed BIGINT UNSIGNED NOT NULL,
  strict BOOLEAN NOT NULL,
  has_release_notes BOOLEAN NOT NULL,
  file_id INT UNSIGNED NOT NULL,
  filename VARCHAR(255) NOT NULL,
  hash VARCHAR(135) NULL,
  url VARCHAR(2048) NULL,
  PRIMARY KEY (addon_id, application_id, version_id),
  CONSTRAINT candidates_addon FOREIGN KEY (addon_id) REFERENCES addons (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

-- Numbers changes. Its one row is locked from taking a number to the commit, so that numbers commit in order.
CREATE TABLE IF NOT EXISTS change_counter (
  id TINYINT UNSIGNED NOT NULL,
  value BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

INSERT IGNORE INTO change_counter (id, value) VALUES (1, 0);

CREATE TABLE IF NOT EXISTS changes (
  number BIGINT UNSIGNED NOT NULL COMMENT 'from change_counter',
  kind ENUM('addon', 'application', 'all') NOT NULL,
  subject_id INT UNSIGNED NULL COMMENT 'of the add-on or the application',
  guid VARCHAR(255) NULL,
  old_guid VARCHAR(255) NULL COMMENT 'before a rename',
  at DATETIME(3) NOT NULL DEFAULT UTC_TIMESTAMP(3),
  PRIMARY KEY (number)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

-- Who did what. Nobody but the owner of the database can change a row once it is written.
CREATE TABLE IF NOT EXISTS audit (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  at DATETIME(3) NOT NULL DEFAULT UTC_TIMESTAMP(3),
  actor VARCHAR(190) NOT NULL,
  action VARCHAR(64) NOT NULL,
  guid VARCHAR(255) NULL,
  detail JSON NULL,
  change_number BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (id),
  KEY guid (guid)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

-- migrate:down

DROP TABLE IF EXISTS audit, changes, change_counter, candidates;
DROP VIEW IF EXISTS offerable;
DROP TABLE IF EXISTS compatibility, files, versions, addon_tags, addon_categories, categories, addon_authors, authors, addon_details, addons, applications;
