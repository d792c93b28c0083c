/**
 * The only writer of the catalogue. An edit locks its add-ons in the order of their ids, reads them, changes them, rebuilds their
 * candidates and, last of all before the commit, takes its numbers from the change counter and says who did it: in one
 * transaction. (Without the locks two edits that each withdraw one version leave a candidate of a withdrawn one.)
 */

import type { ManifestFormat } from '../addon/index.ts'
import { type Primary, readStatement, rollback, type Statements } from '../database/index.ts'
import { VersioncheckError } from '../errors.ts'
import { appendChanges, type Change } from '../feed/index.ts'
import { type IdFloors, type Saved, saveAddons } from './save.ts'
import { type AddonState, loadAddons, type StoredAddon } from './state.ts'

export interface EditOptions {
  /** For the audit: `addon.disable`. */
  readonly action: string
  /** The add-ons it is about, by guid; some may not exist. Locked and loaded before `next` runs. */
  readonly guids: readonly string[]
  /**
   * The states that shall be: of loaded add-ons (same id), and of new ones (no id). Those it leaves out stay as they are.
   * May run more than once, after a conflict with another writer.
   */
  readonly next: (stored: ReadonlyMap<string, StoredAddon>, statements: Statements) => Promise<readonly AddonState[]>
  readonly floors?: IdFloors
}

export interface NewApplication {
  readonly name: string
  readonly guid: string
  readonly manifest: ManifestFormat
  /** Packed; null: never. */
  readonly jsonSince: bigint | null
}

export interface Editor {
  /** Makes the edit in one transaction; returns what changed, nothing where nothing did. */
  edit(options: EditOptions): Promise<readonly Saved[]>
  /** Throws `application_exists`. */
  addApplication(application: NewApplication): Promise<void>
  /** Makes the candidates of these add-ons (by id) what the other tables say; returns how many rows that took. */
  rebuildCandidates(addonIds: readonly number[]): Promise<number>
  /** Packs these ranges anew. */
  repackRanges(
    ranges: readonly { versionId: number; applicationId: number; min: bigint; max: bigint; addonId: number }[],
  ): Promise<void>
}

export interface EditorOptions {
  readonly primary: Primary
  /** Who, for the audit. */
  readonly actor: string
}

interface Event {
  readonly action: string
  readonly guid: string | null
  readonly detail: unknown
  readonly change: Change
}

export function createEditor({ primary, actor }: EditorOptions): Editor {
  const removeCandidates = readStatement('candidates-remove')
  const writeCandidates = readStatement('candidates-write')

  async function record(statements: Statements, events: readonly Event[]): Promise<void> {
    const numbers = await appendChanges(
      statements,
      events.map(({ change }) => change),
    )
    await statements.write('INSERT INTO audit (actor, action, guid, detail, change_number) VALUES ?', [
      events.map(({ action, guid, detail }, index) => [actor, action, guid, JSON.stringify(detail), numbers[index]]),
    ])
  }

  async function rebuild(
    statements: Statements,
    { kept, created }: { kept: readonly number[]; created: readonly number[] },
  ) {
    let rows = 0
    if (kept.length > 0) rows += (await statements.write(removeCandidates, [kept])).affectedRows
    if (kept.length + created.length > 0) {
      rows += (await statements.write(writeCandidates, [[...kept, ...created]])).affectedRows
    }
    return rows
  }

  /** Loads and locks add-ons by id; records that their candidates or ranges were mended. */
  async function mend(
    addonIds: readonly number[],
    action: string,
    work: (statements: Statements) => Promise<number>,
  ): Promise<number> {
    const rows = await primary.transaction(async (statements) => {
      const locked = await lockById(statements, addonIds)
      const changed = await work(statements)
      if (changed === 0) return rollback
      await record(
        statements,
        locked.map(({ id, guid }) => ({ action, guid, detail: null, change: { kind: 'addon', subjectId: id, guid } })),
      )
      return changed
    })
    return rows ?? 0
  }

  return {
    async edit({ action, guids, next, floors }) {
      const saved = await primary.transaction(async (statements) => {
        const stored = await lockAndLoad(statements, guids)
        const applications = await loadApplicationIds(statements)
        const byId = new Map([...stored.values()].map((addon) => [addon.id, addon]))
        const transitions = (await next(stored, statements)).map((after) => ({
          before: after.id === undefined ? undefined : byId.get(after.id),
          after,
        }))
        const changed = await saveAddons(statements, transitions, applications, floors)
        if (changed.length === 0) return rollback
        await rebuild(statements, {
          kept: changed.filter(({ transition }) => transition.before !== undefined).map(({ id }) => id),
          created: changed.filter(({ transition }) => transition.before === undefined).map(({ id }) => id),
        })
        await record(
          statements,
          changed.map(({ id, transition: { before, after }, differences }) => ({
            action: before === undefined ? 'addon.create' : action,
            guid: after.guid,
            detail: differences,
            change: {
              kind: 'addon',
              subjectId: id,
              guid: after.guid,
              ...(before !== undefined && before.guid !== after.guid && { oldGuid: before.guid }),
            },
          })),
        )
        return changed
      })
      return saved ?? []
    },

    async addApplication({ name, guid, manifest, jsonSince }) {
      await primary.transaction(async (statements) => {
        const [clash] = await statements.rows('SELECT name FROM applications WHERE name = ? OR guid = ? FOR UPDATE', [
          name,
          guid,
        ])
        if (clash !== undefined) {
          throw new VersioncheckError('application_exists', `An application "${name}" or ${guid} is there already.`, {
            hint: 'catalog app list shows them.',
          })
        }
        const { insertId } = await statements.write(
          'INSERT INTO applications (name, guid, manifest, json_since) VALUES (?, ?, ?, ?)',
          [name, guid, manifest, jsonSince === null ? null : jsonSince.toString()],
        )
        const change: Change = { kind: 'application', subjectId: insertId, guid }
        await record(statements, [{ action: 'app.add', guid, detail: { name, manifest }, change }])
      })
    },

    rebuildCandidates: (addonIds) =>
      mend(addonIds, 'candidates.rebuild', (statements) => rebuild(statements, { kept: addonIds, created: [] })),

    async repackRanges(ranges) {
      const addonIds = [...new Set(ranges.map(({ addonId }) => addonId))]
      await mend(addonIds, 'ranges.repack', async (statements) => {
        for (const { versionId, applicationId, min, max } of ranges) {
          await statements.write(
            'UPDATE compatibility SET min_packed = ?, max_packed = ? WHERE version_id = ? AND application_id = ?',
            [min.toString(), max.toString(), versionId, applicationId],
          )
        }
        await rebuild(statements, { kept: addonIds, created: [] })
        return ranges.length
      })
    },
  }
}

/** Add-ons by guid, locked until the end of the transaction. */
async function lockAndLoad(statements: Statements, guids: readonly string[]): Promise<Map<string, StoredAddon>> {
  if (guids.length === 0) return new Map()
  const rows = await statements.rows('SELECT id FROM addons WHERE guid IN (?)', [guids])
  const locked = await lockById(
    statements,
    rows.map(({ id }) => id as number),
  )
  const addons = await loadAddons(
    statements,
    locked.map(({ id }) => id),
  )
  return new Map(addons.map((addon) => [addon.guid, addon]))
}

async function lockById(statements: Statements, ids: readonly number[]): Promise<{ id: number; guid: string }[]> {
  if (ids.length === 0) return []
  return (await statements.rows('SELECT id, guid FROM addons WHERE id IN (?) ORDER BY id FOR UPDATE', [ids])) as {
    id: number
    guid: string
  }[]
}

/** Ids by short name. */
export async function loadApplicationIds(statements: Statements): Promise<Map<string, number>> {
  const rows = await statements.rows('SELECT id, name FROM applications')
  return new Map(rows.map(({ id, name }) => [name as string, id as number]))
}
