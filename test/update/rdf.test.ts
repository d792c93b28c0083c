/** RDF answers over HTTP, byte for byte against the contract's text (section 5), for each type of add-on. */

import t, { type Test } from 'tap'
import { check } from '../harness/http.ts'
import { startStack } from '../harness/stack.ts'

const SEAMONKEY = '{92650c4d-4b8e-4d2a-b7eb-24ecf4f6b63a}'
const HASH = `sha256:${'0123456789abcdef'.repeat(4)}`

/** The contract's, with KIND, GUID, VERSION and what stands for a text each time as it is escaped. */
const ROOT = `<?xml version="1.0"?>
<RDF:RDF xmlns:RDF="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:em="http://www.mozilla.org/2004/em-rdf#">
`
const EMPTY = `  <RDF:Description about="urn:mozilla:KIND:GUID">
    <em:updates><RDF:Seq></RDF:Seq></em:updates>
  </RDF:Description>
`
const UPDATE = `  <RDF:Description about="urn:mozilla:KIND:GUID">
    <em:updates><RDF:Seq><RDF:li resource="urn:mozilla:KIND:GUID:VERSION"/></RDF:Seq></em:updates>
  </RDF:Description>
  <RDF:Description about="urn:mozilla:KIND:GUID:VERSION">
    <em:version>VERSION</em:version>
    <em:targetApplication><RDF:Description>
      <em:id>${SEAMONKEY}</em:id><em:minVersion>MIN</em:minVersion><em:maxVersion>MAX</em:maxVersion><em:updateLink>LINK</em:updateLink>
OPTIONAL    </RDF:Description></em:targetApplication>
  </RDF:Description>
`
const END = '</RDF:RDF>'

function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replaceAll(/\b(?:KIND|GUID|VERSION|MIN|MAX|LINK)\b|OPTIONAL/g, (name) => values[name] ?? name)
}

const stack = await startStack(t)
await stack.editor.addApplication({ name: 'seamonkey', guid: SEAMONKEY, manifest: 'rdf', jsonSince: null })
await stack.settle()

const compatibility = { seamonkey: { min: '2.0', max: '2.9.*' } }
const kinds = {
  extension: 'extension',
  dictionary: 'extension',
  'langpack-addon': 'extension',
  theme: 'theme',
  search: 'search',
  langpack: 'item',
  plugin: 'plugin',
}
const strange = `<&'">@x`
const strangeEscaped = '&lt;&amp;&apos;&quot;&gt;@x'
await stack.load([
  ...Object.keys(kinds).map((type, index) => ({
    guid: `${type}@x`,
    type,
    slug: type,
    versions: [{ version: '1.0', compatibility, file: { id: 10 + index, filename: 'a.xpi', hash: HASH } }],
  })),
  {
    guid: strange,
    slug: 'strange',
    versions: [
      {
        version: `1&2<3`,
        compatibility: { seamonkey: { min: '2.0', max: '>"\'' } },
        file: { url: 'https://example.com/x?a=1&b="2"' },
      },
    ],
  },
  {
    guid: 'notes@x',
    slug: 'notes',
    versions: [
      {
        version: '2.0',
        compatibility,
        release_notes: 'New.',
        file: { id: 100, filename: 'n.xpi', hash: HASH, strict_compatibility: true },
      },
    ],
  },
])

async function judge(t: Test, query: Readonly<Record<string, string>>, body: string, status = 200): Promise<void> {
  const { id = 'nobody@x', ...rest } = query
  const reply = await check(stack.url, id, { appID: SEAMONKEY, appVersion: '2.5', ...rest })
  t.equal(reply.text, body, `${id}: the body`)
  t.match(reply, {
    status,
    headers: { 'content-type': 'text/xml', 'content-length': String(Buffer.byteLength(body)), etag: /^"\S+"$/ },
  })
}

for (const [type, KIND] of Object.entries(kinds)) {
  t.test(type, async (t) => {
    const GUID = `${type}@x`
    const id = 10 + Object.keys(kinds).indexOf(type)
    const values = { KIND, GUID, VERSION: '1.0', MIN: '2.0', MAX: '2.9.*' }
    const LINK = `${stack.url}/seamonkey/downloads/file/${id}/a.xpi`
    const OPTIONAL = `      <em:updateHash>${HASH}</em:updateHash>\n`
    await judge(t, { id: GUID }, ROOT + fill(UPDATE, { ...values, LINK, OPTIONAL }) + END)
    await judge(t, { id: GUID, appVersion: '1.5' }, ROOT + fill(EMPTY, values) + END)
  })
}

t.test('every value is escaped, and what is missing is left out', async (t) => {
  const values = { KIND: 'extension', GUID: strangeEscaped, VERSION: '1&amp;2&lt;3', MIN: '2.0', OPTIONAL: '' }
  const LINK = 'https://example.com/x?a=1&amp;b=&quot;2&quot;'
  await judge(t, { id: strange }, ROOT + fill(UPDATE, { ...values, MAX: '&gt;&quot;&apos;', LINK }) + END)
})

t.test('release notes come before the hash', async (t) => {
  const info = `${stack.url}/%APP_LOCALE%/seamonkey/addon/notes/versions/2.0/updateinfo/`
  const values = {
    KIND: 'extension',
    GUID: 'notes@x',
    VERSION: '2.0',
    MIN: '2.0',
    MAX: '2.9.*',
    LINK: `${stack.url}/seamonkey/downloads/file/100/n.xpi`,
    OPTIONAL: `      <em:updateInfoURL>${info}</em:updateInfoURL><em:updateHash>${HASH}</em:updateHash>\n`,
  }
  await judge(t, { id: 'notes@x' }, ROOT + fill(UPDATE, values) + END)
})

t.test('errors are a bare root', async (t) => {
  await judge(t, { id: 'nobody@x' }, ROOT + END)
  await judge(t, { id: '' }, ROOT + END, 400)
  await judge(t, { id: 'theme@x', appVersion: '' }, ROOT + END, 400)
})
