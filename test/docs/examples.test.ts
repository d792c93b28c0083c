/** The examples of the documentation, run as they stand against a real server. */

import { once } from 'node:events'
import { mkdir, readFile, rename } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, join } from 'node:path'
import t, { type Test } from 'tap'
import { blocksOf, runExamples } from '../harness/examples.ts'
import { startServer } from '../harness/server.ts'
import { makeFolder } from '../harness/stack.ts'
import { makeXpi } from '../harness/xpi.ts'

/** What the documents call the server that `npm start` starts. */
const SHOWN = '127.0.0.1:8080'

/** A package of the add-on that the documents publish, named as they name it. */
async function makeAlpha(folder: string, version: string, min?: string): Promise<void> {
  const path = await makeXpi(folder, { id: 'alpha@example.test', version, ...(min !== undefined && { min }) })
  await rename(path, join(folder, `alpha-${version}.xpi`))
}

for (const path of ['README.md', 'docs/http-api.md', 'docs/cli.md']) {
  t.test(path, async (t) => {
    const { url, dataDir } = await startServer(t, { SAMPLE: 'on' })
    const { host, port } = new URL(url)
    await runExamples(t, path, {
      environment: { DATA_DIR: dataDir, PORT: port },
      actual: { [SHOWN]: host },
      prepare: (folder) => makeAlpha(folder, '3.0', '128.0'),
    })
  })
}

t.test('docs/move-from-update-json.md', async (t) => {
  const path = 'docs/move-from-update-json.md'
  const { url, dataDir } = await startServer(t)
  const { host, port } = new URL(url)
  const files = join(await makeFolder(t), 'static')
  await mkdir(files)
  await makeAlpha(files, '1.0')
  await makeAlpha(files, '2.0', '115.0')
  const old = await serveFolder(t, files)
  const manifest = blocksOf(path).find(({ file }) => file === 'update.json')?.text ?? ''
  await runExamples(t, path, {
    environment: { DATA_DIR: dataDir, PORT: port },
    actual: { [SHOWN]: host, 'https://static.example.org/updates': old.url },
    // The old server of this test speaks http, on a private address.
    adapt: (command) => command.replace(/--fetch$/, '--fetch --allow-private'),
    async prepare(folder) {
      await makeAlpha(folder, '3.0', '128.0')
      old.add('update.json', manifest.replaceAll('https://static.example.org/updates', old.url))
    },
  })
})

/** A web server with the files of a folder. */
async function serveFolder(t: Test, folder: string) {
  const texts = new Map<string, string>()
  const server = createServer(async (req, res) => {
    const name = basename(req.url ?? '')
    const body = texts.get(name) ?? (await readFile(join(folder, name)).catch(() => undefined))
    res.writeHead(body === undefined ? 404 : 200).end(body)
  })
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, add: (name: string, text: string) => texts.set(name, text) }
}
