/**
 * What connections cost: profiles that come with one of their own each, in the clear and over TLS 1.2 with a whole handshake, against
 * profiles that find one open. All ways of a part are offered the same rate, the day's where the generator's processor can do it.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  databaseOf,
  median,
  type Program,
  pause,
  pin,
  preciseCpuOf,
  prepareBench,
  type Report,
  ratioOf,
  startServer,
  sumOf,
  untilComplete,
} from '../measure/index.ts'
import { makeCertificate } from './certificate.ts'
import { type DayRun, inTurns, number, RATE, SERVER_PROCESSOR, slicesOf } from './run.ts'
import { sendVisitors, type VisitResult, writeProfiles } from './visitors.ts'

/** Profiles that come one way or another. */
interface Way {
  readonly program: Program
  readonly keep: boolean
}

export async function runConnections(day: DayRun): Promise<Report> {
  const { plain, stop } = await startServers(day, { withTls: false })
  try {
    const ways = { kept: { program: plain, keep: true }, 'new for every profile': { program: plain, keep: false } }
    return await compare(day, ways, {
      name: 'connections',
      what: 'profiles with a connection of their own, and with one that is kept',
      hardest: 'new for every profile',
    })
  } finally {
    await stop()
  }
}

export async function runTls(day: DayRun): Promise<Report> {
  const { plain, tls, stop } = await startServers(day, { withTls: true })
  try {
    const ways = {
      'plain, kept': { program: plain, keep: true },
      'TLS 1.2, kept': { program: tls, keep: true },
      'TLS 1.2, new for every profile': { program: tls, keep: false },
    }
    return await compare(day, ways, {
      name: 'tls',
      what: 'the same over TLS 1.2; a new connection takes a whole handshake (ECDSA and ECDHE, P-256)',
      hardest: 'TLS 1.2, new for every profile',
    })
  } finally {
    await stop()
  }
}

async function startServers(
  { folder, addons, progress }: DayRun,
  { withTls }: { withTls: boolean },
): Promise<{ readonly plain: Program; readonly tls: Program; stop(): Promise<void> }> {
  const bench = await prepareBench(folder, addons, progress)
  const certificates = mkdtempSync(join(tmpdir(), 'versioncheck-day-'))
  const programs: Program[] = []
  const stop = async () => {
    for (const program of programs.toReversed()) await program.stop()
    rmSync(certificates, { recursive: true, force: true })
  }
  try {
    const environment = { SITE_URL: bench.siteUrl, DATA_DIR: bench.dataDir }
    programs.push(await startServer(environment))
    if (withTls) {
      const files = await makeCertificate(certificates)
      programs.push(await startServer({ ...environment, ...databaseOf(bench.dataDir), ...files }))
    }
    progress('waiting until all add-ons are resident')
    for (const program of programs) {
      await untilComplete(program)
      pin(program.pid, SERVER_PROCESSOR)
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { plain: programs[0] as Program, tls: programs.at(-1) as Program, stop }
}

async function compare<Name extends string>(
  { folder, addons, seconds, progress }: DayRun,
  ways: Readonly<Record<Name, Way>>,
  { name, what, hardest }: { readonly name: string; readonly what: string; readonly hardest: Name },
): Promise<Report> {
  const profiles = writeProfiles((await prepareBench(folder, addons, progress)).all)
  try {
    const visit = ({ program: { url }, keep }: Way, rate: number, length: number) =>
      sendVisitors({ url, profiles: profiles.path, rate, seconds: length, keep })
    const probeS = Math.min(PROBE_S_MAX, seconds)
    for (const way of Object.values<Way>(ways)) await visit(way, RATE_WARM, probeS)
    const rate = await rateHeld((probed) => visit(ways[hardest], probed, probeS), progress)
    const idleUs = await idleUsOf(Object.values<Way>(ways).map(({ program }) => program))
    const slices = slicesOf(seconds)
    const contestants = Object.fromEntries(
      Object.entries<Way>(ways).map(([each, way]) => [
        each,
        { program: way.program, run: () => visit(way, rate, slices.seconds) },
      ]),
    ) as Record<Name, { readonly program: Program; readonly run: () => Promise<VisitResult> }>
    const results = await inTurns(contestants, slices.count, progress)
    const names = Object.keys(ways) as Name[]
    const [first] = names
    const of = (each: Name, figure: keyof VisitResult) => results[each].map((result) => result[figure])
    const sum = (each: Name, figure: keyof VisitResult) => sumOf(of(each, figure), Number)
    const cpuOf = (each: Name) =>
      results[each].map(({ cpuUs, rate: reached }) => cpuUs - (idleUs.get(ways[each].program) ?? 0) / reached)
    const times = (each: Name) => ratioOf(cpuOf(each), cpuOf(first as Name)).median
    return {
      name,
      what: `${what}: ${number(rate)} checks a second in an open loop, ${(sum(hardest, 'requests') / sum(hardest, 'visits')).toFixed(1)} a profile; ${slices.count} times ${slices.seconds} s of each in turn, medians; what a server takes while nobody asks is taken off`,
      columns: [
        '',
        'a second',
        'new a second',
        'CPU us a check',
        `of ${first}`,
        'p99 ms',
        'connecting p99 ms',
        'errors',
      ],
      rows: names.map((each) => [
        each,
        number(median(of(each, 'rate'))),
        number(sum(each, 'connections') / (slices.count * slices.seconds)),
        median(cpuOf(each)).toFixed(1),
        times(each).toFixed(2),
        median(of(each, 'p99')).toFixed(2),
        median(of(each, 'connectP99')).toFixed(2),
        String(sum(each, 'errors')),
      ]),
      checks: [
        { what: 'errors', value: sumOf(names, (each) => sum(each, 'errors')), atMost: 0 },
        {
          what: 'part of the rate that was reached, the least',
          value: Math.min(...names.map((each) => median(of(each, 'reached')))),
          atLeast: REACHED_MIN,
        },
      ],
      raw: { rate, idleUs: names.map((each) => idleUs.get(ways[each].program)), results },
    }
  } finally {
    profiles.remove()
  }
}

/** For code to be compiled. */
const RATE_WARM = 500
const IDLE_S = 2

/**
 * Microseconds of processor time a second that each takes while nobody asks. At some hundred checks a second that is as much as the
 * checks themselves, and more for the one that has the private database to look after.
 */
async function idleUsOf(programs: readonly Program[]): Promise<ReadonlyMap<Program, number>> {
  const before = programs.map(({ pid }) => preciseCpuOf(pid))
  await pause(IDLE_S * 1_000)
  return new Map(
    programs.map((program, index) => [program, (preciseCpuOf(program.pid) - (before[index] as number)) / IDLE_S]),
  )
}

const PROBE_S_MAX = 3
const RATE_MIN = 100
/** What was reached of a rate that is too high says how high it may be, or not, where all break down together. */
const STEP = { least: 0.4, most: 0.75, ofReached: 0.85 }
/** A rate is held where this many times of it are. */
const SPARE = 1.15
const LATE_MS_MAX = 20
const REACHED_MIN = 0.98

/** The day's rate, or the highest below it that both processors hold with some to spare. */
async function rateHeld(
  probe: (rate: number) => Promise<VisitResult>,
  progress: (line: string) => void,
): Promise<number> {
  for (let rate = RATE; rate >= RATE_MIN; ) {
    const { reached, lateP99, errors } = await probe(rate * SPARE)
    progress(`  ${number(rate * SPARE)} a second: ${(reached * 100).toFixed(0)} % reached`)
    if (reached >= REACHED_MIN && lateP99 < LATE_MS_MAX && errors === 0) return Math.round(rate)
    rate *= Math.max(STEP.least, Math.min(STEP.most, reached * STEP.ofReached))
  }
  progress(`  too slow or too busy a machine: ${RATE_MIN} a second all the same`)
  return RATE_MIN
}
