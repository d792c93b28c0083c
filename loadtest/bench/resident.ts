/**
 * `bench resident`: what it takes to hold all add-ons: memory, time from a snapshot and from a replica, the collector's pauses while
 * serving, and how soon a whole import is there without a restart.
 */

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  load,
  median,
  type Program,
  pause,
  type Report,
  readMetrics,
  requestPaths,
  residentMib,
  runCommand,
  startServer,
  untilComplete,
  writeRequests,
} from '../measure/index.ts'
import { drawByUsers, generatedPopulation } from '../traffic/index.ts'
import type { BenchRun } from './run.ts'

export async function runResident({ bench, rounds, progress }: BenchRun): Promise<Report> {
  const environment = { DATA_DIR: bench.dataDir, SITE_URL: bench.siteUrl }
  const snapshots = join(bench.dataDir, 'snapshots')
  const empty = await startServer({ ...environment, MEMORY_CACHE: 'off' })
  await pause(2_000)
  const emptyMib = residentMib(empty.pid)
  await empty.stop()

  const fromReplica: number[] = []
  const fromSnapshot: number[] = []
  const heldMib: number[] = []
  for (let round = 0; round < rounds; round++) {
    progress(`round ${round + 1}/${rounds}: from a replica`)
    rmSync(snapshots, { recursive: true, force: true })
    const first = await startServer(environment)
    fromReplica.push(await secondsUntilComplete(first))
    await first.printed(/a snapshot was written/, 60_000)
    await pause(1_000)
    heldMib.push(residentMib(first.pid))
    await first.stop()

    progress(`round ${round + 1}/${rounds}: from a snapshot`)
    const second = await startServer(environment)
    fromSnapshot.push(await secondsUntilComplete(second))
    await second.stop()
  }

  progress('pauses of the collector while serving')
  const serving = await startServer(environment)
  await untilComplete(serving)
  const requests = writeRequests(requestPaths(bench.all, drawByUsers(bench.all)))
  const before = await readMetrics(serving)
  const { requests: served, errors } = await load({ url: serving.url, requests, connections: 64, seconds: 20 })
  const pauses = pausesBetween(before, await readMetrics(serving))
  await serving.stop()
  requests.remove()

  progress('an import into a running server')
  const imported = await importWhileServing(bench.catalogue, bench.addons, bench.siteUrl, progress)

  const row = (what: string, value: string) => [what, value]
  return {
    name: 'resident',
    what: `${bench.addons.toLocaleString('en-US')} add-ons held in memory`,
    columns: ['', ''],
    rows: [
      row('memory of a worker that holds none, MiB', emptyMib.toFixed(0)),
      row('of one that holds all, MiB', median(heldMib).toFixed(0)),
      row('all held after a start without a snapshot, s', median(fromReplica).toFixed(1)),
      row('all held after a start with one, s', median(fromSnapshot).toFixed(1)),
      row(`pauses of the collector in ${served.toLocaleString('en-US')} checks`, String(pauses.count)),
      row('of these, below 10 ms', String(pauses.below10Ms)),
      row('all of an import held after its end, s', imported.toFixed(1)),
    ],
    checks: [
      { what: 'MiB more than a worker that holds none', value: median(heldMib) - emptyMib, atMost: 300 },
      { what: 'seconds from a snapshot', value: median(fromSnapshot), atMost: 3 },
      { what: 'seconds from a replica', value: median(fromReplica), atMost: 15 },
      {
        what: 'part of the pauses that took 10 ms or more',
        value: (pauses.count - pauses.below10Ms) / Math.max(1, pauses.count),
        atMost: 0.001,
      },
      { what: 'seconds from the end of an import until it is held', value: imported, atMost: 15 },
      { what: 'errors', value: errors, atMost: 0 },
    ],
    raw: { emptyMib, heldMib, fromReplica, fromSnapshot, pauses, imported },
  }
}

/** From the start of the process, and the private database with it, to the last add-on. */
async function secondsUntilComplete(server: Program): Promise<number> {
  await untilComplete(server)
  const metrics = await readMetrics(server)
  return Date.now() / 1_000 - (metrics.get('process_start_time_seconds') ?? 0)
}

function pausesBetween(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>) {
  let count = 0
  let below10Ms = 0
  for (const kind of ['minor', 'major', 'incremental', 'weak callbacks']) {
    const rise = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0)
    count += rise(`versioncheck_gc_pause_seconds_count{kind="${kind}"}`)
    below10Ms += rise(`versioncheck_gc_pause_seconds_bucket{le="0.01",kind="${kind}"}`)
  }
  return { count, below10Ms }
}

/** Seconds from the end of the command until a server that ran all the while holds everything. */
async function importWhileServing(
  catalogue: string,
  addons: number,
  siteUrl: string,
  progress: (line: string) => void,
): Promise<number> {
  const dataDir = `${catalogue}.imported`
  rmSync(dataDir, { recursive: true, force: true })
  const server = await startServer({ DATA_DIR: dataDir, SITE_URL: siteUrl })
  try {
    await runCommand('service/catalog.js', ['import', catalogue], { DATA_DIR: dataDir })
    progress('imported')
    const endedAt = Date.now()
    const wanted = publicCount(addons)
    for (;;) {
      const metrics = await readMetrics(server)
      const held = metrics.get('versioncheck_tier_entries{tier="memory"}') ?? 0
      if (held >= wanted && metrics.get('versioncheck_refreshing') === 0) return (Date.now() - endedAt) / 1_000
      if (Date.now() - endedAt > 120_000)
        throw new Error(`${held} of ${wanted} add-ons are held two minutes after the import`)
      await pause(100)
    }
  } finally {
    await server.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

/** How many of the generated add-ons are public. */
function publicCount(addons: number): number {
  return generatedPopulation(addons, 1).isPublic.filter(Boolean).length
}
