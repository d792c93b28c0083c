/** Merges a line of an import into the state of its add-on (docs/import-format.md). Pure. */

import type { Channel } from '../addon/index.ts'
import type { AddonLine, TranslationsLine, VersionLine } from './format.ts'
import type { AddonState, AppRange, Author, StoredAddon, Translations, VersionState } from './state.ts'

/** What is known of a package that came with a version. */
export interface PackageFacts {
  /** SHA-256 in hex: its name in the store. */
  readonly digest: string
  readonly size: number
  readonly ranges: Readonly<Record<string, AppRange>>
  readonly strict: boolean
  readonly targetLocale: string | null
}

export interface MergeOptions {
  /** For a new add-on that gives none. */
  readonly slug: string
  /** The line's authors with their usernames; undefined: they stay as they are. */
  readonly authors: readonly Author[] | undefined
  /** Of the line's versions, by their place. */
  readonly packages: ReadonlyMap<number, PackageFacts>
  /** `YYYY-MM-DD hh:mm:ss`, UTC. */
  readonly now: string
}

/** Where a version has no range for an application, and its package says nothing (AMO's defaults). */
export const DEFAULT_MIN = '42.0'
export const DEFAULT_MAX = '*'

/** Of translations, where nobody says. */
export const DEFAULT_LOCALE = 'en-US'

/** A file of which nothing is known: what `"file": null` means. */
const NO_FILE = { status: null, hash: null, size: null, filename: null, strict_compatibility: null, url: null } as const

/** The state after the line. `stored` and `line` have the same guid. */
export function mergeLine(stored: StoredAddon | undefined, line: AddonLine, options: MergeOptions): AddonState {
  const locale = cleared(line.default_locale, DEFAULT_LOCALE) ?? stored?.default_locale ?? DEFAULT_LOCALE
  const text = (given: TranslationsLine | null | undefined, old: Translations | null | undefined) =>
    mergeTranslations(old ?? null, given, locale)
  const slug = line.slug ?? stored?.slug ?? options.slug
  const packages = [...options.packages.values()]
  return {
    id: stored?.id ?? line.id,
    guid: line.guid,
    slug,
    type: cleared(line.type, 'extension') ?? stored?.type ?? 'extension',
    status: cleared(line.status, 'approved') ?? stored?.status ?? 'approved',
    disabled_by_user: cleared(line.disabled_by_user, false) ?? stored?.disabled_by_user ?? false,
    is_featured: cleared(line.is_featured, false) ?? stored?.is_featured ?? false,
    average_daily_users: cleared(line.average_daily_users, 0) ?? stored?.average_daily_users ?? 0,
    weekly_downloads: cleared(line.weekly_downloads, 0) ?? stored?.weekly_downloads ?? 0,
    rating_average: kept(line.ratings === null ? null : line.ratings?.average, stored?.rating_average),
    rating_count: cleared(line.ratings === null ? null : line.ratings?.count, 0) ?? stored?.rating_count ?? 0,
    created: line.created ?? stored?.created ?? options.now,
    name: text(line.name, stored?.name),
    summary: text(line.summary, stored?.summary),
    description: text(line.description, stored?.description),
    homepage: text(line.homepage, stored?.homepage),
    default_locale: locale,
    target_locale: kept(
      line.target_locale,
      stored?.target_locale ?? packages.find(({ targetLocale }) => targetLocale !== null)?.targetLocale,
    ),
    payment: cleared(line.payment, 'free') ?? stored?.payment ?? 'free',
    icon: kept(line.icon, stored?.icon),
    authors: options.authors ?? stored?.authors ?? [],
    categories: names(line.categories) ?? stored?.categories ?? [],
    tags: names(line.tags) ?? stored?.tags ?? [],
    versions: mergeVersions(stored?.versions ?? [], line.versions ?? [], { ...options, slug, locale }),
  }
}

/** Versions that one looks for, by id or by name. */
export type Named = Pick<VersionState, 'id' | 'channel' | 'version'>

/** Finds versions of one add-on, however many it has. */
export class VersionIndex<Version extends Named> {
  private readonly byId = new Map<number, Version>()
  private readonly byName = new Map<string, Version>()

  constructor(versions: readonly Version[]) {
    for (const version of versions) {
      if (version.id !== undefined) this.byId.set(version.id, version)
      const name = nameOf(version)
      // The first of a name, as a search from the front would find it.
      if (!this.byName.has(name)) this.byName.set(name, version)
    }
  }

  /** The version that one of a line means: by id, else by channel and number. */
  meantBy({ id, channel, version }: VersionLine): Version | undefined {
    const byId = id === undefined || id === null ? undefined : this.byId.get(id)
    return byId ?? this.named({ channel: channel ?? 'listed', version })
  }

  named(name: Pick<Named, 'channel' | 'version'>): Version | undefined {
    return this.byName.get(nameOf(name))
  }
}

function nameOf({ channel, version }: Pick<Named, 'channel' | 'version'>): string {
  return `${channel}\n${version}`
}

/** The channel that a version has after a line; `stored`: what it means, undefined where that is new. */
export function channelAfter(stored: Pick<VersionState, 'channel'> | undefined, line: VersionLine): Channel {
  return cleared(line.channel, 'listed') ?? stored?.channel ?? 'listed'
}

/** What a file is called where nobody says: slug and number, without what an address would have to escape. */
export function defaultFilename(slug: string, version: string): string {
  return `${slug}-${version}.xpi`.replaceAll(/[^\w.+-]/g, '_').slice(-255)
}

function mergeVersions(
  stored: readonly VersionState[],
  lines: readonly VersionLine[],
  options: MergeOptions & { locale: string },
): VersionState[] {
  const merged = new Map(stored.map((version) => [version.id, version]))
  const created: VersionState[] = []
  const index = new VersionIndex(stored)
  for (const [place, line] of lines.entries()) {
    const old = index.meantBy(line)
    const version = mergeVersion(old, line, options.packages.get(place), options)
    if (old === undefined) created.push(version)
    else merged.set(old.id, version)
  }
  return [...merged.values(), ...created].sort(byAge)
}

/** By rising id; those without one stay in their order, behind the others. */
function byAge(one: VersionState, other: VersionState): number {
  return (one.id ?? Number.MAX_SAFE_INTEGER) - (other.id ?? Number.MAX_SAFE_INTEGER)
}

function mergeVersion(
  old: VersionState | undefined,
  line: VersionLine,
  facts: PackageFacts | undefined,
  { slug, locale, now }: { slug: string; locale: string; now: string },
): VersionState {
  const file = line.file === null ? NO_FILE : (line.file ?? {})
  return {
    id: old?.id ?? line.id,
    version: line.version,
    channel: channelAfter(old, line),
    deleted: cleared(line.deleted, false) ?? old?.deleted ?? false,
    created: line.created ?? old?.created ?? now,
    release_notes: mergeTranslations(old?.release_notes ?? null, line.release_notes, locale),
    file: {
      id: old?.file.id ?? line.file?.id,
      status: cleared(file.status, 'approved') ?? old?.file.status ?? 'approved',
      hash: kept(file.hash, facts === undefined ? old?.file.hash : `sha256:${facts.digest}`),
      size: kept(file.size, facts === undefined ? old?.file.size : facts.size),
      filename:
        file.filename ??
        (file.filename === undefined ? old?.file.filename : undefined) ??
        defaultFilename(slug, line.version),
      strict_compatibility:
        cleared(file.strict_compatibility, false) ?? facts?.strict ?? old?.file.strict_compatibility ?? false,
      url: kept(file.url, old?.file.url),
      package: facts?.digest ?? (line.file === null ? null : (old?.file.package ?? null)),
    },
    compatibility: mergeRanges(
      old?.compatibility ?? {},
      line.compatibility ?? (line.compatibility === null ? null : facts?.ranges),
    ),
  }
}

function mergeRanges(
  old: Readonly<Record<string, AppRange>>,
  given: VersionLine['compatibility'],
): Record<string, AppRange> {
  if (given === null) return {}
  const merged: Record<string, AppRange> = { ...old }
  for (const [application, range] of Object.entries(given ?? {})) {
    if (range === null) delete merged[application]
    else {
      const before = merged[application]
      merged[application] = {
        min: cleared(range.min, DEFAULT_MIN) ?? before?.min ?? DEFAULT_MIN,
        max: cleared(range.max, DEFAULT_MAX) ?? before?.max ?? DEFAULT_MAX,
      }
    }
  }
  return merged
}

function mergeTranslations(
  old: Translations | null,
  given: TranslationsLine | null | undefined,
  locale: string,
): Translations | null {
  if (given === undefined) return old
  if (given === null) return null
  const merged: Record<string, string> = { ...old }
  for (const [name, text] of Object.entries(typeof given === 'string' ? { [locale]: given } : given)) {
    if (text === null) delete merged[name]
    else merged[name] = text
  }
  const entries = Object.entries(merged).sort(([one], [other]) => (one < other ? -1 : 1))
  return entries.length === 0 ? null : Object.fromEntries(entries)
}

/** A field that can be empty: what is given, null included, else what was. */
function kept<T>(given: T | null | undefined, old: T | null | undefined): T | null {
  return given === undefined ? (old ?? null) : given
}

/** A field that can't be empty: null gives it its default. */
function cleared<T>(given: T | null | undefined, empty: T): T | undefined {
  return given === null ? empty : given
}

function names(given: readonly string[] | null | undefined): string[] | undefined {
  if (given === undefined) return undefined
  return [...new Set(given ?? [])].sort()
}
