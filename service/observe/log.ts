/** The log: pino, JSON lines on standard error, or readable lines on a terminal. Never a client's query string at info level. */

import { type DestinationStream, type Logger, pino } from 'pino'
import pretty from 'pino-pretty'

export type Log = Logger

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

export interface OpenedLog {
  readonly log: Log
  /** Writes out what is buffered. */
  flush(): void
  /** The same, for the last time. */
  close(): void
}

/** Buffers up to 4 KiB unless a person is looking, so that a line costs no system call. */
export function openLog({ level, readable }: { level: LogLevel; readable: boolean }): OpenedLog {
  if (readable) {
    const stream: DestinationStream = pretty({
      destination: 2,
      sync: true,
      ignore: 'pid,hostname',
      translateTime: 'HH:MM:ss',
    })
    return { log: pino({ level }, stream), flush: () => {}, close: () => {} }
  }
  const stream = pino.destination({ dest: 2, sync: false, minLength: 4096 })
  const log = pino({ level, base: { pid: process.pid } }, stream)
  const flushing = setInterval(() => stream.flush(), 1_000)
  flushing.unref()
  const flush = () => {
    try {
      stream.flushSync()
    } catch {
      // nobody reads standard error any more
    }
  }
  return {
    log,
    flush,
    close() {
      clearInterval(flushing)
      flush()
    },
  }
}
