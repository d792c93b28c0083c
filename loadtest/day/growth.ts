/**
 * How cost grows with the catalogue: processor time of a check from memory, and memory, at several numbers of add-ons. A server each,
 * all at once, each with a private MariaDB of its own; they take turns every half second.
 */

import {
  type Bench,
  countIn,
  GENERATOR_PROCESSOR,
  median,
  missedOf,
  type Program,
  pin,
  prepareBench,
  type Report,
  type RequestFile,
  ratioOf,
  readMetrics,
  requestPaths,
  residentMib,
  SERVER_PROCESSOR,
  startServer,
  sumOf,
  takeTurns,
  untilComplete,
  writeRequests,
} from '../measure/index.ts'
import { drawByUsers } from '../traffic/index.ts'
import { type DayRun, number } from './run.ts'

const CONNECTIONS = 64
const COMPLETE_MS_MAX = 300_000
const RATIO_MAX = 1.15

/** What the chart shows of one catalogue. */
export interface Size {
  readonly addons: number
  readonly cpuUs: number
  readonly residentMib: number
}

interface Started {
  readonly addons: number
  readonly program: Program
  readonly requests: RequestFile
}

export async function runGrowth({ folder, growth, seconds, progress }: DayRun): Promise<Report> {
  const started: Started[] = []
  try {
    for (const addons of growth) {
      // The last one's population is let go before the next is read.
      started.push(await start(await prepareBench(folder, addons, progress), progress))
    }
    const contestants = Object.fromEntries(
      started.map(({ addons, program, requests }) => [
        number(addons),
        {
          program,
          requests,
          connections: CONNECTIONS,
          processors: GENERATOR_PROCESSOR,
          countOf: countIn('memory'),
        },
      ]),
    )
    const slices = await takeTurns(contestants, seconds, progress)
    const cpuOf = (addons: number) => (slices[number(addons)] ?? []).map(({ cpuUs }) => cpuUs)
    const sizes: Size[] = started.map(({ addons, program }) => ({
      addons,
      cpuUs: median(cpuOf(addons)),
      residentMib: residentMib(program.pid),
    }))
    const missed = await Promise.all(started.map(async ({ program }) => missedOf(await readMetrics(program))))
    const [least, most] = [growth[0] as number, growth.at(-1) as number]
    const ratioTo = (addons: number) => ratioOf(cpuOf(addons), cpuOf(least)).median
    return {
      name: 'growth',
      what: `a check from memory, drawn by popularity, and the memory of a worker, by add-ons in the catalogue; ${seconds} s of each in turns of half a second, medians`,
      columns: ['add-ons', 'CPU us a check', `of ${number(least)}`, 'checks a second', 'memory MiB'],
      rows: sizes.map(({ addons, cpuUs, residentMib: mib }) => [
        number(addons),
        cpuUs.toFixed(2),
        ratioTo(addons).toFixed(3),
        number(median((slices[number(addons)] ?? []).map(({ rate }) => rate))),
        number(mib),
      ]),
      checks: [
        {
          what: `a check of ${number(most)} add-ons, of one of ${number(least)}`,
          value: ratioTo(most),
          atMost: RATIO_MAX,
        },
        { what: 'checks that memory had not', value: sumOf(missed, Number), atMost: 0 },
      ],
      raw: { sizes, slices },
    }
  } finally {
    for (const { program, requests } of started) {
      requests.remove()
      await program.stop()
    }
  }
}

async function start(bench: Bench, progress: (line: string) => void): Promise<Started> {
  const { addons, all, dataDir, siteUrl } = bench
  progress(`waiting until ${number(addons)} add-ons are resident`)
  const program = await startServer({ DATA_DIR: dataDir, SITE_URL: siteUrl })
  try {
    await untilComplete(program, COMPLETE_MS_MAX)
    pin(program.pid, SERVER_PROCESSOR)
    const metrics = await readMetrics(program)
    progress(`  ${number(metrics.get('versioncheck_tier_entries{tier="memory"}') ?? 0)} of them are public`)
    return { addons, program, requests: writeRequests(requestPaths(all, drawByUsers(all))) }
  } catch (error) {
    await program.stop()
    throw error
  }
}
