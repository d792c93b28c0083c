/** Explains an answer: each version in turn, newest first, and the rule that admits it or keeps it back. */

import {
  type Application,
  formatFor,
  judge,
  type Mode,
  packAppVersion,
  splitPacked,
  type Verdict,
} from '../addon/index.ts'
import type { Statements } from '../database/index.ts'
import { VersioncheckError } from '../errors.ts'
import {
  answerWith,
  type Candidate,
  chooseFrom,
  modeCodes,
  nothingKnown,
  nothingSuits,
  type Offer,
  updateOf,
} from '../update/index.ts'
import { isOffered, loadAddons, type StoredAddon, type VersionState } from './state.ts'

export interface Question {
  readonly guid: string
  /** Short name. */
  readonly application: string
  readonly appVersion: string
  readonly mode: Mode
  /** For the links of the answer. */
  readonly siteUrl: string
}

export interface Explanation {
  readonly guid: string
  readonly application: string
  readonly appVersion: string
  readonly mode: Mode
  /** Why the whole add-on is unknown to clients; absent where it is public. */
  readonly hidden?: string
  readonly versions: readonly ExplainedVersion[]
  /** The version that is offered. */
  readonly offered?: string
  /** What the service answers, word for word. */
  readonly answer: string
}

export interface ExplainedVersion {
  readonly id: number
  readonly version: string
  readonly verdict: 'offered' | 'outdone' | 'withheld'
  readonly because: string
}

/** Throws `application_unknown`; an unknown add-on is explained like any other. */
export async function explain(statements: Statements, question: Question): Promise<Explanation> {
  const { guid, appVersion, mode, siteUrl } = question
  const application = await findApplication(statements, question.application)
  const [row] = await statements.rows('SELECT id FROM addons WHERE guid = ?', [guid])
  const [addon] = row === undefined ? [] : await loadAddons(statements, [row.id as number])
  const asked = { guid, application: application.name, appVersion, mode }
  const client = packAppVersion(appVersion)
  const { high, low } = splitPacked(client)
  const format = formatFor(application, high, low)
  const unknown = Buffer.from(nothingKnown[format].body).toString()
  if (addon === undefined) return { ...asked, hidden: 'no add-on has this guid', versions: [], answer: unknown }

  let offered: string | undefined
  const versions = addon.versions.toReversed().map((version): ExplainedVersion => {
    const { admitted, because } = verdictOn(version, application.name, client, mode)
    const described = { id: version.id as number, version: version.version, because }
    if (!admitted) return { ...described, verdict: 'withheld' }
    if (offered !== undefined)
      return { ...described, verdict: 'outdone', because: `${because}, but ${offered} is newer` }
    offered = version.version
    return { ...described, verdict: 'offered' }
  })
  const hidden = whyHidden(addon)
  if (hidden !== undefined) return { ...asked, hidden, versions, answer: unknown }

  const candidate = chooseFrom(offerOf(addon, application), application.id, high, low, modeCodes[mode])
  const { type, slug } = addon
  const { body } =
    candidate === undefined
      ? nothingSuits(guid, type, format)
      : answerWith(updateOf(candidate, slug, siteUrl, application.name), { guid, type, application, format })
  return {
    ...asked,
    versions,
    ...(offered !== undefined && { offered }),
    answer: Buffer.from(body).toString(),
  }
}

function whyHidden({ status, disabled_by_user }: StoredAddon): string | undefined {
  if (status === 'disabled') return 'the site has disabled the add-on'
  if (status === 'deleted') return 'the add-on is deleted'
  return disabled_by_user ? 'its developer has disabled the add-on' : undefined
}

function verdictOn(version: VersionState, application: string, client: bigint, mode: Mode): Verdict {
  const { deleted, channel, file, compatibility } = version
  const withheld = (because: string) => ({ admitted: false, because })
  if (deleted) return withheld('the version is deleted')
  if (channel !== 'listed') return withheld(`the version is in the ${channel} channel`)
  if (file.status !== 'approved') return withheld(`its file is ${file.status.replace('_', ' ')}`)
  const range = compatibility[application]
  if (range === undefined) return withheld(`it has no range for ${application}`)
  const { min, max } = range
  const packed = { minPacked: packAppVersion(min), maxPacked: packAppVersion(max) }
  return judge({ min, max, ...packed, strict: file.strict_compatibility }, client, mode)
}

/** What workers would read of the add-on, made of the catalogue's own tables, for one application. */
function offerOf(addon: StoredAddon, application: Application): Offer {
  const candidates = addon.versions
    .filter(isOffered)
    .flatMap(({ id, version, file, compatibility, release_notes }): Candidate[] => {
      const range = compatibility[application.name]
      if (range === undefined) return []
      const min = splitPacked(packAppVersion(range.min))
      const max = splitPacked(packAppVersion(range.max))
      return [
        {
          applicationId: application.id,
          versionId: id as number,
          version,
          min: range.min,
          max: range.max,
          minHigh: min.high,
          minLow: min.low,
          maxHigh: max.high,
          maxLow: max.low,
          strict: file.strict_compatibility,
          hasReleaseNotes: release_notes !== null,
          fileId: file.id as number,
          filename: file.filename,
          hash: file.hash,
          url: file.url,
          package: file.package,
        },
      ]
    })
  const { guid, slug, type } = addon
  return { guid, slug, type, candidates }
}

async function findApplication(statements: Statements, name: string): Promise<Application> {
  const rows = await statements.rows('SELECT id, guid, name, manifest, json_since FROM applications ORDER BY id')
  const row = rows.find((candidate) => candidate.name === name)
  if (row !== undefined) {
    const since = row.json_since as string | number | null
    const { id, guid, manifest } = row as unknown as Application
    return { id, guid, name, manifest, jsonSince: since === null ? null : splitPacked(since) }
  }
  throw new VersioncheckError('application_unknown', `No application is called "${name}".`, {
    hint: `Known are ${rows.map((known) => known.name).join(', ')}; "catalog app add" makes another one known.`,
  })
}
