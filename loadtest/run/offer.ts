/** Offers a load: starts the generator's processes, adds up what they tell. */

import { fork } from 'node:child_process'
import { extname, join } from 'node:path'
import { build, decodeFromCompressedBase64, type Histogram } from 'hdr-histogram-js'
import { Failure } from '../failure.ts'
import { endWithUs } from '../measure/index.ts'
import type { Share, Tick } from './generator.ts'
import type { Plan } from './plan.ts'

/** Milliseconds. */
export interface Latencies {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

/** One second of a run. */
export interface Second extends Latencies {
  readonly second: number
  readonly answered: number
  readonly errors: number
}

export interface Offered {
  readonly answered: number
  /** Requests a second, over the seconds that count. */
  readonly rate: number
  readonly latencies: Latencies
  /** Latencies by the part of requests that were answered so fast. */
  readonly distribution: readonly { readonly part: number; readonly ms: number }[]
  /** How often, by kind. */
  readonly errors: Readonly<Record<string, number>>
  readonly seconds: readonly Second[]
  /** What the generators took, of one processor. */
  readonly generatorCpu: number
  /** Seconds after the warm-up; less than was planned where the server was gone. */
  readonly lasted: number
}

/** What is left of a second at the end is shown only if it is most of one. */
const SECOND_MIN = 0.9

const PARTS = [
  ...Array.from({ length: 90 }, (_, index) => index / 100),
  0.9,
  0.925,
  0.95,
  0.96,
  0.97,
  0.98,
  0.985,
  0.99,
  0.9925,
  0.995,
  0.9975,
  0.999,
  0.9995,
  0.9999,
  0.99999,
]

/** Runs a plan to its end; `onSecond` is told of each second as it is over. */
export async function offer(plan: Plan, onSecond: (second: Second) => void = () => {}): Promise<Offered> {
  const ticks = new Map<number, Tick[]>()
  const seconds: Second[] = []
  const total = emptyHistogram()
  const errors: Record<string, number> = {}
  let answered = 0
  let cpuUs = 0
  const file = join(import.meta.dirname, `generator${extname(import.meta.filename)}`)
  const begunAt = performance.now()

  const close = (number: number) => {
    const of = ticks.get(number) ?? []
    ticks.delete(number)
    const histogram = emptyHistogram()
    let count = 0
    let failed = 0
    for (const tick of of) {
      histogram.add(decodeFromCompressedBase64(tick.latencies))
      count += tick.answered
      for (const [kind, times] of Object.entries(tick.errors)) {
        errors[kind] = (errors[kind] ?? 0) + times
        failed += times
      }
    }
    total.add(histogram)
    answered += count
    // After the end connections that began later are still let run out.
    const isAfter = plan.arrival.kind !== 'slices' && number > Math.ceil(plan.warmUp + plan.duration)
    if (number <= plan.warmUp || isAfter || (of[0]?.length ?? 0) < SECOND_MIN) return
    const second = { second: number, answered: count, errors: failed, ...latenciesOf(histogram) }
    seconds.push(second)
    onSecond(second)
  }

  await Promise.all(
    Array.from({ length: plan.workers }, (_, worker) => {
      const child = fork(file, { serialization: 'advanced' })
      endWithUs(child)
      let told = 0
      child.send({ plan, worker } satisfies Share)
      return new Promise<void>((resolve, reject) => {
        child.on('message', (tick: Tick) => {
          const number = ++told
          const list = ticks.get(number) ?? []
          ticks.set(number, list)
          list.push(tick)
          cpuUs += tick.cpuUs
          if (list.length === plan.workers) close(number)
        })
        child.once('error', reject)
        child.once('exit', (code) =>
          code === 0 ? resolve() : reject(new Failure(`A generator ended with ${code}.`, undefined)),
        )
      })
    }),
  )
  for (const number of [...ticks.keys()].sort((one, other) => one - other)) close(number)
  const elapsed = (performance.now() - begunAt) / 1_000
  const counted = Math.max(1, Math.min(plan.duration, elapsed - plan.warmUp))
  return {
    answered,
    rate: answered / counted,
    latencies: latenciesOf(total),
    distribution: PARTS.map((part) => ({ part, ms: total.getValueAtPercentile(part * 100) / 1_000 })),
    errors,
    seconds,
    generatorCpu: cpuUs / 1e6 / elapsed,
    lasted: counted,
  }
}

/** Whether what went wrong is an answer that nobody expected, rather than none. */
export function isAnswer(kind: string): boolean {
  return kind.startsWith('status ')
}

/** All errors together. */
export function errorsOf({ errors }: Pick<Offered, 'errors'>): number {
  return Object.values(errors).reduce((sum, times) => sum + times, 0)
}

function latenciesOf(histogram: Histogram): Latencies {
  // Both are rounded, and not alike.
  const at = (percentile: number) => Math.min(histogram.getValueAtPercentile(percentile), histogram.maxValue) / 1_000
  if (histogram.totalCount === 0) return { p50: 0, p90: 0, p99: 0, p999: 0, max: 0 }
  return { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: histogram.maxValue / 1_000 }
}

/** Grows with what it is given. */
function emptyHistogram(): Histogram {
  return build({ autoResize: true, numberOfSignificantValueDigits: 3 })
}
