/** Starts visits of profiles, see `visits.ts`, and draws the profiles. */

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Failure } from '../failure.ts'
import { endWithUs, onProcessors } from '../measure/index.ts'
import { checkPath, drawByUsers, makeClient, type Population } from '../traffic/index.ts'
import { GENERATOR_PROCESSOR } from './run.ts'

export interface VisitOptions {
  readonly url: string
  /** A file: a line a profile, the paths it asks for parted by blanks. */
  readonly profiles: string
  /** The profile to begin with. */
  readonly offset: number
  /** Checks a second. */
  readonly rate: number
  readonly seconds: number
  /** Connections are kept, and taken by the next profile. */
  readonly keep: boolean
}

export interface VisitResult {
  /** Answered checks. */
  readonly requests: number
  readonly visits: number
  /** That were opened. */
  readonly connections: number
  /** Checks a second. */
  readonly rate: number
  /** Which part that is of what arrived a second: the arrivals are random, and so is their rate. */
  readonly reached: number
  /** Microseconds of processor time that the generator took a check. */
  readonly generatorUs: number
  /** Milliseconds of a check. */
  readonly p99: number
  /** Of opening a connection, TLS included. */
  readonly connectP99: number
  /** By which the generator was late. */
  readonly lateP99: number
  /** Visits that didn't come to their end. */
  readonly errors: number
}

const PROFILES = 20_000
const SEED = 4

export interface Profiles {
  readonly path: string
  remove(): void
}

/** Of 1 to 40 add-ons each, by popularity. */
export function writeProfiles(population: Population): Profiles {
  const folder = mkdtempSync(join(tmpdir(), 'versioncheck-day-'))
  const path = join(folder, 'profiles')
  const draw = drawByUsers(population)
  const { guids, versions } = population
  const lines = Array.from({ length: PROFILES }, (_, number) => {
    const client = makeClient(SEED, number, draw)
    return client.addons.map((addon) => checkPath(client, guids[addon] as string, versions[addon] as string)).join(' ')
  })
  writeFileSync(path, `${lines.join('\n')}\n`)
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

let offset = 0

/** Each run goes on with the profile at which the last one stopped. */
export async function sendVisitors(options: Omit<VisitOptions, 'offset'>): Promise<VisitResult> {
  const program = [process.execPath, ...process.execArgv, join(import.meta.dirname, 'visits.js')]
  const [command, ...args] = onProcessors(GENERATOR_PROCESSOR, [...program, JSON.stringify({ ...options, offset })])
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  endWithUs(child)
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0) throw new Failure(`The profiles that ask ${options.url} ended with ${code}.`, undefined)
  const result = JSON.parse(output) as VisitResult
  offset += result.visits
  return result
}
