/** The ladder compares like with like: its rungs 0 to 5 answer the vectors of the contract, in JSON, as ours does. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { ask, checkPath } from '../../harness/http.ts'
import { freePort } from '../../harness/ports.ts'
import { root } from '../../harness/server.ts'
import { startStack } from '../../harness/stack.ts'
import { catalogueOf, readVectors, type Vector } from '../../harness/vectors.ts'

const vectors = readVectors().vectors.filter(isPlain)
const SITE_URL = vectors[0]?.catalog.site_url ?? ''
const stack = await startStack(t, { SITE_URL })
const rungs: Rung[] = []
// One after the other: a port that is free stays free until the one it was found for has it.
for (const name of ['php', 'orm', 'orm-eager', 'raw-sql', 'bare', 'pooled']) rungs.push(await startRung(name))

interface Rung {
  readonly name: string
  readonly url: string
}

/** Of the contract's many ways to ask, a rung knows the one that Firefox takes. */
function isPlain({ request: { method, path, headers = {} } }: Vector): boolean {
  return method === 'GET' && path === '/update/VersionCheck.php' && Object.keys(headers).length === 0
}

async function startRung(name: string): Promise<Rung> {
  const { user, password, database, socketPath = '' } = stack.databases.readers[0]
  const program = join(root, 'dist', 'loadtest', 'ladder', 'rungs', `${name}.js`)
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', process.execPath, program], {
    env: {
      PATH: process.env.PATH,
      PORT: String(await freePort()),
      SITE_URL,
      DATABASE_URL: `mysql://${user}:${password}@localhost/${database}?socket=${encodeURIComponent(socketPath)}`,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill()
    await ended
  })
  let output = ''
  const url = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk
        const ready = /^ready (\S+)$/m.exec(output)?.[1]
        if (ready !== undefined) resolve(ready)
      })
    }
    void ended.then(() => reject(new Error(`${name} ended:\n${output}`)))
  })
  return { name, url }
}

t.ok(vectors.length >= 20, `${vectors.length} vectors`)

for (const vector of vectors) {
  t.test(vector.name, async (t) => {
    await stack.empty()
    await stack.load(catalogueOf(vector))
    const { path, query = {}, raw_query: raw } = vector.request
    const target = raw === undefined ? checkPath(query, path) : `${path}?${raw}`
    const ours = await ask(stack.url, target)
    t.equal(ours.status, vector.expect.status)
    for (const { name, url } of rungs) {
      const theirs = await ask(url, target)
      t.equal(theirs.status, ours.status, `${name}: status`)
      t.strictSame(JSON.parse(theirs.text), JSON.parse(ours.text), `${name}: body`)
      t.equal(theirs.headers['content-type']?.split(';')[0], 'application/json', `${name}: type`)
    }
  })
}
