/** memcached as it is, dead, hung, and not memcached at all: what can't be had in time is missing, and nothing else happens. */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { type Memcached, openMemcached } from '../../service/cache/memcached.ts'
import {
  MEMCACHED_MS_MAX,
  MEMCACHED_PENDING_BYTES_MAX,
  MEMCACHED_RETRY_MS_MIN,
  MEMCACHED_VALUE_BYTES_MAX,
} from '../../service/limits.ts'
import { until } from '../harness/clients.ts'
import { type MemcachedServer, startMemcached } from '../harness/memcached.ts'
import { holdsAlways } from '../harness/property.ts'

/** How long a question may take: its timer may have been set just before it, and the machine has others to serve. */
const MS_MAX = 2 * MEMCACHED_MS_MAX + 120
const MINUTE_S = 60

function open(t: Test, servers: readonly { readonly address: string }[]): Memcached {
  const memcached = openMemcached(servers.map(({ address }) => address))
  t.teardown(() => memcached.close())
  return memcached
}

/** How long something takes; rejects where it doesn't end. */
async function timed<T>(work: Promise<T>): Promise<{ readonly ms: number; readonly result: T }> {
  const begunAt = performance.now()
  const overdue = new AbortController()
  const alarm = sleep(3_000, undefined, { signal: overdue.signal }).then(
    () => Promise.reject(new Error('no answer in 3 s')),
    () => new Promise<never>(() => {}),
  )
  const result = await Promise.race([work, alarm]).finally(() => overdue.abort())
  return { result, ms: performance.now() - begunAt }
}

/** Waits until all values are there as they were set. A busy machine may miss a deadline. */
async function untilHas(memcached: Memcached, values: ReadonlyMap<string, Buffer>): Promise<void> {
  await until(`${values.size} values are got`, async () => {
    const got = await memcached.get([...values.keys()])
    return [...values].every(([key, value]) => got.get(key)?.equals(value))
  })
}

/** Stores values where they can be: a server that nobody has asked yet has no connection to store by. */
async function untilStored(memcached: Memcached, values: ReadonlyMap<string, Buffer>): Promise<void> {
  await until(`${values.size} values are stored`, async () => {
    memcached.set(values, MINUTE_S)
    return (await memcached.get([...values.keys()])).size === values.size
  })
}

/** Stops a server; its threads go on for a moment after they were told to. */
async function hang(server: MemcachedServer): Promise<void> {
  server.pause()
  const threads = `/proc/${server.pid}/task`
  await until('no thread runs', () =>
    readdirSync(threads).every((thread) => / T [^)]*$/.test(readFileSync(join(threads, thread, 'stat'), 'utf8'))),
  )
}

/** Waits until a pause begins: it may end before a busy machine gets to look. */
async function untilLeftAlone(memcached: Memcached): Promise<void> {
  const keys = Array.from({ length: 50 }, (_, number) => `test:${number}`)
  await until('no server is asked', async () => {
    await memcached.get(keys)
    return !memcached.isUsable
  })
}

/** Waits until so many keys are kept, each once, and tells by which server. A listing leaves out what is just being moved. */
async function untilSpread(servers: readonly MemcachedServer[], count: number): Promise<ReadonlySet<string>[]> {
  let spread: Set<string>[] = []
  await until('each key is kept once', async () => {
    spread = await Promise.all(servers.map(async (server) => new Set((await server.values()).keys())))
    return new Set(spread.flatMap((keys) => [...keys])).size === count
  })
  const kept = spread.reduce((sum, keys) => sum + keys.size, 0)
  if (kept !== count) throw new Error(`${count} keys are kept ${kept} times`)
  return spread
}

/** Values that could be taken for the protocol, and ones that are long, short, or empty. */
function manyValues(count: number): Map<string, Buffer> {
  const texts = ['\r\n', 'MN\r\n', '\r\nVA 3 O0\r\nabc\r\nMN\r\n', 'EN\r\n', 'a\r', '\n', '\0', '']
  return new Map(
    Array.from({ length: count }, (_, number) => {
      const text = Buffer.from(texts[number % texts.length] as string)
      const noise = randomBytes(number % 5 === 0 ? number * 13 : number % 3)
      return [`test:${number}`, Buffer.concat([text, noise, text])] as const
    }),
  )
}

for (const count of [1, 3]) {
  t.test(`with ${count} server(s) what was set is got, byte for byte`, async (t) => {
    const servers = await Promise.all(Array.from({ length: count }, () => startMemcached(t)))
    const memcached = open(t, servers)
    const values = manyValues(1_000)
    await untilStored(memcached, values)
    await untilHas(memcached, values)
    const spread = (await untilSpread(servers, values.size)).map((keys) => keys.size)
    t.ok(
      spread.every((each) => each > values.size / count / 3),
      `all have their share: ${spread.join(', ')}`,
    )

    t.test('what is not there is missing, beside what is', async (t) => {
      let got: ReadonlyMap<string, Buffer> = new Map()
      await until('the others are got', async () => {
        got = await memcached.get(['test:1', 'nobody:1', 'test:2', 'nobody:2'])
        return got.size > 0
      })
      t.strictSame([...got.keys()].sort(), ['test:1', 'test:2'])
      t.equal((await memcached.get([])).size, 0)
    })

    t.test('many questions at once get each its own answer', async (t) => {
      const keys = [...values.keys()]
      await until('all are answered', async () => {
        const asked = keys.map((key, index) => [key, keys[(index * 7) % keys.length] as string])
        const all = await Promise.all(asked.map((pair) => memcached.get(pair)))
        const isRight = (got: ReadonlyMap<string, Buffer>, index: number) =>
          [...got].every(([key, value]) => asked[index]?.includes(key) && values.get(key)?.equals(value))
        t.ok(all.every(isRight))
        return all.every((got) => got.size > 0)
      })
    })

    t.test('the longest value is kept, a longer one is not', async (t) => {
      const longest = new Map([['test:longest', randomBytes(MEMCACHED_VALUE_BYTES_MAX)]])
      const longer = new Map([['test:longer', randomBytes(MEMCACHED_VALUE_BYTES_MAX + 1)]])
      memcached.set(longer, MINUTE_S)
      await untilStored(memcached, longest)
      await untilHas(memcached, longest)
      for (const server of servers) t.equal(await server.ask('mg test:longer\r\n', '\r\n'), 'EN\r\n')
    })
  })
}

t.test('what was to be kept for a second is gone after it', async (t) => {
  const memcached = open(t, [await startMemcached(t)])
  await untilStored(memcached, new Map([['test:long', Buffer.from('x')]]))
  memcached.set(new Map([['test:short', Buffer.from('x')]]), 1)
  await until('it is gone', async () => {
    const got = await memcached.get(['test:long', 'test:short'])
    return got.has('test:long') && !got.has('test:short')
  })
})

t.test('a server that was killed costs nothing, and is used again when it is back', async (t) => {
  const server = await startMemcached(t)
  const memcached = open(t, [server])
  const values = manyValues(10)
  await untilStored(memcached, values)
  t.ok(memcached.isUsable)
  await server.kill()
  await untilLeftAlone(memcached)
  const { ms, result } = await timed(Promise.all([...values.keys()].map((key) => memcached.get([key]))))
  t.ok(
    result.every((got) => got.size === 0),
    'all are missing',
  )
  t.ok(ms < MEMCACHED_RETRY_MS_MIN, `nobody was asked: ${ms} ms`)
  memcached.set(values, MINUTE_S)
  await until('it is tried again', () => memcached.isUsable)
  const again = await timed(memcached.get([...values.keys()]))
  t.ok(again.ms < MS_MAX, `refused in ${again.ms} ms`)
  t.notOk(memcached.isUsable)
  await server.start()
  await untilStored(memcached, values)
  t.ok(memcached.isUsable)
})

t.test('a server that hangs is waited for once, and is used again when it goes on', async (t) => {
  const server = await startMemcached(t)
  const memcached = open(t, [server])
  const values = manyValues(10)
  await untilStored(memcached, values)
  await hang(server)
  const asked = [...values.keys()].map((key) => timed(memcached.get([key])))
  for (const { ms, result } of await Promise.all(asked)) {
    t.equal(result.size, 0)
    t.ok(ms < MS_MAX, `told after ${ms} ms`)
  }
  t.notOk(memcached.isUsable)
  const { ms } = await timed(memcached.get(['test:1']))
  t.ok(ms < MEMCACHED_MS_MAX, `the next one isn't kept waiting: ${ms} ms`)
  server.resume()
  await untilHas(memcached, values)
  t.ok(memcached.isUsable)
})

t.test('what is to be stored does not pile up before a server that hangs', async (t) => {
  const server = await startMemcached(t)
  const memcached = open(t, [server])
  await untilStored(memcached, manyValues(3))
  await hang(server)
  const before = process.memoryUsage().arrayBuffers
  const value = Buffer.alloc(MEMCACHED_VALUE_BYTES_MAX)
  const bytes = 8 * MEMCACHED_PENDING_BYTES_MAX
  for (let set = 0; set < bytes; set += value.length) {
    memcached.set(new Map([[`test:large:${set}`, value]]), MINUTE_S)
    await turn()
  }
  // The kernel takes some of it too.
  const grown = process.memoryUsage().arrayBuffers - before
  t.ok(grown < bytes / 2, `${grown} bytes wait`)
})

t.test('one of three is dead or hung: what the others have is got', async (t) => {
  const servers = await Promise.all([1, 2, 3].map(() => startMemcached(t)))
  const [dead, ...others] = servers as [(typeof servers)[0], ...typeof servers]
  const memcached = open(t, servers)
  const values = manyValues(300)
  await untilStored(memcached, values)
  const [lost] = (await untilSpread(servers, values.size)) as [Set<string>]
  const left = new Map([...values].filter(([key]) => !lost.has(key)))
  t.ok(lost.size > 0 && left.size > 0)

  await hang(dead)
  const hung = await timed(memcached.get([...values.keys()]))
  t.ok(hung.ms < MS_MAX, `hung: ${hung.ms} ms`)
  t.notOk([...hung.result.keys()].some((key) => lost.has(key)))
  await untilHas(memcached, left)
  t.ok(memcached.isUsable)
  dead.resume()
  await untilHas(memcached, values)

  await dead.kill()
  await untilHas(memcached, left)
  t.notOk([...(await memcached.get([...values.keys()])).keys()].some((key) => lost.has(key)))
  t.ok(memcached.isUsable)
  for (const other of others) await other.kill()
  await untilLeftAlone(memcached)
  await dead.start()
  await untilStored(memcached, new Map([...values].filter(([key]) => lost.has(key))))
})

t.test('one that is closed answers at once', async (t) => {
  const server = await startMemcached(t)
  const memcached = open(t, [server])
  await untilStored(memcached, manyValues(3))
  await hang(server)
  const asked = timed(memcached.get(['test:1']))
  memcached.close()
  const { ms, result } = await asked
  t.equal(result.size, 0)
  t.ok(ms < MEMCACHED_MS_MAX, `${ms} ms`)
  t.notOk(memcached.isUsable)
  t.equal((await memcached.get(['test:1'])).size, 0)
  memcached.set(manyValues(3), MINUTE_S)
  memcached.close()
})

/** Something that listens where memcached should. `serve` is called for each connection. */
async function startHostile(
  t: Pick<Test, 'teardown'>,
  serve: (socket: Socket) => void,
): Promise<{ readonly address: string; readonly connections: number; readonly open: number }> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer({ noDelay: true }, (socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return connections
    },
    get open() {
      return sockets.size
    },
  }
}

/** Answers each question, whatever it is, with the same. */
const answering = (answer: string | Buffer) => (socket: Socket) => {
  socket.on('data', () => socket.write(answer))
}

const longValue = 'x'.repeat(MEMCACHED_VALUE_BYTES_MAX + 1)
const nonsense: Record<string, string> = {
  'another protocol': 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n',
  'a value longer than allowed': `VA ${longValue.length} O0\r\n${longValue}\r\nMN\r\n`,
  'a length that is none': 'VA many O0\r\nx\r\nMN\r\n',
  'a length below nothing': 'VA -1 O0\r\nx\r\nMN\r\n',
  'no length': 'VA\r\nMN\r\n',
  'an error': 'ERROR\r\n',
}
for (const [name, answer] of Object.entries(nonsense)) {
  t.test(`a server that answers with ${name} is left alone`, async (t) => {
    const server = await startHostile(t, answering(answer))
    const memcached = open(t, [server])
    const { ms, result } = await timed(memcached.get(['test:1', 'test:2']))
    t.equal(result.size, 0)
    t.ok(ms < MS_MAX, `${ms} ms`)
    t.equal(memcached.errors, 1)
    t.notOk(memcached.isUsable)
    await until('it was hung up on', () => server.open === 0)
  })
}

t.test('an answer of single bytes is put together', async (t) => {
  const server = await startHostile(t, (socket) => {
    socket.on('data', async () => {
      for (const byte of Buffer.from('VA 4 O1\r\n\r\n\r\n\r\nVA 1 O0\r\nx\r\nMN\r\n')) {
        if (socket.destroyed) return
        socket.write(Uint8Array.of(byte))
        await turn()
      }
    })
  })
  await untilHas(
    open(t, [server]),
    new Map([
      ['test:1', Buffer.from('x')],
      ['test:2', Buffer.from('\r\n\r\n')],
    ]),
  )
  t.pass('it was got')
})

t.test('an answer to what nobody asked is no answer', async (t) => {
  const indices = ['O2', 'O-1', 'O0.5', 'Ox', 'O__proto__', 'k0', '']
  const strangers = indices.map((index) => `VA 3 ${index}\r\nbad\r\n`).join('')
  // Also before anything is asked, and after everything was.
  const answer = `HD\r\n${strangers}VA 1 O1\r\nx\r\nMN\r\n`
  const server = await startHostile(t, (socket) => {
    socket.write(strangers)
    answering(answer)(socket)
  })
  const memcached = open(t, [server])
  let got: ReadonlyMap<string, Buffer> = new Map()
  await until('it answers', async () => {
    got = await memcached.get(['test:1', 'test:2'])
    return got.size > 0
  })
  t.strictSame([...got].map(String), ['test:2,x'])
})

t.test('a server that closes at once is not tried again and again', async (t) => {
  const server = await startHostile(t, (socket) => socket.destroy())
  const memcached = open(t, [server])
  const begunAt = performance.now()
  let questions = 0
  // After the first try it is left alone for one pause, then for two, then for four.
  for (; performance.now() - begunAt < 6 * MEMCACHED_RETRY_MS_MIN; questions++) {
    const { ms, result } = await timed(memcached.get(['test:1']))
    if (result.size !== 0 || ms > MS_MAX) t.fail(`${result.size} after ${ms} ms`)
    await turn()
  }
  t.ok(questions > 100, `${questions} questions`)
  t.ok(server.connections >= 2 && server.connections <= 3, `${server.connections} tries`)
})

t.test('a line that never ends is not kept', async (t) => {
  const BYTES = 64 * 1024 * 1024
  let sent = 0
  const server = await startHostile(t, (socket) => {
    socket.once('data', () => {
      // With this all is answered, so that no deadline ends it.
      socket.write('MN\r\n')
      const chunk = Buffer.alloc(64 * 1024, 'x')
      const send = () => {
        while (sent < BYTES && !socket.destroyed) {
          sent += chunk.length
          if (!socket.write(chunk)) {
            socket.once('drain', send)
            return
          }
        }
      }
      send()
    })
  })
  const memcached = open(t, [server])
  await memcached.get(['test:1'])
  await until('it was hung up on', () => server.connections === 1 && server.open === 0)
  // What the kernel holds for both ends comes on top.
  t.ok(sent < BYTES / 2, `after ${sent} bytes`)
  t.equal(memcached.errors, 1)
})

t.test('values without end are not kept either', async (t) => {
  const server = await startHostile(t, (socket) => {
    const chunk = Buffer.from(`VA 100000 O0\r\n${'x'.repeat(100_000)}\r\n`)
    const send = () => {
      while (!socket.destroyed && socket.write(chunk));
    }
    socket.on('drain', send)
    socket.once('data', send)
  })
  const memcached = open(t, [server])
  const before = process.memoryUsage().arrayBuffers
  const { ms, result } = await timed(memcached.get(['test:1']))
  t.ok(ms < MS_MAX, `${ms} ms`)
  t.ok(result.size <= 1)
  const grown = process.memoryUsage().arrayBuffers - before
  t.ok(grown < 256 * 1024 * 1024, `${grown} bytes`)
  await until('it was hung up on', () => server.open === 0)
})

t.test('whatever a server says, questions end, and get nothing that was not asked for', async (t) => {
  const word = fc.oneof(
    fc.constantFrom('VA ', 'MN', 'EN', 'HD', 'NS', 'SERVER_ERROR oops', '\r\n', '\r', '\n', ' O0', ' O1', ' O9', '\0'),
    fc.integer({ min: -3, max: 9 }).map(String),
    fc.string({ maxLength: 6 }),
  )
  const chunk = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.array(word, { minLength: 1, maxLength: 12 }).map((words) => Buffer.from(words.join(''))),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
  )
  let script: readonly Buffer[] = []
  const server = await startHostile(t, (socket) => {
    socket.once('data', async () => {
      for (const each of script) {
        socket.write(each)
        await turn()
      }
      socket.end()
    })
  })
  await holdsAlways(
    t,
    'any chunks',
    fc.asyncProperty(fc.array(chunk, { maxLength: 8 }), async (chunks) => {
      script = chunks
      const memcached = openMemcached([server.address])
      try {
        const keys = [['test:1', 'test:2'], ['test:3']]
        const all = await Promise.all(keys.map((some) => timed(memcached.get(some))))
        for (const [index, { ms, result }] of all.entries()) {
          if (ms > MS_MAX) throw new Error(`after ${ms} ms`)
          for (const key of result.keys()) if (!keys[index]?.includes(key)) throw new Error(`${key} was not asked for`)
        }
      } finally {
        memcached.close()
      }
    }),
    150,
  )
})
