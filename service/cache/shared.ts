/**
 * Entries as they are kept in memcached: sealed, since whoever can write there would choose what browsers install; and with the
 * point of the feed that they were read at, by which a reader judges whether they are still true.
 */

import { createHmac, hash } from 'node:crypto'
import { Packr } from 'msgpackr'
import type { Timeline } from '../feed/index.ts'
import { MEMCACHED_TTL_S } from '../limits.ts'
import { type Entry, type EntryMemory, guidOf, lengthOf } from '../update/index.ts'
import { type Memcached, openMemcached } from './memcached.ts'

export interface SharedOptions {
  /** `HOST:PORT` each. */
  readonly servers: readonly string[]
  /** Begins the keys, so that several services can share a memcached. */
  readonly prefix: string
  /** Of all hosts that shall believe each other. */
  readonly secret: string
  readonly timeline: Timeline
}

export interface Shared {
  readonly isUsable: boolean
  /** Entries that are held there and still true, by guid. Never rejects. */
  get(guids: readonly string[], generation: string): Promise<ReadonlyMap<string, EntryMemory>>
  /** Keeps entries that were read at a point of the feed. */
  set(entries: readonly Entry[], counter: number, token: number, generation: string): void
  readonly counts: SharedCounts
  readonly errors: number
  close(): void
}

export interface SharedCounts {
  hits: number
  misses: number
  /** Of another timeline, or changed since. */
  outdated: number
  /** Not sealed with our secret, or not what the key says. */
  forged: number
  stored: number
}

const SEAL_BYTES = 16
/** No shared record structures: another process could not read them. */
const packr = new Packr({ useRecords: false })

type Packed = [guid: string, counter: number, token: number, entry: Uint8Array]

export function openShared({ servers, prefix, secret, timeline }: SharedOptions): Shared {
  const memcached: Memcached = openMemcached(servers)
  const counts: SharedCounts = { hits: 0, misses: 0, outdated: 0, forged: 0, stored: 0 }
  const keyOf = (guid: string, generation: string) =>
    `${prefix}:${generation}:${hash('sha256', guid, 'base64url').slice(0, 32)}`
  // Over the generation too: an entry of another one would be at home nowhere else.
  const sealOf = (packed: Uint8Array, generation: string) =>
    createHmac('sha256', secret).update(generation).update(packed).digest().subarray(0, SEAL_BYTES)

  /** Undefined where it may not be believed. */
  function open(value: Buffer, guid: string, generation: string): EntryMemory | undefined {
    const packed = value.subarray(SEAL_BYTES)
    if (value.length <= SEAL_BYTES || !sealOf(packed, generation).equals(value.subarray(0, SEAL_BYTES))) {
      counts.forged++
      return undefined
    }
    const [keptGuid, counter, token, bytes] = packr.unpack(packed) as Packed
    if (keptGuid !== guid) {
      counts.forged++
      return undefined
    }
    if (!timeline.isCurrent(guid, counter, token)) {
      counts.outdated++
      return undefined
    }
    counts.hits++
    // Words want to begin at a multiple of four.
    const memory = Buffer.from(new ArrayBuffer(bytes.length))
    memory.set(bytes)
    return { words: new Int32Array(memory.buffer), bytes: memory }
  }

  return {
    counts,
    get isUsable() {
      return memcached.isUsable
    },
    get errors() {
      return memcached.errors
    },
    async get(guids, generation) {
      const keys = guids.map((guid) => keyOf(guid, generation))
      const values = await memcached.get(keys)
      const entries = new Map<string, EntryMemory>()
      for (const [index, guid] of guids.entries()) {
        const value = values.get(keys[index] as string)
        if (value === undefined) {
          counts.misses++
          continue
        }
        const entry = open(value, guid, generation)
        if (entry !== undefined) entries.set(guid, entry)
      }
      return entries
    },
    set(entries, counter, token, generation) {
      const values = new Map<string, Buffer>()
      for (const entry of entries) {
        const guid = guidOf(entry)
        const start = entry.at * 4
        const bytes = entry.memory.bytes.subarray(start, start + lengthOf(entry))
        const packed = packr.pack([guid, counter, token, bytes] satisfies Packed)
        values.set(keyOf(guid, generation), Buffer.concat([sealOf(packed, generation), packed]))
      }
      counts.stored += values.size
      memcached.set(values, MEMCACHED_TTL_S)
    },
    close: () => memcached.close(),
  }
}
