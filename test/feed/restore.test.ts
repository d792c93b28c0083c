/**
 * A dump is restored: what happened between is undone, and its numbers are given again to other changes. Nothing of it may show,
 * wherever it was kept: in a worker's memory, in memcached, in a snapshot.
 */

import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { createEditor } from '../../service/catalogue/index.ts'
import { metricsOf } from '../faults/watch.ts'
import { type Observation, observe, startClients, until } from '../harness/clients.ts'
import { openCatalog, snapshotFolderOf, startDatabases } from '../harness/databases.ts'
import { lineWith, mergeLines, setFileStatus } from '../harness/edits.ts'
import { startMemcached } from '../harness/memcached.ts'
import { type ServerProcess, startServer } from '../harness/server.ts'
import { makeFolder } from '../harness/stack.ts'

const WITHDRAWN = 'withdrawn@restore.test'
const PUBLISHED = 'published@restore.test'
const CREATED = 'created@restore.test'
const LATER = 'later@restore.test'

/** What is served when: before the dump and after it was restored; in what is undone; and after later edits. */
type State = ReadonlyMap<string, string | undefined>
const DUMPED: State = new Map([
  [WITHDRAWN, '2.0'],
  [PUBLISHED, '1.0'],
  [CREATED, undefined],
  [LATER, '1.0'],
])
const UNDONE: State = new Map([
  [WITHDRAWN, '1.0'],
  [PUBLISHED, '6.6.6'],
  [CREATED, '6.6.6'],
  [LATER, '1.0'],
])
const EDITED: State = new Map([...DUMPED, [LATER, '2.0']])
const GUIDS = [...DUMPED.keys()]

const [databases, memcached, folder] = await Promise.all([
  startDatabases(t, { replicas: 1 }),
  startMemcached(t),
  makeFolder(t),
])
const primary = await openCatalog(databases)
t.teardown(() => primary.close())
const editor = createEditor({ primary, actor: 'test' })
await mergeLines(editor, [lineWith(WITHDRAWN, '1.0', '2.0'), lineWith(PUBLISHED, '1.0'), lineWith(LATER, '1.0')])

/** With a folder of its own, in which it finds at its next start what it kept. */
function start(name: string, more: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
  return startServer(t, {
    ...databases.environment,
    SITE_URL: 'https://addons.restore.test',
    METRICS_PORT: '0',
    LOG_LEVEL: 'info',
    DATA_DIR: join(folder, name),
    ...more,
  })
}

async function shows(server: ServerProcess, state: State): Promise<boolean> {
  const seen = await Promise.all(GUIDS.map((guid) => observe(server.url, guid)))
  return seen.every(({ guid, status, version }) => status === 200 && version === state.get(guid))
}

/** What was answered and belongs to none of these states. */
function strangers(seen: readonly Observation[], states: readonly State[]) {
  return seen
    .filter(({ status, guid, version }) => status === 200 && states.every((state) => state.get(guid) !== version))
    .map(({ guid, text, cacheStatus }) => ({ guid, text, cacheStatus }))
}

async function position(): Promise<{ counter: number; token: string }> {
  const [row] = await databases.primary.rows('SELECT value, token FROM change_counter')
  return { counter: Number(row?.value), token: String(row?.token) }
}

t.test('a dump is restored, and edits take the numbers of those that it undid', async (t) => {
  const whole = await start('whole')
  const bare = await start('bare', { MEMORY_CACHE: 'off', MEMCACHED_SERVERS: memcached.address })
  const [stopped, late, hung] = [await start('stopped'), await start('late'), await start('hung')]
  const all = [whole, bare, stopped, late, hung]
  for (const server of all) await until('all begin with the same', () => shows(server, DUMPED))
  const dump = await databases.dump()
  const dumped = await position()

  await setFileStatus(editor, WITHDRAWN, '2.0', 'disabled')
  await mergeLines(editor, [lineWith(PUBLISHED, '6.6.6')])
  await mergeLines(editor, [lineWith(CREATED, '6.6.6')])
  for (const server of all) await until('all show what will be undone', () => shows(server, UNDONE))
  const undone = await position()
  for (const server of [stopped, late]) {
    const metrics = metricsOf(server)
    await until('a snapshot has it', async () => (await metrics()).value('snapshot_age_seconds') !== undefined)
    await server.stop()
  }
  process.kill(hung.pid, 'SIGSTOP')
  t.teardown(() => process.kill(hung.pid, 'SIGCONT'))

  await databases.restore(dump)
  t.strictSame(await position(), dumped, 'the counter is where it was')
  const lateAgain = await start('late')
  const running = [whole, bare, lateAgain]
  for (const server of running) await until('what was restored shows', () => shows(server, DUMPED))

  const clients = running.map(({ url }) => startClients(url, GUIDS))
  t.teardown(() => Promise.all(clients.map((each) => each.stop())))
  for (const version of ['1.1', '1.2', '1.3', '2.0']) await mergeLines(editor, [lineWith(LATER, version)])
  const edited = await position()
  t.ok(edited.counter > undone.counter, 'the same numbers were given again, and more')
  const [again] = await databases.primary.rows('SELECT token FROM changes WHERE number = ?', [undone.counter])
  t.not(String(again?.token), undone.token, 'to others')

  process.kill(hung.pid, 'SIGCONT')
  const started = await start('stopped')
  for (const server of [...running, hung, started]) await until('the edits show', () => shows(server, EDITED))
  for (const each of clients) {
    const seen = await each.stop()
    const steps = ['1.1', '1.2', '1.3'].map((version): State => new Map([[LATER, version]]))
    t.strictSame(strangers(seen, [DUMPED, EDITED, ...steps]), [], `${seen.length} answers, nothing of what was undone`)
  }

  // Nor does it come back from a folder, where that is all there is.
  const kept = [whole, lateAgain, started]
  for (const { dataDir } of kept) {
    await until('a snapshot lies there', () =>
      readdirSync(snapshotFolderOf({ ...databases.environment, DATA_DIR: dataDir })).some((name) =>
        name.endsWith('.snapshot'),
      ),
    )
  }
  await Promise.all([...databases.replicas, databases.primary].map((server) => server.kill()))
  for (const { dataDir, stop } of kept) {
    await stop('SIGKILL')
    const restarted = await start(basename(dataDir))
    for (const guid of [WITHDRAWN, PUBLISHED, LATER]) {
      const { version } = await observe(restarted.url, guid)
      t.equal(version, EDITED.get(guid), `${guid} after a restart of "${basename(dataDir)}"`)
    }
    t.equal((await observe(restarted.url, CREATED)).status, 503, 'nobody knows what was undone')
    await restarted.stop()
  }
})
