/**
 * `bench warm`: a check from memory against the bare HTTP library with the same bytes, in processor time per request. One worker
 * on one processor, the generator on the other, all add-ons resident.
 */

import { Random } from '../generate/random.ts'
import { checkPath, type Draw, drawByUsers, drawUniformly, makeClient, type Population } from '../traffic/index.ts'
import { median, ratioOf } from './compare.ts'
import { freePort, type Program, pause, pin, readMetrics, startProgram, startServer } from './processes.ts'
import type { BenchRun, Report } from './report.ts'
import { type Contestant, takeTurns } from './slices.ts'
import { type LoadResult, load, writeRequests } from './wrk.ts'

const CONNECTIONS = 64
const REQUESTS = 300_000
const SEED = 2

export async function runWarm({ bench, rounds, seconds, progress }: BenchRun): Promise<Report> {
  const server = await startServer({ DATA_DIR: bench.dataDir, SITE_URL: bench.siteUrl })
  try {
    progress('waiting until all add-ons are resident')
    await untilComplete(server)
    const bodyBytes = await meanBodyBytes(server, bench.all)
    const bare = await startBare(bodyBytes, {})
    const bareOne = await startBare(bodyBytes, { HEADERS: 'one' })
    const popular = writeRequests(requestPaths(bench.all, drawByUsers(bench.all)))
    const uniform = writeRequests(requestPaths(bench.all, drawUniformly(bench.all)))
    try {
      for (const { pid } of [server, bare, bareOne]) pin(pid, '0')
      const ofBare = { connections: CONNECTIONS, processors: '1', countOf: countOfBare }
      const ofServer = { program: server, connections: CONNECTIONS, processors: '1', countOf: countIn('memory') }
      const contestants = {
        bare: { program: bare, requests: popular, ...ofBare },
        'bare, headers in one call': { program: bareOne, requests: popular, ...ofBare },
        'memory, by popularity': { requests: popular, ...ofServer },
        'memory, uniformly': { requests: uniform, ...ofServer },
      }
      const results = await takeTurns(contestants, rounds * seconds, progress)
      progress('each by itself, for its latencies')
      const whole = await eachByItself(contestants, seconds)
      const metrics = await readMetrics(server)
      const cpu = (name: keyof typeof contestants) => results[name].map(({ cpuUs }) => cpuUs)
      const names = Object.keys(contestants) as (keyof typeof contestants)[]
      return {
        name: 'warm',
        what: `a check from memory, ${bench.addons.toLocaleString('en-US')} add-ons resident, bodies of ${bodyBytes} bytes in the mean`,
        columns: ['', 'CPU us a request', 'of bare', 'requests a second', 'p99 ms'],
        rows: names.map((name) => [
          name,
          median(cpu(name)).toFixed(2),
          (1 / ratioOf(cpu(name), cpu('bare')).median).toFixed(3),
          Math.round(median(results[name].map(({ rate }) => rate))).toLocaleString('en-US'),
          whole[name].p99.toFixed(2),
        ]),
        checks: [
          {
            what: 'by popularity, of the bare library',
            value: 1 / ratioOf(cpu('memory, by popularity'), cpu('bare')).median,
            atLeast: 0.85,
          },
          {
            what: 'drawn uniformly, of the bare library',
            value: 1 / ratioOf(cpu('memory, uniformly'), cpu('bare')).median,
            atLeast: 0.75,
          },
          { what: 'errors', value: sumOf(Object.values(whole), ({ errors }) => errors), atMost: 0 },
          {
            what: 'checks that memory had not',
            value: metrics.get('versioncheck_checks_total{tier="replica"}') ?? Number.NaN,
            atMost: 0,
          },
        ],
        raw: { results, whole },
      }
    } finally {
      for (const requests of [popular, uniform]) requests.remove()
      await Promise.all([bare, bareOne].map((program) => program.stop()))
    }
  } finally {
    await server.stop()
  }
}

export async function startBare(bodyBytes: number, environment: Readonly<Record<string, string>>): Promise<Program> {
  const port = String(await freePort())
  return startProgram('loadtest/bench/bare.js', { PORT: port, BODY_BYTES: String(bodyBytes), ...environment })
}

export async function untilComplete(server: Program, msMax = 120_000): Promise<void> {
  for (const giveUpAt = Date.now() + msMax; Date.now() < giveUpAt; await pause(50)) {
    if ((await readMetrics(server)).get('versioncheck_tier_complete{tier="memory"}') === 1) return
  }
  throw new Error(`not all add-ons are resident after ${msMax} ms`)
}

export async function countOfBare({ url }: Program): Promise<number> {
  return Number(await (await fetch(`${url}/count`)).text())
}

/** Counts the checks that a tier answered. */
export function countIn(tier: string): (program: Program) => Promise<number> {
  return async (program) => (await readMetrics(program)).get(`versioncheck_checks_total{tier="${tier}"}`) ?? Number.NaN
}

/** Without turns: for latencies, which a generator that is held now and then can't tell. */
export async function eachByItself<Name extends string>(
  contestants: Readonly<Record<Name, Contestant>>,
  seconds: number,
): Promise<Record<Name, LoadResult>> {
  const results: Partial<Record<Name, LoadResult>> = {}
  for (const [name, { program, requests, connections, processors }] of Object.entries<Contestant>(contestants)) {
    results[name as Name] = await load({
      url: program.url,
      requests,
      connections,
      seconds,
      ...(processors && { processors }),
    })
  }
  return results as Record<Name, LoadResult>
}

/** One check of a client of its own each. */
export function* requestPaths(population: Population, draw: Draw, count = REQUESTS): Generator<string> {
  for (let number = 0; number < count; number++) {
    const addon = draw.one(new Random(SEED, 1, number))
    const client = makeClient(SEED, number, ONE_ADDON)
    yield checkPath(client, population.guids[addon] as string, population.versions[addon] as string)
  }
}

/** The add-on is drawn apart. */
const ONE_ADDON: Draw = { one: () => 0 }

/** What the reference sends is as long as what the server does. */
export async function meanBodyBytes(server: Program, population: Population, count = 500): Promise<number> {
  let bytes = 0
  for (const path of requestPaths(population, drawByUsers(population), count)) {
    const response = await fetch(`${server.url}${path}`)
    bytes += (await response.arrayBuffer()).byteLength
  }
  return Math.round(bytes / count)
}

export function sumOf<T>(values: readonly T[], read: (value: T) => number): number {
  return values.reduce((sum, value) => sum + read(value), 0)
}
