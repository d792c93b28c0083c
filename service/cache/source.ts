/** Where entries come from when no tier has them: the update join, on a replica. */

import type { AddonType, Application } from '../addon/index.ts'
import { type Replicas, type Row, readStatement, withValues } from '../database/index.ts'
import { VersioncheckError } from '../errors.ts'
import { COLD_MS_MAX, COLD_WAITING_MAX } from '../limits.ts'
import { type Candidate, type EntryMemory, makeEntry, type Offer } from '../update/index.ts'

export interface SourceOptions {
  readonly replicas: Replicas
  readonly siteUrl: string
  readonly applications: () => ReadonlyMap<string, Application>
}

export interface Source {
  /** The entry of a public add-on, undefined where there is none. Rejects with `database_unreachable` within 300 ms. */
  fetch(guid: string): Promise<EntryMemory | undefined>
}

export function createSource({ replicas, siteUrl, applications }: SourceOptions): Source {
  const statement = withValues(readStatement('update-check'), 1)
  let waiting = 0
  return {
    async fetch(guid) {
      if (waiting >= COLD_WAITING_MAX) {
        throw new VersioncheckError('database_unreachable', 'Too many cold checks are waiting.')
      }
      waiting++
      try {
        const rows = await replicas.query(statement, [guid], COLD_MS_MAX)
        const offer = offerOf(rows)
        return offer && makeEntry(offer, { siteUrl, applications: [...applications().values()] })
      } finally {
        waiting--
      }
    },
  }
}

/** Rows of the join for one add-on; one without a version where nothing is offered. */
function offerOf(rows: readonly Row[]): Offer | undefined {
  const first = rows[0]
  if (first === undefined) return undefined
  return {
    guid: first.guid as string,
    slug: first.slug as string,
    type: first.type as AddonType,
    candidates: rows.filter(({ versionId }) => versionId !== null).map(candidateOf),
  }
}

function candidateOf(row: Row): Candidate {
  return { ...(row as unknown as Candidate), strict: row.strict === 1, hasReleaseNotes: row.hasReleaseNotes === 1 }
}
