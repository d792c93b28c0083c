/** A second opinion: wrk asks the same for a while. What two tools agree upon can be believed. */

import { isInstalled, load, writeRequests } from '../measure/index.ts'
import { requestsOf } from '../traffic/index.ts'
import type { Offered } from './offer.ts'
import type { Plan, Source } from './plan.ts'
import type { Opinion } from './report.ts'

const SECONDS_MAX = 10
const PATHS = 50_000
/** Of the larger figure: more than this between them is told. */
const DIFFERENCE_MAX = 0.15

/** Undefined where wrk isn't installed, or can't ask such a thing: a rate, a log, other methods than GET. */
export async function secondOpinion(plan: Plan, first: Offered): Promise<Opinion | undefined> {
  const { url, source, arrival, connections, duration } = plan
  if (!isInstalled('wrk') || arrival.kind !== 'closed') return undefined
  const requests = writeRequests(pathsOf(source))
  try {
    const seconds = Math.max(1, Math.min(SECONDS_MAX, Math.round(duration)))
    const { rate, p50, p99 } = await load({ url, requests, connections, seconds })
    const difference = Math.abs(rate - first.rate) / Math.max(rate, first.rate)
    const percent = Math.round(difference * 100)
    return {
      tool: 'wrk',
      rate,
      p50,
      p99,
      ...(difference > DIFFERENCE_MAX && {
        warning: `wrk and autocannon differ by ${percent} %: ${rate > first.rate ? 'autocannon may be what is at its limit; give it more --workers, or a --rate' : 'the machine was not quiet'}`,
      }),
    }
  } finally {
    requests.remove()
  }
}

function* pathsOf(source: Source): Generator<string> {
  if (source.kind === 'paths') {
    yield* source.paths.slice(0, PATHS)
    return
  }
  let count = 0
  for (const requests of requestsOf(source.name, source.population, source.seed, { first: 0, of: 1 })) {
    for (const { path, method } of requests) {
      if (method !== undefined) continue
      if (count++ >= PATHS) return
      yield path
    }
  }
}
