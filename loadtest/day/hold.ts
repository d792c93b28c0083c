/**
 * The day's 2 billion hits: 23,148 checks a second in an open loop, all add-ons held, one worker on one processor and the generator on
 * the other. Who asks is the profile `talk`, whole. First in turns with the bare HTTP library at the same rate, which shows what of a
 * latency is the machine's; then for as long without a break.
 */

import {
  type Check,
  GENERATOR_PROCESSOR,
  meanBodyBytes,
  median,
  missedOf,
  offer,
  type Program,
  pin,
  prepareBench,
  type Report,
  type RequestFile,
  ratioOf,
  readMetrics,
  SERVER_PROCESSOR,
  startBare,
  startServer,
  sumOf,
  untilComplete,
  writeRequests,
} from '../measure/index.ts'
import { type Population, type Request, requestsOf } from '../traffic/index.ts'
import { type DayRun, inTurns, LATE_MS_MAX, number, RATE, slicesOf, withCpu } from './run.ts'

/** For all code to be compiled. */
const WARM_UP_S_MAX = 2
/** A short run needs no long list, which takes wrk a second to read each time. */
const REQUESTS_MIN = 50_000
const REQUESTS_MAX = 300_000
const SEED = 5

/** Of one run, a turn or the one without a break. */
export type Held = Awaited<ReturnType<typeof offer>> & { readonly cpuUs: number }

export interface HoldResults {
  readonly bare: readonly Held[]
  readonly versioncheck: readonly Held[]
  /** One run of each, as long as all its turns, without a break. */
  readonly unbroken: { readonly bare: Held; readonly versioncheck: Held }
  /** Checks that memory had not. */
  readonly missed: number
}

export async function runHold({ addons, folder, seconds, progress }: DayRun): Promise<Report> {
  const bench = await prepareBench(folder, addons, progress)
  const talk = talkOf(bench.all, Math.max(REQUESTS_MIN, Math.min(REQUESTS_MAX, RATE * seconds)))
  const server = await startServer({ DATA_DIR: bench.dataDir, SITE_URL: bench.siteUrl })
  const files: RequestFile[] = []
  const written = (asked: Parameters<typeof writeRequests>[0]) => {
    const file = writeRequests(asked)
    files.push(file)
    return file
  }
  try {
    const requests = written(talk)
    // It answers all alike, and knows no methods but GET.
    const paths = written(talk.map(({ path }) => path))
    progress('waiting until all add-ons are resident')
    await untilComplete(server)
    const gets = talk.filter(({ method }) => method === undefined)
    const bodyBytes = await meanBodyBytes(
      server,
      gets.map(({ path }) => path),
    )
    const bare = await startBare(bodyBytes, {})
    try {
      const slices = slicesOf(seconds)
      const offers = (program: Program, asked: RequestFile) => (length: number) =>
        offer({ url: program.url, requests: asked, rate: RATE, seconds: length, processors: GENERATOR_PROCESSOR })
      const [toBare, toServer] = [offers(bare, paths), offers(server, requests)]
      for (const { pid } of [bare, server]) pin(pid, SERVER_PROCESSOR)
      for (const warmUp of [toBare, toServer]) await warmUp(Math.min(WARM_UP_S_MAX, seconds))
      const turns = await inTurns(
        {
          bare: { program: bare, run: () => toBare(slices.seconds) },
          versioncheck: { program: server, run: () => toServer(slices.seconds) },
        },
        slices.count,
        progress,
      )
      progress(`${seconds} s of each without a break`)
      const unbroken = {
        bare: await withCpu(bare, () => toBare(seconds)),
        versioncheck: await withCpu(server, () => toServer(seconds)),
      }
      const results: HoldResults = { ...turns, unbroken, missed: missedOf(await readMetrics(server)) }
      return {
        name: 'hold',
        what: `profile talk, ${number(RATE)} requests a second, 2 billion a day, in an open loop; ${number(addons)} add-ons held; ${slices.count} times ${slices.seconds} s of each in turn, medians, then ${seconds} s of each without a break`,
        columns: [
          '',
          'a second',
          'CPU us a request',
          'p50 ms',
          'p99 ms',
          'p99.9 ms',
          'max ms',
          'generator late, p99 ms',
          'refused',
          'errors',
        ],
        rows: [
          rowOf('bare', results.bare),
          rowOf('versioncheck', results.versioncheck),
          rowOf(`bare, ${seconds} s without a break`, [unbroken.bare]),
          rowOf(`versioncheck, ${seconds} s without a break`, [unbroken.versioncheck]),
        ],
        checks: judgeHold(results),
        raw: results,
      }
    } finally {
      await bare.stop()
    }
  } finally {
    for (const file of files) file.remove()
    await server.stop()
  }
}

/**
 * What is promised of the day's rate. Latencies are judged by the turns: what disturbs the machine for a second stands in the p99 of a
 * whole minute, and not in the other's.
 */
export function judgeHold({ bare, versioncheck, unbroken, missed }: HoldResults): Check[] {
  const p99Of = (runs: readonly Held[]) => runs.map(({ p99 }) => p99)
  return [
    { what: 'errors', value: sumOf([...versioncheck, unbroken.versioncheck], ({ errors }) => errors), atMost: 0 },
    {
      what: 'part of the rate that was reached',
      value: median(versioncheck.map(({ rate }) => rate)) / RATE,
      atLeast: 0.98,
    },
    { what: 'the same without a break', value: unbroken.versioncheck.rate / RATE, atLeast: 0.98 },
    { what: 'p99, of that of the bare library', value: ratioOf(p99Of(versioncheck), p99Of(bare)).median, atMost: 2 },
    {
      what: 'the generator itself was late, p99 ms',
      value: Math.max(...[bare, versioncheck].map((runs) => median(runs.map(({ lateP99 }) => lateP99)))),
      atMost: LATE_MS_MAX,
    },
    { what: 'checks that memory had not', value: missed, atMost: 0 },
  ]
}

/** Client after client, with the add-ons that aren't ours and what is malformed. */
function talkOf(population: Population, count: number): Request[] {
  const requests: Request[] = []
  for (const ofClient of requestsOf('talk', population, SEED, { first: 0, of: 1 })) {
    requests.push(...ofClient)
    if (requests.length >= count) break
  }
  return requests
}

function rowOf(name: string, runs: readonly Held[]): string[] {
  const medianOf = (figure: keyof Held, digits: number) => median(runs.map((run) => run[figure])).toFixed(digits)
  return [
    name,
    number(median(runs.map(({ rate }) => rate))),
    medianOf('cpuUs', 1),
    medianOf('p50', 2),
    medianOf('p99', 2),
    medianOf('p999', 2),
    Math.max(...runs.map(({ max }) => max)).toFixed(1),
    medianOf('lateP99', 0),
    number(sumOf(runs, ({ refused }) => refused)),
    String(sumOf(runs, ({ errors }) => errors)),
  ]
}
