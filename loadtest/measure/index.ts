/** How things are measured here: programs of ours as processes, load upon them, and fair turns. */

export { alternate, median, ratioOf } from './compare.ts'
export * from './contestants.ts'
export { HEADERS } from './headers.ts'
export { offer, QUIET_S } from './offer.ts'
export * from './processes.ts'
export * from './report.ts'
export { checkout, readSaved, type Saved, saveReport, sectionOf } from './saved.ts'
export { type Bench, prepareBench } from './setup.ts'
export { type Slice, takeTurns } from './slices.ts'
export { type LoadResult, load, type RequestFile, requireWrk, writeRequests } from './wrk.ts'
