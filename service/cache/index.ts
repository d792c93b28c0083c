/** What workers hold, and where they get it from. */

export type { Batcher } from './batch.ts'
export { openTiers, type Tiers } from './tiers.ts'
