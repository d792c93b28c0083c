-- The package of a public file: the same conditions as `offerable` and update-check.sql, without an application.
SELECT f.package, f.filename, f.size
FROM files AS f
JOIN versions AS v ON v.id = f.version_id
JOIN addons AS a ON a.id = v.addon_id
WHERE f.id = ? AND f.status = 'approved' AND f.package IS NOT NULL
  AND v.deleted = FALSE AND v.channel = 'listed'
  AND a.disabled_by_user = FALSE AND a.status NOT IN ('disabled', 'deleted');
