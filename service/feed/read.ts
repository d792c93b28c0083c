/** One read of the change feed on a replica: where it stands, and the changes from some number on, a page or more. */

import { type Connection, execute, type Row, readStatement } from '../database/index.ts'
import { FEED_PAGE, FEED_READ_MS_MAX } from '../limits.ts'
import type { Change } from './append.ts'
import { type Position, readPosition } from './timeline.ts'

export interface NumberedChange {
  readonly number: number
  readonly token: number
  readonly kind: Change['kind']
  readonly guid: string | null
  readonly oldGuid: string | null
  /** From its making to its reading, by the clocks of primary and replica. */
  readonly delayMs: number
}

/** What one read of the feed tells. */
export interface FeedState {
  readonly position: Position
  readonly nowMs: number
  /** Where replication stands; empty on a primary. */
  readonly replicated: string
  /** The oldest change that is left; undefined where there is none. */
  readonly floor: number | undefined
  /** The token of the change at the position that was asked from. */
  readonly seenToken: number | undefined
  /** What had been seen when this was asked: a replica that isn't so far is behind. */
  readonly seenBefore: number
  readonly changes: readonly NumberedChange[]
  /** Changes are numbered without gaps; one that was asked for and is missing was removed. */
  readonly isWhole: boolean
}

export interface ReadOptions {
  /** Changes after this one. */
  readonly from: number
  /** 0: only where it stands. */
  readonly pages?: number
  /** What has been seen so far. */
  readonly seenBefore: number
}

const statement = readStatement('changes')

/** Rejects where the replica doesn't answer within 300 ms. */
export async function readFeed(
  connection: Connection,
  { from, pages = 1, seenBefore }: ReadOptions,
): Promise<FeedState> {
  const to = from + pages * FEED_PAGE
  const rows = await execute(connection, statement, [from, from, to], { deadlineMs: FEED_READ_MS_MAX })
  return stateOf(rows, { seenBefore, from, to })
}

function stateOf(
  rows: readonly Row[],
  { seenBefore, from, to }: { readonly seenBefore: number; readonly from: number; readonly to: number },
): FeedState {
  const [row] = rows as [Row]
  const position = readPosition(row)
  const changes = rows
    .filter(({ number }) => number !== null)
    .map(({ number, changeToken, kind, guid, oldGuid, delayMs }) => ({
      number: Number(number),
      token: Number(changeToken),
      kind: kind as Change['kind'],
      guid: guid as string | null,
      oldGuid: oldGuid as string | null,
      delayMs: Number(delayMs),
    }))
    .sort((one, other) => one.number - other.number)
  return {
    position,
    nowMs: Number(row.nowMs),
    replicated: String(row.replicated ?? ''),
    floor: row.floor === null ? undefined : Number(row.floor),
    seenToken: row.seenToken === null ? undefined : Number(row.seenToken),
    seenBefore,
    changes,
    isWhole: changes.length >= Math.min(position.counter, to) - from,
  }
}
