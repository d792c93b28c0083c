/** `catalog import` and `catalog export` */

import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { copyFile, mkdir, mkdtemp, open, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Writable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { Presets, SingleBar } from 'cli-progress'
import type { Command } from 'commander'
import { exportCatalogue, type ImportReport, importFile } from '../catalogue/index.ts'
import { reasonOf, VersioncheckError } from '../errors.ts'
import type { Store } from '../files/index.ts'
import { BATCH_ADDONS, BATCH_ADDONS_MAX } from '../limits.ts'
import { wholeNumber } from './addon.ts'
import type { Output, Run, Session } from './context.ts'
import { number, plural } from './tables.ts'

interface ImportOptions {
  readonly batch: number
  readonly skipBad?: boolean
  readonly fetch?: boolean
  readonly allowPrivate?: boolean
}

export function addTransferCommands(parent: Command, run: Run): void {
  parent
    .command('import')
    .description("take add-ons in from a file of JSON Lines, or from Firefox's own update.json")
    .argument('<file>', 'its path, or - for standard input')
    .option('--batch <n>', 'add-ons in one transaction', wholeNumber, BATCH_ADDONS)
    .option('--skip-bad', 'leave bad lines out, instead of applying nothing')
    .option('--fetch', 'take packages that have an address elsewhere into the store (https)')
    .option('--allow-private', 'fetch from private addresses, and over http, too')
    .action(run(importCommand))
  parent
    .command('export')
    .description('write all add-ons as JSON Lines')
    .argument('[file]', 'where to; else standard output')
    .option('--packages', 'copy the packages too, to the folder "packages" beside the file')
    .action(run(exportCommand))
}

async function importCommand(session: Session, file: string, options: ImportOptions): Promise<void> {
  const { batch, skipBad = false, fetch = false, allowPrivate = false } = options
  if (batch < 1 || batch > BATCH_ADDONS_MAX) {
    throw new VersioncheckError('usage', `--batch must be from 1 to ${BATCH_ADDONS_MAX}.`)
  }
  const { primary, editor, store, followers, out } = session
  const bar = createBar(out)
  const spool = file === '-' ? await spoolInput() : undefined
  try {
    const report = await importFile({
      path: spool ?? (await readable(file)),
      ...(spool !== undefined && { folder: process.cwd() }),
      primary,
      editor,
      store,
      followers,
      batch,
      skipBad,
      fetch,
      allowPrivate,
      progress: ({ pass, part, addons }) => bar.update(pass, part, addons),
    })
    bar.stop()
    out.result(report, () => describe(report))
    noteBadLines(out, report)
    if (!report.replicated) out.note("warning: the replicas don't have all of it yet; they will follow.")
  } catch (error) {
    bar.stop()
    if (error instanceof VersioncheckError && error.code === 'import_refused') {
      noteBadLines(out, error.details as ImportReport)
    }
    throw error
  } finally {
    if (spool !== undefined) await rm(dirname(spool), { recursive: true, force: true })
  }
}

/** Standard input is read twice, so it is kept first. */
async function spoolInput(): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'versioncheck-stdin-')), 'import')
  await pipeline(process.stdin, createWriteStream(path, { mode: 0o600 }))
  return path
}

async function readable(file: string): Promise<string> {
  try {
    if (!(await stat(file)).isFile()) throw new Error('it is no file')
    return file
  } catch (cause) {
    throw new VersioncheckError('input_unreadable', `${file} can't be read: ${reasonOf(cause)}.`, { cause })
  }
}

function describe(report: ImportReport): string {
  const { created, changed, unchanged, bad, leftOut, withoutPackage, withoutRange, outOfOrder } = report
  const lines = [`${number(created)} created, ${number(changed)} changed, ${number(unchanged)} unchanged`]
  if (bad > 0) lines.push(`${plural(bad, 'bad line')} left out`)
  for (const [what, times] of Object.entries(leftOut))
    lines.push(`left out, there is no place for it yet: ${what}, ${number(times)} times`)
  if (withoutPackage > 0)
    lines.push(
      `${plural(withoutPackage, 'version')} came without a package: offered all the same, but their links answer 404`,
    )
  if (withoutRange > 0)
    lines.push(`${plural(withoutRange, 'version')} came without a range for any application: offered to nobody`)
  if (outOfOrder > 0)
    lines.push(`${plural(outOfOrder, 'new version')} stood before older rows, and is served as the newest`)
  return lines.join('\n')
}

function noteBadLines(out: Output, { badLines, bad }: ImportReport): void {
  for (const { line, reasons } of badLines) for (const reason of reasons) out.note(`line ${line}: ${reason}`)
  if (bad > badLines.length) out.note(`… and ${plural(bad - badLines.length, 'more bad line')}`)
}

interface Bar {
  update(pass: string, part: number, addons: number): void
  stop(): void
}

/** On a terminal a bar; else a line every five seconds. */
function createBar(out: Output): Bar {
  if (!process.stderr.isTTY) {
    let saidAt = Date.now()
    return {
      update(pass, part, addons) {
        if (Date.now() - saidAt < 5_000) return
        saidAt = Date.now()
        out.note(`${pass}: ${Math.floor(part * 100)} %, ${plural(addons, 'add-on')}`)
      },
      stop() {},
    }
  }
  const bar = new SingleBar(
    {
      format: '{pass} {bar} {percentage} % | {addons} add-ons | {duration_formatted}',
      stream: process.stderr,
      etaBuffer: 50,
    },
    Presets.shades_classic,
  )
  bar.start(100, 0, { pass: 'checking', addons: 0 })
  return {
    update: (pass, part, addons) => bar.update(Math.floor(part * 100), { pass, addons: number(addons) }),
    stop: () => bar.stop(),
  }
}

async function exportCommand(
  { primary, store, out }: Session,
  file: string | undefined,
  { packages = false }: { packages?: boolean },
): Promise<void> {
  if (file === undefined) {
    if (packages) throw new VersioncheckError('usage', '--packages needs a file, for its folder to be known.')
    await writeLines(process.stdout, 'standard output', (write) => exportCatalogue({ primary, write }))
    return
  }
  const digests = new Set<string>()
  const pathOf = (digest: string) => {
    digests.add(digest)
    return `packages/${digest}.xpi`
  }
  const folder = dirname(file)
  const incoming = `${file}.new`
  try {
    const target = (await written(file, open(incoming, 'w'))).createWriteStream()
    const addons = await writeLines(target, file, (write) =>
      exportCatalogue({ primary, ...(packages && { pathOf }), write }),
    )
    await written(file, finished(target.end()))
    if (packages) await written(file, mkdir(join(folder, 'packages'), { recursive: true }))
    for (const digest of digests) await copyPackage(store, digest, join(folder, pathOf(digest)))
    await written(file, rename(incoming, file))
    out.result(
      { addons, packages: digests.size },
      () =>
        `${plural(addons, 'add-on')} written to ${file}${packages ? ` with ${plural(digests.size, 'package')}` : ''}`,
    )
  } finally {
    await rm(incoming, { force: true }).catch(() => {})
  }
}

/** Hands lines over at the pace of whoever takes them. A reader that has seen enough, such as `head`, is no error. */
async function writeLines(
  target: Writable,
  name: string,
  work: (write: (line: string) => Promise<void>) => Promise<number>,
): Promise<number> {
  let failure: NodeJS.ErrnoException | undefined
  target.on('error', (error) => {
    failure = error
  })
  try {
    return await work(async (line) => {
      if (failure === undefined && !target.write(`${line}\n`)) await once(target, 'drain').catch(() => {})
      if (failure !== undefined) throw failure
    })
  } catch (error) {
    if (error !== failure) throw error
    if (failure?.code === 'EPIPE') return 0
    throw unwritable(name, error)
  }
}

async function copyPackage(store: Store, digest: string, to: string): Promise<void> {
  if ((await store.sizeOf(digest)) === undefined) {
    throw new VersioncheckError('input_unreadable', `The package ${store.pathOf(digest)} is not there.`, {
      hint: 'Check FILES_DIR; "catalog check" lists all that are missing. Without --packages the export works.',
    })
  }
  await written(to, copyFile(store.pathOf(digest), to))
}

/** Says which file it was about where writing it fails. */
async function written<T>(file: string, work: Promise<T>): Promise<T> {
  return await work.catch((cause) => {
    throw unwritable(file, cause)
  })
}

function unwritable(file: string, cause: unknown): VersioncheckError {
  return new VersioncheckError('output_unwritable', `${file} can't be written: ${reasonOf(cause)}.`, { cause })
}
