/**
 * A made-up catalogue in the import format. Each add-on depends on the seed and its own index alone, so number 17 is the same in
 * a catalogue of 100 and in one of 300,000.
 *
 * Popularity is Zipf's law on the rank, and the rank is a permutation of the index: popular add-ons stand all over the
 * catalogue, and the first n have about every k-th rank, whatever n is. So means don't depend on the size.
 */

import type { AddonStatus, AddonType } from '../../service/addon/index.ts'
import { type GeneratedAuthor, pickAuthors } from './authors.ts'
import { makeGuid } from './guid.ts'
import { Random, weighted, zipf, zipfWeighted } from './random.ts'
import { type GeneratedVersion, generateVersions } from './versions.ts'
import {
  brandHeads,
  brandTails,
  categories,
  type Locale,
  locales,
  purposesOf,
  sentences,
  summaries,
  tags,
  targetLocales,
  type Texts,
} from './words.ts'

export interface GeneratedAddon {
  readonly id: number
  readonly guid: string
  readonly slug: string
  readonly type: AddonType
  readonly status: AddonStatus
  readonly disabled_by_user: boolean
  readonly is_featured: boolean
  readonly name: Texts
  readonly summary: Texts
  readonly description?: Texts
  readonly homepage?: string
  readonly default_locale: Locale
  readonly target_locale?: string
  readonly created: string
  readonly authors: readonly GeneratedAuthor[]
  readonly categories: readonly string[]
  readonly tags: readonly string[]
  readonly average_daily_users: number
  readonly weekly_downloads: number
  readonly ratings: { readonly average?: number; readonly count: number }
  readonly versions: readonly GeneratedVersion[]
}

export interface GenerateOptions {
  /** How many. */
  readonly addons: number
  /** A whole number from 0 to `SEED_MAX`. */
  readonly seed: number
}

/** File ids stay below the format's 2^31. */
export const ADDONS_MAX = 10_000_000
export const SEED_MAX = 2 ** 32 - 1

/** What draws from a seed: each has its own numbers. */
const streams = { addon: 1, author: 2, ranks: 3 } as const

/** More than addons.mozilla.org has; a power of two, so that any odd step visits every rank. */
const RANKS = 2 ** 19
/** The golden section of `RANKS`: of all steps the one that spreads any number of them most evenly (Knuth, 6.4). */
const RANK_STEP = 324_027
const USERS_OF_FIRST = 14_000_000
const USERS_EXPONENT = 1.1

const types = weighted<AddonType>([
  ['extension', 70],
  ['theme', 22],
  ['dictionary', 3],
  ['langpack', 3],
  ['search', 0.8],
  ['langpack-addon', 0.6],
  ['plugin', 0.4],
  ['webapp', 0.2],
])

const statuses = weighted<AddonStatus>([
  ['approved', 93],
  ['incomplete', 2],
  ['nominated', 2],
  ['disabled', 2],
  ['deleted', 1],
])

const slugShapes = weighted<'plain' | 'underscores' | 'japanese'>([
  ['plain', 97],
  ['underscores', 2],
  ['japanese', 1],
])

const authorCounts = weighted([[1, 80], [2, 14], [3, 6]] as const)
const categoryCounts = weighted([[1, 60], [2, 35], [0, 5]] as const)
const tagCounts = weighted([[0, 35], [1, 20], [2, 18], [3, 12], [4, 8], [5, 7]] as const)
const tagRanks = zipfWeighted(tags.length, 1)

/** Add-ons by rising id, one at a time: as many as one likes fit into memory. */
export function* generateAddons({ addons, seed }: GenerateOptions): Generator<GeneratedAddon, void, undefined> {
  const firstRank = new Random(seed, streams.ranks, 0).whole(0, RANKS - 1)
  for (let index = 0; index < addons; index++) {
    yield makeAddon(seed, index, ((firstRank + index * RANK_STEP) % RANKS) + 1)
  }
}

/** `rank` is 1 for the most popular add-on. */
function makeAddon(seed: number, index: number, rank: number): GeneratedAddon {
  const random = new Random(seed, streams.addon, index)
  const id = index + 1
  const type = random.pickWeighted(types)
  const { name, label } = makeName(random, type, id)
  const slug = makeSlug(random, label, name.ja, id)
  const standing = rank / RANKS
  const versions = generateVersions(random, { index, slug, standing })
  return {
    id,
    guid: makeGuid(random, label),
    slug,
    type,
    status: random.pickWeighted(statuses),
    disabled_by_user: random.chance(0.01),
    is_featured: standing < 0.001 && random.chance(0.3),
    name: name.shown,
    summary: makeSummary(random, name.shown),
    ...(random.chance(0.4) && { description: { 'en-US': random.pickSome(sentences, random.whole(2, 6)).join('\n') } }),
    ...(random.chance(0.4) && { homepage: `https://${label}.example/` }),
    default_locale: 'en-US',
    ...(isOfLocale(type) && { target_locale: random.pick(targetLocales) }),
    created: (versions[0] as GeneratedVersion).created,
    authors: pickAuthors(random, { seed, stream: streams.author, index, count: random.pickWeighted(authorCounts) }),
    categories: random.pickSome(categories, random.pickWeighted(categoryCounts)),
    tags: pickTags(random),
    ...makeFigures(random, rank),
    versions,
  }
}
