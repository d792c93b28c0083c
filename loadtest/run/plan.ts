/** What a run offers: which requests, by how many connections, how fast. Plain data, so that it can be handed to workers. */

import type { Population, ProfileName } from '../traffic/index.ts'

/** Where the requests come from. */
export type Source =
  | {
      readonly kind: 'profile'
      readonly name: ProfileName
      readonly population: Population
      readonly seed: number
      /** The number of the first client: those before it have asked already. */
      readonly first: number
    }
  | { readonly kind: 'paths'; readonly paths: readonly string[] }

/** When they are sent. */
export type Arrival =
  /** Each connection asks again once it has its answer. */
  | { readonly kind: 'closed' }
  /** So many a second, whether they are answered or not; `halvesEveryS`: the rate of the first second halves every so often. */
  | { readonly kind: 'open'; readonly rate: number; readonly halvesEveryS?: number }
  /** As many in each tenth of a second as stand here. */
  | { readonly kind: 'slices'; readonly counts: readonly number[] }

export interface Plan {
  readonly url: string
  readonly source: Source
  readonly arrival: Arrival
  readonly connections: number
  /** Seconds. */
  readonly duration: number
  /** Answers before so many seconds are over are not counted. */
  readonly warmUp: number
  /** Each client of the profile has a connection of its own. */
  readonly reconnects: boolean
  /** Seconds until an answer is given up. */
  readonly timeout: number
  /** Processes that make the load; each has a connection at the least. */
  readonly workers: number
}

/** More clients than ask at a rate, whatever the profile: each asks once at the least, and all are a second or two late. */
export function clientsOf(rate: number, { warmUp, duration }: Pick<Plan, 'warmUp' | 'duration'>): number {
  return Math.ceil(rate * (warmUp + duration + 2))
}

/** Tenths of a second: what is replayed keeps its pace by them. */
export const SLICE_MS = 100
