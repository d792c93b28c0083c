/**
 * Builds the sample catalogue, which `npm start` loads into an empty private server: `node build.js FOLDER` writes
 * FOLDER/catalogue.jsonl, in the interchange format, and beside it the packages it names.
 */

import { mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { addons, type SampleAddon, type SampleVersion } from './addons.ts'
import { guidOf, makePackage } from './package.ts'

const PACKAGES = 'packages'

/** Writes the sample into a folder, which is made where it isn't there. The same bytes each time. */
export function buildSample(folder: string): void {
  mkdirSync(join(folder, PACKAGES), { recursive: true })
  for (const addon of addons) {
    for (const version of addon.versions)
      writeFileSync(join(folder, pathOf(addon, version)), makePackage(addon, version))
  }
  const lines = addons.map((addon) => `${JSON.stringify(lineOf(addon))}\n`)
  writeFileSync(join(folder, 'catalogue.jsonl'), lines.join(''))
}

/** An add-on in the interchange format. Hashes, sizes, ranges and target locales come from the packages. */
function lineOf(addon: SampleAddon): unknown {
  const { slug, name, summary, description, homepage, categories, tags, created, versions } = addon
  return {
    guid: guidOf(addon),
    slug,
    type: addon.type ?? 'extension',
    disabled_by_user: addon.disabledByUser ?? false,
    name,
    summary,
    description,
    homepage,
    created,
    authors: addon.authors.map((author) => ({ name: author })),
    categories,
    tags,
    is_featured: addon.featured ?? false,
    average_daily_users: addon.users,
    weekly_downloads: addon.weeklyDownloads,
    ratings: addon.rating,
    versions: versions.map((version) => ({
      version: version.version,
      channel: version.channel ?? 'listed',
      created: version.created,
      release_notes: version.notes,
      file: { path: pathOf(addon, version) },
    })),
  }
}

/** Of a version's package, relative to the folder. */
function pathOf({ slug }: SampleAddon, { version }: SampleVersion): string {
  return `${PACKAGES}/${slug}-${version}.xpi`
}

const [, program, folder] = process.argv
if (program !== undefined && realpathSync(program) === import.meta.filename) {
  if (folder === undefined) {
    console.error('Usage: node build.js FOLDER')
    process.exit(2)
  }
  buildSample(folder)
}
