/** Zip files as no honest program writes them: each header can lie. */

import { crc32, deflateRawSync } from 'node:zlib'

export interface ZipEntry {
  /** A Buffer where it is no UTF-8, or shall not be what its text is. */
  readonly name: string | Buffer
  readonly content?: string | Buffer
  /** 8: deflated. */
  readonly method?: number
  readonly flags?: number
  readonly crc?: number
  /** Of the central directory. */
  readonly attributes?: number
  readonly uncompressedSize?: number
  /** Checksum and sizes follow the data, as streams have it; in the local header they are 0. */
  readonly descriptor?: 'signed' | 'unsigned' | 'signed long' | 'unsigned long'
  /** Extra fields, of the directory and of the local header, and a comment. */
  readonly extra?: Buffer
  readonly localExtra?: Buffer
  readonly comment?: string
  /** What stands behind the end of the deflated data and counts as data; and behind the entry. */
  readonly padding?: Buffer
  readonly behind?: Buffer
  /** What the local header says instead. */
  readonly local?: {
    readonly name?: string
    readonly method?: number
    readonly flags?: number
    readonly crc?: number
    readonly size?: number
  }
  /** Where the central directory says the entry begins, instead of where it does. */
  readonly offset?: number
}

export interface ZipOptions {
  /** Bytes that stand before the first entry, and between the last one and the directory. */
  readonly before?: Buffer
  readonly between?: Buffer
  /** Of the whole file. */
  readonly comment?: Buffer
  /** What the record at the end says instead. */
  readonly end?: { readonly count?: number; readonly size?: number }
  /** What stands between the directory and the record. */
  readonly afterDirectory?: Buffer
}

const nothing = Buffer.alloc(0)

export function makeZip(
  entries: readonly ZipEntry[],
  { before = nothing, between = nothing, comment = nothing, end = {}, afterDirectory = nothing }: ZipOptions = {},
): Buffer {
  const pieces: Buffer[] = [before]
  const directory: Buffer[] = []
  let at = before.length
  for (const entry of entries) {
    const { local = {}, descriptor, extra = nothing, localExtra = nothing } = entry
    const plain = Buffer.from(entry.content ?? '')
    const method = entry.method ?? 8
    const data = Buffer.concat([method === 8 ? deflateRawSync(plain) : plain, entry.padding ?? nothing])
    const name = Buffer.from(entry.name)
    const entryComment = Buffer.from(entry.comment ?? '')
    const sum = entry.crc ?? crc32(plain)
    const localName = Buffer.from(local.name ?? entry.name)
    const uncompressed = entry.uncompressedSize ?? plain.length
    const flags = entry.flags ?? (descriptor === undefined ? 0x800 : 0x808)

    const head = Buffer.alloc(30)
    head.writeUInt32LE(0x04034b50, 0)
    head.writeUInt16LE(20, 4)
    head.writeUInt16LE(local.flags ?? flags, 6)
    head.writeUInt16LE(local.method ?? method, 8)
    if (descriptor === undefined) {
      head.writeUInt32LE(local.crc ?? sum, 14)
      head.writeUInt32LE(data.length, 18)
      head.writeUInt32LE(local.size ?? uncompressed, 22)
    }
    head.writeUInt16LE(localName.length, 26)
    head.writeUInt16LE(localExtra.length, 28)
    const whole = Buffer.concat([
      head,
      localName,
      localExtra,
      data,
      descriptorOf(descriptor, sum, [data.length, uncompressed]),
      entry.behind ?? nothing,
    ])
    pieces.push(whole)

    const central = Buffer.alloc(46)
    central.writeUInt32LE(0x02014b50, 0)
    central.writeUInt16LE(0x0314, 4)
    central.writeUInt16LE(20, 6)
    central.writeUInt16LE(flags, 8)
    central.writeUInt16LE(method, 10)
    central.writeUInt32LE(sum, 16)
    central.writeUInt32LE(data.length, 20)
    central.writeUInt32LE(uncompressed, 24)
    central.writeUInt16LE(name.length, 28)
    central.writeUInt16LE(extra.length, 30)
    central.writeUInt16LE(entryComment.length, 32)
    central.writeUInt32LE(entry.attributes ?? 0, 38)
    central.writeUInt32LE(entry.offset ?? at, 42)
    directory.push(central, name, extra, entryComment)
    at += whole.length
  }
  const size = directory.reduce((sum, piece) => sum + piece.length, 0)
  const record = Buffer.alloc(22)
  record.writeUInt32LE(0x06054b50, 0)
  record.writeUInt16LE(end.count ?? entries.length, 8)
  record.writeUInt16LE(end.count ?? entries.length, 10)
  record.writeUInt32LE(end.size ?? size, 12)
  record.writeUInt32LE(at + between.length, 16)
  record.writeUInt16LE(comment.length, 20)
  return Buffer.concat([...pieces, between, ...directory, afterDirectory, record, comment])
}

function descriptorOf(kind: ZipEntry['descriptor'], sum: number, sizes: readonly number[]): Buffer {
  if (kind === undefined) return nothing
  const bytes = Buffer.alloc(24)
  let at = kind.startsWith('signed') ? bytes.writeUInt32LE(0x08074b50, 0) : 0
  at = bytes.writeUInt32LE(sum, at)
  for (const size of sizes) {
    at = kind.endsWith('long') ? bytes.writeBigUInt64LE(BigInt(size), at) : bytes.writeUInt32LE(size, at)
  }
  return bytes.subarray(0, at)
}

/** One extra field. */
export function extraField(kind: number, content: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt16LE(kind, 0)
  head.writeUInt16LE(content.length, 2)
  return Buffer.concat([head, content])
}

/** The manifest of a small extension. */
export function manifest(fields: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    manifest_version: 2,
    name: 'Alpha',
    version: '1.0',
    browser_specific_settings: { gecko: { id: 'alpha@example.test' } },
    ...fields,
  })
}
