/**
 * Application versions as integers, AMO's way (addons-server `versions/compare.py`, contract section 3):
 *
 *     major | minor1 2 digits | minor2 2 | minor3 2 | alpha 1 | alpha number 2 | pre 1 | pre number 2
 *
 * so that `58.0a1 < 58.0b3 < 58.0 = 58.0esr < 58.*`. The whole passes 2^53: where it is compared it is two integers,
 * `high` = n / 10^8 (major, minor1, minor2) and `low` = n % 10^8 (the rest), both under 2^30.
 */

export interface PackedVersion {
  high: number
  low: number
}

const MAJOR_MAX = 65_535
const MINOR_MAX = 99
const HALF = 100_000_000n

const DIGIT_0 = 48
const DIGIT_9 = 57
const STAR = 42
const DOT = 46
const LETTER_A = 97
const LETTER_B = 98
const LETTER_P = 112
const LETTER_R = 114
const LETTER_E = 101

/**
 * Reads the version that a text, or a part of one, begins with into `into`; what follows is ignored, so any text is a version.
 * Empty or garbage is 0 and packs to 200100. Allocates next to nothing: the hot path runs it.
 */
export function readAppVersion(text: string, into: PackedVersion, start = 0, end = text.length): void {
  if (!readPlainVersion(text, into, start, end)) readAnyVersion(text.slice(start, end), into)
}

function readAnyVersion(text: string, into: PackedVersion): void {
  const length = text.length
  let at = 0
  let high = 0
  let minor3 = 0
  let star = false // an absent part after a `*` inherits it
  let more = true
  for (let part = 0; part < 4; part++) {
    const max = part === 0 ? MAJOR_MAX : MINOR_MAX
    let value = star ? max : 0
    if (more) {
      const start = part === 0 ? at : text.charCodeAt(at) === DOT ? at + 1 : length
      let next = start
      let code = next < length ? text.charCodeAt(next) : 0
      if (code === STAR) {
        value = max
        star = true
        at = next + 1
      } else if (code >= DIGIT_0 && code <= DIGIT_9) {
        value = 0
        do {
          value = value > max ? value : value * 10 + code - DIGIT_0
          next++
          code = next < length ? text.charCodeAt(next) : 0
        } while (code >= DIGIT_0 && code <= DIGIT_9)
        if (value > max) value = max
        star = false
        at = next
      } else {
        more = false
      }
    }
    if (part === 3) minor3 = value
    else high = high * (part === 0 ? 1 : 100) + value
  }

  let alpha = 2
  let alphaNumber = 0
  let pre = 1
  let preNumber = 0
  if (at > 0) {
    const letter = text.charCodeAt(at)
    if (letter === LETTER_A || letter === LETTER_B) {
      alpha = letter - LETTER_A
      at++
      let code = text.charCodeAt(at)
      while (code >= DIGIT_0 && code <= DIGIT_9) {
        alphaNumber = alphaNumber > MINOR_MAX ? alphaNumber : alphaNumber * 10 + code - DIGIT_0
        at++
        code = text.charCodeAt(at)
      }
      if (alphaNumber > MINOR_MAX) alphaNumber = MINOR_MAX
    }
    if (
      text.charCodeAt(at) === LETTER_P &&
      text.charCodeAt(at + 1) === LETTER_R &&
      text.charCodeAt(at + 2) === LETTER_E
    ) {
      pre = 0
      const code = text.charCodeAt(at + 3)
      if (code >= DIGIT_0 && code <= DIGIT_9) preNumber = code - DIGIT_0
    }
  }
  into.high = high
  into.low = minor3 * 1_000_000 + alpha * 100_000 + alphaNumber * 1_000 + pre * 100 + preNumber
}

/** What nearly every client is: `153.0`, `140.12.0`. The rule below reads the same of it, four times as slowly. */
function readPlainVersion(text: string, into: PackedVersion, start: number, end: number): boolean {
  let high = 0
  let value = 0
  let digits = 0
  let part = 0
  for (let at = start; at <= end; at++) {
    const code = at === end ? DOT : text.charCodeAt(at)
    if (code === DOT) {
      if (digits === 0 || part === 3) return false
      high = part === 0 ? value : high * 100 + value
      part++
      value = 0
      digits = 0
    } else if (code >= DIGIT_0 && code <= DIGIT_9 && digits < (part === 0 ? 4 : 2)) {
      value = value * 10 + code - DIGIT_0
      digits++
    } else return false
  }
  into.high = part === 3 ? high : part === 2 ? high * 100 : high * 10_000
  into.low = PLAIN_LOW
  return true
}

/** Neither a fourth part nor letters. */
const PLAIN_LOW = 200_100

/** The whole integer, as the database stores it beside the text. */
export function packAppVersion(text: string): bigint {
  const packed = { high: 0, low: 0 }
  readAppVersion(text, packed)
  return BigInt(packed.high) * HALF + BigInt(packed.low)
}

/** A version that packs to a stored integer, as short as can be: `36.0`, `57.0a1`, `28.*`. */
export function unpackAppVersion(packed: string | number | bigint): string {
  const digits = BigInt(packed).toString().padStart(17, '0')
  const part = (fromEnd: number, length: number) => Number(digits.slice(-fromEnd, digits.length - fromEnd + length))
  const major = Number(digits.slice(0, -12))
  const minors = [part(12, 2), part(10, 2), part(8, 2)]
  const [alpha, alphaNumber, pre, preNumber] = [part(6, 1), part(5, 2), part(3, 1), part(2, 2)]
  while (minors.length > 1 && minors.at(-1) === 0) minors.pop()
  const stars = minors.length - minors.findLastIndex((minor) => minor !== MINOR_MAX) - 1
  const shown = stars > 0 && minors.length === 3 ? [...minors.slice(0, 3 - stars), '*'] : minors
  const letters = alpha === 2 ? '' : `${alpha === 0 ? 'a' : 'b'}${alphaNumber}`
  return `${[major, ...shown].join('.')}${letters}${pre === 1 ? '' : `pre${preNumber}`}`
}

/** Splits a stored integer, given in decimal as the database driver hands it over. */
export function splitPacked(decimal: string | number | bigint): PackedVersion {
  const whole = BigInt(decimal)
  return { high: Number(whole / HALF), low: Number(whole % HALF) }
}
