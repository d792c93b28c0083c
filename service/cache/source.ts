/** Where entries come from when no tier has them: the update join, on a replica, for many add-ons at a time. */

import type { AddonType } from '../addon/index.ts'
import { type Replicas, type Row, readStatement, withValues } from '../database/index.ts'
import type { Timeline } from '../feed/index.ts'
import { BATCH_GUIDS_MAX, COLD_MS_MAX } from '../limits.ts'
import { type Candidate, type Offer, readFacts } from '../update/index.ts'

/** What a replica said of some add-ons, and at what point of the feed. */
export interface Answered {
  readonly counter: number
  readonly token: number
  /** By guid; an add-on that isn't public is missing. */
  readonly offers: ReadonlyMap<string, Offer>
  /** No replica that can be asked is as far as what was seen before. */
  readonly isBehind: boolean
}

export interface Source {
  /** Rejects with `database_unreachable`, in less than 300 ms. */
  ask(guids: readonly string[]): Promise<Answered>
}

export function createSource(replicas: Replicas, timeline: Timeline): Source {
  const statement = readStatement('update-check')
  // One text a size class, the last guid repeated to fill up: each connection prepares each text once.
  const texts = new Map<number, string>()
  for (let size = 1; size <= BATCH_GUIDS_MAX; size *= 2) texts.set(size, withValues(statement, size))

  return {
    async ask(guids) {
      const size = sizeClassOf(guids.length)
      const values = guids.slice()
      while (values.length < size) values.push(guids[guids.length - 1] as string)
      const { rows, isBehind } = await replicas.queryAt({
        statement: texts.get(size) as string,
        values,
        deadlineMs: COLD_MS_MAX,
        counterOf: ([row]) => Number(row?.counter),
        atLeast: timeline.seen,
      })
      return readAnswer(rows, isBehind)
    },
  }
}

export function readAnswer(rows: readonly Row[], isBehind: boolean): Answered {
  const [{ counter, token }] = rows as [Row]
  const offers = new Map<string, Offer & { readonly candidates: Candidate[] }>()
  let offer: (Offer & { readonly candidates: Candidate[] }) | undefined
  for (const row of rows) {
    if (row.guid === null) continue
    const guid = row.guid as string
    if (offer?.guid !== guid) {
      offer = offers.get(guid)
      if (offer === undefined) {
        offer = { guid, slug: row.slug as string, type: row.type as AddonType, candidates: [] }
        offers.set(guid, offer)
      }
    }
    if (row.versionId !== null) {
      offer.candidates.push(readFacts(row.applicationId as number, row.versionId as number, row.facts as string))
    }
  }
  return { counter: Number(counter), token: Number(token), offers, isBehind }
}

function sizeClassOf(count: number): number {
  let size = 1
  while (size < count) size *= 2
  return size
}
