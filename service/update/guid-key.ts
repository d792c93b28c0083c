/** A guid as entries are found by it: its UTF-8 bytes in words, and a hash of them. */

import { GUID_BYTES_MAX } from '../addon/index.ts'
import { maskOf } from './letters.ts'

const WORDS = Math.ceil((GUID_BYTES_MAX + 1) / 4)
/** A text of which so many bytes were written had room for one more character, of 4 bytes at the most. */
const FITS_FOR_SURE = WORDS * 4 - 4

/** One is filled again for each request. */
export class GuidKey {
  readonly words = new Int32Array(WORDS)
  /** Bytes. */
  length = 0
  hash = 0
  private readonly bytes = Buffer.from(this.words.buffer)

  /** False where the text is longer than any guid. */
  read(text: string): boolean {
    const { words } = this
    const length = this.bytes.write(text)
    // A last character that doesn't fit is left out, so near the end the length has to be asked for.
    if (length > FITS_FOR_SURE && Buffer.byteLength(text) > GUID_BYTES_MAX) return false
    this.bytes[length] = 0
    this.bytes[length + 1] = 0
    this.bytes[length + 2] = 0
    const count = (length + 3) >> 2
    let hash = count
    for (let index = 0; index < count; index++) hash = mix(hash, words[index] as number)
    this.length = length
    this.hash = finish(hash)
    return true
  }

  /** The same of ASCII, as it stands in memory. Looks at 3 bytes behind it at the most. */
  readAscii(memory: DataView, start: number, end: number): boolean {
    const length = end - start
    if (length > GUID_BYTES_MAX) return false
    const { words } = this
    const count = (length + 3) >> 2
    let hash = count
    let at = start
    let index = 0
    for (const whole = length >> 2; index < whole; index++, at += 4) {
      const word = memory.getInt32(at, true)
      words[index] = word
      hash = mix(hash, word)
    }
    if (index < count) {
      const word = memory.getInt32(at, true) & maskOf(length & 3)
      words[index] = word
      hash = mix(hash, word)
    }
    this.length = length
    this.hash = finish(hash)
    return true
  }
}

/** Spreads guids that differ in one letter over all 32 bits (multiply and shift, as in MurmurHash3). */
function mix(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x9e3779b1)
  return mixed ^ (mixed >>> 15)
}

/** Never 0. */
function finish(hash: number): number {
  const mixed = Math.imul(hash, 0x85ebca6b)
  return mixed ^ (mixed >>> 13) || 1
}
