/** Entries: what is put in comes out again, whatever it is, wherever the entry lies. */

import fc from 'fast-check'
import t from 'tap'
import { type Application, addonTypes } from '../../service/addon/index.ts'
import { choose, NONE } from '../../service/update/choose.ts'
import {
  BEFORE_UPDATES,
  CANDIDATE_ANSWER,
  counterOf,
  type Entry,
  ETAG_BYTES,
  etagOf,
  FLAGS,
  fileIdsOf,
  guidOf,
  isOf,
  lengthOf,
  listingOf,
  makeEntry,
  NO_UPDATE_TAG,
  OUTDATED,
  packageOf,
  readyAnswerAt,
  typeOf,
  updateAt,
} from '../../service/update/entry.ts'
import { GuidKey } from '../../service/update/guid-key.ts'
import { renderListing, renderUpdate, UPDATES_END } from '../../service/update/json.ts'
import { type Candidate, type Offer, readOffer, updateOf } from '../../service/update/offer.ts'
import { IGNORE } from '../../service/update/request.ts'
import { holds } from '../harness/property.ts'

const firefox: Application = { id: 1, guid: '{f}', name: 'firefox', manifest: 'json', jsonSince: { high: 0, low: 0 } }
const android: Application = { id: 2, guid: '{a}', name: 'android', manifest: 'json', jsonSince: { high: 0, low: 0 } }
const siteUrl = 'https://x'
const applications = [firefox, android]

const text = (maxLength: number) =>
  fc
    .string({ unit: 'grapheme', minLength: 1, maxLength })
    .filter((value) => value.trim() !== '' && !/\p{Cc}/u.test(value) && value.isWellFormed())
const half = fc.integer({ min: 0, max: 2 ** 30 - 1 })
const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length })
const hash = fc.oneof(
  fc.constant(null),
  hex(64).map((digits) => `sha256:${digits}`),
  hex(64).map((digits) => `sha256:${digits.toUpperCase()}`),
  hex(128).map((digits) => `sha512:${digits}`),
)
const candidate = fc
  .record({
    applicationId: fc.constantFrom(1, 2),
    minHigh: half,
    minLow: half,
    maxHigh: half,
    maxLow: half,
    strict: fc.boolean(),
    hasReleaseNotes: fc.boolean(),
    fileId: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    version: text(20),
    min: text(10),
    max: text(10),
    filename: fc.oneof(text(30), fc.constant('usual')),
    hash,
    url: fc.oneof(fc.constant(null), fc.webUrl()),
    package: fc.oneof(fc.constant(null), hex(64)),
    isPackageHashed: fc.boolean(),
  })
  .map(({ isPackageHashed, ...row }) => ({
    ...row,
    package: isPackageHashed && row.hash?.startsWith('sha256:') ? row.hash.slice(7).toLowerCase() : row.package,
  }))
const offer: fc.Arbitrary<Offer> = fc
  .record({
    guid: text(40).filter((value) => Buffer.byteLength(value) <= 255),
    slug: text(20),
    type: fc.constantFrom(...addonTypes),
    candidates: fc.array(candidate, { maxLength: 6 }),
  })
  .map((value) => ({
    ...value,
    candidates: value.candidates.map((row, index): Candidate => {
      const filename = row.filename === 'usual' ? `${value.slug}-${row.version}.xpi` : row.filename
      return { ...row, filename, versionId: 1_000 - index }
    }),
  }))
const counter = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })

/** The same entry somewhere in a larger memory. */
function moved(memory: Entry['memory'], at: number): Entry {
  const bytes = Buffer.from(new ArrayBuffer(at * 4 + memory.bytes.length + 64))
  memory.bytes.copy(bytes, at * 4)
  return { memory: { bytes, words: new Int32Array(bytes.buffer) }, at }
}

function newestFirst({ candidates }: Offer, applicationId: number): Candidate[] {
  return candidates
    .filter((row) => row.applicationId === applicationId)
    .sort((one, other) => other.versionId - one.versionId)
}

t.test('what is put in comes out', async (t) => {
  holds(
    t,
    'head, listing and packages',
    fc.property(offer, counter, fc.integer({ min: 0, max: 100 }), (given, at, place) => {
      const entry = moved(makeEntry(given, at, { siteUrl, applications }), place)
      const key = new GuidKey()
      key.read(given.guid)
      const wanted = newestFirst(given, 1).map((row) => renderUpdate(updateOf(row, given.slug, siteUrl, 'firefox')))
      return (
        guidOf(entry) === given.guid &&
        typeOf(entry) === given.type &&
        counterOf(entry) === at &&
        lengthOf(entry) % 4 === 0 &&
        isOf(entry.memory.words, entry.at, key) &&
        listingOf(entry, firefox, siteUrl) === renderListing(given.guid, wanted.reverse()) &&
        [...fileIdsOf(entry)].map((id) => id >>> 0).join() ===
          [1, 2].flatMap((id) => newestFirst(given, id).map(({ fileId }) => fileId)).join() &&
        given.candidates.every(({ fileId, package: digest }) => {
          const found = packageOf(entry, fileId)
          // Of two candidates with one file either may be looked at.
          return given.candidates.filter((row) => row.fileId === fileId).length > 1 || (found ?? null) === digest
        })
      )
    }),
    2_000,
  )
})

t.test('the newest answer is ready, with its ETag before it, on a word', async (t) => {
  holds(
    t,
    'ready',
    fc.property(offer, fc.integer({ min: 0, max: 100 }), (given, place) => {
      const entry = moved(makeEntry(given, 1, { siteUrl, applications }), place)
      const { words, bytes } = entry.memory
      const chosen = choose(words, entry.at, 1, 2 ** 30 - 1, 2 ** 30 - 1, IGNORE)
      const [newest] = newestFirst(given, 1)
      if (newest === undefined) return chosen === NONE
      const start = entry.at * 4 + (words[chosen + CANDIDATE_ANSWER] as number)
      const body = bytes.toString('utf8', start, start + (words[chosen + CANDIDATE_ANSWER + 1] as number))
      const update = updateOf(newest, given.slug, siteUrl, 'firefox')
      const read = updateAt(entry, chosen, firefox, siteUrl)
      return (
        start % 4 === 0 &&
        body === renderListing(given.guid, [renderUpdate(update)]) &&
        bytes.toString('latin1', start - ETAG_BYTES, start) === etagOf(body) &&
        JSON.stringify(read) === JSON.stringify(update)
      )
    }),
    2_000,
  )
})

t.test('a candidate of an application that is not known yet makes the entry outdated from the start', async (t) => {
  const facts = ['3', '1', '1', '2', '3', '4', '0', '0', '7', '1.0', '57.0', '*', 'a.xpi', '', '', ''].join('\u001f')
  const given = readOffer('a@b', 'a', 'extension', facts)
  const { words } = makeEntry(given, 1, { siteUrl, applications })
  t.ok((words[FLAGS] as number) & OUTDATED)
  const known = makeEntry(given, 1, { siteUrl, applications: [{ ...android, id: 3 }] })
  t.notOk((known.words[FLAGS] as number) & OUTDATED)
})

t.test('what the read model has of an add-on is read as it was written', async (t) => {
  const field = text(30).map((value) => value.replaceAll('\u001e', '').replaceAll('\u001f', ''))
  const whole = fc.nat({ max: 2 ** 31 })
  const candidate = fc.record({
    applicationId: whole,
    versionId: whole,
    minHigh: whole,
    minLow: whole,
    maxHigh: whole,
    maxLow: whole,
    strict: fc.boolean(),
    hasReleaseNotes: fc.boolean(),
    fileId: whole,
    version: field,
    min: field,
    max: field,
    filename: field,
    hash: field.map((value) => value || null),
    url: field.map((value) => value || null),
    package: field.map((value) => value || null),
  })
  const write = (one: Candidate) =>
    Object.values(one)
      .map((value) => (typeof value === 'boolean' ? Number(value) : (value ?? '')))
      .join('\u001f')
  holds(
    t,
    'field by field',
    fc.property(fc.array(candidate, { maxLength: 4 }), (candidates) => {
      const facts = candidates.map(write).join('\u001e')
      const { candidates: read } = readOffer('a@b', 'a', 'extension', facts)
      return candidates.every((one, index) =>
        Object.entries(one).every(([name, value]) => read[index]?.[name as keyof Candidate] === value),
      )
    }),
    1_000,
  )
  for (const facts of [
    '1',
    '1\u001f',
    '1\u001f2\u001f3\u001f4\u001f5\u001f6\u001f1\u001f1\u001fx\u001f1.0',
    '\u001e',
  ]) {
    t.throws(() => readOffer('a@b', 'a', 'extension', facts), JSON.stringify(facts))
  }
})

t.test('the answer that nothing suits is the begin of every other', async (t) => {
  holds(
    t,
    'its bytes and its ETag',
    fc.property(offer, fc.integer({ min: 0, max: 100 }), (given, place) => {
      const { memory, at } = moved(makeEntry(given, 1, { siteUrl, applications }), place)
      const { words, bytes } = memory
      const nothing = renderListing(given.guid, [])
      const tag = bytes.toString('latin1', (at + NO_UPDATE_TAG) * 4, (at + NO_UPDATE_TAG) * 4 + ETAG_BYTES)
      const ready = readyAnswerAt(words, at)
      if (tag !== etagOf(nothing)) return false
      if (ready === 0) return !given.candidates.some((row) => applications.some(({ id }) => id === row.applicationId))
      const begin = bytes.toString('latin1', ready * 4, ready * 4 + (words[at + BEFORE_UPDATES] as number))
      return begin + UPDATES_END === nothing
    }),
    2_000,
  )
})

t.test('guids of up to 255 bytes, and no others', async (t) => {
  const key = new GuidKey()
  for (const unit of ['a', 'é', '語', '😀']) {
    for (let count = 1; count <= 260; count++) {
      const guid = unit.repeat(count)
      if (key.read(guid) !== Buffer.byteLength(guid) <= 255) t.fail(`${count} times ${unit}`)
    }
    for (let before = 240; before <= 256; before++) {
      const guid = 'a'.repeat(before) + unit
      if (key.read(guid) !== Buffer.byteLength(guid) <= 255) t.fail(`${before} and ${unit}`)
    }
  }
  holds(
    t,
    'different guids have different keys',
    fc.property(text(60), text(60), (one, other) => {
      const [first, second] = [new GuidKey(), new GuidKey()]
      first.read(other.repeat(3))
      if (!first.read(one) || !second.read(other)) return true
      const same = first.hash === second.hash && first.length === second.length
      const bytes = (from: GuidKey) => Buffer.from(from.words.buffer, 0, Math.ceil(from.length / 4) * 4)
      return (one === other) === (same && bytes(first).equals(bytes(second)))
    }),
    2_000,
  )
})
