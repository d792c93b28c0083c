/** Packages: what an XPI says of itself, and whether it may be offered at all. How its zip is read: zip.ts. */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, constants, stat } from 'node:fs/promises'
import { type AddonType, parseGuid } from '../addon/index.ts'
import { reasonOf, VersioncheckError } from '../errors.ts'
import { PACKAGE_BYTES_MAX } from '../limits.ts'
import { DEFAULT_MAX, DEFAULT_MIN, type PackageFacts } from './merge.ts'
import { appVersionFault, localeFault, proseFault, versionFault } from './rules.ts'
import { readZip } from './zip.ts'

export interface Package extends PackageFacts {
  readonly guid: string
  readonly version: string
  readonly type: AddonType
  /** Null where it is one of the package's own translations. */
  readonly name: string | null
  /** Whether it bears Mozilla's signature; a release Firefox installs no other. Its presence is seen, it isn't verified. */
  readonly signed: boolean
}

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
  if (typeof version !== 'string') throw new Error('its manifest has no version')
  assertFaultless('version', versionFault(version))
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
  if (name !== null) assertFaultless('name', proseFault(name))
  return { guid, version, name, ranges, strict, ...typeOf(manifest) }
}

/** What goes into the catalogue keeps the rules of an import's lines, whichever way it comes. */
function assertFaultless(field: string, fault: string | undefined): void {
  if (fault !== undefined) throw new Error(`${field} in its manifest ${fault}`)
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
  if (typeof text !== 'string' || !/^[\w.*+-]+$/.test(text)) {
    throw new Error(`${name} in its manifest is not a version`)
  }
  assertFaultless(name, appVersionFault(text))
  if (name === 'strict_min_version' && text.split('.').includes('*')) {
    throw new Error('strict_min_version in its manifest has a *, which Firefox refuses')
  }
  return text
}

function typeOf(manifest: Json): { type: AddonType; targetLocale: string | null } {
  if (isObject(manifest.theme)) return { type: 'theme', targetLocale: null }
  if (typeof manifest.langpack_id === 'string') {
    assertFaultless('langpack_id', localeFault(manifest.langpack_id))
    return { type: 'langpack', targetLocale: manifest.langpack_id }
  }
  if (isObject(manifest.dictionaries)) {
    // Firefox takes any name for a dictionary; one that is no locale says nothing of which it is for.
    const locales = Object.keys(manifest.dictionaries).filter((name) => localeFault(name) === undefined)
    return { type: 'dictionary', targetLocale: locales[0] ?? null }
  }
  return { type: 'extension', targetLocale: null }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
