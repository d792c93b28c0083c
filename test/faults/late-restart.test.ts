/** A worker that is killed, and starts where only a replica is left that is late: what the host knew to be withdrawn stays so. */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createEditor } from '../../service/catalogue/index.ts'
import { observe, until } from '../harness/clients.ts'
import { openCatalog, type Replica, snapshotFolderOf, startDatabases } from '../harness/databases.ts'
import { lineWith, mergeLines, setFileStatus } from '../harness/edits.ts'
import { ask } from '../harness/http.ts'
import { dropMarks } from '../harness/journals.ts'
import { runCatalog, type ServerProcess, startServer } from '../harness/server.ts'
import { makeFolder } from '../harness/stack.ts'
import { makeXpi } from '../harness/xpi.ts'
import { metricsOf } from './watch.ts'

const GONE = 'gone@late.test'
const STAYS = 'stays@late.test'
const NEWER = 'newer@late.test'
const STATEMENTS_A_SECOND_MAX = 60

const databases = await startDatabases(t, { replicas: 2 })
const folder = await makeFolder(t)
const environment = {
  ...databases.environment,
  DATA_DIR: join(folder, 'data'),
  SITE_URL: 'https://addons.late.test',
  METRICS_PORT: '0',
  LOG_LEVEL: 'info',
}
const snapshots = snapshotFolderOf(environment)
const primary = await openCatalog(databases)
t.teardown(() => primary.close())
const editor = createEditor({ primary, actor: 'test' })
for (const id of [GONE, STAYS]) {
  const { code, stderr } = await runCatalog(
    ['version', 'add', id, await makeXpi(folder, { id, version: '1.0' })],
    environment,
  )
  if (code !== 0) throw new Error(stderr)
}
await mergeLines(editor, [lineWith(NEWER, '1.0')])
await databases.settle()

async function counter(): Promise<number> {
  const [row] = await primary.rows('SELECT value FROM change_counter')
  return Number(row?.value)
}

async function linkOf({ url }: ServerProcess, guid: string): Promise<string> {
  const { text } = await observe(url, guid)
  return new URL(JSON.parse(text).addons[guid].updates[0].update_link).pathname
}

async function statementsOf(replica: Replica): Promise<number> {
  const [row] = await replica.rows("SHOW GLOBAL STATUS LIKE 'Questions'")
  return Number(row?.Value)
}

t.test('what was withdrawn is offered by nobody, and its file is refused', async (t) => {
  const first = await startServer(t, environment)
  // One that keeps nothing, but knows what the feed has told it.
  const bare = await startServer(t, { ...environment, MEMORY_CACHE: 'off', DATA_DIR: join(folder, 'bare') })
  const metrics = metricsOf(first)
  await until('all is held', async () => (await metrics()).value('tier_complete', 'memory') === 1)
  await until('a snapshot lies there', () => readdirSync(snapshots).some((name) => name.endsWith('.snapshot')))
  const reading = await metrics()
  const isFollowed = ({ port }: Replica) => reading.value('replica_followed', `127.0.0.1:${port}/versioncheck`) === 1
  const followed = databases.replicas.find(isFollowed) as Replica
  const late = databases.replicas.find((replica) => replica !== followed) as Replica
  const links = { gone: await linkOf(first, GONE), stays: await linkOf(first, STAYS) }

  const before = await counter()
  await mergeLines(editor, [lineWith(NEWER, '1.0', '2.0')])
  await databases.settle()
  await late.stopReplicating()
  await setFileStatus(editor, GONE, '1.0', 'disabled')
  for (const { url } of [first, bare]) {
    await until('it is withdrawn', async () => (await observe(url, GONE)).version === undefined)
  }
  await first.stop('SIGKILL')
  await followed.kill()
  // So the late one is ahead of where the next worker begins, and behind what it knows.
  dropMarks(snapshots, before)
  const again = await startServer(t, environment)
  for (const server of [again, bare]) {
    for (let turn = 0; turn < 20; turn++) {
      const { version, status, text } = await observe(server.url, GONE)
      if (version !== undefined) t.fail(`it is offered: ${status} ${text}`)
      const file = await ask(server.url, links.gone)
      if (file.status === 200) t.fail('its file is handed out')
    }
  }
  const stays = await observe(again.url, STAYS)
  t.equal(stays.version, '1.0')
  t.match(stays.cacheStatus, /; detail=memory; stale$/)
  const file = await ask(again.url, links.stays)
  t.equal(file.status, 200)
  t.match(file.headers['cache-status'], /; stale$/)
  await until('what the late one has is taken', async () => (await observe(again.url, NEWER)).version === '2.0')
  const asked = await statementsOf(late)
  await sleep(2_000)
  const aSecond = ((await statementsOf(late)) - asked) / 2
  t.ok(aSecond < STATEMENTS_A_SECOND_MAX, `it is asked ${aSecond} times a second`)

  await late.startReplicating()
  await until(
    'all is well',
    async () => (await observe(again.url, STAYS)).cacheStatus === 'versioncheck; hit; detail=memory',
  )
  t.equal((await observe(again.url, GONE)).version, undefined)
  await followed.start()
})
