/** What a host that nobody edits and nobody asks costs the database it reads: fewer than 20 statements a second, all workers together. */

import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createEditor } from '../../service/catalogue/index.ts'
import { FEED_IDLE_AFTER_MS } from '../../service/limits.ts'
import { metricsOf } from '../faults/watch.ts'
import { observe, until } from '../harness/clients.ts'
import { type DatabaseServer, openCatalog, type Replica, startDatabases } from '../harness/databases.ts'
import { lineWith, mergeLines } from '../harness/edits.ts'
import { type ServerProcess, startServer } from '../harness/server.ts'

const GUID = 'idle@feed.test'
const STATEMENTS_A_SECOND_MAX = 20
const SECONDS = 4

const databases = await startDatabases(t, { replicas: 1 })
const primary = await openCatalog(databases)
t.teardown(() => primary.close())
const editor = createEditor({ primary, actor: 'test' })
await mergeLines(editor, [lineWith(GUID, '1.0')])
await databases.settle()

/** Statements that clients have sent to a server, this question not counted twice. */
async function statementsOf(server: DatabaseServer): Promise<number> {
  const [row] = await server.rows("SHOW GLOBAL STATUS LIKE 'Questions'")
  return Number(row?.Value)
}

async function judge(t: Test, servers: readonly ServerProcess[], read: DatabaseServer): Promise<void> {
  for (const server of servers) {
    const metrics = metricsOf(server)
    await until('all is held', async () => (await metrics()).value('tier_complete', 'memory') === 1)
  }
  const begun = performance.now()
  const before = await statementsOf(read)
  await sleep(SECONDS * 1_000)
  const asked = (await statementsOf(read)) - before - 1
  const aSecond = asked / ((performance.now() - begun) / 1_000)
  t.ok(aSecond < STATEMENTS_A_SECOND_MAX, `${aSecond.toFixed(1)} statements a second`)
  t.ok(aSecond > 1, 'it is in touch')
}

const { DATABASE_URL } = databases.environment
const [replica] = databases.replicas as [Replica]
for (const { what, workers, environment, read, version } of [
  { what: 'a replica', workers: 3, environment: databases.environment, read: replica, version: '2.0' },
  { what: 'the primary', workers: 2, environment: { DATABASE_URL }, read: databases.primary, version: '3.0' },
]) {
  t.test(`${workers} workers that read ${what}`, async (t) => {
    const more = { ...environment, METRICS_PORT: '0', LOG_LEVEL: 'info' }
    const servers = await Promise.all(Array.from({ length: workers }, () => startServer(t, more)))
    await judge(t, servers, read)
    await mergeLines(editor, [lineWith(GUID, version)])
    for (const { url } of servers)
      await until('an edit arrives', async () => (await observe(url, GUID)).version === version)
    await sleep(FEED_IDLE_AFTER_MS)
    await judge(t, servers, read)
    for (const server of servers) await server.stop()
  })
}
