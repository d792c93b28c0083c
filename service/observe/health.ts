/**
 * Readiness: can this worker answer? It can while it is in touch with a replica, or holds something that may still be offered; and
 * while it does answer: it is judged by what clients got, not by a ping. (Liveness asks for less, and depends on nothing.)
 */

import { HEALTH_MS, HEALTH_REQUESTS_MIN, HEALTH_UNAVAILABLE_MAX } from '../limits.ts'

export interface HealthFacts {
  /** Checks that were answered, and that got a 503, since the start. */
  readonly answered: number
  readonly unavailable: number
  readonly knowsSomething: boolean
  readonly isWithheld: boolean
  readonly ageS: number
}

export interface Verdict {
  readonly isReady: boolean
  readonly status: 'ok' | 'stale' | 'failing' | 'ignorant' | 'withholding' | 'draining'
  /** Seconds since a replica was in touch. */
  readonly ageS: number
  /** Of the checks of the last ten seconds, the share that got a 503. */
  readonly unavailableShare: number
}

export interface Health {
  judge(isDraining: boolean): Verdict
  close(): Promise<void>
}

/** Looks at the facts now and then, so that asking costs nothing. */
export function createHealth(facts: () => HealthFacts): Health {
  let before = facts()
  let unavailableShare = 0
  const timer = setInterval(() => {
    const now = facts()
    const answered = now.answered - before.answered
    const unavailable = now.unavailable - before.unavailable
    const all = answered + unavailable
    unavailableShare = all < HEALTH_REQUESTS_MIN ? 0 : unavailable / all
    before = now
  }, HEALTH_MS)
  timer.unref()

  return {
    judge(isDraining) {
      const { knowsSomething, isWithheld, ageS } = facts()
      const verdict = (status: Verdict['status']) => ({
        isReady: status === 'ok' || status === 'stale',
        status,
        ageS,
        unavailableShare,
      })
      if (isDraining) return verdict('draining')
      if (!knowsSomething) return verdict('ignorant')
      if (isWithheld) return verdict('withholding')
      if (unavailableShare > HEALTH_UNAVAILABLE_MAX) return verdict('failing')
      return verdict(ageS > 0 ? 'stale' : 'ok')
    },
    async close() {
      clearInterval(timer)
    },
  }
}
