/** The add-ons that clients have, and how often: a catalogue as the load generator sees it. */

import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { Failure } from '../failure.ts'
import { generateAddons } from '../generate/index.ts'
import type { Random } from '../generate/random.ts'

export interface Population {
  readonly guids: readonly string[]
  /** The newest version of each, as far as the catalogue says: what its users have. */
  readonly versions: readonly string[]
  /** Daily users. */
  readonly users: readonly number[]
  /** Whether clients are told of it. */
  readonly isPublic: readonly boolean[]
}

/** Draws add-ons by their users. */
export interface Draw {
  one(random: Random): number
}

/** Of the generator's own catalogue: the same numbers, the same add-ons. */
export function generatedPopulation(addons: number, seed: number): Population {
  const population = emptyPopulation()
  for (const addon of generateAddons({ addons, seed })) add(population, addon)
  return population
}

/** Of a file in the import format. Lines that aren't add-ons are passed over. */
export async function readPopulation(path: string): Promise<Population> {
  const population = emptyPopulation()
  try {
    for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line.trim() === '') continue
      const addon = JSON.parse(line) as AddonLine
      if (typeof addon.guid === 'string') add(population, addon)
    }
  } catch (error) {
    throw new Failure(`${path} can't be read as a catalogue: ${(error as Error).message}.`, error)
  }
  if (population.guids.length === 0) throw new Failure(`${path} has no add-on in it.`, undefined)
  return population
}

/** By daily users: Zipf's law, where the catalogue follows it. An add-on without any is drawn as if it had one. */
export function drawByUsers({ users }: Population): Draw {
  const bounds = new Float64Array(users.length)
  let sum = 0
  for (const [index, count] of users.entries()) {
    sum += Math.max(1, count)
    bounds[index] = sum
  }
  return {
    one(random) {
      const wanted = random.part() * sum
      let low = 0
      let high = bounds.length - 1
      while (low < high) {
        const middle = (low + high) >>> 1
        if ((bounds[middle] as number) <= wanted) low = middle + 1
        else high = middle
      }
      return low
    },
  }
}

/** Each as often as any other. */
export function drawUniformly({ guids }: Population): Draw {
  return { one: (random) => random.whole(0, guids.length - 1) }
}

interface AddonLine {
  readonly guid: string
  readonly average_daily_users?: number | null
  readonly status?: string
  readonly disabled_by_user?: boolean | null
  readonly versions?: readonly { readonly version: string }[]
}

interface Growing extends Population {
  readonly guids: string[]
  readonly versions: string[]
  readonly users: number[]
  readonly isPublic: boolean[]
}

function emptyPopulation(): Growing {
  return { guids: [], versions: [], users: [], isPublic: [] }
}

function add(population: Growing, addon: AddonLine): void {
  const { guid, average_daily_users: users, versions, status, disabled_by_user: isDisabled } = addon
  population.guids.push(guid)
  population.isPublic.push(isDisabled !== true && status !== 'disabled' && status !== 'deleted')
  population.versions.push(versions?.at(-1)?.version ?? '1.0')
  population.users.push(users ?? 0)
}
