/** The lines of a file, one after the other, however long the file is; a line that is longer than the limit is not held. */

import { createReadStream } from 'node:fs'
import { LINE_BYTES_MAX } from '../../limits.ts'

export interface Line {
  /** From 1. */
  readonly number: number
  /** Undefined where the line is longer than the limit, or no UTF-8. */
  readonly text: string | undefined
  /** Bytes of the file up to its end. */
  readonly bytesRead: number
}

const NEWLINE = 10

/** Blank lines are counted but not returned. */
export async function* readLines(path: string): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let pieces: Buffer[] = []
  let length = 0
  let number = 0
  let bytesRead = 0

  const lineOf = (): Line | undefined => {
    number++
    const tooLong = length > LINE_BYTES_MAX
    const bytes = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
    pieces = []
    length = 0
    let text: string | undefined
    try {
      text = tooLong ? undefined : decoder.decode(bytes)
    } catch {
      text = undefined
    }
    return text?.trim() === '' ? undefined : { number, text, bytesRead }
  }
  const keep = (piece: Buffer) => {
    length += piece.length
    if (length <= LINE_BYTES_MAX) pieces.push(piece)
  }

  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      keep(chunk.subarray(start, end))
      bytesRead += end + 1 - start
      start = end + 1
      const line = lineOf()
      if (line !== undefined) yield line
    }
    keep(chunk.subarray(start))
    bytesRead += chunk.length - start
  }
  if (length > 0) {
    const line = lineOf()
    if (line !== undefined) yield line
  }
}
