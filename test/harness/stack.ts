/** The real thing for tests: a private MariaDB with its replica, a worker on a free port, the catalogue's own import. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { createEditor, type Editor, type ImportReport, importFile } from '../../service/catalogue/index.ts'
import { readConfig } from '../../service/config.ts'
import { type Followers, migrate, openFollowers, openPrimary, type Primary } from '../../service/database/index.ts'
import { type Databases, openDatabases } from '../../service/databases.ts'
import { openStore, type Store } from '../../service/files/index.ts'
import { loadLibrary } from '../../service/http/index.ts'
import { type Log, openLog } from '../../service/observe/index.ts'
import { startWorker, type Worker } from '../../service/worker.ts'

export interface Stack {
  /** A folder of its own, with DATA_DIR in it. */
  readonly folder: string
  readonly databases: Databases
  /** As the owner, who may do anything; and as the account of the command line. */
  readonly owner: Primary
  readonly primary: Primary
  readonly editor: Editor
  readonly followers: Followers
  readonly store: Store
  readonly worker: Worker
  /** The worker's. */
  readonly log: Log
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** Imports lines of the interchange format, as the command line would, and waits for the replica. */
  load(lines: readonly unknown[], options?: LoadOptions): Promise<ImportReport>
  /** Removes every add-on. */
  empty(): Promise<void>
  /** Waits until the replica has what was written so far, and the worker knows of it. */
  settle(): Promise<void>
}

export interface LoadOptions {
  readonly skipBad?: boolean
  readonly fetch?: boolean
  readonly allowPrivate?: boolean
  readonly batch?: number
}

type TestLike = Pick<Test, 'teardown'>

/** An empty folder that goes when the test ends; servers of a killed process may need a moment to leave it. */
export async function makeFolder(t: TestLike): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'versioncheck-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 }))
  return folder
}

/** Starts everything; closed when the test ends. `environment` is what the worker is configured with. */
export async function startStack(t: TestLike, environment: Readonly<Record<string, string>> = {}): Promise<Stack> {
  const folder = await makeFolder(t)
  const config = readConfig({ PORT: '0', DATA_DIR: join(folder, 'data'), LOG_LEVEL: 'error', ...environment })
  const { log } = openLog({ level: config.logLevel, readable: false })
  const databases = await openDatabases(config, 'start', () => {})
  t.teardown(() => databases.close())
  await migrate(databases.owner)
  const owner = await openPrimary(databases.owner)
  const primary = await openPrimary(databases.catalog)
  const followers = openFollowers(databases.readers)
  const { uws } = loadLibrary()
  const { readers, cacheSecret, identity } = databases
  const worker = await startWorker({ config, readers, cacheSecret, identity, uws, log })
  t.teardown(async () => {
    followers.close()
    await worker.close()
    await primary.close()
    await owner.close()
  })
  const editor = createEditor({ primary, actor: 'test' })
  const store = openStore(config.filesDir)

  async function settle(): Promise<void> {
    for (const connection of [owner, primary]) {
      const position = await connection.position()
      if (position !== undefined) await followers.wait(position, 10)
    }
    const [row] = await owner.rows('SELECT value FROM change_counter')
    for (const giveUpAt = Date.now() + 10_000; Date.now() < giveUpAt && worker.position < Number(row?.value); ) {
      await sleep(1)
    }
  }

  return {
    folder,
    databases,
    owner,
    primary,
    editor,
    followers,
    store,
    worker,
    log,
    url: worker.address.url,
    async load(lines, { skipBad = false, fetch = false, allowPrivate = false, batch = 500 } = {}) {
      const path = join(folder, 'import.jsonl')
      await writeFile(path, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'))
      const report = await importFile({
        path,
        primary,
        editor,
        store,
        followers,
        batch,
        skipBad,
        fetch,
        allowPrivate,
        progress: () => {},
      })
      await settle()
      return report
    },
    async empty() {
      for (const table of CATALOGUE_TABLES) await owner.write(`DELETE FROM ${table}`)
      await settle()
    },
    settle,
  }
}

/** What holds add-ons, the dependent first. */
const CATALOGUE_TABLES = [
  'candidates',
  'compatibility',
  'files',
  'versions',
  'addon_tags',
  'addon_categories',
  'addon_authors',
  'authors',
  'addon_details',
  'addons',
]
