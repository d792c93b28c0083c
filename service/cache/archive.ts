/**
 * What a host keeps of what its workers hold, for when they start: the last snapshot and the one before, and a journal a process of
 * what has changed since. One process of those that share the folder writes snapshots; every one writes a journal of its own.
 */

import { mkdirSync, rmSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Application } from '../addon/index.ts'
import { reasonOf } from '../errors.ts'
import type { Position, ReloadReason, Timeline } from '../feed/index.ts'
import {
  JOURNAL_BYTES_MAX,
  JOURNAL_MARK_MS,
  SNAPSHOT_EVERY_MS,
  SNAPSHOT_PENDING_MAX,
  SNAPSHOTS_KEPT,
} from '../limits.ts'
import { type Lock, tryLock } from '../lock.ts'
import type { Log } from '../observe/index.ts'
import { Journal, type JournalRecord, readJournal } from './journal.ts'
import {
  filesOf,
  type Generations,
  INCOMING_SUFFIX,
  JOURNAL_SUFFIX,
  REFUSED_SUFFIX,
  SNAPSHOT_SUFFIX,
  snapshotsOf,
  writtenAt,
} from './kept-files.ts'
import type { Refreshed } from './lookup.ts'
import type { Memory } from './memory.ts'
import { FORMAT, readHead, seemsWhole, writeSnapshot } from './snapshot.ts'

export interface ArchiveOptions extends Generations {
  /** Made where it isn't there. */
  readonly folder: string
  /** For so long what an older program has left stays. */
  readonly olderKeptMs: number
  readonly memory: Memory
  readonly timeline: Timeline
  readonly state: () => ArchiveState
  readonly log: Log
}

/** What is to be written of a worker's state, beside its memory. */
export interface ArchiveState {
  readonly isComplete: boolean
  readonly pending: ReadonlySet<string>
  readonly applications: readonly Application[]
  /** When what is held was last known to be true, in milliseconds since 1970. */
  readonly trueAt: number
}

export interface Archive {
  /** Add-ons have changed; call it before anything newer shows. */
  noteChanged(changes: readonly { readonly guid: string; readonly counter: number }[]): void
  noteRefreshed(refreshed: readonly Refreshed[]): void
  /** Others may ask than before. */
  noteApplications(applications: readonly Application[], counter: number): void
  /** All changes up to the timeline's position have been noted. Costs nothing where there were none. */
  noteCaughtUp(): void
  /** The timeline has begun anew: what is kept of before can't be carried on, or, where it was lost, goes. */
  beginAnew(reason: ReloadReason): void
  /** Writes a snapshot soon; all that is held is new. */
  snapshotSoon(): void
  readonly snapshotAt: number | undefined
  close(): Promise<void>
}

/** Between two tries to become the process that writes snapshots. */
const ELECTION_MS = 30_000
/** What was set aside, damaged, is there to be looked at, but not for good. */
const REFUSED_KEPT_MS = 7 * 86_400_000
/** A journal that nobody has written to for so long has no owner any more. */
const ABANDONED_MS = 10 * JOURNAL_MARK_MS

/** Begins to keep what a worker holds, from the timeline's position on. Throws where the folder can't be written. */
export function openArchive(options: ArchiveOptions): Archive {
  const { folder, generation, olderGenerations, olderKeptMs, memory, timeline, state, log } = options
  const openedAt = performance.now()
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  let journal: Journal | undefined
  let serial = 0
  let lock: Lock | undefined
  let electionAt = 0
  let snapshotAt = writtenAt(snapshotsOf(folder, generation)[0]?.path)
  let snapshotWanted = false
  let bytesSinceSnapshot = 0
  /** The journals reach back to the snapshots that are there. */
  let isCarriedOn = true
  let timelinesLost = 0
  let marked: Position | undefined
  let isMarkDue = false
  let writing: Promise<void> | undefined
  let closed = false
  const stopping = new AbortController()

  const timer = setInterval(tick, JOURNAL_MARK_MS)
  timer.unref()

  function begin(): Journal {
    journal?.close()
    const name = `${generation} ${Date.now()} ${process.pid} ${serial++}${JOURNAL_SUFFIX}`
    journal = new Journal(join(folder, name), { format: FORMAT, generation, from: timeline.position })
    return journal
  }

  /** What can't be kept true is removed: it must not come back after a restart. */
  function attempt(work: () => void): void {
    if (closed) return
    try {
      work()
    } catch (error) {
      log.error({ reason: reasonOf(error) }, 'the journal cannot be written; what was kept for restarts is removed')
      journal?.close()
      journal = undefined
      for (const suffix of [SNAPSHOT_SUFFIX, JOURNAL_SUFFIX]) {
        for (const path of filesOf(folder, generation, suffix)) removeOrTell(path)
      }
      snapshotAt = undefined
      snapshotWanted = true
    }
  }

  /** The feed goes on also where the disk takes nothing at all any more. */
  function removeOrTell(path: string): void {
    try {
      rmSync(path, { force: true })
    } catch (error) {
      log.error({ path, reason: reasonOf(error) }, 'remove it by hand: a restart would serve what it says')
    }
  }

  function append(records: readonly JournalRecord[]): void {
    attempt(() => {
      if (journal === undefined || journal.isRemoved || journal.bytes > JOURNAL_BYTES_MAX) begin()
      const before = (journal as Journal).bytes
      journal?.append(records)
      bytesSinceSnapshot += (journal as Journal).bytes - before
    })
  }

  function mark(): void {
    // A restart would not know how late its heartbeat is.
    if (timeline.isMidway) return
    const { position } = timeline
    const { trueAt } = state()
    append([{ kind: 'marked', counter: position.counter, mark: { position, trueAt } }])
    marked = position
    isMarkDue = false
  }

  function tick(): void {
    // Nothing is marked that isn't known to be true: while nobody can be asked the last mark stands.
    if (Date.now() - state().trueAt < JOURNAL_MARK_MS) mark()
    if (writing === undefined && isDue()) {
      writing = snapshot()
        .catch((error: unknown) => {
          if (!closed) log.error({ reason: reasonOf(error) }, 'a snapshot could not be written')
        })
        .finally(() => {
          writing = undefined
        })
    }
  }

  function isDue(): boolean {
    if (closed || timeline.isMidway || state().pending.size > SNAPSHOT_PENDING_MAX || memory.size === 0) return false
    if (snapshotWanted || bytesSinceSnapshot > JOURNAL_BYTES_MAX) return true
    return snapshotAt !== undefined && bytesSinceSnapshot > 0 && Date.now() - snapshotAt > SNAPSHOT_EVERY_MS
  }

  async function isElected(): Promise<boolean> {
    if (lock !== undefined) return true
    if (Date.now() < electionAt) return false
    electionAt = Date.now() + ELECTION_MS
    lock = await tryLock(join(folder, `${generation} writer.lock`), { mode: 'exclusive', waitS: 0 })
    if (closed) lock?.release()
    return lock !== undefined && !closed
  }

  async function snapshot(): Promise<void> {
    if (!(await isElected())) {
      // Somebody else does; what is in our journal is in theirs.
      snapshotWanted = false
      return
    }
    if (timeline.isMidway) {
      snapshotWanted = true
      return
    }
    const { isComplete, pending, applications, trueAt } = state()
    const { position } = timeline
    const lostBefore = timelinesLost
    const name = `${generation} ${String(position.counter).padStart(16, '0')} ${Date.now()}${SNAPSHOT_SUFFIX}`
    const path = join(folder, name)
    snapshotWanted = false
    bytesSinceSnapshot = 0
    const begunAt = performance.now()
    const head = {
      generation,
      position,
      trueAt,
      isComplete,
      pending: [...pending],
      applications,
    }
    const { entries, bytes } = await writeSnapshot(path, memory, head, stopping.signal)
    if (timelinesLost !== lostBefore) {
      // Its timeline was lost in the meantime, and its number may be higher than those to come.
      rmSync(path, { force: true })
      snapshotWanted = true
      return
    }
    snapshotAt = Date.now()
    log.debug({ entries, bytes, ms: Math.round(performance.now() - begunAt) }, 'a snapshot was written')
    if (isCarriedOn) {
      removeOld()
      await removeOlderGenerations().catch((error: unknown) => {
        log.warn({ reason: reasonOf(error) }, 'what an older program has left could not be removed')
      })
    } else {
      // What lies between an older snapshot and this one is in no journal. Another one soon makes two again.
      for (const older of snapshotsOf(folder, generation)) if (older.path !== path) rmSync(older.path, { force: true })
      isCarriedOn = true
      snapshotWanted = true
    }
  }

  /** Keeps so many snapshots, and the journals that the oldest of them needs. */
  function removeOld(): void {
    const snapshots = snapshotsOf(folder, generation)
    for (const { path } of snapshots.slice(SNAPSHOTS_KEPT)) rmSync(path, { force: true })
    // Of writers that were killed: now only this process writes any.
    for (const path of filesOf(folder, generation, INCOMING_SUFFIX)) rmSync(path, { force: true })
    for (const path of filesOf(folder, generation, REFUSED_SUFFIX)) {
      if (Date.now() - statSync(path).mtimeMs > REFUSED_KEPT_MS) rmSync(path, { force: true })
    }
    const oldest = snapshots.slice(0, SNAPSHOTS_KEPT).at(-1)
    for (const path of filesOf(folder, generation, JOURNAL_SUFFIX)) {
      if (path === journal?.path || Date.now() - statSync(path).mtimeMs < ABANDONED_MS) continue
      const records = readJournal(path, FORMAT, generation)?.records ?? []
      const last = records.reduce((highest, { counter }) => Math.max(highest, counter), 0)
      if (oldest !== undefined && last <= oldest.counter) rmSync(path, { force: true })
    }
  }

  /**
   * What programs before this one have left nobody reads any more, unless somebody goes back to one: so it stays for a while, and
   * until there are two snapshots to start with. One that still runs beside us marks its journals.
   */
  async function removeOlderGenerations(): Promise<void> {
    if (performance.now() - openedAt < olderKeptMs) return
    const whole = snapshotsOf(folder, generation).filter(({ path }) => seemsWhole(path))
    if (whole.length < SNAPSHOTS_KEPT) return
    for (const older of olderGenerations) {
      const journals = filesOf(folder, older, JOURNAL_SUFFIX)
      if (journals.some((path) => Date.now() - statSync(path).mtimeMs < ABANDONED_MS)) continue
      const left = [SNAPSHOT_SUFFIX, REFUSED_SUFFIX, INCOMING_SUFFIX].flatMap((suffix) =>
        filesOf(folder, older, suffix),
      )
      // Not in one go with the serving: each may have hundreds of megabytes.
      for (const path of [...left, ...journals]) await rm(path, { force: true })
      if (left.length > 0) log.info({ files: left.length }, 'snapshots of an older format are removed')
    }
  }

  return {
    noteChanged(changes) {
      isMarkDue = true
      append(changes.map(({ guid, counter }) => ({ kind: 'changed', counter, guid })))
    },
    noteRefreshed(refreshed) {
      append(
        refreshed.map(({ guid, counter, entry }) =>
          entry === undefined ? { kind: 'gone', counter, guid } : { kind: 'entry', counter, entry },
        ),
      )
    },
    noteApplications(applications, counter) {
      append([{ kind: 'applications', counter, applications }])
    },
    noteCaughtUp() {
      if (isMarkDue) mark()
    },
    beginAnew(reason) {
      const { heartbeatMs } = timeline.position
      isCarriedOn = false
      if (reason === 'lost') timelinesLost++
      attempt(() => {
        if (reason === 'lost') {
          // Another process may have begun anew before us: what it has written since stays.
          for (const path of filesOf(folder, generation, JOURNAL_SUFFIX)) {
            const read = readJournal(path, FORMAT, generation)
            if (read === undefined || read.head.from.heartbeatMs < heartbeatMs) rmSync(path, { force: true })
          }
          for (const { path } of snapshotsOf(folder, generation)) {
            if (readHead(path).position.heartbeatMs < heartbeatMs) rmSync(path, { force: true })
          }
        }
        begin()
      })
    },
    snapshotSoon() {
      snapshotWanted = true
      if (marked === undefined || writing === undefined) tick()
    },
    get snapshotAt() {
      return snapshotAt
    },
    async close() {
      if (closed) return
      clearInterval(timer)
      stopping.abort()
      await writing
      if (journal !== undefined && Date.now() - state().trueAt < JOURNAL_MARK_MS) mark()
      closed = true
      journal?.close()
      lock?.release()
    },
  }
}
