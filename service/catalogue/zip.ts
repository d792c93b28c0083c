/**
 * The zip of a package, read so that nobody can read it otherwise. Firefox finds the directory by the record at the end of the
 * file, takes entries for as long as there are some, whatever their count says, and compares names byte for byte; others go by
 * counts and sizes, follow extra fields, decode names, or read from the front. Where two of them could see different files, what was
 * looked at here would not be what Firefox installs: so every byte must belong to one entry, to the directory or to the record at
 * the end, and all that is said twice must agree.
 */

import { type FileHandle, open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { crc32, createInflateRaw } from 'node:zlib'
import { type Entry, fromFdPromise, type ZipFile } from 'yauzl'
import { MANIFEST_BYTES_MAX, PACKAGE_ENTRIES_MAX, PACKAGE_UNPACKED_BYTES_MAX } from '../limits.ts'

/** What is wanted of a package's zip. */
export interface PackageZip {
  /** The bytes of manifest.json. */
  readonly manifest: Buffer
  /** Whether it bears Mozilla's signature; that isn't verified. */
  readonly signed: boolean
}

const MANIFEST = 'manifest.json'
const MANIFESTS = [MANIFEST, 'install.rdf']
const SIGNATURES = ['META-INF/mozilla.rsa', 'META-INF/cose.sig']

const STORED = 0
const DEFLATED = 8
const ENCRYPTED = 1
const SIZES_FOLLOW = 8
const ZIP64 = 0xffffffff
const SYMLINK = 0o120000
const FILE_TYPE = 0o170000
const SLASH = 0x2f

const DIRECTORY_ENTRY_BYTES = 46
const END_BYTES = 22
const ZIP64_LOCATOR = 0x07064b50
const ZIP64_LOCATOR_BYTES = 20
const DESCRIPTOR = 0x08074b50

/** Extra fields that give an entry another size or place, or another name, to those who know them. Firefox knows none. */
const ZIP64_FIELD = 0x0001
const UNICODE_PATH_FIELD = 0x7075

/** Reads a package's zip to its end; throws an Error with a clause that says what is wrong with it. */
export async function readZip(path: string): Promise<PackageZip> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    // Names stay bytes: what they are decoded to depends on the reader.
    const zip = await fromFdPromise(file.fd, { autoClose: false, decodeStrings: false })
    if (zip.entryCount > PACKAGE_ENTRIES_MAX)
      throw new Error(`it has ${zip.entryCount} entries, more than ${PACKAGE_ENTRIES_MAX}`)
    const end = await readEnd(file, zip, size)
    const names = new Names()
    const places: Place[] = []
    let manifest: Buffer | undefined
    let unpacked = 0
    let directoryBytes = 0
    for await (const entry of zip.eachEntry()) {
      const name = names.add(entry.fileNameRaw)
      directoryBytes += DIRECTORY_ENTRY_BYTES + entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength
      unpacked += entry.uncompressedSize
      if (unpacked > PACKAGE_UNPACKED_BYTES_MAX)
        throw new Error(`it unpacks to more than ${PACKAGE_UNPACKED_BYTES_MAX} bytes`)
      if (name === MANIFEST && entry.uncompressedSize > MANIFEST_BYTES_MAX)
        throw new Error('its manifest.json is too large')
      const place = await placeOf(zip, entry)
      places.push(place)
      const content = await readEntry(zip, place, { keep: name === MANIFEST })
      if (name === MANIFEST) manifest = content
    }
    if (end.directoryStart + directoryBytes !== end.at || end.directoryBytes !== directoryBytes)
      throw new Error('the record at its end counts other entries than there are')
    await assertSeamless(file, places, end.directoryStart)
    names.assertTree()
    if (manifest === undefined) throw new Error('it has no manifest.json')
    return { manifest, signed: SIGNATURES.some((name) => names.has(name)) }
  } finally {
    await file.close()
  }
}

interface End {
  readonly at: number
  readonly directoryStart: number
  readonly directoryBytes: number
}

/** The record at the end, as it stands: yauzl prefers what a zip64 record says, which Firefox doesn't read. */
async function readEnd(file: FileHandle, zip: ZipFile, size: number): Promise<End> {
  const at = size - END_BYTES - zip.comment.length
  const record = await readBytes(file, at, END_BYTES)
  const locator = await readBytes(file, Math.max(0, at - ZIP64_LOCATOR_BYTES), Math.min(at, 4))
  if (locator.length === 4 && locator.readUInt32LE(0) === ZIP64_LOCATOR)
    throw new Error('it is a zip64, which Firefox does not read')
  if (record.readUInt16LE(8) !== zip.entryCount || record.readUInt16LE(10) !== zip.entryCount)
    throw new Error('the record at its end counts other entries than there are')
  return { at, directoryBytes: record.readUInt32LE(12), directoryStart: record.readUInt32LE(16) }
}

/** The names of a zip, each a character a byte: whether they are marked as UTF-8 makes no difference to Firefox. */
class Names {
  /** Without the slash that ends a folder's; whether it is one. */
  private readonly isFolder = new Map<string, boolean>()
  private manifests = 0

  has(name: string): boolean {
    return this.isFolder.has(name)
  }

  /** Takes a name in and returns it; throws where it may not stand, or stands already. */
  add(bytes: Buffer): string {
    const name = bytes.toString('latin1')
    const shown = JSON.stringify(bytes.toString())
    if (name === '') throw new Error('it has an entry without a name')
    if (name.includes('\0') || name.includes('\\')) throw new Error(`its entry ${shown} has a NUL or a backslash`)
    if (name.startsWith('/') || /^[a-z]:/i.test(name)) throw new Error(`its entry ${shown} has an absolute name`)
    const isFolder = name.endsWith('/')
    const plain = isFolder ? name.slice(0, -1) : name
    if (plain.split('/').some((part) => part === '' || part === '.' || part === '..'))
      throw new Error(`its entry ${shown} has a name that leads elsewhere`)
    if (this.isFolder.has(plain)) throw new Error(`it has two entries ${shown}`)
    this.isFolder.set(plain, isFolder)
    if (MANIFESTS.includes(plain.toLowerCase()) && ++this.manifests > 1) throw new Error('it has two manifests')
    return name
  }

  /** Throws where a file has entries below it. */
  assertTree(): void {
    // With NUL, the lowest character, in place of slashes, what is below a file comes right behind it.
    const sorted = [...this.isFolder.keys()].map((name) => name.replaceAll('/', '\0')).sort()
    for (const [index, name] of sorted.entries()) {
      if (!sorted[index + 1]?.startsWith(`${name}\0`)) continue
      const plain = name.replaceAll('\0', '/')
      if (!this.isFolder.get(plain)) throw new Error(`its entry ${JSON.stringify(plain)} is a file and a folder`)
    }
  }
}

/** Where an entry lies, from its local header to the end of its data; what follows the data may say its sizes once more. */
interface Place {
  readonly name: string
  readonly start: number
  readonly dataStart: number
  readonly end: number
  readonly hasDescriptor: boolean
  readonly entry: Entry
}

/** Throws when the two headers of an entry tell different things, or things that Firefox doesn't know. */
async function placeOf(zip: ZipFile, entry: Entry): Promise<Place> {
  const name = JSON.stringify(entry.fileNameRaw.toString())
  const local = await zip.readLocalFileHeaderPromise(entry)
  const later = (entry.generalPurposeBitFlag & SIZES_FOLLOW) !== 0
  const agrees = (here: number, there: number) => here === there || (later && here === 0) || here === ZIP64
  if (
    !local.fileName.equals(entry.fileNameRaw) ||
    local.compressionMethod !== entry.compressionMethod ||
    local.generalPurposeBitFlag !== entry.generalPurposeBitFlag ||
    !agrees(local.compressedSize, entry.compressedSize) ||
    !agrees(local.uncompressedSize, entry.uncompressedSize) ||
    !(local.crc32 === entry.crc32 || (later && local.crc32 === 0))
  ) {
    throw new Error(`the two headers of its entry ${name} disagree`)
  }
  if (hasField(entry.extraFieldRaw, ZIP64_FIELD)) throw new Error(`its entry ${name} is a zip64's`)
  if (hasField(entry.extraFieldRaw, UNICODE_PATH_FIELD) || hasField(local.extraField, UNICODE_PATH_FIELD))
    throw new Error(`its entry ${name} has another name in an extra field`)
  if ((entry.generalPurposeBitFlag & ENCRYPTED) !== 0) throw new Error(`its entry ${name} is encrypted`)
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED) {
    throw new Error(`its entry ${name} is compressed in a way that Firefox doesn't know`)
  }
  if (((entry.externalFileAttributes >>> 16) & FILE_TYPE) === SYMLINK)
    throw new Error(`its entry ${name} is a symbolic link`)
  const dataStart = local.fileDataStart
  return {
    name,
    start: entry.relativeOffsetOfLocalHeader,
    dataStart,
    end: dataStart + entry.compressedSize,
    hasDescriptor: later,
    entry,
  }
}

/** Whether an extra field of this kind is among those of an entry. Those of local headers may end in bytes that only fill up. */
function hasField(fields: Buffer, kind: number): boolean {
  for (let at = 0; at + 4 <= fields.length; at += 4 + fields.readUInt16LE(at + 2)) {
    if (fields.readUInt16LE(at) === kind) return true
  }
  return false
}

/** Reads an entry to its end and checks size and sum; returns its bytes where they are wanted. */
async function readEntry(zip: ZipFile, place: Place, { keep }: { keep: boolean }): Promise<Buffer | undefined> {
  const { name, entry, dataStart, end } = place
  const { uncompressedSize } = entry
  if (entry.fileNameRaw.at(-1) === SLASH && uncompressedSize > 0) throw new Error(`its folder ${name} has content`)
  const chunks: Buffer[] = []
  let sum = 0
  let length = 0
  const take = async (source: AsyncIterable<Buffer>) => {
    for await (const chunk of source) {
      length += chunk.length
      if (length > uncompressedSize) throw new Error(`its entry ${name} is longer than its headers say`)
      sum = crc32(chunk, sum)
      if (keep) chunks.push(chunk)
    }
  }
  const stored = await zip.openReadStreamPromise(entry, { decodeFileData: false })
  if (entry.compressionMethod === STORED || end === dataStart) await pipeline(stored, take)
  else {
    const inflate = createInflateRaw()
    await pipeline(stored, inflate, take)
    // What it took in; behind the end of the data it takes nothing.
    if (inflate.bytesWritten !== end - dataStart) throw new Error(`its entry ${name} has something behind its data`)
  }
  if (length !== uncompressedSize) throw new Error(`its entry ${name} is shorter than its headers say`)
  if (sum !== entry.crc32) throw new Error(`the checksum of its entry ${name} is wrong`)
  return keep ? Buffer.concat(chunks) : undefined
}

/** From the first byte to the directory, entries must follow each other without a gap. */
async function assertSeamless(file: FileHandle, places: Place[], directoryStart: number): Promise<void> {
  places.sort((one, other) => one.start - other.start)
  if ((places[0]?.start ?? directoryStart) !== 0) throw new Error('something stands before its first entry')
  for (const [index, place] of places.entries()) {
    const next = places[index + 1]?.start ?? directoryStart
    if (next < place.end) throw new Error('two of its entries overlap')
    const between = next - place.end
    if (place.hasDescriptor ? !(await isDescriptor(file, place, between)) : between > 0)
      throw new Error(`something stands behind its entry ${place.name}`)
  }
}

/** Whether these bytes behind an entry are its checksum and sizes, with or without a signature, in 4 or 8 bytes a size. */
async function isDescriptor(file: FileHandle, { end, entry }: Place, length: number): Promise<boolean> {
  const isLong = length === 20 || length === 24
  const isSigned = length === 16 || length === 24
  if (!isLong && !isSigned && length !== 12) return false
  const expected = Buffer.alloc(length)
  let at = isSigned ? expected.writeUInt32LE(DESCRIPTOR, 0) : 0
  at = expected.writeUInt32LE(entry.crc32, at)
  for (const size of [entry.compressedSize, entry.uncompressedSize]) {
    at = isLong ? expected.writeBigUInt64LE(BigInt(size), at) : expected.writeUInt32LE(size, at)
  }
  return expected.equals(await readBytes(file, end, length))
}

async function readBytes(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at)
  return buffer.subarray(0, bytesRead)
}
