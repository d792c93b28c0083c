/**
 * A run: writers edit, clients ask two workers, and meanwhile things happen to replicas, workers and memcached. What was edited,
 * what each replica had when, and what each worker answered is written down, for the judge.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { createEditor, type Editor } from '../../service/catalogue/index.ts'
import { connect, execute } from '../../service/database/connection.ts'
import { metricsOf } from '../faults/watch.ts'
import { observe } from '../harness/clients.ts'
import { type Databases, openCatalog, type Replica, startDatabases } from '../harness/databases.ts'
import { type Detour, startDetour } from '../harness/detour.ts'
import { type MemcachedServer, startMemcached } from '../harness/memcached.ts'
import { runCatalog, type ServerProcess, startServer } from '../harness/server.ts'
import { makeFolder } from '../harness/stack.ts'
import type { Answer, History, Seen } from './judge.ts'

export const ADDONS = 40
const HIDDEN = 'hidden'
const guidOf = (number: number) => `history-${number}@freshness.test`

export interface Workers {
  readonly names: readonly string[]
  /** Kills one and starts another in its place. */
  replace(name: string): Promise<void>
}

export interface Run {
  readonly databases: Databases
  readonly memcached: MemcachedServer
  /** The way to each replica, as the workers know it. */
  readonly detours: readonly Detour[]
  readonly workers: Workers
  readonly editor: Editor
  /** Edits for so long while `disturb` does what it does; resolves with what was seen. */
  record(msMax: number, disturb: () => Promise<void>): Promise<History & { readonly edits: number }>
}

/** A worker may have read from whatever it followed so long before or after an answer. */
const FOLLOWED_NEAR_MS = 1_500

/** What a writer does to an add-on. */
interface Line {
  readonly guid: string
  readonly status: 'disabled' | 'approved'
  readonly versions?: readonly [{ readonly version: string; readonly file: { readonly filename: string } }]
}

interface Sample {
  readonly at: number
  readonly counter: number
}

/** Everything that a run takes; two workers, two replicas, of which the second is late. */
export async function prepareRun(t: Test, { lateS }: { readonly lateS: number }): Promise<Run> {
  const [databases, memcached, folder] = await Promise.all([
    startDatabases(t, { replicas: 2 }),
    startMemcached(t),
    makeFolder(t),
  ])
  const detours = await Promise.all(databases.replicas.map(({ port }) => startDetour(t, port)))
  const environment = {
    DATABASE_URL: databases.primary.url,
    REPLICA_URLS: detours.map(({ port }) => `mysql://127.0.0.1:${port}/versioncheck`).join(','),
    MEMCACHED_SERVERS: memcached.address,
    METRICS_PORT: '0',
    LOG_LEVEL: 'info',
  }
  const primary = await openCatalog(databases)
  t.teardown(() => primary.close())
  const editor = createEditor({ primary, actor: 'writer' })
  const otherPrimary = await openCatalog(databases)
  t.teardown(() => otherPrimary.close())
  const otherEditor = createEditor({ primary: otherPrimary, actor: 'other writer' })

  const lines = Array.from({ length: ADDONS }, (_, number) => ({
    guid: guidOf(number),
    versions: [{ version: '1.0', compatibility: { firefox: {} }, file: { filename: '0.xpi' } }],
  }))
  const { code, stderr } = await runCatalog(
    ['import', '-'],
    environment,
    lines.map((line) => JSON.stringify(line)).join('\n'),
  )
  if (code !== 0) throw new Error(stderr)
  await databases.replicas[1]?.lagBy(lateS)

  const servers = new Map<string, ServerProcess>()
  const generations = new Map<string, number>()
  // One holds all add-ons; the other a few, so that its answers come from memcached and replicas as well.
  const own: Readonly<Record<string, Record<string, string>>> = {
    whole: {},
    small: { MEMORY_CACHE_ENTRIES: String(ADDONS / 4) },
  }
  const start = async (name: string) => {
    servers.set(name, await startServer(t, { ...environment, ...own[name], DATA_DIR: `${folder}/${name}` }))
    generations.set(name, (generations.get(name) ?? 0) + 1)
  }
  for (const name of Object.keys(own)) await start(name)

  async function record(msMax: number, disturb: () => Promise<void>) {
    const answers: Answer[] = []
    const followed = new Map<string, { at: number; replicas: readonly number[] }[]>()
    const samples = databases.replicas.map((): Sample[] => [])
    const states = new Map(lines.map(({ guid }) => [guid, ['0'] as Seen[]]))
    const [row] = await primary.rows('SELECT value FROM change_counter')
    const firstNumber = Number(row?.value) + 1
    let running = true
    const during = async (work: () => Promise<void>) => {
      while (running) await work()
    }

    const writers = [
      during(() => editByHand(editor, states, 0)),
      during(() => editByHand(otherEditor, states, 1)),
      during(() => editByCommand(states, 2)),
    ]
    const watchers = databases.replicas.map((replica, index) =>
      watchReplica(replica, samples[index] as Sample[], () => running),
    )
    const clients = Object.keys(own).flatMap((name) => [
      ...Array.from({ length: 3 }, (_, seat) => ask(name, seat)),
      watchFollowed(name),
    ])

    async function ask(name: string, seat: number): Promise<void> {
      for (let turn = seat; running; turn++) {
        const guid = guidOf(turn % ADDONS)
        const worker = `${name} ${generations.get(name)}`
        const { url } = servers.get(name) as ServerProcess
        const { at: askedAt, ms, status, text, cacheStatus } = await observe(url, guid)
        // A worker that is being replaced refuses; a 503 says nothing of the add-on.
        if (status !== 200) {
          await sleep(5)
          continue
        }
        const isMarked = cacheStatus.includes('stale')
        const seen = seenIn(text, guid)
        // What is known to have changed, but can't be read now, is held back and says so: that is no state.
        if (seen === undefined && isMarked) continue
        answers.push({ worker, guid, seen: seen ?? text, askedAt, answeredAt: askedAt + ms, isMarked })
      }
    }

    /** Which replica a worker reads from; around a swap, either of those that lay behind the address. */
    async function watchFollowed(name: string): Promise<void> {
      while (running) {
        const worker = `${name} ${generations.get(name)}`
        const at = performance.now()
        const reading = await metricsOf(servers.get(name) as ServerProcess)().catch(() => undefined)
        const address = detours.findIndex(
          ({ port }) => reading?.value('replica_followed', `127.0.0.1:${port}/versioncheck`) === 1,
        )
        const list = followed.get(worker) ?? []
        followed.set(worker, list)
        if (reading !== undefined) {
          const isSwapped = swaps.some((swap) => at - swap < FOLLOWED_NEAR_MS && at >= swap)
          // One that follows none will soon follow any, and may be killed before that is seen.
          list.push({ at, replicas: isSwapped || address < 0 ? [0, 1] : [targets[address] as number] })
        }
        await sleep(50)
      }
    }

    async function editByCommand(all: ReadonlyMap<string, Seen[]>, writer: number): Promise<void> {
      const guids = guidsOf(writer).filter(() => Math.random() < 0.3)
      if (guids.length === 0) return
      const changes = guids.map((guid) => nextLine(guid, all))
      const result = await runCatalog(
        ['import', '-'],
        environment,
        changes.map((line) => JSON.stringify(line)).join('\n'),
      )
      if (result.code !== 0) throw new Error(result.stderr)
    }

    await Promise.all([disturb(), sleep(msMax)])
    running = false
    await Promise.all([...writers, ...watchers, ...clients])
    await databases.settle()

    // Each edit of an add-on made one change: the n-th change is the n-th state.
    const changes = await primary.rows('SELECT number, guid FROM changes WHERE number >= ? ORDER BY number', [
      firstNumber,
    ])
    const numbers = new Map(lines.map(({ guid }) => [guid, [0]]))
    for (const { number, guid } of changes) numbers.get(guid as string)?.push(number as number)

    return {
      answers,
      states,
      edits: changes.length,
      freshMsMax: 1_000,
      leastState(worker: string, guid: string, at: number) {
        const near = (followed.get(worker) ?? []).filter((each) => Math.abs(each.at - at) < FOLLOWED_NEAR_MS)
        const behind = new Set(near.flatMap(({ replicas }) => replicas))
        if (behind.size === 0) return 0
        const counter = Math.min(...[...behind].map((index) => counterAt(samples[index] as Sample[], at)))
        return (numbers.get(guid) as number[]).findLastIndex((number) => number <= counter)
      },
    }
  }

  /** Which replica lies behind each address, and when that last changed. */
  const targets = [0, 1]
  const swaps: number[] = []
  const swappable = detours.map((detour, index) => ({
    ...detour,
    leadTo(port: number) {
      targets[index] = databases.replicas.findIndex((replica) => replica.port === port)
      swaps.push(performance.now())
      detour.leadTo(port)
    },
  }))

  return {
    databases,
    memcached,
    detours: swappable,
    editor,
    record,
    workers: {
      names: Object.keys(own),
      async replace(name) {
        await servers.get(name)?.stop('SIGKILL')
        await start(name)
      },
    },
  }
}

/** Three writers, each with add-ons of its own: so the order of an add-on's states is known. */
function guidsOf(writer: number): string[] {
  return Array.from({ length: ADDONS }, (_, number) => number)
    .filter((number) => number % 3 === writer)
    .map(guidOf)
}

/** The line that brings an add-on into its next state, which is written down. */
function nextLine(guid: string, states: ReadonlyMap<string, Seen[]>): Line {
  const list = states.get(guid) as Seen[]
  const isHidden = list.at(-1) !== HIDDEN && Math.random() < 0.2
  if (isHidden) {
    list.push(HIDDEN)
    return { guid, status: 'disabled' }
  }
  const name = String(list.length)
  list.push(name)
  return { guid, status: 'approved', versions: [{ version: '1.0', file: { filename: `${name}.xpi` } }] }
}

async function editByHand(editor: Editor, states: ReadonlyMap<string, Seen[]>, writer: number): Promise<void> {
  const all = guidsOf(writer)
  const guids = [...new Set([0, 1, 2].map(() => all[Math.floor(Math.random() * all.length)] as string))]
  const next = new Map(guids.map((guid) => [guid, nextLine(guid, states)]))
  await editor.edit({
    action: 'addon.import',
    guids,
    next: async (stored) =>
      guids.map((guid) => {
        const addon = stored.get(guid)
        const line = next.get(guid)
        if (addon === undefined || line === undefined) throw new Error(`${guid} is not there`)
        const filename = line.versions?.[0].file.filename
        const versions = addon.versions.map((version) =>
          filename === undefined ? version : { ...version, file: { ...version.file, filename } },
        )
        return { ...addon, status: line.status, versions }
      }),
  })
  await sleep(20 + Math.random() * 60)
}

function seenIn(text: string, guid: string): Seen | undefined {
  const { addons } = JSON.parse(text) as { addons?: Record<string, { updates: { update_link: string }[] }> }
  if (addons === undefined) return HIDDEN
  const link = addons[guid]?.updates[0]?.update_link ?? ''
  return /\/(\d+)\.xpi$/.exec(link)?.[1]
}

/** Writes down how far a replica is, again and again. */
async function watchReplica(replica: Replica, samples: Sample[], isRunning: () => boolean): Promise<void> {
  while (isRunning()) {
    try {
      const connection = await connect(replica.endpoint, { connectMs: 500 })
      try {
        while (isRunning()) {
          const [row] = await execute(connection, 'SELECT value FROM change_counter', [], { deadlineMs: 1_000 })
          samples.push({ at: performance.now(), counter: Number(row?.value) })
          await sleep(10)
        }
      } finally {
        connection.destroy()
      }
    } catch {
      await sleep(50) // it is down
    }
  }
}

/** How far a replica was at some time, for certain. */
function counterAt(samples: readonly Sample[], at: number): number {
  let low = 0
  let high = samples.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((samples[middle] as Sample).at <= at) low = middle + 1
    else high = middle
  }
  return samples[low - 1]?.counter ?? 0
}
