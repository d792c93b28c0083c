/** Workers that are killed at any moment, share a folder, or can't write to it. */

import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createEditor } from '../../service/catalogue/index.ts'
import { observe, until } from '../harness/clients.ts'
import { openCatalog, snapshotFolderOf, startDatabases } from '../harness/databases.ts'
import { setFileStatus } from '../harness/edits.ts'
import { runCatalog, type ServerProcess, startServer } from '../harness/server.ts'
import { makeFolder } from '../harness/stack.ts'
import { metricsOf } from './watch.ts'

const ADDONS = 5_000
const KILLS = 6
const GUIDS = Array.from({ length: ADDONS }, (_, index) => `addon-${index}@kills.test`)
/** Withdrawn while nobody runs. */
const WITHDRAWN = GUIDS[7] as string

const databases = await startDatabases(t, { replicas: 1 })
const folder = await makeFolder(t)
// What is kept for a restart is kept for an address.
const environment = {
  ...databases.environment,
  DATA_DIR: join(folder, 'data'),
  SITE_URL: 'https://addons.test',
}
const lines = GUIDS.map((guid) => ({
  guid,
  versions: ['1.0', '2.0'].map((version) => ({ version, compatibility: { firefox: { min: '42.0' } } })),
}))
const { code, stderr } = await runCatalog(
  ['import', '-'],
  environment,
  lines.map((line) => JSON.stringify(line)).join('\n'),
)
if (code !== 0) throw new Error(stderr)
const primary = await openCatalog(databases)
t.teardown(() => primary.close())
const editor = createEditor({ primary, actor: 'test' })

function start(more: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
  return startServer(t, { ...environment, METRICS_PORT: '0', LOG_LEVEL: 'info', ...more })
}

async function isComplete(server: ServerProcess): Promise<boolean> {
  return (await metricsOf(server)()).value('tier_complete', 'memory') === 1
}

t.test(
  `killed ${KILLS} times while it fills its memory and writes it down: what the next one serves is right`,
  async (t) => {
    for (let kill = 0; kill < KILLS; kill++) {
      const server = await start()
      // From the first page to the snapshot and beyond.
      await sleep(kill * 60)
      t.equal((await observe(server.url, GUIDS[kill] as string)).version, '2.0', 'it serves meanwhile')
      await server.stop('SIGKILL')
    }
    await setFileStatus(editor, WITHDRAWN, '2.0', 'disabled')
    await databases.settle()
    const server = await start()
    await until('all is held', () => isComplete(server))
    t.equal((await observe(server.url, WITHDRAWN)).version, '1.0')
    for (let index = 0; index < ADDONS; index += 97) {
      const guid = GUIDS[index] as string
      const { version } = await observe(server.url, guid)
      if (version !== (guid === WITHDRAWN ? '1.0' : '2.0')) t.fail(`${guid} is offered ${version}`)
    }
    t.notOk(
      readdirSync(snapshotFolderOf(environment)).some((name) => name.endsWith('.refused')),
      'no snapshot is half written',
    )
    await server.stop()
  },
)

t.test('two workers share a folder: each starts with what either knew, without a database', async (t) => {
  const [one, other] = await Promise.all([start(), start()])
  await until('both hold all', async () => (await isComplete(one)) && (await isComplete(other)))
  await setFileStatus(editor, GUIDS[0] as string, '2.0', 'disabled')
  for (const server of [one, other]) {
    await until('both know', async () => (await observe(server.url, GUIDS[0] as string)).version === '1.0')
  }
  await Promise.all([one, other].map((server) => server.stop('SIGKILL')))
  await databases.replicas[0]?.kill()
  await databases.primary.kill()
  const again = await Promise.all([start(), start()])
  for (const server of again) {
    const known = await observe(server.url, GUIDS[0] as string)
    t.equal(known.version, '1.0', 'withdrawn it stays')
    t.match(known.cacheStatus, /; detail=memory; stale$/)
  }
  await databases.primary.start()
  await databases.replicas[0]?.start()
  for (const server of again) {
    await until('it heals', async () => !(await observe(server.url, GUIDS[0] as string)).cacheStatus.includes('stale'))
    await server.stop()
  }
})

t.test('where nothing can be kept for a restart it serves all the same, and says so', async (t) => {
  const dataDir = join(folder, 'other')
  await mkdir(dataDir)
  writeFileSync(join(dataDir, 'snapshots'), 'in the way')
  const server = await start({ DATA_DIR: dataDir })
  await until('all is held', () => isComplete(server))
  t.match(server.output(), /nothing can be kept for a restart/)
  t.equal((await observe(server.url, GUIDS[1] as string)).version, '2.0')
  t.ok(existsSync(join(dataDir, 'snapshots')), 'what was in the way is left alone')
})
