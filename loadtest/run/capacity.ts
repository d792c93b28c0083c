/** The highest rate that a server holds: doubled until a bound is missed, narrowed down, confirmed. */

import { errorsOf, type Offered } from './offer.ts'
import { describeOpinion, type Opinion } from './opinion.ts'

export interface Bounds {
  /** Milliseconds. */
  readonly maxP99: number
  readonly maxErrors: number
}

export type Attempted = Pick<Offered, 'rate' | 'latencies' | 'errors' | 'generatorCpu'>

export interface CapacityOptions {
  readonly from: number
  readonly to: number
  /** Seconds that a rate is tried, and that the last one is confirmed. */
  readonly step: number
  readonly confirm: number
  readonly bounds: Bounds
  readonly offer: (rate: number, seconds: number) => Promise<Attempted>
  /** Processes that make the load. */
  readonly workers: number
  readonly progress: (line: string) => void
}

export interface Capacity {
  /** Requests a second; 0: not even the first rate held. */
  readonly rate: number
  /** Of the confirmation, milliseconds. */
  readonly p99: number
  /** What ended the search; undefined where the highest rate to try held. */
  readonly limit: string | undefined
}

export interface CapacityReport extends Capacity {
  readonly date: string
  readonly machine: string
  readonly url: string
  readonly profile: string
  readonly maxP99: number
  readonly maxErrors: number
  /** What wrk says of the rate that was found. */
  readonly opinion?: Opinion
  /** What else should be known. */
  readonly notes: readonly string[]
}

const NARROWED_TO = 1.05
/** Less of what was to be offered than this: the rate was not reached. */
const REACHED = 0.98
/** Of one processor for each process: more than this, and the load may be what the generator could make. */
export const GENERATOR_BUSY = 0.9

export async function findCapacity(options: CapacityOptions): Promise<Capacity> {
  const { from, to, step, confirm, progress } = options
  let low = 0
  let high = Number.POSITIVE_INFINITY
  let limit: string | undefined
  const holds = async (rate: number, seconds: number) => {
    const { fault, p99 } = await attempt(options, rate, seconds)
    progress(`${rate.toLocaleString('en-US')} a second: p99 ${p99.toFixed(2)} ms, ${fault ?? 'holds'}`)
    if (fault === undefined) return p99
    limit = fault
    return undefined
  }
  for (let rate = Math.min(from, to); high === Number.POSITIVE_INFINITY; rate = Math.min(rate * 2, to)) {
    if ((await holds(rate, step)) === undefined) high = rate
    else low = rate
    if (low === to) break
  }
  while (low > 0 && high - low > 1 && high / low > NARROWED_TO && high !== Number.POSITIVE_INFINITY) {
    const middle = Math.round((low + high) / 2)
    if ((await holds(middle, step)) === undefined) high = middle
    else low = middle
  }
  while (low > 0) {
    progress(`confirming ${low.toLocaleString('en-US')} a second`)
    const p99 = await holds(low, confirm)
    if (p99 !== undefined) return { rate: low, p99, limit }
    low = Math.floor(low * 0.95) < from / 2 ? 0 : Math.floor(low * 0.95)
  }
  return { rate: 0, p99: 0, limit }
}

async function attempt(
  { bounds, offer, workers }: CapacityOptions,
  rate: number,
  seconds: number,
): Promise<{ fault: string | undefined; p99: number }> {
  const offered = await offer(rate, seconds)
  const { p99 } = offered.latencies
  const errors = errorsOf(offered)
  let fault: string | undefined
  if (errors > bounds.maxErrors) fault = `${errors} errors`
  else if (p99 > bounds.maxP99) fault = `p99 above ${bounds.maxP99} ms`
  else if (offered.rate < rate * REACHED)
    fault = `${Math.round(offered.rate).toLocaleString('en-US')} a second were answered`
  if (fault !== undefined && offered.generatorCpu > workers * GENERATOR_BUSY)
    fault += '; the generator was busy all the time: its limit may be what was found, give it more --workers'
  return { fault, p99 }
}

export function describeCapacity({
  rate,
  p99,
  limit,
  url,
  profile,
  maxP99,
  maxErrors,
  machine,
  opinion,
  notes,
}: CapacityReport): string {
  return [
    rate === 0 ? 'no rate held' : `${rate.toLocaleString('en-US')} requests a second, p99 ${p99.toFixed(2)} ms`,
    `${url}, profile ${profile}; bounds: p99 ${maxP99} ms, ${maxErrors} errors`,
    limit === undefined ? 'the highest rate to try held' : `${rate === 0 ? 'the last one' : 'above that'}: ${limit}`,
    ...(opinion === undefined ? [] : describeOpinion(opinion).map(([name, value]) => `${name}: ${value}`)),
    ...notes.map((note) => `note: ${note}`),
    machine,
  ].join('\n')
}
