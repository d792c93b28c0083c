/** Guids that nobody knows: asked for again and again by clients that have add-ons from elsewhere. Bounded; the oldest half goes. */

import { UNKNOWN_GUIDS_MAX } from '../limits.ts'

export class UnknownGuids {
  private recent = new Set<string>()
  private older = new Set<string>()

  get size(): number {
    return this.recent.size + this.older.size
  }

  has(guid: string): boolean {
    return this.recent.has(guid) || this.older.has(guid)
  }

  add(guid: string): void {
    if (this.recent.size >= UNKNOWN_GUIDS_MAX / 2) {
      this.older = this.recent
      this.recent = new Set()
    }
    this.recent.add(guid)
  }

  delete(guid: string): void {
    this.recent.delete(guid)
    this.older.delete(guid)
  }

  clear(): void {
    this.recent.clear()
    this.older.clear()
  }
}
