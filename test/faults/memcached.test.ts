/** A memcached that dies, hangs or answers late: nobody sees an error, nobody waits, and it is used again when it is back. */

import { readFileSync } from 'node:fs'
import t from 'tap'
import { DOWNLOAD_CHUNK_BYTES, MEMCACHED_MS_MAX } from '../../service/limits.ts'
import { observe, startClients, until } from '../harness/clients.ts'
import { startDatabases } from '../harness/databases.ts'
import { startDetour } from '../harness/detour.ts'
import { startMemcached } from '../harness/memcached.ts'
import { runCatalog, startServer } from '../harness/server.ts'
import { makeFolder } from '../harness/stack.ts'
import { judgeWaits, watchStalls } from '../harness/stalls.ts'
import { makeXpi } from '../harness/xpi.ts'
import { judgeDownloads, startDownloads } from './downloads.ts'
import { metricsOf } from './watch.ts'

const GUIDS = Array.from({ length: 200 }, (_, index) => `addon-${index}@memcached.test`)
const DOWNLOADED = 'file@memcached.test'

const databases = await startDatabases(t, { replicas: 1 })
const memcached = await startMemcached(t)
const detour = await startDetour(t, Number(memcached.address.split(':')[1]))
const folder = await makeFolder(t)
const environment = { ...databases.environment, DATA_DIR: `${folder}/data` }
const server = await startServer(t, {
  ...environment,
  MEMORY_CACHE: 'off',
  MEMCACHED_SERVERS: `127.0.0.1:${detour.port}`,
  METRICS_PORT: '0',
  LOG_LEVEL: 'info',
})
const metrics = metricsOf(server)
const lines = GUIDS.map((guid) => ({
  guid,
  versions: [{ version: '1.0', compatibility: { firefox: { min: '42.0' } } }],
}))
await runCatalog(['import', '-'], environment, lines.map((line) => JSON.stringify(line)).join('\n'))
const xpi = await makeXpi(folder, { id: DOWNLOADED, version: '1.0', padding: DOWNLOAD_CHUNK_BYTES })
await runCatalog(['version', 'add', DOWNLOADED, xpi, '--yes'], environment)
await until('all are served', async () => (await observe(server.url, GUIDS.at(-1) as string)).version === '1.0')

async function isUsed(): Promise<boolean> {
  return (await observe(server.url, GUIDS[0] as string)).cacheStatus === 'versioncheck; hit; detail=memcached'
}

for (const how of ['killed', 'hung', 'late'] as const) {
  t.test(`it is ${how}`, async (t) => {
    await until('memcached answers', isUsed)
    const stalls = watchStalls(t)
    const clients = startClients(server.url, GUIDS, 5)
    t.teardown(() => clients.stop())
    const downloads = await startDownloads(server.url, DOWNLOADED, readFileSync(xpi))
    t.teardown(() => downloads.stop())
    if (how === 'killed') await memcached.kill()
    else if (how === 'hung') memcached.pause()
    else detour.delay(MEMCACHED_MS_MAX * 2)
    await until('answers come from the replica', async () => !(await isUsed()))
    t.ok(((await metrics()).value('tier_errors_total', 'memcached') ?? 0) > 0, 'its failures are counted')
    if (how === 'killed') await memcached.start()
    else if (how === 'hung') memcached.resume()
    else detour.delay(0)
    await until('it is used again', isUsed)
    const [seen, downloaded] = await Promise.all([clients.stop(), downloads.stop()])
    t.strictSame(
      seen.filter(({ version }) => version !== '1.0').map(({ status, text }) => ({ status, text })),
      [],
      `${seen.length} answers, each with its version`,
    )
    judgeWaits(t, seen, stalls)
    judgeDownloads(t, downloaded, { checks: seen, stalls })
  })
}

t.test('it was flushed: everything is asked for once more, and kept again', async (t) => {
  await until('memcached answers', isUsed)
  await memcached.flush()
  t.equal((await observe(server.url, GUIDS[0] as string)).cacheStatus, 'versioncheck; fwd=miss; detail=replica')
  await until('it is kept again', isUsed)
})

t.test('no database answers: what it has is served, marked stale', async (t) => {
  await until('memcached answers', isUsed)
  for (const guid of GUIDS) await observe(server.url, guid)
  await databases.replicas[0]?.kill()
  await databases.primary.kill()
  const stalls = watchStalls(t)
  await until('it says so', async () => (await observe(server.url, GUIDS[0] as string)).cacheStatus.endsWith('; stale'))
  const seen = await Promise.all(GUIDS.slice(0, 50).map((guid) => observe(server.url, guid)))
  judgeWaits(t, seen, stalls)
  for (const { status, version, cacheStatus } of seen) {
    if (status !== 200 || version !== '1.0') t.fail(`${status} ${version}`)
    if (!/^versioncheck; hit; ttl=-\d+; detail=memcached; stale$/.test(cacheStatus)) t.fail(cacheStatus)
  }
  await databases.primary.start()
  await databases.replicas[0]?.start()
  await until('it heals', isUsed)
})
