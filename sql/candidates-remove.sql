-- First half of rebuilding the candidates of some add-ons: those of add-ons go that have nothing to offer any more.
DELETE FROM candidates
WHERE addon_id IN (?) AND addon_id NOT IN (SELECT addon_id FROM offerable WHERE addon_id IN (?));
