-- First half of rebuilding the candidates of some add-ons: all go, so that guids may change hands.
DELETE FROM candidates WHERE addon_id IN (?);
