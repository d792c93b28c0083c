/** What the program says of itself. */

export { type Log, type LogLevel, logLevels, openLog } from './log.ts'
