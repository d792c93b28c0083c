/** The change feed: what was edited, in order. Both ends of `changes`, and what is known of it. */

export { appendChanges, type Change } from './append.ts'
export { startHeartbeat } from './heartbeat.ts'
export { readLag } from './lag.ts'
export type { NumberedChange } from './read.ts'
export { type ReloadReason, startTail, type Tail } from './tail.ts'
export { type Position, readPosition, Timeline } from './timeline.ts'
