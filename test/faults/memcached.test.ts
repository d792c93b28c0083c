/** A memcached that dies, hangs or answers late: nobody sees an error, nobody waits, and it is used again when it is back. */

import t from 'tap'
import { observe, startClients, until } from '../harness/clients.ts'
import { startDatabases } from '../harness/databases.ts'
import { startMemcached } from '../harness/memcached.ts'
import { runCatalog, startServer } from '../harness/server.ts'
import { makeFolder } from '../harness/stack.ts'
import { metricsOf } from './watch.ts'

/** The promise is 300 ms; the rest is what a busy machine of two cores adds to a timer. */
const ANSWER_MS_MAX = 300 + 250
const GUIDS = Array.from({ length: 200 }, (_, index) => `addon-${index}@memcached.test`)

const databases = await startDatabases(t, { replicas: 1 })
const memcached = await startMemcached(t)
const environment = { ...databases.environment, DATA_DIR: `${await makeFolder(t)}/data` }
const server = await startServer(t, {
  ...environment,
  MEMORY_CACHE: 'off',
  MEMCACHED_SERVERS: memcached.address,
  METRICS_PORT: '0',
  LOG_LEVEL: 'info',
})
const metrics = metricsOf(server)
const lines = GUIDS.map((guid) => ({
  guid,
  versions: [{ version: '1.0', compatibility: { firefox: { min: '42.0' } } }],
}))
await runCatalog(['import', '-'], environment, lines.map((line) => JSON.stringify(line)).join('\n'))
await until('all are served', async () => (await observe(server.url, GUIDS.at(-1) as string)).version === '1.0')

async function isUsed(): Promise<boolean> {
  return (await observe(server.url, GUIDS[0] as string)).cacheStatus === 'versioncheck; hit; detail=memcached'
}

for (const how of ['killed', 'hung'] as const) {
  t.test(`it is ${how}`, async (t) => {
    await until('memcached answers', isUsed)
    const clients = startClients(server.url, GUIDS, 5)
    t.teardown(() => clients.stop())
    if (how === 'killed') await memcached.kill()
    else memcached.pause()
    await until('answers come from the replica', async () => !(await isUsed()))
    t.ok(((await metrics()).value('tier_errors_total', 'memcached') ?? 0) > 0, 'its failures are counted')
    if (how === 'killed') await memcached.start()
    else memcached.resume()
    await until('it is used again', isUsed)
    const seen = await clients.stop()
    t.strictSame(
      seen.filter(({ version }) => version !== '1.0').map(({ status, text }) => ({ status, text })),
      [],
      `${seen.length} answers, each with its version`,
    )
    const slowest = Math.max(...seen.map(({ ms }) => ms))
    t.ok(slowest < ANSWER_MS_MAX, `the slowest took ${Math.round(slowest)} ms`)
  })
}

t.test('it was flushed: everything is asked for once more, and kept again', async (t) => {
  await until('memcached answers', isUsed)
  await memcached.flush()
  t.equal((await observe(server.url, GUIDS[0] as string)).cacheStatus, 'versioncheck; fwd=miss; detail=replica')
  await until('it is kept again', isUsed)
})
