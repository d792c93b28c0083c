/** Guids: what names an add-on or an application. Compared byte for byte, never folded or trimmed. */

declare const guid: unique symbol
export type Guid = string & { readonly [guid]: true }

/** UTF-8 bytes; the contract's bound. A longer id is unknown without a look-up. */
export const GUID_BYTES_MAX = 255

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f]/

/** The guid in a text, or undefined where the text is blank, too long, or holds what no guid may: control characters, half surrogates. */
export function parseGuid(text: string): Guid | undefined {
  if (text.trim() === '' || CONTROL.test(text) || !text.isWellFormed()) return undefined
  return Buffer.byteLength(text) <= GUID_BYTES_MAX ? (text as Guid) : undefined
}
