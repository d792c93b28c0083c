/** What a worker finds at its start: the newest snapshot that is whole, and all journals applied to it. */

import { renameSync } from 'node:fs'
import type { Application } from '../addon/index.ts'
import { reasonOf } from '../errors.ts'
import type { Position } from '../feed/index.ts'
import type { Log } from '../observe/index.ts'
import { counterOf, guidOf } from '../update/index.ts'
import { readJournal } from './journal.ts'
import { filesOf, JOURNAL_SUFFIX, REFUSED_SUFFIX, snapshotsOf } from './kept-files.ts'
import type { Memory } from './memory.ts'
import { FORMAT, readSnapshot, type SnapshotHead, TooLargeError } from './snapshot.ts'

export interface RestoreOptions {
  readonly folder: string
  readonly generation: string
  readonly memory: Memory
  readonly log: Log
}

/** What was found at a start; memory holds its entries. */
export interface Restored {
  readonly position: Position
  readonly trueAt: number
  readonly isComplete: boolean
  readonly applications: readonly Application[]
  /** Guids whose newer state isn't held. */
  readonly pending: readonly string[]
  /** By guid, the number of the last change that is known of beyond the position. */
  readonly changes: ReadonlyMap<string, number>
}

/** Fills an empty memory with the newest state that can be believed; undefined where there is none. */
export async function restore({ folder, generation, memory, log }: RestoreOptions): Promise<Restored | undefined> {
  for (const { path } of snapshotsOf(folder, generation)) {
    let head: SnapshotHead
    try {
      head = await readSnapshot(path, memory)
    } catch (error) {
      if (error instanceof TooLargeError) {
        log.warn({ path, reason: error.message }, 'a snapshot is passed over')
        continue
      }
      log.error({ path, reason: reasonOf(error) }, 'a snapshot is refused')
      setAside(path)
      continue
    }
    const { position, trueAt, applications, pending, changes } = replay(folder, generation, memory, head)
    const { isComplete } = head
    return { position, trueAt, isComplete, applications, pending: [...pending], changes }
  }
  return undefined
}

/** Another process that starts may have done it already, and where nothing can be written it is refused each time. */
function setAside(path: string): void {
  try {
    renameSync(path, `${path}${REFUSED_SUFFIX}`)
  } catch {}
}

interface Replayed {
  readonly position: Position
  readonly trueAt: number
  readonly applications: readonly Application[]
  readonly pending: Set<string>
  readonly changes: Map<string, number>
}

/** Applies all journals to what a snapshot held; in any order, since every record bears its counter. */
function replay(
  folder: string,
  generation: string,
  memory: Memory,
  head: Pick<SnapshotHead, 'position' | 'trueAt' | 'pending' | 'applications'>,
): Replayed {
  const journals = filesOf(folder, generation, JOURNAL_SUFFIX)
    .map((path) => readJournal(path, FORMAT, generation))
    .filter((journal) => journal !== undefined)
  const records = journals.flatMap((journal) => journal.records)

  const gone = new Map<string, number>()
  const changed = new Map<string, number>(head.pending.map((guid) => [guid, head.position.counter]))
  const later = (map: Map<string, number>, guid: string, counter: number) => {
    if (counter > (map.get(guid) ?? -1)) map.set(guid, counter)
  }
  let applications = { counter: head.position.counter, all: head.applications }
  for (const record of records) {
    if (record.kind === 'applications') {
      if (record.counter >= applications.counter) applications = { counter: record.counter, all: record.applications }
    } else if (record.kind === 'gone') later(gone, record.guid, record.counter)
    else if (record.kind === 'changed') later(changed, record.guid, record.counter)
    else if (record.kind === 'entry') memory.put({ memory: record.entry, at: 0 })
  }
  for (const [guid, counter] of gone) {
    const entry = memory.entryOf(guid)
    if (entry !== undefined && counterOf(entry) < counter) memory.remove(guid)
  }
  const pending = new Set<string>()
  for (const [guid, counter] of changed) {
    const entry = memory.entryOf(guid)
    const known = Math.max(entry === undefined ? -1 : counterOf(entry), gone.get(guid) ?? -1)
    if (known >= counter) continue
    memory.markOutdated(guid, counter)
    pending.add(guid)
  }

  // A journal that begins within what is known, and goes on beyond it, carries the position on.
  let { position, trueAt } = head
  for (let moved = true; moved; ) {
    moved = false
    for (const { head: journalHead, records: ofJournal } of journals) {
      if (journalHead.from.counter > position.counter) continue
      for (const record of ofJournal) {
        if (record.kind !== 'marked') continue
        const { mark } = record
        const further = mark.position.counter - position.counter
        if (further < 0 || (further === 0 && mark.trueAt <= trueAt)) continue
        moved ||= further > 0
        position = mark.position
        trueAt = Math.max(trueAt, mark.trueAt)
      }
    }
  }
  const changes = new Map<string, number>()
  for (const record of records) {
    if (record.kind === 'marked' || record.kind === 'applications' || record.counter <= position.counter) continue
    later(changes, record.kind === 'entry' ? guidOf({ memory: record.entry, at: 0 }) : record.guid, record.counter)
  }
  return { position, trueAt, applications: applications.all, pending, changes }
}
