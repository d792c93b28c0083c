/**
 * What connections cost: profiles that come with one of their own each, in the clear and over TLS 1.2 with a whole handshake, against
 * profiles that find one open. All ways of a part are offered the same rate: in the clear the day's; over TLS the highest that one
 * processor holds, since a whole handshake takes as much as some twenty checks.
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
import { type DayRun, inTurns, number, SERVER_PROCESSOR, slicesOf } from './run.ts'
import { CHECKS, DAY_AT_ONCE, profilesOf, rateOf, requireH2load, sendVisitors, type VisitResult } from './visitors.ts'

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
      what: "profiles with a connection of their own, and with one that is kept, at the day's rate",
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
      what: 'the same over TLS 1.2, at the highest rate that is held; a new connection takes a whole handshake (ECDSA on P-256, ECDHE on X25519)',
      search: 'TLS 1.2, new for every profile',
    })
  } finally {
    await stop()
  }
}

async function startServers(
  { folder, addons, progress }: DayRun,
  { withTls }: { withTls: boolean },
): Promise<{ readonly plain: Program; readonly tls: Program; stop(): Promise<void> }> {
  requireH2load()
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

/** `search`: the way that decides which rate is held; absent: the day's. */
async function compare<Name extends string>(
  { folder, addons, seconds, progress }: DayRun,
  ways: Readonly<Record<Name, Way>>,
  { name, what, search }: { readonly name: string; readonly what: string; readonly search?: Name },
): Promise<Report> {
  const profiles = profilesOf((await prepareBench(folder, addons, progress)).all)
  const visit = ({ program: { url }, keep }: Way, atOnce: number, length: number, turn = 0) =>
    sendVisitors({ url, profile: profiles[turn % profiles.length] as string[], atOnce, seconds: length, keep })
  const probeS = Math.min(PROBE_S_MAX, seconds)
  for (const way of Object.values<Way>(ways)) await visit(way, AT_ONCE_WARM, probeS)
  const atOnce =
    search === undefined ? DAY_AT_ONCE : await atOnceHeld((probed) => visit(ways[search], probed, probeS), progress)
  const idleUs = await idleUsOf(Object.values<Way>(ways).map(({ program }) => program))
  const slices = slicesOf(seconds)
  const contestants = Object.fromEntries(
    Object.entries<Way>(ways).map(([each, way]) => {
      let turn = 0
      return [each, { program: way.program, run: () => visit(way, atOnce, slices.seconds, turn++) }]
    }),
  ) as Record<Name, { readonly program: Program; readonly run: () => Promise<VisitResult> }>
  const results = await inTurns(contestants, slices.count, progress)
  const names = Object.keys(ways) as Name[]
  const [first] = names as [Name]
  const of = (each: Name, figure: keyof VisitResult) => results[each].map((result) => result[figure])
  const sum = (each: Name, figure: keyof VisitResult) => sumOf(of(each, figure), Number)
  const cpuOf = (each: Name) =>
    results[each].map(({ cpuUs, rate }) => cpuUs - (idleUs.get(ways[each].program) ?? 0) / rate)
  const moreOf = (each: Name) => cpuOf(each).map((cpuUs, turn) => CHECKS * (cpuUs - (cpuOf(first)[turn] as number)))
  const percent = (parts: readonly number[]) => (median(parts) * 100).toFixed(0)
  return {
    name,
    what: `${what}: ${number(rateOf(atOnce))} checks a second in an open loop, ${number(rateOf(atOnce) / CHECKS)} profiles of ${CHECKS}; ${slices.count} times ${slices.seconds} s of each in turn, medians; what a server takes while nobody asks is taken off`,
    columns: [
      '',
      'a second',
      'new a second',
      'CPU us a check',
      `of ${first}`,
      'more us a profile',
      'server, %',
      'generator, %',
      'p99 ms',
      'connecting ms',
      'errors',
    ],
    rows: names.map((each) => [
      each,
      number(median(of(each, 'rate'))),
      number(sum(each, 'connections') / (slices.count * slices.seconds)),
      median(cpuOf(each)).toFixed(1),
      ratioOf(cpuOf(each), cpuOf(first)).median.toFixed(2),
      number(median(moreOf(each))),
      percent(results[each].map(({ cpuUs, rate }) => (cpuUs * rate) / 1e6)),
      percent(of(each, 'generator')),
      median(of(each, 'p99')).toFixed(2),
      median(of(each, 'connecting')).toFixed(2),
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
    raw: { rate: rateOf(atOnce), idleUs: names.map((each) => idleUs.get(ways[each].program)), results },
  }
}

/** For code to be compiled. */
const AT_ONCE_WARM = 1
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
/** A rate is held where this many times of it are. */
const SPARE = 1.15
const REACHED_MIN = 0.98

/** As many profiles at once as the day has, or the most below that which both processors hold with some to spare. */
export async function atOnceHeld(
  probe: (atOnce: number) => Promise<Pick<VisitResult, 'reached' | 'errors'>>,
  progress: (line: string) => void,
): Promise<number> {
  let held = 1
  let missed = DAY_AT_ONCE + 1
  while (missed - held > 1) {
    const atOnce = missed > DAY_AT_ONCE ? Math.min(DAY_AT_ONCE, held * 2) : Math.floor((held + missed) / 2)
    const probed = Math.ceil(atOnce * SPARE)
    const { reached, errors } = await probe(probed)
    progress(`  ${number(rateOf(probed))} a second: ${(reached * 100).toFixed(0)} % reached`)
    if (reached >= REACHED_MIN && errors === 0) held = atOnce
    else missed = atOnce
  }
  return held
}
