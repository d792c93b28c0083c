/**
 * The replicas: which one answers the next query, and what happens when it doesn't. One is read from as long as it answers; the
 * next one takes its place when it fails or hangs. All attempts together stay within the caller's deadline.
 */

import { VersioncheckError } from '../errors.ts'
import { QUERY_MS_MAX } from '../limits.ts'
import type { Row, Value } from './connection.ts'
import { isFatal } from './connection.ts'
import type { Endpoint } from './endpoint.ts'
import { openPool, type Pool } from './pool.ts'

export interface Replicas {
  /** Rejects with `database_unreachable` when no replica answered within `deadlineMs`. */
  query(statement: string, values: readonly Value[], deadlineMs: number): Promise<Row[]>
  close(): Promise<void>
}

export function openReplicas(endpoints: readonly [Endpoint, ...Endpoint[]]): Replicas {
  const pools = endpoints.map(openPool)
  let current = 0

  /** The ones worth asking, the one in use first. */
  function* inOrder(): Generator<{ pool: Pool; index: number }> {
    for (let step = 0; step < pools.length; step++) {
      const index = (current + step) % pools.length
      const pool = pools[index] as Pool
      if (pool.usable) yield { pool, index }
    }
  }

  return {
    async query(statement, values, deadlineMs) {
      const giveUpAt = performance.now() + deadlineMs
      let cause: unknown
      for (const { pool, index } of inOrder()) {
        const leftMs = giveUpAt - performance.now()
        if (leftMs <= 0) break
        try {
          const rows = await within(leftMs, pool.query(statement, values, Math.min(leftMs, QUERY_MS_MAX)))
          current = index
          return rows
        } catch (error) {
          if (!isFatal(error)) throw error
          cause = error
        }
      }
      throw new VersioncheckError('database_unreachable', 'No replica answered in time.', { cause })
    },
    async close() {
      await Promise.all(pools.map((pool) => pool.close()))
    },
  }
}

/** Rejects after `ms`; what was begun goes on to its own end, unheard. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_, reject) => {
        timer = setTimeout(
          () => reject(new VersioncheckError('database_unreachable', `No answer within ${Math.round(ms)} ms.`)),
          ms,
        )
      }),
    ])
  } finally {
    clearTimeout(timer)
  }
}
