/** The server: reads the configuration, brings up the databases where they are its own, and serves until it is told to stop. */

import { readConfig } from './config.ts'
import { openDatabases } from './databases.ts'
import { migrate } from './database/index.ts'
import { VersioncheckError } from './errors.ts'
import { assertPortFree, loadLibrary } from './http/index.ts'
import { openLog } from './observe/index.ts'
import { startWorker } from './worker.ts'

const closers: (() => Promise<void> | void)[] = []

async function main(): Promise<void> {
  const config = readConfig(process.env)
  const { log, flush } = openLog({ level: config.logLevel, readable: process.stderr.isTTY })
  closers.push(flush)
  const library = loadLibrary()
  log.info({ library: library.name, digest: library.digest, pinned: library.pinned }, 'the HTTP library')
  await assertPortFree(config.host, config.port)

  const databases = await openDatabases(config, 'start', (line) => log.info(line))
  closers.push(databases.close)
  const applied = await migrate(databases.owner)
  if (applied.length > 0) log.info({ migrations: applied }, 'the schema was brought up to date')

  const worker = await startWorker({ config, readers: databases.readers, uws: library.uws, log })
  closers.push(worker.close)
  console.log(`try    curl '${worker.address.url}/update/?id=...'`)
  console.log(`ready  ${worker.address.url}`)
}

let stopping = false

/** Closes what was opened, the last first, and ends the process. */
async function stop(code: number): Promise<void> {
  if (stopping) process.exit(code)
  stopping = true
  for (const close of closers.reverse()) {
    try {
      await close()
    } catch (error) {
      console.error(error)
    }
  }
  process.exit(code)
}

process.on('SIGINT', () => void stop(0))
process.on('SIGTERM', () => void stop(0))

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
