/**
 * Access logs, so that what clients really asked can be asked again: those of nginx and Varnish (the combined format, also with a
 * whole address as varnishncsa writes it), and our own at LOG_LEVEL=trace.
 */

import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { Failure } from '../failure.ts'
import { SLICE_MS } from './plan.ts'

/** What a log has: paths in order, and how many are to be asked in each tenth of a second. */
export interface Log {
  readonly paths: readonly string[]
  readonly counts: readonly number[]
  /** Lines that had no GET of a path, or no time. */
  readonly passedOver: number
}

/** Every tenth of a second that a replay takes is kept: of more days one line with a wrong clock would make millions of millions. */
const DAYS_MAX = 31
const DAY_MS = 86_400_000

interface Entry {
  readonly path: string
  /** Milliseconds since 1970. */
  readonly at: number
}

const COMBINED = /\[(\d\d)\/(\w{3})\/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d{4})\] "GET (\S+) HTTP\/[\d.]+"/
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/**
 * `speed`: the log is taken as if it had been written so many times as fast. Throws a `Failure` where there is no request in it, or
 * where it takes too long.
 */
export async function readLog(path: string, speed = 1): Promise<Log> {
  const entries: Entry[] = []
  let passedOver = 0
  try {
    for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
      const entry = line.startsWith('{') ? parseOwn(line) : parseCombined(line)
      if (entry === undefined) passedOver++
      else entries.push(entry)
    }
  } catch (error) {
    throw new Failure(`${path} can't be read: ${(error as Error).message}.`, error)
  }
  if (entries.length === 0) {
    throw new Failure(
      `${path} has no requests in it. Known are the combined format of nginx and Varnish, and our own log at LOG_LEVEL=trace.`,
      undefined,
    )
  }
  // Logs are written when requests end, some after later ones.
  entries.sort((one, other) => one.at - other.at)
  const [first, last] = [entries[0] as Entry, entries.at(-1) as Entry]
  if ((last.at - first.at) / speed > DAYS_MAX * DAY_MS) {
    const [from, until] = [first, last].map(({ at }) => new Date(at).toISOString())
    throw new Failure(
      `${path} goes from ${from} until ${until}: at --speed ${speed} that takes more than ${DAYS_MAX} days. Replay a part of it.`,
      undefined,
    )
  }
  return { paths: entries.map(({ path: asked }) => asked), counts: countsOf(entries, speed), passedOver }
}

function parseCombined(line: string): Entry | undefined {
  const [, day, month, year, time, zone, target] = COMBINED.exec(line) ?? []
  if (target === undefined) return undefined
  const number = String(MONTHS.indexOf(month as string) + 1).padStart(2, '0')
  const at = Date.parse(`${year}-${number}-${day}T${time}${zone?.slice(0, 3)}:${zone?.slice(3)}`)
  const path = pathOf(target)
  return path === undefined || Number.isNaN(at) ? undefined : { path, at }
}

function parseOwn(line: string): Entry | undefined {
  try {
    const { time, method, target } = JSON.parse(line) as { time?: unknown; method?: unknown; target?: unknown }
    if (typeof target !== 'string' || !isTime(time) || method !== 'get') return undefined
    const path = pathOf(target)
    return path === undefined ? undefined : { path, at: time }
  } catch {
    return undefined
  }
}

/** Some clocks are not set yet when the log begins. */
function isTime(time: unknown): time is number {
  return typeof time === 'number' && time > 0 && time <= TIME_MAX
}

/** Of a Date. */
const TIME_MAX = 8.64e15

/** What can stand in a request line; varnishncsa writes `http://host/path`. */
function pathOf(target: string): string | undefined {
  const path = target.replace(/^https?:\/\/[^/]*/, '')
  return /^\/[\u0021-\u007e]*$/.test(path) ? path : undefined
}

/** Logs with whole seconds are spread evenly over each. */
function countsOf(entries: readonly Entry[], speed: number): number[] {
  const first = (entries[0] as Entry).at
  const last = (entries.at(-1) as Entry).at
  const wholeSeconds = entries.every(({ at }) => at % 1_000 === 0)
  const perSecond = 1_000 / SLICE_MS
  const length = Math.floor((last - first) / SLICE_MS) + (wholeSeconds ? perSecond : 1)
  const counts: number[] = Array.from({ length: Math.ceil(length / speed) }, () => 0)
  const seen = new Map<number, number>()
  const inSecond = new Map<number, number>()
  if (wholeSeconds) for (const { at } of entries) inSecond.set(at, (inSecond.get(at) ?? 0) + 1)
  for (const { at } of entries) {
    let slice = Math.floor((at - first) / SLICE_MS)
    if (wholeSeconds) {
      const index = seen.get(at) ?? 0
      seen.set(at, index + 1)
      slice += Math.floor((index * perSecond) / (inSecond.get(at) as number))
    }
    const asked = Math.floor(slice / speed)
    counts[asked] = (counts[asked] as number) + 1
  }
  return counts
}
