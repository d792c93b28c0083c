/**
 * Packages: what an XPI says of itself, and whether it may be offered at all. A zip can be read in more than one way; one that two
 * readers could understand differently (doubled or overlapping entries, headers that disagree) is refused, since what was looked
 * at here would not be what Firefox installs.
 */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, constants, open, stat } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { type Entry, fromFdPromise, type LocalFileHeader, type ZipFile } from 'yauzl'
import { type AddonType, parseGuid } from '../addon/index.ts'
import { reasonOf, VersioncheckError } from '../errors.ts'
import {
  APP_VERSION_LENGTH_MAX,
  MANIFEST_BYTES_MAX,
  PACKAGE_BYTES_MAX,
  PACKAGE_ENTRIES_MAX,
  PACKAGE_UNPACKED_BYTES_MAX,
  VERSION_LENGTH_MAX,
} from '../limits.ts'
import { DEFAULT_MAX, DEFAULT_MIN, type PackageFacts } from './merge.ts'

export interface Package extends PackageFacts {
  readonly guid: string
  readonly version: string
  readonly type: AddonType
  /** Null where it is one of the package's own translations. */
  readonly name: string | null
  /** Whether it bears Mozilla's signature; a release Firefox installs no other. Its presence is seen, it isn't verified. */
  readonly signed: boolean
}

const MANIFESTS = ['manifest.json', 'install.rdf']
const SIGNATURES = ['META-INF/mozilla.rsa', 'META-INF/cose.sig']
const STORED = 0
const DEFLATED = 8
const ENCRYPTED = 1
const SIZES_FOLLOW = 8
const ZIP64 = 0xffffffff
const SYMLINK = 0o120000
const FILE_TYPE = 0o170000

/** Reads and judges a package; throws `package_refused`, or `input_unreadable` where there is none. */
export async function readPackage(path: string): Promise<Package> {
  const size = await sizeOf(path)
  try {
    if (size > PACKAGE_BYTES_MAX) throw new Error(`it has ${size} bytes, more than ${PACKAGE_BYTES_MAX}`)
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(path)) hash.update(chunk)
    const { manifest, signed } = await readZip(path)
    return { ...readManifest(manifest), signed, size, digest: hash.digest('hex') }
  } catch (cause) {
    throw new VersioncheckError('package_refused', `${path} is refused: ${reasonOf(cause)}.`, { cause })
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    await access(path, constants.R_OK)
    const stats = await stat(path)
    if (!stats.isFile()) throw new Error('it is no file')
    return stats.size
  } catch (cause) {
    throw new VersioncheckError('input_unreadable', `${path} can't be read: ${reasonOf(cause)}.`, { cause })
  }
}

async function readZip(path: string): Promise<{ manifest: Buffer; signed: boolean }> {
  const file = await open(path)
  try {
    const zip = await fromFdPromise(file.fd, { autoClose: false, strictFileNames: true })
    if (zip.entryCount > PACKAGE_ENTRIES_MAX)
      throw new Error(`it has ${zip.entryCount} entries, more than ${PACKAGE_ENTRIES_MAX}`)
    const seen = new Set<string>()
    const places: { start: number; end: number }[] = []
    let manifest: Buffer | undefined
    let manifests = 0
    let unpacked = 0
    let signed = false
    for await (const entry of zip.eachEntry()) {
      const name = entry.fileName
      if (seen.has(name)) throw new Error(`it has two entries "${name}"`)
      seen.add(name)
      if (MANIFESTS.includes(name.toLowerCase()) && ++manifests > 1) throw new Error('it has two manifests')
      if (SIGNATURES.includes(name)) signed = true
      unpacked += entry.uncompressedSize
      if (unpacked > PACKAGE_UNPACKED_BYTES_MAX)
        throw new Error(`it unpacks to more than ${PACKAGE_UNPACKED_BYTES_MAX} bytes`)
      if (name === 'manifest.json' && entry.uncompressedSize > MANIFEST_BYTES_MAX)
        throw new Error('its manifest.json is too large')
      places.push(await placeOf(zip, entry))
      const content = await readEntry(zip, entry, { keep: name === 'manifest.json' })
      if (name === 'manifest.json') manifest = content
    }
    assertApart(places)
    if (manifest === undefined) throw new Error('it has no manifest.json')
    return { manifest, signed }
  } finally {
    await file.close()
  }
}

/** Where an entry lies, from its local header to the end of its data. Throws when the two headers tell different things. */
async function placeOf(zip: ZipFile, entry: Entry): Promise<{ start: number; end: number }> {
  const name = entry.fileName
  const local: LocalFileHeader = await zip.readLocalFileHeaderPromise(entry)
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
    throw new Error(`the two headers of its entry "${name}" disagree`)
  }
  if ((entry.generalPurposeBitFlag & ENCRYPTED) !== 0) throw new Error(`its entry "${name}" is encrypted`)
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED) {
    throw new Error(`its entry "${name}" is compressed in a way that Firefox doesn't know`)
  }
  if (((entry.externalFileAttributes >>> 16) & FILE_TYPE) === SYMLINK)
    throw new Error(`its entry "${name}" is a symbolic link`)
  return { start: entry.relativeOffsetOfLocalHeader, end: local.fileDataStart + entry.compressedSize }
}

/** Reads an entry to its end and checks its sum; returns its bytes where they are wanted. */
async function readEntry(zip: ZipFile, entry: Entry, { keep }: { keep: boolean }): Promise<Buffer | undefined> {
  if (entry.fileName.endsWith('/')) {
    if (entry.uncompressedSize > 0) throw new Error(`its folder "${entry.fileName}" has content`)
    return undefined
  }
  const chunks: Buffer[] = []
  let sum = 0
  for await (const chunk of await zip.openReadStreamPromise(entry)) {
    sum = crc32(chunk as Buffer, sum)
    if (keep) chunks.push(chunk as Buffer)
  }
  if (sum !== entry.crc32) throw new Error(`the checksum of its entry "${entry.fileName}" is wrong`)
  return keep ? Buffer.concat(chunks) : undefined
}

/** Entries must not share bytes, and nothing may stand before the first. */
function assertApart(places: { start: number; end: number }[]): void {
  places.sort((one, other) => one.start - other.start)
  if (places[0] !== undefined && places[0].start !== 0) throw new Error('something stands before its first entry')
  for (const [index, { start }] of places.entries()) {
    if (index > 0 && start < (places[index - 1] as { end: number }).end) throw new Error('two of its entries overlap')
  }
}

type Json = Readonly<Record<string, unknown>>

/** What the manifest says, as Firefox understands it (`Extension.sys.mjs`, `XPIInstall.sys.mjs`). */
function readManifest(bytes: Buffer): Omit<Package, 'signed' | 'size' | 'digest'> {
  const manifest = parseManifest(bytes)
  const { browser_specific_settings: specific } = manifest
  const settings =
    isObject(specific) && isObject(specific.gecko)
      ? specific
      : manifest.manifest_version === 2
        ? manifest.applications
        : specific
  const gecko = isObject(settings) && isObject(settings.gecko) ? settings.gecko : {}
  const android = isObject(specific) && isObject(specific.gecko_android) ? specific.gecko_android : undefined

  const guid = typeof gecko.id === 'string' ? parseGuid(gecko.id) : undefined
  if (guid === undefined) throw new Error('its manifest names no add-on id: browser_specific_settings.gecko.id')
  const { version } = manifest
  if (typeof version !== 'string' || version.trim() === '' || version.length > VERSION_LENGTH_MAX) {
    throw new Error('its manifest has no version')
  }
  const min = bound(gecko, 'strict_min_version')
  const max = bound(gecko, 'strict_max_version')
  const ranges: Record<string, { min: string; max: string }> = {
    firefox: { min: min ?? DEFAULT_MIN, max: max ?? DEFAULT_MAX },
  }
  let strict = max !== undefined
  if (android !== undefined) {
    // Firefox for Android takes what gecko_android doesn't say from gecko.
    const androidMax = bound(android, 'strict_max_version') ?? max
    ranges.android = { min: bound(android, 'strict_min_version') ?? min ?? DEFAULT_MIN, max: androidMax ?? DEFAULT_MAX }
    strict ||= androidMax !== undefined
  }
  const name = typeof manifest.name === 'string' && !manifest.name.startsWith('__MSG_') ? manifest.name : null
  return { guid, version, name, ranges, strict, ...typeOf(manifest) }
}

function parseManifest(bytes: Buffer): Json {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Error('its manifest.json is not UTF-8')
  }
  let manifest: unknown
  try {
    // Firefox lets `//` comments stand in a manifest, outside of strings.
    manifest = JSON.parse(
      text.replaceAll(/("(?:[^"\\\n]|\\.)*")|\/\/.*/g, (_, string: string | undefined) => string ?? ''),
    )
  } catch (error) {
    throw new Error(`its manifest.json is not JSON: ${reasonOf(error)}`)
  }
  if (!isObject(manifest)) throw new Error('its manifest.json is no object')
  return manifest
}

function bound(settings: Json, name: 'strict_min_version' | 'strict_max_version'): string | undefined {
  const text = settings[name]
  if (text === undefined || text === '') return undefined
  if (typeof text !== 'string' || text.length > APP_VERSION_LENGTH_MAX || !/^[\w.*+-]+$/.test(text)) {
    throw new Error(`${name} in its manifest is not a version`)
  }
  if (name === 'strict_min_version' && text.split('.').includes('*')) {
    throw new Error('strict_min_version in its manifest has a *, which Firefox refuses')
  }
  return text
}

function typeOf(manifest: Json): { type: AddonType; targetLocale: string | null } {
  if (isObject(manifest.theme)) return { type: 'theme', targetLocale: null }
  if (typeof manifest.langpack_id === 'string') return { type: 'langpack', targetLocale: manifest.langpack_id }
  if (isObject(manifest.dictionaries)) {
    return { type: 'dictionary', targetLocale: Object.keys(manifest.dictionaries)[0] ?? null }
  }
  return { type: 'extension', targetLocale: null }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
