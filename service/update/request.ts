/**
 * The query of an update check (contract section 1). Firefox sends `{ } @ ,` raw, others percent-encode; of a name given twice
 * the last wins; nothing a client can send is an error here.
 */

import type { Mode } from '../addon/index.ts'

/** What of a query decides the answer. An absent name is undefined; one object is filled again for each request. */
export interface CheckQuery {
  id: string | undefined
  appId: string | undefined
  appVersion: string | undefined
  compatMode: string | undefined
}

const AMPERSAND = 38
const EQUALS = 61
const PERCENT = 37
const PLUS = 43

export function emptyQuery(): CheckQuery {
  return { id: undefined, appId: undefined, appVersion: undefined, compatMode: undefined }
}

/** One pass over the text; only values that are kept, or escaped, become strings of their own. */
export function readQuery(query: string | undefined, into: CheckQuery): void {
  into.id = undefined
  into.appId = undefined
  into.appVersion = undefined
  into.compatMode = undefined
  if (query === undefined) return
  const length = query.length
  let start = 0
  let equals = -1
  let escaped = false
  for (let at = 0; at <= length; at++) {
    const code = at === length ? AMPERSAND : query.charCodeAt(at)
    if (code === AMPERSAND) {
      const nameEnd = equals < 0 ? at : equals
      if (escaped) readEscapedPair(query.slice(start, nameEnd), query.slice(nameEnd + 1, at), into)
      else if (nameEnd - start === 2) {
        if (query.startsWith('id', start)) into.id = query.slice(nameEnd + 1, at)
      } else if (nameEnd - start === 5) {
        if (query.startsWith('appID', start)) into.appId = query.slice(nameEnd + 1, at)
      } else if (nameEnd - start === 10) {
        if (query.startsWith('appVersion', start)) into.appVersion = query.slice(nameEnd + 1, at)
        else if (query.startsWith('compatMode', start)) into.compatMode = query.slice(nameEnd + 1, at)
      }
      start = at + 1
      equals = -1
      escaped = false
    } else if (code === EQUALS) {
      if (equals < 0) equals = at
    } else if (code === PERCENT || code === PLUS) {
      escaped = true
    }
  }
}

function readEscapedPair(name: string, value: string, into: CheckQuery): void {
  switch (decodeForm(name)) {
    case 'id':
      into.id = decodeForm(value)
      break
    case 'appID':
      into.appId = decodeForm(value)
      break
    case 'appVersion':
      into.appVersion = decodeForm(value)
      break
    case 'compatMode':
      into.compatMode = decodeForm(value)
      break
  }
}

/** Undoes form encoding; what is no valid escape stays, what is no UTF-8 becomes U+FFFD (WHATWG URL, section 5.1). */
export function decodeForm(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text
  if (!spaced.includes('%')) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch {
    return new URLSearchParams(`v=${text}`).get('v') ?? ''
  }
}

/** `compatMode` as the hot path compares it. */
export const STRICT = 0
export const NORMAL = 1
export const IGNORE = 2
export type ModeCode = typeof STRICT | typeof NORMAL | typeof IGNORE

export function modeCodeOf(compatMode: string | undefined): ModeCode {
  if (compatMode === 'normal') return NORMAL
  return compatMode === undefined || compatMode === 'strict' ? STRICT : IGNORE
}

export const modeCodes: Readonly<Record<Mode, ModeCode>> = { strict: STRICT, normal: NORMAL, ignore: IGNORE }
