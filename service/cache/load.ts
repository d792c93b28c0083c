/** Reads all public add-ons of a replica into memory, a page at a time, while the worker serves. */

import { type Replicas, readStatement } from '../database/index.ts'
import type { Timeline } from '../feed/index.ts'
import { COLD_MS_MAX, LOAD_ADDONS } from '../limits.ts'
import { counterOf, guidOf, type RenderOptions, writeEntry } from '../update/index.ts'
import { askReplicas } from './ask.ts'
import type { Memory } from './memory.ts'
import { Slices } from './slices.ts'
import { type OnUnreadable, readAnswer } from './source.ts'

export interface LoadOptions {
  readonly replicas: Replicas
  readonly timeline: Timeline
  readonly memory: Memory
  readonly render: () => RenderOptions
  /** How far it came: highest id that was read. Where an attempt breaks off, the next one goes on there. */
  readonly progress: { after: number }
  /** Told of an add-on whose state was read before a change that is known by now. */
  readonly onOutdated: (guid: string) => void
  /** Told of an add-on that is held now. */
  readonly onHeld: (guid: string) => void
  readonly onUnreadable: OnUnreadable
  /** Number of the feed's last change when the first attempt began. */
  readonly since: number
  readonly signal: AbortSignal
}

/** `all`: every public add-on is held. `too many`: there are more than memory may hold; what was read by then is held. */
export type Loaded = 'all' | 'too many'

/** An estimate, but at once; counting them takes longer than a statement may. */
const COUNT =
  "SELECT TABLE_ROWS AS addons FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'candidates'"
/** Rejects where no replica answers, or none is far enough; what was read by then is held. */
export async function loadAll(options: LoadOptions): Promise<Loaded> {
  const { replicas, timeline, memory, render, progress, onOutdated, onHeld, onUnreadable, signal } = options
  const statement = readStatement('update-check-all')
  const [row] = await replicas.query(COUNT, [], COLD_MS_MAX)
  if (Number(row?.addons) / 2 > memory.entriesMax) return 'too many'
  memory.reserve(Number(row?.addons))
  const read = async (after: number) => {
    signal.throwIfAborted()
    const asked = await askReplicas(replicas, timeline, statement, [after, LOAD_ADDONS])
    if (asked.isBehind) throw new Error('no replica is as far as what was seen before')
    return asked
  }

  const slices = new Slices()
  for (let page = read(progress.after); ; ) {
    const asked = await page
    // It may have been read before the timeline began anew.
    signal.throwIfAborted()
    const last = Math.max(...asked.rows.map(({ id }) => id as number))
    if (last === 0) break // the one row of an empty page has NULL
    // The next page is on its way while this one is taken in.
    page = read(last)
    page.catch(() => {})
    const { counter, offers } = readAnswer(asked, onUnreadable)
    timeline.see(counter)
    for (const [guid, offer] of offers) {
      await slices.rest()
      signal.throwIfAborted()
      if (memory.size >= memory.entriesMax && !memory.has(guid)) return 'too many'
      if (counter >= timeline.lastChangeOf(guid)) {
        if (counter > timeline.position.counter) timeline.noteChange(guid, counter)
        memory.put({ memory: writeEntry(offer, counter, render()), at: 0 })
        onHeld(guid)
      } else onOutdated(guid)
    }
    progress.after = last
  }
  await dropLeftOvers(memory, options.since, onOutdated, slices)
  signal.throwIfAborted()
  return 'all'
}

/** What is still older than the beginning wasn't met: it isn't public any more, or its guid is another. Asked for once more, to be sure. */
async function dropLeftOvers(
  memory: Memory,
  begunAt: number,
  onOutdated: (guid: string) => void,
  slices: Slices,
): Promise<void> {
  const leftOver: string[] = []
  for (const entry of memory.entries()) if (counterOf(entry) < begunAt) leftOver.push(guidOf(entry))
  for (const guid of leftOver) {
    onOutdated(guid)
    await slices.rest()
  }
}
