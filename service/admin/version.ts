/** `catalog version …` */

import type { Command } from 'commander'
import type { Channel, FileStatus } from '../addon/index.ts'
import { proseFault, publishPackage, type StoredAddon } from '../catalogue/index.ts'
import { VersioncheckError } from '../errors.ts'
import { changeAddon, findAddon } from './addon.ts'
import type { Run, Session } from './context.ts'
import { plural } from './tables.ts'

export function addVersionCommands(parent: Command, run: Run): void {
  const version = parent.command('version').description('publish versions and withdraw them')
  version
    .command('add')
    .description('publish a package as the newest version of its add-on, and the add-on where it is new')
    .argument('<guid>')
    .argument('<file.xpi>')
    .option('--release-notes <text>', "what is new, in the add-on's default locale")
    .action(run(add))
  version
    .command('disable')
    .description('withdraw a version: the one before it is offered, its file is refused')
    .argument('<guid>')
    .argument('<version>')
    .option('--unlisted', 'of the unlisted channel')
    .action(
      run((session, guid: string, number: string, options: ChannelOption) =>
        setFileStatus(session, guid, number, options, 'disabled'),
      ),
    )
  version
    .command('enable')
    .description('offer a withdrawn version again')
    .argument('<guid>')
    .argument('<version>')
    .option('--unlisted', 'of the unlisted channel')
    .action(
      run((session, guid: string, number: string, options: ChannelOption) =>
        setFileStatus(session, guid, number, options, 'approved'),
      ),
    )
}

interface ChannelOption {
  readonly unlisted?: boolean
}

async function add(
  session: Session,
  guid: string,
  path: string,
  { releaseNotes }: { releaseNotes?: string },
): Promise<void> {
  const { editor, store, out } = session
  const fault = releaseNotes === undefined ? undefined : proseFault(releaseNotes)
  if (fault !== undefined) throw new VersioncheckError('usage', `The text given with --release-notes ${fault}.`)
  const published = await publishPackage({
    editor,
    store,
    guid,
    path,
    ...(releaseNotes !== undefined && { releaseNotes }),
  })
  const replicated = await session.settle()
  const { version, digest, size, ranges, strict } = published.package
  const { created, warnings } = published
  const hash = `sha256:${digest}`
  out.result({ guid, version, hash, size, ranges, strict, created, warnings, replicated }, () => {
    const shown = Object.entries(ranges).map(([application, { min, max }]) => `${application} ${min} - ${max}`)
    return [
      `${guid} ${version} is published${created ? ', a new add-on' : ''}: ${shown.join(', ')}${strict ? ' (strict)' : ''}`,
      hash,
      ...warnings.map((warning) => `warning: ${warning}`),
    ].join('\n')
  })
}

async function setFileStatus(
  session: Session,
  guid: string,
  number: string,
  { unlisted }: ChannelOption,
  status: FileStatus,
): Promise<void> {
  const channel: Channel = unlisted === true ? 'unlisted' : 'listed'
  const found = (addon: StoredAddon) => {
    const version = addon.versions.find((candidate) => candidate.version === number && candidate.channel === channel)
    if (version !== undefined) return version
    throw new VersioncheckError('version_unknown', `${guid} has no ${channel} version "${number}".`, {
      hint: `catalog addon show '${guid}' lists them.`,
    })
  }
  const addon = await findAddon(session, guid)
  if (status === 'disabled' && found(addon).file.status !== 'disabled') {
    await session.confirm(`Withdraw version ${number} of ${guid} from ${plural(addon.average_daily_users, 'user')}?`)
  }
  await changeAddon(session, guid, status === 'disabled' ? 'version.disable' : 'version.enable', (stored) => {
    const version = found(stored)
    const changed = { ...version, file: { ...version.file, status } }
    return { ...stored, versions: stored.versions.map((other) => (other === version ? changed : other)) }
  })
}
