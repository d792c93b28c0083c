/** What is offered of one add-on, as the database has it, and the addresses that are made of it. */

import type { AddonType } from '../addon/index.ts'

/** One version that may be offered to one application: a row of `candidates`. */
export interface Candidate {
  readonly applicationId: number
  readonly versionId: number
  readonly version: string
  readonly min: string
  readonly max: string
  /** The packed bounds, halved as in `PackedVersion`. */
  readonly minHigh: number
  readonly minLow: number
  readonly maxHigh: number
  readonly maxLow: number
  readonly strict: boolean
  readonly hasReleaseNotes: boolean
  readonly fileId: number
  readonly filename: string
  /** `sha256:…`, or null where no package was given. */
  readonly hash: string | null
  /** Another host that serves the file, or null: this service does. */
  readonly url: string | null
}

/** A public add-on and all its candidates, in any order. */
export interface Offer {
  readonly guid: string
  readonly slug: string
  readonly type: AddonType
  readonly candidates: readonly Candidate[]
}

/** `update_link` (contract section 4): answered by this service with the bytes that the hash names. */
export function updateLink(siteUrl: string, application: string, candidate: Candidate): string {
  if (candidate.url !== null) return candidate.url
  return `${siteUrl}/${application}/downloads/file/${candidate.fileId}/${encodeSegment(candidate.filename)}`
}

/** `update_info_url`: `%APP_LOCALE%` stays, the client fills it in. */
export function updateInfoUrl(siteUrl: string, application: string, slug: string, version: string): string {
  const encodedSlug = encodeURIComponent(slug).replaceAll(/[!'()*]/g, percent)
  return `${siteUrl}/%APP_LOCALE%/${application}/addon/${encodedSlug}/versions/${encodeSegment(version)}/updateinfo/`
}

/** A path segment as AMO writes it: what RFC 3986 lets stand in one stands. */
function encodeSegment(text: string): string {
  return encodeURIComponent(text).replaceAll(/%(?:24|26|2B|2C|3B|3D|3A|40)/g, decodeURIComponent)
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}
