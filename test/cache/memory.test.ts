/** Entries in memory, against a model: a map by guid. What is held, what is outdated, what had to go, and that it can be found. */

import { hash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { GRAIN_BYTES } from '../../service/cache/arena.ts'
import { Memory } from '../../service/cache/memory.ts'
import { counterOf, type Entry, guidOf, lengthOf, listingOf } from '../../service/update/entry.ts'
import { GuidKey } from '../../service/update/guid-key.ts'
import { entryOf, firefox, packageOfFile, SITE_URL, type TestAddon } from '../harness/entries.ts'
import { holds } from '../harness/property.ts'

const GUIDS = 12
const BYTES = 256 * 1024

const addonOf = (number: number, versions: number): TestAddon => ({
  guid: `${'x'.repeat(number)}@memory.test`,
  versions: Array.from({ length: versions }, (_, index) => `${index + 1}.0`),
  fileId: number * 100 + 1,
})

interface Step {
  readonly what: 'put' | 'adopt' | 'remove' | 'find' | 'outdate' | 'outdate all' | 'clear'
  readonly number: number
  readonly counter: number
  readonly versions: number
}

const often = (weight: number, ...whats: Step['what'][]) => ({ weight, arbitrary: fc.constantFrom(...whats) })
const step: fc.Arbitrary<Step> = fc.record({
  what: fc.oneof(often(20, 'put', 'adopt'), often(12, 'remove', 'find', 'outdate'), often(1, 'outdate all', 'clear')),
  number: fc.nat(GUIDS - 1),
  counter: fc.oneof(
    fc.nat(8),
    fc.nat(8).map((low) => 2 ** 40 + low),
  ),
  versions: fc.integer({ min: 0, max: 6 }),
})

interface Known {
  readonly counter: number
  readonly listing: string
  isOutdated: boolean
}

/** As an entry of a snapshot comes; false where there is no memory left for it. */
function adopt(memory: Memory, { memory: { words }, at }: Entry): boolean {
  const length = lengthOf({ memory: { words } as Entry['memory'], at }) / 4
  const place = memory.take(length)
  if (place === 0) return false
  memory.words.set(words.subarray(at, at + length), place)
  memory.adoptNewer(place)
  return true
}

function listing(entry: Entry): string {
  return listingOf(entry, firefox, SITE_URL)
}

/** What is wrong with a memory, by what it should hold; `mayLack`: what had to go for others. */
function complaint(memory: Memory, model: ReadonlyMap<string, Known>, mayLack: boolean): string | undefined {
  const guids = new Set<string>()
  let bytes = 0
  for (const entry of memory.entries()) {
    const guid = guidOf(entry)
    if (guids.has(guid)) return `two entries of ${guid}`
    guids.add(guid)
    bytes += Math.ceil(lengthOf(entry) / GRAIN_BYTES) * GRAIN_BYTES
    const known = model.get(guid)
    if (known === undefined) return `${guid} should not be there`
    if (counterOf(entry) !== known.counter) return `${guid} is of ${counterOf(entry)}, not ${known.counter}`
    if (listing(entry) !== known.listing) return `${guid} offers something else`
    if (memory.isOutdated(entry) !== known.isOutdated) return `${guid} is outdated: ${memory.isOutdated(entry)}`
    if (!memory.isHeldAt(entry.at)) return `${guid} is not held where it lies`
    const key = new GuidKey()
    key.read(guid)
    if (memory.find(key) !== entry.at) return `${guid} is not found`
  }
  if (!mayLack && guids.size !== model.size) return `${guids.size} of ${model.size} are there`
  if (memory.size !== guids.size) return `it says ${memory.size} of ${guids.size}`
  if (memory.usedBytes !== bytes) return `it says ${memory.usedBytes} bytes of ${bytes}`
  if (memory.placesOfAll().length !== guids.size) return 'places of all'
  return undefined
}

/** Runs the steps on both, and looks after each. */
function run(memory: Memory, steps: readonly Step[], mayLack: boolean): string | undefined {
  const model = new Map<string, Known>()
  let evictions = 0
  for (const [index, each] of steps.entries()) {
    const said = apply(memory, model, each, mayLack)
    const wrong = said ?? complaint(memory, model, mayLack)
    if (wrong !== undefined) return `after step ${index}: ${wrong}`
    if (memory.evictions < evictions) return 'evictions fell'
    evictions = memory.evictions
    if (memory.size > memory.entriesMax) return `${memory.size} entries`
  }
  return undefined
}

function apply(memory: Memory, model: Map<string, Known>, each: Step, mayLack: boolean): string | undefined {
  if (each.what === 'clear') {
    memory.clear()
    model.clear()
    return undefined
  }
  if (each.what === 'outdate all') {
    memory.markAllOutdated()
    for (const known of model.values()) known.isOutdated = true
    return undefined
  }
  const { guid } = addonOf(each.number, 0)
  const isHeld = memory.has(guid)
  if (!isHeld && mayLack) model.delete(guid)
  const known = model.get(guid)
  switch (each.what) {
    case 'remove':
      memory.remove(guid)
      model.delete(guid)
      return undefined
    case 'find': {
      return (memory.entryOf(guid) === undefined) === (known === undefined) ? undefined : `${guid} found: ${isHeld}`
    }
    case 'outdate': {
      const wanted = known !== undefined && known.counter < each.counter
      if (known !== undefined && wanted) known.isOutdated = true
      return memory.markOutdated(guid, each.counter) === wanted ? undefined : `outdated should be ${wanted}`
    }
    default: {
      const entry = entryOf(addonOf(each.number, each.versions), each.counter)
      const isNewer =
        known === undefined || (each.what === 'put' ? known.counter <= each.counter : known.counter < each.counter)
      if (each.what === 'adopt') {
        if (!adopt(memory, entry)) return undefined
      } else if (memory.put(entry) !== (isNewer && memory.has(guid))) return `${guid} was taken, or not`
      // One that wasn't taken for want of room is missing.
      if (isNewer && (each.what === 'put' || memory.has(guid))) {
        const held = memory.entryOf(guid)
        if (held !== undefined && counterOf(held) !== each.counter) return `${guid} is the older one`
        model.set(guid, { counter: each.counter, listing: listing(entry), isOutdated: false })
      }
      return undefined
    }
  }
}

t.test('it holds what a map holds', async (t) => {
  holds(
    t,
    'with room for all',
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const wrong = run(new Memory({ entriesMax: 1_000, bytesMax: BYTES }), steps, false)
      if (wrong !== undefined) throw new Error(wrong)
    }),
    400,
  )
})

t.test('where there is no room for all, what it holds is right, and it never holds more than it may', async (t) => {
  holds(
    t,
    'few entries',
    fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 6 }), (steps, entriesMax) => {
      const wrong = run(new Memory({ entriesMax, bytesMax: BYTES }), steps, true)
      if (wrong !== undefined) throw new Error(wrong)
    }),
    400,
  )
  holds(
    t,
    'few bytes',
    fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 512, max: 4_096 }), (steps, bytesMax) => {
      const memory = new Memory({ entriesMax: 1_000, bytesMax })
      const wrong = run(memory, steps, true)
      if (wrong !== undefined) throw new Error(wrong)
      return memory.usedBytes <= memory.bytes.length
    }),
    400,
  )
})

t.test('what had to go, or found no room, is counted', async (t) => {
  const memory = new Memory({ entriesMax: 3, bytesMax: BYTES })
  for (let each = 0; each < 5; each++) memory.put(entryOf(addonOf(each, 1)))
  t.equal(memory.size, 3)
  t.equal(memory.evictions, 2)
  adopt(memory, entryOf(addonOf(9, 1)))
  t.equal(memory.size, 3)
  t.equal(memory.evictions, 3, 'of a snapshot too')
})

t.test('the one that was asked for stays', async (t) => {
  const memory = new Memory({ entriesMax: 50, bytesMax: BYTES })
  const wanted = addonOf(1, 1)
  memory.put(entryOf(wanted))
  for (let each = 2; each < 2_000; each++) {
    if (!memory.has(wanted.guid)) {
      t.fail(`it has gone when ${each} came`)
      break
    }
    memory.put(entryOf({ guid: `${each}@memory.test` }))
  }
  t.equal(memory.size, 50)
})

t.test('a large entry that finds no room costs some others their place, not all', async (t) => {
  const memory = new Memory({ entriesMax: 10_000, bytesMax: 1024 * 1024 })
  for (let each = 0; memory.evictions === 0; each++) memory.put(entryOf({ guid: `${each}@memory.test` }))
  const { size } = memory
  const large = { guid: 'large@memory.test', versions: Array.from({ length: 4_000 }, (_, index) => `${index}.0`) }
  for (let time = 0; time < 5; time++) t.equal(memory.put(entryOf(large, time)), false, 'it is larger than some others')
  t.ok(memory.size > size * 0.9, `${memory.size} of ${size} are left`)
  t.notOk(memory.has(large.guid))
})

t.test('a small cache has room for the one large add-on', async (t) => {
  const memory = new Memory({ entriesMax: 10 })
  const large = { guid: 'large@memory.test', versions: Array.from({ length: 1_000 }, (_, index) => `${index}.0`) }
  t.ok(memory.put(entryOf(large)))
  t.ok(memory.has(large.guid))
})

t.test('where sizes change and recur, room is not lost', async (t) => {
  const memory = new Memory({ entriesMax: 100_000, bytesMax: 512 * 1024 })
  for (let round = 1; round <= 60; round++) {
    for (let each = 0; each < 100; each++) {
      const versions = Array.from({ length: 1 + (round % 5) }, (_, index) => `${index}.0`)
      memory.put(entryOf({ guid: `${each}@memory.test`, versions }, round))
    }
    if (memory.size < 100) t.fail(`round ${round}: ${memory.size} entries in ${memory.usedBytes} bytes`)
  }
  t.equal(memory.evictions, 0, `${memory.usedBytes} bytes`)
})

t.test('two guids of one hash are two add-ons', async (t) => {
  const byHash = new Map<number, string>()
  const key = new GuidKey()
  let pair: [string, string] | undefined
  for (let each = 0; pair === undefined; each++) {
    const guid = `${hash('md5', String(each)).slice(0, 16)}@memory.test`
    key.read(guid)
    const other = byHash.get(key.hash)
    if (other !== undefined) pair = [guid, other]
    byHash.set(key.hash, guid)
  }
  const memory = new Memory({ entriesMax: 100, bytesMax: BYTES })
  const [one, other] = pair
  memory.put(entryOf({ guid: one }))
  t.notOk(memory.has(other))
  memory.put(entryOf({ guid: other }))
  t.equal(memory.size, 2)
  memory.remove(one)
  t.notOk(memory.has(one))
  t.ok(memory.has(other))
})

t.test('files are found while their entry is held, and not after', async (t) => {
  const memory = new Memory({ entriesMax: 100, bytesMax: BYTES })
  for (let each = 0; each < 10; each++) memory.put(entryOf(addonOf(each, 3)))
  memory.markOutdated(addonOf(4, 1).guid, 5)
  t.strictSame(await memory.findPackage(302), { digest: packageOfFile(302), isOutdated: false })
  t.strictSame(await memory.findPackage(401), { digest: packageOfFile(401), isOutdated: true })
  t.equal(await memory.findPackage(304), undefined, 'no such file')
  memory.remove(addonOf(3, 1).guid)
  t.equal(await memory.findPackage(302), undefined, 'its add-on has gone')
  // Another add-on's entry of the same size lies there now.
  memory.put(entryOf({ ...addonOf(3, 3), fileId: 7_001 }))
  t.equal(await memory.findPackage(302), undefined)
  memory.clear()
  t.equal(await memory.findPackage(401), undefined)
})

t.test('ids beyond 2^31 are found', async (t) => {
  const memory = new Memory({ entriesMax: 100, bytesMax: BYTES })
  memory.put(entryOf({ guid: 'a@memory.test', fileId: 2 ** 32 - 1 }))
  t.match(await memory.findPackage(2 ** 32 - 1), { isOutdated: false })
})
