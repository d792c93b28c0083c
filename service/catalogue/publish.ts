/** Publishes a package as the newest version of its add-on, and makes the add-on where there is none. */

import { basename } from 'node:path'
import { mozCompare } from 'addons-moz-compare'
import { packAppVersion } from '../addon/index.ts'
import { VersioncheckError } from '../errors.ts'
import type { Store } from '../files/index.ts'
import type { Editor } from './edit.ts'
import type { AddonLine } from './format.ts'
import { pickSlugs } from './import/names.ts'
import { mergeLine } from './merge.ts'
import { isOffered } from './state.ts'
import { type Package, readPackage } from './xpi.ts'

export interface PublishOptions {
  readonly editor: Editor
  readonly store: Store
  /** Must be the id in the package's manifest. */
  readonly guid: string
  readonly path: string
  /** In the add-on's default locale. */
  readonly releaseNotes?: string
}

export interface Published {
  readonly package: Package
  /** The add-on is new. */
  readonly created: boolean
  /** What the publisher should know, a clause each. */
  readonly warnings: readonly string[]
}

/** Throws `package_refused` or `version_exists`. The package is on disk before the transaction that names it. */
export async function publishPackage({ editor, store, guid, path, releaseNotes }: PublishOptions): Promise<Published> {
  const pack = await readPackage(path)
  const { version } = pack
  if (pack.guid !== guid) {
    throw new VersioncheckError(
      'package_refused',
      `${basename(path)} is the package of "${pack.guid}", not of "${guid}".`,
    )
  }
  const digest = await store.take(path)
  if (digest !== pack.digest) throw new VersioncheckError('package_refused', `${path} changed while it was read.`)

  const line: AddonLine = {
    guid,
    versions: [{ version, file: {}, ...(releaseNotes !== undefined && { release_notes: releaseNotes }) }],
  }
  const now = new Date().toISOString().slice(0, 19).replace('T', ' ')
  let higher: string | undefined
  const [saved] = await editor.edit({
    action: 'version.add',
    guids: [guid],
    async next(stored, statements) {
      const addon = stored.get(guid)
      if (addon?.versions.some((other) => other.version === version)) {
        throw new VersioncheckError('version_exists', `${guid} has a version ${version} already.`, {
          hint: 'Raise the version in the manifest: what is installed is never replaced by the same number.',
        })
      }
      higher = addon?.versions.filter(isOffered).find((other) => mozCompare(other.version, version) > 0)?.version
      const fresh: AddonLine = { ...line, type: pack.type, ...(pack.name !== null && { name: pack.name }) }
      const slug = addon === undefined ? (await pickSlugs(statements, [fresh], () => false)).get(fresh) : addon.slug
      const options = { slug: slug as string, authors: undefined, packages: new Map([[0, pack]]), now }
      return [mergeLine(addon, addon === undefined ? fresh : line, options)]
    },
  })
  const warnings = []
  if (!pack.signed) warnings.push('the package bears no Mozilla signature: a release Firefox refuses it')
  if (higher !== undefined) {
    warnings.push(
      `${higher} is a higher number, yet ${version} is what is served now, being the newest row; Firefox doesn't go back to it`,
    )
  }
  for (const [application, { min, max }] of Object.entries(pack.ranges)) {
    if (packAppVersion(min) > packAppVersion(max))
      warnings.push(`its minimum ${min} is above its maximum ${max}: no ${application} is offered it`)
  }
  return { package: pack, created: saved?.transition.before === undefined, warnings }
}
