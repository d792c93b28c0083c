/**
 * The update check: the handler of the hot path. It reads the request before it returns, finds the add-on's entry, chooses an
 * answer of it and sends bytes that were made earlier. What isn't held is fetched, and answered later.
 */

import type { HttpRequest, HttpResponse } from 'uWebSockets.js'
import { type Application, formatFor, type ManifestFormat, readAppVersion } from '../addon/index.ts'
import { RETRY_AFTER_S } from '../limits.ts'
import { ApplicationLetters } from './application-letters.ts'
import { choose, chooseFrom, NONE } from './choose.ts'
import {
  type Answer,
  answerOf,
  answerWith,
  BEFORE_UPDATES,
  CANDIDATE_ANSWER,
  type Entry,
  type EntryMemory,
  ETAG_BYTES,
  etagOf,
  FLAGS,
  guidOf,
  listingOf,
  NO_UPDATE_TAG,
  nothingKnown,
  nothingSuits,
  OUTDATED,
  readyAnswerAt,
  typeOf,
  updateAt,
} from './entry.ts'
import { GuidKey } from './guid-key.ts'
import { CACHE_CONTROL, cacheStatus, contentTypes, NO_STORE, ReadyHeaders, type Tier } from './headers.ts'
import { renderListing, renderUpdate } from './json.ts'
import { KnownVersions } from './known-versions.ts'
import { candidatesFor, type Offer, updateOf } from './offer.ts'
import { ABSENT, CheckQuery, decodeForm, type ModeCode } from './request.ts'
import { type MadeAnswer, MadeAnswers, Sendable, withTag } from './sendable.ts'

/** The entries that a worker holds. */
export interface Held extends EntryMemory {
  /** Rises whenever an entry comes or goes. */
  readonly changes: number
  /** Where the entry of a guid begins, in words; 0 where it isn't held. */
  find(key: GuidKey): number
}

/** The applications that may ask; an admin may add some, then the field changes. */
export interface KnownApplications {
  readonly byGuid: ReadonlyMap<string, Application>
}

/** How far what is held can be believed; its fields change as the worker is in touch with its replica or not. */
export interface Standing {
  /** Of a ready answer. */
  headers: ReadyHeaders
  cacheStatus: string
  /** Nobody could be asked for a while: what is held may be old. */
  isStale: boolean
  /** So long that a version may have been withdrawn in the meantime: no updates are offered. */
  isWithheld: boolean
  /** Every public add-on is held: a guid that isn't is unknown. */
  isComplete: boolean
}

/** What was found of an add-on that isn't held, or is held and outdated. Neither offer nor entry: nobody knows the add-on. */
export interface Found {
  readonly tier: Tier
  /** Seconds since somebody who knows could be asked; undefined where this is as new as can be. */
  readonly ageS: number | undefined
  readonly offer?: Offer
  readonly entry?: Entry
  /** It may offer what has been withdrawn: no updates are offered. */
  readonly isWithheld?: boolean
}

/** Plain numbers, read by the metrics. */
export interface CheckCounts {
  /** Answered from each tier, and of these while nobody who is up to date could be asked. */
  memory: number
  memoryStale: number
  memcached: number
  memcachedStale: number
  replica: number
  replicaStale: number
  /** 503. */
  unavailable: number
  /** 400. */
  invalid: number
}

export function emptyCounts(): CheckCounts {
  return {
    memory: 0,
    memoryStale: 0,
    memcached: 0,
    memcachedStale: 0,
    replica: 0,
    replicaStale: 0,
    unavailable: 0,
    invalid: 0,
  }
}

export interface CheckOptions {
  readonly applications: KnownApplications
  /** Public base URL, without a slash at its end. */
  readonly siteUrl: string
  /** Undefined: nothing is held. */
  readonly held: Held | undefined
  readonly standing: Standing
  /** Finds what isn't held, and tells once; undefined where nobody could be asked. */
  readonly fetch: (guid: string, done: (found: Found | undefined) => void) => void
  /** Keeps the answer open until it comes. Called before the handler returns. */
  readonly begin: (res: HttpResponse) => { answer(write: (res: HttpResponse) => void): void }
  readonly endWithoutBody: (res: HttpResponse, closing: boolean, length?: number) => void
  readonly counts: CheckCounts
}

type CheckHandler = (res: HttpResponse, req: HttpRequest, closing: boolean, ifNoneMatch: string) => void

export interface Check {
  /** `/update/` and `/update/VersionCheck.php` */
  readonly get: CheckHandler
  readonly head: CheckHandler
  /** `/update/{guid}.json` */
  readonly getListing: CheckHandler
  readonly headListing: CheckHandler
}

/** How an answer goes out, beside its bytes. */
interface Delivery {
  readonly head: boolean
  readonly closing: boolean
  /** The client's If-None-Match, or empty. */
  readonly ifNoneMatch: string
}

/** What a client asked, beside the add-on. */
interface Asked {
  readonly application: Application
  readonly format: ManifestFormat
  readonly high: number
  readonly low: number
  readonly mode: ModeCode
}

const BAD_REQUEST = '400 Bad Request'
const NOT_FOUND = '404 Not Found'

/** The application whose static update.json this service replaces. */
const LISTING_APPLICATION = 'firefox'
const LISTING_PREFIX = '/update/'
const LISTING_SUFFIX = '.json'

const UNAVAILABLE = cacheStatus('unavailable')

export function createCheck(options: CheckOptions): Check {
  const { applications, siteUrl, held, standing, fetch, begin, endWithoutBody, counts } = options
  const query = new CheckQuery()
  const client = { high: 0, low: 0 }
  const key = new GuidKey()
  const sendable = new Sendable()
  const made = new MadeAnswers()
  const foundHeaders: Readonly<Record<Tier, ReadyHeaders>> = {
    memory: new ReadyHeaders(plainStatus.memory),
    memcached: new ReadyHeaders(plainStatus.memcached),
    replica: new ReadyHeaders(plainStatus.replica),
  }
  const versions = new KnownVersions()
  let known = new ApplicationLetters(applications.byGuid)

  function findApplication(): Application | undefined {
    const { byGuid } = applications
    if (!query.isPlain) return byGuid.get(query.appId as string)
    if (known.byGuid !== byGuid) known = new ApplicationLetters(byGuid)
    return known.find(query.memory, query.appIdStart, query.appIdEnd)
  }

  function check(res: HttpResponse, req: HttpRequest, closing: boolean, ifNoneMatch: string, head: boolean): void {
    query.read(req.getQuery())
    const { text, idStart, idEnd, versionStart, versionEnd, mode } = query
    const application = query.appIdStart === ABSENT ? undefined : findApplication()
    if (application === undefined || query.isBlank(idStart, idEnd) || query.isBlank(versionStart, versionEnd)) {
      counts.invalid++
      const format = application?.manifest ?? 'json'
      send(res, BAD_REQUEST, format, nothingKnown[format], '', CACHE_CONTROL, { head, closing, ifNoneMatch: '' })
      return
    }
    if (query.isPlain) versions.read(query.memory, text, client, versionStart, versionEnd)
    else readAppVersion(text, client, versionStart, versionEnd)
    const { high, low } = client
    const format = formatFor(application, high, low)
    const isKey = query.isPlain ? key.readAscii(query.memory, idStart, idEnd) : key.read(text.slice(idStart, idEnd))
    const at = isKey ? find() : TOO_LONG
    if (at === 0) {
      const id = text.slice(idStart, idEnd)
      const asked = { application, format, high, low, mode }
      answerLater(res, { head, closing, ifNoneMatch }, id, (found, delivery) => (later) => {
        sendFound(later, id, found, asked, delivery)
      })
      return
    }
    const isPlain = format === 'json' && !head && ifNoneMatch === '' && !standing.isWithheld
    if (at < 0) {
      if (at === UNKNOWN) counts.memory++
      if (at === UNKNOWN && isPlain) sendReady(res, madeNothingKnown.tag, 0, nothingKnown.json.body, closing)
      else {
        const how = at === UNKNOWN ? standing.cacheStatus : ''
        send(res, '', format, nothingKnown[format], how, CACHE_CONTROL, { head, closing, ifNoneMatch })
      }
      return
    }
    counts.memory++
    if (standing.isStale) counts.memoryStale++
    const { words } = held as Held
    const candidate = standing.isWithheld ? NONE : choose(words, at, application.id, high, low, mode)
    const start = candidate === NONE ? 0 : (words[candidate + CANDIDATE_ANSWER] as number)
    if (start !== 0 && isPlain) {
      const first = at + (start >> 2)
      const body = sendable.copy(words, first, words[candidate + CANDIDATE_ANSWER + 1] as number)
      sendReady(res, words, first - ETAG_BYTES / 4, body, closing)
      return
    }
    const ready = candidate === NONE && isPlain ? readyAnswerAt(words, at) : 0
    if (ready !== 0) {
      const body = sendable.copyWithoutUpdates(words, ready, words[at + BEFORE_UPDATES] as number)
      sendReady(res, words, at + NO_UPDATE_TAG, body, closing)
      return
    }
    const asked = { application, format, high, low, mode }
    const entry = { memory: held as Held, at }
    if (isPlain) {
      const { tag, answer } = madeAnswer(entry, candidate, asked)
      sendReady(res, tag, 0, answer.body, closing)
      return
    }
    const cacheControl = standing.isWithheld ? NO_STORE : CACHE_CONTROL
    const answer = answerAt(entry, candidate, asked)
    send(res, '', format, answer, standing.cacheStatus, cacheControl, { head, closing, ifNoneMatch })
  }

  /** An answer in JSON whose ETag lies at a word of some memory. */
  function sendReady(res: HttpResponse, tags: Int32Array, tagAt: number, body: Uint8Array, closing: boolean): void {
    const { headers } = standing
    headers.setTag(tags, tagAt)
    sendWith(res, headers, body, closing)
  }

  function sendWith(res: HttpResponse, headers: ReadyHeaders, body: Uint8Array, closing: boolean): void {
    res.writeStatus(headers.head as unknown as string)
    if (closing) res.end(body, true)
    else res.end(body)
  }

  /** Where the entry of `key` is held; 0 where it has to be fetched, UNKNOWN where there is none. */
  function find(): number {
    if (held === undefined) return 0
    const at = held.find(key)
    if (at === 0) return standing.isComplete ? UNKNOWN : 0
    return ((held.words[at + FLAGS] as number) & OUTDATED) === 0 ? at : 0
  }

  /** In JSON: nothing suits, or an older candidate. It is told by its candidate or, where nothing suits, by its entry. */
  function madeAnswer(entry: Entry, candidate: number, asked: Asked): MadeAnswer {
    const place = candidate === NONE ? entry.at : candidate
    return made.get(place, (held as Held).changes) ?? made.set(place, answerAt(entry, candidate, asked))
  }

  function answerAt(entry: Entry, candidate: number, { application, format }: Asked): Answer {
    const { memory, at } = entry
    if (candidate === NONE) return nothingSuits(guidOf(entry), typeOf(entry), format)
    const start = memory.words[candidate + CANDIDATE_ANSWER] as number
    if (start !== 0 && format === 'json') {
      const first = at * 4 + start
      const end = first + (memory.words[candidate + CANDIDATE_ANSWER + 1] as number)
      return {
        body: memory.bytes.subarray(first, end),
        etag: memory.bytes.toString('latin1', first - ETAG_BYTES, first),
      }
    }
    const update = updateAt(entry, candidate, application, siteUrl)
    return answerWith(update, { guid: guidOf(entry), type: typeOf(entry), application, format })
  }

  function sendFound(res: HttpResponse, guid: string, found: Found, asked: Asked, delivery: Delivery): void {
    const { application, format, high, low, mode } = asked
    const { offer, entry, isWithheld = false, tier, ageS } = found
    if (
      format === 'json' &&
      offer !== undefined &&
      ageS === undefined &&
      !delivery.head &&
      delivery.ifNoneMatch === ''
    ) {
      const candidate = chooseFrom(offer, application.id, high, low, mode)
      const updates =
        candidate === undefined ? [] : [renderUpdate(updateOf(candidate, offer.slug, siteUrl, application.name))]
      const body = sendable.write(renderListing(guid, updates))
      const headers = foundHeaders[tier]
      headers.setTagText(etagOf(body))
      sendWith(res, headers, body, delivery.closing)
      return
    }
    let answer = nothingKnown[format]
    if (entry !== undefined) {
      const { words } = entry.memory
      answer = answerAt(entry, isWithheld ? NONE : choose(words, entry.at, application.id, high, low, mode), asked)
    } else if (offer !== undefined) {
      const candidate = chooseFrom(offer, application.id, high, low, mode)
      const { type, slug } = offer
      answer =
        candidate === undefined
          ? nothingSuits(guid, type, format)
          : answerWith(updateOf(candidate, slug, siteUrl, application.name), { guid, type, application, format })
    }
    send(res, '', format, answer, statusOf(found), cacheControlOf(found), delivery)
  }

  function listing(res: HttpResponse, req: HttpRequest, closing: boolean, ifNoneMatch: string, head: boolean): void {
    const path = req.getUrl()
    const delivery = { head, closing, ifNoneMatch }
    const guid = decodePath(path.slice(LISTING_PREFIX.length, -LISTING_SUFFIX.length))
    const at = path.endsWith(LISTING_SUFFIX) && guid !== '' && key.read(guid) ? find() : TOO_LONG
    if (at < 0) {
      send(res, NOT_FOUND, 'json', nothingKnown.json, '', CACHE_CONTROL, delivery)
      return
    }
    if (at > 0) {
      counts.memory++
      if (standing.isStale) counts.memoryStale++
      sendListing(res, guid, { tier: 'memory', ageS: undefined, entry: { memory: held as Held, at } }, delivery)
      return
    }
    answerLater(res, delivery, guid, (found) => (later) => sendListing(later, guid, found, delivery))
  }

  function sendListing(res: HttpResponse, guid: string, found: Found, delivery: Delivery): void {
    const firefox = [...applications.byGuid.values()].find(({ name }) => name === LISTING_APPLICATION)
    const { entry, offer, tier } = found
    const isHeld = tier === 'memory' && found.ageS === undefined
    const status = isHeld ? standing.cacheStatus : statusOf(found)
    const isWithheld = isHeld ? standing.isWithheld : (found.isWithheld ?? false)
    if (entry === undefined && offer === undefined) {
      send(res, NOT_FOUND, 'json', nothingKnown.json, status, cacheControlOf(found), delivery)
      return
    }
    let text = renderListing(guid, [])
    if (entry !== undefined && !isWithheld) text = listingOf(entry, firefox, siteUrl)
    else if (offer !== undefined && firefox !== undefined) text = listingOfOffer(offer, firefox, siteUrl)
    send(res, '', 'json', answerOf(text), status, isWithheld ? NO_STORE : CACHE_CONTROL, delivery)
  }

  /** The cold branch: everything of the request that is needed has been copied by now. */
  function answerLater(
    res: HttpResponse,
    delivery: Delivery,
    guid: string,
    write: (found: Found, delivery: Delivery) => (res: HttpResponse) => void,
  ): void {
    const flight = begin(res)
    fetch(guid, (found) => {
      if (found === undefined) {
        counts.unavailable++
        flight.answer((later) => sendUnavailable(later, delivery))
        return
      }
      counts[found.tier]++
      if (found.ageS !== undefined) counts[`${found.tier}Stale`]++
      flight.answer(write(found, delivery))
    })
  }

  /** `status`: empty for 200; `how`: the Cache-Status, empty where there is nothing to say. */
  function send(
    res: HttpResponse,
    status: string,
    format: ManifestFormat,
    { body, etag }: Answer,
    how: string,
    cacheControl: string,
    { head, closing, ifNoneMatch }: Delivery,
  ): void {
    if (status === '' && ifNoneMatch !== '' && validates(ifNoneMatch, etag)) {
      res.writeStatus('304 Not Modified').writeHeader('ETag', etag).writeHeader('Cache-Control', cacheControl)
      if (how !== '') res.writeHeader('Cache-Status', how)
      endWithoutBody(res, closing)
      return
    }
    if (status !== '') res.writeStatus(status)
    res.writeHeader('Content-Type', contentTypes[format])
    res.writeHeader('Cache-Control', cacheControl)
    if (how !== '') res.writeHeader('Cache-Status', how)
    res.writeHeader('ETag', etag)
    if (head) endWithoutBody(res, closing, body.byteLength)
    else res.end(body, closing)
  }

  /** Never an empty answer: a cache in between would keep "no update" for an hour. */
  function sendUnavailable(res: HttpResponse, { head, closing }: Delivery): void {
    const { body } = nothingKnown.json
    res.writeStatus('503 Service Unavailable').writeHeader('Content-Type', contentTypes.json)
    res.writeHeader('Cache-Control', NO_STORE).writeHeader('Cache-Status', UNAVAILABLE)
    res.writeHeader('Retry-After', String(RETRY_AFTER_S))
    if (head) endWithoutBody(res, closing, body.byteLength)
    else res.end(body, closing)
  }

  return {
    get: (res, req, closing, ifNoneMatch) => check(res, req, closing, ifNoneMatch, false),
    head: (res, req, closing, ifNoneMatch) => check(res, req, closing, ifNoneMatch, true),
    getListing: (res, req, closing, ifNoneMatch) => listing(res, req, closing, ifNoneMatch, false),
    headListing: (res, req, closing, ifNoneMatch) => listing(res, req, closing, ifNoneMatch, true),
  }
}

const madeNothingKnown = withTag(nothingKnown.json)

/** What `find` says beside a place: nobody knows the add-on; the guid is longer than any. */
const UNKNOWN = -1
const TOO_LONG = -2

function statusOf({ tier, ageS }: Found): string {
  return ageS === undefined ? plainStatus[tier] : cacheStatus(tier, ageS)
}

const plainStatus: Readonly<Record<Tier, string>> = {
  memory: cacheStatus('memory'),
  memcached: cacheStatus('memcached'),
  replica: cacheStatus('replica'),
}

/** What may be wrong by now must not be kept: an update that is held back, an add-on that may have been made since. */
function cacheControlOf({ ageS, offer, entry, isWithheld = false }: Found): string {
  const isUnknown = offer === undefined && entry === undefined
  return isWithheld || (isUnknown && ageS !== undefined) ? NO_STORE : CACHE_CONTROL
}

function listingOfOffer(offer: Offer, application: Application, siteUrl: string): string {
  const updates = candidatesFor(offer, application.id).map((candidate) =>
    renderUpdate(updateOf(candidate, offer.slug, siteUrl, application.name)),
  )
  return renderListing(offer.guid, updates.reverse())
}

/** Weak comparison (RFC 9110 section 8.8.3.2). Quotes cannot occur within a tag, so finding it with its quotes is exact. */
function validates(ifNoneMatch: string, etag: string): boolean {
  return ifNoneMatch.includes(etag) || ifNoneMatch.trim() === '*'
}

/** In a path `+` is itself. */
function decodePath(text: string): string {
  return decodeForm(text.replaceAll('+', '%2B'))
}
