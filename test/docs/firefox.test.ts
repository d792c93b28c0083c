/** docs/point-firefox-here.md: a real Firefox does as its policies and the redirect of docs/move-from-update-json.md say. */

import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { makeCertificates } from '../firefox/certificates.ts'
import { publish } from '../firefox/publish.ts'
import { blocksOf } from '../harness/examples.ts'
import { type Firefox, startFirefox } from '../harness/firefox.ts'
import { makeFolder, startStack } from '../harness/stack.ts'

const folder = await makeFolder(t)
const { caPem, certFile, keyFile } = await makeCertificates(folder)
const authority = join(folder, 'authority.pem')
await writeFile(authority, caPem)
const stack = await startStack(t, { TLS_CERT: certFile, TLS_KEY: keyFile })
const ALPHA = 'alpha@example.test'
/** Nobody is there: whoever is asked was named by the policy. */
const NOWHERE = 'https://127.0.0.1:9'

/** A policies.json of the document, for our server. */
function policies(file: string): object {
  const text = blocksOf('docs/point-firefox-here.md').find((block) => block.file === file)?.text ?? ''
  return JSON.parse(
    text
      .replaceAll('https://addons.example.org', stack.url)
      .replaceAll('/etc/ssl/certs/example-authority.pem', authority),
  )
}

async function until(firefox: Firefox, id: string, version: string): Promise<unknown> {
  for (const giveUpAt = Date.now() + 30_000; Date.now() < giveUpAt; ) {
    const addon = await firefox.addon(id)
    if (addon?.version === version) return addon
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  return await firefox.addon(id)
}

t.test('a policy for some add-ons: installed from here, and updated from here', async (t) => {
  await publish(stack, { id: ALPHA, version: '1.0', updateUrl: `${NOWHERE}/update.json` })
  const firefox = await startFirefox(t, { url: NOWHERE, policies: policies('some/policies.json') })
  t.same(await until(firefox, ALPHA, '1.0'), { version: '1.0', isActive: true })
  await publish(stack, { id: ALPHA, version: '2.0' })
  t.same(await firefox.checkForUpdate(ALPHA, 'user'), { version: '2.0', status: 'NO_ERROR' })
  t.same(await firefox.applyUpdate(ALPHA), { id: ALPHA, version: '2.0', error: null })
})

t.test('a policy for all add-ons', async (t) => {
  const firefox = await startFirefox(t, { url: NOWHERE, policies: policies('all/policies.json') })
  const id = 'beta@example.test'
  await firefox.installAddon(await publish(stack, { id, version: '1.0' }))
  await publish(stack, { id, version: '2.0' })
  t.same(await firefox.checkForUpdate(id, 'user'), { version: '2.0', status: 'NO_ERROR' })
  t.same(await firefox.applyUpdate(id), { id, version: '2.0', error: null })
  await publish(stack, { id, version: '3.0' })
  t.same(await firefox.backgroundUpdate(), [{ id, version: '3.0', error: null }])
})

t.test('the old address redirects here', async (t) => {
  const id = 'gamma@example.test'
  const old = createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, (_req, res) =>
    res.writeHead(302, { Location: `${stack.url}/update/${id}.json` }).end(),
  )
  t.teardown(() => old.close())
  await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve))
  const updateUrl = `https://127.0.0.1:${(old.address() as AddressInfo).port}/updates/update.json`
  const firefox = await startFirefox(t, { url: NOWHERE })
  await firefox.trust(caPem)
  await firefox.installAddon(await publish(stack, { id, version: '1.0', updateUrl }))
  await publish(stack, { id, version: '2.0' })
  t.same(await firefox.checkForUpdate(id, 'user'), { version: '2.0', status: 'NO_ERROR' })
  t.same(await firefox.applyUpdate(id), { id, version: '2.0', error: null })
})
