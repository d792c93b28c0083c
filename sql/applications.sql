-- Every application that may ask.
SELECT id, guid, name, manifest, json_since AS jsonSince FROM applications;
