/**
 * Downloads: the package that an `update_link` names, with the very bytes that its hash names. Read in chunks, the next one when
 * the client has taken the last, so that a slow reader costs one chunk of memory. A file that isn't as long as it was when it was
 * taken in is read through before it is sent: what is damaged is not there.
 */

import type { FileHandle } from 'node:fs/promises'
import {
  endWithoutBody,
  type Flight,
  type Flights,
  type Handler,
  type HttpResponse,
  sendProblem,
  statusLine,
} from '../http/index.ts'
import { DAMAGED_FILES_MAX, DOWNLOAD_CHUNK_BYTES, DOWNLOADS_MAX, RETRY_AFTER_S, ROW_ID_MAX } from '../limits.ts'
import type { Log } from '../observe/index.ts'
import { type ByteRange, readRange } from './range.ts'
import type { Store } from './store.ts'

export interface DownloadOptions {
  /** SHA-256 of the package of a public file; undefined: there is none. Rejects where nobody can tell. */
  readonly find: (fileId: number) => Promise<Found | undefined>
  readonly store: Store
  readonly flights: Flights
  readonly log: Log
}

interface Found {
  readonly digest: string
  /** When it was taken in; undefined where nobody could be asked. */
  readonly size: number | undefined
  /** The `Cache-Status` where nobody who is up to date could be asked: it may have been withdrawn since. */
  readonly staleStatus: string | undefined
}

/** What of the request is needed after its handler has returned. */
interface Wanted {
  readonly head: boolean
  readonly closing: boolean
  readonly ifNoneMatch: string
  readonly ifRange: string
  readonly range: string
}

export interface Download {
  /** `/:application/downloads/file/:id/:filename`; the name is for people, the id decides. */
  readonly get: Handler
  readonly head: Handler
}

export function createDownload({ find, store, flights, log }: DownloadOptions): Download {
  let running = 0
  /** Files that aren't as long as they were, by how they are now: whether they are what their names say all the same. */
  const judged = new Map<string, Promise<boolean>>()

  const handler =
    (head: boolean): Handler =>
    (res, req, closing, ifNoneMatch) => {
      const wanted: Wanted = {
        head,
        closing,
        ifNoneMatch,
        ifRange: req.getHeader('if-range'),
        range: req.getHeader('range'),
      }
      const id = req.getParameter(1) ?? ''
      if (running >= DOWNLOADS_MAX) {
        sendProblem(res, busy(wanted))
        return
      }
      running++
      const flight = flights.begin(res)
      serve(flight, id, wanted)
        .catch(() => flight.answer((later) => sendProblem(later, busy(wanted))))
        .finally(() => running--)
    }

  async function serve(flight: Flight, id: string, wanted: Wanted): Promise<void> {
    const found = /^[1-9]\d{0,9}$/.test(id) && Number(id) <= ROW_ID_MAX ? await find(Number(id)) : undefined
    const file = found && (await store.open(found.digest))
    if (found === undefined || file === undefined) {
      answerMissing(flight, wanted)
      return
    }
    try {
      const { size, mtimeMs } = await file.stat()
      if (size === found.size || (await isIntact(found, size, mtimeMs))) await send(flight, file, size, found, wanted)
      else answerMissing(flight, wanted)
    } finally {
      await file.close()
    }
  }

  /** Reads it once for all clients, as long as it stays as it is. */
  function isIntact({ digest, size: sizeThen }: Found, size: number, mtimeMs: number): Promise<boolean> {
    // Nobody could be asked how long it should be.
    if (sizeThen === undefined && size > 0) return Promise.resolve(true)
    const key = `${digest} ${size} ${mtimeMs}`
    const known = judged.get(key)
    if (known !== undefined) return known
    if (judged.size >= DAMAGED_FILES_MAX) judged.clear()
    const verdict = store.isIntact(digest).then((intact) => {
      const facts = { digest, size, sizeThen }
      if (intact) log.warn(facts, 'a package is whole, but the catalogue has another size for it: catalog check')
      else log.error(facts, 'a package is damaged, its links answer 404: catalog check')
      return intact === true
    })
    judged.set(key, verdict)
    verdict.catch(() => judged.delete(key))
    return verdict
  }

  return { get: handler(false), head: handler(true) }
}

function answerMissing(flight: Flight, { head, closing }: Wanted): void {
  flight.answer((res) => sendProblem(res, { status: 404, detail: 'There is no such public file.', head, closing }))
}

function busy({ head, closing }: Wanted) {
  const headers = { 'Retry-After': String(RETRY_AFTER_S) }
  return { status: 503, detail: 'The file cannot be served now. Try again later.', headers, head, closing }
}

async function send(
  flight: Flight,
  file: FileHandle,
  size: number,
  { digest, staleStatus }: Found,
  wanted: Wanted,
): Promise<void> {
  const etag = `"${digest}"`
  const { head, closing, ifNoneMatch, ifRange, range } = wanted
  if (ifNoneMatch !== '' && (ifNoneMatch.includes(etag) || ifNoneMatch.trim() === '*')) {
    flight.answer((res) => {
      writeHeaders(res, 304, etag, staleStatus)
      endWithoutBody(res, closing)
    })
    return
  }
  // A range is for GET alone (RFC 9110 section 14.2).
  const part = !head && (ifRange === '' || ifRange === etag) ? readRange(range, size) : 'whole'
  if (part === 'unsatisfiable') {
    flight.answer((res) => {
      const headers = { 'Content-Range': `bytes */${size}` }
      sendProblem(res, { status: 416, detail: `The file has ${size} bytes.`, headers, head, closing })
    })
    return
  }
  const status = part === 'whole' ? 200 : 206
  const { first, last } = part === 'whole' ? { first: 0, last: size - 1 } : part
  const begin = (res: HttpResponse) => {
    writeHeaders(res, status, etag, staleStatus)
    res.writeHeader('Content-Type', 'application/x-xpinstall')
    res.writeHeader('X-Content-Type-Options', 'nosniff')
    res.writeHeader('Accept-Ranges', 'bytes')
    if (status === 206) res.writeHeader('Content-Range', `bytes ${first}-${last}/${size}`)
    if (closing) res.writeHeader('Connection', 'close')
  }
  if (head || size === 0) {
    flight.answer((res) => {
      begin(res)
      if (head) endWithoutBody(res, closing, size)
      else res.end('', closing)
    })
    return
  }
  await stream(flight, file, { first, last }, begin)
}

/** `no-cache`: kept by caches, but asked about each time, since a file may be withdrawn. */
function writeHeaders(res: HttpResponse, status: number, etag: string, staleStatus: string | undefined): void {
  res.writeStatus(statusLine(status)).writeHeader('ETag', etag).writeHeader('Cache-Control', 'no-cache')
  if (staleStatus !== undefined) res.writeHeader('Cache-Status', staleStatus)
}

/** Sends bytes `first` to `last`; resolves when all are handed over or the client has gone. */
async function stream(
  flight: Flight,
  file: FileHandle,
  { first, last }: ByteRange,
  begin: (res: HttpResponse) => void,
): Promise<void> {
  const total = last - first + 1
  const buffer = Buffer.allocUnsafe(Math.min(DOWNLOAD_CHUNK_BYTES, total))
  for (let sent = 0; sent < total; ) {
    const { bytesRead } = await file
      .read(buffer, 0, Math.min(buffer.length, total - sent), first + sent)
      .catch((error: unknown) => {
        if (sent > 0) flight.broke(error)
        throw error
      })
    if (bytesRead === 0) {
      // The file is shorter than it was: a cut connection is an honest answer, a short body is not.
      flight.cut()
      return
    }
    if (flight.aborted) return
    await handOver(flight, buffer.subarray(0, bytesRead), total, sent === 0 ? begin : undefined)
    if (flight.aborted) return
    sent += bytesRead
  }
  flight.landed()
}

/** Resolves when the library has taken the chunk, or the client has gone. */
function handOver(
  flight: Flight,
  chunk: Uint8Array,
  total: number,
  begin: ((res: HttpResponse) => void) | undefined,
): Promise<void> {
  const { res } = flight
  return new Promise((resolve, reject) => {
    flight.onAborted = resolve
    // The library ends the process where an error comes out of one of these.
    const guarded = <T>(work: () => T, otherwise: T): T => {
      try {
        return work()
      } catch (error) {
        flight.broke(error)
        reject(error)
        return otherwise
      }
    }
    const write = () => {
      begin?.(res)
      const chunkStart = res.getWriteOffset()
      const [taken] = res.tryEnd(chunk, total)
      if (taken) {
        resolve()
        return
      }
      let waiting = true
      const writeRest = (writtenTo: number) => {
        if (!waiting) return true
        const [takenNow] = res.tryEnd(chunk.subarray(writtenTo - chunkStart), total)
        if (takenNow) {
          waiting = false
          resolve()
        }
        return takenNow
      }
      res.onWritable((writtenTo) => guarded(() => writeRest(writtenTo), true))
    }
    res.cork(() => guarded(write, undefined))
  })
}
