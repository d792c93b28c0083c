/**
 * `bench warm`: a check from memory against the bare HTTP library with the same bytes, in processor time per request. One worker
 * on one processor, the generator on the other, all add-ons resident.
 */

import {
  countIn,
  countOfBare,
  eachByItself,
  GENERATOR_PROCESSOR,
  meanBodyBytes,
  median,
  pin,
  type Report,
  ratioOf,
  readMetrics,
  requestPaths,
  SERVER_PROCESSOR,
  startBare,
  startServer,
  sumOf,
  takeTurns,
  untilComplete,
  writeRequests,
} from '../measure/index.ts'
import { drawByUsers, drawUniformly } from '../traffic/index.ts'
import type { BenchRun } from './run.ts'

const CONNECTIONS = 64

export async function runWarm({ bench, rounds, seconds, progress }: BenchRun): Promise<Report> {
  const server = await startServer({ DATA_DIR: bench.dataDir, SITE_URL: bench.siteUrl })
  try {
    progress('waiting until all add-ons are resident')
    await untilComplete(server)
    const bodyBytes = await meanBodyBytes(server, requestPaths(bench.all, drawByUsers(bench.all)))
    const bare = await startBare(bodyBytes, {})
    const bareOne = await startBare(bodyBytes, { HEADERS: 'one' })
    const popular = writeRequests(requestPaths(bench.all, drawByUsers(bench.all)))
    const uniform = writeRequests(requestPaths(bench.all, drawUniformly(bench.all)))
    try {
      for (const { pid } of [server, bare, bareOne]) pin(pid, SERVER_PROCESSOR)
      const ofBare = { connections: CONNECTIONS, processors: GENERATOR_PROCESSOR, countOf: countOfBare }
      const ofServer = {
        program: server,
        connections: CONNECTIONS,
        processors: GENERATOR_PROCESSOR,
        countOf: countIn('memory'),
      }
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
