/**
 * Who claims what within one import file: ids and slugs by their owners. Held in flat arrays, 8 bytes a claim of a number and 12 of
 * a text, so that a file of 300,000 add-ons and 900,000 versions takes some 60 MB. Texts are held as hashes of 53 bits: two of a
 * million share one by chance once in ten thousand files; then a good line is reported as a clash.
 */

const LOAD_MAX = 0.85
const GROWTH = 1.5

export class Claims {
  private readonly tables = new Map<string, Table>()

  /** Whether the claim stands: nobody else claimed it before. All keys of a kind are texts, or all are numbers from 1 to 2^32 - 1. */
  claim(kind: string, key: string | number, owner: string | number): boolean {
    let table = this.tables.get(kind)
    if (table === undefined) {
      table = new Table(typeof key === 'number' ? Uint32Array : Float64Array)
      this.tables.set(kind, table)
    }
    return table.claim(typeof key === 'number' ? key : hashOf(key), typeof owner === 'number' ? owner : hashOf(owner))
  }

  /** Whether anybody claims it. */
  isClaimed(kind: string, key: string | number): boolean {
    return this.tables.get(kind)?.has(typeof key === 'number' ? key : hashOf(key)) ?? false
  }

  /** What was claimed of other kinds is not needed any more. */
  keepOnly(kind: string): void {
    for (const other of this.tables.keys()) if (other !== kind) this.tables.delete(other)
  }
}

type Keys = Uint32Array | Float64Array

/** Open addressing; a key of 0 is a free place. */
class Table {
  private readonly Keys: new (
    length: number,
  ) => Keys
  private keys: Keys
  /** Numbers, or the lower 32 bits of hashes. */
  private owners: Uint32Array
  private size = 0

  constructor(keys: new (length: number) => Keys) {
    this.Keys = keys
    this.keys = new keys(1_024)
    this.owners = new Uint32Array(1_024)
  }

  has(key: number): boolean {
    return this.keys[this.placeOf(key)] === key
  }

  claim(key: number, owner: number): boolean {
    const place = this.placeOf(key)
    if (this.keys[place] === key) return this.owners[place] === owner % 2 ** 32
    this.set(place, key, owner % 2 ** 32)
    this.size++
    if (this.size > this.keys.length * LOAD_MAX) this.grow()
    return true
  }

  private set(place: number, key: number, owner: number): void {
    this.keys[place] = key
    this.owners[place] = owner
  }

  private placeOf(key: number): number {
    const { keys } = this
    let place = key % keys.length
    while (keys[place] !== 0 && keys[place] !== key) place = place + 1 === keys.length ? 0 : place + 1
    return place
  }

  private grow(): void {
    const { keys, owners } = this
    // Odd, so that keys which rise in even steps spread over all places.
    const length = Math.ceil(keys.length * GROWTH) | 1
    this.keys = new this.Keys(length)
    this.owners = new Uint32Array(length)
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index] as number
      if (key !== 0) this.set(this.placeOf(key), key, owners[index] as number)
    }
  }
}

/** 53 bits, never 0. Two runs of FNV-1a with different starts, mixed. */
function hashOf(text: string): number {
  let one = 0x811c9dc5
  let other = 0x9747b28c
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    one = Math.imul(one ^ code, 0x01000193)
    other = Math.imul(other ^ code, 0x85ebca6b)
    other ^= other >>> 13
  }
  one ^= one >>> 16
  one = Math.imul(one, 0xc2b2ae35)
  other = Math.imul(other ^ (other >>> 15), 0x27d4eb2f)
  return ((one ^ (one >>> 13)) >>> 0) * 0x200000 + ((other >>> 0) & 0x1fffff) || 1
}
