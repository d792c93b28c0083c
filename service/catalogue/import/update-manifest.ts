/** Firefox's own update.json, read as lines of the interchange format: what a static update server is replaced from. */

import { readFile, stat } from 'node:fs/promises'
import { mozCompare } from 'addons-moz-compare'
import { MANIFEST_FILE_BYTES_MAX } from '../../limits.ts'
import { DEFAULT_MAX, DEFAULT_MIN } from '../merge.ts'
import { readLines } from './lines.ts'

export interface UpdateManifest {
  /** One add-on each, not yet checked. */
  readonly lines: readonly unknown[]
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
  const whole = parsed(await readFile(path, 'utf8'))
  return isObject(whole) && isManifest(whole) ? convert(whole) : undefined
}

type Json = Readonly<Record<string, unknown>>
type Manifest = Json & { readonly addons: Json }

function convert({ addons }: Manifest): UpdateManifest {
  const leftOut = new Map<string, number>()
  const leave = (what: string) => leftOut.set(what, (leftOut.get(what) ?? 0) + 1)
  const lines = Object.entries(addons).map(([guid, addon]) => {
    const updates = isObject(addon) && Array.isArray(addon.updates) ? addon.updates.filter(isObject) : []
    const versions: { version: unknown }[] = []
    for (const update of updates) {
      if (update.update_info_url !== undefined) leave('update_info_url')
      if (typeof update.update_link !== 'string') leave('entries without update_link')
      else if (update.applications !== undefined && geckoOf(update) === undefined)
        leave('entries for other applications')
      else versions.push(versionOf(update, leave))
    }
    // Firefox takes the highest number of a static file; here the newest row is served, so the highest must come last.
    versions.sort((one, other) => mozCompare(String(one.version), String(other.version)))
    return { guid, versions }
  })
  return { lines, leftOut }
}

function versionOf(update: Json, leave: (what: string) => void) {
  const gecko = geckoOf(update) ?? {}
  const { strict_min_version: min, strict_max_version: max, advisory_max_version: advisory } = gecko
  const known = typeof update.update_hash === 'string' && /^sha(?:256|512):/i.test(update.update_hash)
  if (update.update_hash !== undefined && !known) leave('update_hash of another kind than sha256 and sha512')
  return {
    version: update.version,
    compatibility: { firefox: { min: min ?? DEFAULT_MIN, max: max ?? advisory ?? DEFAULT_MAX } },
    file: {
      url: update.update_link,
      strict_compatibility: max !== undefined,
      ...(known && { hash: update.update_hash }),
      filename: filenameOf(update.update_link as string),
    },
  }
}

function geckoOf({ applications }: Json): Json | undefined {
  return isObject(applications) && isObject(applications.gecko) ? applications.gecko : undefined
}

/** Where the file is taken in, it keeps its name. */
function filenameOf(link: string): string | undefined {
  const name = URL.canParse(link) ? new URL(link).pathname.split('/').at(-1) : undefined
  return name?.endsWith('.xpi') ? decodeURIComponent(name.replaceAll(/%(?![0-9a-f]{2})/gi, '%25')) : undefined
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
