/** Every vector of the contract, over HTTP, against a real database. */

import t, { type Test } from 'tap'
import { ask, checkPath, type Reply } from '../harness/http.ts'
import { startStack } from '../harness/stack.ts'
import { catalogueOf, readVectors, type Vector } from '../harness/vectors.ts'

const { vectors } = readVectors()
const stack = await startStack(t, { SITE_URL: vectors[0]?.catalog.site_url ?? '' })

for (const vector of vectors) {
  t.test(vector.name, async (t) => {
    await stack.empty()
    await stack.load(catalogueOf(vector))
    judge(t, vector, await askFor(vector))
  })
}

async function askFor({ request }: Vector): Promise<Reply> {
  const { method, path, query = {}, raw_query: raw } = request
  const target = raw === undefined ? checkPath(query, path) : raw === '' ? path : `${path}?${raw}`
  const headers = { ...request.headers }
  if (headers['If-None-Match'] === '$ETAG_OF_PREVIOUS_IDENTICAL_GET') {
    headers['If-None-Match'] = (await ask(stack.url, target)).headers.etag ?? ''
  }
  return await ask(stack.url, target, { method, headers })
}

function judge(t: Test, { request, expect, catalog }: Vector, reply: Reply): void {
  t.equal(reply.status, expect.status, 'status')
  for (const [name, value] of Object.entries(expect.headers ?? {})) {
    const actual = reply.headers[name.toLowerCase()]
    if (value === '*present*') t.ok(actual, `${name} is there`)
    else if (name === 'Cache-Control') t.ok(actual?.split(', ').includes(value), `${name} has ${value}`)
    else t.equal(actual, value, name)
  }
  if (expect.body_text !== undefined) t.equal(reply.text, expect.body_text, 'bytes')
  if (expect.body_json !== undefined) t.strictSame(JSON.parse(reply.text), expect.body_json, 'body')
  const id = request.query?.id ?? catalog.addons[0]?.guid ?? ''
  switch (expect.result) {
    case 'head':
    case 'not_modified':
      t.equal(reply.text, '', 'no body')
      return
    case 'empty':
      t.strictSame(JSON.parse(reply.text), {}, 'empty')
      return
    case 'no_update':
      t.strictSame(JSON.parse(reply.text), { addons: { [id]: { updates: [] } } }, 'no update')
      return
    case 'update':
      judgeUpdate(t, expect, reply, id)
  }
}

function judgeUpdate(t: Test, expect: Vector['expect'], { text }: Reply, id: string): void {
  const updates = JSON.parse(text).addons[id].updates
  t.equal(updates.length, 1, 'exactly one update')
  const [update] = updates
  const { gecko } = update.applications
  const values = { ...update, ...gecko }
  for (const name of [
    'version',
    'strict_min_version',
    'strict_max_version',
    'update_hash',
    'update_info_url',
  ] as const) {
    if (expect[name] !== undefined) t.equal(values[name], expect[name], name)
  }
  for (const name of expect.absent ?? []) t.notOk(name in values, `${name} is absent`)
  if (expect.update_link_suffix !== undefined) {
    t.ok(update.update_link.endsWith(expect.update_link_suffix), `update_link ends with ${expect.update_link_suffix}`)
  }
}
