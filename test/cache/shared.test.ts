/** What is believed of what lies in memcached: only what we sealed, under its own key, and only while it is known to be true. */

import t, { type Test } from 'tap'
import { openShared, type Shared, type SharedOptions } from '../../service/cache/shared.ts'
import { Timeline } from '../../service/feed/index.ts'
import type { EntryMemory } from '../../service/update/index.ts'
import { until } from '../harness/clients.ts'
import { entryOf } from '../harness/entries.ts'
import { type MemcachedServer, startMemcached } from '../harness/memcached.ts'

const GENERATION = 'generation'
const COUNTER = 10
const TOKEN = 77
const known = [
  { guid: 'a@shared.test', versions: ['1.0', '2.0'] },
  { guid: 'b@shared.test' },
  { guid: 'ü@shared.test' },
]
const guids = known.map(({ guid }) => guid)

function timelineAt(counter = COUNTER, token = TOKEN): Timeline {
  const timeline = new Timeline()
  timeline.begin({ counter, token, heartbeatMs: 0 })
  return timeline
}

const server = await startMemcached(t)

/** Another host, or another start: nothing in common but memcached. */
function open(t: Pick<Test, 'teardown'>, options: Partial<SharedOptions> = {}): Shared {
  const shared = openShared({
    servers: [server.address],
    prefix: 'shared',
    secret: 'a secret of all hosts',
    timeline: timelineAt(),
    ...options,
  })
  t.teardown(() => shared.close())
  return shared
}

/** An empty memcached, filled by one who read the add-ons at a point of the feed. Keys of it, by guid. */
async function fill(t: Pick<Test, 'teardown'>, counter = COUNTER, token = TOKEN): Promise<Map<string, string>> {
  await server.flush()
  const writer = open(t)
  const keys = new Map<string, string>()
  for (const addon of known) {
    const before = new Set((await server.values()).keys())
    await until('it is stored', async () => {
      // The first question makes the connection.
      await writer.get([addon.guid], GENERATION)
      writer.set([entryOf(addon, counter)], counter, token, GENERATION)
      const key = [...(await server.values()).keys()].find((each) => !before.has(each))
      if (key !== undefined) keys.set(addon.guid, key)
      return key !== undefined
    })
  }
  return keys
}

/** What is got, and counted, once memcached has answered: a busy machine may miss its deadline. */
async function get(shared: Shared, generation = GENERATION): Promise<ReadonlyMap<string, EntryMemory>> {
  for (;;) {
    const { errors } = shared
    await until('it can be asked', () => shared.isUsable)
    Object.assign(shared.counts, { hits: 0, misses: 0, outdated: 0, forged: 0 })
    const entries = await shared.get(guids, generation)
    if (shared.errors === errors) return entries
  }
}

async function change(key: string | undefined, edit: (value: Buffer) => Buffer): Promise<void> {
  const value = (await server.values()).get(key ?? '')
  if (key === undefined || value === undefined) throw new Error('there is no such value')
  await server.set(key, edit(Buffer.from(value)))
}

t.test('what one has set another one gets, byte for byte', async (t) => {
  await fill(t)
  const reader = open(t)
  const entries = await get(reader)
  t.strictSame([...entries.keys()].sort(), [...guids].sort())
  for (const addon of known) {
    const entry = entries.get(addon.guid)
    t.ok(entry?.bytes.equals(entryOf(addon, COUNTER).memory.bytes))
    t.equal(entry?.words.byteOffset, 0, 'its words lie on a word')
    t.ok(entry !== undefined && Buffer.from(entry.words.buffer).equals(entry.bytes), 'words and bytes are the same')
  }
  t.match(reader.counts, { hits: 3, misses: 0, outdated: 0, forged: 0 })
})

t.test('of several entries in one memory each is stored by itself', async (t) => {
  await server.flush()
  const [one, other] = known.map((addon) => entryOf(addon, COUNTER).memory) as [EntryMemory, EntryMemory]
  const bytes = Buffer.from(new ArrayBuffer(one.bytes.length + other.bytes.length))
  one.bytes.copy(bytes)
  other.bytes.copy(bytes, one.bytes.length)
  const memory = { words: new Int32Array(bytes.buffer), bytes }
  const writer = open(t)
  let entries: ReadonlyMap<string, EntryMemory> = new Map()
  await until('both are got', async () => {
    const places = [0, one.words.length]
    writer.set(
      places.map((at) => ({ memory, at })),
      COUNTER,
      TOKEN,
      GENERATION,
    )
    entries = await get(writer)
    return entries.size === 2
  })
  t.ok(entries.get(guids[0] as string)?.bytes.equals(one.bytes))
  t.ok(entries.get(guids[1] as string)?.bytes.equals(other.bytes))
})

t.test('what is not there is a miss', async (t) => {
  await server.flush()
  const reader = open(t)
  t.equal((await get(reader)).size, 0)
  t.match(reader.counts, { hits: 0, misses: 3, outdated: 0, forged: 0 })
})

t.test('one with another secret believes nothing', async (t) => {
  await fill(t)
  const reader = open(t, { secret: 'another secret' })
  t.equal((await get(reader)).size, 0)
  t.match(reader.counts, { hits: 0, misses: 0, outdated: 0, forged: 3 })
})

t.test('those of another generation or prefix do not meet', async (t) => {
  const keys = await fill(t)
  const reader = open(t)
  t.equal((await get(reader, 'another')).size, 0)
  t.match(reader.counts, { hits: 0, misses: 3, forged: 0 })
  const stranger = open(t, { prefix: 'stranger' })
  t.equal((await get(stranger)).size, 0)
  t.match(stranger.counts, { hits: 0, misses: 3, forged: 0 })
  const values = await server.values()
  for (const key of keys.values()) {
    await server.set(key.replace(GENERATION, 'another'), values.get(key) as Buffer)
  }
  t.equal((await get(reader, 'another')).size, 0, 'nor when their values are copied')
  t.match(reader.counts, { hits: 0, forged: 3 })
})

t.test("the value of one add-on is not believed under another's key", async (t) => {
  const keys = await fill(t)
  const values = await server.values()
  await change(keys.get('a@shared.test'), () => values.get(keys.get('b@shared.test') as string) as Buffer)
  const reader = open(t)
  t.strictSame([...(await get(reader)).keys()].sort(), ['b@shared.test', 'ü@shared.test'])
  t.match(reader.counts, { hits: 2, misses: 0, outdated: 0, forged: 1 })
})

t.test('a value in which anything was changed is not believed', async (t) => {
  const keys = await fill(t)
  const key = keys.get('a@shared.test')
  const whole = (await server.values()).get(key as string) as Buffer
  const forgeries: Buffer[] = [Buffer.alloc(0), whole.subarray(0, 16), whole.subarray(0, -1)]
  forgeries.push(Buffer.concat([whole, Buffer.alloc(1)]), whole.subarray(1), Buffer.alloc(whole.length))
  for (let at = 0; at < whole.length; at += at < 64 ? 1 : 37) {
    const flipped = Buffer.from(whole)
    flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (at % 8)), at)
    forgeries.push(flipped)
  }
  const reader = open(t)
  for (const [index, forgery] of forgeries.entries()) {
    await change(key, () => forgery)
    const entries = await get(reader)
    const isRefused = !entries.has('a@shared.test') && reader.counts.forged === 1
    if (!isRefused) t.fail(`forgery ${index} is believed`)
  }
  await change(key, () => whole)
  t.ok((await get(reader)).has('a@shared.test'), 'what was sealed is')
  t.ok(forgeries.length > 60)
})

t.test('what has changed since is outdated, the others are not', async (t) => {
  await fill(t)
  const timeline = timelineAt()
  const reader = open(t, { timeline })
  timeline.learn(11, 78, ['a@shared.test'])
  t.notOk((await get(reader)).has('a@shared.test'))
  timeline.advance({ counter: 11, token: 78, heartbeatMs: 0 })
  t.strictSame([...(await get(reader)).keys()].sort(), ['b@shared.test', 'ü@shared.test'])
  t.match(reader.counts, { hits: 2, misses: 0, outdated: 1, forged: 0 })
})

t.test('what was read at a point that is not of the timeline is not believed', async (t) => {
  await fill(t)
  const points = {
    'another token at its number': timelineAt(COUNTER, TOKEN + 1),
    'later than it, and never heard of it': timelineAt(COUNTER + 1, TOKEN),
    'not as far': timelineAt(COUNTER - 1, TOKEN),
    'one that has not begun': new Timeline(),
  }
  for (const [name, timeline] of Object.entries(points)) {
    const reader = open(t, { timeline })
    t.equal((await get(reader)).size, 0, name)
    t.match(reader.counts, { hits: 0, misses: 0, outdated: 3, forged: 0 }, name)
  }
})

t.test('where memcached is gone all is missing', async (t) => {
  const mortal: MemcachedServer = await startMemcached(t)
  const shared = open(t, { servers: [mortal.address] })
  await mortal.kill()
  t.equal((await shared.get(guids, GENERATION)).size, 0)
  t.notOk(shared.isUsable)
  t.equal(shared.errors, 1)
  t.match(shared.counts, { hits: 0, misses: 3 })
  shared.set([entryOf({ guid: 'a@shared.test' })], COUNTER, TOKEN, GENERATION)
})
