/** The log: pino, JSON lines on standard error, or readable lines on a terminal. Never a client's query string at info level. */

import { setTimeout as sleep } from 'node:timers/promises'
import { type DestinationStream, type Logger, pino } from 'pino'
import pretty from 'pino-pretty'
import { LOG_FLUSH_MS_MAX } from '../limits.ts'

export type Log = Logger

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

export interface OpenedLog {
  readonly log: Log
  /** Resolves when what is buffered is written out, or can't be: nobody reads standard error any more, or not in time. */
  flush(): Promise<void>
  /** The same, for the last time. */
  close(): Promise<void>
  /** What is buffered is lost: for an exit that must not wait. */
  abandon(): void
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
    return { log: pino({ level }, stream), flush: async () => {}, close: async () => {}, abandon: () => {} }
  }
  const stream = pino.destination({ dest: 2, sync: false, minLength: 4096 })
  const log = pino({ level, base: { pid: process.pid } }, stream)
  const flushing = setInterval(() => stream.flush(), 1_000)
  flushing.unref()
  // Never its flushSync, which tries a broken pipe again for ever: once a write has met one, the stream is told to drop everything.
  const flush = async () => {
    const done = new Promise<void>((resolve) => {
      stream.once('error', () => resolve())
      stream.flush(() => resolve())
    })
    await Promise.race([done, sleep(LOG_FLUSH_MS_MAX, undefined, { ref: false })])
  }
  const abandon = () => {
    clearInterval(flushing)
    stream.flushSync = () => {}
  }
  return {
    log,
    flush,
    async close() {
      await flush()
      abandon()
    },
    abandon,
  }
}
