/** Import and export: what the interchange format promises. */

import { createHash } from 'node:crypto'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { isPrivateAddress } from '../../service/catalogue/import/packages.ts'
import { createEditor, exportCatalogue, type ImportReport, importFile } from '../../service/catalogue/index.ts'
import { openPrimary } from '../../service/database/index.ts'
import type { VersioncheckError } from '../../service/errors.ts'
import { check } from '../harness/http.ts'
import { startStack } from '../harness/stack.ts'
import { makeZip, manifest } from '../harness/zip.ts'

const stack = await startStack(t)
const GUID = 'alpha@example.test'
const range = { firefox: { min: '57.0', max: '*' } }

// biome-ignore lint/suspicious/noExplicitAny: what comes out is judged field by field
type Line = Record<string, any>

async function exported(): Promise<Line[]> {
  const lines: string[] = []
  await exportCatalogue({ primary: stack.primary, write: async (line) => void lines.push(line) })
  return lines.map((line) => JSON.parse(line))
}

/** What happened so far: numbers of changes and of audit rows. */
async function written(): Promise<string> {
  const [row] = await stack.owner.rows(
    'SELECT (SELECT COUNT(*) FROM changes) AS changes, (SELECT COUNT(*) FROM audit) AS audit',
  )
  return JSON.stringify(row)
}

/** The reasons of the bad lines that refuse an import, by line. */
async function refused(t: Test, lines: readonly unknown[]): Promise<Record<number, string>> {
  const before = await written()
  const error = await stack.load(lines).then(
    () => undefined,
    (thrown: VersioncheckError) => thrown,
  )
  t.equal(error?.code, 'import_refused')
  t.equal(await written(), before, 'nothing was applied')
  const { badLines } = (error as VersioncheckError).details as ImportReport
  return Object.fromEntries(badLines.map(({ line, reasons }) => [line, reasons.join('; ')]))
}

/** Imports a file as it stands. */
async function loadFile(text: string, primary = stack.primary): Promise<ImportReport> {
  const path = join(stack.folder, 'as it stands.json')
  await writeFile(path, text)
  const { store, followers } = stack
  const editor = createEditor({ primary, actor: 'test' })
  const switches = { skipBad: false, fetch: false, allowPrivate: false }
  return await importFile({ path, primary, editor, store, followers, batch: 500, ...switches, progress: () => {} })
}

t.beforeEach(() => stack.empty())

t.test('a guid is enough; the rest has defaults', async (t) => {
  const report = await stack.load([{ guid: GUID }])
  t.match(report, { created: 1, changed: 0, unchanged: 0, bad: 0 })
  const [line = {}] = await exported()
  t.match(line, {
    guid: GUID,
    slug: 'alpha',
    type: 'extension',
    status: 'approved',
    default_locale: 'en-US',
    payment: 'free',
    versions: [],
  })
})

t.test('everything comes out again as it went in, and going in again changes nothing', async (t) => {
  const line = {
    id: 7,
    guid: GUID,
    slug: 'alpha-slug',
    type: 'dictionary',
    status: 'nominated',
    disabled_by_user: true,
    is_featured: true,
    average_daily_users: 1200,
    weekly_downloads: 90,
    name: { de: 'Alfa', 'en-US': 'Alpha' },
    summary: { 'en-US': 'sum' },
    description: { 'en-US': 'desc', ja: '説明' },
    default_locale: 'en-US',
    target_locale: 'de',
    payment: 'premium',
    icon: 'icons/alpha.png',
    categories: ['alerts-updates', 'something-new'],
    tags: ['rss', 'two words'],
    created: '2025-11-02T00:00:00Z',
    homepage: 'https://example.test/',
    authors: [
      { username: 'ann', name: 'Ann' },
      { username: 'bob', name: 'Bob' },
    ],
    ratings: { average: 4.4, count: 157 },
    versions: [
      {
        id: 101,
        version: '1.0',
        channel: 'unlisted',
        deleted: true,
        created: '2026-01-02T03:04:05Z',
        release_notes: { 'en-US': 'first' },
        compatibility: { firefox: { min: '57.0', max: '*' }, android: { min: '120.0', max: '130.*' } },
        file: {
          id: 1010,
          status: 'disabled',
          hash: `sha256:${'a'.repeat(64)}`,
          size: 1000,
          filename: 'alpha-1.0.xpi',
          strict_compatibility: true,
          url: 'https://example.test/a.xpi',
        },
      },
    ],
  }
  await stack.load([line])
  const [out] = await exported()
  t.strictSame(JSON.parse(JSON.stringify(out)), line)
  const before = await written()
  t.match(await stack.load([line]), { created: 0, changed: 0, unchanged: 1 })
  t.match(await stack.load([out]), { created: 0, changed: 0, unchanged: 1 })
  t.match(await stack.load([{ guid: GUID }]), { unchanged: 1 })
  t.equal(await written(), before, 'no change, no audit row')
})

t.test('merge: absent stays, null clears, maps merge key by key, lists are replaced', async (t) => {
  await stack.load([
    {
      guid: GUID,
      name: { 'en-US': 'Alpha', de: 'Alfa' },
      tags: ['a', 'b'],
      target_locale: 'de',
      average_daily_users: 5,
      authors: [{ name: 'Ann' }],
      versions: [
        {
          version: '1.0',
          compatibility: { firefox: { min: '57.0', max: '60.*' }, android: {} },
          release_notes: 'one',
          file: { hash: `sha256:${'a'.repeat(64)}` },
        },
      ],
    },
  ])
  await stack.load([
    {
      guid: GUID,
      name: { de: null, fr: 'Alphe' },
      tags: ['c'],
      target_locale: null,
      average_daily_users: null,
      versions: [{ version: '1.0', compatibility: { firefox: { max: '*' }, android: null }, file: { hash: null } }],
    },
  ])
  const [line = {}] = await exported()
  t.strictSame(line.name, { 'en-US': 'Alpha', fr: 'Alphe' })
  t.strictSame(line.tags, ['c'])
  t.equal(line.target_locale, undefined)
  t.equal(line.average_daily_users, 0)
  t.strictSame(line.authors, [{ username: 'ann', name: 'Ann' }], 'absent stays')
  const [version] = line.versions
  t.strictSame(version.compatibility, { firefox: { min: '57.0', max: '*' } })
  t.strictSame(version.release_notes, { 'en-US': 'one' })
  t.equal(version.file.hash, undefined)
  await stack.load([{ guid: GUID, versions: [{ version: '2.0' }] }])
  t.strictSame(
    (await exported())[0]?.versions.map(({ version: number }: { version: string }) => number),
    ['1.0', '2.0'],
    'absent versions stay',
  )
})

t.test('null gives every field its default, and leaves those that have none', async (t) => {
  const full = {
    id: 7,
    guid: GUID,
    slug: 'alpha-slug',
    type: 'theme',
    status: 'nominated',
    default_locale: 'de',
    created: '2025-11-02T00:00:00Z',
    disabled_by_user: true,
    authors: [{ username: 'ann-1', name: 'Ann' }],
    versions: [
      {
        id: 101,
        version: '1.0',
        channel: 'unlisted',
        deleted: true,
        created: '2026-01-02T03:04:05Z',
        compatibility: { firefox: { min: '57.0', max: '60.*' } },
        file: {
          id: 1010,
          status: 'disabled',
          filename: 'a.xpi',
          size: 5,
          hash: `sha256:${'a'.repeat(64)}`,
          strict_compatibility: true,
          url: 'https://x/y.xpi',
        },
      },
    ],
  }
  await stack.load([full])
  const cleared = {
    id: null,
    guid: GUID,
    slug: null,
    type: null,
    status: null,
    default_locale: null,
    created: null,
    disabled_by_user: null,
    versions: [
      {
        id: 101,
        version: '1.0',
        channel: null,
        deleted: null,
        created: null,
        compatibility: { firefox: { min: null, max: null } },
        file: {
          id: null,
          status: null,
          filename: null,
          size: null,
          hash: null,
          strict_compatibility: null,
          path: null,
          url: null,
        },
      },
    ],
  }
  t.match(await stack.load([cleared]), { changed: 1 })
  const expected = {
    id: 7,
    slug: 'alpha-slug',
    type: 'extension',
    status: 'approved',
    default_locale: 'en-US',
    created: full.created,
    disabled_by_user: false,
    authors: full.authors,
    versions: [
      {
        id: 101,
        version: '1.0',
        channel: 'listed',
        deleted: false,
        created: full.versions[0]?.created,
        compatibility: { firefox: { min: '42.0', max: '*' } },
        file: { id: 1010, status: 'approved', filename: 'alpha-slug-1.0.xpi', strict_compatibility: false },
      },
    ],
  }
  const [line = {}] = await exported()
  t.match(line, expected)
  t.strictSame(line.versions, expected.versions)
  t.match(await stack.load([cleared]), { unchanged: 1 }, 'again')
  t.match(await stack.load([{ guid: GUID, versions: null }]), { unchanged: 1 }, 'versions are never removed')

  await stack.load([full])
  t.match(await stack.load([{ guid: GUID, versions: [{ id: 101, version: '1.0', file: null }] }]), { changed: 1 })
  t.strictSame((await exported())[0]?.versions[0].file, {
    id: 1010,
    status: 'approved',
    filename: 'alpha-slug-1.0.xpi',
    strict_compatibility: false,
  })
  t.match(
    await stack.load([
      {
        ...cleared,
        id: null,
        guid: 'new@x',
        authors: [{ name: 'Ann B', username: null }],
        versions: [{ id: null, version: '1', file: null }],
      },
    ]),
    { created: 1 },
    'new ones are made with defaults',
  )
  t.match(
    (await exported()).find(({ guid }) => guid === 'new@x'),
    {
      slug: 'new',
      type: 'extension',
      authors: [{ username: 'ann-b' }],
      versions: [{ channel: 'listed', file: { status: 'approved' } }],
    },
  )
  for (const bad of [
    { guid: null },
    { guid: 'b@x', versions: [null] },
    { guid: 'b@x', versions: [{ version: null }] },
  ]) {
    t.ok((await refused(t, [bad]))[1], JSON.stringify(bad))
  }
})

t.test('the channel belongs to what a version is found by, and is listed where a line says nothing', async (t) => {
  await stack.load([{ guid: GUID, versions: [{ id: 5, version: '1.0', channel: 'unlisted' }] }])
  t.match(
    await stack.load([{ guid: GUID, versions: [{ id: 5, version: '1.0' }] }]),
    { unchanged: 1 },
    'by id it is the same',
  )
  t.match(await stack.load([{ guid: GUID, versions: [{ version: '1.0' }] }]), { changed: 1 })
  t.match((await exported())[0]?.versions, [
    { id: 5, version: '1.0', channel: 'unlisted' },
    { version: '1.0', channel: 'listed' },
  ])
})

t.test('times: any zone, any year that the database can hold, and no others', async (t) => {
  for (const [given, stored] of [
    ['2026-01-02', '2026-01-02T00:00:00Z'],
    ['2026-01-02T03:04', '2026-01-02T03:04:00Z'],
    ['2026-01-02T03:04:05.999Z', '2026-01-02T03:04:05Z'],
    ['2026-01-02T03:04:05', '2026-01-02T03:04:05Z'],
    ['2026-01-02T03:04:05+02:30', '2026-01-02T00:34:05Z'],
    ['2026-01-02T03:04:05-0100', '2026-01-02T04:04:05Z'],
    ['2024-02-29T23:59:59Z', '2024-02-29T23:59:59Z'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59Z'],
    ['1000-01-01T00:00:00Z', '1000-01-01T00:00:00Z'],
  ] as const) {
    await stack.load([{ guid: GUID, created: given, versions: [{ version: '1.0', created: given }] }])
    t.match((await exported())[0], { created: stored, versions: [{ created: stored }] }, given)
  }
  const bad = [
    '9999-12-31T23:59:59-01:00',
    '1000-01-01T00:00:00+00:01',
    '0000-01-01',
    '0999-12-31T23:59:59Z',
    '2025-02-31',
    '2025-02-29T00:00:00Z',
    '2025-13-01',
    '2025-00-10',
    '2025-01-01T24:00:00Z',
    '2025-01-01T23:60:00Z',
    '2025-01-01T23:59:60Z',
    '2025-01-01T00:00:00+24:00',
    '2025-01-01T00:00:00+00:60',
    '+12025-01-01T00:00:00Z',
  ]
  const reasons = await refused(
    t,
    bad.map((created, index) => ({ guid: `${index}@x`, created })),
  )
  t.strictSame(
    Object.values(reasons).map((reason) => reason.split(' such')[0]),
    bad.map(() => 'created: is not a time'),
  )
})

t.test('what the database could not hold is found in the first pass', async (t) => {
  const of = (version: object) => ({ guid: 'b@x', versions: [{ version: '1.0', ...version }] })
  for (const [title, bad, reason] of [
    [
      'a locale of 36 characters',
      { guid: 'b@x', target_locale: 'abcdefgh-abcdefgh-abcdefgh-abcdefghi' },
      /target_locale/,
    ],
    ['a slug of 191', { guid: 'b@x', slug: 's'.repeat(191) }, /slug: is longer/],
    ['a username of 191', { guid: 'b@x', authors: [{ name: 'x', username: 'u'.repeat(191) }] }, /username: is longer/],
    ['an author of 256', { guid: 'b@x', authors: [{ name: 'x'.repeat(256) }] }, /name: is longer/],
    ['a tag of 129', { guid: 'b@x', tags: ['t'.repeat(129)] }, /tags\[0\]: is longer/],
    ['a category of 191', { guid: 'b@x', categories: ['c'.repeat(191)] }, /categories/],
    ['too many categories', { guid: 'b@x', categories: Array.from({ length: 101 }, (_, index) => `c${index}`) }, /100/],
    ['an icon of 256', { guid: 'b@x', icon: 'i'.repeat(256) }, /icon/],
    ['a rating of 6', { guid: 'b@x', ratings: { average: 6 } }, /ratings/],
    ['more users than an INT holds', { guid: 'b@x', average_daily_users: 2 ** 32 }, /too large/],
    ['an id that is too high', { guid: 'b@x', id: 2 ** 31 }, /id: is above/],
    ['a size beyond 2^53', of({ file: { size: 1e300 } }), /size/],
    ['a version of 256', of({ version: '1'.repeat(256) }), /version: is longer/],
    ['a version with a separator', of({ version: '1\u001f0' }), /control characters/],
    ['a bound of 65', of({ compatibility: { firefox: { min: '1'.repeat(65) } } }), /min: is longer/],
    ['a bound with a separator', of({ compatibility: { firefox: { max: '1\u001e' } } }), /control/],
    ['a file name of 256', of({ file: { filename: 'f'.repeat(256) } }), /filename: is longer/],
    ['an address of 2049', of({ file: { url: `https://x/${'u'.repeat(2_039)}` } }), /url: is longer/],
    ['an address with a separator', of({ file: { url: 'https://x/\u001f' } }), /control/],
    ['notes of 200,001', of({ release_notes: 'n'.repeat(200_001) }), /release_notes/],
    [
      'more than can be offered of one add-on',
      {
        guid: 'b@x',
        versions: Array.from({ length: 4_200 }, (_, index) => ({
          version: `${index}`,
          compatibility: { firefox: {}, android: {} },
          file: { url: `https://x/${'u'.repeat(1_800)}` },
        })),
      },
      /versions: what may be offered/,
    ],
  ] as const) {
    t.match((await refused(t, [{ guid: 'good@x' }, bad]))[2], reason, title)
  }
  const many = Array.from({ length: 101 }, (_, line) => ({
    guid: `${line}@x`,
    categories: Array.from({ length: 100 }, (_, index) => `category-${line * 100 + index}`),
  }))
  t.match((await refused(t, many))[101], /categories: there are more than 10000/)
})

t.test('everything at its longest, in characters of four bytes', async (t) => {
  const long = (length: number) => '😀'.repeat(length / 2)
  const line = {
    guid: '😀'.repeat(63),
    slug: long(190),
    name: long(200_000),
    icon: long(254),
    tags: [long(128)],
    categories: [long(190)],
    authors: [{ name: long(254), username: long(190) }],
    default_locale: 'abcdefgh-abcdefgh-abcdefgh-abcdefgh',
    average_daily_users: 2 ** 32 - 1,
    versions: [
      {
        version: long(254),
        release_notes: long(200_000),
        compatibility: { firefox: { min: long(64), max: long(64) } },
        file: { filename: long(254), size: Number.MAX_SAFE_INTEGER, url: `https://x/${long(2_038)}` },
      },
    ],
  }
  t.match(await stack.load([line]), { created: 1 })
  t.match(await stack.load([line]), { unchanged: 1 })
})

t.test('a few long lines make smaller batches: a statement must fit into a packet', async (t) => {
  const [before] = await stack.owner.rows('SELECT @@GLOBAL.max_allowed_packet AS bytes')
  await stack.owner.write('SET GLOBAL max_allowed_packet = 16777216')
  const primary = await openPrimary(stack.databases.catalog)
  t.teardown(async () => {
    await primary.close()
    await stack.owner.write('SET GLOBAL max_allowed_packet = ?', [before?.bytes as number])
  })
  // Of quotes, which take two characters in JSON and four in a statement.
  const description = Object.fromEntries(['de', 'en', 'fr', 'ja', 'ru'].map((locale) => [locale, '"'.repeat(200_000)]))
  const lines = Array.from({ length: 8 }, (_, index) => JSON.stringify({ guid: `long-${index}@x`, description }))
  t.match(await loadFile(lines.join('\n'), primary), { created: 8 })
})

t.test('versions without ids get rising ones in their order, above every id that the file gives', async (t) => {
  await stack.load(
    [
      { guid: 'first@x', versions: [{ version: '1.0' }, { version: '2.0' }] },
      { guid: 'second@x', id: 1, versions: [{ id: 1, version: '1.0', file: { id: 1 } }] },
      {
        guid: 'third@x',
        id: 500_000,
        versions: [{ id: 600_000, version: '1.0', file: { id: 700_000 } }, { version: '1.1' }],
      },
    ],
    { batch: 1 },
  )
  const lines = await exported()
  t.strictSame(lines.map(({ guid }) => guid).sort(), ['first@x', 'second@x', 'third@x'])
  const of = (guid: string) => lines.find((line) => line.guid === guid) ?? {}
  t.equal(of('second@x').id, 1, 'ids are kept')
  const [older, newer] = of('first@x').versions
  t.ok(newer.id > older.id, 'rising')
  t.match(of('third@x').versions, [{ id: 600_000, version: '1.0', file: { id: 700_000 } }, { version: '1.1' }])
})

t.test('bad lines are reported with number and reason, and nothing is applied', async (t) => {
  await stack.load([
    { guid: 'there@x', id: 50, slug: 'there', versions: [{ id: 60, version: '1.0', file: { id: 70 } }] },
  ])
  const reasons = await refused(t, [
    { guid: 'good@x' },
    'no json',
    '[1]',
    { guid: '' },
    { guid: 'a@x', type: 'virus' },
    { guid: 'b@x', slug: 'there' },
    { guid: 'c@x', id: 50 },
    { guid: 'there@x', id: 51 },
    { guid: 'd@x', versions: [{ id: 60, version: '1.0' }] },
    { guid: 'e@x', versions: [{ version: '1.0', file: { id: 70 } }] },
    { guid: 'there@x', versions: [{ id: 61, version: '1.0' }] },
    { guid: 'f@x', versions: [{ version: '1.0' }, { version: '1.0' }] },
    { guid: 'g@x', versions: [{ version: '1.0', compatibility: { opera: {} } }] },
    { guid: 'h@x', slug: 'twice' },
    { guid: 'i@x', slug: 'twice' },
    { guid: 'j@x', id: 90 },
    { guid: 'k@x', id: 90 },
    { guid: 'l@x', versions: [{ version: '1.0', file: { hash: 'md5:1' } }] },
    { guid: 'm@x', versions: [{ version: '1.0', file: { path: '../x.xpi' } }] },
    { guid: 'n@x', created: 'yesterday' },
    { guid: 'o@x', name: { 'en-US': 5 } },
    { guid: 'half \ud800@x' },
    `{"guid": "p@x", "slug": "\\u0000"}`,
  ])
  t.strictSame(
    Object.keys(reasons).map(Number),
    [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 17, 18, 19, 20, 21, 22, 23],
  )
  t.match(reasons[6], /belongs to there@x/)
  t.match(reasons[8], /has the id 50/)
  t.match(reasons[13], /catalog app add/)
  const report = await stack.load(['no json', { guid: 'good@x' }], { skipBad: true })
  t.match(report, { created: 1, bad: 1, badLines: [{ line: 1 }] })
})

t.test('one add-on on two lines is merged twice; ids stay consistent', async (t) => {
  t.match(
    await stack.load([
      { guid: GUID, tags: ['a'], versions: [{ version: '1.0' }] },
      { guid: GUID, name: 'Alpha', versions: [{ version: '2.0' }] },
    ]),
    { created: 1, changed: 1 },
  )
  t.match((await exported())[0], {
    tags: ['a'],
    name: { 'en-US': 'Alpha' },
    versions: [{ version: '1.0' }, { version: '2.0' }],
  })
})

t.test('what has no place yet is counted, never silently dropped', async (t) => {
  const report = await stack.load([
    {
      guid: GUID,
      license: 'MPL-2.0',
      support_url: 'https://x',
      support_email: 'x@y',
      previews: [],
      browser_mappings: {},
      colour: 'red',
    },
    { collection: { slug: 'travel', name: 'Travel', addons: [GUID] } },
  ])
  t.strictSame(report.leftOut, {
    browser_mappings: 1,
    collection: 1,
    'colour (unknown)': 1,
    license: 1,
    previews: 1,
    support_email: 1,
    support_url: 1,
  })
})

t.test('versions without a package or without a range are counted', async (t) => {
  const report = await stack.load([
    {
      guid: GUID,
      versions: [
        { version: '1.0' },
        { version: '1.1', compatibility: range },
        { version: '1.2', compatibility: range, file: { url: 'https://x/y.xpi' } },
      ],
    },
  ])
  t.match(report, { withoutPackage: 2, withoutRange: 1 })
})

const folder = join(stack.folder, 'packages')
const bytes = makeZip([
  {
    name: 'manifest.json',
    content: manifest({
      browser_specific_settings: { gecko: { id: GUID, strict_min_version: '57.0', strict_max_version: '150.*' } },
    }),
  },
])
const digest = createHash('sha256').update(bytes).digest('hex')

t.test('a path brings the package, its hash, size and ranges', async (t) => {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'alpha.xpi'), bytes)
  await symlink('alpha.xpi', join(folder, 'link.xpi')).catch(() => {})
  const line = (file: object, version = '1.0') => ({ guid: GUID, versions: [{ version, file }] })
  const path = 'packages/alpha.xpi'
  t.match(await stack.load([line({ path })]), { created: 1, withoutPackage: 0 })
  const [out] = await exported()
  t.match(out?.versions[0], {
    compatibility: { firefox: { min: '57.0', max: '150.*' } },
    file: { hash: `sha256:${digest}`, size: bytes.length, strict_compatibility: true },
  })
  t.equal(await stack.store.isIntact(digest), true)
  t.match(await stack.load([line({ path })]), { unchanged: 1 }, 'again')
  const sha512 = createHash('sha512').update(bytes).digest('hex')
  t.match(
    await stack.load([line({ path, hash: `sha512:${sha512}` })]),
    { changed: 1 },
    'another hash of the same bytes',
  )
  t.match(
    await stack.load([line({ path, hash: `SHA512:${sha512.toUpperCase()}` })]),
    { unchanged: 1 },
    'hashes are kept in small letters, which is how Firefox knows their kind',
  )
  for (const [title, bad, reason] of [
    ['a hash that differs', line({ path, hash: `sha256:${'0'.repeat(64)}` }), /not the one/],
    ['a size that differs', line({ path, size: 5 }), /bytes, not 5/],
    ['a version that differs', line({ path }, '2.0'), /package of version 1.0/],
    [
      'a guid that differs',
      { guid: 'other@x', versions: [{ version: '1.0', file: { path } }] },
      /package of alpha@example.test/,
    ],
    ['an absolute path', line({ path: join(folder, 'alpha.xpi') }), /absolute/],
    ['a path that leaves', line({ path: 'packages/../../x.xpi' }), /leaves/],
    ['a symbolic link', line({ path: 'packages/link.xpi' }), /symbolic link/],
    ['a folder', line({ path: 'packages' }), /no file/],
    ['nothing', line({ path: 'packages/none.xpi' }), /not there/],
  ] as const) {
    t.match((await refused(t, [bad]))[1], reason, title)
  }
})

t.test('a package that the catalogue could not hold is a bad line, not an error of the database', async (t) => {
  await mkdir(folder, { recursive: true })
  for (const [name, fields, reason] of [
    ['langpack', { langpack_id: 'x'.repeat(40) }, /langpack_id in its manifest is not a locale/],
    ['separator', { version: '1\u001f0' }, /version in its manifest has control characters/],
  ] as const) {
    await writeFile(join(folder, `${name}.xpi`), makeZip([{ name: 'manifest.json', content: manifest(fields) }]))
    const line = { guid: GUID, versions: [{ version: '1.0', file: { path: `packages/${name}.xpi` } }] }
    t.match((await refused(t, [line]))[1], reason, name)
  }
})

t.test('hashes are kept and announced in small letters', async (t) => {
  const hash = `SHA256:${'AB'.repeat(32)}`
  await stack.load([{ guid: GUID, versions: [{ version: '1.0', compatibility: range, file: { hash } }] }])
  t.match((await check(stack.url, GUID)).text, `"update_hash": "${hash.toLowerCase()}"`)
})

t.test('a byte order mark at the start is no part of the file', async (t) => {
  t.match(await stack.load([`\ufeff${JSON.stringify({ guid: GUID })}`, { guid: 'two@x' }]), { created: 2 })
  const updates = [{ version: '1.0', update_link: 'https://x/1.xpi' }]
  for (const [index, indent] of [undefined, 2].entries()) {
    const text = JSON.stringify({ addons: { [`bom-${index}@x`]: { updates } } }, null, indent)
    t.match(await loadFile(`\ufeff${text}`), { created: 1 }, indent === undefined ? 'on one line' : 'on several')
  }
})

t.test('a number that stands twice in an update.json', async (t) => {
  const entry = (min: string | undefined, max: string | undefined, more: object = {}) => ({
    version: '1.0',
    update_link: 'https://x/1.0.xpi',
    applications: {
      gecko: {
        ...(min !== undefined && { strict_min_version: min }),
        ...(max !== undefined && { strict_max_version: max }),
      },
    },
    ...more,
  })
  const load = (...updates: readonly object[]) => loadFile(JSON.stringify({ addons: { [GUID]: { updates } } }))
  const hash = `sha256:${'a'.repeat(64)}`
  const cases: readonly (readonly [string, readonly object[], object])[] = [
    ['that adjoin', [entry('115.0', '128.*'), entry('57.0', '114.*')], { min: '57.0', max: '128.*', strict: true }],
    ['that overlap', [entry('57.0', '120.0'), entry('100.0', undefined)], { min: '57.0', max: '*', strict: false }],
    ['one in the other', [entry('57.0', '140.0'), entry('60.0', '70.0')], { min: '57.0', max: '140.0', strict: true }],
    [
      'three',
      [entry('101.0', '102.*'), entry('57.0', '99.*'), entry('100.0a1', '100.*')],
      { min: '57.0', max: '102.*', strict: true },
    ],
    ['the same', [entry('57.0', '60.*'), entry('57.0', '60.*')], { min: '57.0', max: '60.*', strict: true }],
    [
      'a mirror, known by its hash',
      [
        entry('57.0', '60.*', { update_hash: hash }),
        entry('61.0', '70.*', { update_hash: hash.toUpperCase(), update_link: 'https://mirror/1.xpi' }),
      ],
      { min: '57.0', max: '70.*', strict: true },
    ],
  ]
  for (const [title, updates, { min, max, strict }] of cases as readonly (readonly [
    string,
    object[],
    { min: string; max: string; strict: boolean },
  ])[]) {
    await stack.empty()
    t.match(await load(...updates), { created: 1 }, title)
    t.match((await exported())[0]?.versions, [
      {
        version: '1.0',
        compatibility: { firefox: { min, max } },
        file: { url: 'https://x/1.0.xpi', strict_compatibility: strict },
      },
    ])
    t.equal((await exported())[0]?.versions.length, 1)
  }
  const reasonFor = async (...updates: readonly object[]) => {
    const error = (await load(...updates, { version: '2.0', update_link: 'https://x/2.xpi' }).then(
      () => undefined,
      (thrown: VersioncheckError) => thrown,
    )) as VersioncheckError
    t.equal(error?.code, 'import_refused')
    return (error.details as ImportReport).badLines[0]?.reasons[0]
  }
  t.match(
    await reasonFor(entry('57.0', '60.*'), entry('62.0', '*')),
    /1.0 stands there more than once, for ranges with a gap between them, 57.0 to 60.* and 62.0 to \*/,
  )
  t.match(
    await reasonFor(entry('57.0', '60.*'), entry('61.0', '*', { update_link: 'https://x/other.xpi' })),
    /with different files/,
  )
  t.match(
    await reasonFor(
      entry('57.0', '60.*', { update_hash: hash }),
      entry('61.0', '*', { update_hash: `sha256:${'b'.repeat(64)}` }),
    ),
    /with different files/,
  )
})

t.test('names of files in an update.json that can not be names here are made anew', async (t) => {
  const updates = ['a%2Fb.xpi', '%ff.xpi', '%00.xpi', 'good%20name.xpi', '100%.xpi'].map((name, index) => ({
    version: `${index}.0`,
    update_link: `https://x/${name}`,
  }))
  t.match(await loadFile(JSON.stringify({ addons: { [GUID]: { updates } } })), { created: 1 })
  t.strictSame(
    (await exported())[0]?.versions.map((version: Line) => version.file.filename),
    ['alpha-0.0.xpi', 'alpha-1.0.xpi', 'alpha-2.0.xpi', 'good name.xpi', '100%.xpi'],
  )
})

t.test("Firefox's own update.json, as it stands", async (t) => {
  const updates = [
    {
      version: '2.0',
      update_link: 'https://example.com/alpha-2.0.xpi',
      update_hash: `sha256:${digest}`,
      applications: { gecko: { strict_min_version: '115.0' } },
    },
    {
      version: '1.0',
      update_link: 'https://example.com/alpha-1.0.xpi',
      applications: { gecko: { strict_min_version: '57.0', strict_max_version: '114.*' } },
    },
    {
      version: '10.0',
      update_link: 'https://example.com/alpha-10.0.xpi',
      update_info_url: 'https://example.com/',
      applications: { gecko: { strict_min_version: '200.0', advisory_max_version: '*' } },
    },
    { version: '0.1', applications: { gecko: {} } },
    { version: '0.2', update_link: 'https://x', applications: { other: {} } },
  ]
  const path = join(stack.folder, 'update.json')
  await writeFile(path, JSON.stringify({ addons: { [GUID]: { updates }, 'empty@x': {} } }, null, 2))
  const { primary, editor, store, followers } = stack
  const options = {
    path,
    primary,
    editor,
    store,
    followers,
    batch: 500,
    skipBad: false,
    fetch: false,
    allowPrivate: false,
    progress: () => {},
  }
  const report = await importFile(options)
  t.match(report, {
    created: 2,
    withoutPackage: 0,
    leftOut: { 'entries for other applications': 1, 'entries without update_link': 1, update_info_url: 1 },
  })
  await stack.settle()
  const answer = async (appVersion: string) =>
    JSON.parse((await check(stack.url, GUID, { appVersion })).text).addons[GUID].updates[0]
  t.match(await answer('140.0'), {
    version: '2.0',
    update_link: 'https://example.com/alpha-2.0.xpi',
    update_hash: `sha256:${digest}`,
  })
  t.match(await answer('60.0'), { version: '1.0', applications: { gecko: { strict_max_version: '114.*' } } })
  t.match(await answer('200.0'), { version: '10.0' }, 'the highest number is the newest row')
  t.match(await importFile(options), { created: 0, changed: 0, unchanged: 2 }, 'again')
  await writeFile(path, JSON.stringify({ addons: { [GUID]: { updates: updates.slice(0, 1) } } }))
  t.match(await importFile(options), { unchanged: 1 }, 'on one line')
})

t.test('--fetch takes packages from where they are', async (t) => {
  const server = createServer((request, response) => {
    if (request.url === '/moved.xpi') response.writeHead(302, { location: '/alpha.xpi' }).end()
    else if (request.url === '/loop.xpi') response.writeHead(302, { location: '/loop.xpi' }).end()
    else if (request.url === '/alpha.xpi') response.end(bytes)
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const line = (name: string) => ({ guid: GUID, versions: [{ version: '1.0', file: { url: `${origin}/${name}` } }] })
  const refusal = async (name: string, options: object) => {
    const error = await stack.load([line(name)], { fetch: true, ...options }).then(
      () => undefined,
      (thrown: VersioncheckError) => thrown,
    )
    return (error?.details as ImportReport | undefined)?.badLines[0]?.reasons[0]
  }
  t.match(await refusal('alpha.xpi', {}), /not https/)
  t.match(await refusal('loop.xpi', { allowPrivate: true }), /redirects more than/)
  t.match(await refusal('none.xpi', { allowPrivate: true }), /answers 404/)
  t.match(await stack.load([line('moved.xpi')], { fetch: true, allowPrivate: true }), { created: 1, withoutPackage: 0 })
  t.match(
    (await exported())[0]?.versions[0].file,
    { hash: `sha256:${digest}`, url: undefined },
    'served by us from now on',
  )
})

t.test('private addresses', async (t) => {
  for (const address of [
    '127.0.0.1',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '::1',
    '::',
    'fd00::1',
    'fe80::1',
    '::ffff:127.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::a00:1',
    '::ffff:7f00:1',
    '::7f00:1',
    '2002:7f00:1::',
    '2001:0:4136:e378:8000:63bf:3fff:fdd2',
    'fec0::1',
  ]) {
    t.equal(isPrivateAddress(address), true, address)
  }
  for (const address of ['1.1.1.1', '172.32.0.1', '2606:4700::1111', '::ffff:8.8.8.8'])
    t.equal(isPrivateAddress(address), false, address)
})
