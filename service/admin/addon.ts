/** `catalog addon …` */

import { type Command, Option } from 'commander'
import { type AddonStatus, addonStatuses } from '../addon/index.ts'
import { lineOf, loadAddons, type StoredAddon } from '../catalogue/index.ts'
import { VersioncheckError } from '../errors.ts'
import type { Run, Session } from './context.ts'
import { fields, number, plural, table } from './tables.ts'

export function addAddonCommands(parent: Command, run: Run): void {
  const addon = parent.command('addon').description('show add-ons, and decide whether clients know them')

  addon
    .command('show')
    .description('everything the catalogue knows of an add-on, and who changed it last')
    .argument('<guid>')
    .action(run(show))
  addon
    .command('list')
    .description('add-ons by rising id')
    .addOption(new Option('--status <status>', 'only those of a status').choices(addonStatuses))
    .option('--search <text>', 'only those whose guid or slug has this in it')
    .option('--after <id>', 'begin behind this id', wholeNumber, 0)
    .option('--limit <n>', 'so many at the most', wholeNumber, 50)
    .action(run(list))
  addon
    .command('set-status')
    .description(`set the status that the site gives it: ${addonStatuses.join(', ')}`)
    .argument('<guid>')
    .argument('<status>')
    .action(run(setStatus))
  addon
    .command('disable')
    .description('withdraw an add-on: to clients it is unknown, its files are refused')
    .argument('<guid>')
    .action(run(disable))
  addon
    .command('enable')
    .description('make a disabled add-on public again, whoever disabled it')
    .argument('<guid>')
    .action(run(enable))
}

/** Parses an option that takes a whole number; throws `usage`. */
export function wholeNumber(text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text)
  throw new VersioncheckError('usage', `"${text}" is not a whole number.`)
}

/** The add-on of a guid; throws `addon_unknown`. */
export async function findAddon({ primary }: Pick<Session, 'primary'>, guid: string): Promise<StoredAddon> {
  const [row] = await primary.rows('SELECT id FROM addons WHERE guid = ?', [guid])
  const [addon] = row === undefined ? [] : await loadAddons(primary, [row.id as number])
  if (addon === undefined) throw addonUnknown(guid)
  return addon
}

export function addonUnknown(guid: string): VersioncheckError {
  return new VersioncheckError('addon_unknown', `No add-on has the guid "${guid}".`, {
    hint: 'catalog addon list --search TEXT finds it by a part of its guid or slug.',
  })
}

async function show(session: Session, guid: string): Promise<void> {
  const addon = await findAddon(session, guid)
  const rows = await session.primary.rows(
    'SELECT at, actor, action, detail FROM audit WHERE guid = ? ORDER BY id DESC LIMIT 5',
    [guid],
  )
  const history = rows.map((row) => ({ ...row, detail: JSON.parse(row.detail as string) }))
  session.out.result({ ...lineOf(addon), history }, () => {
    const { id, slug, type, status, disabled_by_user, average_daily_users, name, default_locale } = addon
    const head = fields([
      ['guid', addon.guid],
      ['name', name?.[default_locale] ?? Object.values(name ?? {})[0]],
      ['id', id],
      ['slug', slug],
      ['type', type],
      ['status', disabled_by_user ? `${status}, disabled by its developer` : status],
      ['users', number(average_daily_users)],
      ['authors', addon.authors.map((author) => author.name).join(', ')],
      ['categories', addon.categories.join(', ')],
    ])
    const versions = table(
      ['version', 'id', 'channel', 'file', 'state', 'ranges', 'package'],
      addon.versions.toReversed().map((version) => [
        version.version,
        version.id as number,
        version.channel,
        version.file.id as number,
        version.deleted ? 'deleted' : version.file.status.replace('_', ' '),
        Object.entries(version.compatibility)
          .map(([application, { min, max }]) => `${application} ${min} - ${max}`)
          .join(', ') + (version.file.strict_compatibility ? ' (strict)' : ''),
        version.file.package?.slice(0, 12) ?? version.file.url ?? 'none',
      ]),
    )
    const edits = table(
      ['when (UTC)', 'who', 'what'],
      rows.map(({ at, actor, action }) => [at as string, actor as string, action as string]),
    )
    return `${head}\n\n${addon.versions.length === 0 ? 'no versions' : versions}\n\n${edits}`
  })
}

async function list(
  { primary, out }: Session,
  options: { status?: AddonStatus; search?: string; after: number; limit: number },
): Promise<void> {
  const { status, search, after, limit } = options
  const pattern = search === undefined ? undefined : `%${search.replaceAll(/[\\%_]/g, '\\$&')}%`
  const rows = await primary.rows(
    `SELECT a.id, a.guid, a.slug, a.status, a.disabled_by_user, a.average_daily_users,
       (SELECT v.version FROM versions AS v WHERE v.addon_id = a.id ORDER BY v.id DESC LIMIT 1) AS newest
     FROM addons AS a
     WHERE a.id > ? AND (? IS NULL OR a.status = ?) AND (? IS NULL OR a.guid LIKE ? OR a.slug LIKE ?)
     ORDER BY a.id LIMIT ?`,
    [after, status ?? null, status ?? null, pattern ?? null, pattern ?? null, pattern ?? null, limit],
  )
  const addons = rows.map(({ disabled_by_user, ...row }) => ({ ...row, disabled_by_user: disabled_by_user === 1 }))
  out.result(addons, () => {
    const lines = rows.map((row) => [
      row.id as number,
      row.guid as string,
      row.slug as string,
      row.disabled_by_user === 1 ? `${row.status} (developer: disabled)` : (row.status as string),
      number(row.average_daily_users as number),
      (row.newest as string | null) ?? '-',
    ])
    const more = rows.length === limit ? `\nmore: --after ${rows.at(-1)?.id}` : ''
    return rows.length === 0 ? 'no add-ons' : table(['id', 'guid', 'slug', 'status', 'users', 'newest'], lines) + more
  })
}

async function setStatus(session: Session, guid: string, text: string): Promise<void> {
  const status = addonStatuses.find((known) => known === text)
  if (status === undefined) {
    throw new VersioncheckError('usage', `"${text}" is not a status.`, {
      hint: `It is one of ${addonStatuses.join(', ')}.`,
    })
  }
  await changeStatus(session, guid, status)
}

async function disable(session: Session, guid: string): Promise<void> {
  await changeStatus(session, guid, 'disabled', assertNotDeleted)
}

/** Disabled and then enabled, a deleted add-on would be public: only set-status brings one back. */
function assertNotDeleted({ guid, status }: StoredAddon): void {
  if (status !== 'deleted') return
  throw new VersioncheckError('addon_deleted', `${guid} is deleted, so it can be neither disabled nor enabled.`, {
    hint: `catalog addon set-status '${guid}' approved (or another status) brings it back.`,
  })
}

/** `assertAllowed` throws where the add-on may not be changed so; asked again once it is locked. */
async function changeStatus(
  session: Session,
  guid: string,
  status: AddonStatus,
  assertAllowed: (addon: StoredAddon) => void = () => {},
): Promise<void> {
  const addon = await findAddon(session, guid)
  assertAllowed(addon)
  if ((status === 'disabled' || status === 'deleted') && addon.status !== status) {
    await session.confirm(`Withdraw ${guid} from ${plural(addon.average_daily_users, 'user')}?`)
  }
  const action = status === 'disabled' ? 'addon.disable' : 'addon.status'
  await changeAddon(session, guid, action, (stored) => {
    assertAllowed(stored)
    return { ...stored, status }
  })
}

/** Back to what it was before the site disabled it. */
async function enable(session: Session, guid: string): Promise<void> {
  assertNotDeleted(await findAddon(session, guid))
  const rows = await session.primary.rows(
    "SELECT JSON_UNQUOTE(JSON_EXTRACT(detail, '$.status[0]')) AS status FROM audit WHERE guid = ? AND JSON_EXTRACT(detail, '$.status[1]') = 'disabled' ORDER BY id DESC LIMIT 1",
    [guid],
  )
  const before = addonStatuses.find((known) => known === rows[0]?.status && known !== 'deleted') ?? 'approved'
  await changeAddon(session, guid, 'addon.enable', (stored) => {
    assertNotDeleted(stored)
    return { ...stored, status: stored.status === 'disabled' ? before : stored.status, disabled_by_user: false }
  })
}

/** Edits one add-on, waits for the replicas and says what came of it. */
export async function changeAddon(
  session: Session,
  guid: string,
  action: string,
  next: (stored: StoredAddon) => StoredAddon,
): Promise<void> {
  const saved = await session.editor.edit({
    action,
    guids: [guid],
    async next(stored) {
      const addon = stored.get(guid)
      if (addon === undefined) throw addonUnknown(guid)
      return [next(addon)]
    },
  })
  const replicated = await session.settle()
  const differences = saved[0]?.differences ?? {}
  session.out.result({ guid, changed: saved.length > 0, differences, replicated }, () => {
    if (saved.length === 0) return `${guid}: nothing to change`
    const lines = Object.entries(differences).map(([name, value]) => `  ${name}: ${describeDifference(value)}`)
    return [guid, ...lines].join('\n')
  })
}

function describeDifference(value: unknown): string {
  if (Array.isArray(value))
    return value.map((part) => (typeof part === 'string' ? part : JSON.stringify(part))).join(' -> ')
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .map(([name, inner]) => `${name} ${describeDifference(inner)}`)
      .join(', ')
  }
  return String(value)
}
