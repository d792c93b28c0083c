/**
 * A journal: what has changed since a snapshot, in one file a process, written before it shows. So a version that was withdrawn
 * stays so after whatever happens to the process. A record that was cut short ends the file.
 *
 *     a line of JSON: the head | records: length of the rest, 4 bytes | CRC-32 of what follows | kind, 1 byte | counter, 8 bytes | content
 */

import { closeSync, fdatasync, fstatSync, openSync, readFileSync, writeSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import type { Application } from '../addon/index.ts'
import type { Position } from '../feed/index.ts'
import type { EntryMemory } from '../update/index.ts'

/** `marked`: all changes up to a position are in the journal; `changed`: an add-on has; `entry`: its new state; `gone`: it isn't public; `applications`: all that may ask. */
export type JournalRecord =
  | { readonly kind: 'marked'; readonly counter: number; readonly mark: Mark }
  | { readonly kind: 'changed' | 'gone'; readonly counter: number; readonly guid: string }
  | { readonly kind: 'entry'; readonly counter: number; readonly entry: EntryMemory }
  | { readonly kind: 'applications'; readonly counter: number; readonly applications: readonly Application[] }

export interface Mark {
  readonly position: Position
  /** When that was known to be true, in milliseconds since 1970. */
  readonly trueAt: number
}

export interface JournalHead {
  readonly format: string
  readonly generation: string
  /** It holds the changes after this. */
  readonly from: Position
}

const kinds = ['marked', 'changed', 'gone', 'entry', 'applications'] as const
const PREFIX_BYTES = 8
const RECORD_HEAD_BYTES = 9

export class Journal {
  readonly path: string
  bytes = 0
  private readonly descriptor: number
  private syncing = false
  private syncAgain = false

  constructor(path: string, head: JournalHead) {
    this.path = path
    this.descriptor = openSync(path, 'ax', 0o600)
    this.write(Buffer.from(`${JSON.stringify(head)}\n`))
  }

  /** Somebody has removed the file: what is written to it is lost. */
  get isRemoved(): boolean {
    return fstatSync(this.descriptor).nlink === 0
  }

  /** Returns when the kernel has it; it is on disk soon after. */
  append(records: readonly JournalRecord[]): void {
    if (records.length > 0) this.write(Buffer.concat(records.map(bytesOf)))
  }

  close(): void {
    closeSync(this.descriptor)
  }

  private write(bytes: Buffer): void {
    for (let done = 0; done < bytes.length; ) done += writeSync(this.descriptor, bytes, done)
    this.bytes += bytes.length
    this.sync()
  }

  private sync(): void {
    if (this.syncing) {
      this.syncAgain = true
      return
    }
    this.syncing = true
    fdatasync(this.descriptor, () => {
      this.syncing = false
      if (!this.syncAgain) return
      this.syncAgain = false
      this.sync()
    })
  }
}

/** The head and the whole records of a journal; undefined where it is none of this format and generation, or has gone. */
export function readJournal(
  path: string,
  format: string,
  generation: string,
): { head: JournalHead; records: JournalRecord[] } | undefined {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch {
    return undefined
  }
  const headEnd = bytes.indexOf(10)
  let head: JournalHead
  try {
    head = JSON.parse(bytes.toString('utf8', 0, headEnd))
  } catch {
    return undefined
  }
  if (head.format !== format || head.generation !== generation) return undefined
  const records: JournalRecord[] = []
  for (let at = headEnd + 1; at + PREFIX_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32LE(at)
    const start = at + PREFIX_BYTES
    if (length < RECORD_HEAD_BYTES || start + length > bytes.length) break
    const body = bytes.subarray(start, start + length)
    if (crc32(body) !== bytes.readUInt32LE(at + 4)) break
    records.push(recordOf(body))
    at = start + length
  }
  return { head, records }
}

function bytesOf(record: JournalRecord): Buffer {
  const content = contentOf(record)
  const bytes = Buffer.alloc(PREFIX_BYTES + RECORD_HEAD_BYTES + content.length)
  bytes.writeUInt32LE(RECORD_HEAD_BYTES + content.length, 0)
  bytes.writeUInt8(kinds.indexOf(record.kind), PREFIX_BYTES)
  bytes.writeDoubleLE(record.counter, PREFIX_BYTES + 1)
  content.copy(bytes, PREFIX_BYTES + RECORD_HEAD_BYTES)
  bytes.writeUInt32LE(crc32(bytes.subarray(PREFIX_BYTES)), 4)
  return bytes
}

function contentOf(record: JournalRecord): Buffer {
  if (record.kind === 'entry') return record.entry.bytes
  if (record.kind === 'applications') return Buffer.from(JSON.stringify(record.applications))
  return Buffer.from(record.kind === 'marked' ? JSON.stringify(record.mark) : record.guid)
}

function recordOf(body: Buffer): JournalRecord {
  const kind = kinds[body.readUInt8(0)] as (typeof kinds)[number]
  const counter = body.readDoubleLE(1)
  const content = body.subarray(RECORD_HEAD_BYTES)
  if (kind === 'marked') return { kind, counter, mark: JSON.parse(content.toString()) }
  if (kind === 'applications') return { kind, counter, applications: JSON.parse(content.toString()) }
  if (kind !== 'entry') return { kind, counter, guid: content.toString() }
  // Words want to begin at a multiple of four.
  const bytes = Buffer.from(new ArrayBuffer(content.length))
  bytes.set(content)
  return { kind, counter, entry: { words: new Int32Array(bytes.buffer), bytes } }
}
