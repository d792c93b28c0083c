/**
 * The interchange format (docs/import-format.md): what a line may hold. Absent fields stay as they are, `null` clears; maps are
 * merged key by key, as in RFC 7396, lists are replaced.
 */

import { z } from 'zod'
import { addonStatuses, addonTypes, channels, fileStatuses, parseGuid, payments } from '../addon/index.ts'
import {
  APP_VERSION_LENGTH_MAX,
  FILENAME_LENGTH_MAX,
  GIVEN_ID_MAX,
  SLUG_LENGTH_MAX,
  URL_LENGTH_MAX,
  VERSION_LENGTH_MAX,
  VERSIONS_PER_ADDON_MAX,
} from '../limits.ts'

/** Fields that only the marketplace shows: read, counted, and left out for now. */
export const leftOutFields = ['license', 'support_url', 'support_email', 'previews', 'browser_mappings'] as const

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f]/

const wellFormed = (text: string) => text.isWellFormed()
const line = (max: number) =>
  z
    .string()
    .min(1, 'is blank')
    .max(max, `is longer than ${max} characters`)
    .refine(
      (text) => text.trim() !== '' && !CONTROL.test(text) && wellFormed(text),
      'is blank, or has control characters or half surrogates',
    )
const prose = z.string().max(200_000, 'is longer than 200,000 characters').refine(wellFormed, 'has half surrogates')

const count = z.number().int('is not a whole number').min(0, 'is negative').max(4_294_967_295, 'is too large')
const id = z
  .number()
  .int('is not a whole number')
  .min(1, 'is not positive')
  .max(GIVEN_ID_MAX, `is above ${GIVEN_ID_MAX}`)
const locale = z.string().regex(/^[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,3}$/, 'is not a locale')

/** A string stands for the text in the default locale. */
const translations = z.union([prose, z.record(locale, prose.nullable())])

const time = z.string().transform((text, context) => {
  const at = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?$/.test(text)
    ? Date.parse(text)
    : Number.NaN
  if (Number.isNaN(at)) {
    context.addIssue('is not a time such as 2026-01-02T03:04:05Z')
    return z.NEVER
  }
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ')
})

const slug = line(SLUG_LENGTH_MAX).refine((text) => !/[/?#%\\]/.test(text), 'has one of / ? # % \\')
const url = line(URL_LENGTH_MAX).refine(
  (text) => /^https?:\/\/[^/]/i.test(text) && URL.canParse(text),
  'is not an http or https address',
)
const appVersion = line(APP_VERSION_LENGTH_MAX)

const hash = z
  .string()
  .regex(
    /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})?$/i,
    'is neither sha256: with 64 nor sha512: with 128 hex digits',
  )
  .transform((text) => (text === '' ? null : text))

const filename = line(FILENAME_LENGTH_MAX).refine(
  (text) => !/[/\\]/.test(text) && text !== '.' && text !== '..',
  'is not a base name',
)

const range = z.strictObject({ min: appVersion.optional(), max: appVersion.optional() })

const file = z.object({
  id: id.optional(),
  status: z.enum(fileStatuses).optional(),
  hash: hash.nullable().optional(),
  size: z.number().int('is not a whole number').min(0, 'is negative').nullable().optional(),
  filename: filename.optional(),
  strict_compatibility: z.boolean().nullable().optional(),
  path: line(4_096).nullable().optional(),
  url: url.nullable().optional(),
})

const version = z.object({
  id: id.optional(),
  version: line(VERSION_LENGTH_MAX),
  channel: z.enum(channels).optional(),
  deleted: z.boolean().nullable().optional(),
  created: time.optional(),
  release_notes: translations.nullable().optional(),
  compatibility: z.record(z.string(), range.nullable()).nullable().optional(),
  file: file.optional(),
})

const author = z.object({ name: line(255), username: line(190).optional() })

const addon = z.object({
  id: id.optional(),
  guid: z
    .string()
    .refine((text) => parseGuid(text) !== undefined, 'is not a guid: 1 to 255 bytes, no control characters'),
  slug: slug.optional(),
  type: z.enum(addonTypes).optional(),
  status: z.enum(addonStatuses).optional(),
  disabled_by_user: z.boolean().nullable().optional(),
  name: translations.nullable().optional(),
  summary: translations.nullable().optional(),
  description: translations.nullable().optional(),
  homepage: translations.nullable().optional(),
  default_locale: locale.optional(),
  target_locale: locale.nullable().optional(),
  created: time.optional(),
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
  versions: z.array(version).max(VERSIONS_PER_ADDON_MAX, `has more than ${VERSIONS_PER_ADDON_MAX} entries`).optional(),
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
