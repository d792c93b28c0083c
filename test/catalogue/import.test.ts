/** Import and export: what the interchange format promises. */

import { createHash } from 'node:crypto'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { isPrivateAddress } from '../../service/catalogue/import/packages.ts'
import { exportCatalogue, type ImportReport, importFile } from '../../service/catalogue/index.ts'
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
