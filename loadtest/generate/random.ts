/**
 * Numbers that look random and are the same on every machine: sfc32 by Chris Doty-Humphrey (PractRand 0.94, `sfc.cpp`; shifts
 * 21, 9, 3), 128 bits of state, seeded with three words and 15 rounds as its author does. Not for secrets.
 */

const ROUNDS = 15
const TWO_TO_32 = 2 ** 32

/** One stream of numbers: the same three words, whole and below 2^32, give the same stream. */
export class Random {
  private a: number
  private b: number
  private c: number
  private counter = 1

  constructor(seed: number, stream: number, number: number) {
    this.a = stream | 0 // it mixes in the slowest, and differs the least
    this.b = seed | 0
    this.c = number | 0
    for (let round = 0; round < ROUNDS; round++) this.word()
  }

  /** 32 random bits. */
  word(): number {
    const { a, b, c } = this
    const word = (a + b + this.counter) | 0
    this.counter = (this.counter + 1) | 0
    this.a = b ^ (b >>> 9)
    this.b = (c + (c << 3)) | 0
    this.c = (((c << 21) | (c >>> 11)) + word) | 0
    return word >>> 0
  }

  /** From 0 up to, not including, 1. */
  part(): number {
    return this.word() / TWO_TO_32
  }

  /** A whole number from `min` to `max`, both included. */
  whole(min: number, max: number): number {
    return min + Math.floor(this.part() * (max - min + 1))
  }

  /** True that often: 0.2 is one in five. */
  chance(part: number): boolean {
    return this.part() < part
  }

  /** So many bytes, a multiple of 4, in hex digits. */
  hex(length: number): string {
    const bytes = Buffer.allocUnsafe(length)
    for (let at = 0; at < length; at += 4) bytes.writeUInt32BE(this.word(), at)
    return bytes.toString('hex')
  }

  pick<T>(values: readonly T[]): T {
    return values[this.whole(0, values.length - 1)] as T
  }

  /** The numbers from 0 up to, not including, `count`, in any order. */
  shuffled(count: number): number[] {
    const order = Array.from({ length: count }, (_, index) => index)
    for (let at = count - 1; at > 0; at--) {
      const other = this.whole(0, at)
      const swapped = order[at] as number
      order[at] = order[other] as number
      order[other] = swapped
    }
    return order
  }

  /** Several of them, each once, in the order they stand in. */
  pickSome<T>(values: readonly T[], count: number): T[] {
    let wanted = count
    return values.filter((_, place) => {
      const taken = this.chance(wanted / (values.length - place))
      if (taken) wanted--
      return taken
    })
  }

  pickWeighted<T>({ values, bounds }: Weighted<T>): T {
    const part = this.part()
    let place = 0
    while (part >= (bounds[place] as number)) place++
    return values[place] as T
  }
}

/** Values with the part of all draws that falls to each, added up. */
export interface Weighted<T> {
  readonly values: readonly T[]
  /** Rising; the last is 1. */
  readonly bounds: readonly number[]
}

/** Weights need not sum up to anything. Put the likely ones first. */
export function weighted<T>(entries: readonly (readonly [T, number])[]): Weighted<T> {
  const total = entries.reduce((sum, [, weight]) => sum + weight, 0)
  let sum = 0
  const bounds = entries.map(([, weight]) => {
    sum += weight
    return sum / total
  })
  bounds[bounds.length - 1] = 1
  return { values: entries.map(([value]) => value), bounds }
}

/** Zipf's law: how much falls to a rank, 1 being the first, as a part of what falls to the first. */
export function zipf(rank: number, exponent: number): number {
  return rank ** -exponent
}

/** The ranks 1 to `count`, weighted by Zipf's law. */
export function zipfWeighted(count: number, exponent: number): Weighted<number> {
  return weighted(Array.from({ length: count }, (_, place) => [place + 1, zipf(place + 1, exponent)] as const))
}
