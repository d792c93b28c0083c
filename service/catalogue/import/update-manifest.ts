/** Firefox's own update.json, read as lines of the interchange format: what a static update server is replaced from. */

import { readFile, stat } from 'node:fs/promises'
import { mozCompare } from 'addons-moz-compare'
import { packAppVersion } from '../../addon/index.ts'
import { reasonOf } from '../../errors.ts'
import { MANIFEST_FILE_BYTES_MAX } from '../../limits.ts'
import { DEFAULT_MAX, DEFAULT_MIN } from '../merge.ts'
import { filenameFault } from '../rules.ts'
import { readLines } from './lines.ts'

export interface UpdateManifest {
  /** One add-on each, not yet checked; and what keeps it from being taken. */
  readonly lines: readonly { readonly value: unknown; readonly fault?: string }[]
  /** What had no place, and how often. */
  readonly leftOut: ReadonlyMap<string, number>
}

/** Undefined where the file is none: then it should be JSON Lines. */
export async function readUpdateManifest(path: string): Promise<UpdateManifest | undefined> {
  for await (const { text } of readLines(path)) {
    const first = parsed(text)
    if (isObject(first)) return isManifest(first) ? convert(first) : undefined
    break
  }
  if ((await stat(path)).size > MANIFEST_FILE_BYTES_MAX) return undefined
  // Whatever decodes it must take a byte order mark away: Firefox does.
  const whole = parsed(new TextDecoder().decode(await readFile(path)))
  return isObject(whole) && isManifest(whole) ? convert(whole) : undefined
}

type Json = Readonly<Record<string, unknown>>
type Manifest = Json & { readonly addons: Json }

function convert({ addons }: Manifest): UpdateManifest {
  const leftOut = new Map<string, number>()
  const leave = (what: string) => leftOut.set(what, (leftOut.get(what) ?? 0) + 1)
  const lines = Object.entries(addons).map(([guid, addon]) => {
    const updates = isObject(addon) && Array.isArray(addon.updates) ? addon.updates.filter(isObject) : []
    const entries: ManifestEntry[] = []
    for (const update of updates) {
      if (update.update_info_url !== undefined) leave('update_info_url')
      if (typeof update.update_link !== 'string') leave('entries without update_link')
      else if (update.applications !== undefined && geckoOf(update) === undefined)
        leave('entries for other applications')
      else entries.push(entryOf(update, leave))
    }
    try {
      // Firefox takes the highest number of a static file; here the newest row is served, so the highest must come last.
      const versions = joinNumbers(entries).sort((one, other) => mozCompare(String(one.version), String(other.version)))
      return { value: { guid, versions } }
    } catch (error) {
      return { value: { guid }, fault: reasonOf(error) }
    }
  })
  return { lines, leftOut }
}

/** A version of the interchange format, as far as an entry says it; nothing of it has been checked yet. */
interface ManifestEntry {
  readonly version: unknown
  readonly compatibility: { readonly firefox: { readonly min: unknown; readonly max: unknown } }
  readonly file: {
    readonly url: string
    readonly strict_compatibility: boolean
    readonly hash?: string
    readonly filename: string | undefined
  }
}

function entryOf(update: Json, leave: (what: string) => void): ManifestEntry {
  const gecko = geckoOf(update) ?? {}
  const { strict_min_version: min, strict_max_version: max, advisory_max_version: advisory } = gecko
  const { update_hash: hash, update_link: url } = update as { update_hash?: unknown; update_link: string }
  const known = typeof hash === 'string' && /^sha(?:256|512):/i.test(hash)
  if (hash !== undefined && !known) leave('update_hash of another kind than sha256 and sha512')
  return {
    version: update.version,
    compatibility: { firefox: { min: min ?? DEFAULT_MIN, max: max ?? advisory ?? DEFAULT_MAX } },
    file: { url, strict_compatibility: max !== undefined, ...(known && { hash }), filename: filenameOf(url) },
  }
}

/**
 * One entry a number: to Firefox each entry is a candidate of its own, a number that stands twice with two ranges included; here a
 * number is one version with one file and one range. Throws an Error where that would not be the same.
 */
function joinNumbers(entries: readonly ManifestEntry[]): ManifestEntry[] {
  const joined = new Map<unknown, ManifestEntry>()
  // By their minimums, so that what adjoins follows each other.
  for (const entry of entries.toSorted((one, other) => compare(minOf(one), minOf(other)))) {
    const before = joined.get(entry.version)
    joined.set(entry.version, before === undefined ? entry : join(before, entry))
  }
  return [...joined.values()]
}

/** `one` begins no later than `other`. */
function join(one: ManifestEntry, other: ManifestEntry): ManifestEntry {
  const [{ firefox }, { firefox: next }] = [one.compatibility, other.compatibility]
  const stands = `updates: version ${one.version} stands there more than once`
  if (!isSameFile(one.file, other.file)) throw new Error(`${stands}, with different files; here a version has one`)
  if (releaseOf(minOf(other)) > releaseOf(maxOf(one)) + 1n) {
    throw new Error(
      `${stands}, for ranges with a gap between them, ${firefox.min} to ${firefox.max} and ${next.min} to ${next.max}; here a version has one range`,
    )
  }
  const higher = maxOf(other) > maxOf(one) ? other : one
  return {
    version: one.version,
    compatibility: { firefox: { min: firefox.min, max: higher.compatibility.firefox.max } },
    file: { ...other.file, ...one.file, strict_compatibility: higher.file.strict_compatibility },
  }
}

/** By their hashes where both have one of a kind, else by their addresses. */
function isSameFile({ url, hash }: ManifestEntry['file'], other: ManifestEntry['file']): boolean {
  const [mine, its] = [hash?.toLowerCase(), other.hash?.toLowerCase()]
  const isComparable = mine !== undefined && mine.slice(0, 6) === its?.slice(0, 6)
  return isComparable ? mine === its : url === other.url
}

function minOf({ compatibility }: ManifestEntry): bigint {
  return packAppVersion(String(compatibility.firefox.min))
}

function maxOf({ compatibility }: ManifestEntry): bigint {
  return packAppVersion(String(compatibility.firefox.max))
}

/** Of a packed version the numbers without their letters: behind 114.* (114.99.99.99) comes 115.0. */
function releaseOf(packed: bigint): bigint {
  return packed / 1_000_000n
}

function compare(one: bigint, other: bigint): number {
  return one < other ? -1 : Number(one > other)
}

function geckoOf({ applications }: Json): Json | undefined {
  return isObject(applications) && isObject(applications.gecko) ? applications.gecko : undefined
}

/** Where the file is taken in, it keeps its name, unless that can't be one here. */
function filenameOf(link: string): string | undefined {
  const name = URL.canParse(link) ? new URL(link).pathname.split('/').at(-1) : undefined
  if (!name?.endsWith('.xpi')) return undefined
  try {
    const decoded = decodeURIComponent(name.replaceAll(/%(?![0-9a-f]{2})/gi, '%25'))
    return filenameFault(decoded) === undefined ? decoded : undefined
  } catch {
    return undefined // its bytes are no UTF-8
  }
}

function isManifest(value: Json): value is Manifest {
  return isObject(value.addons) && value.guid === undefined
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}
