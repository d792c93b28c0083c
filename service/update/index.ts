/** The hot path: an update check from its query to its answer. Knows neither databases nor caches; what it needs is handed in. */

export {
  type CheckCounts,
  createCheck,
  emptyCounts,
  type Found,
  type Held,
  type KnownApplications,
  type Standing,
} from './check.ts'
export { chooseFrom } from './choose.ts'
export {
  answerWith,
  counterOf,
  type Entry,
  type EntryMemory,
  FLAGS,
  fileIdsOf,
  guidOf,
  HASH,
  HEAD_WORDS,
  isOf,
  lengthOf,
  makeEntry,
  nothingKnown,
  nothingSuits,
  OUTDATED,
  packageOf,
  type RenderOptions,
  TOUCHED_WORDS,
  touch,
  VISITED,
  writeEntry,
} from './entry.ts'
export { GuidKey } from './guid-key.ts'
export { cacheStatus, ReadyHeaders } from './headers.ts'
export { type Candidate, type Offer, readOffer, updateOf } from './offer.ts'
export { modeCodes } from './request.ts'
