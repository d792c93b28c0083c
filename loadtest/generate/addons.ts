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
  type Row,
  sentences,
  summaries,
  type Texts,
  tags,
  targetLocales,
} from './words.ts'

export interface GeneratedAddon extends Figures {
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
  readonly versions: readonly GeneratedVersion[]
}

interface Figures {
  readonly average_daily_users: number
  readonly weekly_downloads: number
  readonly ratings: { readonly average?: number; readonly count: number }
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

const typesOfLocales: ReadonlySet<AddonType> = new Set(['dictionary', 'langpack', 'langpack-addon'])

const slugShapes = weighted<(label: string, japanese: string) => string>([
  [(label) => label, 97],
  [(label) => label.replaceAll('-', '_'), 2],
  [(_, japanese) => japanese, 1],
])

/** Beside English. */
const translatedInto = weighted<readonly Locale[]>([
  [[], 60],
  [['de'], 12],
  [['de', 'fr'], 10],
  [['fr'], 6],
  [['ja'], 6],
  [['de', 'fr', 'ja'], 6],
])

const authorCounts = weighted([
  [1, 80],
  [2, 14],
  [3, 6],
] as const)
const categoryCounts = weighted([
  [1, 60],
  [2, 35],
  [0, 5],
] as const)
const tagCounts = weighted([
  [0, 35],
  [1, 20],
  [2, 18],
  [3, 12],
  [4, 8],
  [5, 7],
] as const)
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
  const standing = rank / RANKS
  const type = random.pickWeighted(types)
  const brand = random.pick(brandHeads) + random.pick(brandTails)
  const purpose = random.pick(purposesOf(type))
  const [english, , , japanese] = purpose
  // Neither has a digit before the id, so that no two add-ons share one.
  const label = `${`${brand} ${english}`.toLowerCase().replaceAll(/[^a-z]+/g, '-')}-${id}`
  const slug = random.pickWeighted(slugShapes)(label, `${japanese}-${id}`)
  const shown = random.pickWeighted(translatedInto)
  const versions = generateVersions(random, { index, slug, standing })
  return {
    id,
    guid: makeGuid(random, label),
    slug,
    type,
    status: random.pickWeighted(statuses),
    disabled_by_user: random.chance(0.01),
    is_featured: standing < 0.001 && random.chance(0.3),
    name: translate(purpose, shown, (text) => `${brand} ${text}`),
    summary: translate(random.pick(summaries), shown, (text) => text),
    ...(random.chance(0.4) && { description: { 'en-US': makeDescription(random) } }),
    ...(random.chance(0.4) && { homepage: `https://${label}.example/` }),
    default_locale: 'en-US',
    ...(typesOfLocales.has(type) && { target_locale: random.pick(targetLocales) }),
    created: (versions[0] as GeneratedVersion).created,
    authors: pickAuthors(random, { seed, stream: streams.author, index, count: random.pickWeighted(authorCounts) }),
    categories: pickCategories(random, type),
    tags: pickTags(random),
    ...makeFigures(random, rank),
    versions,
  }
}

function translate(row: Row, into: readonly Locale[], write: (text: string) => string): Texts {
  const texts: Texts = { 'en-US': write(row[0]) }
  for (const locale of into) texts[locale] = write(row[locales.indexOf(locale)] as string)
  return texts
}

function makeDescription(random: Random): string {
  return random.pickSome(sentences, random.whole(2, 6)).join('\n')
}

function pickCategories(random: Random, type: AddonType): string[] {
  if (typesOfLocales.has(type)) return ['language-support']
  return random.pickSome(categories, random.pickWeighted(categoryCounts))
}

function pickTags(random: Random): string[] {
  const ranks = Array.from({ length: random.pickWeighted(tagCounts) }, () => random.pickWeighted(tagRanks))
  return [...new Set(ranks)].map((rank) => tags[rank - 1] as string)
}

/** Downloads and ratings follow the users, some more closely than others. */
function makeFigures(random: Random, rank: number): Figures {
  const users = Math.floor(USERS_OF_FIRST * zipf(rank, USERS_EXPONENT))
  const count = Math.floor(users * 0.004 * random.part())
  const average = (50 - Math.floor(30 * random.part() * random.part())) / 10
  return {
    average_daily_users: users,
    weekly_downloads: Math.floor(users * (0.01 + 0.12 * random.part())),
    ratings: count === 0 ? { count } : { average, count },
  }
}
