/**
 * Import: two passes over the file. The first finds every bad line and applies nothing; the second applies batches, each in a
 * transaction of its own. A crash leaves whole batches, and running it again completes it. It keeps pace with the replicas, so
 * that other edits get through in its midst.
 */

import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setImmediate as othersTurn } from 'node:timers/promises'
import type { Followers, Primary } from '../../database/index.ts'
import { reasonOf, VersioncheckError } from '../../errors.ts'
import { hashOfFile, type Store } from '../../files/index.ts'
import {
  BAD_LINES_SHOWN,
  BATCH_CHARACTERS_MAX,
  CATEGORIES_A_FILE_MAX,
  LINE_BYTES_MAX,
  REPLICAS_WAIT_S_MAX,
} from '../../limits.ts'
import { type Editor, loadApplicationIds } from '../edit.ts'
import { type AddonLine, leftOutFields, parseLine, type VersionLine } from '../format.ts'
import { mergeLine, type PackageFacts, VersionIndex } from '../merge.ts'
import type { IdFloors } from '../save.ts'
import type { AddonState, Author } from '../state.ts'
import { readPackage } from '../xpi.ts'
import { Claims } from './claims.ts'
import { readLines } from './lines.ts'
import { pickSlugs, pickUsernames } from './names.ts'
import { createFetcher, type Fetcher, findPackage } from './packages.ts'
import { readUpdateManifest, type UpdateManifest } from './update-manifest.ts'
import { checkAgainstCatalogue, checkWithinFile } from './validate.ts'

export interface ImportOptions {
  /** A file of JSON Lines, or an update.json. */
  readonly path: string
  /** What packages are relative to; the file's folder where absent. */
  readonly folder?: string
  readonly primary: Primary
  readonly editor: Editor
  readonly store: Store
  readonly followers: Followers
  /** Add-ons in one transaction. */
  readonly batch: number
  /** Leave bad lines out, rather than apply nothing. */
  readonly skipBad: boolean
  /** Take packages that have an address into the store. */
  readonly fetch: boolean
  /** Fetch from private addresses, and over http, too. */
  readonly allowPrivate: boolean
  readonly progress: (progress: ImportProgress) => void
}

export interface ImportProgress {
  readonly pass: 'checking' | 'applying'
  /** Of the file's bytes, 0 to 1. */
  readonly part: number
  readonly addons: number
}

export interface BadLine {
  readonly line: number
  readonly reasons: readonly string[]
}

export interface ImportReport {
  readonly created: number
  readonly changed: number
  readonly unchanged: number
  /** The first of the bad lines, and how many there are. */
  readonly badLines: readonly BadLine[]
  readonly bad: number
  /** Fields and lines that have no place yet, or that nobody knows: how often. */
  readonly leftOut: Readonly<Record<string, number>>
  /** Versions that are offered though neither their package nor another address of it is known: their link answers 404. */
  readonly withoutPackage: number
  /** Versions that no application is offered, since they have no range for any. */
  readonly withoutRange: number
  /** New versions that stand before ones that are there already, and yet are served as the newest. */
  readonly outOfOrder: number
  /** Whether the replicas have it all. */
  readonly replicated: boolean
}

/** One line as both passes see it. */
interface Item {
  /** Of the line, or of the add-on within an update.json. */
  readonly number: number
  readonly value: unknown
  /** Why `value` is none, or can't be taken. */
  readonly unreadable?: string
  readonly part: number
  /** How long it is, where that is known. */
  readonly characters: number
}

/** Throws `import_refused` where there are bad lines and `skipBad` isn't set, with the report as its details. */
export async function importFile(options: ImportOptions): Promise<ImportReport> {
  const spool = await mkdtemp(join(tmpdir(), 'versioncheck-import-'))
  const fetcher = options.fetch ? await createFetcher(options) : undefined
  try {
    return await new Import(options, spool, fetcher).run()
  } finally {
    await fetcher?.close()
    await rm(spool, { recursive: true, force: true })
  }
}

/** Work in the database goes on while the next lines are read, one turn at a time. */
class Turns {
  private running: Promise<void> = Promise.resolve()

  /** Resolves when the turn before has ended and this one has begun; rejects where the one before failed. */
  async begin(work: () => Promise<void>): Promise<void> {
    await this.running
    this.running = work()
    // Whoever waits for it is told.
    this.running.catch(() => {})
  }

  async ended(): Promise<void> {
    await this.running
  }
}

class Import {
  private readonly options: ImportOptions
  /** Where fetched packages wait for the second pass. */
  private readonly spool: string
  private readonly fetcher: Fetcher | undefined
  private readonly claims = new Claims()
  private readonly bad = new Set<number>()
  private readonly badLines: BadLine[] = []
  private readonly leftOut = new Map<string, number>()
  private floors: IdFloors = { addons: 0, versions: 0, files: 0 }
  private readonly counts = { created: 0, changed: 0, unchanged: 0, withoutPackage: 0, withoutRange: 0, outOfOrder: 0 }

  constructor(options: ImportOptions, spool: string, fetcher: Fetcher | undefined) {
    this.options = options
    this.spool = spool
    this.fetcher = fetcher
  }

  async run(): Promise<ImportReport> {
    const { path, skipBad } = this.options
    const manifest = await readUpdateManifest(path)
    for (const [what, times] of manifest?.leftOut ?? []) this.leftOut.set(what, times)
    const items = () => (manifest === undefined ? itemsOf(path) : manifestItems(manifest.lines))
    await this.check(items())
    if (this.bad.size > 0 && !skipBad) {
      throw new VersioncheckError(
        'import_refused',
        `${this.bad.size} bad ${this.bad.size === 1 ? 'line' : 'lines'}; nothing was applied.`,
        {
          hint: 'Mend them, or leave them out with --skip-bad.',
          details: this.report(true),
        },
      )
    }
    // The second pass only asks which slugs are taken.
    this.claims.keepOnly('slug')
    return this.report(await this.apply(items()))
  }

  private report(replicated: boolean): ImportReport {
    return {
      ...this.counts,
      badLines: this.badLines.toSorted((one, other) => one.line - other.line),
      bad: this.bad.size,
      leftOut: Object.fromEntries([...this.leftOut].sort(([one], [other]) => (one < other ? -1 : 1))),
      replicated,
    }
  }

  /** First pass. */
  private async check(items: AsyncIterable<Item>): Promise<void> {
    const { primary, batch, progress } = this.options
    const applications = new Set((await loadApplicationIds(primary)).keys())
    let waiting: { number: number; line: AddonLine }[] = []
    let addons = 0
    const categories = new Set<string>()
    const checkLines = async (these: typeof waiting) => {
      const reasons = await checkAgainstCatalogue(
        primary,
        these.map(({ line }) => line),
      )
      for (const [index, { number }] of these.entries()) this.refuse(number, reasons[index] ?? [])
    }
    const turns = new Turns()
    const checkWaiting = async () => {
      const these = waiting
      waiting = []
      await turns.begin(() => checkLines(these))
    }
    for await (const { number, value, unreadable, part } of items) {
      if (unreadable !== undefined) {
        this.refuse(number, [unreadable])
        continue
      }
      const parsed = parseLine(value)
      if (parsed.kind === 'collection') {
        this.leave('collection')
        continue
      }
      if (parsed.kind === 'bad') {
        this.refuse(number, parsed.reasons)
        continue
      }
      addons++
      const line = parsed.addon
      for (const field of parsed.leftOut)
        this.leave((leftOutFields as readonly string[]).includes(field) ? field : `${field} (unknown)`)
      this.raiseFloors(line)
      const reasons = checkWithinFile(line, applications, this.claims)
      for (const category of line.categories ?? []) categories.add(category)
      if (categories.size > CATEGORIES_A_FILE_MAX)
        reasons.push(`categories: there are more than ${CATEGORIES_A_FILE_MAX} different ones up to here`)
      reasons.push(...(await this.checkPackages(number, line)))
      if (reasons.length > 0) this.refuse(number, reasons)
      else waiting.push({ number, line })
      if (waiting.length >= batch) {
        await checkWaiting()
        progress({ pass: 'checking', part, addons })
      }
    }
    await checkWaiting()
    await turns.ended()
    progress({ pass: 'checking', part: 1, addons })
  }

  private refuse(line: number, reasons: readonly string[]): void {
    if (reasons.length === 0) return
    this.bad.add(line)
    if (this.badLines.length < BAD_LINES_SHOWN) this.badLines.push({ line, reasons })
  }

  private leave(what: string): void {
    this.leftOut.set(what, (this.leftOut.get(what) ?? 0) + 1)
  }

  private raiseFloors({ id, versions }: AddonLine): void {
    this.floors = {
      addons: Math.max(this.floors.addons, id ?? 0),
      versions: Math.max(this.floors.versions, ...(versions ?? []).map((version) => version.id ?? 0)),
      files: Math.max(this.floors.files, ...(versions ?? []).map(({ file }) => file?.id ?? 0)),
    }
  }

  private async checkPackages(number: number, { guid, versions }: AddonLine): Promise<string[]> {
    const reasons: string[] = []
    for (const [place, version] of (versions ?? []).entries()) {
      const where = version.file?.path ? `versions[${place}].file.path` : `versions[${place}].file.url`
      try {
        const path = await this.packagePath(number, place, version, { fetch: true })
        if (path !== undefined) await this.readChecked(path, guid, version)
      } catch (error) {
        reasons.push(`${where}: ${reasonOf(error)}`)
      }
    }
    return reasons
  }

  /** Where a version's package lies, undefined where it came without one. */
  private async packagePath(
    number: number,
    place: number,
    { file }: VersionLine,
    { fetch }: { fetch: boolean },
  ): Promise<string | undefined> {
    if (file?.path) return await findPackage(this.options.folder ?? dirname(this.options.path), file.path)
    if (this.fetcher === undefined || !file?.url) return undefined
    const path = join(this.spool, `${number}-${place}.xpi`)
    if (fetch) await this.fetcher.fetch(file.url, path)
    return path
  }

  /** Reads a package and holds it against what the line says of it. */
  private async readChecked(path: string, guid: string, { version, file }: VersionLine): Promise<PackageFacts> {
    const facts = await readPackage(path)
    if (facts.guid !== guid) throw new Error(`is the package of ${facts.guid}`)
    if (facts.version !== version) throw new Error(`is the package of version ${facts.version}`)
    if (file?.size !== undefined && file.size !== null && file.size !== facts.size)
      throw new Error(`has ${facts.size} bytes, not ${file.size}`)
    const { hash } = file ?? {}
    if (hash) {
      const [algorithm, digest] = hash.toLowerCase().split(':') as [string, string]
      const actual = algorithm === 'sha256' ? facts.digest : await hashOfFile(path, algorithm)
      if (actual !== digest) throw new Error(`has the ${algorithm} ${actual}, not the one that is given`)
    }
    return facts
  }

  /** Second pass. Returns whether the replicas have it all. */
  private async apply(items: AsyncIterable<Item>): Promise<boolean> {
    const { batch, progress, followers, primary } = this.options
    let lines: { number: number; line: AddonLine }[] = []
    let guids = new Set<string>()
    let length = 0
    let addons = 0
    let previous: string | undefined
    let keepsPace = true
    const applyLines = async (these: typeof lines, part: number) => {
      await this.applyBatch(these)
      addons += these.length
      // The replicas may be one batch behind, no more: whoever edits meanwhile waits for them too.
      if (keepsPace && previous !== undefined)
        keepsPace = (await followers.wait(previous, REPLICAS_WAIT_S_MAX)).length === 0
      previous = await primary.position()
      progress({ pass: 'applying', part, addons })
    }
    const turns = new Turns()
    try {
      for await (const { number, value, unreadable, part, characters } of items) {
        if (unreadable !== undefined || this.bad.has(number)) continue
        const parsed = parseLine(value)
        if (parsed.kind !== 'addon') continue
        const line = parsed.addon
        length += characters
        if (lines.length >= batch || guids.has(line.guid) || (length > BATCH_CHARACTERS_MAX && lines.length > 0)) {
          const these = lines
          await turns.begin(() => applyLines(these, part))
          lines = []
          guids = new Set()
          length = characters
        }
        lines.push({ number, line })
        guids.add(line.guid)
      }
      if (lines.length > 0) await turns.begin(() => applyLines(lines, 1))
    } finally {
      await turns.ended()
    }
    return previous === undefined || (await followers.wait(previous, REPLICAS_WAIT_S_MAX)).length === 0
  }

  private async applyBatch(lines: readonly { number: number; line: AddonLine }[]): Promise<void> {
    const packages = new Map<AddonLine, Map<number, PackageFacts>>()
    for (const { number, line } of lines) {
      packages.set(line, await this.takePackages(number, line))
      if (this.fetcher !== undefined) forgetAddresses(line, packages.get(line) as Map<number, PackageFacts>)
    }
    const now = new Date().toISOString().slice(0, 19).replace('T', ' ')
    let merged: AddonState[] = []
    const saved = await this.options.editor.edit({
      action: 'addon.import',
      guids: lines.map(({ line }) => line.guid),
      floors: this.floors,
      next: async (stored, statements) => {
        const fresh = lines.map(({ line }) => line).filter((line) => !stored.has(line.guid) && line.slug === undefined)
        const slugs = await pickSlugs(statements, fresh, (slug) => this.claims.isClaimed('slug', slug))
        const authors: ReadonlyMap<AddonLine, readonly Author[]> = await pickUsernames(
          statements,
          lines.map(({ line }) => line),
        )
        merged = lines.map(({ line }) =>
          mergeLine(stored.get(line.guid), line, {
            slug: slugs.get(line) ?? '',
            authors: authors.get(line),
            packages: packages.get(line) as Map<number, PackageFacts>,
            now,
          }),
        )
        return merged
      },
    })
    const created = saved.filter(({ transition }) => transition.before === undefined).length
    this.counts.created += created
    this.counts.changed += saved.length - created
    this.counts.unchanged += lines.length - saved.length
    for (const [index, state] of merged.entries()) this.countVersions((lines[index] as { line: AddonLine }).line, state)
  }

  private countVersions(line: AddonLine, { versions }: AddonState): void {
    const index = new VersionIndex(versions)
    const states = (line.versions ?? []).map((version) => index.meantBy(version))
    const lastOld = states.findLastIndex((state) => state?.id !== undefined)
    for (const [place, state] of states.entries()) {
      if (state === undefined) continue
      if (state.file.package === null && state.file.url === null) this.counts.withoutPackage++
      if (Object.keys(state.compatibility).length === 0) this.counts.withoutRange++
      if (state.id === undefined && place < lastOld) this.counts.outOfOrder++
    }
  }

  /** Takes the packages of a line into the store, before the transaction that names them. */
  private async takePackages(number: number, line: AddonLine): Promise<Map<number, PackageFacts>> {
    const taken = new Map<number, PackageFacts>()
    for (const [place, version] of (line.versions ?? []).entries()) {
      const path = await this.packagePath(number, place, version, { fetch: false })
      if (path === undefined) continue
      const facts = await this.readChecked(path, line.guid, version)
      const digest = await this.options.store.take(path)
      if (digest !== facts.digest) throw new VersioncheckError('package_refused', `${path} changed while it was read.`)
      taken.set(place, facts)
    }
    return taken
  }
}

/** What was fetched is served by us from now on. */
function forgetAddresses({ versions }: AddonLine, fetched: ReadonlyMap<number, PackageFacts>): void {
  for (const place of fetched.keys()) {
    const file = versions?.[place]?.file
    if (file) file.url = null
  }
}

/** Characters of lines, half a millisecond's work: what the database answers meanwhile shall not wait for longer. */
const PARSED_AT_ONCE = 8_192

async function* itemsOf(path: string): AsyncGenerator<Item> {
  const { size } = await stat(path)
  let sinceTurn = 0
  for await (const { number, text, bytesRead } of readLines(path)) {
    const part = size === 0 ? 1 : bytesRead / size
    sinceTurn += text?.length ?? 0
    if (sinceTurn >= PARSED_AT_ONCE) {
      sinceTurn = 0
      await othersTurn()
    }
    if (text === undefined) {
      yield {
        number,
        value: undefined,
        unreadable: `is no UTF-8, or longer than ${LINE_BYTES_MAX} bytes`,
        part,
        characters: 0,
      }
      continue
    }
    try {
      yield { number, value: JSON.parse(text), part, characters: text.length }
    } catch (error) {
      yield { number, value: undefined, unreadable: `is no JSON: ${reasonOf(error)}`, part, characters: 0 }
    }
  }
}

async function* manifestItems(lines: UpdateManifest['lines']): AsyncGenerator<Item> {
  for (const [index, { value, fault }] of lines.entries()) {
    const item = { number: index + 1, value, part: (index + 1) / lines.length, characters: 0 }
    yield fault === undefined ? item : { ...item, unreadable: fault }
  }
}
