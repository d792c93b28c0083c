/** A guid as entries are found by it: its UTF-8 bytes in words, and a hash of them. */

import { GUID_BYTES_MAX } from '../addon/index.ts'

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
    if (text.length > GUID_BYTES_MAX) return false
    const length = this.bytes.write(text)
    // A last character that doesn't fit is left out, so near the end the length has to be asked for.
    if (length > FITS_FOR_SURE && Buffer.byteLength(text) > GUID_BYTES_MAX) return false
    this.bytes[length] = 0
    this.bytes[length + 1] = 0
    this.bytes[length + 2] = 0
    this.length = length
    this.hash = hashWords(this.words, (length + 3) >> 2)
    return true
  }
}

/** Spreads guids that differ in one letter over all 32 bits (multiply and shift, as in MurmurHash3). Never 0. */
function hashWords(words: Int32Array, count: number): number {
  let hash = count
  for (let at = 0; at < count; at++) {
    hash = Math.imul(hash ^ (words[at] as number), 0x9e3779b1)
    hash ^= hash >>> 15
  }
  hash = Math.imul(hash, 0x85ebca6b)
  return hash ^ (hash >>> 13) || 1
}
