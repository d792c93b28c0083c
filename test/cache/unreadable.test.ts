/** A row of the read model that can't be read costs its own add-on its updates, and nobody else anything. */

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { readConfig } from '../../service/config.ts'
import { loadLibrary } from '../../service/http/index.ts'
import { startWorker, type Worker } from '../../service/worker.ts'
import { setFileStatus } from '../harness/edits.ts'
import { ask, check } from '../harness/http.ts'
import { startStack } from '../harness/stack.ts'

const stack = await startStack(t)
const compatibility = { firefox: {} }
const guids = Array.from({ length: 600 }, (_, index) => `addon-${index}@x`)
const AT_ONCE = 50
const BAD = ['addon-7@x', 'addon-300@x', 'addon-599@x']
const NOTHING = (guid: string) => `{"addons": {"${guid}": {"updates": []}}}`

/** A worker of the same databases, that has nothing yet; and what it logs. */
async function another(
  t: Test,
  environment: Record<string, string>,
): Promise<{ worker: Worker; logged: () => object[] }> {
  const lines: object[] = []
  const log = pino({ level: 'error' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const config = readConfig({ PORT: '0', DATA_DIR: join(stack.folder, `data ${Math.random()}`), ...environment })
  const { readers, cacheSecret, identity } = stack.databases
  const worker = await startWorker({ config, readers, cacheSecret, identity, uws: loadLibrary().uws, log })
  t.teardown(() => worker.close())
  return { worker, logged: () => lines }
}

/** What is wrong with the facts of each: a separator too many, one of candidates within a text, something else altogether. */
async function spoil(): Promise<void> {
  await stack.load(
    guids.map((guid) => ({
      guid,
      versions: [
        { version: '1.0', compatibility },
        { version: '2.0', compatibility },
      ],
    })),
  )
  const bad = [
    "REPLACE(facts, '2.0', CONCAT('2', x'1F', '0'))",
    "REPLACE(facts, '2.0', CONCAT('2', x'1E', '0'))",
    "'?'",
  ]
  for (const [index, facts] of bad.entries()) {
    await stack.owner.write(`UPDATE candidates SET facts = ${facts} WHERE guid = ?`, [BAD[index] as string])
  }
  await stack.settle()
}

async function judge(t: Test, url: string): Promise<void> {
  const replies = []
  // Not all at once: 300 ms is what each may take.
  for (let first = 0; first < guids.length; first += AT_ONCE) {
    replies.push(...(await Promise.all(guids.slice(first, first + AT_ONCE).map((guid) => check(url, guid)))))
  }
  for (const [index, { status, text }] of replies.entries()) {
    const guid = guids[index] as string
    const isRight = BAD.includes(guid) ? text === NOTHING(guid) : text.includes('"version": "2.0"')
    if (status !== 200 || !isRight) t.fail(`${guid}: ${status} ${text}`)
  }
  for (const guid of BAD) t.match(await ask(url, `/update/${guid}.json`), { status: 200, text: NOTHING(guid) })
}

t.before(spoil)

t.test('without memory: the others of a batch are answered', async (t) => {
  const { worker, logged } = await another(t, { MEMORY_CACHE: 'off' })
  await judge(t, worker.address.url)
  await judge(t, worker.address.url)
  t.strictSame(
    logged()
      .map((line) => (line as { guid: string }).guid)
      .sort(),
    [...BAD].sort(),
    'each is told of once, however often it is asked for',
  )
})

t.test('a worker that begins empty reads the whole catalogue all the same', async (t) => {
  const { worker, logged } = await another(t, {})
  for (const giveUpAt = Date.now() + 5_000; Date.now() < giveUpAt && logged().length < BAD.length; ) await sleep(10)
  t.match(
    logged().map((line) => (line as { guid: string }).guid),
    BAD,
  )
  await judge(t, worker.address.url)
  const complete = await check(worker.address.url, 'nobody@x')
  t.match(
    complete,
    { status: 200, text: '{}', headers: { 'cache-status': /hit/ } },
    'it knows all there are, and so who is unknown',
  )

  t.test('what is written anew is served', async (t) => {
    const guid = BAD[0] as string
    await setFileStatus(stack.editor, guid, '1.0', 'disabled')
    await stack.settle()
    for (const giveUpAt = Date.now() + 5_000; Date.now() < giveUpAt; await sleep(10)) {
      if ((await check(worker.address.url, guid)).text.includes('"version": "2.0"')) return
    }
    t.fail('it is not')
  })
})
