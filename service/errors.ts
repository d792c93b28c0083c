/**
 * The one error class of the house. A message says where, what and why; the hint says what to do.
 * Only the edges translate it: HTTP to a problem document, the CLI to text and an exit code.
 */

/** Every code the program can report. `docs/errors.md` explains each; a test compares the two lists. */
export const errorCodes = {
  addon_deleted: 'the add-on is deleted, so it can be neither disabled nor enabled',
  addon_unknown: 'no add-on has this guid',
  application_exists: 'an application of this name or guid is there already',
  application_unknown: 'no application has this name',
  binary_refused: 'the HTTP library has no binary that this machine can run and that has the expected digest',
  configuration_invalid: 'environment variables that cannot be used',
  confirmation_needed: 'a command that hides something was not confirmed',
  data_dir_in_use: 'another process runs the private database of this DATA_DIR',
  database_refused: 'a database refused the user, or what the user wanted to do',
  database_unknown: 'a server has no database of this name',
  database_unreachable: 'no database answered in time',
  database_too_old: 'the schema is older than this program',
  fetch_refused: 'a package could not be fetched from its address',
  import_refused: 'the import file has lines that cannot be applied',
  input_unreadable: 'a file could not be read',
  mariadb_failed: 'the private MariaDB did not start',
  mariadb_missing: 'MariaDB is not installed',
  migration_failed: 'a migration of the schema failed',
  output_unwritable: 'a file could not be written',
  package_refused: 'a package that must not be offered',
  port_in_use: 'another program listens on this address',
  problems_found: 'catalog check found something wrong',
  usage: 'a command was not understood',
  value_refused: 'a value that the database cannot hold',
  version_exists: 'the add-on has this version already',
  version_unknown: 'the add-on has no such version',
  write_conflict: 'other writers kept getting in the way',
} as const

export type ErrorCode = keyof typeof errorCodes

export class VersioncheckError extends Error {
  readonly code: ErrorCode
  /** What the reader can do about it, a sentence; shown on its own line. */
  readonly hint: string | undefined
  /** What a script may want to know beside the message. */
  readonly details: unknown

  constructor(code: ErrorCode, message: string, options: { hint?: string; details?: unknown; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'VersioncheckError'
    this.code = code
    this.hint = options.hint
    this.details = options.details
  }
}

/** The text of whatever was thrown, without its stack. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
