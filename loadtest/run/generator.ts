/**
 * One process of the load generator: autocannon's clients, and a clock of our own on each. autocannon counts latencies in whole
 * milliseconds, corrects the coordinated omission by a wrong interval, doesn't count the last answer before a reconnect, nor a
 * request whose connection was closed unanswered; its workers tell nothing between start and end. So its clients say when they
 * send and when the headers of an answer come, and the rest is counted here.
 *
 * autocannon sends what a second allows at the beginning of that second. A rate is therefore shared by many small instances,
 * begun one after the other over the first second.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import autocannon from 'autocannon'
import { build, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js'
import { HEADERS as ALL_HEADERS } from '../measure/headers.ts'
import { type Request, requestsOf } from '../traffic/index.ts'
import { lifeOf } from './herd.ts'
import { type Plan, SLICE_MS, type Source } from './plan.ts'

/** What the process tells once a second, and at its end. */
export interface Tick {
  /** How long it tells of, in seconds: 1, or what is left at the end. */
  readonly length: number
  readonly answered: number
  readonly errors: Readonly<Record<string, number>>
  /** Encoded; microseconds. */
  readonly latencies: string
  /** Microseconds of processor time since the tick before. */
  readonly cpuUs: number
  readonly last: boolean
}

/** What a process is handed. */
export interface Share {
  readonly plan: Plan
  readonly worker: number
}

const INSTANCES_MAX = 100
/** What has waited so long when the run ends is an error; less is what is always under way. */
const UNANSWERED_MS = 1_000
/** So late the timer that ends a run may be. */
const END_MS = 500
const LATENCY_US_MAX = 600_000_000
/** autocannon says by itself that connections are kept. */
const { Connection: _, ...HEADERS } = ALL_HEADERS

/** autocannon's client, with the events its types leave out. */
interface Client {
  setRequests(requests: readonly unknown[]): void
  on(event: 'request' | 'timeout', listener: () => void): void
  on(event: 'connError', listener: (error: NodeJS.ErrnoException) => void): void
  on(event: 'headers', listener: (answer: { statusCode: number; headers: readonly string[] }) => void): void
}

/** Of one process. */
class Tally {
  answered = 0
  errors: Record<string, number> = {}
  latencies = newHistogram()
  private readonly from: number
  private readonly until: number

  /** Counts from so many seconds from now on, for so many seconds. */
  constructor(warmUp: number, duration: number) {
    this.from = performance.now() + warmUp * 1_000
    this.until = this.from + duration * 1_000
  }

  private isCounting(now: number): boolean {
    return now >= this.from && now <= this.until
  }

  /** `everyMs`: how often the connection is meant to send; 0 where it sends when it can. */
  answer(sentAt: number, status: number, expects: readonly number[], everyMs: number): void {
    const now = performance.now()
    if (!this.isCounting(now)) return
    this.answered++
    this.record(now - sentAt, everyMs)
    if (!expects.includes(status)) this.fail(`status ${status}`)
  }

  fail(kind: string): void {
    if (this.isCounting(performance.now())) this.count(kind)
  }

  /** Whoever gave up has waited for so long at the least. */
  timeOut(sentAt: number, everyMs: number): void {
    const now = performance.now()
    if (!this.isCounting(now)) return
    this.record(now - sentAt, everyMs)
    this.count('timeout')
  }

  /** What still waits for its answer when its connection ends, or the run does: it has taken so long at the least. */
  leaveUnanswered(sentAt: number, everyMs: number): void {
    const now = performance.now()
    if (now < this.from || now > this.until + END_MS) return
    this.record(now - sentAt, everyMs)
    if (now - sentAt >= UNANSWERED_MS) this.count('no answer until the end')
  }

  private count(kind: string): void {
    this.errors[kind] = (this.errors[kind] ?? 0) + 1
  }

  private record(ms: number, everyMs: number): void {
    const us = Math.min(LATENCY_US_MAX, Math.max(1, Math.round(ms * 1_000)))
    if (everyMs > 0) this.latencies.recordValueWithExpectedInterval(us, Math.round(everyMs * 1_000))
    else this.latencies.recordValue(us)
  }

  reset(): void {
    this.answered = 0
    this.errors = {}
    this.latencies.reset()
  }
}

function newHistogram(): Histogram {
  return build({ highestTrackableValue: LATENCY_US_MAX, numberOfSignificantValueDigits: 3 })
}

/** What the connections of one process ask, in turn; each takes a whole client's requests. */
class Requests {
  private readonly lists: Iterator<readonly Request[]>

  constructor(source: Source, first: number, of: number) {
    this.lists =
      source.kind === 'profile'
        ? requestsOf(source.name, source.population, source.seed, { first: source.first + first, of })
        : listsOfPaths(source.paths, first, of)
  }

  next(): readonly Request[] {
    return this.lists.next().value as readonly Request[]
  }
}

/** Answers to what somebody else asked: anything but a 5xx is right. */
const ANY: readonly number[] = Array.from({ length: 400 }, (_, index) => 100 + index)

function* listsOfPaths(paths: readonly string[], first: number, of: number): Generator<readonly Request[]> {
  for (let at = first; ; at += of) yield [{ path: paths[at % paths.length] as string, expects: ANY }]
}

/**
 * Joins one connection to the tally; `perSecond`: its share of the rate, 0 where it has none. What it returns is to be called when
 * the connection ends.
 */
function follow(client: Client, requests: Requests, tally: Tally, perSecond: number): () => void {
  const everyMs = perSecond > 0 ? 1_000 / perSecond : 0
  let sentAt = 0
  let isWaiting = false
  let isBroken = false
  /** When the request was sent that has no answer. */
  let brokenSince = 0
  /** The last answer said that it closes the connection; autocannon sends on it all the same, in vain. */
  let isClosing = false
  let isInVain = false
  let refusedAt = Number.NEGATIVE_INFINITY
  let list: readonly Request[] = []
  let at = 0
  let current: Request | undefined
  client.on('request', () => {
    if (isWaiting && !isInVain) {
      isBroken = true
      brokenSince = sentAt
      // A timeout is told right after the request that follows it.
      queueMicrotask(() => {
        if (isBroken) tally.fail('connection closed without an answer')
        isBroken = false
      })
    }
    isWaiting = true
    isInVain = isClosing
    isClosing = false
    sentAt = performance.now()
  })
  client.on('headers', ({ statusCode, headers }) => {
    isWaiting = false
    isClosing = headers.some(
      (text, index) => index % 2 === 0 && /^connection$/i.test(text) && headers[index + 1] === 'close',
    )
    tally.answer(sentAt, statusCode, current?.expects ?? ANY, everyMs)
  })
  client.on('timeout', () => {
    // autocannon's clock runs from one request to the next: where that was answered, nobody has waited.
    if (isBroken) tally.timeOut(brokenSince, everyMs)
    // Where its second is used up, no request comes before the timeout is told.
    else if (isWaiting && !isInVain) {
      tally.timeOut(sentAt, everyMs)
      isWaiting = false
    }
    isBroken = false
  })
  client.on('connError', (error) => {
    isWaiting = false
    // autocannon connects again at once. What a rate would not have asked meanwhile is no error.
    const now = performance.now()
    if (!isInVain && now - refusedAt >= everyMs) {
      refusedAt = now
      tally.fail(error.code ?? error.message)
    }
    isInVain = false
  })
  client.setRequests([
    {
      headers: HEADERS,
      setupRequest: (request: object) => {
        while (at >= list.length) {
          list = requests.next()
          at = 0
        }
        current = list[at++] as Request
        return { ...request, method: current.method ?? 'GET', path: current.path }
      },
    },
  ])
  return () => {
    if (isWaiting && !isInVain) tally.leaveUnanswered(sentAt, everyMs)
    isWaiting = false
  }
}

async function generate({ plan, worker }: Share, tell: (tick: Tick) => void): Promise<void> {
  const { arrival, duration, workers } = plan
  const requests = new Requests(plan.source, worker, workers)
  const tally = new Tally(plan.warmUp, arrival.kind === 'slices' ? Number.POSITIVE_INFINITY : duration)
  const begunAt = performance.now()
  let cpuBefore = cpuOfUs()
  let toldAt = begunAt
  const say = (last: boolean) => {
    const cpuUs = cpuOfUs()
    const now = performance.now()
    tell({
      length: (now - toldAt) / 1_000,
      answered: tally.answered,
      errors: tally.errors,
      cpuUs: cpuUs - cpuBefore,
      latencies: encodeIntoCompressedBase64(tally.latencies),
      last,
    })
    cpuBefore = cpuUs
    toldAt = now
    tally.reset()
  }
  const ticking = setInterval(() => say(false), 1_000)
  const connections = shareOf(plan.connections, worker, workers)
  const ends: Promise<void>[] = []
  const leaves: (() => void)[] = []
  const leaveAll = (some: readonly (() => void)[]) => {
    for (const leave of some) leave()
  }
  const start = (options: Partial<autocannon.Options>, perConnection: number) => {
    const own: (() => void)[] = []
    const join = (client: Client) => {
      const leave = follow(client, requests, tally, perConnection)
      own.push(leave)
      // A log's run ends with its last answer: it has no end that others would have to be told of.
      if (arrival.kind !== 'slices') leaves.push(leave)
    }
    ends.push(run(plan, { ...options }, join).then(() => leaveAll(own)))
  }
  if (arrival.kind !== 'slices') setTimeout(() => leaveAll(leaves), (plan.warmUp + duration) * 1_000).unref()
  if (arrival.kind === 'closed') {
    start({ connections, duration: duration + plan.warmUp }, 0)
  } else if (arrival.kind === 'open') {
    const rate = shareOf(arrival.rate, worker, workers)
    const instances = Math.max(1, Math.min(INSTANCES_MAX, connections, rate))
    for (let instance = 0; instance < instances; instance++) {
      const own = shareOf(rate, instance, instances)
      const ownConnections = Math.min(own, Math.max(1, shareOf(connections, instance, instances)))
      const seconds = lifeOf(instance / instances, duration + plan.warmUp, arrival.halvesEveryS)
      const overallRate = { overallRate: own }
      if (own > 0) start({ connections: ownConnections, duration: seconds, ...overallRate }, own / ownConnections)
      await sleep(begunAt + ((instance + 1) * 1_000) / instances - performance.now())
    }
  } else {
    let asked = 0
    for (const [slice, count] of arrival.counts.entries()) {
      const amount = turnsOf(asked + count, worker, workers) - turnsOf(asked, worker, workers)
      asked += count
      if (amount > 0) start({ connections: Math.min(amount, connections), amount, duration: plan.timeout }, 0)
      await sleep(begunAt + (slice + 1) * SLICE_MS - performance.now())
    }
  }
  await Promise.all(ends)
  clearInterval(ticking)
  say(true)
}

/** One instance of autocannon, to its end. */
function run(plan: Plan, options: Partial<autocannon.Options>, join: (client: Client) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const reconnects = plan.reconnects ? { reconnectRate: MEAN_ADDONS } : {}
    autocannon(
      {
        url: plan.url,
        timeout: plan.timeout,
        bailout: BAILOUT,
        ...reconnects,
        ...options,
        ...WITHOUT_HISTOGRAMS,
        setupClient: (client) => join(client as unknown as Client),
      },
      (error) => (error ? reject(error) : resolve()),
    )
  })
}

/** autocannon keeps three histograms of some megabytes for each instance, and nobody reads them here. */
const ignored = { __custom: true, recordValue() {}, recordValueWithExpectedInterval() {}, reset() {}, destroy() {} }
const WITHOUT_HISTOGRAMS = {
  histograms: { latencies: ignored, requests: ignored, throughput: ignored },
  skipAggregateResult: true,
}

/** autocannon reconnects after a fixed number of requests: as many as a client has in the mean. */
const MEAN_ADDONS = 8
/** A server that is gone shall not be asked for it a million times. */
const BAILOUT = 1_000

/** How many of the first so many are a worker's, where workers take turns: each path of a log is asked by one of them. */
function turnsOf(count: number, worker: number, workers: number): number {
  return Math.floor((count - worker + workers - 1) / workers)
}

/** Shares differ by one at the most, and are the whole together. */
function shareOf(whole: number, index: number, of: number): number {
  return Math.floor(whole / of) + (index < whole % of ? 1 : 0)
}

function cpuOfUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

process.once('message', (share: Share) => {
  const tell = (tick: Tick) => process.send?.(tick)
  generate(share, tell).then(
    () => process.disconnect(),
    (error) => {
      console.error(error)
      process.exit(1)
    },
  )
})
