/** Hostile input: whatever is sent, nobody gets a 5xx, the server lives, and its memory stays flat. */

import { connect, type Socket } from 'node:net'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { loadLibrary } from '../../service/http/index.ts'
import { HEADER_BYTES_MAX, HEADER_BYTES_MAX_OLDER } from '../../service/limits.ts'
import { check, FIREFOX, sendRaw } from '../harness/http.ts'
import { startServer } from '../harness/server.ts'

const REQUESTS = 3_000
const AT_ONCE = 50
const GROWTH_MIB_MAX = 40

const server = await startServer(t)
const isOlderBinary = loadLibrary().name.includes(' 20.30.')

/** Pieces of a query that somebody may have meant badly. */
const evil = fc.oneof(
  fc.constantFrom(
    ...[
      '%',
      '%%',
      '%4',
      '%zz',
      '%00',
      '%0d%0a',
      '%ff%fe',
      '%C3',
      '%ed%a0%80',
      '%F4%90%80%80',
      '+',
      '&',
      '=',
      '&&',
      ';',
      '#',
      '?',
      '\\',
      '"',
      "'",
      '`',
      '<script>',
      '$' + '{1}',
      '../',
      '..%2f',
      '%2e%2e/',
    ],
    ...[
      "' OR 1=1 --",
      'a\tb',
      'é',
      '鎈',
      '\ufeff',
      '\u202e',
      '{',
      '}',
      '[]',
      '[0]=',
      '[$ne]=1',
      '__proto__',
      'constructor',
      'null',
      'NaN',
      '-1',
      '1e309',
      '99999999999999999999',
    ],
  ),
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'grapheme', maxLength: 10 }),
  fc.nat({ max: 4_000 }).map((length) => 'x'.repeat(length)),
  fc.nat({ max: 1_000 }).map((length) => '%41'.repeat(length)),
)
const name = fc.constantFrom(
  'id',
  'appID',
  'appVersion',
  'compatMode',
  'id[]',
  'id[0]',
  'updateType[0]',
  'reqVersion',
  '',
  '%69d',
  'ID',
)
const value = fc.oneof(evil, fc.constantFrom(FIREFOX, 'a@b', '140.0', 'normal', '*', '58.0b999999999'))
const query = fc
  .array(fc.tuple(name, value), { maxLength: 12 })
  .map((pairs) => pairs.map((pair) => pair.join('=')).join('&'))
const path = fc.oneof(
  { weight: 5, arbitrary: query.map((text) => `/update/VersionCheck.php?${text}`) },
  query.map((text) => `/update/?${text}`),
  evil.map((text) => `/update/${text}.json`),
  evil.map((text) => `/firefox/downloads/file/${text}/x.xpi`),
  evil.map((text) => `/${text}`),
  fc.constant(`/update/?id=${'x'.repeat(16 * 1024)}`),
  fc.constantFrom(
    '*',
    '//',
    '/update',
    '/update//',
    '/update/?',
    'http://x/update/',
    '/firefox/downloads/file/4294967296/x',
    '/firefox/downloads/file/1/',
    '',
  ),
)
const method = fc.oneof(
  { weight: 6, arbitrary: fc.constant('GET') },
  fc.constantFrom(
    'HEAD',
    'POST',
    'PUT',
    'DELETE',
    'OPTIONS',
    'TRACE',
    'CONNECT',
    'PATCH',
    'get',
    'FOO',
    'G\0T',
    '',
    'X'.repeat(3_000),
  ),
)
const header = fc.constantFrom(
  'Range: bytes=0-',
  'Range: bytes=-1',
  'Range: bytes=9-1,2-3',
  'If-None-Match: *',
  'If-None-Match: ""',
  `If-None-Match: ${'"x",'.repeat(500)}`,
  'Expect: 100-continue',
  'Upgrade: websocket',
  'Connection: upgrade',
  'Connection: close',
  'X-Forwarded-For: 127.0.0.1',
  'Host: evil.test',
  'Content-Length: 3',
  'Content-Type: application/json',
  `X-Long: ${'x'.repeat(2_000)}`,
  'Cookie: \xff\xfe',
  'X-Empty:',
  ': no name',
  'no colon',
)
const request = fc
  .tuple(
    method,
    path,
    fc.array(header, { maxLength: 4 }),
    fc.constantFrom('', 'abc', '\0\0\0'),
    fc.oneof({ weight: 20, arbitrary: fc.constant('HTTP/1.1') }, fc.constantFrom('HTTP/1.0', 'HTTP/9.9', '')),
  )
  .map(([verb, target, headers, body, version]) => {
    const raw = `${verb} ${target} ${version}\r\nHost: x\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n${body}`
    return Buffer.from(raw, /[\u0100-\uffff]/.test(raw) ? 'utf8' : 'latin1')
  })

/** Sends requests, so many at a time, and returns the status lines of 5xx answers with what caused them. */
async function sendAll(requests: readonly Buffer[]): Promise<{ answered: number; faults: string[] }> {
  const faults: string[] = []
  let answered = 0
  let next = 0
  const sender = async () => {
    for (let index = next++; index < requests.length; index = next++) {
      const bytes = requests[index] as Buffer
      const reply = await sendRaw(server.url, [bytes], { idleMs: 60 })
      if (reply.startsWith('HTTP/1.1 ')) answered++
      // 505 is the library's own word to a line that names another HTTP version.
      if (/^HTTP\/1\.1 5(?!05)/.test(reply))
        faults.push(`${reply.slice(0, 40)} <- ${bytes.toString('latin1').slice(0, 300)}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, sender))
  return { answered, faults }
}

async function lives(t: Test): Promise<void> {
  const reply = await check(server.url, 'nobody@example.test')
  t.equal(reply.status, 200, 'an honest client is answered')
  t.equal(reply.text, '{}')
}

t.test(`${REQUESTS} hostile requests`, async (t) => {
  const requests = fc.sample(request, { numRuns: REQUESTS, seed: 20_261_124 })
  const first = await sendAll(requests.slice(0, REQUESTS / 3))
  const before = server.residentMib()
  const rest = await sendAll(requests.slice(REQUESTS / 3))
  const again = await sendAll(requests)
  t.strictSame([...first.faults, ...rest.faults, ...again.faults], [], 'no 5xx')
  t.ok(again.answered > REQUESTS / 2, `${again.answered} of ${REQUESTS} were understood well enough to be answered`)
  const growth = server.residentMib() - before
  t.ok(growth < GROWTH_MIB_MAX, `memory grew by ${growth.toFixed(1)} MiB`)
  await lives(t)
})

t.test('a query of 16 KiB is answered', async (t) => {
  t.match(await check(server.url, 'a@b', { filler: 'x'.repeat(16 * 1024) }), { status: 200, text: '{}' })
  const long = await check(server.url, 'x'.repeat(16 * 1024))
  t.equal(long.text, '{}', 'an id beyond 255 bytes is unknown')
})

t.test('long heads that arrive in pieces', async (t) => {
  const limit = isOlderBinary ? HEADER_BYTES_MAX_OLDER : HEADER_BYTES_MAX
  /** A check whose line and headers take so many bytes, in segments as a network brings them. */
  const statusOf = async (bytes: number) => {
    const [before, after] = [
      `GET /update/?id=a@b&appID=${FIREFOX}&appVersion=140.0&filler=`,
      ' HTTP/1.1\r\nHost: x\r\n\r\n',
    ]
    const head = before + 'x'.repeat(bytes - before.length - after.length) + after
    const pieces = head.match(/.{1,1400}/gs) ?? []
    return /^HTTP\/1\.1 (\d{3})/.exec(await sendRaw(server.url, pieces, { pauseMs: 10, idleMs: 500 }))?.[1] ?? 'cut off'
  }
  for (const bytes of [500, 3_000, limit - 100]) t.equal(await statusOf(bytes), '200', `${bytes} bytes`)
  for (const bytes of [limit + 100, 2 * limit]) t.match(await statusOf(bytes), /^(?:431|cut off)$/, `${bytes} bytes`)
  await lives(t)
})

t.test('slow senders hold nobody up', async (t) => {
  const sockets = Array.from({ length: 200 }, () => open())
  for (const socket of sockets) socket.write('GET /update/?id=')
  for (let round = 0; round < 3; round++) {
    for (const socket of sockets) socket.write('x')
    await lives(t)
  }
  for (const socket of sockets) socket.destroy()
})

t.test('half-closed, reset and vanishing clients', async (t) => {
  const line = `GET /update/?id=a@b&appID=${FIREFOX}&appVersion=140.0 HTTP/1.1\r\nHost: x\r\n\r\n`
  await Promise.all(
    Array.from({ length: 300 }, async (_, index) => {
      const socket = open()
      socket.resume()
      await new Promise((resolve) => socket.once('connect', resolve))
      socket.write(index % 3 === 0 ? line.slice(0, 20) : line)
      if (index % 4 === 0) socket.end()
      else if (index % 4 === 1) socket.resetAndDestroy()
      else if (index % 4 === 2) socket.destroy()
      else setTimeout(() => socket.destroy(), 20)
      await new Promise((resolve) => socket.once('close', resolve))
    }),
  )
  await lives(t)
})

t.test('many requests at once on connections that nobody reads from', async (t) => {
  const line = 'GET /update/ HTTP/1.1\r\nHost: x\r\n\r\n'
  const sockets = Array.from({ length: 20 }, () => open())
  for (const socket of sockets) {
    socket.pause()
    socket.write(line.repeat(2_000))
  }
  await lives(t)
  for (const socket of sockets) socket.destroy()
  await lives(t)
})

t.test('it ends as it should, and complained of nothing', async (t) => {
  t.equal(await server.stop(), 0)
  t.notMatch(server.output(), /"level":(?:50|60)/)
})

function open(): Socket {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  return socket
}
