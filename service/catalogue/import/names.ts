/** Names that an import doesn't give: slugs of add-ons, usernames of authors. */

import { createHash } from 'node:crypto'
import type { Statements } from '../../database/index.ts'
import type { AddonLine } from '../format.ts'
import { DEFAULT_LOCALE } from '../merge.ts'
import type { Author } from '../state.ts'

const SLUG_LENGTH = 60
const ALTERNATIVES = 9

/** A slug for each add-on, made from its name or its guid; free, and not claimed by another line. */
export async function pickSlugs(
  statements: Statements,
  lines: readonly AddonLine[],
  isClaimed: (slug: string) => boolean,
): Promise<Map<AddonLine, string>> {
  const candidates = new Map(lines.map((line) => [line, slugCandidates(line)]))
  const all = [...candidates.values()].flat()
  const rows = all.length === 0 ? [] : await statements.rows('SELECT slug FROM addons WHERE slug IN (?)', [all])
  const taken = new Set(rows.map(({ slug }) => slug as string))
  const picked = new Map<AddonLine, string>()
  for (const [line, slugs] of candidates) {
    const slug = slugs.find((candidate) => !taken.has(candidate) && !isClaimed(candidate)) ?? (slugs.at(-1) as string)
    taken.add(slug)
    picked.set(line, slug)
  }
  return picked
}

/** The authors of each line that gives some, with a username each. */
export async function pickUsernames(
  statements: Statements,
  lines: readonly AddonLine[],
): Promise<Map<AddonLine, readonly Author[]>> {
  const nameless = lines.flatMap(({ authors }) => authors ?? []).filter(({ username }) => username === undefined)
  const wanted = [...new Set(nameless.map(({ name }) => slugify(name)))]
  const rows =
    wanted.length === 0
      ? []
      : await statements.rows('SELECT username, name FROM authors WHERE username IN (?)', [wanted])
  const nameOf = new Map(rows.map(({ username, name }) => [username as string, name as string]))
  for (const { username, name } of lines.flatMap(({ authors }) => authors ?? [])) {
    if (username !== undefined) nameOf.set(username, name)
  }
  const usernameOf = (name: string): string => {
    const username = slugify(name)
    const holder = nameOf.get(username)
    if (holder !== undefined && holder !== name) return `${username}-${digest(name)}`
    nameOf.set(username, name)
    return username
  }
  const picked = new Map<AddonLine, readonly Author[]>()
  for (const line of lines) {
    if (line.authors === undefined) continue
    const authors = (line.authors ?? []).map(({ name, username }) => ({ name, username: username ?? usernameOf(name) }))
    picked.set(line, [...new Map(authors.map((author) => [author.username, author])).values()])
  }
  return picked
}

/** `Tab Mix Plus!` -> `tab-mix-plus` */
function slugify(text: string): string {
  const plain = text.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase()
  const slug = plain
    .replaceAll(/[^\p{L}\p{N}]+/gu, '-')
    .slice(0, SLUG_LENGTH)
    .replaceAll(/^-+|-+$/g, '')
  return slug === '' ? `a-${digest(text)}` : slug.toWellFormed().replaceAll('\ufffd', '')
}

/** The likely ones first; the last is as good as unique. */
function slugCandidates({ guid, name, default_locale: locale }: AddonLine): string[] {
  const title =
    typeof name === 'string'
      ? name
      : (name?.[locale ?? DEFAULT_LOCALE] ?? Object.values(name ?? {}).find((text) => text !== null))
  const base = slugify(title ?? guid.replace(/@.*$/, '').replaceAll(/[{}]/g, ''))
  const numbered = Array.from({ length: ALTERNATIVES - 1 }, (_, index) => `${base}-${index + 2}`)
  return [base, ...numbered, `${base}-${digest(guid)}`]
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}
