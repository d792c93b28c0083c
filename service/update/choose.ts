/** The rule, fast: which answer of an entry a client gets. Its slow twin is `addon/compatibility`. */

import { CANDIDATE_WORDS, HEAD_WORDS, SECTION_WORDS, STRICT_FLAG } from './entry.ts'
import { IGNORE, type ModeCode, STRICT } from './request.ts'

/** Where an entry tells start and length of "nothing suits", in JSON and in RDF: words from its start. */
const NOTHING_JSON = 2
const NOTHING_RDF = 4

/**
 * The word that holds the start of the answer, with its length in the next; there is always an answer.
 *
 * `at`: where the entry begins, in words. `key`: the section (`sectionKey`). `high`, `low`: the client's packed version.
 * The newest candidate that admits the client wins; candidates lie newest first.
 */
export function choose(words: Int32Array, at: number, key: number, high: number, low: number, mode: ModeCode): number {
  const sectionsEnd = at + HEAD_WORDS + (words[at + 1] as number) * SECTION_WORDS
  for (let section = at + HEAD_WORDS; section < sectionsEnd; section += SECTION_WORDS) {
    if (words[section] !== key) continue
    let candidate = at + (words[section + 1] as number)
    const end = candidate + (words[section + 2] as number) * CANDIDATE_WORDS
    for (; candidate < end; candidate += CANDIDATE_WORDS) {
      if (isLess(high, low, words[candidate] as number, words[candidate + 1] as number)) continue
      const flagged = words[candidate + 2] as number
      const binding = mode === STRICT || (mode !== IGNORE && flagged >= STRICT_FLAG)
      if (!binding || !isLess(flagged & ~STRICT_FLAG, words[candidate + 3] as number, high, low)) return candidate + 4
    }
    break
  }
  return at + ((key & 1) === 0 ? NOTHING_JSON : NOTHING_RDF)
}

function isLess(high: number, low: number, otherHigh: number, otherLow: number): boolean {
  return high < otherHigh || (high === otherHigh && low < otherLow)
}
