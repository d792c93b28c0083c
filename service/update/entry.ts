/**
 * An entry: all that update checks need of one add-on, in one piece of memory that can be copied, stored and sent as it is. The
 * answer that nearly every client gets, the newest candidate in JSON, is rendered when the entry is made; a check only chooses
 * (choose.ts) and sends its bytes. Everything else is made from the records when it is asked for.
 *
 *     HEAD        length in bytes | hash of the guid | counter, two words | flags | guid and slug: length in bytes | sections | files |
 *                 the answer that nothing suits: how long its begin is that others have too, and its ETag
 *     guid, slug  each filled up to a word
 *     sections    one an application that is offered anything: application | candidates | word of the first one |
 *                 versions | word of the first file id | records: start, length
 *     candidates  newest first: min high, min low | max high and strict flag, max low | answer: start, length; or 0, number of
 *                 its record. Candidates that can never win, since a newer one admits all that they admit, are left out
 *     file ids    of all versions, newest first
 *     answers     each with its ETag in the ETAG_BYTES before it, both on a word
 *     records     what is told of each version, newest first (of the newest: what its answer doesn't say)
 *
 * Starts are bytes, and words are counted, from the start of the entry.
 */

import { hash } from 'node:crypto'
import { type AddonType, type Application, addonTypes, type ManifestFormat } from '../addon/index.ts'
import { GuidKey } from './guid-key.ts'
import { NOTHING_KNOWN, readListing, renderListing, renderUpdate, UPDATES_END } from './json.ts'
import { type Candidate, candidatesFor, type Offer, type Told, type Update, updateOf } from './offer.ts'
import { NOTHING_KNOWN_RDF, renderNoUpdateRdf, renderUpdateRdf } from './rdf.ts'

/** Memory in which entries lie: the same bytes, as integers and as text. */
export interface EntryMemory {
  readonly words: Int32Array
  readonly bytes: Buffer
}

/** One entry in a memory: where it begins, in words. Good until the memory is next written. */
export interface Entry {
  readonly memory: EntryMemory
  readonly at: number
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

const LENGTH = 0
export const HASH = 1
const COUNTER_HIGH = 2
const COUNTER_LOW = 3
export const FLAGS = 4
export const GUID_LENGTH = 5
export const SECTIONS = 6
const FILES = 7
/** How many bytes of a ready answer come before its updates. */
export const BEFORE_UPDATES = 8
export const NO_UPDATE_TAG = 9
export const ETAG_BYTES = 24
export const HEAD_WORDS = NO_UPDATE_TAG + ETAG_BYTES / 4

export const SECTION_WORDS = 7
const SECTION_FILES = 4
const SECTION_RECORDS = 5

export const CANDIDATE_WORDS = 6
export const CANDIDATE_ANSWER = 4

/** On `max high`: the maximum binds in mode normal too. Packed halves are under 2^30, so the bit is free. */
export const STRICT_FLAG = 1 << 30

/** Flags: it was asked for since the last look round; a newer state is known to exist; and from bit 8 on the type. */
export const VISITED = 1
export const OUTDATED = 2
const TYPE_SHIFT = 8

/** A word of GUID_LENGTH: the slug's length above it. */
const SLUG_SHIFT = 16
const LENGTH_MASK = (1 << SLUG_SHIFT) - 1

const COUNTER_HALF = 2 ** 30

/** A strong validator: the same body has the same one in every worker and after every restart. */
export function etagOf(body: string | Uint8Array): string {
  return `"${hash('sha256', body, 'base64url').slice(0, ETAG_BYTES - 2)}"`
}

/** An answer that is made now. */
export function answerOf(text: string): Answer {
  const body = Buffer.from(text)
  return { body, etag: etagOf(body) }
}

/** Answers that need no entry. */
export const nothingKnown: Readonly<Record<ManifestFormat, Answer>> = {
  json: answerOf(NOTHING_KNOWN),
  rdf: answerOf(NOTHING_KNOWN_RDF),
}

export function nothingSuits(guid: string, type: AddonType, format: ManifestFormat): Answer {
  return answerOf(format === 'json' ? renderListing(guid, []) : renderNoUpdateRdf(guid, type))
}

export interface UpdateAnswer {
  readonly guid: string
  readonly type: AddonType
  readonly application: Application
  readonly format: ManifestFormat
}

export function answerWith(update: Update, { guid, type, application, format }: UpdateAnswer): Answer {
  return answerOf(
    format === 'json'
      ? renderListing(guid, [renderUpdate(update)])
      : renderUpdateRdf(guid, type, application.guid, update),
  )
}

/** Makes the entry of an add-on as it was at `counter`, in memory of its own, at 0. */
export function makeEntry(offer: Offer, counter: number, options: RenderOptions): EntryMemory {
  const written = writeEntry(offer, counter, options)
  const length = lengthOf({ memory: written, at: 0 })
  const bytes = Buffer.from(new ArrayBuffer(length))
  written.bytes.copy(bytes, 0, 0, length)
  return { words: new Int32Array(bytes.buffer), bytes }
}

/** The same, in memory that the next one is written to: for whoever copies it at once, as of all add-ons. */
export function writeEntry(offer: Offer, counter: number, { siteUrl, applications }: RenderOptions): EntryMemory {
  if (!key.read(offer.guid)) throw new Error('a guid has more bytes than one may have')
  const sections: { application: Application; candidates: readonly Candidate[]; winners: readonly number[] }[] = []
  for (const application of applications) {
    const candidates = candidatesFor(offer, application.id)
    if (candidates.length > 0) sections.push({ application, candidates, winners: winnersOf(candidates) })
  }
  // Its slug is needed for versions whose answer isn't ready.
  const slug = Buffer.from(sections.some(({ candidates }) => candidates.length > 1) ? offer.slug : '')
  const known = sections.reduce((sum, { candidates }) => sum + candidates.length, 0)
  const noUpdate = renderListing(offer.guid, [])
  const flags = addonTypes.indexOf(offer.type) << TYPE_SHIFT
  const fileCount = known

  const guidWords = (key.length + 3) >> 2
  const slugWords = (slug.length + 3) >> 2
  const sectionsAt = HEAD_WORDS + guidWords + slugWords
  const candidatesAt = sectionsAt + sections.length * SECTION_WORDS
  const filesAt = candidatesAt + sections.reduce((sum, { winners }) => sum + winners.length, 0) * CANDIDATE_WORDS
  draft.begin((filesAt + fileCount) * 4)

  const sectionWords: number[] = []
  const candidateWords: number[] = []
  const fileWords: number[] = []
  const records: { word: number; text: string }[] = []
  for (const { application, candidates, winners } of sections) {
    const [newest] = candidates as [Candidate]
    const answer = draft.addAnswer(
      renderListing(offer.guid, [renderUpdate(updateOf(newest, offer.slug, siteUrl, application.name))]),
    )
    records.push({
      word: sectionWords.length + SECTION_RECORDS,
      text: candidates.map((candidate, number) => recordOf(candidate, number, offer.slug)).join(RECORD_END),
    })
    sectionWords.push(
      application.id,
      winners.length,
      candidatesAt + candidateWords.length,
      candidates.length,
      filesAt + fileWords.length,
      0,
      0,
    )
    for (const number of winners) {
      const { minHigh, minLow, maxHigh, maxLow, strict } = candidates[number] as Candidate
      candidateWords.push(minHigh, minLow, strict ? maxHigh | STRICT_FLAG : maxHigh, maxLow)
      if (number === 0) candidateWords.push(...answer)
      else candidateWords.push(0, number)
    }
    for (const { fileId } of candidates) fileWords.push(fileId | 0)
  }
  for (const { word, text } of records) {
    const [start, length] = draft.add(text)
    sectionWords[word] = start
    sectionWords[word + 1] = length
  }

  // A candidate of an application that was just added: another entry has to be made once that is known here too.
  const outdated = known < offer.candidates.length ? OUTDATED : 0
  const memory = draft.finish()
  memory.words.set([
    draft.length,
    key.hash,
    Math.floor(counter / COUNTER_HALF),
    counter % COUNTER_HALF,
    flags | outdated,
    key.length | (slug.length << SLUG_SHIFT),
    sections.length,
    fileCount,
    noUpdate.length - UPDATES_END.length,
  ])
  memory.bytes.write(etagOf(noUpdate), NO_UPDATE_TAG * 4, 'latin1')
  memory.words.set(key.words.subarray(0, guidWords), HEAD_WORDS)
  slug.copy(memory.bytes, (HEAD_WORDS + guidWords) * 4)
  memory.words.set(sectionWords, sectionsAt)
  memory.words.set(candidateWords, candidatesAt)
  memory.words.set(fileWords, filesAt)
  return memory
}

/** Which candidates can be chosen at all, by their place. One that admits all that an older one admits leaves it no client. */
function winnersOf(candidates: readonly Candidate[]): number[] {
  const winners: number[] = []
  for (const [number, candidate] of candidates.entries()) {
    if (!winners.some((newer) => admitsAllOf(candidates[newer] as Candidate, candidate))) winners.push(number)
  }
  return winners
}

/** In each mode: its minimum is no higher, it binds its maximum only where the other does, and that is no lower. */
function admitsAllOf(one: Candidate, other: Candidate): boolean {
  return (
    !isLess(other.minHigh, other.minLow, one.minHigh, one.minLow) &&
    !isLess(one.maxHigh, one.maxLow, other.maxHigh, other.maxLow) &&
    (!one.strict || other.strict)
  )
}

export function isLess(high: number, low: number, otherHigh: number, otherLow: number): boolean {
  return high < otherHigh || (high === otherHigh && low < otherLow)
}

const RECORD_END = '\u001e'
const FIELD_END = '\u001f'
/** What stands for the package in a record: the one that the hash names. */
const AS_HASH = '='
const SHA256 = /^sha256:[0-9a-f]{64}$/
/** Before a SHA-256 in base64, which is a third shorter than in hex. */
const SHORT_HASH = '#'

/** A record: fields by position; of the newest version only what its answer doesn't say. */
function recordOf(candidate: Candidate, number: number, slug: string): string {
  const { max, hash: announced, package: digest } = candidate
  const stored = digest === null ? '' : announced === `sha256:${digest}` ? AS_HASH : digest
  const fields = [stored, max]
  if (number > 0) {
    const { version, min, strict, hasReleaseNotes, filename, url } = candidate
    const hashField =
      announced !== null && SHA256.test(announced)
        ? SHORT_HASH + Buffer.from(announced.slice(7), 'hex').toString('base64url')
        : (announced ?? '')
    const marks = String(Number(strict) + 2 * Number(hasReleaseNotes))
    const shownName = filename === usualName(slug, version) ? '' : filename
    fields.push(version, min, marks, shownName, hashField, url ?? '')
  }
  return fields.join(FIELD_END)
}

/** One application's part of an entry. */
interface Section {
  readonly word: number
  readonly applicationId: number
  readonly records: readonly string[]
}

export function typeOf({ memory: { words }, at }: Entry): AddonType {
  return addonTypes[(words[at + FLAGS] as number) >>> TYPE_SHIFT] as AddonType
}

/** The change counter that the entry was read at. */
export function counterOf({ memory: { words }, at }: Entry): number {
  return (words[at + COUNTER_HIGH] as number) * COUNTER_HALF + (words[at + COUNTER_LOW] as number)
}

export function lengthOf({ memory: { words }, at }: Entry): number {
  return words[at + LENGTH] as number
}

export function guidOf({ memory: { words, bytes }, at }: Entry): string {
  const start = (at + HEAD_WORDS) * 4
  return bytes.toString('utf8', start, start + ((words[at + GUID_LENGTH] as number) & LENGTH_MASK))
}

/** Whether the entry is the one of this guid. */
export function isOf(words: Int32Array, at: number, key: GuidKey): boolean {
  if (words[at + HASH] !== key.hash || ((words[at + GUID_LENGTH] as number) & LENGTH_MASK) !== key.length) return false
  const end = (key.length + 3) >> 2
  for (let word = 0; word < end; word++) if (words[at + HEAD_WORDS + word] !== key.words[word]) return false
  return true
}

/** Where the sections of the entry begin, in words of the memory. */
export function sectionsAt(words: Int32Array, at: number): number {
  const lengths = words[at + GUID_LENGTH] as number
  return at + HEAD_WORDS + (((lengths & LENGTH_MASK) + 3) >> 2) + (((lengths >>> SLUG_SHIFT) + 3) >> 2)
}

/** Where one of the entry's ready answers begins, in words of the memory; 0 where it offers nothing to anybody. */
export function readyAnswerAt(words: Int32Array, at: number): number {
  if (words[at + SECTIONS] === 0) return 0
  const newest = at + (words[sectionsAt(words, at) + 2] as number)
  return at + ((words[newest + CANDIDATE_ANSWER] as number) >> 2)
}

/**
 * Looks at some ten lines of the processor's cache, most of what a check reads of an entry. Each is found by what stands in one
 * before, so one after the other they would take the way to the memory as often; asked for all at once they arrive together.
 * TOUCHED_WORDS must be there, whatever they hold.
 */
export function touch(words: Int32Array, at: number): number {
  return (
    (words[at + 16] as number) ^
    (words[at + 32] as number) ^
    (words[at + 48] as number) ^
    (words[at + 64] as number) ^
    (words[at + 80] as number) ^
    (words[at + 96] as number) ^
    (words[at + 112] as number) ^
    (words[at + 128] as number)
  )
}
export const TOUCHED_WORDS = 129

/** The ids of all files that the entry offers, by application, newest first. */
export function fileIdsOf({ memory: { words }, at }: Entry): Int32Array {
  const first = at + (words[sectionsAt(words, at) + SECTION_FILES] as number)
  const count = words[at + FILES] as number
  return count === 0 ? words.subarray(0, 0) : words.subarray(first, first + count)
}

/**
 * What is told of a version: `candidate` as `choose` returns it. `application`: the one it was chosen for.
 */
export function updateAt(entry: Entry, candidate: number, application: Application, siteUrl: string): Update {
  const { words } = entry.memory
  const section = sectionOf(entry, application.id) as Section
  const isReady = words[candidate + CANDIDATE_ANSWER] !== 0
  const number = isReady ? 0 : (words[candidate + CANDIDATE_ANSWER + 1] as number)
  return readRecord(entry, section, number, application.name, siteUrl)
}

/**
 * What a static update.json of the add-on would hold for an application: all its candidates, oldest first (contract section 7).
 */
export function listingOf(entry: Entry, application: Application | undefined, siteUrl: string): string {
  const section = application && sectionOf(entry, application.id)
  const updates = section?.records.map((_, number) =>
    renderUpdate(readRecord(entry, section, number, (application as Application).name, siteUrl)),
  )
  return renderListing(guidOf(entry), updates?.reverse() ?? [])
}

/** SHA-256 of the package of a file that the entry offers; undefined where it offers no such file, or the package isn't there. */
export function packageOf(entry: Entry, fileId: number): string | undefined {
  const { words } = entry.memory
  const first = sectionsAt(words, entry.at)
  for (let number = 0; number < (words[entry.at + SECTIONS] as number); number++) {
    const section = readSection(entry, first + number * SECTION_WORDS)
    const files = entry.at + (words[section.word + SECTION_FILES] as number)
    const place = words.subarray(files, files + section.records.length).indexOf(fileId | 0)
    if (place < 0) continue
    const [stored = ''] = (section.records[place] as string).split(FIELD_END)
    if (stored !== AS_HASH) return stored || undefined
    return readRecord(entry, section, place, '', '').hash?.slice('sha256:'.length)
  }
  return undefined
}

function sectionOf(entry: Entry, applicationId: number): Section | undefined {
  const { words } = entry.memory
  const first = sectionsAt(words, entry.at)
  for (let number = 0; number < (words[entry.at + SECTIONS] as number); number++) {
    const word = first + number * SECTION_WORDS
    if (words[word] === applicationId) return readSection(entry, word)
  }
  return undefined
}

function readSection({ memory: { words, bytes }, at }: Entry, word: number): Section {
  const start = at * 4 + (words[word + SECTION_RECORDS] as number)
  const text = bytes.toString('utf8', start, start + (words[word + SECTION_RECORDS + 1] as number))
  return { word, applicationId: words[word] as number, records: text.split(RECORD_END) }
}

function readRecord(entry: Entry, section: Section, number: number, application: string, siteUrl: string): Update {
  const { memory, at } = entry
  const { words, bytes } = memory
  const fields = (section.records[number] as string).split(FIELD_END)
  const [, max = ''] = fields
  if (number === 0) {
    const candidate = at + (words[section.word + 2] as number)
    const start = at * 4 + (words[candidate + CANDIDATE_ANSWER] as number)
    const text = bytes.toString('utf8', start, start + (words[candidate + CANDIDATE_ANSWER + 1] as number))
    return readListing(text, { max, strict: ((words[candidate + 2] as number) & STRICT_FLAG) !== 0 })
  }
  const [, , version = '', min = '', marks, filename = '', hashField = '', url = ''] = fields
  const slug = slugOf(entry)
  const told: Told = {
    version,
    min,
    max,
    strict: (Number(marks) & 1) !== 0,
    hasReleaseNotes: (Number(marks) & 2) !== 0,
    filename: filename || usualName(slug, version),
    hash: readHash(hashField),
    url: url || null,
    fileId: (words[at + (words[section.word + SECTION_FILES] as number) + number] as number) >>> 0,
  }
  return updateOf(told, slug, siteUrl, application)
}

/** What nearly every package is called; it needs no telling. */
function usualName(slug: string, version: string): string {
  return `${slug}-${version}.xpi`
}

function readHash(field: string): string | null {
  if (!field.startsWith(SHORT_HASH)) return field || null
  return `sha256:${Buffer.from(field.slice(SHORT_HASH.length), 'base64url').toString('hex')}`
}

function slugOf({ memory: { words, bytes }, at }: Entry): string {
  const lengths = words[at + GUID_LENGTH] as number
  const start = (at + HEAD_WORDS + (((lengths & LENGTH_MASK) + 3) >> 2)) * 4
  return bytes.toString('utf8', start, start + (lengths >>> SLUG_SHIFT))
}

/** The memory in which one entry after another is written: words at its beginning, texts behind them. */
class Draft {
  private bytes = Buffer.alloc(0)
  private memory: EntryMemory = { words: new Int32Array(), bytes: this.bytes }
  private end = 0

  /** Forgets what was written. So many bytes are left for words, with nothing in them yet. */
  begin(start: number): void {
    if (this.bytes.length > DRAFT_BYTES_KEPT) this.bytes = Buffer.alloc(0)
    this.end = 0
    this.makeRoom(start)
    this.bytes.fill(0, 0, start)
    this.end = start
  }

  /** Of all that was written, in bytes. */
  get length(): number {
    return this.end
  }

  /** Start and length of the text. */
  add(text: string): [number, number] {
    this.makeRoom(this.end + text.length * UTF8_BYTES_MAX)
    const start = this.end
    const length = this.bytes.write(text, start)
    this.end = start + length
    return [start, length]
  }

  /** Start and length of the text, which begins on a word; its ETag lies before it. */
  addAnswer(text: string): [number, number] {
    this.fillWord()
    this.add(etagOf(text))
    return this.add(text)
  }

  finish(): EntryMemory {
    this.fillWord()
    return this.memory
  }

  private fillWord(): void {
    const end = (this.end + 3) & ~3
    this.bytes.fill(0, this.end, end)
    this.end = end
  }

  private makeRoom(length: number): void {
    const needed = length + 3
    if (needed <= this.bytes.length) return
    const bytes = Buffer.from(new ArrayBuffer(Math.max(DRAFT_BYTES_MIN, 2 ** Math.ceil(Math.log2(needed)))))
    this.bytes.copy(bytes, 0, 0, this.end)
    this.bytes = bytes
    this.memory = { words: new Int32Array(bytes.buffer), bytes }
  }
}
const DRAFT_BYTES_MIN = 64 * 1024
/** Few add-ons take more. */
const DRAFT_BYTES_KEPT = 1024 * 1024
/** Of one unit of a text. */
const UTF8_BYTES_MAX = 3

const draft = new Draft()
const key = new GuidKey()
