/** The hot path: an update check from its query to its answer. Knows neither databases nor caches; what it needs is handed in. */

export { createCheck } from './check.ts'
export { choose } from './choose.ts'
export { type EntryMemory, makeEntry, sectionKey } from './entry.ts'
export type { Candidate, Offer } from './offer.ts'
export { modeCodes } from './request.ts'
