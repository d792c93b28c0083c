/**
 * `bench cold`: no tier holds anything, every request is for another add-on, 256 connections: misses that arrive together share a
 * statement. Processor time of service and database together, against the bare HTTP library and against the same without batches.
 */

import {
  countIn,
  countOfBare,
  databaseOf,
  databasePids,
  eachByItself,
  everyAddonOnce,
  load,
  meanBodyBytes,
  median,
  type Program,
  type Report,
  ratioOf,
  readMetrics,
  requestPaths,
  type Slice,
  startBare,
  startServer,
  sumOf,
  takeTurns,
  writeRequests,
} from '../measure/index.ts'
import { drawByUsers } from '../traffic/index.ts'
import type { BenchRun } from './run.ts'

const CONNECTIONS = 256

/** For all code to be compiled. */
const WARM_UP_S = 8

export async function runCold({ bench, rounds, seconds, progress }: BenchRun): Promise<Report> {
  const environment = { SITE_URL: bench.siteUrl, MEMORY_CACHE: 'off' }
  const batched = await startServer({ ...environment, DATA_DIR: bench.dataDir })
  // The second server reads the first one's database.
  const single = await startServer({ ...environment, ...databaseOf(bench.dataDir), BATCHING: 'off' })
  const { replica } = databasePids(bench.dataDir)
  const bare = await startBare(await meanBodyBytes(batched, requestPaths(bench.all, drawByUsers(bench.all))), {})
  const requests = writeRequests(everyAddonOnce(bench.all))
  try {
    const ofServer = { requests, countOf: countIn('replica'), helpers: [replica] }
    const contestants = {
      bare: { program: bare, requests, connections: CONNECTIONS, countOf: countOfBare },
      batched: { program: batched, connections: CONNECTIONS, ...ofServer },
      'BATCHING=off': { program: single, connections: CONNECTIONS, ...ofServer },
      'batched, 1 connection': { program: batched, connections: 1, ...ofServer },
      'BATCHING=off, 1 connection': { program: single, connections: 1, ...ofServer },
    }
    progress('until everything is compiled')
    for (const program of [batched, single]) {
      await load({ url: program.url, requests, connections: CONNECTIONS, seconds: WARM_UP_S })
    }
    const results = await takeTurns(contestants, rounds * seconds, progress)
    progress('each by itself, for its latencies')
    const whole = await eachByItself(contestants, seconds)
    const before = await countsOf(batched)
    await load({ url: batched.url, requests, connections: CONNECTIONS, seconds })
    const after = await countsOf(batched)
    const batch = (after.keys - before.keys) / (after.batches - before.batches)
    const names = Object.keys(contestants) as (keyof typeof contestants)[]
    const totalUs = (name: keyof typeof contestants) => results[name].map(({ cpuUs, helpersUs }) => cpuUs + helpersUs)
    const of = (name: keyof typeof contestants, figure: keyof Slice) => results[name].map((result) => result[figure])
    return {
      name: 'cold',
      what: `a check that no tier holds, ${bench.addons.toLocaleString('en-US')} add-ons each in turn, ${CONNECTIONS} connections; batched, ${batch.toFixed(0)} add-ons share a statement`,
      columns: ['', 'service us', 'database us', 'of bare', 'requests a second', 'p50 ms', 'p99 ms'],
      rows: names.map((name) => [
        name,
        median(of(name, 'cpuUs')).toFixed(1),
        name === 'bare' ? '' : median(of(name, 'helpersUs')).toFixed(1),
        (1 / ratioOf(totalUs('bare'), totalUs(name)).median).toFixed(2),
        Math.round(median(of(name, 'rate'))).toLocaleString('en-US'),
        whole[name].p50.toFixed(2),
        whole[name].p99.toFixed(2),
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
          value: ratioOf(of('batched', 'helpersUs'), of('BATCHING=off', 'helpersUs')).median,
          atMost: 0.4,
        },
        {
          what: 'rate at 1 connection, of BATCHING=off',
          value: ratioOf(of('batched, 1 connection', 'rate'), of('BATCHING=off, 1 connection', 'rate')).median,
          atLeast: 0.97,
        },
        { what: 'errors', value: sumOf(Object.values(whole), ({ errors }) => errors), atMost: 0 },
      ],
      raw: { results, whole, batch },
    }
  } finally {
    requests.remove()
    await bare.stop()
    await single.stop()
    await batched.stop()
  }
}

async function countsOf(program: Program): Promise<{ batches: number; keys: number }> {
  const metrics = await readMetrics(program)
  return {
    batches: metrics.get('versioncheck_batch_size_count') ?? 0,
    keys: metrics.get('versioncheck_batch_size_sum') ?? 0,
  }
}
