/** What a server that nobody edits and nobody asks costs the database it reads: fewer than 20 statements a second. */

import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createEditor } from '../../service/catalogue/index.ts'
import { metricsOf } from '../faults/watch.ts'
import { observe, until } from '../harness/clients.ts'
import { type DatabaseServer, openCatalog, type Replica, startDatabases } from '../harness/databases.ts'
import { lineWith, mergeLines } from '../harness/edits.ts'
import { type ServerProcess, startServer } from '../harness/server.ts'

const GUID = 'idle@feed.test'
const STATEMENTS_A_SECOND_MAX = 20
const SECONDS = 5

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

async function judge(t: Test, server: ServerProcess, read: DatabaseServer): Promise<void> {
  const metrics = metricsOf(server)
  await until('all is held', async () => (await metrics()).value('tier_complete', 'memory') === 1)
  const begun = performance.now()
  const before = await statementsOf(read)
  await sleep(SECONDS * 1_000)
  const asked = (await statementsOf(read)) - before - 1
  const aSecond = asked / ((performance.now() - begun) / 1_000)
  t.ok(aSecond < STATEMENTS_A_SECOND_MAX, `${aSecond.toFixed(1)} statements a second`)
  t.ok(aSecond > 1, 'it is in touch')
}

t.test('a worker on a replica', async (t) => {
  const server = await startServer(t, { ...databases.environment, METRICS_PORT: '0', LOG_LEVEL: 'info' })
  const [replica] = databases.replicas as [Replica]
  await judge(t, server, replica)
  await mergeLines(editor, [lineWith(GUID, '2.0')])
  await until('an edit arrives', async () => (await observe(server.url, GUID)).version === '2.0')
  await judge(t, server, replica)
  await server.stop()
})

t.test('a worker that reads the primary', async (t) => {
  const { DATABASE_URL } = databases.environment
  const server = await startServer(t, { DATABASE_URL, METRICS_PORT: '0', LOG_LEVEL: 'info' })
  await judge(t, server, databases.primary)
  await mergeLines(editor, [lineWith(GUID, '3.0')])
  await until('an edit arrives', async () => (await observe(server.url, GUID)).version === '3.0')
  await judge(t, server, databases.primary)
  await server.stop()
})
