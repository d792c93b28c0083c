/**
 * Answers in JSON (contract section 4). The text is what AMO's Python writes: `", "` and `": "` between things, everything
 * beyond ASCII escaped. So it is the same bytes in every charset.
 */

import { type Candidate, type Offer, updateInfoUrl, updateLink } from './offer.ts'

export const NOTHING_KNOWN = '{}'

const CLOSE = ']}}}'

/** A listing of no, one or several updates; `updates` as `renderUpdate` makes them. */
export function renderListing(guid: string, updates: readonly string[]): string {
  return `{"addons": {${quote(guid)}: {"updates": [${updates.join(', ')}${CLOSE}`
}

/** Cuts the one update out of a listing of the same guid. */
export function updateOf(listing: string, guid: string): string {
  return listing.slice(renderListing(guid, []).length - CLOSE.length, -CLOSE.length)
}

/** One entry of `updates`; no key is ever null, it is left out. */
export function renderUpdate(offer: Offer, candidate: Candidate, siteUrl: string, application: string): string {
  const max = candidate.strict ? `, "strict_max_version": ${quote(candidate.max)}` : ''
  const hash = candidate.hash === null ? '' : `, "update_hash": ${quote(candidate.hash)}`
  const info = candidate.hasReleaseNotes
    ? `, "update_info_url": ${quote(updateInfoUrl(siteUrl, application, offer.slug, candidate.version))}`
    : ''
  return (
    `{"version": ${quote(candidate.version)}, "update_link": ${quote(updateLink(siteUrl, application, candidate))}, ` +
    `"applications": {"gecko": {"strict_min_version": ${quote(candidate.min)}${max}}}${hash}${info}}`
  )
}

function quote(text: string): string {
  const quoted = JSON.stringify(text)
  return BEYOND_ASCII.test(quoted) ? quoted.replaceAll(EACH_BEYOND_ASCII, escapeUnit) : quoted
}

const BEYOND_ASCII = /[\u007f-\uffff]/
const EACH_BEYOND_ASCII = /[\u007f-\uffff]/g

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}
