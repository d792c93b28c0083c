/**
 * A snapshot: what a worker holds, as a file. It is written beside the others and renamed when all of it is on disk; its digest is
 * checked when it is read, and one that isn't whole is not believed at all.
 *
 *     length of the head, 4 bytes | head, JSON | fill up to 64 | entries, each filled up to its grain | SHA-256 of all before
 */

import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Application } from '../addon/index.ts'
import type { Position } from '../feed/index.ts'
import { SNAPSHOT_CHUNK_BYTES } from '../limits.ts'
import { HEAD_WORDS, lengthOf } from '../update/index.ts'
import { GRAIN_BYTES, GRAIN_WORDS } from './arena.ts'
import type { Memory } from './memory.ts'
import { Slices } from './slices.ts'

const formatOf = (number: number) => `versioncheck snapshot ${number}`
/** Rises when entries change: older files can't be read any more then. */
const FORMAT_NUMBER = 3
export const FORMAT = formatOf(FORMAT_NUMBER)
/** Of the programs before this one. */
export const OLDER_FORMATS = Array.from({ length: FORMAT_NUMBER - 1 }, (_, index) => formatOf(index + 1))

export interface SnapshotHead {
  readonly format: string
  /** What the entries were made with. */
  readonly generation: string
  /** Every change up to here is in it, or among `pending`. */
  readonly position: Position
  /** When it was last known to be true, in milliseconds since 1970. */
  readonly trueAt: number
  /** Every public add-on is in it, or among `pending`. */
  readonly isComplete: boolean
  /** Guids whose newer state was not there yet. */
  readonly pending: readonly string[]
  readonly applications: readonly Application[]
  readonly entries: number
  readonly bytes: number
}

/** Nothing is wrong with a snapshot, but that there is no room for it. */
export class TooLargeError extends Error {}

const DIGEST_BYTES = 32
const HEAD_FILL = 64
const HEAD_BYTES_MAX = 16 * 1024 * 1024

/** Writes what memory holds; edits may go on in the meantime, what they change is later than the head's position. */
export async function writeSnapshot(
  path: string,
  memory: Memory,
  head: Omit<SnapshotHead, 'format' | 'entries' | 'bytes'>,
  signal: AbortSignal,
): Promise<SnapshotHead> {
  const places = memory.placesOfAll()
  const incoming = `${path}.new`
  const file = await open(incoming, 'w', 0o600)
  try {
    const slices = new Slices()
    const digest = createHash('sha256')
    // The numbers at the end of the head are known when all has been written; they are written over these.
    const whole = { ...head, format: FORMAT, entries: places.length, bytes: Number.MAX_SAFE_INTEGER }
    const headLength = headBytes(whole).length
    let position = headLength
    let written = 0
    let chunk = Buffer.allocUnsafe(SNAPSHOT_CHUNK_BYTES)
    let filled = 0
    const flush = async () => {
      signal.throwIfAborted()
      digest.update(chunk.subarray(0, filled))
      await file.write(chunk, 0, filled, position)
      position += filled
      filled = 0
      await slices.rest()
    }
    for (const at of places) {
      if (!memory.isHeldAt(at)) continue
      const length = Math.ceil(lengthOf({ memory, at }) / GRAIN_BYTES) * GRAIN_BYTES
      if (filled > 0 && filled + length > chunk.length) await flush()
      if (!memory.isHeldAt(at)) continue
      if (length > chunk.length) chunk = Buffer.allocUnsafe(length)
      memory.bytes.copy(chunk, filled, at * 4, at * 4 + length)
      filled += length
      written++
    }
    await flush()
    const finished: SnapshotHead = { ...whole, entries: written, bytes: position - headLength }
    const text = headBytes(finished, headLength)
    await file.write(text, 0, headLength, 0)
    // The head is digested last: it wasn't known before.
    digest.update(text)
    await file.write(digest.digest(), 0, DIGEST_BYTES, position)
    await file.sync()
    await file.close()
    await rename(incoming, path)
    await syncFolder(dirname(path))
    return finished
  } catch (error) {
    await file.close().catch(() => {})
    await rm(incoming, { force: true })
    throw error
  }
}

/** The head of a file that claims to be a snapshot; throws where it isn't one of this format. */
export function readHead(path: string): SnapshotHead {
  const descriptor = openSync(path, 'r')
  try {
    return readHeadOf(descriptor).head
  } finally {
    closeSync(descriptor)
  }
}

/** Whether a file has the head of a snapshot, and as many bytes as that says; its digest takes longer. */
export function seemsWhole(path: string): boolean {
  const descriptor = openSync(path, 'r')
  try {
    const { head, headLength } = readHeadOf(descriptor)
    return fstatSync(descriptor).size === sizeOf(head, headLength)
  } catch {
    return false
  } finally {
    closeSync(descriptor)
  }
}

function sizeOf(head: SnapshotHead, headLength: number): number {
  return headLength + head.bytes + DIGEST_BYTES
}

/** Fills an empty memory with a snapshot. Rejects, and leaves memory empty, where the file isn't what was written. */
export async function readSnapshot(path: string, memory: Memory): Promise<SnapshotHead> {
  const file = await open(path, 'r')
  try {
    const { head, headLength, bytes: headText } = readHeadOf(file.fd)
    const { size } = await stat(path)
    if (size !== sizeOf(head, headLength)) throw new Error(`it has ${size} bytes, not as many as it says`)
    memory.reserve(head.entries)
    const first = memory.take(head.bytes / 4)
    if (first === 0 && head.bytes > 0)
      throw new TooLargeError('it is larger than memory may be: see MEMORY_CACHE_ENTRIES')
    const digest = createHash('sha256')
    for (let done = 0; done < head.bytes; ) {
      const length = Math.min(SNAPSHOT_CHUNK_BYTES * 4, head.bytes - done)
      const start = first * 4 + done
      const { bytesRead } = await file.read(memory.bytes, start, length, headLength + done)
      if (bytesRead === 0) throw new Error('it ends too early')
      digest.update(memory.bytes.subarray(start, start + bytesRead))
      done += bytesRead
    }
    digest.update(headText)
    const { buffer } = await file.read(Buffer.alloc(DIGEST_BYTES), 0, DIGEST_BYTES, headLength + head.bytes)
    if (!digest.digest().equals(buffer)) throw new Error('its digest is another one')
    adoptAll(memory, first, head.bytes / 4)
    return head
  } catch (error) {
    memory.clear()
    throw error
  } finally {
    await file.close()
  }
}

function adoptAll(memory: Memory, first: number, words: number): void {
  const end = first + words
  for (let at = first; at < end; ) {
    const length = Math.ceil(lengthOf({ memory, at }) / GRAIN_BYTES) * GRAIN_WORDS
    if (length < HEAD_WORDS) throw new Error('an entry has no length')
    memory.adoptNewer(at)
    at += length
  }
}

function readHeadOf(descriptor: number): { head: SnapshotHead; headLength: number; bytes: Buffer } {
  const prefix = Buffer.alloc(4)
  readSync(descriptor, prefix, 0, 4, 0)
  const textLength = prefix.readUInt32LE(0)
  if (textLength > HEAD_BYTES_MAX) throw new Error('it is no snapshot')
  const headLength = Math.ceil((4 + textLength) / HEAD_FILL) * HEAD_FILL
  const bytes = Buffer.alloc(headLength)
  readSync(descriptor, bytes, 0, headLength, 0)
  let head: SnapshotHead
  try {
    head = JSON.parse(bytes.toString('utf8', 4, 4 + textLength))
  } catch {
    throw new Error('it is no snapshot')
  }
  if (head.format !== FORMAT) throw new Error(`its format is "${head.format}", not "${FORMAT}"`)
  return { head, headLength, bytes }
}

/** `length`: filled up to so many bytes, the ones of another head. */
function headBytes(head: SnapshotHead, length?: number): Buffer {
  const text = Buffer.from(JSON.stringify(head))
  const whole = Buffer.alloc(length ?? Math.ceil((4 + text.length) / HEAD_FILL) * HEAD_FILL, ' ')
  whole.writeUInt32LE(whole.length - 4, 0)
  text.copy(whole, 4)
  return whole
}

/** A rename is on disk when its folder is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
