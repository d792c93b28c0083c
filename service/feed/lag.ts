/** How late replicas are, also those that nobody follows: asked when somebody wants to know. */

import type { Replicas } from '../database/index.ts'
import { FEED_READ_MS_MAX } from '../limits.ts'

const LAG = `SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) - CAST(at_ms AS SIGNED) AS ms, at_ms = 0 AS isUnknown
  FROM heartbeat WHERE id = 1`

/** Milliseconds by a replica's own clock and the last heartbeat it has; undefined where it doesn't answer, or nobody writes any. */
export async function readLag(replicas: Replicas, index: number): Promise<number | undefined> {
  try {
    const [row] = await replicas.queryOne(index, LAG, FEED_READ_MS_MAX)
    return row === undefined || Number(row.isUnknown) === 1 ? undefined : Math.max(0, Number(row.ms))
  } catch {
    return undefined
  }
}
