/**
 * Profiles: models of who asks what. Every client is told by its number, so the same seed gives the same requests, however many
 * workers share them. docs/loadtest.md describes each.
 */

import { Random } from '../generate/random.ts'
import { type Client, checkPath, makeClient } from './clients.ts'
import { makeGarbage, type Request } from './garbage.ts'
import { type Draw, drawByUsers, type Population } from './population.ts'

export const profileNames = ['talk', 'cold', 'warm', 'daily-herd', 'garbage'] as const
export type ProfileName = (typeof profileNames)[number]

export interface Profile {
  readonly what: string
  /** Requests a second, where none are given; absent: as many as the connections can. */
  readonly rate?: number
  /** Each client comes on a connection of its own. */
  readonly reconnects?: boolean
  /** The rate is that of the first second; it halves every so many seconds. */
  readonly halvesEveryS?: number
}

export const profiles: Readonly<Record<ProfileName, Profile>> = {
  talk: { what: 'the daily checks of many Firefoxes, 8,000 a second as in the talk', rate: 8_000 },
  cold: { what: 'each request another add-on, in no order: what no cache helps' },
  warm: { what: 'a thousand popular add-ons again and again: what a cache has' },
  'daily-herd': {
    what: 'the full hour: all who start then ask at once, each over a new connection, and they become fewer',
    rate: 4_000,
    reconnects: true,
    halvesEveryS: 10,
  },
  garbage: { what: 'broken, hostile and lost requests; each has a right answer, never a 5xx' },
}

/** Of the checks of `talk` and `daily-herd`: for add-ons that are not ours, and malformed on their way. */
export const FOREIGN_PART = 0.04
export const MALFORMED_PART = 0.002
/** How many add-ons `warm` asks for. */
export const WARM_ADDONS = 1_000

/** Streams of numbers, beside those of clients and of the generator. */
const TALK = 111
const COLD = 112
const GARBAGE = 113

const OK: readonly number[] = [200]

/**
 * The requests of every `share.of`th client, beginning with `share.first`, without an end; a list for each client, in its order.
 */
export function* requestsOf(
  name: ProfileName,
  population: Population,
  seed: number,
  share: { readonly first: number; readonly of: number },
): Generator<readonly Request[]> {
  const makeRequests = requestMaker(name, population, seed)
  for (let number = share.first; ; number += share.of) yield makeRequests(number)
}

function requestMaker(name: ProfileName, population: Population, seed: number): (number: number) => Request[] {
  if (name === 'garbage') return (number) => [makeGarbage(new Random(seed, GARBAGE, number))]
  if (name === 'cold') {
    const order = new Random(seed, COLD, 0).shuffled(population.guids.length)
    return (number) => {
      const addon = order[number % order.length] as number
      return [checkOf(population, makeClient(seed, number, only(addon)), addon)]
    }
  }
  if (name === 'warm') {
    const popular = mostUsed(population)
    const draw = drawByUsers(popular)
    return (number) => checksOf(popular, makeClient(seed, number, draw))
  }
  const draw = drawByUsers(population)
  return (number) => {
    const random = new Random(seed, TALK, number)
    const client = makeClient(seed, number, draw)
    return client.addons.map((addon) => {
      if (random.chance(MALFORMED_PART)) return makeGarbage(random)
      if (random.chance(FOREIGN_PART)) return { path: checkPath(client, foreignGuid(random), '1.0'), expects: OK }
      return checkOf(population, client, addon)
    })
  }
}

function checksOf(population: Population, client: Client): Request[] {
  return client.addons.map((addon) => checkOf(population, client, addon))
}

function checkOf({ guids, versions }: Population, client: Client, addon: number): Request {
  return { path: checkPath(client, guids[addon] as string, versions[addon] as string), expects: OK }
}

/** Of another site, or withdrawn long ago. */
function foreignGuid(random: Random): string {
  const digits = random.hex(16)
  return `{${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20, 32)}}`
}

function only(addon: number): Draw {
  return { one: () => addon }
}

function mostUsed({ guids, versions, users, isPublic }: Population): Population {
  const places = users.map((_, index) => index).sort((one, other) => (users[other] as number) - (users[one] as number))
  const kept = places.filter((place) => isPublic[place]).slice(0, WARM_ADDONS)
  const pick = <T>(values: readonly T[]) => kept.map((place) => values[place] as T)
  return { guids: pick(guids), versions: pick(versions), users: pick(users), isPublic: pick(isPublic) }
}
