/** Journals of workers, cut as a kill at the worst moment would leave them. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

interface Part {
  readonly kind: number
  readonly bytes: Buffer
}

/** Kinds of a journal's parts. */
const HEAD = -1
const MARKED = 0
const CHANGED = 1

/** Leaves of all journals in a folder what stands before the new state of the first add-on that changed. */
export function cutAfterFirstChange(folder: string): void {
  rewrite(folder, (parts) => {
    const first = parts.findIndex(({ kind }) => kind === CHANGED)
    return first < 0 ? parts : parts.slice(0, first + 1)
  })
}

/** Leaves of all journals in a folder all but the marks beyond a number of the feed. */
export function dropMarks(folder: string, beyond: number): void {
  rewrite(folder, (parts) => parts.filter(({ kind, bytes }) => kind !== MARKED || bytes.readDoubleLE(9) <= beyond))
}

function rewrite(folder: string, keep: (parts: readonly Part[]) => readonly Part[]): void {
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.journal'))) {
    const path = join(folder, name)
    writeFileSync(path, Buffer.concat(keep(partsOf(path)).map(({ bytes }) => bytes)))
  }
}

/** The head of a journal, and its records. */
function partsOf(path: string): Part[] {
  const bytes = readFileSync(path)
  const headEnd = bytes.indexOf(10) + 1
  const parts: Part[] = [{ kind: HEAD, bytes: bytes.subarray(0, headEnd) }]
  for (let at = headEnd; at + 17 <= bytes.length; ) {
    const end = at + 8 + bytes.readUInt32LE(at)
    parts.push({ kind: bytes.readUInt8(at + 8), bytes: bytes.subarray(at, end) })
    at = end
  }
  return parts
}
