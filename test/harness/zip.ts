/** Zip files as no honest program writes them: each header can lie. */

import { crc32, deflateRawSync } from 'node:zlib'

export interface ZipEntry {
  readonly name: string
  readonly content?: string | Buffer
  /** 8: deflated. */
  readonly method?: number
  readonly flags?: number
  readonly crc?: number
  /** Of the central directory. */
  readonly attributes?: number
  readonly uncompressedSize?: number
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

/** `before`: bytes that stand before the first entry; `comment`: of the whole file. */
export function makeZip(
  entries: readonly ZipEntry[],
  { before = Buffer.alloc(0), comment = Buffer.alloc(0) } = {},
): Buffer {
  const pieces: Buffer[] = [before]
  const directory: Buffer[] = []
  let at = before.length
  for (const entry of entries) {
    const plain = Buffer.from(entry.content ?? '')
    const method = entry.method ?? 8
    const data = method === 8 ? deflateRawSync(plain) : plain
    const name = Buffer.from(entry.name)
    const sum = entry.crc ?? crc32(plain)
    const { local = {} } = entry
    const localName = Buffer.from(local.name ?? entry.name)
    const uncompressed = entry.uncompressedSize ?? plain.length

    const head = Buffer.alloc(30)
    head.writeUInt32LE(0x04034b50, 0)
    head.writeUInt16LE(20, 4)
    head.writeUInt16LE(local.flags ?? entry.flags ?? 0x800, 6)
    head.writeUInt16LE(local.method ?? method, 8)
    head.writeUInt32LE(local.crc ?? sum, 14)
    head.writeUInt32LE(data.length, 18)
    head.writeUInt32LE(local.size ?? uncompressed, 22)
    head.writeUInt16LE(localName.length, 26)
    pieces.push(head, localName, data)

    const central = Buffer.alloc(46)
    central.writeUInt32LE(0x02014b50, 0)
    central.writeUInt16LE(0x0314, 4)
    central.writeUInt16LE(20, 6)
    central.writeUInt16LE(entry.flags ?? 0x800, 8)
    central.writeUInt16LE(method, 10)
    central.writeUInt32LE(sum, 16)
    central.writeUInt32LE(data.length, 20)
    central.writeUInt32LE(uncompressed, 24)
    central.writeUInt16LE(name.length, 28)
    central.writeUInt32LE(entry.attributes ?? 0, 38)
    central.writeUInt32LE(entry.offset ?? at, 42)
    directory.push(central, name)
    at += head.length + localName.length + data.length
  }
  const size = directory.reduce((sum, piece) => sum + piece.length, 0)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(size, 12)
  end.writeUInt32LE(at, 16)
  end.writeUInt16LE(comment.length, 20)
  return Buffer.concat([...pieces, ...directory, end, comment])
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
