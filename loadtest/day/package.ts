/** A package to download: an extension as `catalog version add` takes it, of which nearly all is one file of random bytes. */

import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

export interface PackageOptions {
  readonly guid: string
  readonly version: string
  /** Of the random file. */
  readonly bytes: number
}

/** A ZIP file with its entries stored as they are. */
export function makePackage({ guid, version, bytes }: PackageOptions): Buffer {
  const manifest = {
    manifest_version: 2,
    name: 'A download',
    version,
    browser_specific_settings: { gecko: { id: guid, strict_min_version: '57.0' } },
  }
  const pieces: Buffer[] = []
  const directory: Buffer[] = []
  let at = 0
  for (const [name, content] of [
    ['manifest.json', Buffer.from(JSON.stringify(manifest))],
    ['data.bin', randomBytes(bytes)],
  ] as const) {
    const head = fieldsOf(name, content)
    const local = Buffer.concat([uint32(0x04034b50), head, Buffer.from(name)])
    directory.push(uint32(0x02014b50), Buffer.from([20, 3]), head, Buffer.alloc(10), uint32(at), Buffer.from(name))
    pieces.push(local, content)
    at += local.length + content.length
  }
  const size = directory.reduce((sum, piece) => sum + piece.length, 0)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(2, 8)
  end.writeUInt16LE(2, 10)
  end.writeUInt32LE(size, 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...pieces, ...directory, end])
}

/** What both headers of an entry have in common: version 2.0, stored, no time, checksum and sizes. */
function fieldsOf(name: string, content: Buffer): Buffer {
  const fields = Buffer.alloc(26)
  fields.writeUInt16LE(20, 0)
  fields.writeUInt32LE(crc32(content), 10)
  fields.writeUInt32LE(content.length, 14)
  fields.writeUInt32LE(content.length, 18)
  fields.writeUInt16LE(name.length, 22)
  return fields
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
