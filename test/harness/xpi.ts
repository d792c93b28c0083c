/** Packages for tests: the smallest extension that Firefox installs. */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { strToU8, zipSync } from 'fflate'

export interface XpiOptions {
  readonly id: string
  readonly version: string
  /** Of Firefox; absent: the manifest doesn't say. */
  readonly min?: string
  readonly max?: string
  /** Present: it is for Firefox for Android too. */
  readonly android?: { readonly min?: string; readonly max?: string }
  readonly updateUrl?: string
  readonly name?: string
  /** Bytes beside what it needs, stored as they are. */
  readonly padding?: number
}

/** Zip entries bear a time; with a fixed one the same package has the same bytes. */
const MADE_AT = new Date('2026-01-01T00:00:00')

/** Writes an XPI into the folder and returns its path. */
export async function makeXpi(folder: string, options: XpiOptions): Promise<string> {
  const { id, version, min, max, android, updateUrl, name = 'A test add-on', padding = 0 } = options
  const gecko = { id, ...range({ min, max }), ...(updateUrl !== undefined && { update_url: updateUrl }) }
  const manifest = {
    manifest_version: 2,
    name,
    version,
    browser_specific_settings: { gecko, ...(android && { gecko_android: range(android) }) },
    background: { scripts: ['background.js'] },
  }
  const files = {
    'manifest.json': strToU8(JSON.stringify(manifest, null, 2)),
    'background.js': strToU8('// There is nothing to do.\n'),
    ...(padding > 0 && { padding: [new Uint8Array(padding), { level: 0 }] as [Uint8Array, { level: 0 }] }),
  }
  const path = join(folder, `${id.replaceAll(/[^\w.@-]/g, '_')}-${version}.xpi`)
  await writeFile(path, zipSync(files, { mtime: MADE_AT }))
  return path
}

function range({ min, max }: { min?: string | undefined; max?: string | undefined }): Record<string, string> {
  return {
    ...(min !== undefined && { strict_min_version: min }),
    ...(max !== undefined && { strict_max_version: max }),
  }
}
