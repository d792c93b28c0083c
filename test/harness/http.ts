/** Requests as a client sends them: nothing is escaped, followed or pooled behind the test's back. */

import { request } from 'node:http'
import { connect } from 'node:net'

export interface Reply {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** The body as text. */
  readonly text: string
}

export interface Ask {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
}

export const FIREFOX = '{ec8030f7-c20a-464f-9b0e-13a3a9e97384}'
export const ANDROID = '{aa3c5121-dab2-40e2-81ca-7ea25febc110}'

/** One request on a connection of its own; `path` goes out as it stands. */
export function ask(url: string, path: string, { method = 'GET', headers = {} }: Ask = {}): Promise<Reply> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const req = request({ hostname, port, path, method, headers, agent: false }, (res) => {
      const chunks: Buffer[] = []
      res.on('data', (chunk: Buffer) => chunks.push(chunk))
      res.on('error', reject)
      res.on('end', () => {
        const body = Buffer.concat(chunks)
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers as Record<string, string>,
          body,
          text: body.toString(),
        })
      })
    })
    req.on('error', reject)
    req.end()
  })
}

/** The query of an update check; values percent-encoded. */
export function checkPath(query: Readonly<Record<string, string>>, path = '/update/VersionCheck.php'): string {
  const pairs = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`
}

/** An update check of Firefox, with the version and mode that matter. */
export function check(
  url: string,
  id: string,
  query: Readonly<Record<string, string>> = {},
  options: Ask = {},
): Promise<Reply> {
  return ask(url, checkPath({ id, appID: FIREFOX, appVersion: '140.0', compatMode: 'normal', ...query }), options)
}

/** What comes back when raw bytes are sent, until the server closes or `idleMs` pass without a byte. */
export function sendRaw(
  url: string,
  pieces: readonly (string | Buffer)[],
  { idleMs = 300, pauseMs = 0 } = {},
): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const socket = connect(Number(port), hostname)
    const done = () => {
      socket.destroy()
      resolve(Buffer.concat(chunks).toString('latin1'))
    }
    socket.setTimeout(idleMs, done)
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', done)
    socket.on('close', done)
    socket.on('connect', async () => {
      for (const piece of pieces) {
        socket.write(piece)
        if (pauseMs > 0) await new Promise((next) => setTimeout(next, pauseMs))
      }
    })
  })
}
