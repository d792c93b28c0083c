/**
 * The primary dies, and a replica that hadn't got everything takes its place: what it lacked is lost, and its numbers are given
 * again to other changes.
 */

import t from 'tap'
import { createEditor } from '../../service/catalogue/index.ts'
import { endpointAs, openPrimary } from '../../service/database/index.ts'
import { metricsOf } from '../faults/watch.ts'
import { observe, startClients, until } from '../harness/clients.ts'
import { openCatalog, type Replica, startDatabases } from '../harness/databases.ts'
import { startDetour } from '../harness/detour.ts'
import { lineWith, mergeLines } from '../harness/edits.ts'
import { startMemcached } from '../harness/memcached.ts'
import { startServer } from '../harness/server.ts'

const LOST = 'lost@promotion.test'
const LATER = 'later@promotion.test'

const [databases, memcached] = await Promise.all([startDatabases(t, { replicas: 2 }), startMemcached(t)])
const [ahead, behind] = databases.replicas as [Replica, Replica]
// Addresses that stay when what lies behind them changes, as names in a DNS do.
const toPrimary = await startDetour(t, databases.primary.port)
const toReplica = await startDetour(t, ahead.port)
const environment = {
  DATABASE_URL: databases.primary.url.replace(`:${databases.primary.port}/`, `:${toPrimary.port}/`),
  SITE_URL: 'https://addons.promotion.test',
  MEMCACHED_SERVERS: memcached.address,
  METRICS_PORT: '0',
  LOG_LEVEL: 'info',
}
const replicaUrl = (port: number) => `mysql://127.0.0.1:${port}/versioncheck`

t.test('what the promoted replica lacked is dropped, and what it takes instead is served', async (t) => {
  const old = await openCatalog(databases)
  const oldEditor = createEditor({ primary: old, actor: 'test' })
  await mergeLines(oldEditor, [lineWith(LOST, '1.0'), lineWith(LATER, '1.0')])
  await databases.settle()
  const moved = await startServer(t, { ...environment, REPLICA_URLS: replicaUrl(toReplica.port) })
  const both = await startServer(t, {
    ...environment,
    REPLICA_URLS: [ahead, behind].map(({ port }) => replicaUrl(port)).join(','),
  })
  const bare = await startServer(t, { ...environment, MEMORY_CACHE: 'off', REPLICA_URLS: replicaUrl(toReplica.port) })
  const only = await startServer(t, { ...environment, MEMORY_CACHE: 'off', REPLICA_URLS: replicaUrl(behind.port) })
  const all = [moved, both, bare, only]
  const versionsOf = (guid: string) =>
    Promise.all(all.map(async ({ url }) => (await observe(url, guid)).version ?? 'none'))
  await until('all begin with the same', async () => (await versionsOf(LOST)).join() === '1.0,1.0,1.0,1.0')

  await behind.stopReplicating()
  await mergeLines(oldEditor, [lineWith(LOST, '6.6.5')])
  await mergeLines(oldEditor, [lineWith(LOST, '6.6.6')])
  await databases.settle([ahead])
  await until('it is served where it is known', async () =>
    (await versionsOf(LOST)).join().startsWith('6.6.6,6.6.6,6.6.6,'),
  )
  const [lost] = await ahead.rows('SELECT value, token FROM change_counter')
  t.equal(
    (await versionsOf(LOST))[3],
    '1.0',
    'not by the worker on the replica that is behind, though memcached has it',
  )

  await old.close()
  await databases.primary.kill()
  await ahead.kill()
  await behind.rows('STOP SLAVE')
  await behind.rows('RESET SLAVE ALL')
  await behind.rows('SET GLOBAL read_only = 0')
  const fresh = await openPrimary(endpointAs(behind.endpoint, 'catalog'))
  t.teardown(() => fresh.close())
  const editor = createEditor({ primary: fresh, actor: 'test' })
  // Before anybody is told, so that the numbers have been given again by the time the workers look.
  for (const version of ['1.1', '1.2', '2.0']) await mergeLines(editor, [lineWith(LATER, version)])
  const [again] = await behind.rows('SELECT token FROM changes WHERE number = ?', [Number(lost?.value)])
  t.ok(again !== undefined && again.token !== lost?.token, 'the number was given again')
  toPrimary.leadTo(behind.port)
  toReplica.leadTo(behind.port)

  await until(
    'what was lost is gone',
    async () => (await versionsOf(LOST)).every((version) => version === '1.0'),
    30_000,
  )
  const clients = all.map(({ url }) => startClients(url, [LOST, LATER]))
  t.teardown(() => Promise.all(clients.map((each) => each.stop())))
  await until('what was edited shows', async () => (await versionsOf(LATER)).every((version) => version === '2.0'))
  await mergeLines(editor, [lineWith(LATER, '3.0')])
  await until('and what is edited now', async () => (await versionsOf(LATER)).every((version) => version === '3.0'))
  for (const each of clients) {
    const seen = (await each.stop()).filter(({ status }) => status === 200)
    t.strictSame(
      seen.filter(({ version = '' }) => version.startsWith('6.')).map(({ text }) => text),
      [],
      `${seen.length} answers, nothing of what was lost`,
    )
  }
  const reading = await metricsOf(both)()
  t.equal(reading.value('replica_followed', `127.0.0.1:${behind.port}/versioncheck`), 1)
})
