/** Writes the difference between two states of add-ons, many at once, within the writer's transaction. */

import { packAppVersion } from '../addon/index.ts'
import type { Statements, Value } from '../database/index.ts'
import {
  type AddonState,
  type Author,
  addonFields,
  detailFields,
  type FileState,
  fileFields,
  type StoredAddon,
  type VersionState,
  versionFields,
} from './state.ts'

/** One add-on: as it is, undefined where it is new, and as it shall be. */
export interface Transition {
  readonly before: StoredAddon | undefined
  readonly after: AddonState
}

/** With the id of the add-on, which a new one has been given by now. */
type Identified = Transition & { readonly id: number }

/** What a transition did. */
export interface Saved {
  readonly id: number
  readonly transition: Transition
  /** Field by field: what it was and what it is; for the audit. */
  readonly differences: Readonly<Record<string, unknown>>
}

/**
 * Values of ids that rows without one must stay above: the highest that a whole import gives. Else a row without an id could take
 * one that a later line asks for.
 */
export interface IdFloors {
  readonly addons: number
  readonly versions: number
  readonly files: number
}

const NO_FLOORS: IdFloors = { addons: 0, versions: 0, files: 0 }

/** Writes what differs; transitions that change nothing are left out of the result and write nothing. */
export async function saveAddons(
  statements: Statements,
  transitions: readonly Transition[],
  applications: ReadonlyMap<string, number>,
  floors: IdFloors = NO_FLOORS,
): Promise<Saved[]> {
  const changed = transitions
    .map((transition) => ({ transition, differences: differencesOf(transition) }))
    .filter(({ differences }) => Object.keys(differences).length > 0)
  if (changed.length === 0) return []
  const writer = new Writer(statements, applications, floors)
  const ids = await writer.addons(changed.map(({ transition }) => transition))
  const identified = changed.map(({ transition }, index) => ({ ...transition, id: ids[index] as number }))
  // One after the other: a statement behind one that ended the transaction, as a deadlock does, would be committed by itself.
  await writer.details(identified)
  await writer.authors(identified)
  await writer.categories(identified)
  await writer.tags(identified)
  await writer.versions(identified)
  return changed.map(({ transition, differences }, index) => ({ id: ids[index] as number, transition, differences }))
}

class Writer {
  private readonly statements: Statements
  private readonly applications: ReadonlyMap<string, number>
  private readonly floors: IdFloors

  constructor(statements: Statements, applications: ReadonlyMap<string, number>, floors: IdFloors) {
    this.statements = statements
    this.applications = applications
    this.floors = floors
  }

  /** The rows of the add-ons themselves. Returns their ids, in order. */
  async addons(transitions: readonly Transition[]): Promise<number[]> {
    const created = transitions.filter(({ before }) => before === undefined).map(({ after }) => after)
    const newIds = await this.insert('addons', addonFields, created)
    let next = 0
    const ids = transitions.map(({ before }) => before?.id ?? (newIds[next++] as number))
    for (const [index, { before, after }] of transitions.entries()) {
      if (before !== undefined) await this.update('addons', 'id', ids[index] as number, addonFields, before, after)
    }
    return ids
  }

  async details(transitions: readonly Identified[]): Promise<void> {
    const created = transitions.filter(({ before }) => before === undefined)
    const rows = created.map(({ id, after }) => ({ ...after, addon_id: id }))
    await this.insert('addon_details', ['addon_id', ...detailFields], rows, { returning: false })
    for (const { id, before, after } of transitions) {
      if (before !== undefined) await this.update('addon_details', 'addon_id', id, detailFields, before, after)
    }
  }

  async authors(transitions: readonly Identified[]): Promise<void> {
    const differing = await this.clear('authors', transitions)
    const authorIds = await this.authorIds(differing.flatMap(({ after }) => after.authors))
    const rows = differing.flatMap(({ id, after }) =>
      after.authors.map(({ username }, position) => ({ addon_id: id, position, author_id: authorIds.get(username) })),
    )
    await this.insert('addon_authors', ['addon_id', 'position', 'author_id'], rows, { returning: false })
  }

  async categories(transitions: readonly Identified[]): Promise<void> {
    const differing = await this.clear('categories', transitions)
    const categoryIds = await this.categoryIds(differing.flatMap(({ after }) => after.categories))
    const rows = differing.flatMap(({ id, after }) =>
      after.categories.map((slug) => ({ addon_id: id, category_id: categoryIds.get(slug) })),
    )
    await this.insert('addon_categories', ['addon_id', 'category_id'], rows, { returning: false })
  }

  async tags(transitions: readonly Identified[]): Promise<void> {
    const differing = await this.clear('tags', transitions)
    const rows = differing.flatMap(({ id, after }) => after.tags.map((tag) => ({ addon_id: id, tag })))
    await this.insert('addon_tags', ['addon_id', 'tag'], rows, { returning: false })
  }

  /** Such lists are replaced as a whole: removes those of add-ons where they differ, and returns these. */
  private async clear(
    part: 'authors' | 'categories' | 'tags',
    transitions: readonly Identified[],
  ): Promise<Identified[]> {
    const differing = transitions.filter(({ before, after }) => !same(before?.[part] ?? [], after[part]))
    const ids = differing.filter(({ before }) => before !== undefined).map(({ id }) => id)
    if (ids.length > 0) await this.statements.write(`DELETE FROM addon_${part} WHERE addon_id IN (?)`, [ids])
    return differing
  }

  /** Of all these authors, by username; those that are new, or have another name now, are written. */
  private async authorIds(authors: readonly Author[]): Promise<Map<string, number>> {
    const names = new Map(authors.map(({ username, name }) => [username, name]))
    if (names.size === 0) return new Map()
    const find = async () =>
      await this.statements.rows('SELECT id, username, name FROM authors WHERE username IN (?)', [[...names.keys()]])
    let found = await find()
    const isWritten = new Set(
      found.filter(({ username, name }) => names.get(username as string) === name).map(({ username }) => username),
    )
    const rows = [...names].filter(([username]) => !isWritten.has(username))
    if (rows.length > 0) {
      // In one order everywhere: two importers that wait for each other's authors would be a deadlock.
      rows.sort(([one], [other]) => (one < other ? -1 : 1))
      await this.statements.write(
        'INSERT INTO authors (username, name) VALUES ? ON DUPLICATE KEY UPDATE name = VALUES(name)',
        [rows],
      )
      found = await find()
    }
    return new Map(found.map(({ id, username }) => [username as string, id as number]))
  }

  private async categoryIds(slugs: readonly string[]): Promise<Map<string, number>> {
    const wanted = [...new Set(slugs)].sort()
    if (wanted.length === 0) return new Map()
    const find = async () => {
      const rows = await this.statements.rows('SELECT id, slug FROM categories WHERE slug IN (?)', [wanted])
      return new Map(rows.map(({ id, slug }) => [slug as string, id as number]))
    }
    const found = await find()
    const missing = wanted.filter((slug) => !found.has(slug))
    if (missing.length === 0) return found
    await this.statements.write('INSERT IGNORE INTO categories (slug, name) VALUES ?', [
      missing.map((slug) => [slug, titleOf(slug)]),
    ])
    return await find()
  }

  /** Versions, their files and ranges. */
  async versions(transitions: readonly Identified[]): Promise<void> {
    const created: { addonId: number; version: VersionState }[] = []
    const kept: { before: VersionState; after: VersionState }[] = []
    for (const { id: addonId, before, after } of transitions) {
      const stored = new Map(before?.versions.map((version) => [version.id, version]))
      for (const version of after.versions) {
        const old = version.id === undefined ? undefined : stored.get(version.id)
        if (old === undefined) created.push({ addonId, version })
        else if (!same(old, version)) kept.push({ before: old, after: version })
      }
    }
    const ids = await this.insert(
      'versions',
      ['addon_id', ...versionFields],
      created.map(({ addonId, version }) => ({ ...version, addon_id: addonId })),
    )
    const files = created.map(({ version: { file } }, index) => ({ ...file, version_id: ids[index] }))
    await this.insert('files', ['version_id', ...fileFields], files)
    const ranges = created.flatMap(({ version }, index) => this.rangeRows(ids[index] as number, version))

    for (const { before, after } of kept) {
      const id = before.id as number
      await this.update('versions', 'id', id, versionFields, before, after)
      await this.update('files', 'version_id', id, fileFields, before.file, after.file as FileState)
      if (same(before.compatibility, after.compatibility)) continue
      await this.statements.write('DELETE FROM compatibility WHERE version_id = ?', [id])
      ranges.push(...this.rangeRows(id, after))
    }
    await this.insert(
      'compatibility',
      ['version_id', 'application_id', 'min', 'max', 'min_packed', 'max_packed'],
      ranges,
      { returning: false },
    )
  }

  private rangeRows(versionId: number, { compatibility }: VersionState): Record<string, unknown>[] {
    return Object.entries(compatibility).map(([application, { min, max }]) => ({
      version_id: versionId,
      application_id: this.applications.get(application),
      min,
      max,
      min_packed: packAppVersion(min),
      max_packed: packAppVersion(max),
    }))
  }

  /** Inserts rows at once and returns their ids, in order. A row without an id gets the next one. */
  private async insert(
    table: string,
    columns: readonly string[],
    rows: readonly object[],
    { returning = true } = {},
  ): Promise<number[]> {
    if (rows.length === 0) return []
    const values = rows.map((row) => columns.map((column) => toColumn((row as Record<string, unknown>)[column])))
    if (!returning) {
      await this.statements.write(`INSERT INTO ${table} (${columns.join(', ')}) VALUES ?`, [values])
      return []
    }
    const ids = await this.startingIds(table as keyof IdFloors, rows as readonly { id: number | undefined }[])
    const inserted = await this.statements.rows(
      `INSERT INTO ${table} (id, ${columns.join(', ')}) VALUES ? RETURNING id`,
      [values.map((value, index) => [ids[index] ?? null, ...value])],
    )
    return inserted.map(({ id }) => id as number)
  }

  /** The ids that rows are given; the first that has none gets one above the floor, and the rest follow it by themselves. */
  private async startingIds(
    table: keyof IdFloors,
    rows: readonly { id: number | undefined }[],
  ): Promise<(number | undefined)[]> {
    const ids = rows.map(({ id }) => id)
    const first = ids.indexOf(undefined)
    const floor = this.floors[table]
    if (first < 0 || floor === 0) return ids
    const [row] = await this.statements.rows(`SELECT MAX(id) AS highest FROM ${table}`)
    if (Number(row?.highest ?? 0) < floor) ids[first] = floor + 1
    return ids
  }

  private async update<Fields extends object>(
    table: string,
    key: string,
    id: number,
    columns: readonly (keyof Fields & string)[],
    before: Fields,
    after: Fields,
  ): Promise<void> {
    const differing = columns.filter((column) => !same(before[column], after[column]))
    if (differing.length === 0) return
    const assignments = differing.map((column) => `${column} = ?`).join(', ')
    await this.statements.write(`UPDATE ${table} SET ${assignments} WHERE ${key} = ?`, [
      ...differing.map((column) => toColumn(after[column])),
      id,
    ])
  }
}

/** What a transition changes, field by field, versions by channel and number. Empty where it changes nothing. */
function differencesOf({ before, after }: Transition): Record<string, unknown> {
  if (before === undefined) return { created: { versions: after.versions.length } }
  const differences: Record<string, unknown> = {}
  const { versions: _, ...fields } = after
  for (const name of Object.keys(fields) as (keyof typeof fields)[]) {
    if (!same(before[name], after[name])) differences[name] = [before[name], after[name]]
  }
  const stored = new Map(before.versions.map((version) => [version.id, version]))
  for (const version of after.versions) {
    const old = version.id === undefined ? undefined : stored.get(version.id)
    const name = version.channel === 'listed' ? `version ${version.version}` : `version ${version.version} (unlisted)`
    if (old === undefined) differences[name] = 'added'
    else if (!same(old, version)) differences[name] = versionDifferences(old, version)
  }
  return differences
}

function versionDifferences(before: VersionState, after: VersionState): Record<string, unknown> {
  const flat = ({ file, ...version }: VersionState): Record<string, unknown> => ({
    ...version,
    ...Object.fromEntries(Object.entries(file).map(([name, value]) => [`file.${name}`, value])),
  })
  const old = flat(before)
  return Object.fromEntries(
    Object.entries(flat(after))
      .filter(([name, value]) => !same(old[name], value))
      .map(([name, value]) => [name, [old[name], value]]),
  )
}

/** Equality of plain values, whatever the order of keys. */
function same(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false
  const keys = Object.keys(one)
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => same((one as Record<string, unknown>)[key], (other as Record<string, unknown>)[key]))
  )
}

function toColumn(value: unknown): Value {
  if (value === undefined) return null
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : (value as Value)
}

/** `download-management` -> `Download Management` */
function titleOf(slug: string): string {
  return slug.replaceAll(
    /(?:^|-)(\w)/g,
    (match, letter: string) => (match.startsWith('-') ? ' ' : '') + letter.toUpperCase(),
  )
}
