/** The command line as its user has it: commands, exit codes, JSON, and whose database it uses. */

import { existsSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { ask, check } from '../harness/http.ts'
import { type CommandResult, root, runCatalog, runToEnd, spawnCatalog, startServer } from '../harness/server.ts'
import { makeFolder } from '../harness/stack.ts'
import { makeZip, manifest } from '../harness/zip.ts'

const folder = await makeFolder(t)
const environment = { DATA_DIR: join(folder, 'data') }
const GUID = 'alpha@example.test'

function catalog(...args: string[]): Promise<CommandResult> {
  return runCatalog(args, environment)
}

// biome-ignore lint/suspicious/noExplicitAny: what a command prints is judged field by field
type Json = any

async function json(...args: string[]): Promise<Json> {
  const { code, stdout, stderr } = await catalog(...args, '--json')
  try {
    return { code, ...JSON.parse(stdout), list: JSON.parse(stdout) }
  } catch {
    throw new Error(`${args.join(' ')}: ${code}\n${stdout}\n${stderr}`)
  }
}

async function pack(version: string, gecko: object = {}): Promise<string> {
  const path = join(folder, `alpha-${version}.xpi`)
  const text = manifest({ version, browser_specific_settings: { gecko: { id: GUID, ...gecko } } })
  await writeFile(path, makeZip([{ name: 'manifest.json', content: text }]))
  return path
}

t.test('without a server it runs the private MariaDB for its own time', async (t) => {
  t.match(await json('version', 'add', GUID, await pack('1.0')), {
    code: 0,
    guid: GUID,
    version: '1.0',
    created: true,
    replicated: true,
    ranges: { firefox: { min: '42.0', max: '*' } },
    warnings: [/no Mozilla signature/],
  })
  t.match(await json('addon', 'show', GUID), {
    code: 0,
    guid: GUID,
    versions: [{ version: '1.0' }],
    history: [{ action: 'addon.create' }],
  })
  const [one, two] = await Promise.all([catalog('addon', 'list'), catalog('addon', 'list')])
  t.match(
    [one, two],
    [
      { code: 0, stdout: /alpha@example.test/ },
      { code: 0, stdout: /alpha@example.test/ },
    ],
    'two at once',
  )
})

t.test('beside a server it uses the same one, and clients see what it does', async (t) => {
  const server = await startServer(t, environment)
  const offered = async (appVersion = '140.0') => {
    const { addons } = JSON.parse((await check(server.url, GUID, { appVersion })).text)
    return addons?.[GUID].updates[0]
  }
  t.match(await offered(), { version: '1.0' })
  t.match(
    await json('version', 'add', GUID, await pack('2.0', { strict_min_version: '115.0' }), '--release-notes', 'new'),
    { code: 0, created: false },
  )
  t.match(await offered(), { version: '2.0', update_info_url: /%APP_LOCALE%/ })
  t.match(await offered('100.0'), { version: '1.0' })
  const { update_link: link } = await offered()
  t.equal((await ask(server.url, new URL(link).pathname)).status, 200)

  t.test('what hides asks first', async (t) => {
    t.match(await catalog('version', 'disable', GUID, '2.0'), { code: 3, stderr: /--yes/ })
    t.match(await offered(), { version: '2.0' })
    t.match(await json('version', 'disable', GUID, '2.0', '--yes'), { code: 0, changed: true, replicated: true })
    t.match(await offered(), { version: '1.0' })
    t.equal((await ask(server.url, new URL(link).pathname)).status, 404, 'its file is refused')
    t.match(await json('version', 'enable', GUID, '2.0'), { code: 0, changed: true }, 'what shows does not')
    t.match(await offered(), { version: '2.0' })
    t.match(await catalog('addon', 'disable', GUID), { code: 3 })
    t.match(await json('addon', 'disable', GUID, '--yes'), { differences: { status: ['approved', 'disabled'] } })
    t.equal(await offered(), undefined)
    t.match(await json('addon', 'enable', GUID), { differences: { status: ['disabled', 'approved'] } })
    t.match(await json('addon', 'enable', GUID), { code: 0, changed: false })
    t.match(await catalog('addon', 'set-status', GUID, 'deleted'), { code: 3 })
    t.match(await json('addon', 'set-status', GUID, 'nominated'), { code: 0, changed: true })
    t.match(await json('addon', 'set-status', GUID, 'disabled', '--yes'), { code: 0 })
    t.match(
      await json('addon', 'enable', GUID),
      { differences: { status: ['disabled', 'nominated'] } },
      'back to what it was',
    )
    t.match(await json('addon', 'set-status', GUID, 'deleted', '--yes'), { code: 0 })
    for (const command of [['disable', '--yes'], ['enable']] as const) {
      const [name, ...options] = command
      t.match(await json('addon', name, GUID, ...options), {
        code: 3,
        error: { code: 'addon_deleted', hint: /set-status/ },
      })
    }
    t.match(await json('addon', 'show', GUID), { status: 'deleted' }, 'a deleted add-on stays so')
    t.match(await json('addon', 'set-status', GUID, 'nominated'), { code: 0, changed: true })
  })

  t.test('what is refused', async (t) => {
    t.match(await catalog('version', 'add', GUID, await pack('2.0')), { code: 3, stderr: /has a version 2.0 already/ })
    t.match(await catalog('version', 'add', 'other@example.test', await pack('3.0')), {
      code: 3,
      stderr: /is the package of "alpha@example.test"/,
    })
    t.match(await json('version', 'add', GUID, await pack('1.5')), {
      code: 0,
      warnings: [/signature/, /2.0 is a higher number/],
    })
    await writeFile(join(folder, 'junk.xpi'), 'junk')
    t.match(await catalog('version', 'add', GUID, join(folder, 'junk.xpi')), { code: 3 })
    t.match(await catalog('addon', 'show', 'nobody@x'), { code: 1, stderr: /No add-on/ })
    t.match(await json('addon', 'show', 'nobody@x'), { code: 1, error: { code: 'addon_unknown' } })
    t.match(await catalog('version', 'disable', GUID, '9.9', '--yes'), { code: 1, stderr: /no listed version/ })
    t.match(await catalog('nonsense'), { code: 2 })
    for (const [args, message] of [
      [['nonsense'], /^Unknown command 'nonsense'/],
      [['addon', 'show'], /^Missing required argument 'guid'/],
      [['addon', 'list', '--status', 'nice'], /'nice' is invalid\. Allowed choices are/],
      [['addon', 'list', '--nonsense'], /^Unknown option '--nonsense'/],
      [['addon', 'list', '--limit', 'many'], /"many" is not a whole number/],
      [['explain', GUID], /^Required option '--app-version <version>' not specified/],
      [['addon', 'show', GUID, 'more'], /^Too many arguments/],
      [['explain', GUID, '--app-version', ' '], /--app-version is blank/],
      [['explain', '', '--app-version', '1'], /<guid> is blank/],
      [['addon', 'enable', GUID, '--as', ''], /--as is blank/],
      [['addon', 'enable', GUID, '--as', 'x'.repeat(191)], /--as is longer than 190/],
      [[], /^There is no command/],
      [['addon'], /./],
    ] as const) {
      t.match(await json(...args), { code: 2, error: { code: 'usage', message } }, args.join(' '))
    }
    t.match(await catalog('addon', 'list', '--limit', 'many'), { code: 2 })
    t.match(await catalog('addon', 'set-status', GUID, 'nice'), { code: 2, stderr: /approved/ })
    t.match(await catalog('import', join(folder, 'missing.jsonl')), { code: 1, stderr: /can't be read/ })
    t.match(await catalog('version', 'add', GUID, join(folder, 'missing.xpi')), { code: 1, stderr: /can't be read/ })
    t.match(await catalog('app', 'add', 'pale', '{8de7fcbb-c55c-4fbe-bfc5-fc555c87dbc4}', '--json-since', 'soon'), {
      code: 2,
      stderr: /"soon" is not a version/,
    })
  })

  t.test('explain: each version and the rule that decided', async (t) => {
    const explained = await json('explain', GUID, '--app-version', '100.0')
    t.match(explained, {
      code: 0,
      offered: '1.5',
      versions: [
        { version: '1.5', verdict: 'offered' },
        { version: '2.0', verdict: 'withheld', because: /older than the minimum 115.0/ },
        { version: '1.0', verdict: 'outdone' },
      ],
    })
    t.equal(
      explained.answer,
      (await check(server.url, GUID, { appVersion: '100.0' })).text.replaceAll(server.url, 'http://127.0.0.1:8080'),
      'the very answer',
    )
    t.match(await catalog('explain', GUID, '--app-version', '100.0'), { stdout: /withheld.*older than the minimum/ })
    t.match(await json('explain', 'nobody@x', '--app-version', '1'), { code: 0, hidden: /no add-on/, answer: '{}' })
    t.match(await catalog('explain', GUID, '--app', 'opera', '--app-version', '1'), {
      code: 1,
      stderr: /Known are firefox, android/,
    })
    t.match(await catalog('explain', GUID), { code: 2 })
  })

  t.test('applications can be added, and may ask at once', async (t) => {
    const appID = '{3550f703-e582-4d05-9a08-453d09bdfdc6}'
    t.equal((await check(server.url, GUID, { appID })).status, 400)
    t.match(await catalog('app', 'add', 'thunderbird', appID, '--manifest', 'rdf', '--json-since', '61.0'), { code: 0 })
    t.match(await catalog('app', 'add', 'thunderbird', appID), { code: 3 })
    t.match(await catalog('app', 'list'), { stdout: /thunderbird/ })
    for (
      const giveUpAt = Date.now() + 5_000;
      Date.now() < giveUpAt && (await check(server.url, GUID, { appID })).status !== 200;
    );
    const old = await check(server.url, GUID, { appID, appVersion: '60.0' })
    t.match(old, { status: 200, headers: { 'content-type': 'text/xml' } })
    const young = await check(server.url, GUID, { appID, appVersion: '61.0' })
    t.match(young, { status: 200, headers: { 'content-type': 'application/json' } })
    t.match(await check(server.url, GUID, { appID, appVersion: '' }), {
      status: 400,
      text: /<RDF:RDF[^>]*>\n<\/RDF:RDF>/,
    })
  })

  t.test('export, import from standard input, check', async (t) => {
    const { stdout } = await catalog('export')
    t.equal(JSON.parse(stdout).guid, GUID)
    const again = await runCatalog(['import', '-', '--json'], environment, stdout)
    t.match(JSON.parse(again.stdout), { created: 0, changed: 0, unchanged: 1 })
    const file = join(folder, 'out.jsonl')
    t.match(await json('export', file, '--packages'), { addons: 1, packages: 3 })
    const other = { DATA_DIR: join(folder, 'other') }
    t.match(
      await runCatalog(['import', file], other),
      { code: 0, stdout: /1 created/ },
      'another private database takes it in',
    )
    t.match(await runCatalog(['check'], other), { code: 0, stdout: /3 packages: all is well/ })
    t.match(await catalog('check'), { code: 0, stdout: /all is well/ })

    t.match(await json('export', join(folder, 'missing', 'out.jsonl')), {
      code: 1,
      error: { code: 'output_unwritable', message: /missing.out\.jsonl can't be written/ },
    })
    const elsewhere = { ...environment, FILES_DIR: join(folder, 'nothing') }
    t.match(await runCatalog(['export', join(folder, 'half.jsonl'), '--packages'], elsewhere), {
      code: 1,
      stderr: /The package .* is not there/,
    })
    t.notOk(existsSync(join(folder, 'half.jsonl')) || existsSync(join(folder, 'half.jsonl.new')), 'all or nothing')
    const reader = spawnCatalog(['export'], environment)
    reader.stdout?.destroy()
    t.match(await runToEnd(reader), { code: 0, stderr: '' }, 'a reader that has seen enough')
  })

  t.test('a range that holds nothing is told of', async (t) => {
    const path = join(folder, 'reversed.xpi')
    const gecko = { id: 'reversed@x', strict_min_version: '130.0', strict_max_version: '120.0' }
    const content = manifest({ version: '1.0', browser_specific_settings: { gecko } })
    await writeFile(path, makeZip([{ name: 'manifest.json', content }]))
    t.match(await json('version', 'add', 'reversed@x', path), {
      code: 0,
      warnings: [/no Mozilla signature/, 'its minimum 130.0 is above its maximum 120.0: no firefox is offered it'],
    })
  })

  t.test('the audit knows who', async (t) => {
    await catalog('addon', 'set-status', GUID, 'approved', '--as', 'ann')
    t.match(await json('addon', 'show', GUID), { history: [{ actor: 'ann', action: 'addon.status' }] })
  })
})

t.test('help tells what there is', async (t) => {
  t.match(await catalog('--help'), { code: 0, stdout: /Exit codes/ })
  const version = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version as string
  t.strictSame(await catalog('--version'), { code: 0, stdout: `${version}\n`, stderr: '' })
  t.match(await json('--version'), { code: 0, version })
  t.match(await catalog('version', 'add', '--help'), { code: 0, stdout: /--release-notes/ })
})

t.test('an environment that can be used for nothing', async (t) => {
  t.match(await runCatalog(['addon', 'list'], { DATABASE_URL: 'mysql://nobody@127.0.0.1:1/x' }), {
    code: 4,
    stderr: /can't be reached/,
  })
  t.match(await runCatalog(['addon', 'list'], { DATABASE_URL: 'postgres://x', PORT: 'eighty' }), {
    code: 2,
    stderr: /DATABASE_URL[\s\S]*PORT/,
  })
})
