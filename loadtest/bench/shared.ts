/**
 * `bench memcached`: what a check costs in all, the service with memcached or database, by the tier that answers it; and what a
 * restart of all workers asks of the replicas, under load from the moment that they are there again. (Until then connections are
 * refused, and what they ask from their start on is counted too.)
 */

import { rmSync } from 'node:fs'
import {
  alternate,
  cpuOf,
  databaseOf,
  databasePids,
  everyAddonOnce,
  type LoadResult,
  load,
  median,
  offer,
  type Program,
  pause,
  type Report,
  readMetrics,
  requestPaths,
  startMemcached,
  startServer,
  sumOf,
  untilComplete,
  writeRequests,
} from '../measure/index.ts'
import { drawByUsers } from '../traffic/index.ts'
import type { BenchRun } from './run.ts'

const CONNECTIONS = 64
/** At a time, until nearly each add-on has been asked for and stored. */
const FILL_S = 15
const FILL_TURNS_MAX = 6
const FILLED_MISSES = 0.02
const RESTART_S = 10
/** A second, of each of two workers: the talk's load. */
const RESTART_RATE = 4_000

interface Measured extends LoadResult {
  readonly serviceUs: number
  readonly memcachedUs: number
  readonly databaseUs: number
}

export async function runShared({ bench, rounds, seconds, progress }: BenchRun): Promise<Report> {
  const memcached = await startMemcached(1_024)
  const site = { SITE_URL: bench.siteUrl }
  const whole = await startServer({ ...site, DATA_DIR: bench.dataDir })
  const database = databaseOf(bench.dataDir)
  const viaMemcached = await startServer({
    ...site,
    ...database,
    MEMORY_CACHE: 'off',
    MEMCACHED_SERVERS: memcached.address,
  })
  const viaReplica = await startServer({ ...site, ...database, MEMORY_CACHE: 'off' })
  const { replica } = databasePids(bench.dataDir)
  const requests = writeRequests(everyAddonOnce(bench.all))
  try {
    await untilComplete(whole)
    const hitsAndMisses = async () => {
      const counts = await readMetrics(viaMemcached)
      return (['memcached', 'replica'] as const).map(
        (tier) => counts.get(`versioncheck_checks_total{tier="${tier}"}`) ?? 0,
      ) as [number, number]
    }
    for (let hits = 0, misses = 0, turn = 1; turn <= FILL_TURNS_MAX; turn++) {
      progress(`filling memcached, ${turn * FILL_S} s`)
      await load({ url: viaMemcached.url, requests, connections: 256, seconds: FILL_S })
      const [hitsNow, missesNow] = await hitsAndMisses()
      if (missesNow - misses < (hitsNow - hits) * FILLED_MISSES) break
      ;[hits, misses] = [hitsNow, missesNow]
    }
    const [hitsBefore, missesBefore] = await hitsAndMisses()

    const measure = (program: Program) => async (): Promise<Measured> => {
      const pids = [program.pid, memcached.pid, replica]
      const before = pids.map((pid) => cpuOf([pid]))
      const result = await load({ url: program.url, requests, connections: CONNECTIONS, seconds })
      const [serviceUs = 0, memcachedUs = 0, databaseUs = 0] = pids.map(
        (pid, index) => (cpuOf([pid]) - (before[index] as number)) / result.requests,
      )
      return { ...result, serviceUs, memcachedUs, databaseUs }
    }
    const contestants = { memory: measure(whole), memcached: measure(viaMemcached), replica: measure(viaReplica) }
    const results = await alternate(contestants, rounds, (round, name) =>
      progress(`round ${round + 1}/${rounds}: ${name}`),
    )
    const [hitsAfter, missesAfter] = await hitsAndMisses()
    const hits = hitsAfter - hitsBefore
    const misses = missesAfter - missesBefore
    await Promise.all([viaMemcached, viaReplica].map((program) => program.stop()))

    const restarts = await restartFleet({
      dataDir: bench.dataDir,
      site,
      whole,
      memcached: memcached.address,
      bench,
      progress,
    })
    const names = Object.keys(contestants) as (keyof typeof contestants)[]
    const of = (name: keyof typeof contestants, figure: keyof Measured) =>
      median(results[name].map((result) => result[figure]))
    return {
      name: 'memcached',
      what: `processor time of a check by the tier that answers it, each add-on in turn, ${CONNECTIONS} connections; and what a restart of two workers asks that are offered ${RESTART_RATE.toLocaleString('en-US')} checks a second each`,
      columns: ['', 'service us', 'memcached us', 'database us', 'in all us', 'requests a second'],
      rows: [
        ...names.map((name) => [
          `from ${name}`,
          of(name, 'serviceUs').toFixed(1),
          name === 'memcached' ? of(name, 'memcachedUs').toFixed(1) : '',
          name === 'memory' ? '' : of(name, 'databaseUs').toFixed(1),
          (of(name, 'serviceUs') + of(name, 'memcachedUs') + of(name, 'databaseUs')).toFixed(1),
          Math.round(of(name, 'rate')).toLocaleString('en-US'),
        ]),
        ...restarts.map(({ how, checks, memory, shared, fromReplica, unavailable, statements }) => [
          `restart ${how}: ${checks.toLocaleString('en-US')} checks`,
          `${memory} memory`,
          `${shared} memcached`,
          `${fromReplica} replica`,
          `${statements} statements`,
          `${unavailable} times 503`,
        ]),
      ],
      checks: [
        { what: 'part of the checks that memcached had', value: hits / (hits + misses), atLeast: 0.8 },
        { what: 'errors', value: sumOf(Object.values(results).flat(), ({ errors }) => errors), atMost: 0 },
        {
          what: 'errors of clients after all workers restarted',
          value: sumOf(restarts, ({ errors }) => errors),
          atMost: 0,
        },
        {
          what: 'part of the checks after a restart that a replica was asked for, with snapshots',
          value: (restarts[0]?.fromReplica ?? 0) / (restarts[0]?.checks ?? 1),
          atMost: 0.001,
        },
        {
          what: 'the same with memcached alone, memory bounded to a tenth',
          value: (restarts[1]?.fromReplica ?? 0) / (restarts[1]?.checks ?? 1),
          atMost: 0.2,
        },
      ],
      raw: { results, restarts },
    }
  } finally {
    requests.remove()
    await whole.stop()
    await memcached.stop()
  }
}

interface Restart {
  readonly how: string
  readonly checks: number
  readonly memory: number
  readonly shared: number
  readonly fromReplica: number
  /** 503. */
  readonly unavailable: number
  /** What wrk saw: other answers than 2xx and 3xx, broken connections, timeouts. */
  readonly errors: number
  readonly statements: number
}

/** Two workers are killed and started again; from the moment that both are ready, checks are offered. */
async function restartFleet(options: {
  readonly dataDir: string
  readonly site: Readonly<Record<string, string>>
  /** Owns the private database. */
  readonly whole: Program
  readonly memcached: string
  readonly bench: BenchRun['bench']
  readonly progress: (line: string) => void
}): Promise<Restart[]> {
  const { dataDir, site, memcached, bench, progress } = options
  const database = databaseOf(dataDir)
  const requests = writeRequests(requestPaths(bench.all, drawByUsers(bench.all)))
  const fleets: readonly { readonly how: string; readonly own: Readonly<Record<string, string>> }[] = [
    { how: 'with snapshots', own: {} },
    {
      how: 'with memcached',
      own: { MEMCACHED_SERVERS: memcached, MEMORY_CACHE_ENTRIES: String(Math.ceil(bench.addons / 10)) },
    },
    { how: 'with neither', own: { MEMORY_CACHE_ENTRIES: String(Math.ceil(bench.addons / 10)) } },
  ]
  const restarts: Restart[] = []
  for (const { how, own } of fleets) {
    progress(`a restart of two workers under load, ${how}`)
    const folders = [`${dataDir}-fleet-1`, `${dataDir}-fleet-2`]
    const start = () =>
      Promise.all(folders.map((folder) => startServer({ ...site, ...database, ...own, DATA_DIR: folder })))
    const before = await start()
    if (how === 'with snapshots') {
      await Promise.all(before.map((program) => untilComplete(program)))
      await Promise.all(before.map((program) => program.printed(/a snapshot was written/, 60_000)))
    } else
      await Promise.all(before.map((program) => load({ url: program.url, requests, connections: 32, seconds: FILL_S })))
    await Promise.all(before.map((program) => program.stop('SIGKILL')))
    if (how !== 'with snapshots')
      for (const folder of folders) rmSync(`${folder}/snapshots`, { recursive: true, force: true })
    const after = await start()
    const results = await Promise.all(
      after.map((program) => offer({ url: program.url, requests, rate: RESTART_RATE, seconds: RESTART_S })),
    )
    await pause(200)
    const metrics = await Promise.all(after.map(readMetrics))
    const sum = (name: string) =>
      sumOf(metrics, (reading) => sumOf([...reading], ([key, value]) => (key.startsWith(name) ? value : 0)))
    restarts.push({
      how,
      checks: sumOf(results, (result) => result.requests),
      memory: sum('versioncheck_checks_total{tier="memory"}'),
      shared: sum('versioncheck_checks_total{tier="memcached"}'),
      fromReplica: sum('versioncheck_checks_total{tier="replica"}'),
      unavailable: sum('versioncheck_checks_total{tier="none"}'),
      errors: sumOf(results, (result) => result.errors),
      statements: sum('versioncheck_replica_queries_total'),
    })
    await Promise.all(after.map((program) => program.stop()))
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  }
  requests.remove()
  return restarts
}
