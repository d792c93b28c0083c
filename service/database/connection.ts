/** One connection: how it is made, and one statement on it with a deadline. */

import mysql, { type Connection, type QueryError } from 'mysql2'
import { startDeadline } from '../deadline.ts'
import { VersioncheckError } from '../errors.ts'
import { describeEndpoint, type Endpoint } from './endpoint.ts'

export type { Connection } from 'mysql2'

/** A value that a statement takes. */
export type Value = string | number | bigint | boolean | Buffer | null

/** A row by column names. Integers beyond 2^53 and decimals are strings, dates `YYYY-MM-DD hh:mm:ss`. */
export type Row = Record<string, unknown>

/** Rejects with `database_unreachable` after `connectMs`. */
export function connect(endpoint: Endpoint, { connectMs }: { connectMs: number }): Promise<Connection> {
  const { socketPath, host, port, user, password, database } = endpoint
  const connection = mysql.createConnection({
    ...(socketPath === undefined ? { host, port } : { socketPath }),
    user,
    password,
    database,
    connectTimeout: connectMs,
    charset: 'utf8mb4_bin',
    timezone: 'Z',
    dateStrings: true,
    supportBigNumbers: true,
    jsonStrings: true,
    multipleStatements: false,
    infileStreamFactory: () => {
      throw new Error('no server may ask for a file')
    },
  })
  return new Promise((resolve, reject) => {
    // After the handshake errors come with the statements; one that comes alone has no listener but this.
    connection.on('error', () => {})
    connection.connect((error) => {
      if (error === null) resolve(connection)
      else {
        connection.destroy()
        reject(unreachable(endpoint, error))
      }
    })
  })
}

/** Runs a prepared statement. After `deadlineMs` the connection is of no use any more and is destroyed. */
export function execute(
  connection: Connection,
  statement: string,
  values: readonly Value[],
  { deadlineMs }: { deadlineMs: number },
): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    const cancel = startDeadline(deadlineMs, () => {
      connection.destroy()
      reject(new VersioncheckError('database_unreachable', `The database didn't answer within ${deadlineMs} ms.`))
    })
    connection.execute(statement, values as never, (error, rows) => {
      cancel()
      if (error === null) resolve(rows as Row[])
      else reject(error)
    })
  })
}

/** Whether the error means that the connection is lost, rather than that the statement was wrong. */
export function isFatal(error: unknown): boolean {
  if (error instanceof VersioncheckError) return true
  const { fatal, code } = error as Partial<QueryError>
  return fatal === true || code === 'ECONNRESET' || code === 'EPIPE' || code === 'PROTOCOL_CONNECTION_LOST'
}

/** What keeps us from a database, with what to do about it. */
function unreachable(endpoint: Endpoint, cause: unknown): VersioncheckError {
  const { code, message } = cause as QueryError
  const where = describeEndpoint(endpoint)
  if (
    code === 'ER_ACCESS_DENIED_ERROR' ||
    code === 'ER_DBACCESS_DENIED_ERROR' ||
    code === 'ER_ACCOUNT_HAS_BEEN_LOCKED'
  ) {
    return new VersioncheckError('database_refused', `The database ${where} refuses the user "${endpoint.user}".`, {
      hint: 'Check user and password in DATABASE_URL and REPLICA_URLS; docs/operations.md has the accounts.',
      cause,
    })
  }
  if (code === 'ER_BAD_DB_ERROR') {
    return new VersioncheckError('database_unknown', `There is no database ${where}.`, {
      hint: `Create it: CREATE DATABASE ${endpoint.database} CHARACTER SET utf8mb4`,
      cause,
    })
  }
  return new VersioncheckError('database_unreachable', `The database ${where} can't be reached: ${code ?? message}.`, {
    hint: 'Check that it runs, and DATABASE_URL and REPLICA_URLS.',
    cause,
  })
}
