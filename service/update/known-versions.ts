import { type PackedVersion, readAppVersion } from '../addon/index.ts'
import { maskOf } from './letters.ts'

const SLOTS = 256
const SLOT_WORDS = 4
/** What isn't longer is two words. */
const LENGTH_MAX = 8

/** Application versions that were read: a few are what nearly all clients have. A slot: the text, two words; high; low. */
export class KnownVersions {
  private readonly slots = new Int32Array(SLOTS * SLOT_WORDS)

  /** As `readAppVersion`, of a text that stands in memory too, a byte a character. Looks at 7 bytes behind it at the most. */
  read(memory: DataView, text: string, into: PackedVersion, start: number, end: number): void {
    const length = end - start
    if (length > LENGTH_MAX) {
      readAppVersion(text, into, start, end)
      return
    }
    let first = memory.getInt32(start, true)
    let second = 0
    if (length < 4) first &= maskOf(length)
    else if (length > 4) {
      second = memory.getInt32(start + 4, true)
      if (length < 8) second &= maskOf(length - 4)
    }
    const { slots } = this
    const slot = (Math.imul(first ^ Math.imul(second, 0x85ebca6b), 0x9e3779b1) >>> 24) * SLOT_WORDS
    if (slots[slot] === first && slots[slot + 1] === second && first !== 0) {
      into.high = slots[slot + 2] as number
      into.low = slots[slot + 3] as number
      return
    }
    readAppVersion(text, into, start, end)
    slots[slot] = first
    slots[slot + 1] = second
    slots[slot + 2] = into.high
    slots[slot + 3] = into.low
  }
}
