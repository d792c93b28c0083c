/** Export: every add-on as a line of the interchange format, on one unchanging view of the catalogue. */

import type { Primary, Statements } from '../database/index.ts'
import { BATCH_ADDONS } from '../limits.ts'
import { loadAddons, type StoredAddon, type Translations, type VersionState } from './state.ts'

export interface ExportOptions {
  readonly primary: Primary
  /** The path that a package of this digest gets, relative to the exported file; undefined: packages are left out. */
  readonly pathOf?: (digest: string) => string
  /** Takes one line, without its end; resolves when it can take more. */
  readonly write: (line: string) => Promise<void>
}

/** Returns the number of add-ons. */
export async function exportCatalogue({ primary, pathOf, write }: ExportOptions): Promise<number> {
  return await primary.snapshot(async (statements) => {
    let count = 0
    for await (const addons of allAddons(statements)) {
      for (const addon of addons) {
        await write(JSON.stringify(lineOf(addon, pathOf)))
        count++
      }
    }
    return count
  })
}

/** Add-ons by rising id, some hundred at a time. */
export async function* allAddons(statements: Statements): AsyncGenerator<StoredAddon[]> {
  for (let after = 0; ; ) {
    const rows = await statements.rows('SELECT id FROM addons WHERE id > ? ORDER BY id LIMIT ?', [after, BATCH_ADDONS])
    const ids = rows.map(({ id }) => id as number)
    if (ids.length === 0) return
    yield await loadAddons(statements, ids)
    after = ids.at(-1) as number
  }
}

/** An add-on as a line; what is empty is left out. */
export function lineOf(addon: StoredAddon, pathOf?: (digest: string) => string): Record<string, unknown> {
  const { id, rating_average, rating_count, versions, created, homepage, authors, ...fields } = addon
  return withoutEmpty({
    id,
    ...fields,
    created: isoTime(created),
    homepage: homepageOf(homepage, addon.default_locale),
    authors,
    ratings: withoutEmpty({ average: rating_average, count: rating_count }),
    versions: versions.map((version) => versionLine(version, pathOf)),
  })
}

function versionLine(
  { id, file, compatibility, created, ...fields }: VersionState,
  pathOf?: (digest: string) => string,
) {
  const { package: digest, ...fileFields } = file
  const path = digest === null ? undefined : pathOf?.(digest)
  return withoutEmpty({
    id,
    ...fields,
    created: isoTime(created),
    compatibility,
    file: withoutEmpty({ ...fileFields, path: path ?? null }),
  })
}

/** The format's own example has it as plain text. */
function homepageOf(homepage: Translations | null, locale: string): Translations | string | null {
  const only = homepage?.[locale]
  return only !== undefined && Object.keys(homepage ?? {}).length === 1 ? only : homepage
}

function withoutEmpty(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined))
}

function isoTime(time: string): string {
  return `${time.replace(' ', 'T')}Z`
}
