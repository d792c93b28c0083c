/**
 * `bench talk`: the talk's own case. 8,000 checks a second came in, a cache answered 6,400, and 1,600 reached the database: these
 * 1,600 cold checks a second are offered in an open loop, whether they are answered or not.
 */

import {
  cpuOf,
  databasePids,
  everyAddonOnce,
  offer,
  type Report,
  readMetrics,
  startServer,
  writeRequests,
} from '../measure/index.ts'
import type { BenchRun } from './run.ts'

const RATE = 1_600
const SECONDS_MIN = 20
/** While everything is compiled. */
const WARM_UP_S = 4

export async function runTalk({ bench, seconds, progress }: BenchRun): Promise<Report> {
  const duration = Math.max(SECONDS_MIN, seconds)
  const server = await startServer({ DATA_DIR: bench.dataDir, SITE_URL: bench.siteUrl, MEMORY_CACHE: 'off' })
  const { replica } = databasePids(bench.dataDir)
  const requests = writeRequests(everyAddonOnce(bench.all))
  try {
    progress('warming up')
    await offer({ url: server.url, requests, rate: RATE, seconds: WARM_UP_S })
    const before = [cpuOf([server.pid]), cpuOf([replica])]
    const countsBefore = await readMetrics(server)
    progress(`${RATE.toLocaleString('en-US')} cold checks a second for ${duration} s`)
    const offered = await offer({ url: server.url, requests, rate: RATE, seconds: duration })
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
    return {
      name: 'talk',
      what: `${RATE.toLocaleString('en-US')} checks a second that no tier holds, in an open loop, for ${duration} s`,
      columns: ['', ''],
      rows: [
        ['answered a second', offered.rate.toFixed(0)],
        ['service, % of a processor', service.toFixed(1)],
        ['database, % of a processor', database.toFixed(1)],
        ['p50, p99, p99.9 ms', [offered.p50, offered.p99, offered.p999].map((ms) => ms.toFixed(1)).join(', ')],
        ['the generator itself was late, p99 ms', offered.lateP99.toFixed(0)],
        ['add-ons a statement, mean', (checks / Math.max(1, statements)).toFixed(2)],
        ['statements by size', sizes.join(', ')],
      ],
      checks: [
        { what: 'errors', value: offered.errors, atMost: 0 },
        { what: 'answered a second', value: offered.rate, atLeast: RATE * 0.98 },
        { what: 'p99 ms', value: offered.p99, atMost: 20 },
      ],
      raw: { ...offered, service, database },
    }
  } finally {
    requests.remove()
    await server.stop()
  }
}
