/** wrk, Debian's load generator: it needs a tenth of what a generator in Node needs, and so leaves the server its processor. */

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Failure } from '../failure.ts'
import type { Request } from '../traffic/index.ts'
import { HEADERS } from './headers.ts'
import { endWithUs, isInstalled, onProcessors, pause } from './processes.ts'

/** What clients ask, one request after the other, from the start again at the end. */
export interface RequestFile {
  readonly script: string
  readonly count: number
  remove(): void
}

export interface LoadOptions {
  readonly url: string
  readonly requests: RequestFile
  readonly connections: number
  readonly seconds: number
  /** The processors it keeps to; absent: any. */
  readonly processors?: string
}

export interface LoadResult {
  readonly requests: number
  readonly rate: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  /** Answers other than 2xx and 3xx, and broken connections. */
  readonly errors: number
}

const headerLines = Object.entries(HEADERS).map(([name, value]) => `wrk.headers["${name}"] = "${value}"`)

export function requireWrk(): void {
  if (!isInstalled('wrk')) throw new Failure('wrk is not installed. As root: apt-get install wrk.', undefined)
}

/** A path alone is one of a GET that expects a 200. */
export function writeRequests(requests: Iterable<string | Request>): RequestFile {
  requireWrk()
  const folder = mkdtempSync(join(tmpdir(), 'versioncheck-bench-'))
  const lines = Array.from(requests, lineOf)
  writeFileSync(join(folder, 'requests'), lines.join('\n'))
  const script = join(folder, 'requests.lua')
  writeFileSync(
    script,
    `${headerLines.join('\n')}
local requests, statuses, at = {}, {}, 0
-- The status that the last request must be answered with.
expected = 0
init = function(args)
  for line in io.lines("${join(folder, 'requests')}") do
    local method, status, path = line:match("(%u+) (%d+) (.*)")
    requests[#requests + 1] = wrk.format(method, path)
    statuses[#requests] = tonumber(status)
  end
  at = tonumber(args[1] or "0") % #requests
  io.write("has read them\\n")
  io.flush()
end
request = function()
  at = at % #requests + 1
  expected = statuses[at]
  return requests[at]
end
`,
  )
  const remove = () => {
    process.off('exit', remove)
    rmSync(folder, { recursive: true, force: true })
  }
  process.on('exit', remove)
  return { script, count: lines.length, remove }
}

/** Where several statuses are right, the first one is the expected one: there are none such in what is measured. */
function lineOf(request: string | Request): string {
  const { path, method = 'GET', expects } = typeof request === 'string' ? { path: request, expects: [200] } : request
  return `${method} ${expects[0]} ${path}`
}

/** A generator that runs all the while, and offers load only in the slices in which it is let. */
export interface SlicedLoad {
  /** Offers load for so long. */
  slice(ms: number): Promise<void>
  stop(): Promise<void>
}

const SLICED_S_MAX = 36_000

/** Starts it, with all its connections made; it is held until the first slice. */
export async function startSliced({ url, requests, connections, processors }: SlicedOptions): Promise<SlicedLoad> {
  const args = argumentsOf({ url, requests, connections, seconds: SLICED_S_MAX })
  const [program, ...rest] = onProcessors(processors, args)
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  endWithUs(child)
  const signal = (name: NodeJS.Signals) => process.kill(child.pid as number, name)
  await Promise.race([once(child.stdout, 'data'), ended])
  child.stdout.resume()
  await pause(SLICED_START_MS)
  signal('SIGSTOP')
  return {
    async slice(ms) {
      signal('SIGCONT')
      await pause(ms)
      signal('SIGSTOP')
    },
    async stop() {
      signal('SIGCONT')
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** To connect, and warm up what it asks, once it has read its list of requests. */
const SLICED_START_MS = 1_500

type SlicedOptions = Omit<LoadOptions, 'seconds'>

function argumentsOf({ url, requests, connections, seconds }: Omit<LoadOptions, 'processors'>): string[] {
  return [
    'wrk',
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--latency',
    '-s',
    requests.script,
    url,
    '--',
    String(offset),
  ]
}

let offset = 0

/** Each run goes on in the list where the last one stopped, or thereabouts. */
export async function load({ processors, ...options }: LoadOptions): Promise<LoadResult> {
  const { url } = options
  const args = argumentsOf(options)
  const [program, ...rest] = onProcessors(processors, args)
  const running = promisify(execFile)(program, rest)
  endWithUs(running.child)
  const { stdout } = await running
  const count = Number(/(\d+) requests in/.exec(stdout)?.[1])
  offset += count
  const failed = Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0)
  const broken = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout)?.slice(1) ?? []
  if (!(count > 0)) throw new Failure(`wrk got no answer from ${url}:\n${stdout}`, undefined)
  return {
    requests: count,
    rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    p50: milliseconds(/^\s+50%\s+(\S+)/m.exec(stdout)?.[1]),
    p99: milliseconds(/^\s+99%\s+(\S+)/m.exec(stdout)?.[1]),
    errors: failed + broken.reduce((sum, value) => sum + Number(value), 0),
  }
}

const MILLISECONDS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** Of a time as wrk prints it: `950.00us`, `1.20m`. */
export function milliseconds(text = ''): number {
  const [, value, unit = ''] = /^([\d.]+)(us|ms|s|m|h)$/.exec(text) ?? []
  return Number(value) * (MILLISECONDS[unit] ?? Number.NaN)
}
