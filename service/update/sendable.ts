/** Answers as they are handed to the library: bytes, and an ETag in words. */

import { MADE_ANSWERS_MAX, SENDABLE_BYTES_MAX } from '../limits.ts'
import { type Answer, ETAG_BYTES } from './entry.ts'
import { UPDATES_END } from './json.ts'

/** Words; some that follow an answer may be copied with it. */
const COPIED_AT_ONCE = 4

/**
 * The bytes of a ready answer in memory that is always the same, with a view for each length: a view of its own for each answer
 * would be garbage at once, and takes longer to make than 300 bytes to copy.
 */
export class Sendable {
  private readonly words = new Int32Array(SENDABLE_BYTES_MAX / 4 + COPIED_AT_ONCE)
  private readonly bytes = Buffer.from(this.words.buffer)
  private readonly views = Array.from(
    { length: SENDABLE_BYTES_MAX + 1 },
    (_, length) => new Uint8Array(this.words.buffer, 0, length),
  )

  /** Good until the next copy. `first`: the word that the answer begins with; `length`: of it, in bytes. */
  copy(words: Int32Array, first: number, length: number): Uint8Array {
    if (length > SENDABLE_BYTES_MAX) return new Uint8Array(words.buffer, first * 4, length)
    const into = this.words
    for (let at = 0, end = (length + 3) >> 2; at < end; at += COPIED_AT_ONCE) {
      const from = first + at
      into[at] = words[from] as number
      into[at + 1] = words[from + 1] as number
      into[at + 2] = words[from + 2] as number
      into[at + 3] = words[from + 3] as number
    }
    return this.views[length] as Uint8Array
  }

  /** The same answer without its updates, which begin after so many bytes. */
  copyWithoutUpdates(words: Int32Array, first: number, before: number): Uint8Array {
    this.copy(words, first, before)
    const { bytes } = this
    for (let at = 0; at < UPDATES_END.length; at++) bytes[before + at] = UPDATES_END.charCodeAt(at)
    return this.views[before + UPDATES_END.length] as Uint8Array
  }

  /** The same of a text of ASCII. */
  write(text: string): Uint8Array {
    if (text.length > SENDABLE_BYTES_MAX) return Buffer.from(text, 'latin1')
    this.bytes.write(text, 'latin1')
    return this.views[text.length] as Uint8Array
  }
}

export interface MadeAnswer {
  readonly answer: Answer
  /** Its ETag, in words. */
  readonly tag: Int32Array
}

export function withTag(answer: Answer): MadeAnswer {
  const tag = new Int32Array(ETAG_BYTES / 4)
  Buffer.from(tag.buffer).write(answer.etag, 'latin1')
  return { answer, tag }
}

/** Answers that had to be made, for the next client that gets the same; forgotten whenever an entry changes. */
export class MadeAnswers {
  private readonly answers = new Map<number, MadeAnswer>()
  private changes = 0

  get(place: number, changes: number): MadeAnswer | undefined {
    if (changes !== this.changes) {
      this.changes = changes
      this.answers.clear()
    }
    return this.answers.get(place)
  }

  set(place: number, answer: Answer): MadeAnswer {
    if (this.answers.size >= MADE_ANSWERS_MAX) this.answers.clear()
    const made = withTag(answer)
    this.answers.set(place, made)
    return made
  }
}
