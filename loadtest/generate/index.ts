/** The generator: a realistic catalogue in the import format, as big as one likes, for tests and load tests. */

export { generateAddons } from './addons.ts'
export { addGenerateCommand, writeCatalogue } from './command.ts'
