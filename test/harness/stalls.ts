/** How long clients may wait, on a machine whose processors others use too. */

import { setInterval as ticks } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Observation } from './clients.ts'

/** What the contract says: at most so long, also where nobody can be asked. */
const ANSWER_MS_MAX = 300
/** What a busy machine may add for the server. */
const BUSY_MS_MAX = 250
const TICK_MS = 10

export interface Stalls {
  /** How late this process was, at the most, for a timer: by so much its clients may have measured too long. */
  msMax(): number
}

/** Watches until the test ends. */
export function watchStalls(t: Pick<Test, 'teardown'>): Stalls {
  const ending = new AbortController()
  t.teardown(() => ending.abort())
  let msMax = 0
  void (async () => {
    let last = performance.now()
    for await (const _ of ticks(TICK_MS, undefined, { signal: ending.signal })) {
      const now = performance.now()
      msMax = Math.max(msMax, now - last - TICK_MS)
      last = now
    }
  })().catch(() => {})
  return { msMax: () => msMax }
}

/**
 * Nobody waited for longer than the contract says, by the 99th percentile; the slowest may have met a moment in which the server got
 * no processor. `stalls`: of the same time.
 */
export function judgeWaits(t: Pick<Test, 'ok'>, seen: readonly Pick<Observation, 'ms'>[], stalls: Stalls): void {
  const waits = seen.map(({ ms }) => ms).sort((one, other) => one - other)
  const p99 = waits[Math.ceil(waits.length * 0.99) - 1] ?? Number.NaN
  const slowest = waits.at(-1) ?? Number.NaN
  const stalled = stalls.msMax()
  const busy = `up to ${Math.round(stalled)} ms may be the machine's`
  t.ok(p99 < ANSWER_MS_MAX + stalled, `99 of 100 took ${Math.round(p99)} ms; ${busy}`)
  t.ok(slowest < ANSWER_MS_MAX + BUSY_MS_MAX + stalled, `the slowest took ${Math.round(slowest)} ms; ${busy}`)
}
