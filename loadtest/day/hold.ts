/**
 * The day's 2 billion hits: 23,148 checks a second in an open loop, all add-ons held, one worker on one processor and the generator on
 * the other; in turns with the bare HTTP library at the same rate, which shows what of a latency is the machine's.
 */

import {
  meanBodyBytes,
  median,
  offer,
  pin,
  prepareBench,
  type Report,
  ratioOf,
  readMetrics,
  requestPaths,
  startBare,
  startServer,
  sumOf,
  untilComplete,
  writeRequests,
} from '../measure/index.ts'
import { drawByUsers } from '../traffic/index.ts'
import { type DayRun, GENERATOR_PROCESSOR, inTurns, number, RATE, SERVER_PROCESSOR, slicesOf } from './run.ts'

/** For all code to be compiled. */
const WARM_UP_S = 2

export async function runHold({ addons, folder, seconds, progress }: DayRun): Promise<Report> {
  const bench = await prepareBench(folder, addons, progress)
  const server = await startServer({ DATA_DIR: bench.dataDir, SITE_URL: bench.siteUrl })
  const requests = writeRequests(requestPaths(bench.all, drawByUsers(bench.all)))
  try {
    progress('waiting until all add-ons are resident')
    await untilComplete(server)
    const bare = await startBare(await meanBodyBytes(server, bench.all), {})
    try {
      const slices = slicesOf(seconds)
      const run = (url: string, length: number) =>
        offer({ url, requests, rate: RATE, seconds: length, processors: GENERATOR_PROCESSOR })
      for (const { pid, url } of [bare, server]) {
        pin(pid, SERVER_PROCESSOR)
        await run(url, WARM_UP_S)
      }
      const contestants = {
        bare: { program: bare, run: () => run(bare.url, slices.seconds) },
        versioncheck: { program: server, run: () => run(server.url, slices.seconds) },
      }
      const results = await inTurns(contestants, slices.count, progress)
      const metrics = await readMetrics(server)
      const names = Object.keys(contestants) as (keyof typeof contestants)[]
      const of = (name: keyof typeof contestants, figure: keyof (typeof results)['bare'][number]) =>
        results[name].map((result) => result[figure])
      return {
        name: 'hold',
        what: `${number(RATE)} checks a second, 2 billion a day, in an open loop; ${number(addons)} add-ons held; ${slices.count} times ${slices.seconds} s of each in turn, medians`,
        columns: ['', 'a second', 'CPU us a check', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms', 'errors'],
        rows: names.map((name) => [
          name,
          number(median(of(name, 'rate'))),
          median(of(name, 'cpuUs')).toFixed(1),
          median(of(name, 'p50')).toFixed(2),
          median(of(name, 'p99')).toFixed(2),
          median(of(name, 'p999')).toFixed(2),
          Math.max(...of(name, 'max')).toFixed(1),
          String(sumOf(of(name, 'errors'), Number)),
        ]),
        checks: [
          { what: 'errors', value: sumOf(of('versioncheck', 'errors'), Number), atMost: 0 },
          {
            what: 'part of the rate that was reached',
            value: median(of('versioncheck', 'rate')) / RATE,
            atLeast: 0.98,
          },
          {
            what: 'p99, of that of the bare library',
            value: ratioOf(of('versioncheck', 'p99'), of('bare', 'p99')).median,
            atMost: 2,
          },
          {
            what: 'checks that memory had not',
            value: metrics.get('versioncheck_checks_total{tier="replica"}') ?? Number.NaN,
            atMost: 0,
          },
        ],
        raw: results,
      }
    } finally {
      await bare.stop()
    }
  } finally {
    requests.remove()
    await server.stop()
  }
}
