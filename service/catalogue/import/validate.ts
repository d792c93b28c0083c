/**
 * The first pass of an import: everything that could keep a line from being applied is found before anything is. Lines are read,
 * held against each other and, some hundred at a time, against what the catalogue has.
 */

import type { Channel } from '../../addon/index.ts'
import type { Statements } from '../../database/index.ts'
import {
  APP_VERSION_LENGTH_MAX,
  FACTS_BYTES_MAX,
  FILENAME_LENGTH_MAX,
  SLUG_LENGTH_MAX,
  URL_LENGTH_MAX,
  VERSION_LENGTH_MAX,
} from '../../limits.ts'
import type { AddonLine } from '../format.ts'
import { channelAfter, VersionIndex } from '../merge.ts'
import type { Claims } from './claims.ts'

/** What is wrong with one line, a clause each. */
export type Reasons = string[]

/** Holds a line against itself and against the lines before it. */
export function checkWithinFile(line: AddonLine, applications: ReadonlySet<string>, claims: Claims): Reasons {
  const reasons: Reasons = []
  const { guid } = line
  const claim = (kind: string, key: string | number, owner: string | number, reason: string) => {
    if (!claims.claim(kind, key, owner)) reasons.push(reason)
  }
  if (line.id !== undefined) {
    claim('addon id', line.id, guid, `id: ${line.id} is given to another add-on by an earlier line`)
    claim('id of addon', guid, line.id, 'id: an earlier line gives this add-on another one')
  }
  if (line.slug !== undefined)
    claim('slug', line.slug, guid, `slug: "${line.slug}" is given to another add-on by an earlier line`)

  const seen = new Set<string>()
  for (const [place, version] of (line.versions ?? []).entries()) {
    const at = `versions[${place}]`
    const key = `${version.channel ?? 'listed'}\n${version.version}`
    const owner = `${guid}\n${key}`
    if (seen.has(key)) reasons.push(`${at}.version: ${version.version} stands twice in its channel`)
    seen.add(key)
    if (version.id !== undefined) {
      claim('version id', version.id, owner, `${at}.id: ${version.id} is given to another version by an earlier line`)
      claim('id of version', owner, version.id, `${at}.id: an earlier line gives this version another one`)
    }
    if (version.file?.id !== undefined) {
      claim(
        'file id',
        version.file.id,
        owner,
        `${at}.file.id: ${version.file.id} is given to another file by an earlier line`,
      )
      claim('id of file', owner, version.file.id, `${at}.file.id: an earlier line gives this file another one`)
    }
    for (const application of Object.keys(version.compatibility ?? {})) {
      if (applications.has(application)) continue
      reasons.push(`${at}.compatibility.${application}: no such application; "catalog app add" makes it known`)
    }
  }
  if (factsBytes(line, applications.size) > FACTS_BYTES_MAX)
    reasons.push(`versions: what may be offered of them has more than ${FACTS_BYTES_MAX} bytes`)
  return reasons
}

/** Of one version for one application: numbers, separators, and the hashes of its package. */
const CANDIDATE_BYTES = 320
const CANDIDATE_BYTES_MAX =
  CANDIDATE_BYTES + 4 * (VERSION_LENGTH_MAX + FILENAME_LENGTH_MAX + URL_LENGTH_MAX + 2 * APP_VERSION_LENGTH_MAX)

/** At most so much does the read model hold of the versions of a line; 0 where they are too few to matter. */
function factsBytes({ versions = [] }: AddonLine, applications: number): number {
  if (versions.length * applications * CANDIDATE_BYTES_MAX < FACTS_BYTES_MAX) return 0
  let bytes = 0
  for (const { version, compatibility, file } of versions) {
    const { filename, url } = file ?? {}
    const each =
      CANDIDATE_BYTES + Buffer.byteLength(`${version}${url ?? ''}`) + Buffer.byteLength(filename ?? `${SLUG}${version}`)
    // Without ranges those of its package count, for both kinds of Firefox.
    for (const range of compatibility ? Object.values(compatibility) : [null, null])
      bytes += each + Buffer.byteLength(`${range?.min ?? ''}${range?.max ?? ''}`)
  }
  return bytes
}

/** In place of one that isn't known yet. */
const SLUG = '-'.repeat(SLUG_LENGTH_MAX)

/** Holds lines against the catalogue; returns the reasons of each, in order. */
export async function checkAgainstCatalogue(statements: Statements, lines: readonly AddonLine[]): Promise<Reasons[]> {
  const known = await loadKnown(statements, lines)
  return lines.map((line) => {
    const reasons: Reasons = []
    const stored = known.addonByGuid.get(line.guid)
    if (line.id !== undefined) {
      const owner = known.guidOfAddon.get(line.id)
      if (stored !== undefined && stored.id !== line.id) reasons.push(`id: the add-on has the id ${stored.id}`)
      else if (owner !== undefined && owner !== line.guid) reasons.push(`id: ${line.id} belongs to ${owner}`)
    }
    if (line.slug !== undefined) {
      const owner = known.guidOfSlug.get(line.slug)
      if (owner !== undefined && owner !== line.guid) reasons.push(`slug: "${line.slug}" belongs to ${owner}`)
    }
    const versions = stored === undefined ? [] : (known.versionsOf.get(stored.id) ?? [])
    const index = new VersionIndex(versions)
    const places = new Map<number | undefined, number>()
    for (const [place, version] of (line.versions ?? []).entries()) {
      const at = `versions[${place}]`
      const match = index.meantBy(version)
      if (match !== undefined) {
        if (places.has(match.id)) reasons.push(`${at}: versions[${places.get(match.id)}] is the same stored version`)
        places.set(match.id, place)
        const namesake = index.named({ channel: channelAfter(match, version), version: version.version })
        if (version.id !== undefined && version.id !== match.id)
          reasons.push(`${at}.id: version ${version.version} has the id ${match.id}`)
        else if (namesake !== undefined && namesake.id !== match.id)
          reasons.push(`${at}.version: ${version.version} is there already, with the id ${namesake.id}`)
        if (version.file?.id !== undefined && version.file.id !== match.file.id)
          reasons.push(`${at}.file.id: the file has the id ${match.file.id}`)
        continue
      }
      if (version.id !== undefined && known.versionIds.has(version.id))
        reasons.push(`${at}.id: ${version.id} belongs to another add-on`)
      if (version.file?.id !== undefined && known.fileIds.has(version.file.id))
        reasons.push(`${at}.file.id: ${version.file.id} belongs to another version`)
    }
    return reasons
  })
}

interface StoredVersion {
  readonly id: number
  readonly channel: Channel
  readonly version: string
  readonly file: { readonly id: number }
}

async function loadKnown(statements: Statements, lines: readonly AddonLine[]) {
  const guids = lines.map(({ guid }) => guid)
  const given = <T>(values: readonly (T | undefined)[]) => values.filter((value) => value !== undefined) as T[]
  const versions = lines.flatMap((line) => line.versions ?? [])
  const find = async (statement: string, values: readonly unknown[]) =>
    values.length === 0 ? [] : await statements.rows(statement, [values])

  const addons = await find('SELECT id, guid FROM addons WHERE guid IN (?)', guids)
  const byId = await find('SELECT id, guid FROM addons WHERE id IN (?)', given(lines.map(({ id }) => id)))
  const bySlug = await find('SELECT slug, guid FROM addons WHERE slug IN (?)', given(lines.map(({ slug }) => slug)))
  const ofAddons = await find(
    'SELECT v.addon_id, v.id, v.channel, v.version, f.id AS file_id FROM versions AS v JOIN files AS f ON f.version_id = v.id WHERE v.addon_id IN (?)',
    addons.map(({ id }) => id),
  )
  const versionIds = await find('SELECT id FROM versions WHERE id IN (?)', given(versions.map(({ id }) => id)))
  const fileIds = await find('SELECT id FROM files WHERE id IN (?)', given(versions.map(({ file }) => file?.id)))

  const versionsOf = new Map<number, StoredVersion[]>()
  for (const { addon_id, id, channel, version, file_id } of ofAddons) {
    const list = versionsOf.get(addon_id as number) ?? []
    versionsOf.set(addon_id as number, list)
    list.push({
      id: id as number,
      channel: channel as Channel,
      version: version as string,
      file: { id: file_id as number },
    })
  }
  return {
    addonByGuid: new Map(addons.map(({ id, guid }) => [guid as string, { id: id as number }])),
    guidOfAddon: new Map(byId.map(({ id, guid }) => [id as number, guid as string])),
    guidOfSlug: new Map(bySlug.map(({ slug, guid }) => [slug as string, guid as string])),
    versionsOf,
    versionIds: new Set(versionIds.map(({ id }) => id as number)),
    fileIds: new Set(fileIds.map(({ id }) => id as number)),
  }
}
