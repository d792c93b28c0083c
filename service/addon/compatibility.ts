/**
 * The rule that decides whether a client may be offered a version (contract section 2), spoken slowly: `catalog explain`
 * prints its reasons and tests hold the fast rule of the hot path against it.
 */

export type Mode = 'strict' | 'normal' | 'ignore'

export interface Range {
  /** As shown, and packed. */
  readonly min: string
  readonly minPacked: bigint
  readonly max: string
  readonly maxPacked: bigint
  /** `strict_compatibility` of the file. */
  readonly strict: boolean
}

export interface Verdict {
  readonly admitted: boolean
  /** A clause that completes "offered: …" or "withheld: …". */
  readonly because: string
}

/** Judges a client of the packed application version `client`. */
export function judge(range: Range, client: bigint, mode: Mode): Verdict {
  if (client < range.minPacked) {
    return { admitted: false, because: `the client is older than the minimum ${range.min}` }
  }
  const binding = mode === 'strict' || (mode === 'normal' && range.strict)
  if (binding && client > range.maxPacked) {
    const why = mode === 'strict' ? 'mode strict' : 'the file is strict'
    return { admitted: false, because: `the client is newer than the maximum ${range.max}, which binds: ${why}` }
  }
  const within = `${range.min} to ${range.max}`
  if (client <= range.maxPacked) return { admitted: true, because: `the client is within ${within}` }
  const why = mode === 'ignore' ? 'mode ignore' : 'the file is not strict'
  return {
    admitted: true,
    because: `the client is at least ${range.min}; the maximum ${range.max} doesn't bind: ${why}`,
  }
}
