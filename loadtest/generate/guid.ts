/** Guids as AMO has them: mostly made up by AMO or by an editor, then like mail addresses, and some that only just are guids. */

import { type Random, weighted } from './random.ts'
import { brandHeads } from './words.ts'

/** `slug` is ASCII and unique, and so is every guid made from it. */
type Shape = (random: Random, slug: string) => string

const shapes = weighted<Shape>([
  [uuid, 60],
  [address, 35],
  [(_, slug) => `@${slug}`, 3],
  [odd, 2],
])

const domains = weighted<Shape>([
  [() => 'example.org', 3],
  [(random) => `${random.pick(brandHeads).toLowerCase()}.example`, 5],
  [(random) => `addons.${random.pick(brandHeads).toLowerCase()}.example`, 2],
  [(_, slug) => `${slug}.extensions.example`, 1],
])

const oddShapes: readonly Shape[] = [
  (_, slug) => `${slug}+beta@example.org`,
  (_, slug) => `${slug}-für-jörg@müller.example`,
  // As macOS writes it: u and its dots are two characters, and no database may take them for one.
  (_, slug) => `${slug}-für@example.org`.normalize('NFD'),
  (_, slug) => `拡張機能-${slug}@example.org`,
  (_, slug) => `${slug.toUpperCase()}@Example.ORG`,
  (_, slug) => `${slug}@`,
  (random) => uuid(random).toUpperCase(),
]

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

export function makeGuid(random: Random, slug: string): string {
  return random.pickWeighted(shapes)(random, slug)
}

/** Version 4, RFC 9562. */
function uuid(random: Random): string {
  const hex = random.hex(16)
  const variant = '89ab'.charAt(random.whole(0, 3))
  return `{${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}}`
}

function address(random: Random, slug: string): string {
  if (random.chance(0.2)) return jetpackId(random)
  return `${slug}@${random.pickWeighted(domains)(random, slug)}`
}

/** What Mozilla's Jetpack SDK gave out for years. */
function jetpackId(random: Random): string {
  const letters = Array.from({ length: 14 }, () => LETTERS.charAt(random.whole(0, LETTERS.length - 1)))
  return `jid1-${letters.join('')}@jetpack`
}

function odd(random: Random, slug: string): string {
  return random.pick(oddShapes)(random, slug)
}
