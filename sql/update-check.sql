-- What update checks need of the add-ons asked for: each public add-on, and its candidates beside it; and at what point of the
-- change feed it was read, in a first row even where nobody knows any of them.
-- LEFT JOIN: an add-on nobody knows (no row) and one with nothing to offer (a row without facts) are different answers.
-- Reads two index entries a guid and the candidates it returns, in index order: test/update/join.test.ts.
SELECT
  k.value AS counter,
  k.token,
  a.guid,
  a.slug,
  a.type,
  c.facts
FROM change_counter AS k
LEFT JOIN addons AS a
  ON a.guid IN (?) AND a.disabled_by_user = FALSE AND a.status NOT IN ('disabled', 'deleted')
LEFT JOIN candidates AS c ON c.addon_id = a.id
WHERE k.id = 1;
