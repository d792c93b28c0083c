/** What the program says of itself. */

export { type Log, type LogLevel, logLevels, type OpenedLog, openLog } from './log.ts'
