/**
 * What the rungs have in common, since it is not what sets them apart: how a check is read, the rule in plain code, and the answer.
 * Where the data comes from is each rung's own.
 */

import { packAppVersion } from '../../../../service/addon/index.ts'

/** As `node:querystring` and Fastify read it. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>

/** An update check. */
export interface Asked {
  readonly id: string
  readonly appId: string
  /** The application's version, packed; decimal, since it passes 2^53. */
  readonly packed: string
  /** What the maximum of each file must reach, and what that of a strict one: 0 where it doesn't bind. */
  readonly maxOfAny: string
  readonly maxOfStrict: string
}

/** The version that is offered. */
export interface Offered {
  readonly slug: string
  readonly version: string
  readonly hasReleaseNotes: boolean
  readonly min: string
  readonly max: string
  readonly fileId: number
  readonly filename: string
  readonly strict: boolean
  readonly hash: string | null
  readonly url: string | null
}

export interface Answer {
  readonly status: 200 | 400
  readonly body: object
}

export const HEADERS = { 'Content-Type': 'application/json', 'Cache-Control': 'max-age=3600' } as const

export const BAD_REQUEST: Answer = { status: 400, body: {} }
export const UNKNOWN_ADDON: Answer = { status: 200, body: {} }

const siteUrl = process.env.SITE_URL ?? ''

/** Undefined where something required is missing. */
export function readAsked(query: Query): Asked | undefined {
  const id = lastOf(query.id)
  const appId = lastOf(query.appID)
  const appVersion = lastOf(query.appVersion)
  const mode = lastOf(query.compatMode) ?? 'strict'
  if (isBlank(id) || isBlank(appId) || isBlank(appVersion)) return undefined
  const packed = packAppVersion(appVersion).toString()
  return {
    id,
    appId,
    packed,
    maxOfAny: mode === 'strict' ? packed : '0',
    maxOfStrict: mode === 'strict' || mode === 'normal' ? packed : '0',
  }
}

/** The rule, for rungs that choose in their own code. Bounds are packed, in decimal. */
export function suits(
  { packed, maxOfAny, maxOfStrict }: Asked,
  range: { readonly min: string | number; readonly max: string | number; readonly strict: boolean },
): boolean {
  return BigInt(range.min) <= BigInt(packed) && BigInt(range.max) >= BigInt(range.strict ? maxOfStrict : maxOfAny)
}

/** `application`: its short name; without `offered`: nothing suits. */
export function answer({ id }: Asked, application: string, offered: Offered | undefined): Answer {
  const updates = offered === undefined ? [] : [updateOf(offered, application)]
  return { status: 200, body: { addons: { [id]: { updates } } } }
}

function updateOf(offered: Offered, application: string): object {
  const { slug, version, hasReleaseNotes, min, max, fileId, filename, strict, hash, url } = offered
  return {
    version,
    update_link: url ?? `${siteUrl}/${application}/downloads/file/${fileId}/${encodeSegment(filename)}`,
    applications: { gecko: { strict_min_version: min, ...(strict && { strict_max_version: max }) } },
    ...(hash && { update_hash: hash }),
    ...(hasReleaseNotes && {
      update_info_url: `${siteUrl}/%APP_LOCALE%/${application}/addon/${encodeURIComponent(slug)}/versions/${encodeSegment(version)}/updateinfo/`,
    }),
  }
}

function encodeSegment(text: string): string {
  return encodeURIComponent(text).replaceAll(/%(?:24|26|2B|2C|3B|3D|3A|40)/g, decodeURIComponent)
}

/** Of a name given twice the last wins. */
function lastOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'object' ? value.at(-1) : value
}

function isBlank(text: string | undefined): text is undefined {
  return text === undefined || text.trim() === ''
}
