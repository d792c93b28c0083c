/**
 * One run of the ladder. All rungs that are asked cold are up at once, and wait idly while another one is asked; then those that
 * are asked warm, these on a processor of their own. Differing answers void the run: they are compared before anything is measured.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { isDeepStrictEqual } from 'node:util'
import { Failure } from '../failure.ts'
import {
  alternate,
  type Bench,
  cpuOf,
  databaseOf,
  databasePids,
  everyAddonOnce,
  freePort,
  GENERATOR_PROCESSOR,
  load,
  type Memcached,
  meanBodyBytes,
  missedOf,
  type Program,
  pause,
  pin,
  type RequestFile,
  readMetrics,
  requestPaths,
  SERVER_PROCESSOR,
  startBare,
  startMemcached,
  startProgram,
  startServer,
  untilComplete,
  writeRequests,
} from '../measure/index.ts'
import { drawByUsers } from '../traffic/index.ts'
import { coldRungs, type Ladder, type Run, type RungName } from './rungs.ts'

export interface LadderRun {
  readonly bench: Bench
  readonly rounds: number
  readonly seconds: number
  readonly progress: (line: string) => void
}

const CONNECTIONS = 64
const MEMCACHED_MIB = 1_024
/** For all code to be compiled. */
const WARM_UP_S_MAX = 8
/** Of those that fill memcached: slow machines do this many. */
const FILLED_A_SECOND = 8_000
/** Until what is under way at the end of a run has ended too. */
const SETTLE_MS = 300
const COMPARED = 200

interface Climber {
  readonly program: Program
  /** The processes that answer, and those they ask. */
  readonly pids: readonly number[]
  readonly behind: readonly number[]
}

type Climbers = Readonly<Partial<Record<RungName, Climber>>>

export async function runLadder(run: LadderRun): Promise<Ladder> {
  const { bench, rounds, seconds, progress } = run
  // It owns the private database that all others read.
  const batched = await startServer({ SITE_URL: bench.siteUrl, DATA_DIR: bench.dataDir, MEMORY_CACHE: 'off' })
  try {
    const cold = await runCold(run, batched)
    const warm = await runWarm(run)
    progress('done')
    return {
      addons: bench.addons,
      connections: CONNECTIONS,
      rounds,
      seconds,
      runs: { ...cold.runs, ...warm.runs } as Ladder['runs'],
      memcachedHits: cold.memcachedHits,
      memoryMisses: warm.memoryMisses,
    }
  } finally {
    await batched.stop()
  }
}

async function runCold(run: LadderRun, batched: Program) {
  const { bench, progress } = run
  const { replica } = databasePids(bench.dataDir)
  const requests = writeRequests(everyAddonOnce(bench.all))
  const stops: (() => Promise<void>)[] = []
  try {
    const memcached: Memcached = await startMemcached(MEMCACHED_MIB)
    stops.push(() => memcached.stop())
    const viaMemcached = await startServer({
      ...databaseOf(bench.dataDir),
      SITE_URL: bench.siteUrl,
      MEMORY_CACHE: 'off',
      MEMCACHED_SERVERS: memcached.address,
    })
    stops.push(() => viaMemcached.stop())
    const climbers: Record<string, Climber> = {}
    for (const name of coldRungs) {
      if (name === 'batched') climbers[name] = { program: batched, pids: [batched.pid], behind: [replica] }
      else if (name === 'memcached') {
        climbers[name] = { program: viaMemcached, pids: [viaMemcached.pid], behind: [replica, memcached.pid] }
      } else {
        progress(`starting ${name}`)
        const program = await startRung(name, bench)
        stops.push(() => program.stop())
        climbers[name] = { program, pids: [program.pid, ...descendantsOf(program.pid)], behind: [replica] }
      }
    }
    progress('comparing answers')
    for (const [name, { program }] of Object.entries(climbers)) {
      await requireSameAnswers(name, program, batched, everyAddonOnce(bench.all))
    }
    const fillS = 1 + Math.ceil(bench.addons / FILLED_A_SECOND)
    progress(`filling memcached, ${fillS} s`)
    await load({ url: viaMemcached.url, requests, connections: 256, seconds: fillS })
    const before = await readMetrics(viaMemcached)
    const runs = await askAll(climbers, requests, run)
    const after = await readMetrics(viaMemcached)
    const rise = (tier: string) => {
      const name = `versioncheck_checks_total{tier="${tier}"}`
      return (after.get(name) ?? Number.NaN) - (before.get(name) ?? Number.NaN)
    }
    return { runs, memcachedHits: rise('memcached') / (rise('memcached') + rise('replica')) }
  } finally {
    requests.remove()
    await Promise.all(stops.map((stop) => stop()))
  }
}

async function runWarm(run: LadderRun) {
  const { bench, progress } = run
  const memory = await startServer({
    ...databaseOf(bench.dataDir),
    SITE_URL: bench.siteUrl,
    DATA_DIR: `${bench.dataDir}-memory`,
  })
  let requests: RequestFile | undefined
  let limit: Program | undefined
  try {
    requests = writeRequests(requestPaths(bench.all, drawByUsers(bench.all)))
    progress('waiting until all add-ons are in memory')
    await untilComplete(memory)
    limit = await startBare(await meanBodyBytes(memory, requestPaths(bench.all, drawByUsers(bench.all))), {})
    const climbers: Climbers = {
      memory: { program: memory, pids: [memory.pid], behind: [] },
      limit: { program: limit, pids: [limit.pid], behind: [] },
    }
    // They need nobody else. Unpinned, what the generator leaves of a cache or a processor decides which of the two is quicker.
    const isShared = cpus().length < 2
    if (!isShared) for (const { pid } of [memory, limit]) pin(pid, SERVER_PROCESSOR)
    const runs = await askAll(climbers, requests, run, isShared ? undefined : GENERATOR_PROCESSOR)
    return { runs, memoryMisses: missedOf(await readMetrics(memory)) }
  } finally {
    requests?.remove()
    await limit?.stop()
    await memory.stop()
  }
}

/** Each for the same time, in alternating order, and before that each for a while that isn't counted. */
async function askAll(
  climbers: Climbers,
  requests: ReturnType<typeof writeRequests>,
  { rounds, seconds, progress }: LadderRun,
  processors?: string,
): Promise<Partial<Record<RungName, Run[]>>> {
  const names = Object.keys(climbers) as RungName[]
  const warmUpS = Math.min(WARM_UP_S_MAX, seconds)
  for (const name of names) {
    progress(`${name}: until everything is compiled, ${warmUpS} s`)
    const { program } = climbers[name] as Climber
    const of = { url: program.url, requests, connections: CONNECTIONS, ...(processors !== undefined && { processors }) }
    await load({ ...of, seconds: warmUpS })
    await pause(SETTLE_MS)
  }
  let round = 0
  const measures = names.map((name) => {
    const { program, pids, behind } = climbers[name] as Climber
    const measure = async (): Promise<Run> => {
      const service = cpuOf(pids)
      const database = cpuOf(behind)
      const of = {
        url: program.url,
        requests,
        connections: CONNECTIONS,
        ...(processors !== undefined && { processors }),
      }
      const result = await load({ ...of, seconds })
      const serviceUs = (cpuOf(pids) - service) / result.requests
      const databaseUs = (cpuOf(behind) - database) / result.requests
      const { rate, p50, p99, errors } = result
      const cost = `${serviceUs.toFixed(1)} us${databaseUs > 0 ? ` and ${databaseUs.toFixed(1)} us of the database` : ''}`
      progress(
        `round ${round + 1} of ${rounds}: ${name}: ${Math.round(rate).toLocaleString('en-US')} a second, ${cost} each`,
      )
      await pause(SETTLE_MS)
      return { rate, serviceUs, databaseUs, p50, p99, errors }
    }
    return [name, measure] as const
  })
  return await alternate(Object.fromEntries(measures) as Record<RungName, () => Promise<Run>>, rounds, (now) => {
    round = now
  })
}

async function startRung(name: RungName, { dataDir, siteUrl }: Bench): Promise<Program> {
  return await startProgram(`loadtest/ladder/rungs/${name}.js`, {
    PORT: String(await freePort()),
    SITE_URL: siteUrl,
    DATABASE_URL: replicaOf(dataDir),
    NODE_ENV: 'production',
  })
}

function replicaOf(dataDir: string): string {
  const { DATABASE_URL, REPLICA_URLS } = databaseOf(dataDir)
  const url = new URL(DATABASE_URL)
  url.search = new URL(REPLICA_URLS).search
  return url.href
}

/** All processes that a process has started, and those that they have. */
function descendantsOf(pid: number): number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => [Number(name), parentOf(name)] as const)
  const children = (of: number): number[] =>
    parents.filter(([, parent]) => parent === of).flatMap(([child]) => [child, ...children(child)])
  return children(pid)
}

function parentOf(pid: string): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[1])
  } catch {
    return undefined // it has ended meanwhile
  }
}

async function requireSameAnswers(name: string, one: Program, other: Program, paths: Iterable<string>): Promise<void> {
  let compared = 0
  for (const path of paths) {
    if (compared++ === COMPARED) return
    const [theirs, ours] = await Promise.all([one, other].map(({ url }) => answerOf(`${url}${path}`)))
    if (isDeepStrictEqual(theirs, ours)) continue
    throw new Failure(
      `${name} answers otherwise to ${path}: ${JSON.stringify(theirs)}, not ${JSON.stringify(ours)}.`,
      undefined,
    )
  }
}

async function answerOf(url: string): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url)
  return { status: response.status, body: await response.json() }
}
