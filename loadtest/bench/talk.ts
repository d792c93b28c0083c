/**
 * `bench talk`: the talk's own case. 8,000 checks a second came in, a cache answered 6,400, and 1,600 reached the database: these
 * 1,600 cold checks a second are offered in an open loop, whether they are answered or not.
 */

import autocannon from 'autocannon'
import { cpuOf, databasePids, everyAddonOnce, pause, type Report, readMetrics, startServer } from '../measure/index.ts'
import type { BenchRun } from './run.ts'

const RATE = 1_600
/**
 * autocannon offers what a second has to offer at the beginning of that second. So many of them, begun one after the other, spread it
 * over the whole of it.
 */
const GENERATORS = 40
const CONNECTIONS_EACH = 8
const SECONDS_MIN = 20
/** While everything is compiled; the generators have begun by then. */
const WARM_UP_MS = 4_000

export async function runTalk({ bench, seconds, progress }: BenchRun): Promise<Report> {
  const duration = Math.max(SECONDS_MIN, seconds)
  const server = await startServer({ DATA_DIR: bench.dataDir, SITE_URL: bench.siteUrl, MEMORY_CACHE: 'off' })
  const { replica } = databasePids(bench.dataDir)
  try {
    const paths = [...everyAddonOnce(bench.all)]
    const before = [cpuOf([server.pid]), cpuOf([replica])]
    const countsBefore = await readMetrics(server)
    progress(`${RATE.toLocaleString('en-US')} cold checks a second for ${duration} s`)
    const { latencies, errors } = await offer(server.url, paths, duration)
    const counts = await readMetrics(server)
    const rise = (name: string) => (counts.get(name) ?? 0) - (countsBefore.get(name) ?? 0)
    const statements = rise('versioncheck_batch_size_count')
    const checks = rise('versioncheck_batch_size_sum')
    const perCent = (pid: number, index: number) => ((cpuOf([pid]) - (before[index] as number)) / duration / 1e6) * 100
    const [service, database] = [perCent(server.pid, 0), perCent(replica, 1)]
    const sizes = [1, 2, 4, 8, 16, 32, 64, 128].map((size, index, all) => {
      const upTo = rise(`versioncheck_batch_size_bucket{le="${size}"}`)
      const below = index === 0 ? 0 : rise(`versioncheck_batch_size_bucket{le="${all[index - 1]}"}`)
      return `${Math.round(((upTo - below) / Math.max(1, statements)) * 100)} % up to ${size}`
    })
    const at = (part: number) =>
      latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] as number
    const answered = latencies.length / (duration - WARM_UP_MS / 1_000)
    return {
      name: 'talk',
      what: `${RATE.toLocaleString('en-US')} checks a second that no tier holds, in an open loop, for ${duration} s`,
      columns: ['', ''],
      rows: [
        ['answered a second', answered.toFixed(0)],
        ['service, % of a processor', service.toFixed(1)],
        ['database, % of a processor', database.toFixed(1)],
        ['p50, p99, p99.9 ms', [0.5, 0.99, 0.999].map((part) => at(part).toFixed(1)).join(', ')],
        ['add-ons a statement, mean', (checks / Math.max(1, statements)).toFixed(2)],
        ['statements by size', sizes.join(', ')],
      ],
      checks: [
        { what: 'errors', value: errors, atMost: 0 },
        { what: 'answered a second', value: answered, atLeast: RATE * 0.98 },
        { what: 'p99 ms', value: at(0.99), atMost: 20 },
      ],
      raw: { answered, errors, p50: at(0.5), p99: at(0.99), p999: at(0.999), service, database },
    }
  } finally {
    await server.stop()
  }
}

/** Milliseconds of each answer, the quickest first. */
async function offer(
  url: string,
  paths: readonly string[],
  duration: number,
): Promise<{ latencies: Float64Array; errors: number }> {
  const latencies: number[] = []
  const begunAt = performance.now()
  const share = Math.floor(paths.length / (GENERATORS * CONNECTIONS_EACH))
  let client = 0
  const results: Promise<autocannon.Result>[] = []
  for (let generator = 0; generator < GENERATORS; generator++) {
    const options: autocannon.Options = {
      url,
      connections: CONNECTIONS_EACH,
      overallRate: RATE / GENERATORS,
      ignoreCoordinatedOmission: true,
      duration,
      setupClient(each) {
        const first = share * client++
        each.setRequests(paths.slice(first, first + share).map((path) => ({ method: 'GET', path })))
      },
    }
    results.push(
      new Promise((resolve, reject) => {
        const instance = autocannon(options, (error, result) => (error ? reject(error) : resolve(result)))
        instance.on('response', (_client, _status, _bytes, ms) => {
          if (performance.now() - begunAt > WARM_UP_MS) latencies.push(ms)
        })
      }),
    )
    await pause(1_000 / GENERATORS)
  }
  const errors = (await Promise.all(results)).reduce((sum, each) => sum + each.errors + each.timeouts + each.non2xx, 0)
  return { latencies: Float64Array.from(latencies).sort(), errors }
}
