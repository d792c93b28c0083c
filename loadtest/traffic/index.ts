/** The traffic that Firefoxes make: which add-ons, which clients, what they send. */

export { type Client, checkPath, checksOf, makeClient } from './clients.ts'
export {
  type Draw,
  drawByUsers,
  drawUniformly,
  generatedPopulation,
  type Population,
  readPopulation,
} from './population.ts'
