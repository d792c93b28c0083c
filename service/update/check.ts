/**
 * The update check: the handler of the hot path. It reads the request before it returns, finds the add-on's entry, chooses an
 * answer of it and sends bytes that were made earlier.
 */

import type { HttpRequest, HttpResponse } from 'uWebSockets.js'
import { type Application, formatFor, GUID_BYTES_MAX, type ManifestFormat, readAppVersion } from '../addon/index.ts'
import { RETRY_AFTER_S } from '../limits.ts'
import { choose } from './choose.ts'
import { type Answer, type EntryMemory, ETAG_BYTES, etagOf, listingOf, nothingKnown, sectionKey } from './entry.ts'
import { decodeForm, emptyQuery, modeCodeOf, readQuery } from './request.ts'

export interface CheckOptions {
  /** The applications that may ask, by guid; asked for at each request, since an admin may add some. */
  readonly applications: () => ReadonlyMap<string, Application>
  /** Finds an add-on's entry, at 0 of its memory; undefined where nobody knows the add-on. Rejects when nobody can be asked. */
  readonly fetch: (guid: string) => Promise<EntryMemory | undefined>
  /** Keeps the answer open until it comes. Called before the handler returns. */
  readonly begin: (res: HttpResponse) => { answer(write: (res: HttpResponse) => void): void }
  readonly endWithoutBody: (res: HttpResponse, closing: boolean, length?: number) => void
}

type CheckHandler = (res: HttpResponse, req: HttpRequest, closing: boolean) => void

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

const CACHE_CONTROL = 'max-age=3600, stale-while-revalidate=600, stale-if-error=259200'
const contentTypes: Readonly<Record<ManifestFormat, string>> = { json: 'application/json', rdf: 'text/xml' }
const BAD_REQUEST = '400 Bad Request'
const NOT_FOUND = '404 Not Found'

/** The application whose static update.json this service replaces. */
const LISTING_APPLICATION = 'firefox'
const LISTING_PREFIX = '/update/'
const LISTING_SUFFIX = '.json'

export function createCheck(options: CheckOptions): Check {
  const { applications, fetch, begin, endWithoutBody } = options
  const query = emptyQuery()
  const client = { high: 0, low: 0 }

  function check(res: HttpResponse, req: HttpRequest, closing: boolean, head: boolean): void {
    readQuery(req.getQuery(), query)
    const { id, appId, appVersion } = query
    const application = appId === undefined ? undefined : applications().get(appId)
    const ifNoneMatch = req.getHeader('if-none-match')
    if (application === undefined || !id || !appVersion) {
      const format = application?.manifest ?? 'json'
      send(res, BAD_REQUEST, format, nothingKnown[format], { head, closing, ifNoneMatch: '' })
      return
    }
    readAppVersion(appVersion, client)
    const { high, low } = client
    const format = formatFor(application, high, low)
    if (isTooLong(id)) {
      send(res, '', format, nothingKnown[format], { head, closing, ifNoneMatch })
      return
    }
    const key = sectionKey(application.id, format)
    const mode = modeCodeOf(query.compatMode)
    answerLater(res, { head, closing, ifNoneMatch }, id, (entry, delivery) => (later) => {
      if (entry === undefined) {
        send(later, '', format, nothingKnown[format], delivery)
        return
      }
      send(later, '', format, answerAt(entry, choose(entry.words, 0, key, high, low, mode)), delivery)
    })
  }

  function listing(res: HttpResponse, req: HttpRequest, closing: boolean, head: boolean): void {
    const path = req.getUrl()
    const delivery = { head, closing, ifNoneMatch: req.getHeader('if-none-match') }
    const guid = decodePath(path.slice(LISTING_PREFIX.length, -LISTING_SUFFIX.length))
    if (!path.endsWith(LISTING_SUFFIX) || guid === '' || isTooLong(guid)) {
      send(res, NOT_FOUND, 'json', nothingKnown.json, delivery)
      return
    }
    answerLater(res, delivery, guid, (entry) => (later) => {
      if (entry === undefined) {
        send(later, NOT_FOUND, 'json', nothingKnown.json, delivery)
        return
      }
      const firefox = [...applications().values()].find(({ name }) => name === LISTING_APPLICATION)
      const body = Buffer.from(listingOf(entry, 0, firefox?.id ?? -1, guid))
      send(later, '', 'json', { body, etag: etagOf(body) }, delivery)
    })
  }

  /** The cold branch: everything of the request that is needed has been copied by now. */
  function answerLater(
    res: HttpResponse,
    delivery: Delivery,
    guid: string,
    write: (entry: EntryMemory | undefined, delivery: Delivery) => (res: HttpResponse) => void,
  ): void {
    const flight = begin(res)
    fetch(guid).then(
      (entry) => flight.answer(write(entry, delivery)),
      () => flight.answer((later) => sendUnavailable(later, delivery)),
    )
  }

  function send(res: HttpResponse, status: string, format: ManifestFormat, answer: Answer, delivery: Delivery): void {
    if (status === '' && delivery.ifNoneMatch !== '' && validates(delivery.ifNoneMatch, answer.etag)) {
      res.writeStatus('304 Not Modified').writeHeader('ETag', answer.etag).writeHeader('Cache-Control', CACHE_CONTROL)
      endWithoutBody(res, delivery.closing)
      return
    }
    if (status !== '') res.writeStatus(status)
    res.writeHeader('Content-Type', contentTypes[format])
    res.writeHeader('ETag', answer.etag)
    res.writeHeader('Cache-Control', CACHE_CONTROL)
    if (delivery.head) endWithoutBody(res, delivery.closing, answer.body.byteLength)
    else res.end(answer.body, delivery.closing)
  }

  /** Never an empty answer: a cache in between would keep "no update" for an hour. */
  function sendUnavailable(res: HttpResponse, { head, closing }: Delivery): void {
    const { body } = nothingKnown.json
    res.writeStatus('503 Service Unavailable').writeHeader('Content-Type', contentTypes.json)
    res.writeHeader('Cache-Control', 'no-store').writeHeader('Retry-After', String(RETRY_AFTER_S))
    if (head) endWithoutBody(res, closing, body.byteLength)
    else res.end(body, closing)
  }

  return {
    get: (res, req, closing) => check(res, req, closing, false),
    head: (res, req, closing) => check(res, req, closing, true),
    getListing: (res, req, closing) => listing(res, req, closing, false),
    headListing: (res, req, closing) => listing(res, req, closing, true),
  }
}

/** `word`: as `choose` returns it. */
function answerAt({ words, bytes }: EntryMemory, word: number): Answer {
  const start = words[word] as number
  const end = start + (words[word + 1] as number)
  return { body: bytes.subarray(start, end), etag: bytes.toString('latin1', start - ETAG_BYTES, start) }
}

/** Weak comparison (RFC 9110 section 8.8.3.2). Quotes cannot occur within a tag, so finding it with its quotes is exact. */
function validates(ifNoneMatch: string, etag: string): boolean {
  return ifNoneMatch.includes(etag) || ifNoneMatch.trim() === '*'
}

function isTooLong(guid: string): boolean {
  // No character takes more than three bytes a unit: short ones need no counting.
  return guid.length * 3 > GUID_BYTES_MAX && Buffer.byteLength(guid) > GUID_BYTES_MAX
}

/** In a path `+` is itself. */
function decodePath(text: string): string {
  return decodeForm(text.replaceAll('+', '%2B'))
}
