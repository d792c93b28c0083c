/**
 * What connections cost: profiles that come with one of their own each, in the clear and over TLS 1.2 with a whole handshake, against
 * profiles that find one open. What is compared is offered the same rate: the day's; and where handshakes are among it the highest that
 * one processor holds, since a whole one takes as much as some twenty checks. So kept connections over TLS are offered both.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Check,
  databaseOf,
  median,
  type Program,
  pause,
  pin,
  preciseCpuOf,
  prepareBench,
  type Report,
  ratioOf,
  SERVER_PROCESSOR,
  startServer,
  sumOf,
  untilComplete,
} from '../measure/index.ts'
import { makeCertificate } from './certificate.ts'
import { type DayRun, inTurns, number, slicesOf } from './run.ts'
import { CHECKS, DAY_AT_ONCE, profilesOf, rateOf, requireH2load, sendVisitors, type VisitResult } from './visitors.ts'

/** Profiles that come one way or another. */
interface Way {
  readonly program: Program
  readonly keep: boolean
}

/** Ways that are offered the same rate, and compared with the first of them. */
interface Group {
  readonly ways: Readonly<Record<string, Way>>
  /** Which of them decides what rate is held; absent: it is the day's. */
  readonly search?: string
}

export async function runConnections(day: DayRun): Promise<Report> {
  const { plain, stop } = await startServers(day, { withTls: false })
  try {
    const ways = { kept: { program: plain, keep: true }, 'new for every profile': { program: plain, keep: false } }
    return await compare(day, [{ ways }], {
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
    const kept = { 'plain, kept': { program: plain, keep: true }, 'TLS 1.2, kept': { program: tls, keep: true } }
    const search = 'TLS 1.2, new for every profile'
    const ways = { ...kept, [search]: { program: tls, keep: false } }
    return await compare(day, [{ ways: kept }, { ways, search }], {
      name: 'tls',
      what: "the same over TLS 1.2, where connections are kept at the day's rate, then with new ones at the highest rate that is held; a new connection takes a whole handshake (ECDSA on P-256, ECDHE on X25519)",
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

async function compare(
  { folder, addons, seconds, progress }: DayRun,
  groups: readonly Group[],
  { name, what }: { readonly name: string; readonly what: string },
): Promise<Report> {
  const profiles = profilesOf((await prepareBench(folder, addons, progress)).all)
  const visit = ({ program: { url }, keep }: Way, atOnce: number, length: number, turn = 0) =>
    sendVisitors({ url, profile: profiles[turn % profiles.length] as string[], atOnce, seconds: length, keep })
  const probeS = Math.min(PROBE_S_MAX, seconds)
  const all = Object.values(Object.assign({}, ...groups.map(({ ways }) => ways)) as Record<string, Way>)
  for (const way of all) await visit(way, AT_ONCE_WARM, probeS)
  const idleUs = await idleUsOf([...new Set(all.map(({ program }) => program))])
  const slices = slicesOf(seconds)
  const compared: Compared[] = []
  for (const { ways, search } of groups) {
    const held =
      search === undefined
        ? DAY_AT_ONCE
        : await atOnceHeld((probed) => visit(ways[search] as Way, probed, probeS), progress)
    // What can't be held is measured all the same, and a check says so.
    const atOnce = Math.max(1, held)
    progress(`${number(rateOf(atOnce))} a second`)
    const contestants = Object.fromEntries(
      Object.entries(ways).map(([each, way]) => {
        let turn = 0
        return [each, { program: way.program, run: () => visit(way, atOnce, slices.seconds, turn++) }]
      }),
    )
    compared.push({
      rate: rateOf(atOnce),
      ...(search !== undefined && { held: rateOf(held) }),
      idleUs: Object.fromEntries(Object.entries(ways).map(([each, { program }]) => [each, idleUs.get(program) ?? 0])),
      results: await inTurns(contestants, slices.count, progress),
    })
  }
  const rates = compared.map(
    ({ rate }) => `${number(rate)} checks a second, ${number(rate / CHECKS)} profiles of ${CHECKS}`,
  )
  return {
    name,
    what: `${what}: ${rates.join('; then ')}, in an open loop; ${slices.count} times ${slices.seconds} s of each in turn, medians; what a server takes while nobody asks is taken off`,
    columns: [
      '',
      'a second',
      'new a second, asked for',
      'CPU us a check',
      `of ${Object.keys(groups[0]?.ways ?? {})[0]}`,
      'more us a profile',
      'server, %',
      'generator, %',
      'p99 ms',
      'connecting ms',
      'errors',
    ],
    rows: compared.flatMap((each) => rowsOf(each, slices.count * slices.seconds)),
    checks: judgeCompared(compared),
    raw: { groups: compared },
  }
}

/** What came of one group: the rate that it was offered, and by the names of its ways what a server takes idly, and every turn. */
interface Compared {
  readonly rate: number
  /** That was found to be held, 0 where none was; absent: nothing was searched. */
  readonly held?: number
  readonly idleUs: Readonly<Record<string, number>>
  readonly results: Readonly<Record<string, readonly Visited[]>>
}

type Visited = VisitResult & { readonly cpuUs: number }

function rowsOf({ idleUs, results }: Compared, seconds: number): string[][] {
  const [first = ''] = Object.keys(results)
  const cpuOf = (each: string) =>
    (results[each] ?? []).map(({ cpuUs, rate }) => cpuUs - (idleUs[each] as number) / rate)
  const moreOf = (each: string) => cpuOf(each).map((cpuUs, turn) => CHECKS * (cpuUs - (cpuOf(first)[turn] as number)))
  const percent = (parts: readonly number[]) => (median(parts) * 100).toFixed(0)
  return Object.entries(results).map(([each, turns]) => {
    const of = (figure: keyof Visited) => turns.map((turn) => turn[figure])
    return [
      each,
      number(median(of('rate'))),
      number(sumOf(of('connections'), Number) / seconds),
      median(cpuOf(each)).toFixed(1),
      ratioOf(cpuOf(each), cpuOf(first)).median.toFixed(2),
      number(median(moreOf(each))),
      percent(turns.map(({ cpuUs, rate }) => (cpuUs * rate) / 1e6)),
      percent(of('generator')),
      median(of('p99')).toFixed(2),
      median(of('connecting')).toFixed(2),
      String(sumOf(of('errors'), Number)),
    ]
  })
}

/** What is promised of all that was compared. */
export function judgeCompared(compared: readonly Compared[]): Check[] {
  const all = compared.flatMap(({ results }) => Object.values(results))
  return [
    { what: 'errors', value: sumOf(all.flat(), ({ errors }) => errors), atMost: 0 },
    {
      what: 'part of the rate that was reached, the least',
      value: Math.min(...all.map((turns) => median(turns.map(({ reached }) => reached)))),
      atLeast: REACHED_MIN,
    },
    ...compared.flatMap(({ held }): Check[] =>
      held === undefined
        ? []
        : [{ what: 'checks a second that are held over new connections', value: held, atLeast: rateOf(1) }],
    ),
  ]
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
/** A rate is held where this many times of it, or more, are: profiles at once are whole. */
const SPARE = 1.15
const REACHED_MIN = 0.98

/** As many profiles at once as the day has, or the most below that which both processors hold with some to spare; 0: not even one. */
export async function atOnceHeld(
  probe: (atOnce: number) => Promise<Pick<VisitResult, 'reached' | 'errors'>>,
  progress: (line: string) => void,
): Promise<number> {
  let held = 0
  let missed = DAY_AT_ONCE + 1
  while (missed - held > 1) {
    const atOnce = missed > DAY_AT_ONCE ? Math.min(DAY_AT_ONCE, Math.max(1, held * 2)) : Math.floor((held + missed) / 2)
    const probed = Math.ceil(atOnce * SPARE)
    const { reached, errors } = await probe(probed)
    progress(`  ${number(rateOf(probed))} a second: ${(reached * 100).toFixed(0)} % reached`)
    if (reached >= REACHED_MIN && errors === 0) held = atOnce
    else missed = atOnce
  }
  if (held === 0) progress(`  not even ${number(rateOf(1))} a second are held: this machine is too slow, or busy`)
  return held
}
