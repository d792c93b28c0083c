/** Guids that were met lately. Bounded; where it is full the older half goes. */

export class RecentGuids {
  private readonly max: number
  private recent = new Set<string>()
  private older = new Set<string>()

  constructor(max: number) {
    this.max = max
  }

  get size(): number {
    return this.recent.size + this.older.size
  }

  has(guid: string): boolean {
    return this.recent.has(guid) || this.older.has(guid)
  }

  add(guid: string): void {
    if (this.recent.size >= this.max / 2) {
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
