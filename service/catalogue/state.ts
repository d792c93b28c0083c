/**
 * The state of an add-on: everything the catalogue knows of it, as plain values under the names of the interchange format, which
 * are those of the columns. An edit is a function from one state to the next; save.ts writes the difference.
 */

import type { AddonStatus, AddonType, Channel, FileStatus } from '../addon/index.ts'
import type { Row, Statements } from '../database/index.ts'

/** Texts by locale, locales in order. */
export type Translations = Readonly<Record<string, string>>

export interface AddonFields {
  readonly guid: string
  readonly slug: string
  readonly type: AddonType
  readonly status: AddonStatus
  readonly disabled_by_user: boolean
  readonly is_featured: boolean
  readonly average_daily_users: number
  readonly weekly_downloads: number
  readonly rating_average: number | null
  readonly rating_count: number
  /** `YYYY-MM-DD hh:mm:ss`, UTC; as every time here. */
  readonly created: string
}

export interface DetailFields {
  readonly name: Translations | null
  readonly summary: Translations | null
  readonly description: Translations | null
  readonly homepage: Translations | null
  readonly default_locale: string
  readonly target_locale: string | null
  readonly payment: 'free' | 'premium'
  readonly icon: string | null
}

export interface VersionFields {
  readonly version: string
  readonly channel: Channel
  readonly deleted: boolean
  readonly created: string
  readonly release_notes: Translations | null
}

export interface FileFields {
  readonly status: FileStatus
  /** As announced: `sha256:…` or `sha512:…`. */
  readonly hash: string | null
  /** Bytes. */
  readonly size: number | null
  readonly filename: string
  readonly strict_compatibility: boolean
  readonly url: string | null
  /** SHA-256 in hex of the package in the store. */
  readonly package: string | null
}

export interface AppRange {
  readonly min: string
  readonly max: string
}

export interface FileState extends FileFields {
  /** Undefined until it is written. */
  readonly id: number | undefined
}

export interface VersionState extends VersionFields {
  readonly id: number | undefined
  readonly file: FileState
  /** By short name of the application. */
  readonly compatibility: Readonly<Record<string, AppRange>>
}

export interface Author {
  readonly username: string
  readonly name: string
}

export interface AddonState extends AddonFields, DetailFields {
  readonly id: number | undefined
  readonly authors: readonly Author[]
  /** Slugs, in order; as tags. */
  readonly categories: readonly string[]
  readonly tags: readonly string[]
  /** By rising id, so oldest first; those without one last, in the order they will get theirs. */
  readonly versions: readonly VersionState[]
}

/** An add-on that is stored. */
export type StoredAddon = AddonState & { readonly id: number }

/** Whether a version may be offered to somebody: what the view `offerable` asks of it, ranges aside. */
export function isOffered({ deleted, channel, file }: VersionState): boolean {
  return !deleted && channel === 'listed' && file.status === 'approved'
}

/** The columns of each table that hold the fields above, in the order they are written. */
export const addonFields = [
  'guid',
  'slug',
  'type',
  'status',
  'disabled_by_user',
  'is_featured',
  'average_daily_users',
  'weekly_downloads',
  'rating_average',
  'rating_count',
  'created',
] as const satisfies readonly (keyof AddonFields)[]

export const detailFields = [
  'name',
  'summary',
  'description',
  'homepage',
  'default_locale',
  'target_locale',
  'payment',
  'icon',
] as const satisfies readonly (keyof DetailFields)[]

export const versionFields = [
  'version',
  'channel',
  'deleted',
  'created',
  'release_notes',
] as const satisfies readonly (keyof VersionFields)[]

export const fileFields = [
  'status',
  'hash',
  'size',
  'filename',
  'strict_compatibility',
  'url',
  'package',
] as const satisfies readonly (keyof FileFields)[]

/** Loads add-ons with all their parts: six statements, however many they are. In the order of their ids. */
export async function loadAddons(statements: Statements, ids: readonly number[]): Promise<StoredAddon[]> {
  if (ids.length === 0) return []
  const [addons, authors, categories, tags, versions, ranges] = [
    await statements.rows(
      `SELECT id, ${[...addonFields, ...detailFields].join(', ')} FROM addons JOIN addon_details ON addon_id = id WHERE id IN (?) ORDER BY id`,
      [ids],
    ),
    await statements.rows(
      'SELECT addon_id, username, name FROM addon_authors JOIN authors ON id = author_id WHERE addon_id IN (?) ORDER BY addon_id, position',
      [ids],
    ),
    await statements.rows(
      'SELECT addon_id, slug FROM addon_categories JOIN categories ON id = category_id WHERE addon_id IN (?)',
      [ids],
    ),
    await statements.rows('SELECT addon_id, tag FROM addon_tags WHERE addon_id IN (?)', [ids]),
    await statements.rows(
      `SELECT v.addon_id, v.id, ${versionFields.map((name) => `v.${name}`).join(', ')}, f.id AS file_id, ${fileFields.map((name) => `f.${name} AS file_${name}`).join(', ')} FROM versions AS v JOIN files AS f ON f.version_id = v.id WHERE v.addon_id IN (?) ORDER BY v.id`,
      [ids],
    ),
    await statements.rows(
      'SELECT c.version_id, a.name, c.min, c.max FROM versions AS v JOIN compatibility AS c ON c.version_id = v.id JOIN applications AS a ON a.id = c.application_id WHERE v.addon_id IN (?) ORDER BY c.application_id',
      [ids],
    ),
  ]
  const authorsOf = grouped(authors, 'addon_id')
  const categoriesOf = grouped(categories, 'addon_id')
  const tagsOf = grouped(tags, 'addon_id')
  const versionsOf = grouped(versions, 'addon_id')
  const rangesOf = grouped(ranges, 'version_id')

  const versionOf = (row: Row): VersionState => ({
    ...(pick(row, versionFields) as unknown as VersionFields),
    id: row.id as number,
    deleted: row.deleted === 1,
    release_notes: parsed(row.release_notes),
    file: {
      id: row.file_id as number,
      status: row.file_status as FileStatus,
      hash: row.file_hash as string | null,
      size: row.file_size as number | null,
      filename: row.file_filename as string,
      strict_compatibility: row.file_strict_compatibility === 1,
      url: row.file_url as string | null,
      package: row.file_package as string | null,
    },
    compatibility: Object.fromEntries(
      rangesOf(row.id).map(({ name, min, max }) => [name as string, { min: min as string, max: max as string }]),
    ),
  })

  return addons.map((row) => ({
    ...(pick(row, addonFields) as unknown as AddonFields),
    ...(pick(row, detailFields) as unknown as DetailFields),
    id: row.id as number,
    disabled_by_user: row.disabled_by_user === 1,
    is_featured: row.is_featured === 1,
    name: parsed(row.name),
    summary: parsed(row.summary),
    description: parsed(row.description),
    homepage: parsed(row.homepage),
    authors: authorsOf(row.id).map(({ username, name }) => ({ username: username as string, name: name as string })),
    categories: categoriesOf(row.id)
      .map(({ slug }) => slug as string)
      .sort(),
    tags: tagsOf(row.id)
      .map(({ tag }) => tag as string)
      .sort(),
    versions: versionsOf(row.id).map(versionOf),
  }))
}

/** Rows by the value of a column. */
function grouped(rows: readonly Row[], column: string): (key: unknown) => readonly Row[] {
  const groups = new Map<unknown, Row[]>()
  for (const row of rows) {
    const group = groups.get(row[column])
    if (group === undefined) groups.set(row[column], [row])
    else group.push(row)
  }
  return (key) => groups.get(key) ?? []
}

function pick(row: Row, names: readonly string[]): Row {
  return Object.fromEntries(names.map((name) => [name, row[name]]))
}

function parsed(json: unknown): Translations | null {
  return json === null ? null : JSON.parse(json as string)
}
