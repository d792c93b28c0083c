/**
 * Memory for entries: one block, reserved at once and touched as it is used, so that an address is one number and never moves.
 * Freed pieces wait by size for the next piece of that size; the sizes of entries recur, so little is lost. Where all has been
 * touched, a larger one is cut.
 */

import { ARENA_BYTES_MIN } from '../limits.ts'
import { TOUCHED_WORDS } from '../update/index.ts'

/** Pieces are multiples of it: a line of the processor's cache. */
export const GRAIN_WORDS = 16
export const GRAIN_BYTES = GRAIN_WORDS * 4
/** Behind the last piece, for who looks further than an entry goes. */
const SPARE_WORDS = TOUCHED_WORDS
/** Where the first piece begins. The allocator keeps 16 bytes before a block, so that here a line begins. */
export const FIRST_WORD = 12

export class Arena {
  readonly words: Int32Array
  readonly bytes: Buffer
  /** Word 0 means nowhere, so nothing lies there. */
  private end = FIRST_WORD
  /** Freed pieces, by size in grains. */
  private readonly free = new Map<number, number[]>()
  private freeWords = 0

  /** Takes less where the machine won't reserve so many bytes. */
  constructor(bytes: number) {
    const memory = reserve(bytes + SPARE_WORDS * 4)
    this.words = new Int32Array(memory)
    this.bytes = Buffer.from(memory)
  }

  /** Bytes that hold something. */
  get usedBytes(): number {
    return (this.end - FIRST_WORD - this.freeWords) * 4
  }

  /** Bytes from the start that have been touched. */
  get touchedBytes(): number {
    return this.end * 4
  }

  /** The first word of a piece of so many words; 0 where there is none left. */
  take(words: number): number {
    const grains = grainsOf(words)
    const at = this.free.get(grains)?.pop()
    if (at !== undefined) {
      this.freeWords -= grains * GRAIN_WORDS
      return at
    }
    if (this.end + grains * GRAIN_WORDS > this.words.length - SPARE_WORDS) return this.cut(grains)
    const taken = this.end
    this.end += grains * GRAIN_WORDS
    return taken
  }

  /** Takes a piece off the smallest larger one that is free. */
  private cut(grains: number): number {
    let best = Number.POSITIVE_INFINITY
    for (const [size, pieces] of this.free) if (size > grains && size < best && pieces.length > 0) best = size
    const at = this.free.get(best)?.pop()
    if (at === undefined) return 0
    this.freeWords -= best * GRAIN_WORDS
    this.give(at + grains * GRAIN_WORDS, (best - grains) * GRAIN_WORDS)
    return at
  }

  /** Gives a piece back. */
  give(at: number, words: number): void {
    const grains = grainsOf(words)
    this.freeWords += grains * GRAIN_WORDS
    const pieces = this.free.get(grains)
    if (pieces === undefined) this.free.set(grains, [at])
    else pieces.push(at)
  }

  clear(): void {
    this.end = FIRST_WORD
    this.free.clear()
    this.freeWords = 0
  }
}

function grainsOf(words: number): number {
  return Math.ceil(words / GRAIN_WORDS)
}

function reserve(bytes: number): ArrayBuffer {
  for (let size = bytes; ; size /= 2) {
    try {
      return new ArrayBuffer(Math.ceil(size / 64) * 64)
    } catch (error) {
      if (size / 2 < ARENA_BYTES_MIN) throw error
    }
  }
}
