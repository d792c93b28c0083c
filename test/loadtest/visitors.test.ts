/** Profiles that h2load sends: with connections and handshakes of their own, all of their checks, and what went wrong counted. */

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { makeCertificate } from '../../loadtest/day/certificate.ts'
import { atOnceHeld, judgeCompared } from '../../loadtest/day/connections.ts'
import { RATE } from '../../loadtest/day/run.ts'
import {
  CHECKS,
  DAY_AT_ONCE,
  percentileOf,
  profilesOf,
  rateOf,
  readOutput,
  reasonOf,
  sendVisitors,
} from '../../loadtest/day/visitors.ts'
import { holds } from '../../loadtest/measure/index.ts'
import { generatedPopulation } from '../../loadtest/traffic/index.ts'
import { makeFolder } from '../harness/stack.ts'

const profile = Array.from({ length: CHECKS }, (_, index) => `/update?id=${index}`)

async function listen(t: Test, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** One profile at once, a hundred a second, for a second. */
async function visit(t: Test, keep: boolean, answer: RequestListener) {
  const asked = new Map<Socket, string[]>()
  const server = createServer((request, response) => {
    asked.set(request.socket, [...(asked.get(request.socket) ?? []), request.url ?? ''])
    answer(request, response)
  })
  const url = `http://127.0.0.1:${await listen(t, server)}`
  const result = await sendVisitors({ url, profile, atOnce: 1, seconds: 1, keep })
  return { result, asked: [...asked.values()] }
}

t.test('each profile has a connection of its own, and asks all its checks over it', async (t) => {
  const { result, asked } = await visit(t, false, (_, response) => response.end('{}'))
  t.match(result, { requests: 100 * CHECKS, connections: 100, errors: 0 })
  t.equal(asked.length, 100)
  for (const paths of asked) t.strictSame(paths, profile)
  t.ok(result.rate > 0 && result.p99 > 0 && result.connecting > 0)
  t.ok(result.reached > 0 && result.reached < 1.1, `${result.reached}`)
})

t.test('or takes one that is kept', async (t) => {
  const { result, asked } = await visit(t, true, (_, response) => response.end('{}'))
  t.match(result, { requests: 100 * CHECKS, connections: 1, errors: 0 })
  t.equal(asked.length, 1)
})

t.test('it sends what a Firefox sends', async (t) => {
  const names = new Set<string>()
  await visit(t, true, ({ rawHeaders }, response) => {
    for (const [index, text] of rawHeaders.entries()) {
      if (index % 2 === 0) names.add(`${text.toLowerCase()}: ${rawHeaders[index + 1]}`)
    }
    response.end()
  })
  t.match([...names].join('\n'), /^user-agent: Mozilla\/5\.0 .*Firefox\//m)
  t.match([...names].join('\n'), /^accept-encoding: gzip, deflate, br, zstd$/m)
  t.equal([...names].filter((name) => name.startsWith('user-agent:')).length, 1)
})

t.test('a check that is refused or not answered is an error', async (t) => {
  const refused = await visit(t, false, ({ url }, response) => response.writeHead(url === profile[3] ? 503 : 200).end())
  t.match(refused.result, { requests: 100 * (CHECKS - 1), errors: 100 })
  const broken = await visit(t, false, ({ url, socket }, response) => {
    if (url === profile[6]) socket.destroy()
    else response.end()
  })
  t.match(broken.result, { requests: 600, errors: 200 }, 'and those that could not be asked then')
  await t.rejects(
    sendVisitors({ url: 'http://127.0.0.1:1', profile, atOnce: 1, seconds: 1, keep: false }),
    /h2load got no answer from http:\/\/127\.0\.0\.1:1/,
  )
})

t.test('why h2load says nothing is told', async (t) => {
  await t.rejects(sendVisitors({ url: 'http://127.0.0.1:99999', profile, atOnce: 1, seconds: 1, keep: false }), {
    name: 'Failure',
    message: /^h2load, asking http:\/\/127\.0\.0\.1:99999, ended with 1: .*invalid base URI/,
  })
  const ended = async (program: string, args: string[], options: object) => {
    const error = await promisify(execFile)(program, args, options).catch((thrown: unknown) => thrown)
    return reasonOf(error, 30_000)
  }
  t.equal(await ended('sleep', ['9'], { timeout: 50 }), 'had not ended after 30 s.')
  t.equal(await ended('seq', ['99999'], { maxBuffer: 10 }), 'said more than can be read.')
  t.match(await ended('false', [], {}), /^ended with 1: /)
})

t.test('over TLS each connection shakes hands anew, as TLS 1.2 does', async (t) => {
  const { TLS_CERT, TLS_KEY } = await makeCertificate(await makeFolder(t))
  const keys = { cert: readFileSync(TLS_CERT), key: readFileSync(TLS_KEY) }
  const server = createTlsServer(keys, (_, response) => response.end('{}'))
  const kinds: string[] = []
  server.on('secureConnection', (socket: TLSSocket) => {
    kinds.push(`${socket.getProtocol()}, ${socket.isSessionReused() ? 'resumed' : 'whole'}`)
  })
  const url = `https://127.0.0.1:${await listen(t, server)}`
  const result = await sendVisitors({ url, profile, atOnce: 1, seconds: 1, keep: false })
  t.match(result, { requests: 100 * CHECKS, errors: 0 })
  t.strictSame(kinds, Array(100).fill('TLSv1.2, whole'))
})

t.test('profiles are checks of the catalogue, others in each turn', async (t) => {
  const profiles = profilesOf(generatedPopulation(3_000, 1))
  t.ok(profiles.every((paths) => paths.length === CHECKS))
  t.equal(new Set(profiles.map((paths) => paths.join())).size, profiles.length)
  t.ok(profiles.flat().every((path) => /^\/update\/VersionCheck\.php\?.*id=.+/.test(path)))
})

t.test("a day's rate is reached, and what h2load says is read", async (t) => {
  t.ok(rateOf(DAY_AT_ONCE) >= RATE && rateOf(DAY_AT_ONCE - 1) < RATE)
  const output = `
finished in 3.12s, 23211.83 req/s, 13.63MB/s
requests: 72345 total, 72345 started, 72345 done, 72300 succeeded, 45 failed, 0 errored, 0 timeout
status codes: 72300 2xx, 0 3xx, 45 4xx, 0 5xx
traffic: 42.48MB (44545432) total, 0B (0) headers (space savings 0.00%), 25.87MB (27127650) data
                     min         max         mean         sd        +/- sd
time for request:       26us     20.15ms       840us      1.38ms    94.05%
time for connect:       63us      3.21ms       582us       329us    64.95%
`
  t.strictSame(readOutput(output), { seconds: 3.12, total: 72_345, succeeded: 72_300, connecting: 0.582 })
  const log = Array.from({ length: 200 }, (_, index) => `1795742743498780\t200\t${(index + 1) * 1_000}`).join('\n')
  t.equal(percentileOf(`${log}\n`, 0.99), 199)
})

t.test('what is compared is judged: all of every group, and that a rate was held', async (t) => {
  const turn = {
    requests: 8,
    connections: 1,
    rate: 800,
    reached: 1,
    generator: 0.1,
    p99: 1,
    connecting: 1,
    errors: 0,
    cpuUs: 20,
  }
  const missed = (held: number, changes: Partial<typeof turn> = {}) => {
    const idleUs = { kept: 0, new: 0 }
    const groups = [
      { rate: 23_200, idleUs, results: { kept: [turn, turn] } },
      { rate: 800, held, idleUs, results: { kept: [turn], new: [{ ...turn, ...changes }] } },
    ]
    return judgeCompared(groups)
      .filter((check) => !holds(check))
      .map(({ what }) => what)
  }
  t.strictSame(missed(800), [])
  t.strictSame(missed(800, { errors: 1 }), ['errors'])
  t.strictSame(missed(800, { reached: 0.97 }), ['part of the rate that was reached, the least'])
  t.strictSame(missed(0), ['checks a second that are held over new connections'])
})

t.test('the highest rate that is held is found, with some to spare', async (t) => {
  for (const capacity of [0.5, 1, 3, 8, 9, 20, 33]) {
    let probes = 0
    const held = await atOnceHeld(
      async (atOnce) => {
        probes++
        return { reached: Math.min(1, capacity / atOnce), errors: 0 }
      },
      () => {},
    )
    t.ok(held === 0 || Math.ceil(held * 1.15) <= capacity, `${held} of ${capacity}`)
    t.ok(Math.ceil((held + 1) * 1.15) > capacity, `${held} of ${capacity}, and no fewer`)
    t.ok(probes <= 10, `${probes} probes`)
  }
  t.equal(
    await atOnceHeld(
      async () => ({ reached: 1, errors: 0 }),
      () => {},
    ),
    DAY_AT_ONCE,
    'no more than the day has',
  )
  t.equal(
    await atOnceHeld(
      async () => ({ reached: 1, errors: 1 }),
      () => {},
    ),
    0,
    'errors hold nothing',
  )
})
