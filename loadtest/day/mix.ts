/**
 * The talk's mix: 8,000 checks a second, of which the cache answered four in five. Here memory holds so few add-ons that one check in
 * five misses it, and a replica answers that.
 */

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Bench,
  load,
  offer,
  type Program,
  prepareBench,
  type Report,
  type RequestFile,
  readMetrics,
  requestPaths,
  startServer,
  writeRequests,
} from '../measure/index.ts'
import { drawByUsers } from '../traffic/index.ts'
import { entriesFor } from './memory-size.ts'
import { type DayRun, LATE_MS_MAX, number, withCpu } from './run.ts'

const RATE = 8_000
const MISSES = 0.2
/** While the size is searched; and what is accepted of the run itself. */
const TOLERANCE = 0.01
const MISSES_MIN = 0.18
const MISSES_MAX = 0.22
const TRIES = 4
/** For memory to hold what is asked for, as it will from then on. */
const FILL_S_MAX = 8

export async function runMix({ addons, folder, seconds, progress }: DayRun): Promise<Report> {
  const bench = await prepareBench(folder, addons, progress)
  const requests = writeRequests(requestPaths(bench.all, drawByUsers(bench.all)))
  try {
    const { server, entries } = await startBounded(bench, requests, Math.min(FILL_S_MAX, 2 * seconds), progress)
    try {
      progress(`${number(RATE)} checks a second for ${seconds} s, memory bounded to ${number(entries)} add-ons`)
      const before = await readMetrics(server)
      const result = await withCpu(server, () => offer({ url: server.url, requests, rate: RATE, seconds }))
      const after = await readMetrics(server)
      const misses = missesBetween(before, after)
      return {
        name: 'mix',
        what: `${number(RATE)} checks a second in an open loop for ${seconds} s, drawn by popularity from ${number(addons)} add-ons; memory holds ${number(entries)} of them, a replica is asked for the others`,
        columns: ['', ''],
        rows: [
          ['answered a second', number(result.rate)],
          ['answered from memory, %', ((1 - misses) * 100).toFixed(1)],
          ['CPU us a check, service', result.cpuUs.toFixed(1)],
          ['p50, p99, p99.9 ms', [result.p50, result.p99, result.p999].map((ms) => ms.toFixed(2)).join(', ')],
          ['max ms', result.max.toFixed(1)],
          ['the generator itself was late, p99 ms', result.lateP99.toFixed(0)],
        ],
        checks: [
          { what: 'errors', value: result.errors, atMost: 0 },
          { what: 'p99 ms', value: result.p99, atMost: 10 },
          { what: 'part of the rate that was reached', value: result.rate / RATE, atLeast: 0.98 },
          { what: 'the generator itself was late, p99 ms', value: result.lateP99, atMost: LATE_MS_MAX },
          {
            what: 'part of the checks that missed memory',
            value: misses,
            atLeast: MISSES_MIN,
            atMost: MISSES_MAX,
          },
        ],
        raw: { ...result, entries, misses },
      }
    } finally {
      await server.stop()
    }
  } finally {
    requests.remove()
    forgetHeld(bench.dataDir)
  }
}

/** A worker begins with what the last one held: one that is bounded not with all, one that isn't not with a few. */
function forgetHeld(dataDir: string): void {
  rmSync(join(dataDir, 'snapshots'), { recursive: true, force: true })
}

/** A server whose memory misses as much as wanted: the size is computed, then corrected by what its own metrics say. */
async function startBounded(
  { all, dataDir, siteUrl }: Bench,
  requests: RequestFile,
  fillS: number,
  progress: (line: string) => void,
): Promise<{ readonly server: Program; readonly entries: number }> {
  let aimed = MISSES
  for (let tries = 1; ; tries++) {
    const entries = entriesFor(all, aimed)
    forgetHeld(dataDir)
    const server = await startServer({
      DATA_DIR: dataDir,
      SITE_URL: siteUrl,
      MEMORY_CACHE_ENTRIES: String(entries),
    })
    try {
      await load({ url: server.url, requests, connections: 64, seconds: fillS })
      const before = await readMetrics(server)
      await load({ url: server.url, requests, connections: 64, seconds: Math.ceil(fillS / 2) })
      const misses = missesBetween(before, await readMetrics(server))
      progress(`  of memory for ${number(entries)} add-ons ${(misses * 100).toFixed(1)} % miss it`)
      if (Math.abs(misses - MISSES) <= TOLERANCE || tries === TRIES) return { server, entries }
      aimed = Math.min(0.9, (aimed * MISSES) / misses)
    } catch (error) {
      await server.stop()
      throw error
    }
    await server.stop()
  }
}

function missesBetween(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number {
  const rise = (tier: string) => {
    const name = `versioncheck_checks_total{tier="${tier}"}`
    return (after.get(name) ?? 0) - (before.get(name) ?? 0)
  }
  const missed = rise('replica') + rise('none')
  return missed / (missed + rise('memory'))
}
