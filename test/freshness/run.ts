/**
 * A run: writers edit, clients ask two workers, and meanwhile things happen to replicas, workers and memcached. What was edited,
 * what each replica had when, and what each worker answered is written down, for the judge. It may be recorded several times, each
 * time a history of its own.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { createEditor, type Editor } from '../../service/catalogue/index.ts'
import { connect, execute } from '../../service/database/connection.ts'
import type { Primary } from '../../service/database/index.ts'
import { metricsOf } from '../faults/watch.ts'
import { observe, until } from '../harness/clients.ts'
import { type Databases, openCatalog, type Replica, startDatabases } from '../harness/databases.ts'
import { type Detour, startDetour } from '../harness/detour.ts'
import { type MemcachedServer, startMemcached } from '../harness/memcached.ts'
import { runCatalog, type ServerProcess, startServer } from '../harness/server.ts'
import { makeFolder } from '../harness/stack.ts'
import type { Answer, History, Seen, States } from './judge.ts'

export const ADDONS = 40
const HIDDEN = 'hidden'
const guidOf = (number: number) => `history-${number}@freshness.test`

export interface Workers {
  readonly names: readonly string[]
  /** Kills one and starts another in its place. */
  replace(name: string): Promise<void>
}

export interface Recorded extends History {
  /** What writers did; that each add-on was brought into its first state is not counted. */
  readonly edits: number
  /** The numbers of the changes that made the states of each add-on, the first state's at 0. */
  readonly numbers: ReadonlyMap<string, readonly number[]>
}

export interface Run {
  readonly databases: Databases
  readonly memcached: MemcachedServer
  /** The way to each replica, as the workers know it. */
  readonly detours: readonly Detour[]
  readonly workers: Workers
  readonly editor: Editor
  /**
   * Edits for so long while `disturb` does what it does; resolves with what was seen. It begins when all add-ons are in a state that
   * never was before, and both workers show it.
   */
  record(msMax: number, disturb: () => Promise<void>): Promise<Recorded>
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

  /** The states of each add-on in the history that is recorded, or was last. */
  let states = new Map(lines.map(({ guid }) => [guid, ['0'] as Seen[]]))

  /**
   * Brings each add-on into a first state and waits until nobody knows of another. What workers have of the history before is no
   * state of this one: it would be judged as invented, or, where it is `hidden`, be taken for a state that is yet to come.
   */
  async function settle(): Promise<void> {
    states = new Map([...states].map(([guid, list]) => [guid, [nextName(list)]]))
    await editTogether(
      editor,
      [...states].map(([guid, [first]]) => lineTo(guid, first as Seen)),
    )
    await databases.settle()
    for (const name of Object.keys(own)) await until(`${name} shows the first states`, () => showsFirstStates(name))
  }

  async function showsFirstStates(name: string): Promise<boolean> {
    for (const [guid, [first]] of states) {
      const { status, text, cacheStatus } = await observe((servers.get(name) as ServerProcess).url, guid)
      if (status !== 200 || cacheStatus.includes('stale') || seenIn(text, guid) !== first) return false
    }
    return true
  }

  async function record(msMax: number, disturb: () => Promise<void>): Promise<Recorded> {
    const [row] = await primary.rows('SELECT value FROM change_counter')
    await settle()
    const answers: Answer[] = []
    const followed = new Map<string, { at: number; replicas: readonly number[] }[]>()
    const samples = databases.replicas.map((): Sample[] => [])
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
    const numbers = await numbersOf(primary, states, Number(row?.value))

    return {
      answers,
      states,
      numbers,
      edits: [...numbers.values()].reduce((sum, { length }) => sum + length - 1, 0),
      freshMsMax: 1_000,
      leastState(worker: string, guid: string, at: number) {
        const near = (followed.get(worker) ?? []).filter((each) => Math.abs(each.at - at) < FOLLOWED_NEAR_MS)
        const behind = new Set(near.flatMap(({ replicas }) => replicas))
        if (behind.size === 0) return 0
        const counter = Math.min(...[...behind].map((index) => counterAt(samples[index] as Sample[], at)))
        // Where nothing is known of a replica yet, it has at least the first state.
        return Math.max(
          0,
          (numbers.get(guid) as number[]).findLastIndex((number) => number <= counter),
        )
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

/** The name of a state that an add-on never had; of no history before either, whose states would be taken for those of this one. */
function nextName(states: States): Seen {
  return String(1 + Number(states.findLast((seen) => seen !== HIDDEN) ?? 0))
}

/** The line that brings an add-on into a state. */
function lineTo(guid: string, seen: Seen): Line {
  if (seen === HIDDEN) return { guid, status: 'disabled' }
  return { guid, status: 'approved', versions: [{ version: '1.0', file: { filename: `${seen}.xpi` } }] }
}

/** The line that brings an add-on into its next state, which is written down. */
function nextLine(guid: string, states: ReadonlyMap<string, Seen[]>): Line {
  const list = states.get(guid) as Seen[]
  const isHidden = list.at(-1) !== HIDDEN && Math.random() < 0.2
  const seen = isHidden ? HIDDEN : nextName(list)
  list.push(seen)
  return lineTo(guid, seen)
}

async function editByHand(editor: Editor, states: ReadonlyMap<string, Seen[]>, writer: number): Promise<void> {
  const all = guidsOf(writer)
  const guids = [...new Set([0, 1, 2].map(() => all[Math.floor(Math.random() * all.length)] as string))]
  await editTogether(
    editor,
    guids.map((guid) => nextLine(guid, states)),
  )
  await sleep(20 + Math.random() * 60)
}

/** Brings add-ons into the states of these lines, in one transaction. */
async function editTogether(editor: Editor, lines: readonly Line[]): Promise<void> {
  await editor.edit({
    action: 'addon.import',
    guids: lines.map(({ guid }) => guid),
    next: async (stored) =>
      lines.map(({ guid, status, versions: given }) => {
        const addon = stored.get(guid)
        if (addon === undefined) throw new Error(`${guid} is not there`)
        const filename = given?.[0].file.filename
        const versions = addon.versions.map((version) =>
          filename === undefined ? version : { ...version, file: { ...version.file, filename } },
        )
        return { ...addon, status, versions }
      }),
  })
}

/**
 * The numbers of the changes after `last` that made these states. By the audit, which every edit writes in its own transaction: what
 * the feed says itself can't be what the feed is judged by.
 */
async function numbersOf(
  primary: Primary,
  states: ReadonlyMap<string, States>,
  last: number,
): Promise<Map<string, number[]>> {
  const rows = await primary.rows(
    'SELECT guid, change_number AS number FROM audit WHERE change_number > ? ORDER BY change_number',
    [last],
  )
  const numbers = new Map([...states.keys()].map((guid) => [guid, [] as number[]]))
  for (const { guid, number } of rows) numbers.get(guid as string)?.push(number as number)
  // Each edit of an add-on makes one change: the n-th change is the n-th state.
  for (const [guid, { length }] of states) {
    const changes = numbers.get(guid)?.length
    if (changes !== length) throw new Error(`${guid} went through ${length} states by ${changes} changes`)
  }
  return numbers
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
