/** The versions of a generated add-on, oldest first: numbers, dates, ranges, files. */

import type { Channel, FileStatus } from '../../service/addon/index.ts'
import { type Random, type Weighted, weighted, zipfWeighted } from './random.ts'
import { changes } from './words.ts'

export interface GeneratedRange {
  readonly min: string
  readonly max: string
}

export interface GeneratedVersion {
  readonly id: number
  readonly version: string
  readonly channel: Channel
  readonly deleted: boolean
  readonly created: string
  readonly release_notes?: { 'en-US': string; de?: string }
  /** Absent: for no application. */
  readonly compatibility?: { readonly firefox: GeneratedRange; readonly android?: GeneratedRange }
  readonly file: {
    readonly id: number
    readonly status: FileStatus
    readonly hash: string
    readonly size: number
    readonly filename: string
    readonly strict_compatibility: boolean
  }
}

export interface VersionsOptions {
  readonly index: number
  readonly slug: string
  /** 0 is the most popular add-on, 1 the least. */
  readonly standing: number
}

export const VERSIONS_MAX = 40
/** Version ids from one add-on to the next. */
const IDS_PER_ADDON = 64
/** Far from the version's own, so that nobody can take one for the other unnoticed. */
const FILE_IDS_ABOVE = 1_000_000

/**
 * How many versions an add-on of a standing below `below` has: Zipf over 1 to 40. The exponents make the mean 10.5 of the
 * first, 4.9 of the next and 2.73 of the rest, 3.0 of all.
 */
const countsByStanding: readonly { readonly below: number; readonly counts: Weighted<number> }[] = [
  { below: 0.01, counts: zipfWeighted(VERSIONS_MAX, 0.9) },
  { below: 0.1, counts: zipfWeighted(VERSIONS_MAX, 1.5) },
  { below: Number.POSITIVE_INFINITY, counts: zipfWeighted(VERSIONS_MAX, 1.97058) },
]

const DAY_MS = 86_400_000
const FIRST_DAY = Date.UTC(2015, 0, 1) / DAY_MS
/** Fixed, so that a catalogue is the same whenever it is made. */
const LAST_DAY = Date.UTC(2026, 5, 1) / DAY_MS
/** All days from the first to the last as texts, since `toISOString` for each version is a seventh of the whole time. */
const dates = Array.from({ length: LAST_DAY - FIRST_DAY + 1 }, (_, place) => {
  return new Date((FIRST_DAY + place) * DAY_MS).toISOString().slice(0, 10)
})

/** Firefox versions that add-ons ask for, and when each came out; nothing older is asked for today. */
const firefoxes = [
  ['42.0', 0],
  ['48.0', Date.UTC(2016, 7, 2) / DAY_MS],
  ['52.0', Date.UTC(2017, 2, 7) / DAY_MS],
  ['57.0', Date.UTC(2017, 10, 14) / DAY_MS],
  ['58.0a1', Date.UTC(2018, 0, 23) / DAY_MS],
  ['60.0', Date.UTC(2018, 4, 9) / DAY_MS],
  ['68.0', Date.UTC(2019, 6, 9) / DAY_MS],
  ['78.0', Date.UTC(2020, 5, 30) / DAY_MS],
  ['91.0', Date.UTC(2021, 7, 10) / DAY_MS],
  ['102.0', Date.UTC(2022, 5, 28) / DAY_MS],
  ['109.0', Date.UTC(2023, 0, 17) / DAY_MS],
  ['115.0', Date.UTC(2023, 6, 4) / DAY_MS],
  ['128.0', Date.UTC(2024, 6, 9) / DAY_MS],
  ['140.0', Date.UTC(2025, 5, 24) / DAY_MS],
] as const
/** How old the oldest Firefox is that an add-on supports. */
const SUPPORT_DAYS_MIN = 60
const SUPPORT_DAYS_MAX = 1_500

const androidMins = ['113.0', '120.0', '121.0a1', '68.0', '142.0'] as const

const channels = weighted<Channel>([
  ['listed', 97],
  ['unlisted', 3],
])
const fileStatuses = weighted<FileStatus>([
  ['approved', 97],
  ['awaiting_review', 1.5],
  ['disabled', 1.5],
])

/** How many parts a version number has; 0 is a date. */
const numberings = weighted<number>([
  [3, 50],
  [2, 32],
  [4, 8],
  [0, 6],
  [1, 4],
])

export function generateVersions(random: Random, { index, slug, standing }: VersionsOptions): GeneratedVersion[] {
  const { counts } = countsByStanding.find(({ below }) => standing < below) as { counts: Weighted<number> }
  const count = random.pickWeighted(counts)
  const parts = random.pickWeighted(numberings)
  const supportDays = random.whole(SUPPORT_DAYS_MIN, SUPPORT_DAYS_MAX)
  const android = random.chance(0.15) ? random.pick(androidMins) : undefined
  const number = firstNumber(random, parts)
  let day = random.whole(FIRST_DAY, LAST_DAY - 2 * count)
  const gapMax = (LAST_DAY - day) / count
  const versions: GeneratedVersion[] = []
  for (let place = 0; place < count; place++) {
    // A day at the least: dates rise, and numbers that are dates differ.
    if (place > 0) day += Math.max(1, Math.floor(random.part() * gapMax))
    if (place > 0) raise(random, number)
    const version = parts === 0 ? dateNumber(day) : number.join('.')
    const id = index * IDS_PER_ADDON + place + 1
    versions.push(makeVersion(random, { id, version, slug, day, supportDays, android }))
  }
  return versions
}

interface VersionFacts {
  readonly id: number
  readonly version: string
  readonly slug: string
  /** Since 1970. */
  readonly day: number
  readonly supportDays: number
  /** The oldest Firefox for Android that the add-on supports. */
  readonly android: string | undefined
}

function makeVersion(random: Random, { id, version, slug, day, supportDays, android }: VersionFacts): GeneratedVersion {
  const firefox = firefoxRange(random, day - supportDays)
  const ranges = android === undefined ? { firefox } : { firefox, android: { min: android, max: '*' } }
  return {
    id,
    version,
    channel: random.pickWeighted(channels),
    deleted: random.chance(0.02),
    created: isoTime(day, random),
    ...(random.chance(0.2) && { release_notes: releaseNotes(random) }),
    ...(!random.chance(0.005) && { compatibility: ranges }),
    file: {
      id: id + FILE_IDS_ABOVE,
      status: random.pickWeighted(fileStatuses),
      hash: `sha256:${random.hex(32)}`,
      size: random.whole(4, 400) * random.whole(900, 9_000),
      filename: `${slug}-${version}.xpi`,
      // Those who name a maximum mean it more often.
      strict_compatibility: random.chance(firefox.max === '*' ? 0.005 : 0.21),
    },
  }
}

/** From the newest Firefox that was out by a day. */
function firefoxRange(random: Random, day: number): GeneratedRange {
  let [min] = firefoxes[0] as readonly [string, number]
  for (const [version, since] of firefoxes) if (since <= day) min = version
  return { min, max: random.chance(0.88) ? '*' : `${Number.parseInt(min, 10) + random.whole(0, 30)}.*` }
}

function releaseNotes(random: Random): { 'en-US': string; de?: string } {
  const picked = random.pickSome(changes, random.whole(1, 3))
  const notes = { 'en-US': picked.map(([en]) => en).join('\n') }
  return random.chance(0.2) ? { ...notes, de: picked.map(([, de]) => de).join('\n') } : notes
}

function firstNumber(random: Random, parts: number): number[] {
  return Array.from({ length: parts }, (_, place) => (place === 0 ? random.whole(1, 3) : random.whole(0, 1)))
}

/** To the next number, most often in its last part. */
function raise(random: Random, number: number[]): void {
  let place = number.length - 1
  while (place > 0 && random.chance(0.3)) place--
  for (let later = place + 1; later < number.length; later++) number[later] = 0
  if (place >= 0) (number[place] as number)++
}

/** `2024.3.17` */
function dateNumber(day: number): string {
  return (dates[day - FIRST_DAY] as string).split('-').map(Number).join('.')
}

/** Some time of a day, as the format writes it. */
function isoTime(day: number, random: Random): string {
  return `${dates[day - FIRST_DAY]}T${twoDigits(random, 24)}:${twoDigits(random, 60)}:${twoDigits(random, 60)}Z`
}

function twoDigits(random: Random, below: number): string {
  const digits = random.whole(0, below - 1)
  return digits < 10 ? `0${digits}` : `${digits}`
}
