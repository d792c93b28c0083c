/** A real Firefox that asks us instead of addons.mozilla.org: checks, downloads, installs and refuses. */

import { readFile, writeFile } from 'node:fs/promises'
import t from 'tap'
import { type Answer, startFirefox } from '../harness/firefox.ts'
import { startStack } from '../harness/stack.ts'
import { makeXpi } from '../harness/xpi.ts'
import { publish } from './publish.ts'

const stack = await startStack(t)
const firefox = await startFirefox(t, { url: stack.url })

/** What it was answered to checks of an add-on: how it asked, and the status. */
async function checksOf(
  id: string,
): Promise<{ path: string; version: string | null; updateType: string | null; status: number }[]> {
  const checks = (await firefox.answers()).map(({ url, status }) => ({ url: new URL(url), status }))
  return checks
    .filter(({ url }) => url.searchParams.get('id') === id)
    .map(({ url: { pathname: path, searchParams: query }, status }) => {
      return { path, version: query.get('version'), updateType: query.get('updateType'), status }
    })
}

async function downloads(): Promise<Answer[]> {
  return (await firefox.answers()).filter(({ url }) => url.startsWith(`${stack.url}/firefox/downloads/file/`))
}

const PATH = '/update/VersionCheck.php'
/** `updateType`: the reason, and that both compatibility and a new version are asked for. */
const USER = '97'
const PERIODIC = '112'

t.test('the installed 1.0 finds 2.0 by a user check and installs it', async (t) => {
  const id = '{1018e4d6-728f-4b20-ad56-37578a4de76b}'
  t.equal(await firefox.installAddon(await publish(stack, { id, version: '1.0' })), id)
  t.same(await firefox.checkForUpdate(id, 'user'), { version: null, status: 'NO_ERROR' }, 'nothing is newer yet')

  await publish(stack, { id, version: '2.0' })
  t.same(await firefox.checkForUpdate(id, 'user'), { version: '2.0', status: 'NO_ERROR' })
  t.same(await firefox.applyUpdate(id), { id, version: '2.0', error: null })
  t.same(await firefox.addon(id), { version: '2.0', isActive: true })

  const asked = { path: PATH, version: '1.0', updateType: USER, status: 200 }
  t.same(await checksOf(id), [asked, asked])
  t.same(
    (await downloads()).map(({ status }) => status),
    [200],
  )
})

t.test('the daily check finds 2.0 and installs it', async (t) => {
  const id = 'daily@firefox.test'
  await firefox.installAddon(await publish(stack, { id, version: '1.0' }))
  t.notOk(
    (await firefox.backgroundUpdate()).some((end) => end.id === id),
    'nothing is newer yet',
  )
  t.same(await firefox.addon(id), { version: '1.0', isActive: true })

  await publish(stack, { id, version: '2.0' })
  t.same(await firefox.backgroundUpdate(), [{ id, version: '2.0', error: null }])
  t.same(await firefox.addon(id), { version: '2.0', isActive: true })

  const asked = { path: PATH, version: '1.0', updateType: PERIODIC, status: 200 }
  t.same(await checksOf(id), [asked, asked])
})

t.test('a package whose hash is not the announced one is refused', async (t) => {
  const id = 'hash@firefox.test'
  await firefox.installAddon(await publish(stack, { id, version: '1.0' }))
  await publish(stack, { id, version: '2.0' })
  await damagePackage(id, '2.0')

  t.same(await firefox.checkForUpdate(id, 'user'), { version: '2.0', status: 'NO_ERROR' }, 'it is offered')
  const before = (await downloads()).length
  t.same(await firefox.applyUpdate(id), { id, version: '2.0', error: 'ERROR_INCORRECT_HASH' })
  t.same(
    (await downloads()).slice(before).map(({ status }) => status),
    [200],
    'after it was downloaded',
  )
  t.same(
    await firefox.backgroundUpdate(),
    [{ id, version: '2.0', error: 'ERROR_INCORRECT_HASH' }],
    'by the daily check too',
  )
  t.same(await firefox.addon(id), { version: '1.0', isActive: true }, 'the old version stays')
})

t.test('where the newest version needs a newer Firefox, the one before it is offered', async (t) => {
  const id = 'older@firefox.test'
  await firefox.installAddon(await publish(stack, { id, version: '1.0' }))
  await publish(stack, { id, version: '2.0', min: '115.0' })
  await publish(stack, { id, version: '3.0', min: '200.0' })
  t.same(await firefox.checkForUpdate(id, 'user'), { version: '2.0', status: 'NO_ERROR' })
  t.same(await firefox.applyUpdate(id), { id, version: '2.0', error: null })
  t.same(await firefox.addon(id), { version: '2.0', isActive: true })
})

t.test('an add-on that we do not know gets nothing, and no error', async (t) => {
  const id = 'unknown@firefox.test'
  await firefox.installAddon(await makeXpi(stack.folder, { id, version: '1.0' }))
  t.same(await firefox.checkForUpdate(id, 'user'), { version: null, status: 'NO_ERROR' })
  t.same(await firefox.checkForUpdate(id, 'periodic'), { version: null, status: 'NO_ERROR' })
  t.same(await firefox.addon(id), { version: '1.0', isActive: true })
  t.same(
    (await checksOf(id)).map(({ status }) => status),
    [200, 200],
  )
})

t.test('nobody but us has answered', async (t) => {
  const answers = await firefox.answers()
  t.ok(answers.length > 0)
  t.same(
    answers.filter(({ url }) => new URL(url).origin !== stack.url),
    [],
  )
  t.comment(`wanted elsewhere, in vain: ${firefox.refused.join(', ') || 'nothing'}`)
})

/** Changes one bit of the package that the announced hash names: of another length it would not be handed out at all. */
async function damagePackage(guid: string, version: string): Promise<void> {
  const [row] = await stack.primary.rows(
    'SELECT f.package FROM files AS f JOIN versions AS v ON v.id = f.version_id JOIN addons AS a ON a.id = v.addon_id WHERE a.guid = ? AND v.version = ?',
    [guid, version],
  )
  const path = stack.store.pathOf(row?.package as string)
  const bytes = await readFile(path)
  const middle = bytes.length >> 1
  bytes[middle] = (bytes[middle] as number) ^ 1
  await writeFile(path, bytes)
}
