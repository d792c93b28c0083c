/** A question to the replicas, and what the feed knows of whoever answers it. */

import type { Replicas, Row, Value } from '../database/index.ts'
import { type Position, readPosition, type Timeline } from '../feed/index.ts'
import { COLD_MS_MAX } from '../limits.ts'

/** What a replica said, and at what point of the feed. */
export interface Asked {
  /** One at the least. */
  readonly rows: readonly Row[]
  readonly position: Position
  /** No replica that can be asked is as far as what had been seen when it was: this is the one that is furthest. */
  readonly isBehind: boolean
}

/**
 * Asks a statement whose rows have the position too (`readPosition`). What a replica says that still follows a timeline that has
 * been given up is no answer. Rejects with `database_unreachable`, in less than 300 ms.
 */
export async function askReplicas(
  replicas: Replicas,
  timeline: Timeline,
  statement: string,
  values: readonly Value[],
): Promise<Asked> {
  // What is seen while the answer is on its way doesn't make it late; whoever takes it judges that for each add-on.
  const { seen } = timeline
  const { rows, isBehind } = await replicas.queryAt({
    statement,
    values,
    deadlineMs: COLD_MS_MAX,
    counterOf: (answer) => positionOf(answer).counter,
    standingOf: (answer) => timeline.standingOf(positionOf(answer), seen),
  })
  return { rows, position: positionOf(rows), isBehind }
}

function positionOf(rows: readonly Row[]): Position {
  return readPosition(rows[0] as Row)
}
