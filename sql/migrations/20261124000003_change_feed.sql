-- migrate:up

-- A transaction's token tells timelines apart: after a restore, or the promotion of a replica that had not got everything, the
-- same number stands for another change, under another token.
ALTER TABLE change_counter ADD COLUMN IF NOT EXISTS token BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'of the last change, drawn at random';
ALTER TABLE changes ADD COLUMN IF NOT EXISTS token BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'of its transaction, drawn at random';
ALTER TABLE changes ADD KEY IF NOT EXISTS at (at);

-- Written every second on the primary: how old it is on a replica is the replica's lag, and a state with a later heartbeat but a
-- lower counter is a restored one.
CREATE TABLE IF NOT EXISTS heartbeat (
  id TINYINT UNSIGNED NOT NULL,
  at_ms BIGINT UNSIGNED NOT NULL COMMENT 'by the clock of the primary, since 1970; it never falls',
  PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

INSERT IGNORE INTO heartbeat (id, at_ms) VALUES (1, 0);

EXECUTE IMMEDIATE CONCAT('GRANT UPDATE ON heartbeat TO ''', DATABASE(), '_catalog''@''%''');
EXECUTE IMMEDIATE CONCAT('GRANT DELETE ON changes TO ''', DATABASE(), '_catalog''@''%''');

-- migrate:down

DROP TABLE IF EXISTS heartbeat;
ALTER TABLE changes DROP KEY at, DROP COLUMN token;
ALTER TABLE change_counter DROP COLUMN token;
