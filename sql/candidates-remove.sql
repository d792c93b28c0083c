-- First half of rebuilding the candidates of some add-ons: those go that may not be offered any more.
DELETE c
FROM candidates AS c
LEFT JOIN offerable AS o
  ON o.addon_id = c.addon_id AND o.application_id = c.application_id AND o.version_id = c.version_id
WHERE c.addon_id IN (?) AND o.version_id IS NULL;
