/**
 * The change feed, the writers' end: every edit takes the next numbers of one counter, as the last thing before its commit, and
 * says in `changes` what it was about. The counter's row stays locked until the commit, so numbers commit in order and a reader
 * that has seen one has seen all below it.
 */

import type { Statements } from '../database/index.ts'

export interface Change {
  readonly kind: 'addon' | 'application' | 'all'
  /** Id of the add-on or the application. */
  readonly subjectId: number | null
  readonly guid: string | null
  /** What the add-on was called until now. */
  readonly oldGuid?: string
}

/** Appends changes within the writer's transaction; returns their numbers, in order. Call it last. */
export async function appendChanges(statements: Statements, changes: readonly Change[]): Promise<number[]> {
  const { insertId: last } = await statements.write(
    'UPDATE change_counter SET value = LAST_INSERT_ID(value + ?) WHERE id = 1',
    [changes.length],
  )
  const numbers = changes.map((_, index) => last - changes.length + 1 + index)
  await statements.write('INSERT INTO changes (number, kind, subject_id, guid, old_guid) VALUES ?', [
    changes.map(({ kind, subjectId, guid, oldGuid }, index) => [
      numbers[index],
      kind,
      subjectId,
      guid,
      oldGuid ?? null,
    ]),
  ])
  return numbers
}
