/** The generator: the same catalogue for the same numbers, in the import format, with the shapes it promises. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { type GeneratedAddon, generateAddons } from '../../loadtest/generate/addons.ts'
import { writeCatalogue } from '../../loadtest/generate/command.ts'
import { type GeneratedVersion, VERSIONS_MAX } from '../../loadtest/generate/versions.ts'
import { categories } from '../../loadtest/generate/words.ts'
import { addonTypes, packAppVersion } from '../../service/addon/index.ts'
import { parseLine } from '../../service/catalogue/format.ts'
import { holds } from '../harness/property.ts'

const root = join(import.meta.dirname, '..', '..')
const MANY = 20_000
const many = [...generateAddons({ addons: MANY, seed: 1 })]
const versions = many.flatMap((addon) => addon.versions)

function linesOf(addons: number, seed: number): string[] {
  return [...generateAddons({ addons, seed })].map((addon) => JSON.stringify(addon))
}

/** Which part of all it holds for, in percent. */
function percent<T>(all: readonly T[], holdsFor: (one: T) => boolean): number {
  return (all.filter(holdsFor).length / all.length) * 100
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function between(t: Test, value: number, min: number, max: number, title: string): void {
  t.ok(value >= min && value <= max, `${title}: ${value} is from ${min} to ${max}`)
}

t.test('the same numbers give the same catalogue, another seed another one', async (t) => {
  const lines = linesOf(100, 1)
  t.strictSame(linesOf(100, 1), lines)
  const others = linesOf(100, 2)
  t.equal(lines.filter((line, place) => line === others[place]).length, 0, 'no line is the same')
})

t.test('a smaller catalogue is the beginning of a larger one', async (t) => {
  t.strictSame(linesOf(1_000, 1).slice(0, 100), linesOf(100, 1))
  holds(
    t,
    'for any seed',
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.nat(20), fc.nat(20), (seed, few, more) => {
      const beginning = linesOf(few + more, seed).slice(0, few)
      return beginning.join('\n') === linesOf(few, seed).join('\n')
    }),
    100,
  )
})

t.test('every line is in the import format, with nothing left out', async (t) => {
  const bad = many.slice(0, 3_000).filter((addon) => {
    const parsed = parseLine(JSON.parse(JSON.stringify(addon)))
    return parsed.kind !== 'addon' || parsed.leftOut.length > 0
  })
  t.strictSame(bad, [])
  const schema = readFileSync(join(root, 'sql', 'migrations', '20261124000001_catalogue.sql'), 'utf8')
  t.strictSame(
    categories.filter((category) => !schema.includes(`('${category}', '`)),
    [],
    'the schema has their categories',
  )
})

t.test('guids, slugs and ids are unique, and rise where they should', async (t) => {
  for (const key of ['id', 'guid', 'slug'] as const) t.equal(new Set(many.map((addon) => addon[key])).size, MANY, key)
  t.equal(new Set(versions.map(({ id }) => id)).size, versions.length, 'version ids')
  t.equal(new Set(versions.map(({ file }) => file.id)).size, versions.length, 'file ids')
  t.equal(new Set(versions.map(({ file }) => file.hash)).size, versions.length, 'hashes')
  t.strictSame(
    many.filter((addon) => !isOldestFirst(addon)).map(({ id }) => id),
    [],
    'ids, dates and minimums rise with age',
  )
  t.strictSame(
    many.filter(({ versions }) => new Set(versions.map(({ version }) => version)).size < versions.length),
    [],
    'no version stands twice in an add-on',
  )
})

function isOldestFirst({ versions }: GeneratedAddon): boolean {
  const min = ({ compatibility }: GeneratedVersion) => packAppVersion(compatibility?.firefox.min ?? '')
  const ranged = versions.filter(({ compatibility }) => compatibility !== undefined)
  return (
    isRising(
      versions,
      (one, other) => one.id < other.id && one.file.id < other.file.id && one.created < other.created,
    ) && isRising(ranged, (one, other) => min(one) <= min(other))
  )
}

function isRising<T>(values: readonly T[], isBefore: (one: T, other: T) => boolean): boolean {
  return values.every((value, place) => place === 0 || isBefore(values[place - 1] as T, value))
}

t.test('300,000 add-ons have 900,000 versions, and so in proportion', async (t) => {
  const counts: number[] = []
  for (const addon of generateAddons({ addons: 100_000, seed: 1 })) counts.push(addon.versions.length)
  between(t, mean(counts), 2.94, 3.06, 'versions of an add-on')
  between(
    t,
    percent(counts, (count) => count === 1),
    50,
    65,
    'add-ons with one version',
  )
  t.equal(Math.min(...new Set(counts)), 1)
  t.equal(Math.max(...new Set(counts)), VERSIONS_MAX)
})

t.test("users follow Zipf's law, and popular add-ons have more versions", async (t) => {
  const byUsers = many.toSorted((one, other) => other.average_daily_users - one.average_daily_users)
  const at = (place: number) => byUsers[place - 1]?.average_daily_users as number
  for (const place of [10, 100, 1_000])
    between(t, at(place) / at(10 * place), 10 ** 1.1 * 0.8, 10 ** 1.1 * 1.25, `place ${place}`)
  const versionsOf = (addons: readonly GeneratedAddon[]) => mean(addons.map(({ versions }) => versions.length))
  t.ok(versionsOf(byUsers.slice(0, MANY / 100)) > 2 * versionsOf(byUsers), 'the first hundredth')
  between(
    t,
    byUsers.slice(0, 1_000).filter(({ id }) => id <= MANY / 2).length,
    450,
    550,
    'they stand all over the catalogue',
  )
})

t.test('guids are of all shapes', async (t) => {
  const guids = many.map(({ guid }) => guid)
  const uuid = /^\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}$/
  between(
    t,
    percent(guids, (guid) => uuid.test(guid)),
    58,
    62,
    '{uuid}',
  )
  between(
    t,
    percent(guids, (guid) => /^[a-zA-Z0-9-]+@[a-z.0-9-]+$/.test(guid)),
    33,
    37,
    'name@domain',
  )
  between(
    t,
    percent(guids, (guid) => guid.startsWith('@')),
    2,
    4,
    '@name',
  )
  const unusual = [/\+/, /[^\u0020-\u007e]/, /\p{M}/u, /^[^a-z]+$/, /@$/]
  for (const characters of unusual)
    t.ok(
      guids.some((guid) => characters.test(guid)),
      `${characters}`,
    )
  const lengths = guids.map((guid) => Buffer.byteLength(guid))
  between(t, Math.max(...lengths), 70, 120, 'bytes of the longest')
})

t.test('types, statuses, ranges and the rest come in their shares', async (t) => {
  t.strictSame(new Set(many.map(({ type }) => type)), new Set(addonTypes))
  between(
    t,
    percent(many, ({ type }) => type === 'extension'),
    68,
    72,
    'extensions',
  )
  between(
    t,
    percent(many, ({ type }) => type === 'theme'),
    20,
    24,
    'themes',
  )
  between(
    t,
    percent(many, ({ status }) => status === 'approved'),
    92,
    94,
    'approved',
  )
  t.equal(new Set(many.map(({ status }) => status)).size, 5, 'every status')
  between(
    t,
    percent(many, (addon) => addon.disabled_by_user),
    0.7,
    1.3,
    'disabled by their developers',
  )
  between(
    t,
    percent(many, ({ versions }) => versions.some(({ compatibility }) => compatibility?.android)),
    13.5,
    16.5,
    'for Android',
  )

  between(
    t,
    percent(versions, ({ channel }) => channel === 'unlisted'),
    2.5,
    3.5,
    'unlisted',
  )
  between(
    t,
    percent(versions, ({ deleted }) => deleted),
    1.5,
    2.5,
    'deleted',
  )
  between(
    t,
    percent(versions, ({ file }) => file.status !== 'approved'),
    2.5,
    3.5,
    'files not approved',
  )
  between(
    t,
    percent(versions, ({ file }) => file.strict_compatibility),
    2.5,
    3.5,
    'strict files',
  )
  between(
    t,
    percent(versions, (version) => version.release_notes !== undefined),
    19,
    21,
    'with release notes',
  )
  between(
    t,
    percent(versions, ({ compatibility }) => compatibility === undefined),
    0.3,
    0.8,
    'without a range',
  )
  between(
    t,
    percent(versions, ({ compatibility }) => compatibility?.firefox.max === '*'),
    85,
    90,
    'without a maximum',
  )
})

t.test('a line is as long as one of a real catalogue, and authors are shared', async (t) => {
  between(t, mean(many.map((addon) => Buffer.byteLength(JSON.stringify(addon)))), 1_200, 2_000, 'bytes of a line')
  const authors = many.flatMap((addon) => addon.authors)
  const names = new Map(authors.map(({ username, name }) => [username, name]))
  between(t, authors.length / names.size, 1.5, 4, 'add-ons of an author')
  t.ok(
    authors.every(({ username, name }) => names.get(username) === name),
    'a username belongs to one name',
  )
})

t.test('nothing is made before the reader can take it', async (t) => {
  let takeMore = () => {}
  const waiting = new Promise<void>((resolve) => {
    takeMore = resolve
  })
  let first = () => {}
  const firstChunk = new Promise<void>((resolve) => {
    first = resolve
  })
  const output = new Writable({
    write(_chunk, _encoding, done) {
      first()
      void waiting.then(() => done())
    },
  })
  let made = 0
  const written = writeCatalogue({ addons: 5_000, seed: 1, output, progress: (addons) => (made = addons) })
  await firstChunk
  for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
  t.ok(made < 500, `${made} add-ons wait for a reader that takes none`)
  takeMore()
  await written
  t.equal(made, 5_000)
})

interface Ended {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

interface RunOptions {
  /** Stops reading after so many. */
  readonly bytesMax?: number
  /** A descriptor to write to. */
  readonly stdout?: number
}

/** Runs `loadtest generate` as its user does. */
async function runGenerate(args: readonly string[], { bytesMax, stdout }: RunOptions = {}): Promise<Ended> {
  const program = join(root, 'dist', 'loadtest', 'main.js')
  const { NODE_OPTIONS: _, ...env } = process.env
  const child = spawn(process.execPath, [program, 'generate', ...args], {
    env,
    stdio: ['ignore', stdout ?? 'pipe', 'pipe'],
  })
  const closed = once(child, 'close')
  const chunks: Buffer[] = []
  let bytes = 0
  let stderr = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  child.stdout?.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytesMax !== undefined && bytes >= bytesMax) child.stdout?.destroy()
  })
  const [code] = await closed
  return { code, stdout: Buffer.concat(chunks), stderr }
}

t.test('the program writes the lines, and nothing else', async (t) => {
  const { code, stdout, stderr } = await runGenerate(['--addons', '700', '--seed', '7'])
  t.equal(code, 0)
  t.equal(stderr, '')
  t.ok(
    stdout.toString() ===
      linesOf(700, 7)
        .map((line) => `${line}\n`)
        .join(''),
    'byte for byte',
  )
  const byDefault = await runGenerate([])
  t.ok(
    byDefault.stdout.toString() ===
      linesOf(1_000, 1)
        .map((line) => `${line}\n`)
        .join(''),
    '1,000 of seed 1 by default',
  )
})

t.test('a reader that has seen enough is no error', async (t) => {
  for (let run = 0; run < 3; run++) {
    const { code, stderr } = await runGenerate(['--addons', '1000000'], { bytesMax: 1 })
    t.equal(code, 0)
    t.equal(stderr, '')
  }
})

t.test('a full disk is said, and is a failure', async (t) => {
  const full = openSync('/dev/full', 'w')
  const { code, stderr } = await runGenerate([], { stdout: full })
  closeSync(full)
  t.equal(code, 1)
  t.equal(stderr, "loadtest: The catalogue can't be written: ENOSPC: no space left on device, write.\n")
})

t.test('numbers that are none are misuse', async (t) => {
  const bad = [
    ['--addons', '0'],
    ['--addons', 'ten'],
    ['--addons', '1e3'],
    ['--addons', '10000001'],
    ['--seed', '-1'],
    ['--seed', '4294967296'],
  ]
  for (const [option = '', value = ''] of bad) {
    const { code, stdout, stderr } = await runGenerate([option, value])
    t.equal(code, 2, `${option} ${value}`)
    t.equal(stdout.length, 0, 'nothing is written')
    t.match(stderr, new RegExp(`${option} <n>' argument '${value}' is invalid. It must be a whole number from`))
  }
  t.equal((await runGenerate(['more'])).code, 2, 'an argument that nobody asked for')
  t.equal((await runGenerate(['--addon', '5'])).code, 2, 'an unknown option')
  const help = await runGenerate(['--help'])
  t.equal(help.code, 0)
  t.match(help.stdout.toString(), /--addons <n>.+--seed <n>.+Example:/s)
})
