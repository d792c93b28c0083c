/** The generator: a realistic catalogue in the import format, as big as one likes, for tests and load tests. */

export { ADDONS_MAX, type GeneratedAddon, type GenerateOptions, generateAddons, SEED_MAX } from './addons.ts'
export { addGenerateCommand } from './command.ts'
export type { GeneratedVersion } from './versions.ts'
