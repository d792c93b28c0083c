/** A worker that starts with less room than the one before it, and with more. */

import { existsSync, readdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { metricsOf } from '../faults/watch.ts'
import { observe, until } from '../harness/clients.ts'
import { runCatalog, type ServerProcess, startServer } from '../harness/server.ts'
import { makeFolder } from '../harness/stack.ts'

const ADDONS = 200
const GUIDS = Array.from({ length: ADDONS }, (_, index) => `addon-${index}@x`)

t.test('what had no room any more is asked for, not unknown; and comes back where there is room again', async (t) => {
  const folder = await makeFolder(t)
  const environment = {
    DATA_DIR: join(folder, 'data'),
    SITE_URL: 'https://addons.bounds.test',
    METRICS_PORT: '0',
    LOG_LEVEL: 'debug',
  }
  const lines = GUIDS.map((guid) =>
    JSON.stringify({ guid, versions: [{ version: '2.0', compatibility: { firefox: {} } }] }),
  )
  await writeFile(join(folder, 'lines'), lines.join('\n'))
  t.equal((await runCatalog(['import', join(folder, 'lines')], environment)).code, 0)
  const isComplete = async (server: ServerProcess) => (await metricsOf(server)()).value('tier_complete', 'memory') === 1
  const first = await startServer(t, environment)
  await until('all is held', () => isComplete(first))
  const kept = join(environment.DATA_DIR, 'snapshots', 'private')
  await until('all is kept', () => existsSync(kept) && readdirSync(kept).some((name) => name.endsWith('.snapshot')))
  await first.stop()

  const less = await startServer(t, { ...environment, MEMORY_CACHE_ENTRIES: '20' })
  for (const guid of GUIDS) {
    const { version } = await observe(less.url, guid)
    if (version !== '2.0') t.fail(`${guid} is offered ${version}`)
  }
  t.notOk(await isComplete(less))
  await less.stop()

  const more = await startServer(t, environment)
  await until('all is held again', () => isComplete(more))
})
