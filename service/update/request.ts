/**
 * The query of an update check (contract section 1). Firefox sends `{ } @ ,` raw, others percent-encode; of a name given twice
 * the last wins; nothing a client can send is an error here.
 */

import type { Mode } from '../addon/index.ts'

/**
 * What of a query decides the answer: where each value stands in `text`. One object is filled again for each request, with numbers
 * only, since a string that is kept would cost the collector something. An absent name begins at ABSENT.
 */
export class CheckQuery {
  text = ''
  /** `memory` begins with the text, a byte a character. Not so where it has more than ASCII, or is longer than any honest one. */
  isPlain = false
  readonly memory: DataView
  idStart = ABSENT
  idEnd = 0
  appIdStart = ABSENT
  appIdEnd = 0
  versionStart = ABSENT
  versionEnd = 0
  /** `compatMode` as the hot path compares it: strict where it is absent, ignore where it is any other. */
  mode: ModeCode = STRICT
  private readonly bytes = Buffer.from(new ArrayBuffer(PLAIN_BYTES_MAX + SPARE_BYTES))
  private readonly words = new Int32Array(this.bytes.buffer)

  constructor() {
    this.memory = new DataView(this.bytes.buffer)
  }

  get id(): string | undefined {
    return this.idStart === ABSENT ? undefined : this.text.slice(this.idStart, this.idEnd)
  }
  get appId(): string | undefined {
    return this.appIdStart === ABSENT ? undefined : this.text.slice(this.appIdStart, this.appIdEnd)
  }
  get appVersion(): string | undefined {
    return this.versionStart === ABSENT ? undefined : this.text.slice(this.versionStart, this.versionEnd)
  }

  /** Reads a query; undefined where the request has none. */
  read(query: string | undefined): void {
    this.forget()
    this.isPlain = false
    if (query === undefined) return
    const { length } = query
    // As many bytes as characters: all are ASCII. There is room for one more, or one that is not ASCII might not be written.
    if (length <= PLAIN_BYTES_MAX && encoder.encodeInto(query, this.bytes).written === length) {
      this.text = query
      this.isPlain = this.readPlain(length)
    }
    if (!this.isPlain) this.readEscaped(query)
  }

  private forget(): void {
    this.idStart = ABSENT
    this.appIdStart = ABSENT
    this.versionStart = ABSENT
    this.mode = STRICT
  }

  /**
   * Hops from `&` to `&`, the last one put behind the end. Of words, since four bytes cost what one does. False where there is an
   * escape that matters.
   */
  private readPlain(length: number): boolean {
    const { bytes, words } = this
    bytes[length] = AMPERSAND
    let start = 0
    /** Where a pair begins whose escapes don't matter. */
    let passedOver = ABSENT
    for (let word = 0, end = length >> 2; word <= end; word++) {
      // Of ASCII: the high bit of each byte up to `+`. Beside `%`, `&` and `+` few of them stand in a query.
      let found = ~((words[word] as number) + ABOVE_PLUS) & 0x80808080
      while (found !== 0) {
        const at = word * 4 + ((31 - Math.clz32(found & -found)) >> 3)
        if (at > length) return true
        found &= found - 1
        const byte = bytes[at] as number
        if (byte === AMPERSAND) {
          this.readPair(start, at)
          start = at + 1
        } else if ((byte === PERCENT || byte === PLUS) && passedOver !== start) {
          if (!this.isOfAnother(start, at)) return false
          passedOver = start
        }
      }
    }
    return true
  }

  /** Whether an escape belongs to a value that decides nothing, as in `version=1.0%2B3`; within a name it may hide one that does. */
  private isOfAnother(start: number, at: number): boolean {
    const equals = this.text.indexOf('=', start)
    return equals >= 0 && equals < at && !NAMES.has(this.text.slice(start, equals))
  }

  /** Missing, empty, or nothing but white space. */
  isBlank(start: number, end: number): boolean {
    if (start === ABSENT || start === end) return true
    const first = this.isPlain ? (this.bytes[start] as number) : this.text.charCodeAt(start)
    // Neither a blank nor beyond ASCII, as nearly always.
    return (first <= 0x20 || first > 0x7e) && this.text.slice(start, end).trim() === ''
  }

  /** Names are compared as words: a loop over their letters takes longer than all the rest. */
  private readPair(start: number, end: number): void {
    const { memory } = this
    const head = memory.getInt32(start, true)
    if (head === APP_VERSION_0) {
      if (memory.getInt32(start + 4, true) !== APP_VERSION_4 || memory.getInt16(start + 8, true) !== APP_VERSION_8)
        return
      if (!this.isNameEnd(start + 10, end)) return
      this.versionStart = Math.min(start + 11, end)
      this.versionEnd = end
    } else if (head === APP_ID_0) {
      if (memory.getInt8(start + 4) !== APP_ID_4 || !this.isNameEnd(start + 5, end)) return
      this.appIdStart = Math.min(start + 6, end)
      this.appIdEnd = end
    } else if (head === COMPAT_MODE_0) {
      if (memory.getInt32(start + 4, true) !== COMPAT_MODE_4 || memory.getInt16(start + 8, true) !== COMPAT_MODE_8)
        return
      if (this.isNameEnd(start + 10, end)) this.mode = end - start === 17 ? this.modeAt(start + 11) : IGNORE
    } else if ((head & 0xffff) === ID_0) {
      if (!this.isNameEnd(start + 2, end)) return
      this.idStart = Math.min(start + 3, end)
      this.idEnd = end
    }
  }

  /** A pair without `=` is a name without a value. */
  private isNameEnd(at: number, end: number): boolean {
    return at === end || this.bytes[at] === EQUALS
  }

  /** Of six letters. */
  private modeAt(at: number): ModeCode {
    const { memory } = this
    const head = memory.getInt32(at, true)
    const rest = memory.getInt16(at + 4, true)
    if (head === NORMAL_0 && rest === NORMAL_4) return NORMAL
    return head === STRICT_0 && rest === STRICT_4 ? STRICT : IGNORE
  }

  /** Any pair may hide one of the names behind an escape: the values are decoded, and put one behind the other. */
  private readEscaped(query: string): void {
    this.forget()
    const values = new Map<string, string>()
    for (const pair of query.split('&')) {
      const equals = pair.indexOf('=')
      const nameEnd = equals < 0 ? pair.length : equals
      const name = decodeForm(pair.slice(0, nameEnd))
      if (NAMES.has(name)) values.set(name, decodeForm(pair.slice(nameEnd + 1)))
    }
    const { id = '', appID = '', appVersion = '', compatMode = 'strict' } = Object.fromEntries(values)
    this.text = id + appID + appVersion
    this.idEnd = id.length
    this.appIdEnd = this.idEnd + appID.length
    this.versionEnd = this.appIdEnd + appVersion.length
    if (values.has('id')) this.idStart = 0
    if (values.has('appID')) this.appIdStart = this.idEnd
    if (values.has('appVersion')) this.versionStart = this.appIdEnd
    this.mode = Object.hasOwn(modeCodes, compatMode) ? modeCodes[compatMode as Mode] : IGNORE
  }
}

export const ABSENT = -1
const NAMES = new Set(['id', 'appID', 'appVersion', 'compatMode'])

/** A third quicker than a buffer's own `write`. */
const encoder = new TextEncoder()

/** The longest query that is read as bytes; a Firefox's has 300 or so. */
const PLAIN_BYTES_MAX = 2_040
/** Behind it: a last character that is no ASCII, the ampersand, and what is read beyond the end. */
const SPARE_BYTES = 8

const PERCENT = 37
const AMPERSAND = 38
const PLUS = 43
const EQUALS = 61
/** To be added to four bytes: of those above `+` the high bit is set then. */
const ABOVE_PLUS = 0x54545454
/** A name as words, the last one filled up with 0. */
function wordsOf(name: string): number[] {
  return (name.match(/.{1,4}/g) ?? []).map((letters) => Buffer.from(letters.padEnd(4, '\0')).readInt32LE())
}
const [ID_0] = wordsOf('id')
const [APP_ID_0, APP_ID_4] = wordsOf('appID')
const [APP_VERSION_0, APP_VERSION_4, APP_VERSION_8] = wordsOf('appVersion')
const [COMPAT_MODE_0, COMPAT_MODE_4, COMPAT_MODE_8] = wordsOf('compatMode')
const [NORMAL_0, NORMAL_4] = wordsOf('normal')
const [STRICT_0, STRICT_4] = wordsOf('strict')

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

export const STRICT = 0
export const NORMAL = 1
export const IGNORE = 2
export type ModeCode = typeof STRICT | typeof NORMAL | typeof IGNORE

export const modeCodes: Readonly<Record<Mode, ModeCode>> = { strict: STRICT, normal: NORMAL, ignore: IGNORE }
