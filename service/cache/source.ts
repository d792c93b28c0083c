/** Where entries come from when no tier has them: the update join, on a replica, for many add-ons at a time. */

import type { AddonType } from '../addon/index.ts'
import { type Replicas, readStatement, withValues } from '../database/index.ts'
import { reasonOf } from '../errors.ts'
import type { Timeline } from '../feed/index.ts'
import { BATCH_GUIDS_MAX } from '../limits.ts'
import { type Offer, readOffer } from '../update/index.ts'
import { type Asked, askReplicas } from './ask.ts'

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

/** Told of an add-on of which the read model has something that can't be read. */
export type OnUnreadable = (guid: string, reason: string) => void

export function createSource(replicas: Replicas, timeline: Timeline, onUnreadable: OnUnreadable): Source {
  const statement = readStatement('update-check')
  // One text a size class, the last guid repeated to fill up: each connection prepares each text once.
  const texts = new Map(SIZES.map((size) => [size, withValues(statement, size)]))

  return {
    async ask(guids) {
      const size = sizeClassOf(guids.length)
      const values = guids.slice()
      while (values.length < size) values.push(guids[guids.length - 1] as string)
      return readAnswer(await askReplicas(replicas, timeline, texts.get(size) as string, values), onUnreadable)
    },
  }
}

/**
 * What came of a statement. An add-on of which nothing can be made is public and has nothing to offer: it must keep neither those
 * that were asked for with it nor a whole page from being answered, and what is left of it could be anything.
 */
export function readAnswer({ rows, position, isBehind }: Asked, onUnreadable: OnUnreadable): Answered {
  const offers = new Map<string, Offer>()
  for (const row of rows) {
    if (row.guid === null) continue
    const { guid, slug, type, facts } = row as { guid: string; slug: string; type: AddonType; facts: string }
    try {
      offers.set(guid, readOffer(guid, slug, type, facts))
    } catch (error) {
      onUnreadable(guid, reasonOf(error))
      offers.set(guid, { guid, slug, type, candidates: [] })
    }
  }
  return { counter: position.counter, token: position.token, offers, isBehind }
}

/** 1, 2, 3, 4, 6, 8, 12, …: at most a third is repeated. */
const SIZES: readonly number[] = sizesUpTo(BATCH_GUIDS_MAX)

function sizesUpTo(max: number): number[] {
  const sizes = [1]
  for (let size = 2; size <= max; size *= 2) {
    sizes.push(size)
    if (size * 1.5 <= max) sizes.push(size * 1.5)
  }
  return sizes
}

function sizeClassOf(count: number): number {
  return SIZES.find((size) => size >= count) as number
}
