/** A second opinion: wrk asks the same for a while. What two tools agree upon can be believed. */

import { Failure } from '../failure.ts'
import { isInstalled, load, offer, QUIET_S, writeRequests } from '../measure/index.ts'
import { requestsOf } from '../traffic/index.ts'
import type { Offered } from './offer.ts'
import type { Plan, Source } from './plan.ts'
import type { Opinion } from './report.ts'

const SECONDS_MAX = 10
const PATHS = 50_000
/** Of the larger figure: more than this between them is told. */
const DIFFERENCE_MAX = 0.15
/**
 * wrk's arrivals are drawn. Chance alone makes a difference of so many standard deviations once in some thousands of runs; of fewer
 * than some 700 requests that is more than 15 %.
 */
const DEVIATIONS_MAX = 4

/** Undefined where wrk isn't installed. Throws a `Failure` that says why, where wrk can't ask such a thing or gets no answer. */
export async function secondOpinion(
  plan: Plan,
  first: Offered,
  progress: (line: string) => void = () => {},
): Promise<Opinion | undefined> {
  const { url, arrival, connections } = plan
  const unlike = unlikeness(plan)
  if (unlike !== undefined) throw new Failure(unlike, undefined)
  if (!isInstalled('wrk')) return undefined
  const requests = writeRequests(pathsOf(plan.source))
  const seconds = Math.max(1, Math.min(SECONDS_MAX, Math.round(plan.duration)))
  progress(`asking wrk too, ${seconds} s`)
  const asked = { url, requests, connections, seconds }
  try {
    const { rate, p50, p99 } =
      arrival.kind === 'open' ? await offer({ ...asked, rate: arrival.rate }) : await load(asked)
    const due = arrival.kind === 'open' ? arrival.rate * (seconds - QUIET_S) : undefined
    const warning = warningOf({ autocannon: first.rate, wrk: rate, due })
    return { tool: 'wrk', rate, p50, p99, ...(warning !== undefined && { warning }) }
  } catch (error) {
    throw error instanceof Failure ? error : new Failure(reasonOf(error), error)
  } finally {
    requests.remove()
  }
}

/** Why wrk can't ask what was asked; undefined where it can. Requests with other methods than GET are left out. */
function unlikeness({ arrival, reconnects }: Plan): string | undefined {
  if (arrival.kind === 'slices') return "a log has a pace of its own, and wrk can't keep it"
  if (arrival.kind === 'open' && arrival.halvesEveryS !== undefined) return "wrk can't let a rate halve"
  if (reconnects) return 'wrk keeps its connections, and these clients have one each'
  return undefined
}

export interface Rates {
  /** Requests a second that each tool reached. */
  readonly autocannon: number
  readonly wrk: number
  /** How many requests wrk was to send; undefined where none were due, but as many as could be. */
  readonly due: number | undefined
}

/**
 * What to say where two tools differ by too much to believe either; undefined where they agree. Latencies are not compared: at a
 * held rate autocannon's are corrected for what a connection could not ask, wrk's begin when a request is sent.
 */
export function warningOf({ autocannon, wrk, due }: Rates): string | undefined {
  const difference = Math.abs(wrk - autocannon) / Math.max(wrk, autocannon)
  const byChance = due === undefined ? 0 : DEVIATIONS_MAX / Math.sqrt(due)
  if (difference <= Math.max(DIFFERENCE_MAX, byChance)) return undefined
  const why =
    wrk <= autocannon
      ? 'the machine was not quiet'
      : due === undefined
        ? 'autocannon may be what is at its limit; give it more --workers, or a --rate'
        : 'autocannon may be what is at its limit; give it more --workers'
  return `wrk and autocannon differ by ${Math.round(difference * 100)} %: ${why}`
}

/** wrk says on standard error what it broke off for. */
function reasonOf(error: unknown): string {
  const { stderr = '', message } = error as Error & { stderr?: string }
  return `wrk: ${stderr.trim().split('\n')[0] || message}`
}

function* pathsOf(source: Source): Generator<string> {
  if (source.kind === 'paths') return
  let count = 0
  for (const requests of requestsOf(source.name, source.population, source.seed, { first: 0, of: 1 })) {
    for (const { path, method } of requests) {
      if (method !== undefined) continue
      if (count++ >= PATHS) return
      yield path
    }
  }
}
