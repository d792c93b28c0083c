/**
 * What texts of the catalogue may be: one set of rules for the lines of an import and for what a package's manifest says. They
 * keep every column from being given what it can't hold, and what is stored apart from the separators of the read model (U+001E,
 * U+001F). Plain code, since the schemas of format.ts take as long to load as all other commands to start.
 */

import {
  APP_VERSION_LENGTH_MAX,
  FILENAME_LENGTH_MAX,
  LOCALE_LENGTH_MAX,
  PROSE_LENGTH_MAX,
  VERSION_LENGTH_MAX,
} from '../limits.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f]/
const LOCALE = /^[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,3}$/
const TIME = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(:\d\d)?(?:\.\d+)?(?:Z|([+-])(\d\d):?(\d\d))?)?$/

/** What is wrong with a text that stands on one line, a clause; undefined: nothing. Characters are counted as UTF-16 has them. */
export function lineFault(text: string, lengthMax: number): string | undefined {
  if (text.trim() === '') return 'is blank'
  if (text.length > lengthMax) return `is longer than ${lengthMax} characters`
  if (CONTROL.test(text) || !text.isWellFormed()) return 'has control characters or half surrogates'
  return undefined
}

/** The same of a text that may have paragraphs, or be empty. */
export function proseFault(text: string): string | undefined {
  if (text.length > PROSE_LENGTH_MAX) return `is longer than ${PROSE_LENGTH_MAX} characters`
  return text.isWellFormed() ? undefined : 'has half surrogates'
}

/** The same of the number of a version. */
export function versionFault(text: string): string | undefined {
  return lineFault(text, VERSION_LENGTH_MAX)
}

/** The same of an application's version: the bound of a range. */
export function appVersionFault(text: string): string | undefined {
  return lineFault(text, APP_VERSION_LENGTH_MAX)
}

/** The same of what a file is called. */
export function filenameFault(text: string): string | undefined {
  const isBaseName = !/[/\\]/.test(text) && text !== '.' && text !== '..'
  return isBaseName ? lineFault(text, FILENAME_LENGTH_MAX) : 'is not a base name'
}

/** The same of a locale, `de` or `sr-Latn-RS`. */
export function localeFault(text: string): string | undefined {
  return text.length <= LOCALE_LENGTH_MAX && LOCALE.test(text) ? undefined : 'is not a locale'
}

/** Nearly all of them, as they are exported; the last days of months want a second look. */
const PLAIN_TIME = /^[1-9]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/

const FIRST_YEAR = Date.UTC(1000, 0, 1)
const AFTER_LAST_YEAR = Date.UTC(10_000, 0, 1)

/**
 * A time as the catalogue keeps it, `YYYY-MM-DD hh:mm:ss` in UTC; undefined where the text is none, or one that the database can't
 * hold. Without a zone it is UTC, whatever the machine's is.
 */
export function storedTime(text: string): string | undefined {
  if (PLAIN_TIME.test(text)) return `${text.slice(0, 10)} ${text.slice(11, 19)}`
  const [, day, minute = '00:00', second = ':00', sign, hours = '0', minutes = '0'] = TIME.exec(text) ?? []
  if (day === undefined || Number(hours) > 23 || Number(minutes) > 59) return undefined
  const written = `${day}T${minute}${second}`
  const local = Date.parse(`${written}Z`)
  // There is no 31st of February: it would be taken for the 3rd of March.
  if (Number.isNaN(local) || new Date(local).toISOString().slice(0, 19) !== written) return undefined
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000
  const at = sign === '-' ? local + offset : local - offset
  if (at < FIRST_YEAR || at >= AFTER_LAST_YEAR) return undefined
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ')
}
