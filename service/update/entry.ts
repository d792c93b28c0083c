/**
 * An entry: all that update checks need of one add-on, in one piece of memory, made once and read many times. The answers are
 * rendered when the entry is made; a check only chooses one (choose.ts) and sends its bytes.
 *
 *     words   0 HEAD    entry length in bytes | sections | JSON for "nothing suits": start, length | the same in RDF: start, length
 *             6         each section: key | word of its first candidate | number of candidates
 *             …         each candidate, newest first: min high, min low | max high and strict flag, max low | answer: start, length
 *     bytes   …         the answers, each with its ETag in the ETAG_BYTES before it
 *
 * Starts are bytes from the start of the entry. A section is what one application reads in one format.
 */

import { hash } from 'node:crypto'
import { type Application, type ManifestFormat, readsRdf } from '../addon/index.ts'
import { NOTHING_KNOWN, renderListing, renderUpdate, updateOf } from './json.ts'
import type { Candidate, Offer } from './offer.ts'
import { NOTHING_KNOWN_RDF, renderNoUpdateRdf, renderUpdateRdf } from './rdf.ts'

/** Memory in which entries lie: the same bytes, as integers and as text. */
export interface EntryMemory {
  readonly words: Int32Array
  readonly bytes: Buffer
}

/** An answer's bytes and its validator, ready to send. */
export interface Answer {
  readonly body: Uint8Array
  readonly etag: string
}

export interface RenderOptions {
  /** Public base URL, without a slash at its end. */
  readonly siteUrl: string
  readonly applications: readonly Application[]
}

export const HEAD_WORDS = 6
export const SECTION_WORDS = 3
export const CANDIDATE_WORDS = 6
export const ETAG_BYTES = 24

/** On `max high`: the maximum binds in mode normal too. Packed halves are under 2^30, so the bit is free. */
export const STRICT_FLAG = 1 << 30

/** The key of the section that an application reads in a format. */
export function sectionKey(applicationId: number, format: ManifestFormat): number {
  return applicationId * 2 + (format === 'json' ? 0 : 1)
}

/** A strong validator: the same body has the same one in every worker and after every restart. */
export function etagOf(body: string | Uint8Array): string {
  return `"${hash('sha256', body, 'base64url').slice(0, ETAG_BYTES - 2)}"`
}

/** Answers that need no entry. */
export const nothingKnown: Readonly<Record<ManifestFormat, Answer>> = {
  json: { body: Buffer.from(NOTHING_KNOWN), etag: etagOf(NOTHING_KNOWN) },
  rdf: { body: Buffer.from(NOTHING_KNOWN_RDF), etag: etagOf(NOTHING_KNOWN_RDF) },
}

/** Makes the entry of an add-on in memory of its own, at 0. */
export function makeEntry(offer: Offer, { siteUrl, applications }: RenderOptions): EntryMemory {
  const sections: { key: number; candidates: readonly Candidate[]; bodies: string[] }[] = []
  let rdfWanted = false
  for (const application of applications) {
    const candidates = offer.candidates
      .filter((candidate) => candidate.applicationId === application.id)
      .sort((one, other) => other.versionId - one.versionId)
    if (candidates.length > 0) {
      const bodies = candidates.map((candidate) =>
        renderListing(offer.guid, [renderUpdate(offer, candidate, siteUrl, application.name)]),
      )
      sections.push({ key: sectionKey(application.id, 'json'), candidates, bodies })
    }
    if (!readsRdf(application)) continue
    rdfWanted = true
    if (candidates.length > 0) {
      const bodies = candidates.map((candidate) => renderUpdateRdf(offer, candidate, siteUrl, application))
      sections.push({ key: sectionKey(application.id, 'rdf'), candidates, bodies })
    }
  }
  const texts = new Texts(
    HEAD_WORDS + sections.reduce((sum, { candidates }) => sum + SECTION_WORDS + candidates.length * CANDIDATE_WORDS, 0),
  )
  const words: number[] = [0, sections.length]
  words.push(...texts.add(renderListing(offer.guid, [])))
  words.push(...(rdfWanted ? texts.add(renderNoUpdateRdf(offer)) : [0, 0]))
  let candidateWord = HEAD_WORDS + sections.length * SECTION_WORDS
  for (const { key, candidates } of sections) {
    words.push(key, candidateWord, candidates.length)
    candidateWord += candidates.length * CANDIDATE_WORDS
  }
  for (const { candidates, bodies } of sections) {
    for (const [at, { minHigh, minLow, maxHigh, maxLow, strict }] of candidates.entries()) {
      words.push(minHigh, minLow, strict ? maxHigh | STRICT_FLAG : maxHigh, maxLow, ...texts.add(bodies[at] as string))
    }
  }
  return texts.joinedBehind(words)
}

/** Collects texts that will lie behind so many words. */
class Texts {
  private readonly pieces: Buffer[] = []
  private end: number

  constructor(words: number) {
    this.end = words * 4
  }

  /** Start and length of the text; its ETag lies before it. */
  add(text: string): [number, number] {
    const body = Buffer.from(text)
    this.pieces.push(Buffer.from(etagOf(body)), body)
    const start = this.end + ETAG_BYTES
    this.end = start + body.length
    return [start, body.length]
  }

  joinedBehind(words: number[]): EntryMemory {
    const length = Math.ceil(this.end / 4) * 4
    const bytes = Buffer.from(new ArrayBuffer(length))
    const numbers = new Int32Array(bytes.buffer)
    words[0] = length
    numbers.set(words)
    let at = words.length * 4
    for (const piece of this.pieces) at += piece.copy(bytes, at)
    return { words: numbers, bytes }
  }
}

/**
 * What a static update.json of the add-on would hold for an application: all its candidates, oldest first (contract section 7).
 * `at`: where the entry begins, in words.
 */
export function listingOf({ words, bytes }: EntryMemory, at: number, applicationId: number, guid: string): string {
  const key = sectionKey(applicationId, 'json')
  const updates: string[] = []
  for (let section = at + HEAD_WORDS, left = words[at + 1] as number; left > 0; left--, section += SECTION_WORDS) {
    if (words[section] !== key) continue
    const first = at + (words[section + 1] as number)
    for (let number = (words[section + 2] as number) - 1; number >= 0; number--) {
      const candidate = first + number * CANDIDATE_WORDS
      const start = at * 4 + (words[candidate + 4] as number)
      updates.push(updateOf(bytes.toString('latin1', start, start + (words[candidate + 5] as number)), guid))
    }
  }
  return renderListing(guid, updates)
}
