/** Clients that are slow, too many, or gone; and a handler that throws: everybody else is answered, and memory stays flat. */

import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { findAddress, listen, loadLibrary } from '../../service/http/index.ts'
import { openLog } from '../../service/observe/index.ts'
import { observe, startClients, until } from '../harness/clients.ts'
import { ask, FIREFOX } from '../harness/http.ts'
import { runCatalog, startServer } from '../harness/server.ts'
import { judgeWaits, watchStalls } from '../harness/stalls.ts'

const GUID = 'known@clients.test'
const server = await startServer(t)
const line = { guid: GUID, versions: [{ version: '1.0', compatibility: { firefox: { min: '42.0' } } }] }
await runCatalog(['import', '-'], { DATA_DIR: server.dataDir }, JSON.stringify(line))
await until('it is served', async () => (await observe(server.url, GUID)).version === '1.0')
const REQUEST = `GET /update/?id=${GUID}&appID=${FIREFOX}&appVersion=140.0 HTTP/1.1\r\nHost: x\r\n\r\n`

function open(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1', () => resolve(socket))
    socket.on('error', reject)
  })
}

t.test('more clients than its accept queue holds, while it stands still', async (t) => {
  process.kill(server.pid, 'SIGSTOP')
  const asked = Array.from({ length: 1_500 }, async () => {
    const socket = await open()
    socket.write(REQUEST)
    const answered = await new Promise<boolean>((resolve) => {
      socket.once('data', (chunk) => resolve(chunk.toString().startsWith('HTTP/1.1 200 ')))
      socket.once('close', () => resolve(false))
    })
    socket.destroy()
    return answered
  })
  await sleep(500)
  process.kill(server.pid, 'SIGCONT')
  const answers = await Promise.all(asked)
  t.equal(answers.filter(Boolean).length, answers.length, 'all are answered once it goes on')
  t.equal((await observe(server.url, GUID)).status, 200)
})

t.test('slow readers: a hundred clients that ask for much and read nothing', async (t) => {
  const before = server.residentMib()
  const slow = await Promise.all(Array.from({ length: 100 }, open))
  t.teardown(() => {
    for (const socket of slow) socket.destroy()
  })
  for (const socket of slow) {
    socket.on('error', () => {})
    socket.pause()
    socket.write(REQUEST.repeat(500))
  }
  // 50,000 answers take a moment to be made.
  await observe(server.url, GUID)
  const stalls = watchStalls(t)
  const clients = startClients(server.url, [GUID])
  t.teardown(() => clients.stop())
  await sleep(1_000)
  const seen = await clients.stop()
  t.ok(
    seen.every(({ version }) => version === '1.0'),
    `${seen.length} others were answered`,
  )
  judgeWaits(t, seen, stalls)
  const grown = server.residentMib() - before
  t.ok(grown < 60, `memory grew by ${Math.round(grown)} MiB`)
  const [one] = slow as [Socket]
  let text = ''
  one.on('data', (chunk) => {
    text += chunk
  })
  one.resume()
  await until('one that goes on reading has its answers', () => text.split('HTTP/1.1 200 OK').length === 501)
})

t.test(
  'a handler that throws, at once or later, costs its client the connection, and nobody else anything',
  async (t) => {
    const { uws } = loadLibrary()
    const { log } = openLog({ level: 'silent', readable: false })
    const address = await findAddress('127.0.0.1', 0, { isTls: false })
    const own = listen({
      uws,
      address,
      log,
      routes: (flights) => [
        {
          path: '/throws',
          get() {
            throw new Error('as it may')
          },
        },
        {
          path: '/throws-later',
          get(res) {
            const flight = flights.begin(res)
            setImmediate(() =>
              flight.answer(() => {
                throw new Error('as it may, too')
              }),
            )
          },
        },
        { path: '/works', get: (res) => res.end('works') },
      ],
    })
    t.teardown(() => own.close())
    await t.rejects(ask(address.url, '/throws'), /socket hang up|ECONNRESET/)
    await t.rejects(ask(address.url, '/throws-later'), /socket hang up|ECONNRESET/)
    t.equal((await ask(address.url, '/works')).text, 'works')
  },
)
