/** The sample catalogue: built, imported as `npm start` does, and then asked for by a Firefox. */

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { importFile } from '../../service/catalogue/index.ts'
import { addons } from '../../service/sample/addons.ts'
import { buildSample } from '../../service/sample/build.ts'
import { ANDROID, ask, check } from '../harness/http.ts'
import { makeFolder, startStack } from '../harness/stack.ts'

const stack = await startStack(t)
const { owner, primary, editor, store, followers, url } = stack
const folder = await makeFolder(t)
buildSample(folder)
const versions = addons.flatMap((addon) => addon.versions)
const guidOf = (slug: string) => `${slug}@sample.test`

t.test('the whole of it is imported', async (t) => {
  const path = join(folder, 'catalogue.jsonl')
  const options = { batch: 500, skipBad: false, fetch: false, allowPrivate: false, progress: () => {} }
  const report = await importFile({ path, primary, editor, store, followers, ...options })
  await stack.settle()
  t.match(report, {
    created: addons.length,
    bad: 0,
    withoutPackage: 0,
    withoutRange: 0,
    outOfOrder: 0,
    replicated: true,
  })
  t.strictSame(report.leftOut, {}, 'nothing is left out')
  t.ok(addons.length >= 38 && addons.length <= 46, 'some 40 add-ons')

  const packages = await owner.rows('SELECT package FROM files')
  t.equal(packages.length, versions.length)
  for (const { package: digest } of packages)
    t.equal(await store.isIntact(digest as string), true, `${digest} is in the store`)
})

t.test('it shows every part of the catalogue', async (t) => {
  const [unused] = await owner.rows(
    'SELECT COUNT(*) AS count FROM categories WHERE id NOT IN (SELECT category_id FROM addon_categories)',
  )
  t.equal(unused?.count, 0, 'every category has an add-on')
  const [stray] = await owner.rows("SELECT COUNT(*) AS count FROM addons WHERE guid NOT LIKE '%@sample.test'")
  t.equal(stray?.count, 0, 'no guid is a genuine one')
  const types = await owner.rows('SELECT DISTINCT type FROM addons')
  t.strictSame(new Set(types.map(({ type }) => type)), new Set(['extension', 'theme', 'langpack', 'dictionary']))
  const locales = await owner.rows(
    'SELECT target_locale FROM addon_details WHERE target_locale IS NOT NULL ORDER BY target_locale',
  )
  t.strictSame(
    locales.map((row) => row.target_locale),
    ['de-DE', 'eo'],
    'they come from the packages',
  )
  const documented = addons.filter(
    (addon) => addon.versions.length >= 3 && addon.versions.every(({ notes }) => notes !== undefined),
  )
  t.ok(documented.length >= 5, 'five or more have several versions with release notes')
})

t.test("the talk's figures are the talk's", async (t) => {
  const popular = await owner.rows(
    'SELECT slug, average_daily_users AS users FROM addons ORDER BY average_daily_users DESC LIMIT 6',
  )
  t.strictSame(
    popular.map(({ slug, users }) => [slug, users]),
    [
      ['adblock-plus', 14_121_565],
      ['video-downloadhelper', 7_086_546],
      ['firebug', 3_140_950],
      ['greasemonkey', 3_029_288],
      ['download-statusbar', 2_409_062],
      ['personas-plus', 2_196_604],
    ],
  )
  const featured = await owner.rows('SELECT slug, rating_count FROM addons WHERE is_featured ORDER BY slug')
  const ratings = Object.fromEntries(featured.map(({ slug, rating_count: count }) => [slug, count]))
  t.match(ratings, {
    'pixlr-grabber': 157,
    'personas-rotator': 75,
    'text-link': 223,
    'tinyurl-generator': 46,
    fabtabs: 105,
    'tab-mix-plus': 1_779,
  })
  t.strictSame(Object.keys(ratings).length, 9, 'those six and the three of the travel collection')
})

t.test('Firefox 153.0 is offered each public add-on, with a package that it can trust', async (t) => {
  for (const { slug, disabledByUser } of addons) {
    const { status, text } = await check(url, guidOf(slug), { appVersion: '153.0' })
    t.equal(status, 200, `${slug}: status`)
    if (disabledByUser) {
      t.equal(text, '{}', `${slug}: nothing, since its developer withdrew it`)
      continue
    }
    const [update] = JSON.parse(text).addons[guidOf(slug)].updates
    t.ok(update, `${slug}: an update`)
    const { body, status: found } = await ask(url, new URL(update.update_link).pathname)
    t.equal(found, 200, `${slug}: the download`)
    t.equal(`sha256:${createHash('sha256').update(body).digest('hex')}`, update.update_hash, `${slug}: its hash`)
  }
})

t.test('the special ones are special', async (t) => {
  const offered = async (slug: string, query: Readonly<Record<string, string>>) => {
    const { text } = await check(url, guidOf(slug), query)
    return JSON.parse(text).addons[guidOf(slug)].updates.map(({ version }: { version: string }) => version)
  }
  t.strictSame(await offered('stylish', { appVersion: '153.0' }), ['1.3.2'], 'its newest version is ahead of its time')
  t.strictSame(await offered('stylish', { appVersion: '200.0' }), ['2.0'])
  t.strictSame(await offered('session-manager', { appVersion: '115.9' }), ['0.8.0'])
  t.strictSame(
    await offered('session-manager', { appVersion: '116.0' }),
    ['0.7.9'],
    'a strict version is withheld above its maximum',
  )
  t.strictSame(await offered('esperanto-language-pack', { appVersion: '140.5' }), ['140.1'])
  t.strictSame(await offered('esperanto-language-pack', { appVersion: '154.0' }), [])
  t.strictSame(await offered('web-developer', { appVersion: '153.0' }), ['1.2.2'])
  t.strictSame(await offered('noscript', { appID: ANDROID, appVersion: '127.0' }), ['2.5.4'])
  t.strictSame(await offered('adblock-plus', { appID: ANDROID, appVersion: '153.0' }), [], 'not for Android')
  const [unlisted] = await owner.rows("SELECT COUNT(*) AS count FROM versions WHERE channel = 'unlisted'")
  t.equal(unlisted?.count, 1)
})

t.test('it is built the same, byte for byte, in every time zone', async (t) => {
  const { TZ } = process.env
  t.teardown(() => {
    if (TZ === undefined) delete process.env.TZ
    else process.env.TZ = TZ
  })
  process.env.TZ = 'Pacific/Kiritimati'
  const again = await makeFolder(t)
  buildSample(again)
  t.strictSame(digestsOf(again), digestsOf(folder))
})

function digestsOf(home: string): Record<string, string> {
  const paths = [
    'catalogue.jsonl',
    ...readdirSync(join(home, 'packages'))
      .sort()
      .map((name) => `packages/${name}`),
  ]
  return Object.fromEntries(
    paths.map((path) => [
      path,
      createHash('sha256')
        .update(readFileSync(join(home, path)))
        .digest('hex'),
    ]),
  )
}
