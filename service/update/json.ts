/**
 * Answers in JSON (contract section 4). The text is what AMO's Python writes: `", "` and `": "` between things, everything
 * beyond ASCII escaped. So it is the same bytes in every charset.
 */

import type { Update } from './offer.ts'

export const NOTHING_KNOWN = '{}'

/** What follows the updates of a listing. */
export const UPDATES_END = ']}}}'

/** A listing of no, one or several updates; `updates` as `renderUpdate` makes them. */
export function renderListing(guid: string, updates: readonly string[]): string {
  return `{"addons": {${quote(guid)}: {"updates": [${updates.join(', ')}${UPDATES_END}`
}

/** One entry of `updates`; no key is ever null, it is left out. */
export function renderUpdate({ version, link, min, max, strict, hash, infoUrl }: Update): string {
  return (
    `{"version": ${quote(version)}, "update_link": ${quote(link)}, "applications": {"gecko": {"strict_min_version": ${quote(min)}` +
    `${strict ? `, "strict_max_version": ${quote(max)}` : ''}}}` +
    `${hash === null ? '' : `, "update_hash": ${quote(hash)}`}` +
    `${infoUrl === null ? '' : `, "update_info_url": ${quote(infoUrl)}`}}`
  )
}

/** What `renderListing` made of one update. JSON never says its maximum where that doesn't bind: `max`. */
export function readListing(text: string, { max, strict }: { max: string; strict: boolean }): Update {
  const { addons } = JSON.parse(text) as { addons: Record<string, { updates: [JsonUpdate] }> }
  const [{ updates }] = Object.values(addons) as [{ updates: [JsonUpdate] }]
  const [{ version, update_link: link, applications, update_hash: hash = null, update_info_url: infoUrl = null }] =
    updates
  return { version, link, min: applications.gecko.strict_min_version, max, strict, hash, infoUrl }
}

interface JsonUpdate {
  readonly version: string
  readonly update_link: string
  readonly applications: { readonly gecko: { readonly strict_min_version: string } }
  readonly update_hash?: string
  readonly update_info_url?: string
}

function quote(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`
  return JSON.stringify(text).replaceAll(BEYOND_ASCII, escapeUnit)
}

/** What stands in JSON as it is; nearly every text here. */
const PLAIN = /^[ !#-[\]-~]*$/
const BEYOND_ASCII = /[\u007f-\uffff]/g

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}
