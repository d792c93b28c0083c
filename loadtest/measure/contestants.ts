/** What benches set against each other: servers of ours, the bare HTTP library, and what clients ask of them. */

import { readFileSync } from 'node:fs'
import { Random } from '../generate/random.ts'
import { checkPath, type Draw, makeClient, type Population } from '../traffic/index.ts'
import { freePort, type Program, pause, readMetrics, startProgram } from './processes.ts'
import type { Contestant } from './slices.ts'
import { type LoadResult, load } from './wrk.ts'

const REQUESTS = 300_000
const SEED = 2
const ORDER_SEED = 3

export async function startBare(bodyBytes: number, environment: Readonly<Record<string, string>>): Promise<Program> {
  const port = String(await freePort())
  return startProgram('loadtest/measure/bare.js', { PORT: port, BODY_BYTES: String(bodyBytes), ...environment })
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

/** The checks that memory had not: what it knows not to be ours it has, where it holds all; what is malformed asks for nothing. */
export function missedOf(metrics: ReadonlyMap<string, number>): number {
  const count = (tier: string) => metrics.get(`versioncheck_checks_total{tier="${tier}"}`) ?? Number.NaN
  return count('memcached') + count('replica') + count('none')
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

/** What the reference sends is as long as what the server does, in the mean of the first of some paths. */
export async function meanBodyBytes(server: Program, paths: Iterable<string>): Promise<number> {
  let bytes = 0
  let count = 0
  for (const path of paths) {
    const response = await fetch(`${server.url}${path}`)
    bytes += (await response.arrayBuffer()).byteLength
    if (++count === SAMPLE) break
  }
  return Math.round(bytes / count)
}

const SAMPLE = 500

export function sumOf<T>(values: readonly T[], read: (value: T) => number): number {
  return values.reduce((sum, value) => sum + read(value), 0)
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

/** In an order that has nothing to do with where they lie. */
export function* everyAddonOnce(population: Population): Generator<string> {
  const order = new Random(ORDER_SEED, 1, 0).shuffled(population.guids.length)
  for (const [number, addon] of order.entries()) {
    const client = makeClient(ORDER_SEED, number, ONE_ADDON)
    yield checkPath(client, population.guids[addon] as string, population.versions[addon] as string)
  }
}
