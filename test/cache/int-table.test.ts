/** The flat hash table against a map of lists: whatever is added and removed, the same pairs are in both. */

import fc from 'fast-check'
import t from 'tap'
import { IntTable } from '../../service/cache/int-table.ts'
import { holds } from '../harness/property.ts'

interface Step {
  readonly what: 'add' | 'remove' | 'clear' | 'reserve'
  readonly key: number
  readonly value: number
}

/** Few keys and few values, so that they meet again; the edges of 32 bits; and keys that begin at one place. */
const key = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -4, max: 4 }) },
  { weight: 2, arbitrary: fc.constantFrom(2 ** 31 - 1, -(2 ** 31), 0x55555555) },
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 40 }).map((number) => homeAt(1_000, number)) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 20 }).map((number) => homeAt(1_023, number)) },
)
const value = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constantFrom(-1, 2 ** 31 - 1, -(2 ** 31)))
const step: fc.Arbitrary<Step> = fc.record({
  what: fc.oneof(
    { weight: 60, arbitrary: fc.constant('add' as const) },
    { weight: 40, arbitrary: fc.constant('remove' as const) },
    { weight: 1, arbitrary: fc.constantFrom('clear' as const, 'reserve' as const) },
  ),
  key,
  value,
})

const homes = new Map<number, number[]>()

/** The n-th key whose probing begins at a place of an empty table. */
function homeAt(place: number, number: number): number {
  const keys = homes.get(place) ?? []
  homes.set(place, keys)
  const table = new IntTable()
  for (let candidate = (keys.at(-1) ?? 0) + 1; keys.length <= number; candidate++) {
    if (table.start(candidate) === place) keys.push(candidate)
  }
  return keys[number] as number
}

/** What a look-up finds, in order of value. */
function valuesIn(table: IntTable, wanted: number): number[] {
  const values: number[] = []
  for (let place = table.start(wanted); table.valueAt(place) !== 0; place = table.next(place)) {
    if (table.keyAt(place) === wanted) values.push(table.valueAt(place))
  }
  return values.sort((one, other) => one - other)
}

function removeFrom(values: number[], wanted: number): void {
  const at = values.indexOf(wanted)
  if (at >= 0) values.splice(at, 1)
}

/** Applies the steps to both; false where they differ. */
function agrees(steps: readonly Step[]): boolean {
  const table = new IntTable()
  const model = new Map<number, number[]>()
  for (const { what, key, value } of steps) {
    const values = model.get(key) ?? []
    model.set(key, values)
    if (what === 'add') {
      table.add(key, value)
      values.push(value)
    } else if (what === 'remove') {
      table.remove(key, value)
      removeFrom(values, value)
    } else if (what === 'clear') {
      table.clear()
      model.clear()
    } else table.reserve(Math.abs(key) % 5_000)
  }
  let size = 0
  for (const [key, values] of model) {
    size += values.length
    if (valuesIn(table, key).join() !== values.sort((one, other) => one - other).join()) return false
  }
  const places = Array.from({ length: table.places }, (_, place) => table.valueAt(place)).filter((each) => each !== 0)
  return table.size === size && places.length === size
}

t.test('it holds what a map of lists holds', async (t) => {
  holds(t, 'any steps', fc.property(fc.array(step, { maxLength: 300 }), agrees), 1_000)
})

t.test('it grows, and nothing is lost or found twice', async (t) => {
  const table = new IntTable()
  const places = new Set<number>()
  for (let key = 1; key <= 20_000; key++) {
    table.add(key * 7, key)
    places.add(table.places)
    if (table.size > table.places * 0.6 + 1) t.fail(`${table.size} pairs in ${table.places} places`)
  }
  t.ok(places.size > 3, 'several times')
  for (let key = 1; key <= 20_000; key++) {
    if (valuesIn(table, key * 7).join() !== String(key)) t.fail(`key ${key}`)
  }
  for (let key = 1; key <= 20_000; key += 2) table.remove(key * 7, key)
  for (let key = 1; key <= 20_000; key++) {
    if (valuesIn(table, key * 7).join() !== (key % 2 === 1 ? '' : String(key))) t.fail(`key ${key} after removals`)
  }
  t.equal(table.size, 10_000)
})

t.test('room that is made at once is not made again', async (t) => {
  const table = new IntTable()
  table.reserve(10_000)
  const { places } = table
  for (let key = 0; key < 10_000; key++) table.add(key, 1)
  t.equal(table.places, places)
  table.reserve(1)
  t.equal(table.places, places, 'it never shrinks')
})

t.test('removing what is not there changes nothing', async (t) => {
  const table = new IntTable()
  table.add(1, 2)
  table.remove(1, 3)
  table.remove(2, 2)
  t.equal(table.size, 1)
  t.strictSame(valuesIn(table, 1), [2])
})
