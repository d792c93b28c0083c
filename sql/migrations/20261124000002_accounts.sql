-- migrate:up

-- Two accounts a database: DATABASE_reader may read, DATABASE_catalog may write the catalogue, and add to `audit`, but not change it.
-- They are made locked; the program lets them in with passwords that follow from the owner's (docs/operations.md).

EXECUTE IMMEDIATE CONCAT('CREATE USER IF NOT EXISTS ''', DATABASE(), '_reader''@''%'' ACCOUNT LOCK');
EXECUTE IMMEDIATE CONCAT('CREATE USER IF NOT EXISTS ''', DATABASE(), '_catalog''@''%'' ACCOUNT LOCK');

EXECUTE IMMEDIATE CONCAT('GRANT SELECT ON `', REPLACE(DATABASE(), '_', '\\_'), '`.* TO ''', DATABASE(), '_reader''@''%''');
EXECUTE IMMEDIATE CONCAT('GRANT SELECT ON `', REPLACE(DATABASE(), '_', '\\_'), '`.* TO ''', DATABASE(), '_catalog''@''%''');

EXECUTE IMMEDIATE CONCAT('GRANT INSERT, UPDATE, DELETE ON applications TO ''', DATABASE(), '_catalog''@''%''');
EXECUTE IMMEDIATE CONCAT('GRANT INSERT, UPDATE, DELETE ON addons TO ''', DATABASE(), '_catalog''@''%''');
EXECUTE IMMEDIATE CONCAT('GRANT INSERT, UPDATE, DELETE ON addon_details TO ''', DATABASE(), '_catalog''@''%''');
EXECUTE IMMEDIATE CONCAT('GRANT INSERT, UPDATE, DELETE ON authors TO ''', DATABASE(), '_catalog''@''%''');
EXECUTE IMMEDIATE CONCAT('GRANT INSERT, UPDATE, DELETE ON addon_authors TO ''', DATABASE(), '_catalog''@''%''');
EXECUTE IMMEDIATE CONCAT('GRANT INSERT, UPDATE, DELETE ON categories TO ''', DATABASE(), '_catalog''@''%''');
EXECUTE IMMEDIATE CONCAT('GRANT INSERT, UPDATE, DELETE ON addon_categories TO ''', DATABASE(), '_catalog''@''%''');
EXECUTE IMMEDIATE CONCAT('GRANT INSERT, UPDATE, DELETE ON addon_tags TO ''', DATABASE(), '_catalog''@''%''');
EXECUTE IMMEDIATE CONCAT('GRANT INSERT, UPDATE, DELETE ON versions TO ''', DATABASE(), '_catalog''@''%''');
EXECUTE IMMEDIATE CONCAT('GRANT INSERT, UPDATE, DELETE ON files TO ''', DATABASE(), '_catalog''@''%''');
EXECUTE IMMEDIATE CONCAT('GRANT INSERT, UPDATE, DELETE ON compatibility TO ''', DATABASE(), '_catalog''@''%''');
EXECUTE IMMEDIATE CONCAT('GRANT INSERT, UPDATE, DELETE ON candidates TO ''', DATABASE(), '_catalog''@''%''');
EXECUTE IMMEDIATE CONCAT('GRANT UPDATE ON change_counter TO ''', DATABASE(), '_catalog''@''%''');
EXECUTE IMMEDIATE CONCAT('GRANT INSERT ON changes TO ''', DATABASE(), '_catalog''@''%''');
EXECUTE IMMEDIATE CONCAT('GRANT INSERT ON audit TO ''', DATABASE(), '_catalog''@''%''');

-- migrate:down

EXECUTE IMMEDIATE CONCAT('DROP USER IF EXISTS ''', DATABASE(), '_reader''@''%'', ''', DATABASE(), '_catalog''@''%''');
