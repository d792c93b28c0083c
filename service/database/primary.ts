/** The primary: one connection for a writer, its transactions, and how to wait until the replicas have them. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { QueryError, ResultSetHeader } from 'mysql2'
import { reasonOf, VersioncheckError } from '../errors.ts'
import { WRITE_ATTEMPTS_MAX } from '../limits.ts'
import { type Connection, connect, isFatal, type Row, type Value } from './connection.ts'
import { describeEndpoint, type Endpoint } from './endpoint.ts'

const CONNECT_MS = 5_000

export interface Statements {
  /** Rows of a statement. In text form: a list takes the place of one `?`, and of lists of lists for VALUES. */
  rows(statement: string, values?: readonly (Value | readonly unknown[])[]): Promise<Row[]>
  /** What a writing statement did. */
  write(statement: string, values?: readonly (Value | readonly unknown[])[]): Promise<ResultSetHeader>
}

export interface Primary extends Statements {
  readonly endpoint: Endpoint
  /**
   * Runs `work` in one transaction (READ COMMITTED) and commits, or rolls back when it throws or returns `rollback`.
   * After a deadlock or a lock that took too long it begins anew, so `work` must not have effects of its own.
   */
  transaction<T>(work: (statements: Statements) => Promise<T | typeof rollback>): Promise<T | undefined>
  /** Runs `work` on one unchanging view of the database. */
  snapshot<T>(work: (statements: Statements) => Promise<T>): Promise<T>
  /** Where the last transaction of this connection stands in the binlog; undefined where nothing was written. */
  position(): Promise<string | undefined>
  close(): Promise<void>
}

/** Returned from a transaction that found nothing to write. */
export const rollback = Symbol('rollback')

export async function openPrimary(endpoint: Endpoint): Promise<Primary> {
  const connection = await connect(endpoint, { connectMs: CONNECT_MS })
  const statements = statementsOn(connection, endpoint)
  await statements.write("SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'")
  await statements.write('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED')

  let turn: Promise<void> = Promise.resolve()

  async function attemptTransaction<T>(
    work: (statements: Statements) => Promise<T | typeof rollback>,
  ): Promise<T | undefined> {
    for (let attempt = 1; ; attempt++) {
      await statements.write('START TRANSACTION')
      try {
        const result = await work(statements)
        if (result !== rollback) {
          await statements.write('COMMIT')
          return result
        }
        await statements.write('ROLLBACK')
        return undefined
      } catch (error) {
        await statements.write('ROLLBACK').catch(() => {})
        if (!isConflict(error)) throw error
        if (attempt >= WRITE_ATTEMPTS_MAX) {
          throw new VersioncheckError(
            'write_conflict',
            `Other writers got in the way ${attempt} times: ${reasonOf(error)}.`,
            {
              hint: 'Nothing was changed. Try again.',
              cause: error,
            },
          )
        }
        await sleep(Math.random() * 20 * 2 ** attempt)
      }
    }
  }

  return {
    ...statements,
    endpoint,
    async transaction(work) {
      // One at a time: on one connection a second START TRANSACTION would commit half of the first.
      const before = turn
      let ended = () => {}
      turn = new Promise((resolve) => {
        ended = resolve
      })
      await before
      try {
        return await attemptTransaction(work)
      } finally {
        ended()
      }
    },
    async snapshot(work) {
      await statements.write('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ')
      await statements.write('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY')
      try {
        return await work(statements)
      } finally {
        await statements.write('ROLLBACK')
      }
    },
    async position() {
      const [row] = await statements.rows('SELECT @@last_gtid AS position')
      return (row?.position as string) || undefined
    },
    async close() {
      await new Promise<void>((resolve) => connection.end(() => resolve()))
      connection.destroy()
    },
  }
}

function statementsOn(connection: Connection, endpoint: Endpoint): Statements {
  const run = <T>(statement: string, values: readonly unknown[] = []): Promise<T> =>
    new Promise((resolve, reject) => {
      connection.query(statement, values as never, (error, result) => {
        if (error === null) resolve(result as T)
        else reject(explained(error, endpoint))
      })
    })
  return { rows: run, write: run }
}

/** ER_TABLEACCESS_DENIED_ERROR, ER_COLUMNACCESS_DENIED_ERROR, ER_SPECIFIC_ACCESS_DENIED_ERROR */
const denials: readonly (number | undefined)[] = [1142, 1143, 1227]

/** ER_DATA_TOO_LONG, ER_WARN_DATA_OUT_OF_RANGE, ER_TRUNCATED_WRONG_VALUE and one of a field, ER_CONSTRAINT_FAILED, ER_NET_PACKET_TOO_LARGE */
const unfit: readonly (number | undefined)[] = [1406, 1264, 1292, 1366, 4025, 1153]

/** Errors that are about the server, the account or a value are told as such; those about the statement stay as they are. */
function explained(error: QueryError, endpoint: Endpoint): Error {
  const where = describeEndpoint(endpoint)
  if (denials.includes(error.errno)) {
    return new VersioncheckError('database_refused', `The database ${where} refuses this: ${error.message}.`, {
      hint: `"${endpoint.user}" may not do it. Use the DATABASE_URL of the owner; docs/operations.md has the accounts.`,
      cause: error,
    })
  }
  if (unfit.includes(error.errno)) {
    return new VersioncheckError('value_refused', `The database ${where} can't hold a value: ${error.message}.`, {
      hint: 'What was committed before stays. It should have been refused before it came so far: please report it.',
      cause: error,
    })
  }
  if (!isFatal(error)) return error
  return new VersioncheckError(
    'database_unreachable',
    `The connection to ${where} was lost: ${error.code ?? error.message}.`,
    {
      hint: 'What was committed stays, the rest was undone. See how far it came, and try again.',
      cause: error,
    },
  )
}

/** ER_LOCK_DEADLOCK, ER_LOCK_WAIT_TIMEOUT, ER_CHECKREAD, and ER_DUP_ENTRY: another transaction inserted the row first. */
const conflicts: readonly (number | undefined)[] = [1213, 1205, 1020, 1062]

function isConflict(error: unknown): boolean {
  return conflicts.includes((error as Partial<QueryError>).errno)
}
