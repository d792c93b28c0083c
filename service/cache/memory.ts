/**
 * The first tier: entries in this process's memory, found by guid and by file. Bounded by a number of entries; where that is
 * reached the one that wasn't asked for in the last round goes (CLOCK: one bit an entry, written only when it changes).
 */

import { ARENA_BYTES_MIN, ENTRY_BYTES_RESERVED, EVICTIONS_A_PUT_MAX, FILE_INDEX_MS } from '../limits.ts'
import {
  counterOf,
  type Entry,
  type EntryMemory,
  FLAGS,
  fileIdsOf,
  GuidKey,
  guidOf,
  HASH,
  isOf,
  lengthOf,
  OUTDATED,
  packageOf,
  touch,
  VISITED,
} from '../update/index.ts'
import { Arena } from './arena.ts'
import { IntTable } from './int-table.ts'
import { Slices } from './slices.ts'

export interface MemoryOptions {
  readonly entriesMax: number
  /** Reserved for entries; used as they come. By default what so many entries take, and room for a large one. */
  readonly bytesMax?: number
}

export class Memory implements EntryMemory {
  readonly words: Int32Array
  readonly bytes: Buffer
  readonly entriesMax: number
  /** Entries that have come or gone. */
  changes = 0
  /** Entries that had to go for others, or found no room. */
  evictions = 0
  private readonly arena: Arena
  private readonly byHash = new IntTable()
  /** By file; what has gone since is found to be gone when it is looked at. */
  private byFile: Promise<IntTable> | undefined
  private filesIndexed = 0
  private filesIndexedAt = 0
  private readonly key = new GuidKey()
  private hand = 0
  /** Nobody reads it; but what is looked at for nothing isn't looked at. */
  protected touched = 0

  constructor({ entriesMax, bytesMax = Math.max(ARENA_BYTES_MIN, entriesMax * ENTRY_BYTES_RESERVED) }: MemoryOptions) {
    this.entriesMax = entriesMax
    this.arena = new Arena(bytesMax)
    this.words = this.arena.words
    this.bytes = this.arena.bytes
  }

  get size(): number {
    return this.byHash.size
  }

  get usedBytes(): number {
    return this.arena.usedBytes
  }

  /** Where the entry of a guid begins, in words; 0 where it isn't held. */
  find(key: GuidKey): number {
    const { byHash, words } = this
    for (let place = byHash.start(key.hash); ; place = byHash.next(place)) {
      const at = byHash.valueAt(place)
      if (at === 0) return 0
      if (byHash.keyAt(place) !== key.hash) continue
      this.touched = touch(words, at)
      if (!isOf(words, at, key)) continue
      const flags = words[at + FLAGS] as number
      if ((flags & VISITED) === 0) words[at + FLAGS] = flags | VISITED
      return at
    }
  }

  entryOf(guid: string): Entry | undefined {
    const at = this.key.read(guid) ? this.find(this.key) : 0
    return at === 0 ? undefined : { memory: this, at }
  }

  has(guid: string): boolean {
    return this.entryOf(guid) !== undefined
  }

  /** Whether an entry is held of which no newer state is known to exist. */
  hasCurrent(guid: string): boolean {
    const entry = this.entryOf(guid)
    return entry !== undefined && !this.isOutdated(entry)
  }

  isOutdated({ at }: Entry): boolean {
    return ((this.words[at + FLAGS] as number) & OUTDATED) !== 0
  }

  /** A newer state than the entry's is known to exist. False where it isn't held, or is as new. */
  markOutdated(guid: string, counter: number): boolean {
    const entry = this.entryOf(guid)
    if (entry === undefined || counterOf(entry) >= counter) return false
    this.words[entry.at + FLAGS] = (this.words[entry.at + FLAGS] as number) | OUTDATED
    return true
  }

  /** Newer states than all that is held may exist. */
  markAllOutdated(): void {
    for (const { at } of this.entries()) this.words[at + FLAGS] = (this.words[at + FLAGS] as number) | OUTDATED
  }

  /** Takes a copy of an entry, in place of an older one of its guid. False where a newer one is held, or there is no room for it. */
  put(entry: Entry): boolean {
    const { words } = entry.memory
    const length = lengthOf(entry) / 4
    const old = this.entryOf(guidOf(entry))
    if (old !== undefined) {
      if (counterOf(old) > counterOf(entry)) return false
      this.free(old)
    }
    while (this.size >= this.entriesMax && this.evict());
    let at = this.arena.take(length)
    // What is larger than most may find no room however many go; it isn't worth all of them.
    for (let gone = 0; at === 0 && gone < EVICTIONS_A_PUT_MAX && this.evict(); gone++) at = this.arena.take(length)
    if (at === 0) {
      this.evictions++
      return false
    }
    this.words.set(words.subarray(entry.at, entry.at + length), at)
    this.adopt(at)
    return true
  }

  remove(guid: string): void {
    const entry = this.entryOf(guid)
    if (entry !== undefined) this.free(entry)
  }

  /**
   * SHA-256 of the package of a file that an entry offers, and whether that is outdated. Asked only when no database can be, so
   * the index it takes is made then, and made anew when it is old; it takes as much as a tenth of the entries.
   */
  async findPackage(fileId: number): Promise<{ readonly digest: string; readonly isOutdated: boolean } | undefined> {
    const isOld = this.filesIndexed !== this.changes && performance.now() - this.filesIndexedAt > FILE_INDEX_MS
    if (this.byFile === undefined || isOld) this.byFile = this.indexFiles()
    const byFile = await this.byFile
    for (let place = byFile.start(fileId | 0); ; place = byFile.next(place)) {
      const at = byFile.valueAt(place)
      if (at === 0) return undefined
      if (byFile.keyAt(place) !== (fileId | 0) || !this.isHeldAt(at)) continue
      const entry = { memory: this, at }
      const digest = packageOf(entry, fileId)
      if (digest !== undefined) return { digest, isOutdated: this.isOutdated(entry) }
    }
  }

  private async indexFiles(): Promise<IntTable> {
    this.filesIndexed = this.changes
    this.filesIndexedAt = performance.now()
    const index = new IntTable()
    const slices = new Slices()
    for (const at of this.placesOfAll()) {
      if (this.isHeldAt(at)) for (const fileId of new Set(fileIdsOf({ memory: this, at }))) index.add(fileId, at)
      await slices.rest()
    }
    return index
  }

  /** Makes room for so many entries, lest tables grow while they are filled. */
  reserve(entries: number): void {
    this.byHash.reserve(Math.min(entries, this.entriesMax))
  }

  clear(): void {
    this.byHash.clear()
    this.byFile = undefined
    this.arena.clear()
    this.hand = 0
  }

  /** All entries; ones that are put or removed in the meantime may be among them or not. The memory of each is read at once. */
  *entries(): Generator<Entry> {
    for (let place = 0; place < this.byHash.places; place++) {
      const at = this.byHash.valueAt(place)
      if (at !== 0) yield { memory: this, at }
    }
  }

  /** A piece of the arena that the caller fills with entries, each a whole number of grains, and then adopts; 0 where there is none. */
  take(words: number): number {
    return this.arena.take(words)
  }

  /** Where all entries begin. Later each may have gone: `isHeldAt`. */
  placesOfAll(): Int32Array {
    const places = new Int32Array(this.size)
    let count = 0
    for (const { at } of this.entries()) places[count++] = at
    return places
  }

  /** Whether an entry begins there, at a place where one began once. */
  isHeldAt(at: number): boolean {
    const { byHash } = this
    const hash = this.words[at + HASH] as number
    for (let place = byHash.start(hash); ; place = byHash.next(place)) {
      const value = byHash.valueAt(place)
      if (value === at) return true
      if (value === 0) return false
    }
  }

  /** Makes known the entry that lies at `at`, unless one as new of its guid is held or there is no room. */
  adoptNewer(at: number): void {
    const entry = { memory: this, at }
    const old = this.entryOf(guidOf(entry))
    const isNewer = old === undefined || counterOf(old) < counterOf(entry)
    if (isNewer && (old !== undefined || this.size < this.entriesMax)) {
      if (old !== undefined) this.free(old)
      this.adopt(at)
      return
    }
    if (isNewer) this.evictions++
    this.arena.give(at, lengthOf(entry) / 4)
  }

  private adopt(at: number): void {
    this.byHash.add(this.words[at + HASH] as number, at)
    this.changes++
  }

  private free(entry: Entry): void {
    const { at } = entry
    this.changes++
    this.byHash.remove(this.words[at + HASH] as number, at)
    this.arena.give(at, lengthOf(entry) / 4)
  }

  /** False where there is nothing to evict. */
  private evict(): boolean {
    if (this.size === 0) return false
    for (;;) {
      this.hand = (this.hand + 1) % this.byHash.places
      const at = this.byHash.valueAt(this.hand)
      if (at === 0) continue
      const flags = this.words[at + FLAGS] as number
      if ((flags & VISITED) === 0) {
        this.free({ memory: this, at })
        this.evictions++
        return true
      }
      this.words[at + FLAGS] = flags & ~VISITED
    }
  }
}
