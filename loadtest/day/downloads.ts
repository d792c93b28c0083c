/** Downloads of a package of some megabytes: how much a core sends, and whether memory stays as it is. One add-on, published as any is. */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Failure } from '../failure.ts'
import {
  GENERATOR_PROCESSOR,
  load,
  type Program,
  pause,
  pin,
  type Report,
  residentMib,
  runCommand,
  SERVER_PROCESSOR,
  startServer,
  writeRequests,
} from '../measure/index.ts'
import { makePackage } from './package.ts'
import { type DayRun, number, withCpu } from './run.ts'

const GUID = 'download@example.test'
const PACKAGE_BYTES = 5 * 1024 * 1024
const CONNECTIONS = 32
/** For buffers and pools to reach the size they keep. */
const WARM_UP_S = 3
const SAMPLE_MS = 250
const GROWTH_MIB_MAX = 16
/** More than that over what it has before: files are read as they are sent, a piece for each connection at a time. */
const PEAK_MIB_MAX = 48

export async function runDownloads({ folder, seconds, progress }: DayRun): Promise<Report> {
  const home = resolve(folder, 'downloads')
  rmSync(home, { recursive: true, force: true })
  mkdirSync(home, { recursive: true })
  const environment = { DATA_DIR: join(home, 'data') }
  const path = join(home, 'download.xpi')
  const content = makePackage({ guid: GUID, version: '1.0', bytes: PACKAGE_BYTES })
  writeFileSync(path, content)
  progress('publishing a package')
  const server = await startServer(environment)
  try {
    await runCommand('service/catalog.js', ['version', 'add', GUID, path], environment, { quiet: true })
    const requests = writeRequests([await findDownload(server)])
    try {
      pin(server.pid, SERVER_PROCESSOR)
      const run = (length: number) =>
        load({
          url: server.url,
          requests,
          connections: CONNECTIONS,
          seconds: length,
          processors: GENERATOR_PROCESSOR,
        })
      await run(WARM_UP_S)
      progress(`downloading it over ${CONNECTIONS} connections for ${seconds} s`)
      const before = residentMib(server.pid)
      const watch = watchMemory(server)
      const result = await withCpu(server, () => run(seconds))
      const most = watch.stop()
      await pause(SAMPLE_MS)
      const after = residentMib(server.pid)
      const gigabits = (content.length * 8) / 1e9
      return {
        name: 'downloads',
        what: `downloads of a package of ${(content.length / 1024 / 1024).toFixed(0)} MiB over ${CONNECTIONS} connections for ${seconds} s`,
        columns: ['', ''],
        rows: [
          ['gigabits for each second of processor time', (gigabits / (result.cpuUs / 1e6)).toFixed(2)],
          ['gigabits a second, as it went', (gigabits * result.rate).toFixed(2)],
          ['downloads', number(result.requests)],
          ['memory before, at the most, after, MiB', [before, most, after].map((mib) => mib.toFixed(0)).join(', ')],
        ],
        checks: [
          { what: 'errors', value: result.errors, atMost: 0 },
          { what: 'gigabits a second a core', value: gigabits / (result.cpuUs / 1e6), atLeast: 1 },
          { what: 'MiB more at the most than before', value: Math.max(0, most - before), atMost: PEAK_MIB_MAX },
          { what: 'MiB more after than before', value: Math.max(0, after - before), atMost: GROWTH_MIB_MAX },
        ],
        raw: { ...result, packageBytes: content.length, beforeMib: before, mostMib: most, afterMib: after },
      }
    } finally {
      requests.remove()
    }
  } finally {
    await server.stop()
    rmSync(home, { recursive: true, force: true })
  }
}

const FIND_MS_MAX = 10_000

/** The path that a client is sent to. */
async function findDownload({ url }: Program): Promise<string> {
  const query = `id=${GUID}&appID={ec8030f7-c20a-464f-9b0e-13a3a9e97384}&appVersion=153.0&compatMode=normal`
  for (const giveUpAt = Date.now() + FIND_MS_MAX; Date.now() < giveUpAt; await pause(50)) {
    const body = await (await fetch(`${url}/update/?${query}`)).text()
    const link = /"update_link": *"([^"]+)"/.exec(body)?.[1]
    if (link !== undefined) return new URL(link).pathname
  }
  throw new Failure(`The package isn't offered ${FIND_MS_MAX} ms after it was published.`, undefined)
}

/** The most that is resident while it runs, in MiB. */
function watchMemory({ pid }: Program): { stop(): number } {
  let most = residentMib(pid)
  const timer = setInterval(() => {
    most = Math.max(most, residentMib(pid))
  }, SAMPLE_MS)
  return {
    stop() {
      clearInterval(timer)
      return most
    },
  }
}
