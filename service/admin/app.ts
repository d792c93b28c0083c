/** `catalog app …` */

import { type Command, Option } from 'commander'
import { type ManifestFormat, manifestFormats, packAppVersion, parseGuid, unpackAppVersion } from '../addon/index.ts'
import { VersioncheckError } from '../errors.ts'
import type { Run, Session } from './context.ts'
import { table } from './tables.ts'

export function addAppCommands(parent: Command, run: Run): void {
  const app = parent.command('app').description('applications that may ask')
  app.command('list').description('applications and what they read').action(run(list))
  app
    .command('add')
    .description('make an application known')
    .argument('<name>', 'short: a-z, 0-9 and -, as in import files and download addresses')
    .argument('<guid>', 'as it sends it: appID')
    .addOption(new Option('--manifest <format>', 'what it reads').choices(manifestFormats).default('json'))
    .option('--json-since <version>', 'its version from which it reads JSON, where it reads RDF before; or "never"')
    .action(run(add))
}

async function list({ primary, out }: Session): Promise<void> {
  const rows = await primary.rows('SELECT id, name, guid, manifest, json_since FROM applications ORDER BY id')
  const applications = rows.map((row) => ({ ...row, json_since: shownSince(row.json_since as string | number | null) }))
  out.result(applications, () =>
    table(
      ['id', 'name', 'guid', 'manifest', 'JSON since'],
      rows.map(({ id, name, guid, manifest }, index) => [
        id as number,
        name as string,
        guid as string,
        manifest as string,
        applications[index]?.json_since ?? 'never',
      ]),
    ),
  )
}

/** Of an application's version; null: never. */
function shownSince(since: string | number | null): string | null {
  if (since === null) return null
  return Number(since) === 0 ? 'always' : unpackAppVersion(since)
}

async function add(
  session: Session,
  name: string,
  guid: string,
  { manifest, jsonSince }: { manifest: ManifestFormat; jsonSince?: string },
): Promise<void> {
  if (!/^[a-z0-9-]{1,32}$/.test(name))
    throw new VersioncheckError('usage', `"${name}" is not a short name: a-z, 0-9 and -.`)
  if (parseGuid(guid) === undefined) throw new VersioncheckError('usage', `"${guid}" is not a guid.`)
  const since = sinceOf(manifest, jsonSince)
  await session.editor.addApplication({ name, guid, manifest, jsonSince: since })
  const replicated = await session.settle()
  session.out.result(
    { name, guid, manifest, json_since: shownSince(since?.toString() ?? null), replicated },
    () => `${name} is known`,
  )
}

/** Packed; null: never. Where it isn't given: from the start for JSON, never for RDF. */
function sinceOf(manifest: ManifestFormat, text: string | undefined): bigint | null {
  if (text === 'never') return null
  if (text !== undefined && !/^[\d*]/.test(text)) throw new VersioncheckError('usage', `"${text}" is not a version.`)
  if (text !== undefined) return packAppVersion(text)
  return manifest === 'json' ? 0n : null
}
