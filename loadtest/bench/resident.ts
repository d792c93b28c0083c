/**
 * `bench resident`: what it takes to hold all add-ons: memory, time from a snapshot and from a replica, the collector's pauses while
 * serving, how soon a whole import is there without a restart, and a change of all add-ons at once.
 */

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { endpointAs, openPrimary, parseEndpoint } from '../../service/database/index.ts'
import { appendChanges } from '../../service/feed/index.ts'
import {
  type Bench,
  databaseOf,
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
  sumOf,
  untilComplete,
  writeRequests,
} from '../measure/index.ts'
import { drawByUsers, FIREFOX, generatedPopulation, type Population } from '../traffic/index.ts'
import type { BenchRun } from './run.ts'

export async function runResident({ bench, rounds, progress }: BenchRun): Promise<Report> {
  const environment = { DATA_DIR: bench.dataDir, SITE_URL: bench.siteUrl }
  const snapshots = join(bench.dataDir, 'snapshots')
  const empty = await startServer({ ...environment, MEMORY_CACHE: 'off' })
  await pause(2_000)
  const emptyMib = residentMib(empty.pid)
  await empty.stop()

  const fromReplica: number[] = []
  /** Whether all was held as soon as it served. */
  const heldAtReady: number[] = []
  const fromSnapshot: number[] = []
  const heldMib: number[] = []
  for (let round = 0; round < rounds; round++) {
    progress(`round ${round + 1}/${rounds}: from a replica`)
    rmSync(snapshots, { recursive: true, force: true })
    const first = await startServer(environment)
    heldAtReady.push((await readMetrics(first)).get('versioncheck_tier_complete{tier="memory"}') ?? Number.NaN)
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
  const { imported, changed } = await editWhileServing(bench, progress)

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
      row(
        'all of them changed in one transaction: the new state of all held after its end, s',
        changed.seconds.toFixed(1),
      ),
      row(
        'checks meanwhile, their p99 in ms',
        `${changed.load.requests.toLocaleString('en-US')}, ${changed.load.p99.toFixed(1)}`,
      ),
    ],
    checks: [
      { what: 'MiB more than a worker that holds none', value: median(heldMib) - emptyMib, atMost: 300 },
      { what: 'seconds from a snapshot', value: median(fromSnapshot), atMost: 3 },
      { what: 'seconds from a replica', value: median(fromReplica), atMost: 15 },
      {
        what: 'of these starts, those that served only when all was held',
        value: sumOf(heldAtReady, Number),
        atMost: 0,
      },
      {
        what: 'part of the pauses that took 10 ms or more',
        value: (pauses.count - pauses.below10Ms) / Math.max(1, pauses.count),
        atMost: 0.001,
      },
      { what: 'seconds from the end of an import until it is held', value: imported, atMost: 15 },
      { what: 'seconds from a change of all until it is held', value: changed.seconds, atMost: 60 },
      { what: 'of 200 add-ons, those that then show an older state', value: changed.older, atMost: 0 },
      { what: 'errors', value: errors + changed.load.errors, atMost: 0 },
    ],
    raw: { emptyMib, heldMib, fromReplica, fromSnapshot, pauses, imported, changed },
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

/** What a server that runs all the while makes of an import of everything, and of a change of everything. */
async function editWhileServing({ catalogue, addons, all, siteUrl }: Bench, progress: (line: string) => void) {
  const dataDir = `${catalogue}.imported`
  rmSync(dataDir, { recursive: true, force: true })
  const server = await startServer({ DATA_DIR: dataDir, SITE_URL: siteUrl })
  try {
    await runCommand('service/catalog.js', ['import', catalogue], { DATA_DIR: dataDir })
    progress('imported')
    const imported = await secondsUntilHeld(server, publicCount(addons))

    progress(`a change of ${addons.toLocaleString('en-US')} add-ons in one transaction`)
    const requests = writeRequests(requestPaths(all, drawByUsers(all)))
    try {
      const position = await changeAll(dataDir)
      const [seconds, during] = await Promise.all([
        secondsUntilHeld(server, publicCount(addons), position),
        load({ url: server.url, requests, connections: 16, seconds: 20 }),
      ])
      return { imported, changed: { seconds, older: await countOlder(server, all), load: during } }
    } finally {
      requests.remove()
    }
  } finally {
    await server.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

/** From now until everything is held as it was at a position of the feed, or is now. */
async function secondsUntilHeld(server: Program, addons: number, position = 0): Promise<number> {
  const begunAt = Date.now()
  for (;;) {
    const metrics = await readMetrics(server)
    const isKnown = (metrics.get('versioncheck_feed_position') ?? 0) >= position
    const held = metrics.get('versioncheck_tier_entries{tier="memory"}') ?? 0
    const isAll = held >= addons && metrics.get('versioncheck_tier_complete{tier="memory"}') === 1
    if (isKnown && isAll && metrics.get('versioncheck_refreshing') === 0) return (Date.now() - begunAt) / 1_000
    if (Date.now() - begunAt > 120_000) throw new Error(`${held} of ${addons} add-ons are held after two minutes`)
    await pause(100)
  }
}

/** Part of the names of all files, once all have changed. */
const CHANGED = '-changed.xpi'
/** Of what one statement can carry. */
const CHANGES_A_STATEMENT = 5_000

/** Another name for the files of all add-ons, in the read model. Resolves when it is committed, with the number of the last change. */
async function changeAll(dataDir: string): Promise<number> {
  const owner = parseEndpoint(databaseOf(dataDir).DATABASE_URL, { userRequired: true })
  const primary = await openPrimary(endpointAs(owner, 'catalog'))
  try {
    const rows = await primary.rows('SELECT addon_id AS id, guid FROM candidates')
    const changes = rows.map(({ id, guid }) => ({ kind: 'addon' as const, subjectId: Number(id), guid: String(guid) }))
    const last = await primary.transaction(async (statements) => {
      await statements.write('UPDATE candidates SET facts = REPLACE(facts, ?, ?)', ['.xpi', CHANGED])
      let numbers: number[] = []
      for (let from = 0; from < changes.length; from += CHANGES_A_STATEMENT) {
        numbers = await appendChanges(statements, changes.slice(from, from + CHANGES_A_STATEMENT))
      }
      return numbers.at(-1)
    })
    return last as number
  } finally {
    await primary.close()
  }
}

/** Of 200 add-ons, how many are offered a file by its old name. */
async function countOlder({ url }: Program, { guids, isPublic }: Population): Promise<number> {
  let older = 0
  const some = guids.filter((_, index) => isPublic[index] && index % Math.ceil(guids.length / 250) === 0).slice(0, 200)
  for (const guid of some) {
    const query = `id=${encodeURIComponent(guid)}&appID=${FIREFOX}&appVersion=153.0&compatMode=ignore`
    const text = await (await fetch(`${url}/update/?${query}`)).text()
    if (text.includes('.xpi') && !text.includes(CHANGED)) older++
  }
  return older
}

/** How many of the generated add-ons are public. */
function publicCount(addons: number): number {
  return generatedPopulation(addons, 1).isPublic.filter(Boolean).length
}
