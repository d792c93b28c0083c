/** What is offered of one add-on, as the database has it, and what a client is told of it. */

import type { AddonType } from '../addon/index.ts'

/** One version that may be offered to one application: a row of `candidates`. */
export interface Candidate {
  readonly applicationId: number
  readonly versionId: number
  /** The packed bounds, halved as in `PackedVersion`. */
  readonly minHigh: number
  readonly minLow: number
  readonly maxHigh: number
  readonly maxLow: number
  readonly strict: boolean
  readonly hasReleaseNotes: boolean
  readonly fileId: number
  readonly version: string
  readonly min: string
  readonly max: string
  readonly filename: string
  /** `sha256:…`, or null where no package was given. */
  readonly hash: string | null
  /** Another host that serves the file, or null: this service does. */
  readonly url: string | null
  /** SHA-256 of the package in the store, or null where it isn't there. */
  readonly package: string | null
}

/** A public add-on and all its candidates, in any order. */
export interface Offer {
  readonly guid: string
  readonly slug: string
  readonly type: AddonType
  readonly candidates: readonly Candidate[]
}

/** What a client is told of a version. */
export interface Update {
  readonly version: string
  readonly link: string
  readonly min: string
  readonly max: string
  /** Whether it is told the maximum, where it has the choice. */
  readonly strict: boolean
  readonly hash: string | null
  readonly infoUrl: string | null
}

const FIELD_END = '\u001f'

/** Reads the text that the view `offerable` makes of a candidate (sql/candidates-write.sql lists its fields). */
export function readFacts(applicationId: number, versionId: number, facts: string): Candidate {
  const fields = facts.split(FIELD_END) as FactFields
  if (fields.length !== FACT_FIELDS)
    throw new Error(`the facts of version row ${versionId} have ${fields.length} fields`)
  const [minHigh, minLow, maxHigh, maxLow, strict, notes, fileId, version, min, max, filename, hash, url, digest] =
    fields
  return {
    applicationId,
    versionId,
    minHigh: Number(minHigh),
    minLow: Number(minLow),
    maxHigh: Number(maxHigh),
    maxLow: Number(maxLow),
    strict: strict === '1',
    hasReleaseNotes: notes === '1',
    fileId: Number(fileId),
    version,
    min,
    max,
    filename,
    hash: hash || null,
    url: url || null,
    package: digest || null,
  }
}

const FACT_FIELDS = 14
type FactFields = [
  minHigh: string,
  minLow: string,
  maxHigh: string,
  maxLow: string,
  strict: string,
  notes: string,
  fileId: string,
  version: string,
  min: string,
  max: string,
  filename: string,
  hash: string,
  url: string,
  digest: string,
]

/** Newest first. The newest candidate is the one of the highest version row, whatever its number says (contract section 2). */
export function candidatesFor({ candidates }: Offer, applicationId: number): Candidate[] {
  return candidates
    .filter((candidate) => candidate.applicationId === applicationId)
    .sort((one, other) => other.versionId - one.versionId)
}

/** What of a candidate the addresses in an update are made of. */
export type Told = Pick<
  Candidate,
  'version' | 'min' | 'max' | 'strict' | 'hash' | 'url' | 'fileId' | 'filename' | 'hasReleaseNotes'
>

/** `application`: its short name. */
export function updateOf(candidate: Told, slug: string, siteUrl: string, application: string): Update {
  const { version, min, max, strict, hash, url, fileId, filename, hasReleaseNotes } = candidate
  return {
    version,
    link: url ?? `${siteUrl}/${application}/downloads/file/${fileId}/${encodeSegment(filename)}`,
    min,
    max,
    strict,
    hash,
    infoUrl: hasReleaseNotes ? updateInfoUrl(siteUrl, application, slug, version) : null,
  }
}

/** `update_info_url`: `%APP_LOCALE%` stays, the client fills it in. */
function updateInfoUrl(siteUrl: string, application: string, slug: string, version: string): string {
  const encodedSlug = encodeURIComponent(slug).replaceAll(/[!'()*]/g, percent)
  return `${siteUrl}/%APP_LOCALE%/${application}/addon/${encodedSlug}/versions/${encodeSegment(version)}/updateinfo/`
}

/** A path segment as AMO writes it: what RFC 3986 lets stand in one stands. */
function encodeSegment(text: string): string {
  if (PLAIN_SEGMENT.test(text)) return text
  return encodeURIComponent(text).replaceAll(/%(?:24|26|2B|2C|3B|3D|3A|40)/g, decodeURIComponent)
}

const PLAIN_SEGMENT = /^[\w.~-]*$/

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}
