/**
 * `bench cold`: no tier holds anything, every request is for another add-on, 256 connections: misses that arrive together share a
 * statement. Processor time of service and database together, against the bare HTTP library and against the same without batches.
 */

import { readFileSync } from 'node:fs'
import { Random } from '../generate/random.ts'
import { checkPath, type Draw, makeClient, type Population } from '../traffic/index.ts'
import { alternate, median, ratioOf } from './compare.ts'
import { cpuOf, databasePids, type Program, readMetrics, startServer } from './processes.ts'
import type { BenchRun, Report } from './report.ts'
import { meanBodyBytes, startBare, sumOf } from './warm.ts'
import { type LoadResult, load, type RequestFile, writeRequests } from './wrk.ts'

const CONNECTIONS = 256
const SEED = 3

interface Measured extends LoadResult {
  /** Microseconds of processor time a request. */
  readonly serviceUs: number
  readonly databaseUs: number
  /** Add-ons a statement. */
  readonly batch: number
}

export async function runCold({ bench, rounds, seconds, progress }: BenchRun): Promise<Report> {
  const environment = { SITE_URL: bench.siteUrl, MEMORY_CACHE: 'off' }
  const batched = await startServer({ ...environment, DATA_DIR: bench.dataDir })
  // The second server reads the first one's database.
  const single = await startServer({ ...environment, ...databaseOf(bench.dataDir), BATCHING: 'off' })
  const { replica } = databasePids(bench.dataDir)
  const bare = await startBare(await meanBodyBytes(batched, bench.all), {})
  const requests = writeRequests(everyAddonOnce(bench.all))
  try {
    const measure =
      (program: Program, connections = CONNECTIONS) =>
      () =>
        measureLoad(program, replica, requests, connections, seconds)
    for (const program of [batched, single]) await measure(program)()
    const contestants = {
      bare: measure(bare),
      batched: measure(batched),
      'BATCHING=off': measure(single),
      'batched, 1 connection': measure(batched, 1),
      'BATCHING=off, 1 connection': measure(single, 1),
    }
    const results = await alternate(contestants, rounds, (round, name) =>
      progress(`round ${round + 1}/${rounds}: ${name}`),
    )
    const names = Object.keys(contestants) as (keyof typeof contestants)[]
    const totalUs = (name: keyof typeof contestants) =>
      results[name].map(({ serviceUs, databaseUs }) => serviceUs + databaseUs)
    const of = (name: keyof typeof contestants, figure: keyof Measured) => results[name].map((result) => result[figure])
    return {
      name: 'cold',
      what: `a check that no tier holds, ${bench.addons.toLocaleString('en-US')} add-ons each in turn, ${CONNECTIONS} connections`,
      columns: [
        '',
        'service us',
        'database us',
        'of bare',
        'add-ons a statement',
        'requests a second',
        'p50 ms',
        'p99 ms',
      ],
      rows: names.map((name) => [
        name,
        median(of(name, 'serviceUs')).toFixed(1),
        name === 'bare' ? '' : median(of(name, 'databaseUs')).toFixed(1),
        (1 / ratioOf(totalUs('bare'), totalUs(name)).median).toFixed(2),
        name === 'bare' ? '' : median(of(name, 'batch')).toFixed(1),
        Math.round(median(of(name, 'rate'))).toLocaleString('en-US'),
        median(of(name, 'p50')).toFixed(2),
        median(of(name, 'p99')).toFixed(2),
      ]),
      checks: [
        {
          what: 'processor time, service and database, of the bare library',
          value: 1 / ratioOf(totalUs('bare'), totalUs('batched')).median,
          atMost: 5,
        },
        {
          what: 'rate, of BATCHING=off',
          value: ratioOf(of('batched', 'rate'), of('BATCHING=off', 'rate')).median,
          atLeast: 2,
        },
        {
          what: "database's processor time, of BATCHING=off",
          value: ratioOf(of('batched', 'databaseUs'), of('BATCHING=off', 'databaseUs')).median,
          atMost: 0.4,
        },
        {
          what: 'rate at 1 connection, of BATCHING=off',
          value: ratioOf(of('batched, 1 connection', 'rate'), of('BATCHING=off, 1 connection', 'rate')).median,
          atLeast: 0.97,
        },
        { what: 'errors', value: sumOf(Object.values(results).flat(), ({ errors }) => errors), atMost: 0 },
      ],
      raw: results,
    }
  } finally {
    requests.remove()
    await bare.stop()
    await single.stop()
    await batched.stop()
  }
}

/** How a second server is told of the private database of the first. */
export function databaseOf(dataDir: string): { DATABASE_URL: string; REPLICA_URLS: string; DATA_DIR: string } {
  const { password, sockets } = JSON.parse(readFileSync(`${dataDir}/private.json`, 'utf8')) as {
    password: string
    sockets: { primary: string; replica: string }
  }
  const url = (socket: string) =>
    `mysql://versioncheck:${password}@localhost/versioncheck?socket=${encodeURIComponent(socket)}`
  return {
    DATABASE_URL: url(sockets.primary),
    REPLICA_URLS: `mysql://localhost/versioncheck?socket=${encodeURIComponent(sockets.replica)}`,
    DATA_DIR: `${dataDir}-2`,
  }
}

async function measureLoad(
  program: Program,
  database: number,
  requests: RequestFile,
  connections: number,
  seconds: number,
): Promise<Measured> {
  const counts = await countsOf(program)
  const service = cpuOf([program.pid])
  const statements = cpuOf([database])
  const result = await load({ url: program.url, requests, connections, seconds })
  const after = await countsOf(program)
  return {
    ...result,
    serviceUs: (cpuOf([program.pid]) - service) / result.requests,
    databaseUs: (cpuOf([database]) - statements) / result.requests,
    batch: (after.keys - counts.keys) / Math.max(1, after.batches - counts.batches),
  }
}

async function countsOf(program: Program): Promise<{ batches: number; keys: number }> {
  if (!program.output().includes('/metrics')) return { batches: 0, keys: 0 }
  const metrics = await readMetrics(program)
  return {
    batches: metrics.get('versioncheck_batch_size_count') ?? 0,
    keys: metrics.get('versioncheck_batch_size_sum') ?? 0,
  }
}

/** In an order that has nothing to do with where they lie. */
export function* everyAddonOnce(population: Population): Generator<string> {
  const random = new Random(SEED, 1, 0)
  const order = population.guids.map((_, index) => index)
  for (let at = order.length - 1; at > 0; at--) {
    const other = random.whole(0, at)
    const swapped = order[at] as number
    order[at] = order[other] as number
    order[other] = swapped
  }
  for (const [number, addon] of order.entries()) {
    const client = makeClient(SEED, number, NO_ADDON)
    yield checkPath(client, population.guids[addon] as string, population.versions[addon] as string)
  }
}

const NO_ADDON: Draw = { one: () => 0 }
