/**
 * Batches that form by themselves: what is asked for in one turn of the event loop goes out together, as soon as one of a few
 * lanes is free; meanwhile more gathers. No timer: a single question leaves at once.
 */

export interface BatchOptions {
  readonly sizeMax: number
  /** Batches that run at once. */
  readonly lanes: number
  /** Asks for some keys; resolves when the lane is free again, whatever came of it. */
  readonly run: (keys: string[]) => Promise<void>
  /** More keys that can wait, to fill up a batch or an idle lane; fewer or none where there aren't so many. */
  readonly fill: (count: number) => readonly string[]
}

export interface BatchCounts {
  batches: number
  keys: number
}

export interface Batcher {
  /** Once, however often while it waits. */
  ask(key: string): void
  /** Nobody wants it any more: it is not asked for unless it is under way. */
  forget(key: string): void
  /** There is something to fill lanes with. */
  wake(): void
  readonly waiting: number
  readonly counts: BatchCounts
  /** Told of each batch: its size, and for how many milliseconds the first waited for a lane of those that could not wait. */
  onBatch: ((size: number, waitedMs: number | undefined) => void) | undefined
}

export function createBatcher({ sizeMax, lanes, run, fill }: BatchOptions): Batcher {
  /** What waits, the oldest first, and since when. */
  const keys = new Map<string, number>()
  let free = lanes
  let scheduled = false

  const schedule = () => {
    if (scheduled || free === 0) return
    scheduled = true
    setImmediate(flush)
  }

  function flush(): void {
    scheduled = false
    while (free > 0) {
      const [since] = keys.values()
      const batch = takeOldest()
      // One lane is kept for those that can't wait.
      if (batch.length < sizeMax && (batch.length > 0 || free > 1 || lanes === 1))
        batch.push(...fill(sizeMax - batch.length))
      if (batch.length === 0) return
      batcher.counts.batches++
      batcher.counts.keys += batch.length
      if (batcher.onBatch !== undefined) {
        batcher.onBatch(batch.length, since && performance.now() - since)
      }
      free--
      void run(batch).finally(() => {
        free++
        if (keys.size > 0) schedule()
        else batcher.wake()
      })
    }
  }

  function takeOldest(): string[] {
    const batch: string[] = []
    for (const key of keys.keys()) {
      keys.delete(key)
      batch.push(key)
      if (batch.length >= sizeMax) break
    }
    return batch
  }

  const batcher: Batcher = {
    counts: { batches: 0, keys: 0 },
    onBatch: undefined,
    get waiting() {
      return keys.size
    },
    ask(key) {
      if (!keys.has(key)) keys.set(key, performance.now())
      schedule()
    },
    forget: (key) => void keys.delete(key),
    wake: schedule,
  }
  return batcher
}
