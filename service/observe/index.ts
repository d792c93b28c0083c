/** What the program says of itself: log, metrics, health. */

export { createHealth } from './health.ts'
export { type Log, type LogLevel, logLevels, openLog } from './log.ts'
export { startMetrics } from './metrics.ts'
export { describeProgram } from './program.ts'
