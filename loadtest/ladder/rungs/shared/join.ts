/** The join over the catalogue's own tables, written by hand: all that a check needs, in one statement. */

import { type Answer, type Asked, answer, BAD_REQUEST, UNKNOWN_ADDON } from './check.ts'

/**
 * No row: nobody knows the application. A row without an add-on: nobody knows the add-on. One without a version: nothing suits.
 * Otherwise one for each version that does; they are not sorted, since that would take a temporary table (25 of 175 us).
 */
export const JOIN = `
SELECT
  p.name AS application, a.id AS addonId, a.slug,
  v.id AS versionId, v.version, v.release_notes IS NOT NULL AS hasReleaseNotes,
  c.min, c.max,
  f.id AS fileId, f.filename, f.strict_compatibility AS strict, f.hash, f.url
FROM applications AS p
LEFT JOIN addons AS a
  ON a.guid = ? AND a.disabled_by_user = FALSE AND a.status NOT IN ('disabled', 'deleted')
LEFT JOIN (
  versions AS v
  JOIN files AS f ON f.version_id = v.id AND f.status = 'approved'
  JOIN compatibility AS c ON c.version_id = v.id
) ON v.addon_id = a.id AND v.channel = 'listed' AND v.deleted = FALSE
  AND c.application_id = p.id
  AND c.min_packed <= CAST(? AS UNSIGNED)
  AND c.max_packed >= CAST(? AS UNSIGNED)
  AND (f.strict_compatibility = FALSE OR c.max_packed >= CAST(? AS UNSIGNED))
WHERE p.guid = ?`

/** What the join takes, in order. */
export function valuesOf({ id, packed, maxOfAny, maxOfStrict, appId }: Asked): string[] {
  return [id, packed, maxOfAny, maxOfStrict, appId]
}

interface Row {
  readonly application: string
  readonly addonId: number | null
  readonly slug: string
  readonly versionId: number | null
  readonly version: string
  readonly hasReleaseNotes: number
  readonly min: string
  readonly max: string
  readonly fileId: number
  readonly filename: string
  readonly strict: number
  readonly hash: string | null
  readonly url: string | null
}

/** What its rows say: the newest version is the one of the highest id. */
export function answerOf(asked: Asked, rows: readonly unknown[]): Answer {
  const [first, ...others] = rows as readonly Row[]
  if (first === undefined) return BAD_REQUEST
  if (first.addonId === null) return UNKNOWN_ADDON
  if (first.versionId === null) return answer(asked, first.application, undefined)
  let newest = first
  for (const row of others) if ((row.versionId as number) > (newest.versionId as number)) newest = row
  const offered = { ...newest, hasReleaseNotes: newest.hasReleaseNotes === 1, strict: newest.strict === 1 }
  return answer(asked, newest.application, offered)
}
