/** The server: reads the configuration, brings up the databases where they are its own, and serves until it is told to stop. */

import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createEditor, importFile } from './catalogue/index.ts'
import { type Config, readConfig, variables } from './config.ts'
import { type Endpoint, isAccount, migrate, openFollowers, openPrimary } from './database/index.ts'
import { type Databases, openDatabases } from './databases.ts'
import { VersioncheckError } from './errors.ts'
import { startHeartbeat } from './feed/index.ts'
import { openStore } from './files/index.ts'
import { findAddress, loadLibrary } from './http/index.ts'
import { BATCH_ADDONS, SCHEMA_WAIT_MS, STOP_MS_MAX } from './limits.ts'
import { type Log, openLog } from './observe/index.ts'
import { startWorker } from './worker.ts'

/** What is open, in the order it was opened. */
const closers: (() => Promise<void> | void)[] = []
let stopping = false
let stoppingSince = 0
const SAME_SIGNAL_MS = 500
let abandonLog = () => {}
let mainLog: Log | undefined

async function main(): Promise<void> {
  if (process.argv.length > 2) {
    explainArguments(process.argv.slice(2))
    return
  }
  const config = readConfig(process.env)
  const { log, flush, close, abandon } = openLog({ level: config.logLevel, readable: process.stderr.isTTY })
  closers.push(close)
  abandonLog = abandon
  mainLog = log
  const { uws, ...library } = loadLibrary()
  log.info(library, 'the HTTP library')
  if (!library.pinned) log.warn(library, 'this build of the HTTP library is not one that was reviewed')
  if (process.env.FILES_DIR && !existsSync(config.filesDir)) {
    log.warn({ folder: config.filesDir }, 'FILES_DIR is not there yet: downloads answer 404 until packages are added')
  }
  // Before anything is started for it.
  await findAddress(config.host, config.port, { isTls: config.tls !== undefined })

  const databases = await openDatabases(config, 'start', (line) => log.info(line))
  closers.push(databases.close)
  await (databases.private ? prepareSchema : schemaReadyOrLate)(databases.owner, log)
  if (databases.private && config.sample) await loadSample(config, databases, log)
  if (!isAccount(databases.owner)) closers.push(startHeartbeat(databases.catalog, log).close)

  const { readers, cacheSecret, identity } = databases
  const worker = await startWorker({ config, readers, cacheSecret, identity, uws, log })
  closers.push(worker.close)
  const { url } = worker.address
  // What was logged so far stands before the last line.
  await flush()
  console.log(`curl -g '${url}/update/?id=${EXAMPLE_ADDON}&appID=${EXAMPLE_APP}&appVersion=140.0&compatMode=normal'`)
  console.log(`ready ${url}`)
}

/** It takes none: whoever gives some wants help, or meant a variable. */
function explainArguments(args: readonly string[]): void {
  if (args.some((arg) => arg !== '--help' && arg !== '-h')) {
    throw new VersioncheckError('usage', `"${args.join(' ')}": it takes no arguments.`, {
      hint: 'Settings are environment variables: PORT=8081 npm start. "npm start -- --help" lists them.',
    })
  }
  const width = (column: 0 | 1) => Math.max(...variables.map((variable) => variable[column].length)) + 2
  console.log(
    'Usage: npm start\n\nAnswers update checks until it is told to stop (Ctrl-C, SIGTERM).\n\nEnvironment, with defaults:',
  )
  for (const [name, byDefault, meaning] of variables) {
    console.log(`  ${name.padEnd(width(0))}${byDefault.padEnd(width(1))}${meaning}`)
  }
}

/** The talk's most popular add-on, as the sample has it; Firefox. */
const EXAMPLE_ADDON = 'adblock-plus@sample.test'
const EXAMPLE_APP = '{ec8030f7-c20a-464f-9b0e-13a3a9e97384}'

/**
 * Brings the schema up to date. Where the primary is away that happens once it is back: replicas, or a snapshot, can be served from
 * in the meantime.
 */
async function schemaReadyOrLate(owner: Endpoint, log: Log): Promise<void> {
  let isLate = false
  const prepared = prepareSchema(owner, log).catch((error: unknown) => {
    if (!isLate) throw error
    log.error({ err: error }, 'the schema could not be brought up to date')
  })
  const late = sleep(SCHEMA_WAIT_MS, 'late' as const, { ref: false })
  isLate = (await Promise.race([prepared, late])) === 'late'
}

async function prepareSchema(owner: Endpoint, log: Log): Promise<void> {
  while (!stopping) {
    try {
      const migrations = await migrate(owner)
      if (migrations.length > 0) log.info({ migrations }, 'the schema was brought up to date')
      return
    } catch (error) {
      const unreachable = error instanceof VersioncheckError && error.code === 'database_unreachable'
      if (!unreachable) throw error
      log.warn(error.message)
      await sleep(1_000)
    }
  }
}

/** Only into a catalogue without a single add-on. */
async function loadSample(config: Config, { catalog, readers }: Databases, log: Log): Promise<void> {
  const path = fileURLToPath(new URL('../sample/catalogue.jsonl', import.meta.url))
  const primary = await openPrimary(catalog)
  const followers = openFollowers(readers)
  try {
    const [row] = await primary.rows('SELECT EXISTS (SELECT 1 FROM addons) AS filled')
    if (row?.filled === 1 || !existsSync(path)) return
    const { created } = await importFile({
      path,
      primary,
      editor: createEditor({ primary, actor: 'sample' }),
      store: openStore(config.filesDir),
      followers,
      batch: BATCH_ADDONS,
      skipBad: false,
      fetch: false,
      allowPrivate: false,
      progress: () => {},
    })
    log.info({ addons: created }, 'the sample catalogue was loaded')
  } finally {
    followers.close()
    await primary.close()
  }
}

/** Closes what was opened, the last first, and ends the process; asked a second time, it ends at once. */
async function stop(code: number): Promise<void> {
  if (stopping) {
    // Under npm one Ctrl-C comes twice: from the terminal, and from npm.
    if (performance.now() - stoppingSince < SAME_SIGNAL_MS) return
    abandon(code)
  }
  stopping = true
  stoppingSince = performance.now()
  for (const close of closers.reverse()) {
    try {
      await close()
    } catch (error) {
      console.error(error)
    }
  }
  process.exit(code)
}

/** Ends the process without waiting for anything. */
function abandon(code: number): never {
  abandonLog()
  process.exit(code)
}

/** Under `npm start` a crash of npm must not leave a server behind that nobody sees. */
function stopWithParent(): void {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid !== parent) void stop(0)
  }, 500)
  timer.unref()
}

/**
 * An error that nobody caught: what this process holds may be wrong, so it ends, in order, and whoever started it starts another. A
 * rejection that nobody handles comes here too.
 */
process.on('uncaughtException', (error) => {
  if (mainLog === undefined) console.error(error)
  else mainLog.fatal({ err: error }, 'an error that nobody caught; the process ends')
  // A second one, while it ends, ends it at once; and so does the time that ending may take.
  if (stopping) abandon(1)
  setTimeout(() => abandon(1), STOP_MS_MAX).unref()
  void stop(1)
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop(0))
if (process.env.npm_lifecycle_event === 'start') stopWithParent()

main().catch(async (error: unknown) => {
  if (stopping) return
  if (error instanceof VersioncheckError) {
    console.error(`versioncheck: ${error.message}`)
    if (error.hint !== undefined) console.error(error.hint)
  } else {
    console.error(error)
  }
  await stop(1)
})
