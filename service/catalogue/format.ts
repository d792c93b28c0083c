/**
 * The interchange format (docs/import-format.md): what a line may hold. Absent fields stay as they are, `null` clears, or
 * leaves what has no default; maps are merged key by key, as in RFC 7396, lists are replaced.
 */

import { z } from 'zod'
import { addonStatuses, addonTypes, channels, fileStatuses, parseGuid, payments } from '../addon/index.ts'
import { GIVEN_ID_MAX, SLUG_LENGTH_MAX, URL_LENGTH_MAX, VERSIONS_PER_ADDON_MAX } from '../limits.ts'
import {
  appVersionFault,
  filenameFault,
  lineFault,
  localeFault,
  proseFault,
  storedTime,
  versionFault,
} from './rules.ts'

/** Fields that only the marketplace shows: read, counted, and left out for now. */
export const leftOutFields = ['license', 'support_url', 'support_email', 'previews', 'browser_mappings'] as const

/** A text that a rule (rules.ts) finds no fault with. */
const ruled = (faultOf: (text: string) => string | undefined) =>
  z.string().refine((text) => faultOf(text) === undefined, { error: ({ input }) => faultOf(input as string) ?? '' })
const line = (max: number) => ruled((text) => lineFault(text, max))
const prose = ruled(proseFault)
/** A field that has no default, so that `null` leaves it as it is, as if it were absent. */
const kept = <T extends z.ZodType>(schema: T) =>
  schema
    .nullable()
    .transform((value) => value ?? undefined)
    .optional()

const count = z.number().int('is not a whole number').min(0, 'is negative').max(4_294_967_295, 'is too large')
const id = z
  .number()
  .int('is not a whole number')
  .min(1, 'is not positive')
  .max(GIVEN_ID_MAX, `is above ${GIVEN_ID_MAX}`)
const locale = ruled(localeFault)

/** A string stands for the text in the default locale. */
const translations = z.union([prose, z.record(locale, prose.nullable())])

const time = z.string().transform((text, context) => {
  const stored = storedTime(text)
  if (stored !== undefined) return stored
  context.addIssue('is not a time such as 2026-01-02T03:04:05Z, in a year from 1000 to 9999')
  return z.NEVER
})

const slug = line(SLUG_LENGTH_MAX).refine((text) => !/[/?#%\\]/.test(text), 'has one of / ? # % \\')
const url = line(URL_LENGTH_MAX).refine(
  (text) => /^https?:\/\/[^/]/i.test(text) && URL.canParse(text),
  'is not an http or https address',
)
const appVersion = ruled(appVersionFault)

const hash = z
  .string()
  .regex(
    /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})?$/i,
    'is neither sha256: with 64 nor sha512: with 128 hex digits',
  )
  // Firefox knows the kind by its small letters, and some add-on managers compare the digits as they stand.
  .transform((text) => (text === '' ? null : text.toLowerCase()))

const filename = ruled(filenameFault)

const range = z.strictObject({ min: appVersion.nullable().optional(), max: appVersion.nullable().optional() })

const file = z.object({
  id: kept(id),
  status: z.enum(fileStatuses).nullable().optional(),
  hash: hash.nullable().optional(),
  size: z.number().int('is not a whole number').min(0, 'is negative').nullable().optional(),
  filename: filename.nullable().optional(),
  strict_compatibility: z.boolean().nullable().optional(),
  path: line(4_096).nullable().optional(),
  url: url.nullable().optional(),
})

const version = z.object({
  id: kept(id),
  version: ruled(versionFault),
  channel: z.enum(channels).nullable().optional(),
  deleted: z.boolean().nullable().optional(),
  created: kept(time),
  release_notes: translations.nullable().optional(),
  compatibility: z.record(z.string(), range.nullable()).nullable().optional(),
  file: file.nullable().optional(),
})

const author = z.object({ name: line(255), username: kept(line(190)) })

const addon = z.object({
  id: kept(id),
  guid: z
    .string()
    .refine((text) => parseGuid(text) !== undefined, 'is not a guid: 1 to 255 bytes, no control characters'),
  slug: kept(slug),
  type: z.enum(addonTypes).nullable().optional(),
  status: z.enum(addonStatuses).nullable().optional(),
  disabled_by_user: z.boolean().nullable().optional(),
  name: translations.nullable().optional(),
  summary: translations.nullable().optional(),
  description: translations.nullable().optional(),
  homepage: translations.nullable().optional(),
  default_locale: locale.nullable().optional(),
  target_locale: locale.nullable().optional(),
  created: kept(time),
  payment: z.enum(payments).nullable().optional(),
  authors: z.array(author).max(500, 'has more than 500 entries').nullable().optional(),
  categories: z.array(line(190)).max(100, 'has more than 100 entries').nullable().optional(),
  tags: z.array(line(128)).max(500, 'has more than 500 entries').nullable().optional(),
  icon: line(255).nullable().optional(),
  is_featured: z.boolean().nullable().optional(),
  average_daily_users: count.nullable().optional(),
  weekly_downloads: count.nullable().optional(),
  ratings: z
    .object({ average: z.number().min(0).max(5).nullable().optional(), count: count.nullable().optional() })
    .nullable()
    .optional(),
  versions: kept(z.array(version).max(VERSIONS_PER_ADDON_MAX, `has more than ${VERSIONS_PER_ADDON_MAX} entries`)),
})

export type AddonLine = z.output<typeof addon>
export type VersionLine = z.output<typeof version>
export type TranslationsLine = z.output<typeof translations>

export type ParsedLine =
  | { readonly kind: 'addon'; readonly addon: AddonLine; readonly leftOut: readonly string[] }
  /** Collections wait for the marketplace. */
  | { readonly kind: 'collection' }
  /** Where and what, a line each. */
  | { readonly kind: 'bad'; readonly reasons: readonly string[] }

/** Reads one line that has been parsed as JSON. */
export function parseLine(value: unknown): ParsedLine {
  if (typeof value === 'object' && value !== null && 'collection' in value && !('guid' in value))
    return { kind: 'collection' }
  const { success, data, error } = addon.safeParse(value)
  if (success) return { kind: 'addon', addon: data, leftOut: leftOutOf(value as object) }
  return { kind: 'bad', reasons: error.issues.slice(0, 5).map(({ path, message }) => `${pathText(path)}: ${message}`) }
}

/** The fields of a line that have no place yet, and those nobody knows. */
function leftOutOf(value: object): string[] {
  const known: Readonly<Record<string, unknown>> = addon.shape
  const names = Object.keys(value).filter((name) => !(name in known))
  const versions = 'versions' in value && Array.isArray(value.versions) ? value.versions : []
  for (const entry of versions) {
    names.push(
      ...Object.keys(entry)
        .filter((name) => !(name in version.shape))
        .map((name) => `versions.${name}`),
    )
    const ofFile = Object.keys(entry.file ?? {}).filter((name) => !(name in file.shape))
    names.push(...ofFile.map((name) => `versions.file.${name}`))
  }
  return [...new Set(names)]
}

/** `versions[2].file.hash` */
function pathText(path: readonly PropertyKey[]): string {
  const text = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('')
  return text.replace(/^\./, '') || 'the line'
}
