/** What a worker counts of itself: true, and as the documentation says. */

import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { metricsOf } from '../faults/watch.ts'
import { until } from '../harness/clients.ts'
import { startDatabases } from '../harness/databases.ts'
import { ask, check } from '../harness/http.ts'
import { startMemcached } from '../harness/memcached.ts'
import { root, runCatalog, startServer } from '../harness/server.ts'
import { makeFolder } from '../harness/stack.ts'

const databases = await startDatabases(t, { replicas: 1 })
const memcached = await startMemcached(t)
const environment = { ...databases.environment, DATA_DIR: join(await makeFolder(t), 'data') }
const lines = ['a@x', 'b@x'].map((guid) => ({
  guid,
  versions: [{ version: '1.0', compatibility: { firefox: { min: '42.0' } } }],
}))
await runCatalog(['import', '-'], environment, lines.map((line) => JSON.stringify(line)).join('\n'))
const server = await startServer(t, {
  ...environment,
  MEMCACHED_SERVERS: memcached.address,
  METRICS_PORT: '0',
  LOG_LEVEL: 'info',
})
const metrics = metricsOf(server)
await until('all is held', async () => (await metrics()).value('tier_complete', 'memory') === 1)

t.test('checks are counted by the tier that answered', async (t) => {
  const before = await metrics()
  for (const guid of ['a@x', 'b@x', 'nobody@x']) await check(server.url, guid)
  await ask(server.url, '/update/')
  const after = await metrics()
  const rise = (label: string) => (after.value('checks_total', label) ?? 0) - (before.value('checks_total', label) ?? 0)
  t.equal(rise('memory'), 3)
  t.equal(rise('invalid'), 1)
  t.equal(rise('replica'), 0)
  t.equal(rise('none'), 0)
  t.equal(after.value('tier_entries', 'memory'), 2)
  t.ok((after.value('tier_bytes', 'memory') ?? 0) > 0)
  const [replica] = databases.replicas
  const name = `127.0.0.1:${replica?.port}/versioncheck`
  // Its first heartbeat may not have come yet, and on a busy machine it may have been silent for a moment.
  await until('the replica is followed, and not late', async () => {
    const now = await metrics()
    const lagS = now.value('replica_lag_seconds', name) ?? Number.NaN
    return now.value('replica_followed', name) === 1 && now.value('feed_silent_seconds') === 0 && lagS < 30
  })
  t.ok((after.value('replica_queries_total', name) ?? 0) > 0)
})

t.test('operations.md has each of them, and no others', async (t) => {
  const [, url = ''] = /"url":"(http:[^"]+)\/metrics"/.exec(server.output()) ?? []
  const { text, headers } = await ask(url, '/metrics')
  t.match(headers['content-type'], /^text\/plain; version=0\.0\.4/)
  const shown = new Set([...text.matchAll(/^# TYPE versioncheck_(\w+) /gm)].map(([, name]) => name))
  const operations = readFileSync(join(root, 'docs', 'operations.md'), 'utf8')
  const table = operations.slice(operations.indexOf('## Metrics'), operations.indexOf('Worth an alarm'))
  const documented = new Set(
    [...table.matchAll(/^\| (`[^|]+`[^|]*)\|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`(\w+)(?:\{[\w,]+\})?`/g)].map(([, name]) => name),
    ),
  )
  t.strictSame(shown, documented)
})

t.test('nothing else is at that port, and it is refused where it is taken', async (t) => {
  const [, url = ''] = /"url":"(http:[^"]+)\/metrics"/.exec(server.output()) ?? []
  t.equal((await ask(url, '/')).status, 404)
  t.equal((await ask(url, '/metrics', { method: 'POST' })).status, 404)
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  t.teardown(() => taken.close())
  const { port } = taken.address() as { port: number }
  await t.rejects(startServer(t, { METRICS_PORT: String(port) }), /METRICS_PORT \d+ can't be used/)
})
