/** `npm run migrate`: brings the schema of DATABASE_URL up to what this program needs, without serving. Every start does it too. */

import { readConfig } from './config.ts'
import { migrate } from './database/index.ts'
import { VersioncheckError } from './errors.ts'

async function main(): Promise<void> {
  const { database } = readConfig(process.env)
  if (database === undefined) {
    throw new VersioncheckError('configuration_invalid', 'DATABASE_URL is missing: which database is meant?', {
      hint: 'The private MariaDB of a DATA_DIR is brought up to date by whoever starts it.',
    })
  }
  const migrations = await migrate(database)
  console.log(
    migrations.length === 0 ? 'the schema is up to date' : migrations.map((name) => `applied ${name}`).join('\n'),
  )
}

main().catch((error: unknown) => {
  process.exitCode = 1
  if (!(error instanceof VersioncheckError)) {
    console.error(error)
    return
  }
  console.error(`migrate: ${error.message}`)
  if (error.hint !== undefined) console.error(error.hint)
})
