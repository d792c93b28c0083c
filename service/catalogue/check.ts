/** Checks the catalogue against itself: the read model, the packed ranges, the packages in the store; and mends what can be. */

import { packAppVersion } from '../addon/index.ts'
import type { Primary, Row } from '../database/index.ts'
import { reasonOf } from '../errors.ts'
import type { Store } from '../files/index.ts'
import { readOffer } from '../update/index.ts'
import type { Editor } from './edit.ts'

export interface Problem {
  readonly kind: 'read model' | 'range' | 'package' | 'hash'
  readonly guid: string
  /** Absent where it is about the whole add-on. */
  readonly version?: string
  readonly detail: string
  readonly fixed: boolean
}

export interface CheckOptions {
  readonly primary: Primary
  readonly editor: Editor
  readonly store: Store
  /** Mend what can be mended. */
  readonly fix: boolean
  /** Told of each part as it begins. */
  readonly progress: (part: string) => void
}

export interface CheckReport {
  readonly addons: number
  readonly candidates: number
  readonly ranges: number
  readonly packages: number
  readonly problems: readonly Problem[]
}

/** Rows looked at in one statement. */
const PAGE = 10_000
/** The largest facts are thousands of times as long as most. */
const FACTS_PAGE = 500

export async function checkCatalogue({ primary, editor, store, fix, progress }: CheckOptions): Promise<CheckReport> {
  const problems: Problem[] = []
  progress('ranges')
  const ranges = await checkRanges(primary, editor, fix, problems)
  progress('read model')
  const candidates = await checkReadModel(primary, editor, fix, problems)
  progress('packages')
  const packages = await checkPackages(primary, store, problems)
  const [row] = await primary.rows('SELECT COUNT(*) AS addons FROM addons')
  return { addons: Number(row?.addons), candidates, ranges, packages, problems }
}

/** Packed bounds must be what their texts pack to, and a minimum must not be above its maximum. */
async function checkRanges(primary: Primary, editor: Editor, fix: boolean, problems: Problem[]): Promise<number> {
  let count = 0
  for (let after = 0; ; ) {
    const rows = await primary.rows(
      `SELECT c.version_id, c.application_id, c.min, c.max, c.min_packed, c.max_packed, v.version, a.id AS addon_id, a.guid
       FROM compatibility AS c JOIN versions AS v ON v.id = c.version_id JOIN addons AS a ON a.id = v.addon_id
       WHERE c.version_id > ? AND c.version_id <= ? ORDER BY c.version_id`,
      [after, after + PAGE],
    )
    const wrong = rows
      .map((row) => ({ row, min: packAppVersion(row.min as string), max: packAppVersion(row.max as string) }))
      .filter(
        ({ row, min, max }) => BigInt(row.min_packed as string) !== min || BigInt(row.max_packed as string) !== max,
      )
    if (fix && wrong.length > 0)
      await editor.repackRanges(wrong.map(({ row, min, max }) => ({ ...rangeKey(row), min, max })))
    for (const { row } of wrong) {
      problems.push({
        kind: 'range',
        ...nameOf(row),
        detail: `${row.min} to ${row.max} is packed as something else`,
        fixed: fix,
      })
    }
    for (const row of rows) {
      if (packAppVersion(row.min as string) <= packAppVersion(row.max as string)) continue
      problems.push({
        kind: 'range',
        ...nameOf(row),
        detail: `its minimum ${row.min} is above its maximum ${row.max}`,
        fixed: false,
      })
    }
    count += rows.length
    after += PAGE
    const [last] = await primary.rows('SELECT MAX(version_id) AS last FROM compatibility')
    if (after >= Number(last?.last ?? 0)) return count
  }
}

/** `candidates` must hold exactly what sql/candidates-write.sql makes of the other tables, and workers must be able to read it. */
async function checkReadModel(primary: Primary, editor: Editor, fix: boolean, problems: Problem[]): Promise<number> {
  const [last] = await primary.rows('SELECT MAX(id) AS last FROM addons')
  for (let after = 0; after < Number(last?.last ?? 0); after += PAGE) {
    const rows = await primary.rows(
      `SET STATEMENT group_concat_max_len = 1073741824 FOR
       SELECT a.id AS addon_id, a.guid, a.is_public, c.addon_id IS NOT NULL AS is_held, a.due, c.facts AS held
       FROM (
         SELECT a.id, a.guid, a.slug, a.type, a.disabled_by_user = FALSE AND a.status NOT IN ('disabled', 'deleted') AS is_public,
           COALESCE(GROUP_CONCAT(o.facts ORDER BY o.version_id DESC, o.application_id SEPARATOR x'1E'), '') AS due
         FROM addons AS a LEFT JOIN offerable AS o ON o.addon_id = a.id
         WHERE a.id > ? AND a.id <= ?
         GROUP BY a.id
       ) AS a
       LEFT JOIN candidates AS c ON c.addon_id = a.id
       WHERE a.is_public <> (c.addon_id IS NOT NULL) OR a.due <> c.facts OR a.guid <> c.guid OR a.slug <> c.slug OR a.type <> c.type`,
      [after, after + PAGE],
    )
    if (fix && rows.length > 0) await editor.rebuildCandidates(rows.map(({ addon_id }) => addon_id as number))
    for (const { guid, is_public, is_held, due, held } of rows) {
      const fault = is_held === 1 ? faultOf(held as string) : undefined
      if (fault !== undefined) {
        problems.push({
          kind: 'read model',
          guid: guid as string,
          detail: fault,
          fixed: fix && faultOf(due as string) === undefined,
        })
        continue
      }
      for (const [version, detail] of differencesOf(is_public === 1, is_held === 1, due as string, held as string)) {
        problems.push({ kind: 'read model', ...nameOf({ guid, version }), detail, fixed: fix })
      }
    }
  }
  for await (const { guid, facts } of allFacts(primary)) {
    const fault = faultOf(facts)
    // What differs from what is due has been reported, and mended where that is wanted.
    if (fault === undefined || problems.some((problem) => problem.kind === 'read model' && problem.guid === guid))
      continue
    const detail = `${fault}, and so the other tables have it: a text in them has U+001E or U+001F`
    problems.push({ kind: 'read model', guid, detail, fixed: false })
  }
  const [row] = await primary.rows(
    "SELECT SUM(LENGTH(facts) - LENGTH(REPLACE(facts, CHAR(30 USING utf8mb4), '')) + (facts <> '')) AS candidates FROM candidates",
  )
  return Number(row?.candidates ?? 0)
}

async function* allFacts(primary: Primary): AsyncGenerator<{ guid: string; facts: string }> {
  for (let after = 0; ; ) {
    const rows = (await primary.rows(
      'SELECT addon_id, guid, facts FROM candidates WHERE addon_id > ? ORDER BY addon_id LIMIT ?',
      [after, FACTS_PAGE],
    )) as { addon_id: number; guid: string; facts: string }[]
    yield* rows
    const last = rows.at(-1)
    if (last === undefined) return
    after = last.addon_id
  }
}

/** What keeps workers from reading these facts. */
function faultOf(facts: string): string | undefined {
  try {
    readOffer('', '', 'extension', facts)
    return undefined
  } catch (error) {
    return `can't be read, so nothing is offered: ${reasonOf(error)}`
  }
}

type Difference = [version: string | null, detail: string]
const VERSION_FIELD = 9

/** Versions and what is wrong with them; without a version, what is wrong with the add-on. */
function differencesOf(isPublic: boolean, isHeld: boolean, dueFacts: string, heldFacts: string): Difference[] {
  if (!isHeld) return [[null, 'the add-on is public, but is not in the read model']]
  if (!isPublic) return [[null, 'the add-on is not public, but is in the read model']]
  const [due, held] = [candidatesIn(dueFacts), candidatesIn(heldFacts)]
  const differences: Difference[] = []
  const note = (fields: readonly string[], detail: string) => differences.push([fields[VERSION_FIELD] ?? null, detail])
  for (const [key, fields] of due) {
    const kept = held.get(key)
    if (kept === undefined) note(fields, 'may be offered, but is not in the read model')
    else if (kept.join() !== fields.join()) note(fields, 'differs from what the read model has of it')
  }
  for (const [key, fields] of held) if (!due.has(key)) note(fields, 'may not be offered, but is in the read model')
  return differences.length > 0 ? differences : [[null, 'the add-on differs from what the read model has of it']]
}

/** The fields of each candidate, by application and version row. */
function candidatesIn(facts: string): Map<string, string[]> {
  const candidates = facts === '' ? [] : facts.split('\u001e').map((text) => text.split('\u001f'))
  return new Map(candidates.map((fields) => [fields.slice(0, 2).join(' '), fields]))
}

/** Every package that a row names must be in the store with the bytes it is named by, which are those that clients are told of. */
async function checkPackages(primary: Primary, store: Store, problems: Problem[]): Promise<number> {
  let count = 0
  for (let after = 0; ; ) {
    const rows = await primary.rows(
      `SELECT f.id, f.package, f.hash, f.size, v.version, a.guid
       FROM files AS f JOIN versions AS v ON v.id = f.version_id JOIN addons AS a ON a.id = v.addon_id
       WHERE f.id > ? AND f.package IS NOT NULL ORDER BY f.id LIMIT ?`,
      [after, PAGE],
    )
    if (rows.length === 0) return count
    for (const row of rows) {
      const digest = row.package as string
      const hash = row.hash as string | null
      const intact = await store.isIntact(digest)
      const found = (kind: Problem['kind'], detail: string) =>
        problems.push({ kind, ...nameOf(row), detail, fixed: false })
      if (intact === undefined) found('package', `its package ${digest} is not in the store: its link answers 404`)
      else if (!intact) found('package', `its package ${digest} is damaged`)
      else if (row.size !== null && (await store.sizeOf(digest)) !== row.size)
        found('package', `its size is not ${row.size}`)
      if (hash === null) continue
      const [algorithm] = hash.toLowerCase().split(':') as [string]
      const actual =
        algorithm === 'sha256' ? digest : intact === true ? await store.hashOf(digest, algorithm) : undefined
      if (actual !== undefined && hash.toLowerCase() !== `${algorithm}:${actual}`)
        found('hash', `${hash} is announced, but the package has ${algorithm}:${actual}`)
    }
    count += rows.length
    after = rows.at(-1)?.id as number
  }
}

function nameOf({ guid, version }: Row): { guid: string; version?: string } {
  return { guid: guid as string, ...(version !== null && { version: version as string }) }
}

function rangeKey({ version_id, application_id, addon_id }: Row) {
  return { versionId: version_id as number, applicationId: application_id as number, addonId: addon_id as number }
}
