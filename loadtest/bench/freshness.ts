/** `bench freshness`: from the commit of an edit to the first answer that shows it, in every one of two workers. */

import { rmSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { createEditor, type Editor } from '../../service/catalogue/index.ts'
import { endpointAs, openPrimary, parseEndpoint } from '../../service/database/index.ts'
import { databaseOf, type Program, pause, type Report, startServer, untilComplete } from '../measure/index.ts'
import type { BenchRun } from './run.ts'

const EDITS = 200
const BETWEEN_MS = 50
const GIVE_UP_MS = 10_000
const WORKERS = 2

export async function runFreshness({ bench, progress }: BenchRun): Promise<Report> {
  const site = { SITE_URL: bench.siteUrl }
  const first = await startServer({ ...site, DATA_DIR: bench.dataDir })
  const database = databaseOf(bench.dataDir)
  const second = await startServer({ ...site, ...database })
  const workers = [first, second]
  const owner = parseEndpoint(database.DATABASE_URL, { userRequired: true })
  const primary = await openPrimary(endpointAs(owner, 'catalog'))
  const delays: number[][] = workers.map(() => [])
  try {
    progress('waiting until all add-ons are resident in both workers')
    await Promise.all(workers.map((worker) => untilComplete(worker)))
    const editor = createEditor({ primary, actor: 'bench' })
    const guids = bench.all.guids.filter((_, index) => bench.all.isPublic[index]).slice(0, EDITS)
    for (const [number, guid] of guids.entries()) {
      if (number % 50 === 0) progress(`edit ${number} of ${guids.length}`)
      const version = await publish(editor, guid, `${Date.now()}.${number}`)
      const committedAt = performance.now()
      const seen = await Promise.all(workers.map((worker) => secondsUntil(worker, guid, version, committedAt)))
      for (const [index, ms] of seen.entries()) delays[index]?.push(ms)
      await pause(BETWEEN_MS * Math.random())
    }
  } finally {
    await primary.close()
    await second.stop()
    await first.stop()
    rmSync(database.DATA_DIR, { recursive: true, force: true })
  }
  const slowest = (delays[0] as number[]).map((_, number) => Math.max(...delays.map((own) => own[number] as number)))
  const at = (values: readonly number[], part: number) =>
    [...values].sort((one, other) => one - other)[
      Math.min(values.length - 1, Math.floor(values.length * part))
    ] as number
  const row = (what: string, values: readonly number[]) => [
    what,
    ...[0.5, 0.9, 0.99, 1].map((part) => at(values, part).toFixed(1)),
  ]
  return {
    name: 'freshness',
    what: `from the commit of an edit until it shows, ${slowest.length} edits, ${WORKERS} workers that hold ${bench.addons.toLocaleString('en-US')} add-ons, over a replica`,
    columns: ['', 'p50 ms', 'p90 ms', 'p99 ms', 'max ms'],
    rows: [...delays.map((own, index) => row(`worker ${index + 1}`, own)), row('every worker', slowest)],
    checks: [
      { what: 'p99 ms in every worker', value: at(slowest, 0.99), atMost: 100 },
      { what: 'max ms', value: at(slowest, 1), atMost: 1_000 },
    ],
    raw: { delays },
  }
}

/** A new version of an add-on, for every Firefox. */
async function publish(editor: Editor, guid: string, version: string): Promise<string> {
  await editor.edit({
    action: 'version.add',
    guids: [guid],
    next: async (stored) => {
      const addon = stored.get(guid)
      if (addon === undefined) throw new Error(`${guid} is not there`)
      return [
        {
          ...addon,
          versions: [
            ...addon.versions,
            {
              id: undefined,
              version,
              channel: 'listed',
              deleted: false,
              created: new Date().toISOString().slice(0, 19).replace('T', ' '),
              release_notes: null,
              file: {
                id: undefined,
                status: 'approved',
                hash: null,
                size: null,
                filename: `${version}.xpi`,
                strict_compatibility: false,
                url: null,
                package: null,
              },
              compatibility: { firefox: { min: '42.0', max: '*' } },
            },
          ],
        },
      ]
    },
  })
  return version
}

/** Milliseconds from `since` until a worker answers with a version; asked again and again on one connection. */
async function secondsUntil(worker: Program, guid: string, version: string, since: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const path = `/update/?id=${encodeURIComponent(guid)}&appID={ec8030f7-c20a-464f-9b0e-13a3a9e97384}&appVersion=153.0&compatMode=normal`
  const wanted = `"version": "${version}"`
  try {
    for (;;) {
      const body = await new Promise<string>((resolve, reject) => {
        get(`${worker.url}${path}`, { agent }, (response) => {
          let text = ''
          response.setEncoding('utf8')
          response.on('data', (chunk: string) => {
            text += chunk
          })
          response.on('end', () => resolve(text))
        }).on('error', reject)
      })
      const ms = performance.now() - since
      if (body.includes(wanted)) return ms
      if (ms > GIVE_UP_MS) throw new Error(`${version} of ${guid} doesn't show after ${GIVE_UP_MS} ms`)
      await pause(1)
    }
  } finally {
    agent.destroy()
  }
}
