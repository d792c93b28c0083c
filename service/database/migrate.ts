/** The schema: brings a database up to what this program needs, with dbmate and the files in sql/migrations. */

import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { resolveBinary } from 'dbmate'
import type { QueryError } from 'mysql2'
import { reasonOf, VersioncheckError } from '../errors.ts'
import { connect } from './connection.ts'
import { derivedPassword, type Endpoint, endpointAs, isAccount } from './endpoint.ts'
import { openPrimary, type Primary } from './primary.ts'
import { migrationsFolder } from './statements.ts'

/** How long one host waits for another that migrates. */
const LOCK_S = 120
const CONNECT_MS = 5_000
const TABLE = 'schema_migrations'

/** Applies what is missing and lets the lesser accounts in. Returns the names of the migrations it applied. */
export async function migrate(owner: Endpoint): Promise<string[]> {
  const primary = await openOrCreate(owner)
  try {
    if (isAccount(owner)) {
      await assertCurrent(primary)
      return []
    }
    // Hosts that start together: the first one migrates, the others find it done.
    const [lock] = await primary.rows('SELECT GET_LOCK(?, ?) AS held', [`${owner.database} migration`, LOCK_S])
    if (lock?.held !== 1) {
      throw new VersioncheckError('migration_failed', `Another migration has been running for ${LOCK_S} s.`)
    }
    const pending = await pendingOf(primary)
    if (pending.length > 0) await runDbmate(owner, 'migrate')
    await assertCurrent(primary)
    await admitAccounts(primary, owner)
    return pending
  } finally {
    await primary.close()
  }
}

/** A database that isn't there yet is made, where the owner may. */
async function openOrCreate(owner: Endpoint): Promise<Primary> {
  try {
    return await openPrimary(owner)
  } catch (error) {
    if (!(error instanceof VersioncheckError) || error.code !== 'database_unknown' || isAccount(owner)) throw error
    await runDbmate(owner, 'create')
    return await openPrimary(owner)
  }
}

/** Throws `database_too_old` unless the schema is the one this program was written for, or a later one. */
export async function assertCurrent(primary: Primary): Promise<void> {
  const pending = await pendingOf(primary)
  if (pending.length === 0) return
  throw new VersioncheckError('database_too_old', `The database lacks the migration ${pending.join(', ')}.`, {
    hint: 'Run "npm run migrate" with the DATABASE_URL of the owner.',
  })
}

async function pendingOf(primary: Primary): Promise<string[]> {
  const applied = await primary.rows(`SELECT version FROM ${TABLE}`).catch((error: QueryError) => {
    if (error.code === 'ER_NO_SUCH_TABLE') return []
    throw error
  })
  const versions = new Set(applied.map(({ version }) => version))
  return migrationNames().filter((name) => !versions.has(versionOf(name)))
}

function migrationNames(): string[] {
  return readdirSync(migrationsFolder)
    .filter((name) => name.endsWith('.sql'))
    .sort()
}

/** `20261124000001` of `20261124000001_catalogue.sql` */
function versionOf(name: string): string {
  return name.split('_')[0] as string
}

async function runDbmate(owner: Endpoint, command: 'create' | 'migrate'): Promise<void> {
  const args = [
    '--env-file',
    '/dev/null',
    '--migrations-dir',
    migrationsFolder,
    '--migrations-table',
    TABLE,
    '--no-dump-schema',
    command,
  ]
  try {
    // By environment: a command line is open to every user of the machine.
    await promisify(execFile)(resolveBinary(), args, { env: { ...process.env, DATABASE_URL: dbmateUrl(owner) } })
  } catch (cause) {
    const output = String((cause as { stderr?: string }).stderr ?? reasonOf(cause)).trim()
    throw new VersioncheckError('migration_failed', `The schema could not be brought up to date: ${output}`, {
      hint: 'The owner needs ALL on the database, CREATE USER, and may grant what it has. What was applied stays; run it again.',
      cause,
    })
  }
}

function dbmateUrl({ socketPath, host, port, user, password, database }: Endpoint): string {
  const who = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`
  if (socketPath !== undefined) return `mysql://${who}@/${database}?socket=${encodeURIComponent(socketPath)}`
  return `mysql://${who}@${host.includes(':') ? `[${host}]` : host}:${port}/${database}`
}

/** The migrations make the accounts locked; here they get the passwords that follow from the owner's. */
async function admitAccounts(primary: Primary, owner: Endpoint): Promise<void> {
  for (const role of ['reader', 'catalog'] as const) {
    const endpoint = endpointAs(owner, role)
    try {
      const connection = await connect(endpoint, { connectMs: CONNECT_MS })
      connection.destroy()
    } catch {
      const admit = () =>
        primary.write(`ALTER USER ?@'%' IDENTIFIED BY ? ACCOUNT UNLOCK`, [endpoint.user, derivedPassword(owner, role)])
      await admit().catch(async (error: QueryError) => {
        if (error.errno !== ER_CANNOT_USER) throw error
        await makeAccounts(primary, owner)
        await admit()
      })
    }
  }
}

/** The account isn't there. */
const ER_CANNOT_USER = 1396

/**
 * A database that was brought back from a dump on another server says that it has its accounts, but hasn't: the migrations that
 * make accounts, or grant them something, are run again, as every migration can be.
 */
async function makeAccounts(primary: Primary, owner: Endpoint): Promise<void> {
  const versions = migrationNames()
    .filter((name) => /\b(?:GRANT|CREATE USER)\b/.test(readFileSync(join(migrationsFolder, name), 'utf8')))
    .map(versionOf)
  await primary.write(`DELETE FROM ${TABLE} WHERE version IN (?)`, [versions])
  await runDbmate(owner, 'migrate')
}
