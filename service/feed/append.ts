/**
 * The change feed, the writers' end: every edit takes the next numbers of one counter, as the last thing before its commit, and
 * says in `changes` what it was about. The counter's row stays locked until the commit, so numbers commit in order and a reader
 * that has seen one has seen all below it.
 */

import { randomInt } from 'node:crypto'
import type { Statements } from '../database/index.ts'

/** Numbers of that size come from the database as they are, and two transactions share one once in 2^47. */
const TOKEN_MAX = 2 ** 48 - 1

export interface Change {
  readonly kind: 'addon' | 'application' | 'all'
  /** Id of the add-on or the application. */
  readonly subjectId: number | null
  readonly guid: string | null
  /** What the add-on was called until now. */
  readonly oldGuid?: string
}

/** Appends changes within the writer's transaction, under one token; returns their numbers, in order. Call it last. */
export async function appendChanges(statements: Statements, changes: readonly Change[]): Promise<number[]> {
  const token = randomInt(1, TOKEN_MAX)
  const { insertId: last } = await statements.write(
    'UPDATE change_counter SET value = LAST_INSERT_ID(value + ?), token = ? WHERE id = 1',
    [changes.length, token],
  )
  const numbers = changes.map((_, index) => last - changes.length + 1 + index)
  await statements.write('INSERT INTO changes (number, token, kind, subject_id, guid, old_guid) VALUES ?', [
    changes.map(({ kind, subjectId, guid, oldGuid }, index) => [
      numbers[index],
      token,
      kind,
      subjectId,
      guid,
      oldGuid ?? null,
    ]),
  ])
  return numbers
}
