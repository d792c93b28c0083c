/** The traffic that Firefoxes make: which add-ons, which clients, what they send. */

export { checkPath, FIREFOX, makeClient } from './clients.ts'
export type { Request } from './garbage.ts'
export {
  type Draw,
  drawByUsers,
  drawUniformly,
  generatedPopulation,
  type Population,
  readPopulation,
} from './population.ts'
export { type ProfileName, profileNames, profiles, requestsOf } from './profiles.ts'
