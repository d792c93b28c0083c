/** The rule, fast: which candidate of an entry a client gets. Its slow twin is `addon/compatibility`. */

import { CANDIDATE_WORDS, isLess, SECTION_WORDS, SECTIONS, STRICT_FLAG, sectionsAt } from './entry.ts'
import type { Candidate, Offer } from './offer.ts'
import { IGNORE, type ModeCode, STRICT } from './request.ts'

/** No candidate admits the client. No candidate lies at the start of a memory. */
export const NONE = 0

/**
 * The word where the newest candidate that admits the client begins, or NONE. `at`: where the entry begins, in words. `high`,
 * `low`: the client's packed version.
 */
export function choose(
  words: Int32Array,
  at: number,
  applicationId: number,
  high: number,
  low: number,
  mode: ModeCode,
): number {
  let section = sectionsAt(words, at)
  const sectionsEnd = section + (words[at + SECTIONS] as number) * SECTION_WORDS
  for (; section < sectionsEnd; section += SECTION_WORDS) {
    if (words[section] !== applicationId) continue
    let candidate = at + (words[section + 2] as number)
    const end = candidate + (words[section + 1] as number) * CANDIDATE_WORDS
    for (; candidate < end; candidate += CANDIDATE_WORDS) {
      if (isLess(high, low, words[candidate] as number, words[candidate + 1] as number)) continue
      const flagged = words[candidate + 2] as number
      const binding = mode === STRICT || (mode !== IGNORE && flagged >= STRICT_FLAG)
      if (!binding || !isLess(flagged & ~STRICT_FLAG, words[candidate + 3] as number, high, low)) return candidate
    }
    return NONE
  }
  return NONE
}

/** The same of an add-on that was just read and has no entry. */
export function chooseFrom(
  offer: Offer,
  applicationId: number,
  high: number,
  low: number,
  mode: ModeCode,
): Candidate | undefined {
  let newest: Candidate | undefined
  for (const candidate of offer.candidates) {
    if (candidate.applicationId !== applicationId || candidate.versionId < (newest?.versionId ?? 0)) continue
    if (isLess(high, low, candidate.minHigh, candidate.minLow)) continue
    const binding = mode === STRICT || (mode !== IGNORE && candidate.strict)
    if (!binding || !isLess(candidate.maxHigh, candidate.maxLow, high, low)) newest = candidate
  }
  return newest
}
