/** Who wrote a generated add-on. Authors are shared: about six join for every ten add-ons, and the early ones have the most. */

import { Random } from './random.ts'
import { firstNames, lastNames } from './words.ts'

export interface GeneratedAuthor {
  readonly name: string
  readonly username: string
}

const AUTHORS_PER_ADDON = 0.6

export interface AuthorsOptions {
  readonly seed: number
  /** What authors draw from. */
  readonly stream: number
  /** Of the add-on. */
  readonly index: number
  readonly count: number
}

/** As many as asked for, or fewer where the same one came up twice. */
export function pickAuthors(random: Random, options: AuthorsOptions): GeneratedAuthor[] {
  const { seed, stream, index, count } = options
  const last = Math.floor(index * AUTHORS_PER_ADDON)
  const numbers = new Set(Array.from({ length: count }, () => random.whole(0, last)))
  return [...numbers].map((number) => makeAuthor(new Random(seed, stream, number), number))
}

function makeAuthor(random: Random, number: number): GeneratedAuthor {
  const name = `${random.pick(firstNames)} ${random.pick(lastNames)}`
  const plain = name.normalize('NFD').match(/[A-Za-z]+/g) ?? []
  return { name, username: `${plain.join('-').toLowerCase()}-${number + 1}` }
}
