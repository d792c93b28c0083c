/**
 * Profiles that come at a rate that is held: so many at once every hundredth of a second, each asking 8 checks, one after the other,
 * over a connection of its own that is closed at its end. Where connections are kept there is one for each that comes at once, and
 * asks as many checks a second, evenly. It is h2load, Debian's generator for HTTP/2, that speaks HTTP/1.1 here: it opens as many
 * connections a second as a day has, on one processor, and resumes no TLS sessions, which a profile that comes once a day doesn't
 * either. (wrk counts a connection that is closed on demand as broken, and resumes; a generator in Node opens half as many.)
 */

import { type ExecFileException, execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Failure } from '../failure.ts'
import { endWithUs, GENERATOR_PROCESSOR, HEADERS, isInstalled, onProcessors, preciseCpuOf } from '../measure/index.ts'
import { type Population, requestsOf } from '../traffic/index.ts'
import { RATE } from './run.ts'

/** What a profile asks for; 8 are its add-ons in the mean. */
export const CHECKS = 8
const PERIOD_MS = 10
const PERIODS_A_SECOND = 1_000 / PERIOD_MS
/** Profiles at once, of a day of 2 billion checks. */
export const DAY_AT_ONCE = Math.ceil(RATE / (CHECKS * PERIODS_A_SECOND))

export interface VisitOptions {
  readonly url: string
  /** The paths that each asks for. */
  readonly profile: readonly string[]
  readonly atOnce: number
  readonly seconds: number
  /** Connections are kept, and taken by the next profile. */
  readonly keep: boolean
}

export interface VisitResult {
  /** Checks that were answered rightly. */
  readonly requests: number
  /** That h2load was told to open; it doesn't say how many it has. */
  readonly connections: number
  /** Checks a second. */
  readonly rate: number
  /** Which part of the rate that was wanted that is. */
  readonly reached: number
  /** Which part of its processor the generator took. */
  readonly generator: number
  /** Milliseconds of a check. */
  readonly p99: number
  /** Milliseconds of opening a connection, TLS included; the mean. */
  readonly connecting: number
  /** Checks that were not answered with success. */
  readonly errors: number
}

const PROFILES = 100
const SEED = 4

export function requireH2load(): void {
  if (!isInstalled('h2load'))
    throw new Failure('h2load is not installed. As root: apt-get install nghttp2-client.', undefined)
}

/**
 * What profiles ask for: the checks of `talk`, without those that must be refused. h2load begins every connection with the first path of its
 * list, so all that come in one turn ask for the same add-ons, those of the next turn for others.
 */
export function profilesOf(population: Population): string[][] {
  const paths: string[] = []
  for (const requests of requestsOf('talk', population, SEED, { first: 0, of: 1 })) {
    const checks = requests.filter(({ method, expects }) => method === undefined && expects.includes(200))
    paths.push(...checks.map(({ path }) => path))
    if (paths.length >= PROFILES * CHECKS) break
  }
  return Array.from({ length: PROFILES }, (_, index) => paths.slice(index * CHECKS, (index + 1) * CHECKS))
}

/** Checks a second. */
export function rateOf(atOnce: number): number {
  return atOnce * CHECKS * PERIODS_A_SECOND
}

/** h2load can't be told which versions of TLS to speak, but the library it uses can. */
const TLS_1_2 = `openssl_conf = init
[init]
ssl_conf = modules
[modules]
system_default = versions
[versions]
Protocol = ALL,-TLSv1.3
`
/** Nobody waits longer for an answer. */
const WAIT_S_MAX = 10
/** For what is not reached in time to be asked all the same. */
const LONGER_MAX = 20
const OUTPUT_BYTES_MAX = 256 * 1024 * 1024
const CPU_POLL_MS = 50

/** Sends profiles for a while. */
export async function sendVisitors(options: VisitOptions): Promise<VisitResult> {
  const { url, profile, atOnce, seconds, keep } = options
  const folder = mkdtempSync(join(tmpdir(), 'versioncheck-day-'))
  const [paths, log, openssl] = ['paths', 'log', 'openssl.cnf'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  writeFileSync(paths, `${profile.join('\n')}\n`)
  writeFileSync(openssl, TLS_1_2)
  const profiles = atOnce * PERIODS_A_SECOND * seconds
  const connections = keep ? atOnce : profiles
  const pace = keep ? ['--rps', String(rateOf(1))] : ['--rate', String(atOnce), '--rate-period', `${PERIOD_MS}ms`]
  const [program, ...args] = onProcessors(GENERATOR_PROCESSOR, [
    ...['h2load', '--h1', '--base-uri', url, '--input-file', paths, '--log-file', log],
    ...Object.entries(HEADERS).flatMap(([name, value]) => ['--header', `${name}: ${value}`]),
    ...['--requests', String(profiles * CHECKS), '--clients', String(connections), ...pace],
    ...['--connection-inactivity-timeout', `${WAIT_S_MAX}s`],
  ])
  try {
    const timeout = (seconds * LONGER_MAX + WAIT_S_MAX) * 1_000
    const running = promisify(execFile)(program, args, {
      env: { ...process.env, OPENSSL_CONF: openssl },
      maxBuffer: OUTPUT_BYTES_MAX,
      timeout,
    })
    endWithUs(running.child)
    const generator = watchCpu(running.child.pid as number)
    const { stdout } = await running
      .catch((error: unknown) => {
        throw new Failure(`h2load, asking ${url}, ${reasonOf(error, timeout)}`, error)
      })
      .finally(generator.stop)
    if (url.startsWith('https:') && !/^TLS Protocol: TLSv1\.2$/m.test(stdout))
      throw new Failure(`h2load didn't speak TLS 1.2 with ${url}:\n${stdout.slice(0, SHOWN)}`, undefined)
    const told = readOutput(stdout)
    if (told.succeeded === 0)
      throw new Failure(`h2load got no answer from ${url}:\n${stdout.slice(0, SHOWN)}`, undefined)
    const rate = told.succeeded / told.seconds
    return {
      requests: told.succeeded,
      connections,
      rate,
      reached: rate / rateOf(atOnce),
      generator: generator.part(),
      p99: percentileOf(readFileSync(log, 'latin1'), 0.99),
      connecting: told.connecting,
      errors: told.total - told.succeeded,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const SHOWN = 2_000

/** Why there is no output of h2load. */
export function reasonOf(error: unknown, timeoutMs: number): string {
  const { killed, code, message, stderr = '' } = error as ExecFileException & { readonly stderr?: string }
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return 'said more than can be read.'
  if (killed) return `had not ended after ${timeoutMs / 1_000} s.`
  return `ended with ${code}: ${(stderr.trim() || message).slice(0, SHOWN)}`
}

/** What h2load says at its end. */
export function readOutput(text: string): {
  readonly seconds: number
  readonly total: number
  readonly succeeded: number
  /** Milliseconds, the mean. */
  readonly connecting: number
} {
  const [, duration = ''] = /^finished in ([^,]+),/m.exec(text) ?? []
  const [, total, succeeded] = /^requests: (\d+) total, .* (\d+) succeeded,/m.exec(text) ?? []
  const columns = /^ +(min .*)$/m.exec(text)?.[1]?.split(/\s+/) ?? []
  const times = /^time for connect: +(.*)$/m.exec(text)?.[1]?.split(/\s+/) ?? []
  return {
    seconds: milliseconds(duration) / 1_000,
    total: Number(total),
    succeeded: Number(succeeded),
    connecting: milliseconds(times[columns.indexOf('mean')] ?? ''),
  }
}

/** h2load has no longer units: a minute and a half is `90.00s`. */
function milliseconds(text: string): number {
  const [, value, unit] = /^([\d.]+)(us|ms|s)$/.exec(text) ?? []
  return Number(value) * { us: 0.001, ms: 1, s: 1_000 }[(unit ?? 'ms') as 'us' | 'ms' | 's']
}

/** Milliseconds, of h2load's log: a line a check, its third column the microseconds that it took. */
export function percentileOf(log: string, part: number): number {
  const lines = log.trimEnd().split('\n')
  const sorted = Float64Array.from(lines, (line) => Number(line.split('\t')[2])).sort()
  return (sorted[Math.floor(sorted.length * part)] as number) / 1_000
}

/** Asked while it runs: of a process, or a thread, that ended nobody can tell. */
function watchCpu(pid: number): { part(): number; stop(): void } {
  const startedAt = performance.now()
  let most = 0
  let part = 0
  const timer = setInterval(() => {
    try {
      const cpuMs = preciseCpuOf(pid) / 1_000
      if (cpuMs < most) return
      most = cpuMs
      part = cpuMs / (performance.now() - startedAt)
    } catch {
      // It has just ended.
    }
  }, CPU_POLL_MS)
  return { part: () => part, stop: () => clearInterval(timer) }
}
