/** Every vector of the contract, over HTTP, against a real database, from every tier that may have the answer. */

import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readConfig } from '../../service/config.ts'
import { loadLibrary } from '../../service/http/index.ts'
import { openLog } from '../../service/observe/index.ts'
import { startWorker, type Worker } from '../../service/worker.ts'
import { until } from '../harness/clients.ts'
import { ask, checkPath, type Reply } from '../harness/http.ts'
import { startMemcached } from '../harness/memcached.ts'
import { startStack } from '../harness/stack.ts'
import { catalogueOf, readVectors, type Vector } from '../harness/vectors.ts'

const { vectors } = readVectors()
const SITE_URL = vectors[0]?.catalog.site_url ?? ''
const memcached = await startMemcached(t)
const stack = await startStack(t, { SITE_URL })

/** A worker for each way to an answer, of one database; and from where the second one must come. */
const tiers = [
  { name: 'memory', worker: stack.worker, detail: 'memory' },
  { name: 'batches', worker: await startOther('batches', {}), detail: 'replica' },
  { name: 'one by one', worker: await startOther('single', { BATCHING: 'off' }), detail: 'replica' },
  {
    name: 'memcached',
    worker: await startOther('memcached', { MEMCACHED_SERVERS: memcached.address }),
    detail: 'memcached',
  },
] as const

async function startOther(name: string, environment: Readonly<Record<string, string>>): Promise<Worker> {
  const folder = join(stack.folder, name)
  const config = readConfig({
    PORT: '0',
    DATA_DIR: folder,
    LOG_LEVEL: 'error',
    SITE_URL,
    MEMORY_CACHE: 'off',
    ...environment,
  })
  const { log, close } = openLog({ level: config.logLevel, readable: false })
  const { readers, cacheSecret, identity } = stack.databases
  const worker = await startWorker({ config, readers, cacheSecret, identity, uws: loadLibrary().uws, log })
  t.teardown(async () => {
    await worker.close()
    await close()
  })
  return worker
}

for (const vector of vectors) {
  t.test(vector.name, async (t) => {
    await stack.empty()
    await stack.load(catalogueOf(vector))
    await until('all workers know of it', () => tiers.every(({ worker }) => worker.position >= stack.worker.position))
    for (const { name, worker, detail } of tiers) {
      t.test(name, async (t) => {
        const { url } = worker.address
        judge(t, vector, await askFor(url, vector))
        let again = await askFor(url, vector)
        if (detail === 'memcached' && isHeld(vector)) {
          // A busy machine may miss the deadline for memcached.
          await until(
            'memcached has it',
            async () => {
              if (!cameFrom(again, detail)) again = await askFor(url, vector)
              return cameFrom(again, detail)
            },
            3_000,
          )
        }
        judge(t, vector, again)
        if (isHeld(vector)) t.ok(cameFrom(again, detail), `it is of ${detail}: ${again.headers['cache-status']}`)
      })
    }
  })
}

/** Whether it asks for an add-on that there is. */
function isHeld({ expect: { status, result } }: Vector): boolean {
  return status === 200 && (result === 'update' || result === 'no_update')
}

function cameFrom({ headers }: Reply, detail: string): boolean {
  return headers['cache-status']?.endsWith(`; detail=${detail}`) ?? false
}

async function askFor(url: string, { request }: Vector): Promise<Reply> {
  const { method, path, query = {}, raw_query: raw } = request
  const target = raw === undefined ? checkPath(query, path) : raw === '' ? path : `${path}?${raw}`
  const headers = { ...request.headers }
  if (headers['If-None-Match'] === '$ETAG_OF_PREVIOUS_IDENTICAL_GET') {
    headers['If-None-Match'] = (await ask(url, target)).headers.etag ?? ''
  }
  return await ask(url, target, { method, headers })
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
