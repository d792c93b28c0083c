/** The statements that lie as files in sql/: read once, at start. */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = new URL('../../sql/', import.meta.url)

/** The text of `sql/NAME.sql`, without its comments. */
export function readStatement(name: string): string {
  return readFileSync(new URL(`${name}.sql`, folder), 'utf8')
    .replaceAll(/^--.*$/gm, '')
    .trim()
    .replace(/;$/, '')
}

/** Where the migrations lie: a path. */
export const migrationsFolder = fileURLToPath(new URL('migrations/', folder))

/** Writes `(?)` out for so many values: `(?, ?, ?)`. */
export function withValues(statement: string, count: number): string {
  return statement.replace('(?)', `(${Array(count).fill('?').join(', ')})`)
}
