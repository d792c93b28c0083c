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

const FIELD_END = 0x1f
const FIELD_SEPARATOR = '\u001f'
const CANDIDATE_END = '\u001e'
/** Of each candidate: numbers first, then texts. */
const TEXTS = 7

/**
 * An add-on as the read model has it; `facts` is empty where it has nothing to offer. sql/candidates-write.sql has the fields.
 * Throws where they are not what is written there.
 */
export function readOffer(guid: string, slug: string, type: AddonType, facts: string): Offer {
  const candidates: Candidate[] = []
  for (let start = 0; start < facts.length; ) {
    const next = facts.indexOf(CANDIDATE_END, start)
    const end = next < 0 ? facts.length : next
    candidates.push(new StoredCandidate(facts, start, end))
    start = end + 1
  }
  return { guid, slug, type, candidates }
}

/** Most candidates are only compared: what is told of one is read when somebody is told. */
class StoredCandidate implements Candidate {
  readonly applicationId: number
  readonly versionId: number
  readonly minHigh: number
  readonly minLow: number
  readonly maxHigh: number
  readonly maxLow: number
  readonly strict: boolean
  readonly hasReleaseNotes: boolean
  readonly fileId: number
  private readonly facts: string
  /** Where its texts begin, and where they end. */
  private readonly at: number
  private readonly end: number
  private texts: readonly string[] | undefined

  constructor(facts: string, start: number, end: number) {
    let at = start
    /** The next field, digits only. */
    const read = () => {
      let value = 0
      let code = facts.charCodeAt(at++)
      for (; code >= 0x30 && code <= 0x39; code = facts.charCodeAt(at++)) value = value * 10 + code - 0x30
      if (code !== FIELD_END || at > end) throw new Error('facts of a candidate that are none')
      return value
    }
    this.applicationId = read()
    this.versionId = read()
    this.minHigh = read()
    this.minLow = read()
    this.maxHigh = read()
    this.maxLow = read()
    this.strict = read() === 1
    this.hasReleaseNotes = read() === 1
    this.fileId = read()
    // Counted now, so that whoever reads the facts finds out, and not a client that is to be told of them.
    let texts = 1
    for (let next = facts.indexOf(FIELD_SEPARATOR, at); next >= 0 && next < end; texts++) {
      next = facts.indexOf(FIELD_SEPARATOR, next + 1)
    }
    if (texts !== TEXTS) throw new Error(`the facts of version row ${this.versionId} are none`)
    this.facts = facts
    this.at = at
    this.end = end
  }

  get version(): string {
    return this.text(0)
  }
  get min(): string {
    return this.text(1)
  }
  get max(): string {
    return this.text(2)
  }
  get filename(): string {
    return this.text(3)
  }
  get hash(): string | null {
    return this.text(4) || null
  }
  get url(): string | null {
    return this.text(5) || null
  }
  get package(): string | null {
    return this.text(6) || null
  }

  private text(index: number): string {
    this.texts ??= this.facts.slice(this.at, this.end).split(FIELD_SEPARATOR)
    return this.texts[index] as string
  }
}

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
