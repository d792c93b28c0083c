/** Restarts while no database can be asked: what a worker kept is served, what was withdrawn stays so, what is damaged is refused. */

import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { FileStatus } from '../../service/addon/index.ts'
import { createEditor } from '../../service/catalogue/index.ts'
import { observe, startClients, until } from '../harness/clients.ts'
import { openCatalog, snapshotFolderOf, startDatabases } from '../harness/databases.ts'
import { setFileStatus } from '../harness/edits.ts'
import { ask } from '../harness/http.ts'
import { cutAfterFirstChange, dropMarks } from '../harness/journals.ts'
import { startMemcached } from '../harness/memcached.ts'
import { runCatalog, type ServerProcess, startServer } from '../harness/server.ts'
import { makeFolder } from '../harness/stack.ts'
import { makeXpi } from '../harness/xpi.ts'
import { metricsOf } from './watch.ts'

const GUID = 'restart@faults.test'
const OTHER = 'other@faults.test'
const SITE_URL = 'https://addons.faults.test'

const databases = await startDatabases(t, { replicas: 1 })
const folder = await makeFolder(t)
const environment = {
  ...databases.environment,
  DATA_DIR: join(folder, 'data'),
  SITE_URL,
  METRICS_PORT: '0',
  LOG_LEVEL: 'info',
}
const snapshots = snapshotFolderOf(environment)

for (const id of [GUID, OTHER]) {
  for (const version of ['1.0', '2.0']) {
    await catalog('version', 'add', id, await makeXpi(folder, { id, version }))
  }
}
const fileIds = new Map(
  (
    await databases.primary.rows(
      'SELECT v.version, f.id FROM files AS f JOIN versions AS v ON v.id = f.version_id WHERE v.addon_id = 1',
    )
  ).map(({ version, id }) => [version as string, id as number]),
)

async function catalog(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await runCatalog([...args, '--yes'], environment)
  if (code !== 0) throw new Error(`catalog ${args.join(' ')} ended with ${code}: ${stderr}`)
}

function download(server: ServerProcess, version: string) {
  return ask(server.url, `/firefox/downloads/file/${fileIds.get(version)}/x.xpi`)
}

/** On a connection of its own: the one of before may not have survived. */
async function editFile(guid: string, version: string, status: FileStatus): Promise<void> {
  const primary = await openCatalog(databases)
  await setFileStatus(createEditor({ primary, actor: 'test' }), guid, version, status).finally(primary.close)
}

/** Starts a worker and waits until it holds, and keeps, all there is. */
async function startWhole(test: Pick<Test, 'teardown'>, more: Record<string, string> = {}): Promise<ServerProcess> {
  const server = await startServer(test, { ...environment, ...more })
  const metrics = metricsOf(server)
  await until('all is held', async () => (await metrics()).value('tier_complete', 'memory') === 1)
  await until('a snapshot lies there', () => snapshotFiles().length > 0)
  return server
}

function snapshotFiles(): string[] {
  return readdirSync(snapshots)
    .filter((name) => name.endsWith('.snapshot'))
    .map((name) => join(snapshots, name))
}

/** What the servers do for the length of the work. */
async function withoutDatabases(work: () => Promise<void>): Promise<void> {
  await databases.primary.kill()
  await databases.replicas[0]?.kill()
  try {
    await work()
  } finally {
    await databases.primary.start()
    await databases.replicas[0]?.start()
    await databases.settle()
  }
}

t.test('a worker that was killed serves what it held, marked stale, and heals', async (t) => {
  const before = await startWhole(t)
  const wanted = await observe(before.url, GUID)
  t.equal(wanted.version, '2.0')
  await before.stop('SIGKILL')
  let after: ServerProcess | undefined
  await withoutDatabases(async () => {
    const begun = Date.now()
    after = await startServer(t, environment)
    t.ok(Date.now() - begun < 5_000, `ready after ${Date.now() - begun} ms`)
    const seen = await observe(after.url, GUID)
    t.equal(seen.status, 200)
    t.equal(seen.text, wanted.text, 'byte for byte')
    t.equal(seen.headers.etag, wanted.headers.etag)
    t.match(seen.cacheStatus, /^versioncheck; hit; ttl=-\d+; detail=memory; stale$/)
    t.equal((await download(after, '2.0')).status, 200, 'its download works')
    t.equal((await observe(after.url, 'nobody@faults.test')).status, 503)
    t.equal((await ask(after.url, '/__heartbeat__')).status, 200)
  })
  await until(
    'it heals',
    async () => !(await observe((after as ServerProcess).url, GUID)).cacheStatus.includes('stale'),
  )
})

t.test('a version that was withdrawn stays withdrawn through restarts and outages, its file too', async (t) => {
  let server = await startWhole(t)
  t.equal((await download(server, '2.0')).status, 200)
  await editFile(GUID, '2.0', 'disabled')
  await until('it is withdrawn', async () => (await observe(server.url, GUID)).version === '1.0')
  t.equal((await download(server, '2.0')).status, 404)
  await withoutDatabases(async () => {
    for (const signal of ['SIGKILL', 'SIGKILL', 'SIGTERM'] as const) {
      await server.stop(signal)
      server = await startServer(t, environment)
      t.equal((await observe(server.url, GUID)).version, '1.0', `after ${signal}`)
      t.equal((await observe(server.url, OTHER)).version, '2.0')
      t.equal((await download(server, '1.0')).status, 200)
      t.not((await download(server, '2.0')).status, 200, 'its file is refused')
    }
  })
  await editFile(GUID, '2.0', 'approved')
  await until('it is offered again', async () => (await observe(server.url, GUID)).version === '2.0')
})

t.test('add-ons that were withdrawn, in whatever way, stay withdrawn, with memcached too', async (t) => {
  const memcached = await startMemcached(t)
  const more = { ...environment, MEMCACHED_SERVERS: memcached.address }
  // Of two hosts: one holds all add-ons, the other none, and so has its answers from memcached.
  const forgetful = { ...more, MEMORY_CACHE: 'off', DATA_DIR: join(folder, 'forgetful') }
  const withdrawals = {
    'disabled@faults.test': ['addon', 'disable', 'disabled@faults.test'],
    'deleted@faults.test': ['addon', 'set-status', 'deleted@faults.test', 'deleted'],
    // A hard block disables the file.
    'blocked@faults.test': ['version', 'disable', 'blocked@faults.test', '1.0'],
  }
  const guids = Object.keys(withdrawals)
  for (const id of guids) await catalog('version', 'add', id, await makeXpi(folder, { id, version: '1.0' }))
  const links = new Map<string, string>()
  let whole = await startWhole(t, more)
  let other = await startServer(t, forgetful)
  for (const guid of guids) {
    await until('it is offered', async () => (await observe(whole.url, guid)).version === '1.0')
    await until('memcached has it', async () => (await observe(other.url, guid)).cacheStatus.endsWith('memcached'))
    const { text } = await observe(whole.url, guid)
    links.set(guid, new URL(JSON.parse(text).addons[guid].updates[0].update_link).pathname)
  }
  const kept = await memcached.values()
  const [counter] = await databases.primary.rows('SELECT value FROM change_counter')
  const judge = async (server: ServerProcess, when: string) => {
    for (const guid of guids) {
      const { version, status, text, cacheStatus } = await observe(server.url, guid)
      if (version !== undefined) t.fail(`${guid} is offered ${when}: ${status} ${cacheStatus} ${text}`)
      const file = await ask(server.url, links.get(guid) as string)
      if (file.status === 200) t.fail(`the file of ${guid} is handed out ${when}`)
    }
  }
  for (const command of Object.values(withdrawals)) await catalog(...command)
  for (const { url } of [whole, other]) {
    for (const guid of guids)
      await until('it is withdrawn', async () => (await observe(url, guid)).version === undefined)
  }
  for (const guid of guids) t.equal((await ask(whole.url, links.get(guid) as string)).status, 404, 'its file, at once')
  await whole.stop('SIGKILL')
  // As where it was killed between the changes and the mark that says how far they go.
  dropMarks(snapshots, Number(counter?.value))
  // memcached has the old answers again, as where a host that was cut off has written them late.
  for (const [key, value] of kept) await memcached.set(key, value)
  await withoutDatabases(async () => {
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      whole = await startServer(t, more)
      t.equal((await observe(whole.url, OTHER)).version, '2.0', 'others are offered')
      await judge(whole, `without a database, before ${signal}`)
      await judge(other, 'without a database')
      await whole.stop(signal)
    }
  })
  await other.stop('SIGKILL')
  for (const [key, value] of kept) await memcached.set(key, value)
  whole = await startServer(t, more)
  other = await startServer(t, forgetful)
  for (const server of [whole, other]) {
    for (let turn = 0; turn < 20; turn++) await judge(server, 'with all of it back')
  }
  t.ok(kept.size >= guids.length, `${kept.size} old answers lay in memcached`)
})

t.test(
  'a worker that throws where nobody catches ends in order; others go on, and it starts with what it had',
  async (t) => {
    // Loaded before its own code: at SIGUSR2 it throws.
    const thrower = "process.on('SIGUSR2', () => setImmediate(() => { throw new Error('thrown on purpose') }))"
    const throwing = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(thrower)}` }
    const broken = await startWhole(t, throwing)
    const sound = await startWhole(t, { DATA_DIR: join(folder, 'sound') })
    const clients = [broken, sound].map(({ url }) => startClients(url, [GUID, OTHER], 5))
    await sleep(200)
    process.kill(broken.pid, 'SIGUSR2')
    t.equal(await broken.ended, 1, 'its exit code')
    t.match(broken.output(), /"level":60,.*thrown on purpose/, 'the log says why')
    await withoutDatabases(async () => {
      const again = await startServer(t, environment)
      t.equal((await observe(again.url, GUID)).version, '2.0', 'the next one serves what it held')
      await again.stop()
    })
    const [ofBroken = [], ofSound = []] = await Promise.all(clients.map((each) => each.stop()))
    t.strictSame(new Set(ofBroken.map(({ status }) => status)), new Set([200, 0]), 'its clients lose connections')
    t.strictSame(new Set(ofSound.map(({ status, version }) => `${status} ${version}`)), new Set(['200 2.0']))
    await sound.stop()
  },
)

t.test('what is known to have changed, but could not be read, is not offered', async (t) => {
  let server = await startWhole(t)
  await editFile(GUID, '2.0', 'disabled')
  await until('it is withdrawn', async () => (await observe(server.url, GUID)).version === '1.0')
  await server.stop('SIGKILL')
  // A journal that says so, and no entry of the new state: what a kill between the two leaves.
  cutAfterFirstChange(snapshots)
  await withoutDatabases(async () => {
    server = await startServer(t, environment)
    const seen = await observe(server.url, GUID)
    t.equal(seen.status, 200)
    t.equal(seen.version, undefined, 'no update is offered')
    t.match(seen.headers, { 'cache-control': 'no-store' })
    t.not((await download(server, '2.0')).status, 200)
    t.equal((await observe(server.url, OTHER)).version, '2.0', 'others are')
  })
  await until('it is read', async () => (await observe(server.url, GUID)).version === '1.0')
  await editFile(GUID, '2.0', 'approved')
  await until('it is offered again', async () => (await observe(server.url, GUID)).version === '2.0')
})

t.test('a damaged snapshot is refused, and the one before it served', async (t) => {
  rmSync(snapshots, { recursive: true })
  let server = await startWhole(t)
  await until('two snapshots lie there', () => snapshotFiles().length === 2, 30_000)
  const [older, newer] = snapshotFiles().sort() as [string, string]
  await editFile(OTHER, '2.0', 'disabled')
  await until('it is withdrawn', async () => (await observe(server.url, OTHER)).version === '1.0')
  await server.stop()
  for (const where of ['its middle', 'its head', 'its end']) {
    const whole = readFileSync(newer)
    const damaged = Buffer.from(whole)
    const at = where === 'its head' ? 20 : where === 'its end' ? whole.length - 5 : Math.floor(whole.length / 2)
    damaged[at] = (damaged[at] as number) ^ 1
    writeFileSync(newer, damaged)
    await withoutDatabases(async () => {
      server = await startServer(t, environment)
      t.match(server.output(), /a snapshot is refused/, `a bit in ${where}`)
      t.equal((await observe(server.url, GUID)).version, '2.0')
      t.equal((await observe(server.url, OTHER)).version, '1.0', 'the journal has what came after the older one')
    })
    await server.stop()
    rmSync(`${newer}.refused`, { force: true })
    writeFileSync(newer, whole)
  }
  t.ok(statSync(older).size > 0)
  await editFile(OTHER, '2.0', 'approved')
})

t.test('a snapshot older than SNAPSHOT_AGE_MAX offers no updates', async (t) => {
  let server = await startWhole(t)
  await server.stop()
  await withoutDatabases(async () => {
    await sleep(3_000)
    server = await startServer(t, { ...environment, SNAPSHOT_AGE_MAX: '2' })
    const seen = await observe(server.url, GUID)
    t.equal(seen.status, 200)
    t.equal(seen.text, `{"addons": {"${GUID}": {"updates": []}}}`)
    t.match(seen.headers, { 'cache-control': 'no-store' })
    t.equal((await download(server, '2.0')).status, 503)
    t.equal((await ask(server.url, '/__heartbeat__')).status, 503)
  })
  await until('it offers them again', async () => (await observe(server.url, GUID)).version === '2.0')
})
