/** The command line `catalog`: parses, asks, calls the catalogue, prints. */

export type { AdminOptions } from './context.ts'
export { runCatalog } from './program.ts'
