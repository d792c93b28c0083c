/** The talk's ladder, measured again, with the rungs that it did not have. */

export { addLadderCommand } from './command.ts'
