/** What a worker finds of its last run: all that was held, what has changed since, and nothing that must not come back. */

import { hash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type Archive, type ArchiveState, openArchive } from '../../service/cache/archive.ts'
import { generationsOf } from '../../service/cache/kept-files.ts'
import { Memory } from '../../service/cache/memory.ts'
import { type Restored, restore } from '../../service/cache/restore.ts'
import { FORMAT } from '../../service/cache/snapshot.ts'
import { type Position, Timeline } from '../../service/feed/index.ts'
import { openLog } from '../../service/observe/index.ts'
import { counterOf, listingOf } from '../../service/update/entry.ts'
import { until } from '../harness/clients.ts'
import { entryOf, firefox, SITE_URL, type TestAddon } from '../harness/entries.ts'
import { makeFolder } from '../harness/stack.ts'

const GENERATION = 'generation'
const OLDER = 'older'
const GENERATIONS = { generation: GENERATION, olderGenerations: ['oldest', OLDER] }
const opened = openLog({ level: 'silent', readable: false })
t.teardown(opened.close)
const { log } = opened

const at = (counter: number, heartbeatMs = 1_000): Position => ({ counter, token: counter * 7, heartbeatMs })
const guidOf = (number: number) => `${number}@archive.test`
const addonOf = (number: number, versions = ['1.0']): TestAddon => ({ guid: guidOf(number), versions })

interface Host {
  readonly memory: Memory
  readonly timeline: Timeline
  readonly archive: Archive
  readonly pending: Set<string>
  /** A change arrives: it is noted before it shows. */
  change(number: number, counter: number): void
  /** The new state of an add-on is here; undefined: it is gone. */
  refresh(number: number, counter: number, versions: readonly string[] | undefined): void
  /** Writes a snapshot, and waits for it. */
  snapshot(): Promise<void>
}

function newMemory(bytesMax = 1024 * 1024): Memory {
  return new Memory({ entriesMax: 10_000, bytesMax })
}

/** A worker of a folder that holds some add-ons as they were at 10. */
async function start(
  t: Pick<Test, 'teardown'>,
  folder: string,
  { memory = newMemory(), olderKeptMs = 0 } = {},
): Promise<Host> {
  const timeline = new Timeline()
  timeline.begin(at(10))
  const pending = new Set<string>()
  const state = (): ArchiveState => ({ isComplete: true, pending, applications: [firefox], trueAt: Date.now() })
  const archive = openArchive({ folder, ...GENERATIONS, olderKeptMs, memory, timeline, state, log })
  t.teardown(() => archive.close())
  // The names of journals tell processes apart, and here there is only one: each begins in a millisecond of its own.
  const now = Date.now()
  while (Date.now() === now) await turn()
  const advance = (counter: number) => {
    if (counter > timeline.position.counter) timeline.advance(at(counter))
  }
  return {
    memory,
    timeline,
    archive,
    pending,
    change(number, counter) {
      archive.noteChanged([{ guid: guidOf(number), counter }])
      memory.markOutdated(guidOf(number), counter)
      pending.add(guidOf(number))
      advance(counter)
    },
    refresh(number, counter, versions) {
      const entry = versions && entryOf(addonOf(number, [...versions]), counter)
      archive.noteRefreshed([{ guid: guidOf(number), counter, entry: entry?.memory }])
      if (entry === undefined) memory.remove(guidOf(number))
      else memory.put(entry)
      pending.delete(guidOf(number))
      advance(counter)
    },
    async snapshot() {
      const before = archive.snapshotAt
      archive.snapshotSoon()
      await until('a snapshot is written', () => archive.snapshotAt !== before)
      await until('the writer rests', () => filesOf(folder, '.new').every((path) => !path.includes(`/${GENERATION} `)))
    },
  }
}

function fill(memory: Memory, numbers: readonly number[], counter = 10): void {
  for (const number of numbers) memory.put(entryOf(addonOf(number), counter))
}

/** Paths in a folder that end so, in the order of their names. */
function filesOf(folder: string, suffix: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(suffix))
    .sort()
    .map((name) => join(folder, name))
}

interface Found {
  readonly restored: Restored | undefined
  readonly memory: Memory
  /** What is offered of each add-on that is held: guid, number of the feed, listing; and whether it is outdated. */
  readonly held: Record<string, { counter: number; listing: string; isOutdated: boolean }>
}

/** As a start finds it. The one that wrote it may have been killed. */
async function find(folder: string, generation = GENERATION, bytesMax?: number): Promise<Found> {
  const memory = newMemory(bytesMax)
  const restored = await restore({ folder, generation, memory, log })
  return { restored, memory, held: listingsOf(memory) }
}

function listingsOf(memory: Memory): Found['held'] {
  const held = [...memory.entries()].map((entry) => {
    const listing = listingOf(entry, firefox, SITE_URL)
    const guid = Object.keys(JSON.parse(listing).addons)[0] as string
    return [guid, { counter: counterOf(entry), listing, isOutdated: memory.isOutdated(entry) }] as const
  })
  return Object.fromEntries(held.sort(([one], [other]) => (one < other ? -1 : 1)))
}

/** Flips a bit in the middle of a file. */
function damage(path: string): void {
  const descriptor = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  const middle = Math.floor(readFileSync(path).length / 2)
  readSync(descriptor, byte, 0, 1, middle)
  byte.writeUInt8(byte.readUInt8(0) ^ 4)
  writeSync(descriptor, byte, 0, 1, middle)
  closeSync(descriptor)
}

t.test('where there is nothing nothing is found', async (t) => {
  const folder = await makeFolder(t)
  t.equal((await find(join(folder, 'none'))).restored, undefined)
  const host = await start(t, folder)
  host.change(1, 11)
  t.equal((await find(folder)).restored, undefined, 'a journal alone says too little')
})

t.test('what was held is held again', async (t) => {
  const folder = await makeFolder(t)
  const host = await start(t, folder)
  fill(host.memory, [1, 2, 3])
  host.memory.put(entryOf(addonOf(4, ['1.0', '2.0', '3.0']), 9))
  const begunAt = Date.now()
  await host.snapshot()
  const { restored, held, memory } = await find(folder)
  t.strictSame(held, listingsOf(host.memory))
  t.equal(Object.keys(held).length, 4)
  t.match(restored, { position: at(10), isComplete: true, applications: [firefox], pending: [] })
  t.ok((restored?.trueAt ?? 0) >= begunAt)
  t.ok(memory.has(guidOf(4)))
  const stranger = await find(folder, 'another')
  t.equal(stranger.restored, undefined, 'nothing that was made otherwise')
  t.equal(stranger.memory.size, 0)
})

t.test('what has changed since is known to have', async (t) => {
  const folder = await makeFolder(t)
  const host = await start(t, folder)
  fill(host.memory, [1, 2, 3])
  await host.snapshot()
  host.change(2, 11)
  host.change(9, 12)
  const { restored, held } = await find(folder)
  t.strictSame([...(restored?.pending ?? [])].sort(), [guidOf(2), guidOf(9)])
  t.strictSame(held, listingsOf(host.memory))
  t.equal(held[guidOf(2)]?.isOutdated, true)
  t.equal(held[guidOf(1)]?.isOutdated, false)
})

t.test('who may ask is kept as it was last', async (t) => {
  const folder = await makeFolder(t)
  const host = await start(t, folder)
  fill(host.memory, [1])
  await host.snapshot()
  const added = { ...firefox, id: 9, guid: 'added@archive.test', name: 'added' }
  host.archive.noteApplications([firefox, added], 10)
  t.strictSame((await find(folder)).restored?.applications, [firefox, added])
  host.change(1, 11)
  host.archive.noteApplications([added], 11)
  const { restored } = await find(folder)
  t.strictSame(restored?.applications, [added])
  host.archive.noteApplications([firefox], 10)
  t.strictSame((await find(folder)).restored?.applications, [added], 'the latest counts, whoever wrote last')
  t.strictSame(restored?.changes, new Map([[guidOf(1), 11]]), 'it is no change of an add-on')
})

t.test('in the middle of many changes nothing is marked', async (t) => {
  const folder = await makeFolder(t)
  const host = await start(t, folder)
  fill(host.memory, [1, 2])
  await host.snapshot()
  host.archive.noteChanged([{ guid: guidOf(1), counter: 11 }])
  host.timeline.advance({ ...at(10), counter: 11, token: 77 }, 2_000)
  host.archive.noteCaughtUp()
  t.match((await find(folder)).restored, { position: at(10), changes: new Map([[guidOf(1), 11]]) })
  host.timeline.advance(at(12, 2_000))
  host.archive.noteCaughtUp()
  t.match((await find(folder)).restored?.position, at(12, 2_000))
})

t.test('a snapshot that there is no room for is no damaged one', async (t) => {
  const folder = await makeFolder(t)
  const host = await start(t, folder, { memory: newMemory(4 * 1024 * 1024) })
  fill(
    host.memory,
    Array.from({ length: 2_000 }, (_, number) => number),
  )
  await host.snapshot()
  const small = await find(folder, GENERATION, 256 * 1024)
  t.equal(small.restored, undefined)
  t.equal(small.memory.size, 0)
  t.strictSame(filesOf(folder, '.refused'), [])
  t.strictSame((await find(folder, GENERATION, 4 * 1024 * 1024)).held, listingsOf(host.memory))
})

t.test(
  'which add-ons have changed beyond the last mark is told, and a mark is made as soon as all is known',
  async (t) => {
    const folder = await makeFolder(t)
    const host = await start(t, folder)
    fill(host.memory, [1, 2, 3])
    await host.snapshot()
    host.change(1, 11)
    host.refresh(1, 11, undefined)
    host.change(2, 12)
    const { restored } = await find(folder)
    t.equal(restored?.position.counter, 10, 'killed between the changes and their mark')
    t.strictSame(
      restored?.changes,
      new Map([
        [guidOf(1), 11],
        [guidOf(2), 12],
      ]),
    )
    host.archive.noteCaughtUp()
    const after = await find(folder)
    t.equal(after.restored?.position.counter, 12)
    t.strictSame(after.restored?.changes, new Map())
    const [path] = filesOf(folder, '.journal') as [string]
    const bytes = readFileSync(path).length
    host.archive.noteCaughtUp()
    t.equal(readFileSync(path).length, bytes, 'where nothing has changed nothing is written')
  },
)

t.test('of the marks of several processes the furthest counts, whoever was in touch last', async (t) => {
  const folder = await makeFolder(t)
  const late = await start(t, folder)
  fill(late.memory, [1, 2])
  await late.snapshot()
  const ahead = await start(t, folder)
  late.change(1, 11)
  ahead.change(1, 11)
  ahead.change(2, 12)
  ahead.archive.noteCaughtUp()
  while (Date.now() === (await find(folder)).restored?.trueAt) await turn()
  late.archive.noteCaughtUp()
  const { restored } = await find(folder)
  t.equal(restored?.position.counter, 12)
  t.strictSame(restored?.changes, new Map())
})

t.test('what was still awaited when the snapshot was written is awaited again', async (t) => {
  const folder = await makeFolder(t)
  const host = await start(t, folder)
  fill(host.memory, [1, 2])
  host.change(1, 11)
  await host.snapshot()
  const { restored, held } = await find(folder)
  t.strictSame(restored?.pending, [guidOf(1)])
  t.equal(held[guidOf(1)]?.isOutdated, true)
})

t.test('what has come since is there, what has gone is not', async (t) => {
  const folder = await makeFolder(t)
  const host = await start(t, folder)
  fill(host.memory, [1, 2, 3])
  await host.snapshot()
  host.change(1, 11)
  host.change(2, 12)
  host.change(4, 13)
  host.refresh(1, 13, ['1.0', '1.1'])
  host.refresh(2, 13, undefined)
  host.refresh(4, 13, ['4.0'])
  const killed = await find(folder)
  t.strictSame(killed.held, listingsOf(host.memory))
  t.strictSame(Object.keys(killed.held), [1, 3, 4].map(guidOf))
  t.equal(killed.held[guidOf(1)]?.counter, 13)
  t.strictSame(killed.restored?.pending, [])
  // One that was gone may come again, and go again.
  host.refresh(2, 14, ['2.0'])
  host.refresh(4, 15, undefined)
  const later = await find(folder)
  t.strictSame(later.held, listingsOf(host.memory))
  t.strictSame(Object.keys(later.held), [1, 2, 3].map(guidOf))
  await host.archive.close()
  const stopped = await find(folder)
  t.strictSame(stopped.held, later.held)
  t.match(stopped.restored?.position, at(15), 'a stop marks how far it was')
})

t.test('the journals of all processes are read', async (t) => {
  const folder = await makeFolder(t)
  const one = await start(t, folder)
  const other = await start(t, folder)
  fill(one.memory, [1, 2, 3])
  fill(other.memory, [1, 2, 3])
  await one.snapshot()
  one.change(1, 11)
  other.change(1, 11)
  other.change(2, 12)
  // One hears of a change first, the other of what it was; a third thing only one knows.
  other.refresh(1, 12, ['1.1'])
  other.refresh(3, 12, undefined)
  one.refresh(1, 11, ['1.0.1'])
  t.equal(filesOf(folder, '.journal').length, 2)
  const { restored, held } = await find(folder)
  t.strictSame(held, listingsOf(other.memory))
  t.equal(held[guidOf(1)]?.counter, 12, 'the newer state')
  t.equal(held[guidOf(3)], undefined)
  t.strictSame(restored?.pending, [guidOf(2)])
  await other.archive.close()
  t.match((await find(folder)).restored?.position, at(12), 'as far as the one that was farthest')
})

t.test('only one process writes snapshots', async (t) => {
  const folder = await makeFolder(t)
  const one = await start(t, folder)
  const other = await start(t, folder)
  fill(one.memory, [1])
  fill(other.memory, [1])
  await one.snapshot()
  other.archive.snapshotSoon()
  other.change(1, 11)
  await other.archive.close()
  t.equal(other.archive.snapshotAt, undefined)
  t.equal(filesOf(folder, '.snapshot').length, 1)
})

t.test('a snapshot with a flipped bit is refused, and the one before is used', async (t) => {
  const folder = await makeFolder(t)
  const host = await start(t, folder)
  fill(host.memory, [1, 2, 3])
  await host.snapshot()
  host.change(1, 11)
  host.refresh(1, 11, ['1.1'])
  host.change(2, 12)
  host.refresh(2, 12, undefined)
  await host.snapshot()
  host.change(3, 13)
  const [older, newest] = filesOf(folder, '.snapshot') as [string, string]
  damage(newest)
  const first = await find(folder)
  t.strictSame(filesOf(folder, '.refused'), [`${newest}.refused`])
  t.strictSame(filesOf(folder, '.snapshot'), [older])
  t.strictSame(first.held, listingsOf(host.memory), 'its journal reaches back to it')
  t.strictSame(first.restored?.pending, [guidOf(3)])
  damage(older)
  const second = await find(folder)
  t.equal(second.restored, undefined)
  t.equal(second.memory.size, 0)
  t.strictSame(filesOf(folder, '.snapshot'), [])
})

t.test('a snapshot that was cut short, or is none, is refused', async (t) => {
  const folder = await makeFolder(t)
  const host = await start(t, folder)
  fill(host.memory, [1, 2, 3])
  await host.snapshot()
  const [path] = filesOf(folder, '.snapshot') as [string]
  const whole = readFileSync(path)
  const longer = Buffer.concat([whole, Buffer.alloc(1)])
  const cuts = [0, 3, 4, 63, 64, Math.floor(whole.length / 2), whole.length - 1].map((end) => whole.subarray(0, end))
  for (const wrong of [...cuts, longer, Buffer.alloc(100), Buffer.alloc(100, 255), Buffer.alloc(4_096, '{')]) {
    writeFileSync(path, wrong)
    const { restored, memory } = await find(folder)
    t.equal(restored, undefined, `${wrong.length} bytes`)
    t.equal(memory.size, 0)
  }
  writeFileSync(path, whole)
  t.ok((await find(folder)).restored, 'the whole one is not')
})

t.test('a journal is read up to where it was cut', async (t) => {
  const folder = await makeFolder(t)
  const host = await start(t, folder)
  fill(host.memory, [1, 2, 3])
  await host.snapshot()
  const [path] = filesOf(folder, '.journal') as [string]
  const ends = [readFileSync(path).length]
  for (const number of [1, 2, 3]) {
    host.change(number, 10 + number)
    ends.push(readFileSync(path).length)
  }
  const whole = readFileSync(path)
  const wrong: string[] = []
  for (let end = whole.length; end >= (ends[0] as number); end--) {
    truncateSync(path, end)
    const { restored } = await find(folder)
    const expected = [1, 2, 3].filter((number) => end >= (ends[number] as number)).map(guidOf)
    if (String(restored?.pending) !== String(expected)) wrong.push(`${end}: ${restored?.pending}`)
  }
  t.strictSame(wrong, [])
  // A record that was damaged ends it too: what follows can't be told from noise.
  const damaged = Buffer.from(whole)
  const place = (ends[2] as number) - 1
  damaged.writeUInt8(damaged.readUInt8(place) ^ 1, place)
  writeFileSync(path, damaged)
  t.strictSame((await find(folder)).restored?.pending, [guidOf(1)])
  writeFileSync(path, 'not a journal')
  t.strictSame((await find(folder)).restored?.pending, [])
})

t.test('where nothing can be written that is said at once', async (t) => {
  const folder = await makeFolder(t)
  const file = join(folder, 'file')
  writeFileSync(file, '')
  await t.rejects(start(t, join(file, 'snapshots')), { code: 'ENOTDIR' })
})

t.test('the last two snapshots are kept', async (t) => {
  const folder = await makeFolder(t)
  const host = await start(t, folder)
  fill(host.memory, [1, 2])
  for (const counter of [11, 12, 13]) {
    host.change(1, counter)
    host.refresh(1, counter, [`1.${counter}`])
    await host.snapshot()
  }
  await until('the oldest is gone', () => filesOf(folder, '.snapshot').length === 2)
  t.strictSame((await find(folder)).held, listingsOf(host.memory))
})

/** Files of a program that ended so many seconds ago, and of others that are none of its. */
function leaveBehind(folder: string, agoS: number): { older: string[]; others: string[] } {
  const leave = (names: readonly string[]) => {
    const at = Date.now() / 1_000 - agoS
    for (const name of names) {
      writeFileSync(join(folder, name), 'x')
      utimesSync(join(folder, name), at, at)
    }
    return names.map((name) => join(folder, name))
  }
  return {
    older: leave(
      ['1.snapshot', '2.snapshot', '0.snapshot.refused', '3.snapshot.new', '4.journal'].map(
        (name) => `${OLDER} ${name}`,
      ),
    ),
    others: leave([`${OLDER}s 1.snapshot`, 'newer 1.snapshot', 'stranger 2.journal', `${OLDER}.snapshot`]),
  }
}

t.test('what an older program has left goes when there are two snapshots to start with', async (t) => {
  const folder = await makeFolder(t)
  const { older, others } = leaveBehind(folder, 60)
  const run = async (counter: number) => {
    const host = await start(t, folder)
    fill(host.memory, [1])
    host.change(1, counter)
    await host.snapshot()
    // What comes after a snapshot is done then too.
    await host.archive.close()
  }
  await run(11)
  for (const path of older) t.ok(existsSync(path), 'one is not enough: somebody may go back')
  const [first] = filesOf(folder, '.snapshot').filter((path) => path.includes(`/${GENERATION} `)) as [string]
  truncateSync(first, 100)
  await run(12)
  for (const path of older) t.ok(existsSync(path), 'nor is one beside a damaged one')
  await run(13)
  for (const path of older) t.notOk(existsSync(path), path)
  for (const path of others) t.ok(existsSync(path), path)
})

t.test('nor does it go soon after a start, when two snapshots are written at once', async (t) => {
  const folder = await makeFolder(t)
  const { older } = leaveBehind(folder, 60)
  const host = await start(t, folder, { olderKeptMs: 60_000 })
  fill(host.memory, [1])
  for (const counter of [11, 12]) {
    host.change(1, counter)
    await host.snapshot()
  }
  await host.archive.close()
  for (const path of older) t.ok(existsSync(path), path)
})

t.test('an older program that still runs keeps what it has', async (t) => {
  const folder = await makeFolder(t)
  const { older } = leaveBehind(folder, 2)
  const host = await start(t, folder)
  fill(host.memory, [1])
  for (const counter of [11, 12, 13]) {
    host.change(1, counter)
    await host.snapshot()
  }
  await host.archive.close()
  for (const path of older) t.ok(existsSync(path), path)
})

t.test('files are named after their format and the site', async (t) => {
  const { generation, olderGenerations } = generationsOf('https://addons.example.org')
  const nameOf = (number: number) => {
    const text = `versioncheck snapshot ${number}\nhttps://addons.example.org`
    return hash('sha256', text, 'base64url').slice(0, 16)
  }
  const number = olderGenerations.length + 1
  t.equal(FORMAT, `versioncheck snapshot ${number}`)
  t.equal(generation, nameOf(number))
  t.strictSame(
    olderGenerations,
    Array.from({ length: number - 1 }, (_, index) => nameOf(index + 1)),
  )
})

t.test('of a lost timeline nothing comes back', async (t) => {
  const folder = await makeFolder(t)
  const host = await start(t, folder)
  fill(host.memory, [1, 2])
  await host.snapshot()
  host.change(1, 11)
  host.refresh(1, 11, ['1.1'])
  await host.snapshot()
  lose(host)
  t.equal((await find(folder)).restored, undefined)
  fill(host.memory, [2], 5)
  await host.snapshot()
  const { restored, held } = await find(folder)
  t.strictSame(held, listingsOf(host.memory))
  t.match(restored, { position: at(5, 2_000), pending: [] })
})

t.test('nor where a snapshot of it is just being written', async (t) => {
  const folder = await makeFolder(t)
  const bytesMax = 64 * 1024 * 1024
  const host = await start(t, folder, { memory: newMemory(bytesMax) })
  const versions = Array.from({ length: 150 }, (_, index) => `1.${index}`)
  for (let number = 0; number < 400; number++) host.memory.put(entryOf(addonOf(number, versions), 10))
  t.ok(host.memory.usedBytes > 4 * 1024 * 1024, 'it takes a while')
  host.archive.snapshotSoon()
  while (filesOf(folder, '.new').length === 0) await turn()
  lose(host)
  t.equal(filesOf(folder, '.snapshot').length, 0, 'it is not there yet')
  fill(host.memory, [2], 5)
  host.archive.snapshotSoon()
  await until('the writer rests', () => filesOf(folder, '.new').length === 0)
  await host.snapshot()
  const { restored, held } = await find(folder, GENERATION, bytesMax)
  t.strictSame(Object.keys(held), [guidOf(2)])
  t.match(restored?.position, at(5, 2_000))
})

/** The database was restored from a dump of an hour ago: numbers begin at a lower one, the clock goes on. */
function lose({ timeline, memory, archive, pending }: Host): void {
  timeline.begin(at(5, 2_000))
  memory.clear()
  pending.clear()
  archive.beginAnew('lost')
}

t.test('after a gap what was before it is not carried on', async (t) => {
  const folder = await makeFolder(t)
  const host = await start(t, folder)
  fill(host.memory, [1, 2])
  await host.snapshot()
  host.timeline.begin(at(50))
  host.memory.markAllOutdated()
  host.archive.beginAnew('gap')
  host.change(2, 51)
  const between = await find(folder)
  t.match(between.restored?.position, at(10), 'what lies between is still to be asked for')
  t.strictSame(between.restored?.pending, [guidOf(2)])
  host.refresh(1, 51, ['1.1'])
  host.refresh(2, 51, undefined)
  await host.snapshot()
  const after = await find(folder)
  t.strictSame(after.held, listingsOf(host.memory))
  t.match(after.restored?.position, at(51))
})
