/** The change feed: what was edited, in order. */

export { appendChanges, type Change } from './append.ts'
