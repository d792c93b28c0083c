/** The traffic that Firefoxes make: which add-ons, which clients, what they send. */

export { checkPath, makeClient } from './clients.ts'
export {
  type Draw,
  drawByUsers,
  drawUniformly,
  generatedPopulation,
  type Population,
} from './population.ts'
