/**
 * Clients as they are in the field. The shares are estimates: of the versions in use from Firefox's public release calendar (a few
 * current, supported ESRs, and a long tail of machines that nobody updates), of the rest from what a Firefox sends.
 */

import { Random, type Weighted, weighted, zipfWeighted } from '../generate/random.ts'
import type { Draw } from './population.ts'

export const FIREFOX = '{ec8030f7-c20a-464f-9b0e-13a3a9e97384}'
export const ANDROID = '{aa3c5121-dab2-40e2-81ca-7ea25febc110}'

/** One profile of one Firefox. */
export interface Client {
  readonly application: string
  readonly appVersion: string
  readonly os: string
  readonly abi: string
  readonly locale: string
  readonly mode: string
  /** What of a daily check it is: 112, or what a user asked for: 97. */
  readonly updateType: number
  /** Places in the population. */
  readonly addons: readonly number[]
}

const TAIL = 'tail'
const appVersions = weighted<string>([
  ['153.0', 34],
  ['153.0.1', 14],
  ['152.0.4', 7],
  ['153.7.0', 6],
  ['140.12.0', 9],
  ['115.32.0', 9],
  ['154.0', 2],
  ['151.0', 2],
  ['155.0a1', 1],
  ['128.14.0', 2],
  [TAIL, 14],
])
const androidVersions = weighted<string>([
  ['153.0', 50],
  ['152.0.4', 20],
  ['151.0', 8],
  [TAIL, 22],
])
const platforms = weighted<readonly [os: string, abi: string]>([
  [['WINNT', 'x86_64-msvc'], 78],
  [['Linux', 'x86_64-gcc3'], 8],
  [['Darwin', 'aarch64-gcc3'], 7],
  [['Darwin', 'x86_64-gcc3'], 4],
  [['WINNT', 'x86-msvc'], 3],
])
const locales = weighted<string>([
  ['en-US', 38],
  ['de', 12],
  ['fr', 8],
  ['ru', 6],
  ['es-ES', 5],
  ['pl', 5],
  ['zh-CN', 5],
  ['pt-BR', 4],
  ['it', 4],
  ['ja', 4],
  ['en-GB', 3],
  ['nl', 3],
  ['cs', 3],
])
const modes = weighted<string>([
  ['normal', 97],
  ['strict', 2],
  ['ignore', 1],
])
const updateTypes = weighted<number>([
  [112, 96],
  [97, 4],
])
/** Most have a handful, a few have dozens: 1 to 40, mean 8. */
const addonCounts: Weighted<number> = zipfWeighted(40, 1.15)
const ANDROID_PART = 0.08

/** The client of a number: the same seed and number, the same client. */
export function makeClient(seed: number, number: number, draw: Draw): Client {
  const random = new Random(seed, STREAM, number)
  const isAndroid = random.chance(ANDROID_PART)
  const [os, abi] = isAndroid ? (['Android', 'aarch64-gcc3'] as const) : random.pickWeighted(platforms)
  const listed = random.pickWeighted(isAndroid ? androidVersions : appVersions)
  const wanted = random.pickWeighted(addonCounts)
  const addons = new Set<number>()
  for (let tries = 0; addons.size < wanted && tries < wanted * 4; tries++) addons.add(draw.one(random))
  return {
    application: isAndroid ? ANDROID : FIREFOX,
    appVersion: listed === TAIL ? `${random.whole(isAndroid ? 68 : 52, 150)}.0` : listed,
    os,
    abi,
    locale: random.pickWeighted(locales),
    mode: random.pickWeighted(modes),
    updateType: random.pickWeighted(updateTypes),
    addons: [...addons],
  }
}

/** What draws from a seed here; the generator's own streams are below. */
const STREAM = 101

/** The path and query of one check, exactly as Firefox writes it: only `+` is escaped. */
export function checkPath(client: Client, guid: string, version: string): string {
  const { application, appVersion, os, abi, locale, mode, updateType } = client
  const values = [
    'reqVersion=2',
    `id=${guid}`,
    `version=${version}`,
    'maxAppVersion=null',
    'status=userEnabled',
    `appID=${application}`,
    `appVersion=${appVersion}`,
    `appOS=${os}`,
    `appABI=${abi}`,
    `locale=${locale}`,
    `currentAppVersion=${appVersion}`,
    `updateType=${updateType}`,
    `compatMode=${mode}`,
  ]
  return encode(`/update/VersionCheck.php?${values.join('&')}`)
}

/** In a request line nothing may stand that isn't ASCII, nor a blank; Firefox's URL parser escapes these. */
function encode(path: string): string {
  return path.replaceAll('+', '%2B').replaceAll(/[^\u0021-\u007e]+/g, encodeURIComponent)
}
