/**
 * The one place that owns a socket: routes, who may ask, drain. A handler gets the library's own response and request, so that
 * the hot path costs what the library costs; the rules that hold for every request are kept here:
 *
 * - One answer a request. Of two Content-Length headers the library takes the first and runs what the other hides, so a request
 *   that announces a body twice, or a chunked one, is cut off without an answer; after any other body the connection is closed.
 *   What is neither GET nor HEAD is answered a turn later: the library cuts off a connection on which more has come by then. Where
 *   its method isn't a word it is the head of a chunk, taken for a request: it is cut off.
 * - While draining, every answer closes its connection.
 * - A handler that throws costs its client the connection, not everybody the process.
 */

import type { HttpRequest, HttpResponse, TemplatedApp, us_listen_socket } from 'uWebSockets.js'
import { type AddressInfo, createServer } from 'node:net'
import { VersioncheckError } from '../errors.ts'
import { DRAIN_MS_MAX, HIT_LOG_EVERY_MS } from '../limits.ts'
import type { Log } from '../observe/index.ts'
import { abandon, Flights } from './flights.ts'
import { type Problem, sendProblem } from './problem.ts'
import type { Library } from './uws.ts'

/**
 * Answers, or has begun a flight, before it returns. `closing`: the answer must close the connection. `ifNoneMatch`: all such
 * lines of the request as one, or empty.
 */
export type Handler = (res: HttpResponse, req: HttpRequest, closing: boolean, ifNoneMatch: string) => void

export interface Route {
  /** A pattern of the library: `/fixed/path`, `/with/:parameter`, `/with/*`. */
  readonly path: string
  readonly get: Handler
  /** Without it the path has no HEAD. */
  readonly head?: Handler
}

export interface ServerOptions {
  readonly uws: Library
  readonly address: Address
  readonly tls?: { readonly certFile: string; readonly keyFile: string }
  readonly log: Log
  readonly routes: (flights: Flights) => readonly Route[]
}

export interface Address {
  readonly host: string
  readonly port: number
  /** `http://HOST:PORT`, HOST in brackets where it is an IPv6 address. */
  readonly url: string
}

export interface Server {
  /** Stops listening, lets what runs finish (2 s at most), closes everything. May be called twice. */
  close(): Promise<void>
}

/**
 * The address to listen on; port 0: any free one. Throws `port_in_use` where another program listens there, without disturbing it.
 */
export async function findAddress(host: string, port: number, { isTls }: { isTls: boolean }): Promise<Address> {
  const probe = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject)
      probe.listen({ host, port, exclusive: true }, resolve)
    })
    const free = (probe.address() as AddressInfo).port
    const shownHost = host.includes(':') ? `[${host}]` : host
    return { host, port: free, url: `${isTls ? 'https' : 'http'}://${shownHost}:${free}` }
  } catch (cause) {
    throw portUnusable(host, port, cause)
  } finally {
    await new Promise((resolve) => probe.close(resolve))
  }
}

export function listen(options: ServerOptions): Server {
  const { uws, log } = options
  const app: TemplatedApp =
    options.tls === undefined
      ? uws.App()
      : uws.SSLApp({ cert_file_name: options.tls.certFile, key_file_name: options.tls.keyFile })
  const flights = new Flights((error) => log.error({ err: error }, 'an answer threw; its connection is closed'))
  let draining = false
  let socket: us_listen_socket | false = false

  let hitDue = true
  const hitTimer = setInterval(() => {
    hitDue = true
  }, HIT_LOG_EVERY_MS)
  hitTimer.unref()

  const heads = new HeadReader(uws)
  // An access log that can be replayed; at no other level do clients' queries stand in the log.
  const isTraced = log.isLevelEnabled('trace')

  const guarded = (handler: Handler) => (res: HttpResponse, req: HttpRequest) => {
    heads.read(req)
    if (heads.isAmbiguous) {
      res.close()
      return
    }
    if (isTraced) log.trace({ method: req.getMethod(), target: targetOf(req) }, 'request')
    if (hitDue) {
      hitDue = false
      log.info({ method: req.getMethod(), path: req.getUrl() }, 'hit')
    }
    try {
      handler(res, req, draining || heads.lengths > 0, heads.ifNoneMatch)
    } catch (error) {
      log.error({ err: error }, 'a handler threw; its connection is closed')
      abandon(res)
    }
  }

  /** For what no handler takes. */
  const refuse = (problem: Pick<Problem, 'status' | 'detail' | 'headers'>) =>
    guarded((res, req, closing) => {
      const method = req.getMethod()
      if (method === 'get' || method === 'head') {
        sendProblem(res, { ...problem, closing, head: method === 'head' })
        return
      }
      if (!/^[a-z]+$/.test(method)) {
        res.close()
        return
      }
      const flight = flights.begin(res)
      setImmediate(() => flight.answer((later) => sendProblem(later, { ...problem, closing: true })))
    })

  const { host, port } = options.address
  // Four arguments: a form of `listen` that the library has and its types lack.
  const bind = app.listen as unknown as (
    host: string,
    port: number,
    how: number,
    done: (token: typeof socket) => void,
  ) => void
  bind.call(app, host, port, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (token) => {
    socket = token
  })
  if (socket === false) {
    clearInterval(hitTimer)
    throw portUnusable(host, port)
  }

  for (const { path, get, head } of options.routes(flights)) {
    app.get(path, guarded(get))
    if (head !== undefined) app.head(path, guarded(head))
    const allow = head === undefined ? 'GET' : 'GET, HEAD'
    app.any(path, refuse({ status: 405, detail: `This address answers ${allow}.`, headers: { Allow: allow } }))
  }
  app.any('/*', refuse({ status: 404, detail: 'There is nothing at this address.' }))

  let closed: Promise<void> | undefined
  const close = async () => {
    draining = true
    clearInterval(hitTimer)
    if (socket !== false) uws.us_listen_socket_close(socket)
    await flights.allLanded(DRAIN_MS_MAX)
    app.close()
  }
  return {
    close() {
      closed ??= close()
      return closed
    },
  }
}

/** A name as the library takes it without a copy: 35 ns less than a string. */
function nameOf(header: string): ArrayBuffer {
  const name = new ArrayBuffer(header.length)
  Buffer.from(name).write(header, 'latin1')
  return name
}
const CONTENT_LENGTH = nameOf('content-length')
const TRANSFER_ENCODING = nameOf('transfer-encoding')
const IF_NONE_MATCH = nameOf('if-none-match')
const CONTENT_LENGTH_ALIKE = nameOf('content_length')
const TRANSFER_ENCODING_ALIKE = nameOf('transfer_encoding')

/**
 * What the headers of a request say of its body, and its If-None-Match. Three are looked up; only where one of them is there are
 * all gone through, which costs 0.14 us a header: looking up finds the first of its name. It takes a blank one for none, so what
 * stands behind such a line isn't seen (decision 2). Names with an underscore count, since a gateway that passes headers on as
 * variables can't tell them from the others; where the library takes them, these are looked up too. One object reads all requests,
 * one after the other.
 */
class HeadReader {
  lengths = 0
  /** Another reader may understand where the request ends otherwise (RFC 9112 section 6.3). */
  isAmbiguous = false
  ifNoneMatch = ''
  private readonly takesUnderscores: boolean

  constructor({ takesUnderscores }: Pick<Library, 'takesUnderscores'>) {
    this.takesUnderscores = takesUnderscores
  }

  read(req: HttpRequest): void {
    this.lengths = 0
    this.isAmbiguous = false
    this.ifNoneMatch = ''
    if (
      req.getHeader(CONTENT_LENGTH) !== '' ||
      req.getHeader(TRANSFER_ENCODING) !== '' ||
      req.getHeader(IF_NONE_MATCH) !== '' ||
      (this.takesUnderscores &&
        (req.getHeader(CONTENT_LENGTH_ALIKE) !== '' || req.getHeader(TRANSFER_ENCODING_ALIKE) !== ''))
    ) {
      req.forEach(this.note)
    }
  }

  /** Told apart by their lengths first. */
  private readonly note = (name: string, value: string): void => {
    switch (name.length) {
      case 13:
        if (name === 'if-none-match') this.ifNoneMatch = joinTags(this.ifNoneMatch, value)
        break
      case 14:
        if (name === 'content-length') {
          if (++this.lengths > 1 || !/^\d{1,15}$/.test(value)) this.isAmbiguous = true
        } else if (name === 'content_length') this.isAmbiguous = true
        break
      case 17:
        if (name === 'transfer-encoding' || name === 'transfer_encoding') this.isAmbiguous = true
        break
    }
  }
}

function targetOf(req: HttpRequest): string {
  const query = req.getQuery()
  return query === undefined ? req.getUrl() : `${req.getUrl()}?${query}`
}

/** `*` stands for all tags, and so for those of other lines too. */
function joinTags(before: string, line: string): string {
  if (before === '' || line === '*') return line
  return before === '*' || line === '' ? before : `${before}, ${line}`
}

function portUnusable(host: string, port: number, cause?: unknown): VersioncheckError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new VersioncheckError('port_in_use', `HOST "${host}" is not an address of this machine.`, {
      hint: 'Set HOST to 127.0.0.1, or to 0.0.0.0 for all addresses.',
      cause,
    })
  }
  if (code === 'EACCES') {
    return new VersioncheckError('port_in_use', `PORT ${port}: this user may not listen on it.`, {
      hint: 'Choose a port above 1023: PORT=8080.',
      cause,
    })
  }
  return new VersioncheckError('port_in_use', `PORT ${port} on ${host} is in use by another program.`, {
    hint: `Stop that program, or choose another port: PORT=${port === 65_535 ? 8081 : port + 1} npm start`,
    cause,
  })
}
