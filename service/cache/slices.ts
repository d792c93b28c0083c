/** Long work in the event loop, a slice at a time, so that requests are served in between. */

import { setImmediate } from 'node:timers/promises'
import { SLICE_MS_MAX } from '../limits.ts'

export class Slices {
  private begunAt = performance.now()

  /** Call it between two pieces of work: it waits for the event loop's next turn when a slice is over. */
  async rest(): Promise<void> {
    if (performance.now() - this.begunAt < SLICE_MS_MAX) return
    await setImmediate()
    this.begunAt = performance.now()
  }
}
