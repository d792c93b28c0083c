/** Reads all public add-ons of a replica into memory, a page at a time, while the worker serves. */

import { type Replicas, readStatement } from '../database/index.ts'
import type { Timeline } from '../feed/index.ts'
import { COLD_MS_MAX, LOAD_IDS } from '../limits.ts'
import { counterOf, guidOf, makeEntry, type RenderOptions } from '../update/index.ts'
import type { Memory } from './memory.ts'
import { Slices } from './slices.ts'
import { readAnswer } from './source.ts'

export interface LoadOptions {
  readonly replicas: Replicas
  readonly timeline: Timeline
  readonly memory: Memory
  readonly render: () => RenderOptions
  /** Told of an add-on whose state was read before a change that is known by now. */
  readonly onOutdated: (guid: string) => void
  readonly signal: AbortSignal
}

/** `all`: every public add-on is held. `too many`: there are more than memory may hold; nothing was read. */
export type Loaded = 'all' | 'too many'

/** An estimate, but at once; counting them takes longer than a statement may. */
const COUNT =
  "SELECT TABLE_ROWS AS addons FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'addons'"
const PAGE_END = 'SELECT MAX(id) AS last FROM (SELECT id FROM addons WHERE id > ? ORDER BY id LIMIT ?) AS page'

/** Rejects where no replica answers, or none is far enough; what was read by then is held. */
export async function loadAll(options: LoadOptions): Promise<Loaded> {
  const { replicas, timeline, memory, render, onOutdated, signal } = options
  const statement = readStatement('update-check-all')
  const [row] = await replicas.query(COUNT, [], COLD_MS_MAX)
  if (Number(row?.addons) / 2 > memory.entriesMax) return 'too many'
  memory.reserve(Number(row?.addons))
  const begunAt = timeline.seen
  const slices = new Slices()
  for (let after = 0; ; ) {
    signal.throwIfAborted()
    const [page] = await replicas.query(PAGE_END, [after, LOAD_IDS], COLD_MS_MAX)
    if (page?.last === null) break
    const last = Number(page?.last)
    const { rows, isBehind } = await replicas.queryAt({
      statement,
      values: [after, last],
      deadlineMs: COLD_MS_MAX,
      counterOf: ([first]) => Number(first?.counter),
      atLeast: timeline.seen,
    })
    if (isBehind) throw new Error('no replica is as far as what was seen before')
    await slices.rest()
    const { counter, offers } = readAnswer(rows, false)
    timeline.see(counter)
    await slices.rest()
    after = last
    for (const [guid, offer] of offers) {
      if (memory.size >= memory.entriesMax && !memory.has(guid)) return 'too many'
      if (counter >= timeline.lastChangeOf(guid)) memory.put({ memory: makeEntry(offer, counter, render()), at: 0 })
      else onOutdated(guid)
      await slices.rest()
    }
  }
  await dropLeftOvers(memory, begunAt, onOutdated, slices)
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
