/**
 * The feed's housekeeping on the primary: its clock is written down every second, for replicas to show how late they are; and
 * changes go that nothing is judged by any more. Any number of hosts may do it; they see what the others have done.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { type Endpoint, openPrimary, type Primary } from '../database/index.ts'
import { reasonOf } from '../errors.ts'
import {
  CHANGES_KEPT_DAYS,
  HEARTBEAT_MS,
  PRUNE_EVERY_MS,
  PRUNE_ROWS,
  RECONNECT_MS_MAX,
  RECONNECT_MS_MIN,
} from '../limits.ts'
import type { Log } from '../observe/index.ts'

const NOW_MS = 'CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)'
/** Somebody else may just have written it. It never falls, even where the clock is set back. */
const BEAT = `UPDATE heartbeat SET at_ms = ${NOW_MS} WHERE id = 1 AND at_ms < ${NOW_MS} - ?`
/** The last change stays, so that the feed's end can be told from its beginning. */
const PRUNE = `DELETE FROM changes WHERE at < UTC_TIMESTAMP() - INTERVAL ? DAY AND number < ? ORDER BY number LIMIT ?`

export interface Heartbeat {
  close(): Promise<void>
}

/** `catalog`: the account that may write. Goes on by itself after the primary was away. */
export function startHeartbeat(catalog: Endpoint, log: Log): Heartbeat {
  const closing = new AbortController()
  const pause = (ms: number) => sleep(ms, undefined, { signal: closing.signal }).catch(() => {})

  async function beat(primary: Primary): Promise<void> {
    for (let prunedAt = 0; !closing.signal.aborted; await pause(HEARTBEAT_MS)) {
      await primary.write(BEAT, [HEARTBEAT_MS / 2])
      if (Date.now() - prunedAt < PRUNE_EVERY_MS) continue
      prunedAt = Date.now()
      await prune(primary, () => closing.signal.aborted)
    }
  }

  async function run(): Promise<void> {
    for (let pauseMs = RECONNECT_MS_MIN; !closing.signal.aborted; pauseMs = Math.min(pauseMs * 2, RECONNECT_MS_MAX)) {
      let primary: Primary | undefined
      try {
        primary = await openPrimary(catalog)
        pauseMs = RECONNECT_MS_MIN
        await beat(primary)
      } catch (error) {
        log.debug({ reason: reasonOf(error) }, 'no heartbeat could be written')
      } finally {
        await primary?.close()
      }
      await pause(pauseMs)
    }
  }

  const ended = run()
  return {
    async close() {
      closing.abort()
      await ended
    },
  }
}

/** Removes changes that are older than anything that is judged by them. */
export async function prune(primary: Primary, isStopped: () => boolean = () => false): Promise<number> {
  const [row] = await primary.rows('SELECT value FROM change_counter WHERE id = 1')
  let removed = 0
  while (!isStopped()) {
    const { affectedRows } = await primary.write(PRUNE, [CHANGES_KEPT_DAYS, Number(row?.value), PRUNE_ROWS])
    removed += affectedRows
    if (affectedRows < PRUNE_ROWS) break
  }
  return removed
}
