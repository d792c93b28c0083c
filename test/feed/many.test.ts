/** Very many changes at once: all of them show in the end, and meanwhile nobody who asks for something else waits. */

import t, { type Test } from 'tap'
import { createEditor } from '../../service/catalogue/index.ts'
import { appendChanges } from '../../service/feed/index.ts'
import { metricsOf } from '../faults/watch.ts'
import { type Clients, type Observation, observe, startClients, until } from '../harness/clients.ts'
import { openCatalog, startDatabases } from '../harness/databases.ts'
import { lineWith, mergeLines } from '../harness/edits.ts'
import { checkPath, FIREFOX, sendRaw } from '../harness/http.ts'
import { runCatalog, type ServerProcess, startServer } from '../harness/server.ts'
import { judgeWaits, watchStalls } from '../harness/stalls.ts'

const ADDONS = 20_000
const guidOf = (number: number) => `addon-${number}@many.test`
const UNKNOWN = 'nobody@many.test'
const CALM = ['calm-1@many.test', 'calm-2@many.test', UNKNOWN]
/** Add-ons in one transaction; guids asked for on one connection. */
const BATCH = 5_000
const CHANGES_AT_ONCE = 300_000
const ASKED_AT_ONCE = 500

const databases = await startDatabases(t, { replicas: 1 })
const primary = await openCatalog(databases)
t.teardown(() => primary.close())
const editor = createEditor({ primary, actor: 'test' })
await mergeLines(editor, [lineWith('calm-1@many.test', '1.0'), lineWith('calm-2@many.test', '1.0')])
await databases.settle()
const environment = { ...databases.environment, METRICS_PORT: '0', LOG_LEVEL: 'info' }
const server = await startServer(t, environment)
const metrics = metricsOf(server)
await until('all is held', async () => (await metrics()).value('tier_complete', 'memory') === 1)

/** Does something while clients ask for what isn't edited. */
async function withClients(t: Test, work: () => Promise<void>): Promise<void> {
  const stalls = watchStalls(t)
  const clients: Clients = startClients(server.url, CALM)
  t.teardown(() => clients.stop())
  await work()
  const seen = await clients.stop()
  // Of a guid that nobody holds a busy replica must be asked; where it doesn't answer in time, the client is told so.
  const isAnswered = ({ status, guid }: Observation) => status === 200 || (status === 503 && guid === UNKNOWN)
  t.strictSame(
    seen.filter((each) => !isAnswered(each)).map(({ status, text, guid }) => ({ status, text, guid })),
    [],
    `${seen.length} answers, no error`,
  )
  judgeWaits(t, seen, stalls)
}

async function isSettled(addons: number): Promise<boolean> {
  const { value } = await metrics()
  return (
    value('refreshing') === 0 && value('tier_complete', 'memory') === 1 && value('tier_entries', 'memory') === addons
  )
}

/** How many of the add-ons are offered a file of this name. */
async function offered(filename: string, { url }: ServerProcess = server): Promise<number> {
  let count = 0
  for (let from = 0; from < ADDONS; from += ASKED_AT_ONCE) {
    const requests = Array.from({ length: ASKED_AT_ONCE }, (_, index) => {
      const path = checkPath({ id: guidOf(from + index), appID: FIREFOX, appVersion: '140.0', compatMode: 'normal' })
      const last = index === ASKED_AT_ONCE - 1 ? 'Connection: close\r\n' : ''
      return `GET ${path} HTTP/1.1\r\nHost: many.test\r\n${last}\r\n`
    })
    const text = await sendRaw(url, [requests.join('')], { idleMs: 2_000 })
    count += text.split(`/${filename}"`).length - 1
  }
  return count
}

t.test('an import makes very many add-ons', async (t) => {
  const lines = Array.from({ length: ADDONS }, (_, number) =>
    JSON.stringify({
      guid: guidOf(number),
      versions: [{ version: '1.0', compatibility: { firefox: {} }, file: { filename: 'old.xpi' } }],
    }),
  )
  await withClients(t, async () => {
    const { code, stderr } = await runCatalog(['import', '-', '--batch', String(BATCH)], environment, lines.join('\n'))
    t.equal(code, 0, stderr)
    await until('all are held', () => isSettled(ADDONS + 2), 60_000)
  })
  t.equal(await offered('old.xpi'), ADDONS)
})

t.test(`${CHANGES_AT_ONCE.toLocaleString('en-US')} changes in one transaction`, async (t) => {
  const rows = await primary.rows('SELECT id, guid FROM addons WHERE guid LIKE ?', ['addon-%@many.test'])
  const changes = rows.map(({ id, guid }) => ({ kind: 'addon' as const, subjectId: Number(id), guid: String(guid) }))
  await withClients(t, async () => {
    await primary.transaction(async (statements) => {
      await statements.write('UPDATE candidates SET facts = REPLACE(facts, ?, ?)', ['old.xpi', 'renamed.xpi'])
      for (let done = 0; done < CHANGES_AT_ONCE; done += changes.length) await appendChanges(statements, changes)
    })
    const [row] = await primary.rows('SELECT value FROM change_counter')
    const position = async () => (await metrics()).value('feed_position')
    await until('all are known', async () => (await position()) === Number(row?.value), 60_000)
    await until('all are held', () => isSettled(ADDONS + 2), 60_000)
  })
  t.equal(await offered('renamed.xpi'), ADDONS)
  t.equal(await offered('old.xpi'), 0)
})

t.test('each of them is edited', async (t) => {
  await databases.primary.rows("UPDATE files SET filename = 'new.xpi' WHERE filename = 'old.xpi'")
  const rows = await primary.rows('SELECT id FROM addons WHERE guid LIKE ? ORDER BY id', ['addon-%@many.test'])
  const ids = rows.map(({ id }) => id as number)
  t.equal(ids.length, ADDONS)
  await withClients(t, async () => {
    for (let from = 0; from < ADDONS; from += BATCH) await editor.rebuildCandidates(ids.slice(from, from + BATCH))
    // Changes are read in order: when the last one shows, all are known.
    const last = guidOf(ADDONS - 1)
    await until('the last shows', async () => (await observe(server.url, last)).text.includes('/new.xpi"'), 60_000)
    await until('all are held', () => isSettled(ADDONS + 2), 60_000)
  })
  t.equal(await offered('new.xpi'), ADDONS)
  t.equal(await offered('old.xpi'), 0)
})
