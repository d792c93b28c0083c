#!/usr/bin/env node
/**
 * Profiles that come one after the other, at random and at a rate that is held; each asks for all its add-ons, one check after the
 * other, and goes. It has a connection of its own, closed at its end, or takes one that is kept. Run as a process of its own, with
 * `VisitOptions` as its argument; prints a `VisitResult`.
 *
 * wrk can't do it: it counts a connection that was closed on demand as broken, and resumes TLS sessions, which a profile that
 * comes once a day doesn't.
 */

import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, createSecureContext } from 'node:tls'
import type { VisitOptions, VisitResult } from './visitors.ts'

const TICK_MS = 1
/** What is under way after the last arrival has so long. */
const DRAIN_MS_MAX = 2_000
const HEADERS = [
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0',
  'Accept: */*',
  'Accept-Language: en-US,en;q=0.9',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Connection: keep-alive',
  'Pragma: no-cache',
  'Cache-Control: no-cache',
]

const options = JSON.parse(process.argv[2] ?? '') as VisitOptions
const { hostname, port, host, protocol } = new URL(options.url)
const tail = ` HTTP/1.1\r\nHost: ${host}\r\n${HEADERS.join('\r\n')}\r\n\r\n`
const profiles = readFileSync(options.profiles, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => line.split(' ').map((path) => `GET ${path}${tail}`))
const secureContext = createSecureContext({ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })

const latencies: number[] = []
const connecting: number[] = []
const late: number[] = []
const idle: Connection[] = []
let offered = 0
let errors = 0
let running = 0
let at = options.offset % profiles.length

/** Asks one thing at a time. */
interface Connection {
  ask(request: string): Promise<void>
  close(): void
}

function open(): Promise<Connection> {
  return new Promise((resolve, reject) => {
    let waiting: { resolve(): void; reject(error: Error): void } | undefined
    let text = ''
    const socket: Socket =
      protocol === 'https:'
        ? connectTls({ host: hostname, port: Number(port), secureContext, rejectUnauthorized: false }, begin)
        : connect({ host: hostname, port: Number(port) }, begin)
    socket.setEncoding('latin1')
    socket.setNoDelay(true)
    socket.on('error', fail)
    socket.on('close', () => fail(new Error('the connection was closed')))
    socket.on('data', (chunk: string) => {
      text = text === '' ? chunk : text + chunk
      if (!isWhole(text)) return
      const isGood = text.startsWith('HTTP/1.1 2')
      text = ''
      if (isGood) waiting?.resolve()
      else waiting?.reject(new Error('the status is none of success'))
      waiting = undefined
    })
    function begin(): void {
      resolve({
        ask: (request) =>
          new Promise((resolve, reject) => {
            waiting = { resolve, reject }
            socket.write(request, 'latin1')
          }),
        close: () => socket.end(),
      })
    }
    function fail(error: Error): void {
      reject(error)
      waiting?.reject(error)
      waiting = undefined
    }
  })
}

/** Whether an answer is there with the whole of its body. */
function isWhole(text: string): boolean {
  const headersEnd = text.indexOf('\r\n\r\n')
  if (headersEnd < 0) return false
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0)
  return text.length >= headersEnd + 4 + length
}

async function visit(requests: readonly string[]): Promise<void> {
  const begunAt = performance.now()
  let connection = options.keep ? idle.pop() : undefined
  if (connection === undefined) {
    connection = await open()
    connecting.push(performance.now() - begunAt)
  }
  for (const request of requests) {
    const askedAt = performance.now()
    await connection.ask(request)
    latencies.push(performance.now() - askedAt)
  }
  if (options.keep) idle.push(connection)
  else connection.close()
}

/** Starts all that is due; those to come are drawn at exponential gaps. */
function arrive(): void {
  const now = performance.now()
  for (; due <= now && due < endsAt; due -= Math.log(1 - Math.random()) * gapMs) {
    late.push(now - due)
    running++
    const requests = profiles[at] as string[]
    offered += requests.length
    visit(requests)
      .catch(() => errors++)
      .finally(() => running--)
    at = (at + 1) % profiles.length
  }
  if (due < endsAt || (running > 0 && now < endsAt + DRAIN_MS_MAX)) setTimeout(arrive, TICK_MS)
  else finish()
}

function finish(): void {
  const at99 = (values: number[]) => values.sort((one, other) => one - other)[Math.floor(values.length * 0.99)] ?? 0
  const seconds = (performance.now() - startedAt) / 1_000
  const { user, system } = process.cpuUsage(cpuBefore)
  const result: VisitResult = {
    requests: latencies.length,
    visits: late.length,
    connections: connecting.length,
    rate: latencies.length / seconds,
    reached: (latencies.length / seconds) * (options.seconds / offered),
    generatorUs: (user + system) / latencies.length,
    p99: at99(latencies),
    connectP99: at99(connecting),
    lateP99: at99(late),
    errors: errors + running,
  }
  process.stdout.write(JSON.stringify(result), () => process.exit(0))
}

const checksEach = profiles.reduce((sum, requests) => sum + requests.length, 0) / profiles.length
const gapMs = (1_000 * checksEach) / options.rate
const cpuBefore = process.cpuUsage()
const startedAt = performance.now()
const endsAt = startedAt + options.seconds * 1_000
let due = startedAt
arrive()
