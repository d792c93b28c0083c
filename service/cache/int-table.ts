/**
 * A flat hash table of pairs of integers: a key may stand for several values, a pair for one. Linear probing in one Int32Array,
 * so that a look-up touches one line of the processor's cache and the collector sees a single object, however many pairs there are.
 */

/** Pairs a slot, at the most: beyond it probes get long. */
const LOAD_MAX = 0.6
const SLOTS_MIN = 1 << 10

export class IntTable {
  /** Key and value in turn; a value of 0: the slot is free. */
  private slots = new Int32Array(SLOTS_MIN * 2)
  private mask = SLOTS_MIN - 1
  size = 0

  /** Where the first pair that may have this key lies; `valueAt` tells. */
  start(key: number): number {
    return spread(key) & this.mask
  }

  /** The next place after one that `start` or `next` returned. */
  next(place: number): number {
    return (place + 1) & this.mask
  }

  /** 0: there is no pair here, and none of the key behind it. */
  valueAt(place: number): number {
    return this.slots[place * 2 + 1] as number
  }

  keyAt(place: number): number {
    return this.slots[place * 2] as number
  }

  /** Makes room for so many pairs at once. */
  reserve(pairs: number): void {
    let slots = this.mask + 1
    while (pairs > slots * LOAD_MAX) slots *= 2
    if (slots > this.mask + 1) this.grow(slots)
  }

  /** `value` is not 0. */
  add(key: number, value: number): void {
    if (this.size >= (this.mask + 1) * LOAD_MAX) this.grow((this.mask + 1) * 2)
    let place = this.start(key)
    while (this.valueAt(place) !== 0) place = this.next(place)
    this.slots[place * 2] = key
    this.slots[place * 2 + 1] = value
    this.size++
  }

  /** Removes a pair, if it is there. The ones behind it move up, so no graves are left. */
  remove(key: number, value: number): void {
    let place = this.start(key)
    for (; ; place = this.next(place)) {
      const found = this.valueAt(place)
      if (found === 0) return
      if (found === value && this.keyAt(place) === key) break
    }
    this.size--
    let hole = place
    for (let at = this.next(hole); this.valueAt(at) !== 0; at = this.next(at)) {
      const home = this.start(this.keyAt(at))
      // It may move into the hole unless its home lies behind the hole, on the way to where it is.
      if (((at - home) & this.mask) < ((at - hole) & this.mask)) continue
      this.slots[hole * 2] = this.keyAt(at)
      this.slots[hole * 2 + 1] = this.valueAt(at)
      hole = at
    }
    this.slots[hole * 2 + 1] = 0
  }

  clear(): void {
    this.slots = new Int32Array(SLOTS_MIN * 2)
    this.mask = SLOTS_MIN - 1
    this.size = 0
  }

  /** The number of places. */
  get places(): number {
    return this.mask + 1
  }

  private grow(slots: number): void {
    const old = this.slots
    this.slots = new Int32Array(slots * 2)
    this.mask = slots - 1
    this.size = 0
    for (let at = 0; at < old.length; at += 2) {
      if (old[at + 1] !== 0) this.add(old[at] as number, old[at + 1] as number)
    }
  }
}

function spread(key: number): number {
  const mixed = Math.imul(key ^ (key >>> 16), 0x9e3779b1)
  return mixed ^ (mixed >>> 15)
}
