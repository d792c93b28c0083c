/** Load upon a server: `loadtest run` and `loadtest capacity`. */

export { addRunCommands } from './command.ts'
