/**
 * The change feed, the readers' end: follows `changes` on the one replica that the worker reads from, and chooses that replica.
 * On a replica it doesn't ask again and again, it waits there for the next transaction to arrive. When the replica fails, hangs or
 * lags, the tail moves to one that is as far as what the worker has seen; where there is none, it says that the worker is behind.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { type Connection, execute, type Replicas } from '../database/index.ts'
import { reasonOf } from '../errors.ts'
import {
  FEED_IDLE_AFTER_MS,
  FEED_IDLE_POLL_MS,
  FEED_POLL_MS,
  FEED_READ_MS_MAX,
  FEED_RETRY_MS,
  FEED_WAIT_MS,
  LAG_CHECK_MS,
  LAG_MS_MAX,
} from '../limits.ts'
import type { Log } from '../observe/index.ts'
import { learnAll, learnChangesBefore } from './learn-back.ts'
import { type FeedState, type NumberedChange, readFeed } from './read.ts'
import { type Position, START, type Timeline } from './timeline.ts'

/** Why everything has to be read anew: `lost`, what was followed was undone by a restore; `gap`, changes were missed. */
export type ReloadReason = 'lost' | 'gap'

export interface TailOptions {
  readonly replicas: Replicas
  /** Where it begins: at `timeline.position`, or, where that is START, at the feed's end. */
  readonly timeline: Timeline
  /** How far back changes are to be known: by them what others have stored is judged, and what late replicas say. 0: no further. */
  readonly learnBackMs: number
  /** Told of changes in order; the timeline knows them, and moves on to the last of them afterwards. */
  readonly onChanges: (changes: readonly NumberedChange[]) => void
  /** All changes up to the feed's end have been told; again and again, several times a second, as long as that is so. */
  readonly onCaughtUp: () => void
  /** The timeline has begun anew. */
  readonly onReload: (reason: ReloadReason) => void
  readonly log: Log
}

export interface Tail {
  /** Of the replica that is followed; undefined while there is none. */
  readonly attached: number | undefined
  /** As many changes of before are known as are to be. */
  readonly hasLearnt: boolean
  /** The replica is not as far as what was seen elsewhere. */
  readonly isBehind: boolean
  /** How late the replica is, by its own clock and the last heartbeat it has; undefined where nobody writes any. */
  readonly lagMs: number | undefined
  /** Of each replica: connections of the feed that could not be made, or that broke off. */
  readonly errors: readonly number[]
  /** Told how late each page of changes was read. */
  onDelay: ((delayMs: number) => void) | undefined
  /** A query on the followed replica failed: look whether another one should take its place. */
  suspect(): void
  close(): Promise<void>
}

interface Attachment {
  readonly index: number
  readonly connection: Connection
  readonly state: FeedState
}

/**
 * What a replica is to a worker that is at some position. `foreign`: on a timeline that has been given up, by whom we don't know;
 * `lost`: on one that has replaced ours.
 */
type Relation = 'ahead' | 'gap' | 'behind' | 'lost' | 'foreign'

/** Where replication stands is told after the wait, and so before the read that follows it. */
const WAIT = 'SELECT MASTER_GTID_WAIT(?, ?) AS timedOut, @@gtid_slave_pos AS replicated'
/** So often in a row a wait has to miss a change before it is taken for useless. */
const MISSED_WAITS_MAX = 3

export function startTail(options: TailOptions): Tail {
  const { replicas, timeline, log } = options
  const closing = new AbortController()
  const first = replicas.preferred
  let attached: Attachment | undefined
  let isBehind = false
  let lag: { ms: number; at: number } | undefined
  let lagCheckedAt = 0
  let hasLearnt = options.learnBackMs === 0
  let learning: AbortController | undefined
  let lesson: Promise<void> | undefined
  let suspectedAt = 0
  /** Given up, though nothing was wrong with its connection. */
  let suspected: Attachment | undefined
  const errors = Array.from({ length: replicas.count }, () => 0)
  let changedAt = Number.NEGATIVE_INFINITY
  let hasBrokenOff = false

  const read = (connection: Connection, from: number, pages = 1) =>
    readFeed(connection, { from, pages, seenBefore: timeline.seen })

  /** Looks at all replicas at once and takes the one to follow. */
  async function attach(): Promise<Attachment | undefined> {
    const probes: Attachment[] = []
    const probe = async (index: number) => {
      let connection: Connection | undefined
      try {
        connection = await replicas.connect(index)
        probes.push({ index, connection, state: await read(connection, timeline.position.counter, 0) })
      } catch {
        connection?.destroy()
        countError(index)
      }
    }
    await Promise.all(Array.from({ length: replicas.count }, (_, index) => probe(index)))
    const best = choose(probes, timeline, (index) => (index - first + replicas.count) % replicas.count)
    for (const other of probes) if (other !== best) other.connection.destroy()
    return best
  }

  /** For whoever watches. What ends because the worker does is none. */
  function countError(index: number): void {
    if (!closing.signal.aborted) errors[index] = (errors[index] as number) + 1
  }

  async function follow(attachment: Attachment): Promise<void> {
    const { connection, index } = attachment
    replicas.prefer(index)
    let { state } = attachment
    begin(state)
    if (!hasLearnt && learning === undefined) learnBack()
    let missedWaits = 0
    // As it was before the last read: within a read, replication may have gone on between its two answers.
    let replicated = ''
    for (;;) {
      noteLag(state)
      const relation = relationOf(state, timeline.position, timeline.latestMs)
      if (relation === 'foreign' || relation === 'lost') return
      isBehind = relation === 'behind'
      if (relation === 'gap' || !state.isWhole) reload('gap', state.position)
      // One that is behind what others have answered may be ahead of what was followed.
      else if (state.changes.length > 0) take(state)
      if (timeline.position.counter >= state.position.counter) {
        if (!isBehind) caughtUp()
        if (closing.signal.aborted || (isBehind && replicas.count > 1)) return
        if (isLagging(state) && replicas.count > 1) return
        const waited = await waitForMore(connection, replicated, missedWaits < MISSED_WAITS_MAX)
        replicated = waited.replicated ?? state.replicated
        const before = timeline.position.counter
        state = await read(connection, before)
        const missed = waited.outcome === 'in vain' && state.position.counter > before
        missedWaits = missed ? missedWaits + 1 : waited.outcome === 'told' ? 0 : missedWaits
      } else {
        state = await read(connection, timeline.position.counter)
      }
    }
  }

  function caughtUp(): void {
    if (hasBrokenOff) log.info('the change feed is followed again, and all changes are known')
    hasBrokenOff = false
    options.onCaughtUp()
  }

  /** Where the worker knows nothing yet, or what it knew has been undone, it begins where the replica is. */
  function begin(state: FeedState): void {
    const { position } = timeline
    const relation = relationOf(state, position, timeline.latestMs)
    if (relation === 'lost') {
      log.warn({ was: position, is: state.position }, 'the feed was undone by a restore; beginning anew')
      reload('lost', state.position)
    } else if (position === START) reload('gap', state.position)
  }

  /** On a connection of its own, whatever becomes of the one that is followed. */
  function learnBack(): void {
    const mine = new AbortController()
    learning = mine
    lesson = learnChangesBefore({
      replicas,
      timeline,
      ageMs: options.learnBackMs,
      signal: AbortSignal.any([mine.signal, closing.signal]),
    }).then((isDone) => {
      if (learning !== mine) return
      learning = undefined
      hasLearnt = isDone
    })
  }

  function reload(reason: ReloadReason, position: Position): void {
    learning?.abort()
    learning = undefined
    hasLearnt = options.learnBackMs === 0
    timeline.begin(position)
    if (!hasLearnt) learnBack()
    options.onReload(reason)
  }

  function take({ changes, position }: FeedState): void {
    changedAt = performance.now()
    learnAll(timeline, changes)
    const last = changes.at(-1) as NumberedChange
    // Whoever is asked for what has changed must have the change.
    timeline.see(last.number)
    options.onChanges(changes)
    tail.onDelay?.(changes[0]?.delayMs ?? 0)
    if (last.number === position.counter) timeline.advance(position)
    else timeline.advance({ ...timeline.position, counter: last.number, token: last.token }, position.heartbeatMs)
    if (changes.some(({ kind }) => kind === 'all')) options.onReload('gap')
  }

  function noteLag({ position, nowMs }: FeedState): void {
    const ms = Math.max(0, nowMs - position.heartbeatMs)
    lag = position.heartbeatMs === 0 ? undefined : { ms, at: performance.now() }
  }

  function isLagging(state: FeedState): boolean {
    const ms = state.position.heartbeatMs === 0 ? 0 : state.nowMs - state.position.heartbeatMs
    if (ms <= LAG_MS_MAX || performance.now() - lagCheckedAt < LAG_CHECK_MS) return false
    lagCheckedAt = performance.now()
    return true
  }

  /** Until the replica has another transaction, at most FEED_WAIT_MS; or, where that can't be known, for a moment. */
  async function waitForMore(
    connection: Connection,
    replicated: string,
    worthWaiting: boolean,
  ): Promise<{ readonly outcome: 'told' | 'in vain' | 'polled'; readonly replicated: string | undefined }> {
    const next = nextOf(replicated)
    if (isBehind || next === undefined || !worthWaiting) {
      const isIdle = performance.now() - changedAt > FEED_IDLE_AFTER_MS
      const pollMs = isIdle ? FEED_IDLE_POLL_MS : FEED_POLL_MS
      await sleep(pollMs, undefined, { signal: closing.signal }).catch(() => {})
      return { outcome: 'polled', replicated: undefined }
    }
    const [row] = await execute(connection, WAIT, [next, FEED_WAIT_MS / 1_000], {
      deadlineMs: FEED_WAIT_MS + FEED_READ_MS_MAX,
    })
    return { outcome: row?.timedOut === 0 ? 'told' : 'in vain', replicated: String(row?.replicated ?? '') }
  }

  async function run(): Promise<void> {
    while (!closing.signal.aborted) {
      const begunAt = performance.now()
      attached = await attach().catch(() => undefined)
      if (attached !== undefined) {
        try {
          await follow(attached)
        } catch (error) {
          if (!closing.signal.aborted) {
            log.warn({ reason: reasonOf(error) }, 'the change feed broke off; following it anew')
            hasBrokenOff = true
          }
          if (attached !== suspected) countError(attached.index)
        }
        attached.connection.destroy()
        const wasBehind = isBehind
        attached = undefined
        // At once, unless it ends again and again.
        if (!wasBehind && performance.now() - begunAt > FEED_RETRY_MS) continue
      }
      await sleep(FEED_RETRY_MS, undefined, { signal: closing.signal }).catch(() => {})
    }
  }

  const tail: Tail = {
    errors,
    onDelay: undefined,
    get attached() {
      return attached?.index
    },
    get hasLearnt() {
      return hasLearnt
    },
    get isBehind() {
      return isBehind
    },
    get lagMs() {
      return lag && lag.ms + performance.now() - lag.at
    },
    suspect() {
      const now = performance.now()
      if (replicas.count === 1 || now - suspectedAt < FEED_RETRY_MS) return
      suspectedAt = now
      suspected = attached
      attached?.connection.destroy()
    },
    async close() {
      closing.abort()
      attached?.connection.destroy()
      await ended
      await lesson
    },
  }
  const ended = run()
  return tail
}

/** What a replica's state is to a position, whose heartbeat may be as late as `latestMs`. */
export function relationOf(state: FeedState, position: Position, latestMs = position.heartbeatMs): Relation {
  const { counter, token, heartbeatMs } = state.position
  const isLater = heartbeatMs > latestMs
  if (counter < position.counter) return isLater ? 'lost' : 'behind'
  if (position.counter === 0) return counter < state.seenBefore ? 'behind' : 'ahead'
  // Heartbeats rise along a timeline: this one was left behind when ours began, though it has more numbers.
  if (counter > position.counter && heartbeatMs < position.heartbeatMs) return 'foreign'
  const tokenThere = counter === position.counter ? token : state.seenToken
  if (tokenThere === position.token) return counter < state.seenBefore ? 'behind' : 'ahead'
  if (tokenThere === undefined && state.floor !== undefined && state.floor > position.counter) return 'gap'
  return isLater ? 'lost' : 'foreign'
}

/**
 * The replica to follow: of those that are as far as the position, one whose heartbeat is among the latest, the nearest by
 * `order`; else the furthest of those that are behind; one that has replaced the timeline only where it is later than all of these.
 */
function choose(
  probes: readonly Attachment[],
  { position, latestMs }: Timeline,
  order: (index: number) => number,
): Attachment | undefined {
  const related = probes
    .map((attachment) => ({ attachment, relation: relationOf(attachment.state, position, latestMs) }))
    .filter(({ relation }) => relation !== 'foreign')
  const heartbeatOf = ({ attachment }: (typeof related)[number]) => attachment.state.position.heartbeatMs
  const latest = Math.max(0, ...related.map(heartbeatOf))
  const usable = related.filter((probe) => probe.relation !== 'behind' && heartbeatOf(probe) >= latest - LAG_MS_MAX)
  if (usable.length > 0) {
    usable.sort((one, other) => order(one.attachment.index) - order(other.attachment.index))
    return usable[0]?.attachment
  }
  related.sort((one, other) => other.attachment.state.position.counter - one.attachment.state.position.counter)
  return (related.find(({ relation }) => relation !== 'behind') ?? related[0])?.attachment
}

/** The position after one of a single replication domain: `0-1-7` -> `0-1-8`. Undefined where there is none, or several. */
function nextOf(replicated: string): string | undefined {
  const match = /^(\d+-\d+)-(\d+)$/.exec(replicated)
  return match === null ? undefined : `${match[1]}-${BigInt(match[2] as string) + 1n}`
}
