/** What a worker counts of itself: true, and as the documentation says. */

import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { metricsOf } from '../faults/watch.ts'
import { until } from '../harness/clients.ts'
import { type Replica, startDatabases } from '../harness/databases.ts'
import { ask, check } from '../harness/http.ts'
import { startMemcached } from '../harness/memcached.ts'
import { root, runCatalog, startServer } from '../harness/server.ts'
import { makeFolder } from '../harness/stack.ts'

const databases = await startDatabases(t, { replicas: 2 })
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
const nameOf = ({ port }: { readonly port: number }) => `127.0.0.1:${port}/versioncheck`
const names = databases.replicas.map(nameOf)
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
  // Its first heartbeat may not have come yet, and on a busy machine it may have been silent for a moment.
  let followed: string | undefined
  await until('a replica is followed, and not late', async () => {
    const now = await metrics()
    followed = names.find((name) => now.value('replica_followed', name) === 1)
    if (followed === undefined) return false
    const lagS = now.value('replica_lag_seconds', followed) ?? Number.NaN
    return now.value('feed_silent_seconds') === 0 && lagS < 30
  })
  t.ok((after.value('replica_queries_total', followed) ?? 0) > 0)
})

t.test('lag is told of each replica, also of one that nobody follows; of none that is away', async (t) => {
  const now = await metrics()
  const other = databases.replicas.find(({ port }) => now.value('replica_followed', nameOf({ port })) !== 1) as Replica
  await until('both tell', async () => {
    const reading = await metrics()
    return names.every((name) => reading.value('replica_lag_seconds', name) !== undefined)
  })
  await other.stopReplicating()
  const stoppedAt = performance.now()
  await sleep(2_500)
  const lagS = (await metrics()).value('replica_lag_seconds', nameOf(other)) ?? Number.NaN
  const atMost = (performance.now() - stoppedAt) / 1_000 + 1.5
  t.ok(lagS >= 2 && lagS < atMost, `${lagS} s`)
  await other.kill()
  t.equal((await metrics()).value('replica_lag_seconds', nameOf(other)), undefined)
  await other.start()
  await other.startReplicating()
  await until('it tells again', async () => ((await metrics()).value('replica_lag_seconds', nameOf(other)) ?? 9) < 2)
})

t.test('with all held, a guid that nobody knows costs no query', async (t) => {
  const queries = async () => {
    const now = await metrics()
    return names.reduce((sum, name) => sum + (now.value('replica_queries_total', name) ?? 0), 0)
  }
  await until('all is held, and nothing under way', async () => (await metrics()).value('refreshing') === 0)
  const before = await queries()
  for (let number = 0; number < 100; number++) {
    const { status, text } = await check(server.url, `nobody-${number}@x`)
    if (status !== 200 || text !== '{}') t.fail(`${status} ${text}`)
  }
  // Each reading of the metrics asks the replica that isn't followed how late it is.
  t.equal((await queries()) - before, 1)
})

t.test('batches of statements and of questions to memcached are told of by their sizes and their waits', async (t) => {
  // Of its own prefix: nobody has put anything there.
  const cold = await startServer(t, {
    ...environment,
    MEMORY_CACHE: 'off',
    MEMCACHED_SERVERS: memcached.address,
    CACHE_PREFIX: 'cold',
    METRICS_PORT: '0',
    LOG_LEVEL: 'info',
  })
  const coldMetrics = metricsOf(cold)
  const before = await coldMetrics()
  await Promise.all(['a@x', 'b@x', 'nobody@x'].map((guid) => check(cold.url, guid)))
  const after = await coldMetrics()
  for (const batch of ['batch', 'memcached_batch']) {
    const rise = (name: string) => (after.value(`${batch}_${name}`) ?? 0) - (before.value(`${batch}_${name}`) ?? 0)
    t.equal(rise('size_sum'), 3, `${batch}: add-ons`)
    t.ok(rise('size_count') >= 1 && rise('size_count') <= 3)
    t.equal(rise('wait_seconds_count'), rise('size_count'))
    t.ok(rise('wait_seconds_sum') > 0 && rise('wait_seconds_sum') < 1)
  }
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
