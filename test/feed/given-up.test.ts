/**
 * A dump is restored on the primary, and one of two replicas doesn't follow: it still has what was undone, and higher numbers than
 * anybody else. It answers quickly, the other one slowly. Nothing of it may show.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createEditor } from '../../service/catalogue/index.ts'
import { connect, execute } from '../../service/database/connection.ts'
import { metricsOf } from '../faults/watch.ts'
import { observe, startClients, until } from '../harness/clients.ts'
import { openCatalog, type Replica, startDatabases } from '../harness/databases.ts'
import { lineWith, mergeLines, setFileStatus } from '../harness/edits.ts'
import { startServer } from '../harness/server.ts'

const WITHDRAWN = 'withdrawn@given-up.test'
const PUBLISHED = 'published@given-up.test'
const GUIDS = [WITHDRAWN, PUBLISHED]

const databases = await startDatabases(t, { replicas: 2 })
const [followed, leftBehind] = databases.replicas as [Replica, Replica]
const primary = await openCatalog(databases)
t.teardown(() => primary.close())
const editor = createEditor({ primary, actor: 'test' })

/** One that must ask for each check, and one that holds all it can. */
function start(environment: Readonly<Record<string, string>>) {
  return startServer(t, {
    ...databases.environment,
    SITE_URL: 'https://addons.given-up.test',
    METRICS_PORT: '0',
    LOG_LEVEL: 'info',
    ...environment,
  })
}

async function versionAt(url: string, guid: string): Promise<string> {
  return (await observe(url, guid)).version ?? 'none'
}

t.test('a replica that still has what was undone is not asked, and what is on its way is not believed', async (t) => {
  await mergeLines(editor, [lineWith(WITHDRAWN, '1.0', '2.0'), lineWith(PUBLISHED, '1.0')])
  await databases.settle()
  const dump = await databases.dump()
  await setFileStatus(editor, WITHDRAWN, '2.0', 'disabled')
  for (const version of ['6.6.5', '6.6.6']) await mergeLines(editor, [lineWith(PUBLISHED, version)])
  await databases.settle()
  const [bare, whole] = await Promise.all([start({ MEMORY_CACHE: 'off' }), start({})])
  const versionsOf = async (url: string) => await Promise.all(GUIDS.map((guid) => versionAt(url, guid)))
  for (const { url } of [bare, whole])
    await until('all show what will be undone', async () => (await versionsOf(url)).join() === '1.0,6.6.6')

  await leftBehind.stopReplicating()
  await databases.restore(dump)
  await databases.settle([followed])
  for (const { url } of [bare, whole])
    await until('what was restored shows', async () => (await versionsOf(url)).join() === '2.0,1.0')

  const clients = [bare, whole].map(({ url }) => startClients(url, GUIDS))
  t.teardown(() => Promise.all(clients.map((each) => each.stop())))
  // Whoever asks goes on to the next replica; the feed reads other tables.
  const lock = await connect(followed.endpoint, { connectMs: 1_000 })
  t.teardown(() => lock.destroy())
  const run = (statement: string) => execute(lock, statement, [], { deadlineMs: 5_000 })
  await run('LOCK TABLES candidates WRITE')
  await sleep(2_000)
  const metrics = metricsOf(bare)
  const name = `127.0.0.1:${leftBehind.port}/versioncheck`
  await until(
    'it was asked, and not believed',
    async () => ((await metrics()).value('replica_foreign_total', name) ?? 0) > 0,
  )
  await run('UNLOCK TABLES')
  await mergeLines(editor, [lineWith(PUBLISHED, '1.1')])
  for (const { url } of [bare, whole])
    await until('edits show', async () => (await versionAt(url, PUBLISHED)) === '1.1', 10_000)
  for (const each of clients) {
    const seen = await each.stop()
    const undone = seen.filter(
      ({ guid, version = '' }) => version.startsWith('6.') || (guid === WITHDRAWN && version === '1.0'),
    )
    t.ok(
      seen.some(({ status }) => status === 200),
      'there were answers',
    )
    t.strictSame(
      undone.map(({ text, cacheStatus }) => ({ text, cacheStatus })),
      [],
      `${seen.length} answers`,
    )
  }
})
