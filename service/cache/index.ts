/** What workers hold, and where they get it from. */

export { openTiers, type Tiers } from './tiers.ts'
