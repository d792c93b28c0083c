/** A second opinion: wrk asks the same for a while. What two tools agree upon can be believed. */

import { Failure } from '../failure.ts'
import { isInstalled, load, offer, QUIET_S, writeRequests } from '../measure/index.ts'
import { type Request, requestsOf } from '../traffic/index.ts'
import type { Offered } from './offer.ts'
import { clientsOf, type Plan, type Source } from './plan.ts'

/** What the other tool found. */
export interface Opinion {
  readonly tool: string
  readonly rate: number
  readonly p50: number
  readonly p99: number
  /** Undefined where wrk can't tell a refusal that is right from one that is wrong: where each asks as fast as it is answered. */
  readonly errors?: number | undefined
  /** Where the two differ by too much to believe either. */
  readonly warning?: string
}

const SECONDS_MAX = 10
const PATHS_MIN = 50_000
const PATHS_MAX = 500_000
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
  first: Pick<Offered, 'rate'>,
  progress: (line: string) => void = () => {},
): Promise<Opinion | undefined> {
  const { url, arrival, connections } = plan
  const unlike = unlikeness(plan)
  if (unlike !== undefined) throw new Failure(unlike, undefined)
  if (!isInstalled('wrk')) return undefined
  const seconds = Math.max(1, Math.min(SECONDS_MAX, Math.round(plan.duration)))
  const count = Math.max(PATHS_MIN, Math.min(PATHS_MAX, Math.round(first.rate * seconds * 1.5)))
  const requests = writeRequests(getsOf(plan.source, clientsOf(first.rate, plan), count))
  progress(`asking wrk too, ${seconds} s`)
  const asked = { url, requests, connections, seconds }
  try {
    const isOpen = arrival.kind === 'open'
    const { rate, p50, p99, errors } = isOpen ? await offer({ ...asked, rate: arrival.rate }) : await load(asked)
    const due = arrival.kind === 'open' ? arrival.rate * (seconds - QUIET_S) : undefined
    const warning = warningOf({ autocannon: first.rate, wrk: rate, due })
    return { tool: 'wrk', rate, p50, p99, ...(isOpen && { errors }), ...(warning !== undefined && { warning }) }
  } catch (error) {
    throw error instanceof Failure ? error : new Failure(reasonOf(error), error)
  } finally {
    requests.remove()
  }
}

/** A line each, as `[name, value]`. */
export function describeOpinion({ tool, rate, p50, p99, errors, warning }: Opinion): [string, string][] {
  const figures = `${Math.round(rate).toLocaleString('en-US')} a second, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms${errors === undefined ? '' : `, ${errors} errors`}`
  return [[tool, figures], ...(warning === undefined ? [] : [['warning', warning] as [string, string]])]
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

/** Of the clients that come after those that have asked already. */
function* getsOf(source: Source, asked: number, most: number): Generator<Request> {
  if (source.kind === 'paths') return
  let count = 0
  const { name, population, seed, first } = source
  for (const requests of requestsOf(name, population, seed, { first: first + asked, of: 1 })) {
    for (const request of requests) {
      if (request.method !== undefined) continue
      if (count++ >= most) return
      yield request
    }
  }
}
