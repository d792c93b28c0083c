-- What update-check.sql tells, of all public add-ons: a page of rising ids at a time, for a worker that begins empty. Add-ons that
-- are not public have a row too, without a guid, so that the page's last id is known.
SELECT
  k.value AS counter,
  k.token,
  a.id,
  IF(a.is_public, a.guid, NULL) AS guid,
  a.slug,
  a.type,
  c.facts
FROM change_counter AS k
LEFT JOIN (
  SELECT id, guid, slug, type, disabled_by_user = FALSE AND status NOT IN ('disabled', 'deleted') AS is_public
  FROM addons
  WHERE id > ?
  ORDER BY id
  LIMIT ?
) AS a ON TRUE
LEFT JOIN candidates AS c ON c.addon_id = a.id AND a.is_public
WHERE k.id = 1;
