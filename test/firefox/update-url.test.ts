/** Packages that aren't distributed by AMO: a real Firefox asks us since their own manifest says so, over TLS. */

import t from 'tap'
import { startFirefox } from '../harness/firefox.ts'
import { makeFolder, startStack } from '../harness/stack.ts'
import { makeCertificates } from './certificates.ts'
import { publish } from './publish.ts'

const { caPem, certFile, keyFile } = await makeCertificates(await makeFolder(t))
// The prefs point nowhere: whoever is asked at all was named by the manifest.
const [stack, firefox] = await Promise.all([
  startStack(t, { TLS_CERT: certFile, TLS_KEY: keyFile }),
  startFirefox(t, { url: 'https://127.0.0.1:9' }),
])

const QUERY = 'id=%ITEM_ID%&appID=%APP_ID%&appVersion=%APP_VERSION%&compatMode=%COMPATIBILITY_MODE%'
const query = { id: 'query@firefox.test', updateUrl: `${stack.url}/update/?${QUERY}` }
/** In a path, unlike in a query, Firefox sends braces percent-encoded. */
const LISTED = '{c9d5a1f0-5d7e-4e0b-9f55-0c4a5b3b2f10}'
const listing = { id: LISTED, updateUrl: `${stack.url}/update/${LISTED}.json` }

let seen = 0

/** What it was answered since the last call: the status, and the path on our server. */
async function newAnswers(): Promise<string[]> {
  const answers = (await firefox.answers()).slice(seen)
  seen += answers.length
  return answers.map(({ url, status }) => `${status} ${url.replace(stack.url, '')}`)
}

t.test('a server whose certificate Firefox does not trust is not believed', async (t) => {
  await firefox.installAddon(await publish(stack, { ...query, version: '1.0' }))
  await firefox.installAddon(await publish(stack, { ...listing, version: '1.0' }))
  await publish(stack, { ...query, version: '2.0' })
  t.same(await firefox.checkForUpdate(query.id, 'user'), { version: null, status: 'DOWNLOAD_ERROR' })
  t.same(await newAnswers(), [])
  await firefox.trust(caPem)
})

t.test('the form with parameters: a user check installs the newest that fits', async (t) => {
  await publish(stack, { ...query, version: '3.0', min: '200.0' })
  t.same(await firefox.checkForUpdate(query.id, 'user'), { version: '2.0', status: 'NO_ERROR' })
  t.same(await firefox.applyUpdate(query.id), { id: query.id, version: '2.0', error: null })
  t.same(await firefox.addon(query.id), { version: '2.0', isActive: true })
  const [check, download, ...more] = await newAnswers()
  t.match(check, /^200 \/update\/\?id=query@firefox\.test&appID=\{ec8030f7-[^&]+\}&appVersion=[^&]+&compatMode=normal$/)
  t.match(download, /^200 \/firefox\/downloads\/file\/\d+\//)
  t.same(more, [])
})

t.test('the listing: the daily check chooses the newest that fits and installs it', async (t) => {
  await publish(stack, { ...listing, version: '2.0' })
  await publish(stack, { ...listing, version: '2.1' })
  await publish(stack, { ...listing, version: '3.0', min: '200.0' })
  t.same(await firefox.backgroundUpdate(), [{ id: listing.id, version: '2.1', error: null }])
  t.same(await firefox.addon(listing.id), { version: '2.1', isActive: true })
  const answers = (await newAnswers()).filter((answer) => !answer.includes(query.id))
  t.equal(answers[0], '200 /update/%7Bc9d5a1f0-5d7e-4e0b-9f55-0c4a5b3b2f10%7D.json')
  t.match(answers[1], /^200 \/firefox\/downloads\/file\/\d+\//)
  t.equal(answers.length, 2)
})
