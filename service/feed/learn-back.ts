/**
 * Changes of before a worker's beginning. By them it judges what others have stored in memcached since, and what a late replica says
 * of an add-on that hasn't changed. It is learnt beside the following, and where it breaks off it goes on.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { type Connection, execute, type Replicas } from '../database/index.ts'
import { FEED_READ_MS_MAX, LEARN_RETRY_MS_MAX, LEARN_RETRY_MS_MIN, TIMELINE_NUMBERS } from '../limits.ts'
import { type NumberedChange, readFeed } from './read.ts'
import type { Position, Timeline } from './timeline.ts'

export interface LearnOptions {
  readonly replicas: Replicas
  readonly timeline: Timeline
  readonly ageMs: number
  /** Ends it: the timeline has begun anew, or nobody wants to know any more. */
  readonly signal: AbortSignal
}

/** Reads one entry of the index. The lowest number would take all of the day's, and of some millions the feed would never begin. */
const LEARN_FROM =
  'SELECT number FROM changes WHERE at >= UTC_TIMESTAMP(3) - INTERVAL ? SECOND ORDER BY at, number LIMIT 1'

/** Takes note of changes; in order. */
export function learnAll(timeline: Timeline, changes: readonly NumberedChange[]): void {
  for (const { number, token, kind, guid, oldGuid } of changes) {
    timeline.learn(number, token, [guid, oldGuid])
    if (kind === 'all') timeline.forgetBefore(number)
  }
}

/**
 * Learns the changes of so long before the timeline's position, at most as many as it can know the tokens of; then its floor is
 * lower. Goes on until it has them: false where it was ended before. Never rejects.
 */
export async function learnChangesBefore(options: LearnOptions): Promise<boolean> {
  const { timeline, signal } = options
  const lesson: Lesson = { end: timeline.position, from: undefined, at: 0, token: undefined }
  for (let pauseMs = LEARN_RETRY_MS_MIN; !signal.aborted; pauseMs = Math.min(pauseMs * 2, LEARN_RETRY_MS_MAX)) {
    const isDone = await learnSome(options, lesson).catch(() => false)
    // By then the timeline may have begun anew.
    if (isDone && !signal.aborted) {
      timeline.lowerFloor(lesson.from as number)
      return true
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => {})
  }
  return false
}

/** How far it came. */
interface Lesson {
  readonly end: Position
  /** All changes after it and up to `at` are known. */
  from: number | undefined
  at: number
  /** Of the change `at`, where that is known. */
  token: number | undefined
}

/** Goes on, on the replica that is followed. False where that has no more, or is none of this timeline; rejects where it is gone. */
async function learnSome({ replicas, timeline, ageMs, signal }: LearnOptions, lesson: Lesson): Promise<boolean> {
  const { end } = lesson
  if (end.counter === 0) {
    lesson.from = 0
    return true
  }
  const connection = await replicas.connect(replicas.preferred)
  const read = (from: number, pages?: number) =>
    readFeed(connection, { from, seenBefore: timeline.seen, ...(pages !== undefined && { pages }) })
  try {
    const { seenToken } = await read(end.counter, 0)
    if (seenToken !== end.token) return false
    if (lesson.from === undefined) {
      const oldest = (await findOldest(connection, ageMs)) ?? end.counter + 1
      // Of more the timeline would forget the tokens at once.
      lesson.from = Math.max(Math.min(oldest - 1, end.counter), end.counter - TIMELINE_NUMBERS)
      lesson.at = lesson.from
    }
    while (lesson.at < end.counter) {
      const state = await read(lesson.at)
      const changes = state.changes.filter(({ number }) => number <= end.counter)
      const isOurs = lesson.token === undefined || lesson.token === state.seenToken
      if (signal.aborted || changes.length === 0 || !isOurs) return false
      learnAll(timeline, changes)
      const last = changes.at(-1) as NumberedChange
      lesson.at = last.number
      lesson.token = last.token
      // Nobody knows what a change was about that isn't there any more: the floor is above it.
      if (!state.isWhole) lesson.from = lesson.at
    }
    return true
  } finally {
    connection.destroy()
  }
}

/**
 * Number of the oldest change that is no older than `ageMs`; undefined where there is none. Where the clock was set back, and times
 * are not in the order of numbers, it may be a later one: then less is learnt than could be, which is safe.
 */
export async function findOldest(connection: Connection, ageMs: number): Promise<number | undefined> {
  const seconds = Math.ceil(ageMs / 1_000)
  const [row] = await execute(connection, LEARN_FROM, [seconds], { deadlineMs: FEED_READ_MS_MAX })
  return row === undefined ? undefined : Number(row.number)
}
