/** What wrk offers at a rate, every request as it is written, each answered as it must be, or counted; and what it prints, read. */

import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { offer, writeRequests } from '../../loadtest/measure/index.ts'
import { errorsOf, unexpectedOf } from '../../loadtest/measure/offer.ts'
import { milliseconds } from '../../loadtest/measure/wrk.ts'
import type { Request } from '../../loadtest/traffic/index.ts'

const requests: Request[] = [
  { path: '/check?id=a%20b', expects: [200] },
  { path: '/broken', expects: [400] },
  { path: '/nowhere', expects: [404] },
  { path: '/check', method: 'DELETE', expects: [405] },
]
const right: Readonly<Record<string, number>> = Object.fromEntries(
  requests.map(({ path, method = 'GET', expects }) => [`${method} ${path}`, expects[0] as number]),
)
const RATE = 400
const SECONDS = 2

async function offerTo(t: Test, answer: RequestListener) {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const file = writeRequests(requests)
  t.teardown(() => {
    file.remove()
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return await offer({ url: `http://127.0.0.1:${port}`, requests: file, rate: RATE, seconds: SECONDS })
}

t.test('an answer that nobody expected is one that has more of its status than were asked for', async (t) => {
  t.equal(unexpectedOf({ 200: 10, 400: 2 }, { 200: 10, 400: 2 }), 0)
  t.equal(unexpectedOf({ 200: 10, 400: 2 }, { 200: 9, 400: 1 }), 0, 'some are under way')
  t.equal(unexpectedOf({ 200: 10, 400: 2 }, { 200: 11, 400: 1 }), 1, 'accepted what is malformed')
  t.equal(unexpectedOf({ 200: 10, 400: 2 }, { 200: 7, 400: 5 }), 3, 'refused what is well formed')
  t.equal(unexpectedOf({ 200: 10, 400: 2 }, { 200: 9, 503: 1, 400: 2 }), 1, 'of 5xx each')
})

t.test('what is refused as it must be is no error', async (t) => {
  const asked = new Map<string, number>()
  const {
    requests: answered,
    refused,
    errors,
  } = await offerTo(t, ({ method, url }, response) => {
    const key = `${method} ${url}`
    asked.set(key, (asked.get(key) ?? 0) + 1)
    response.writeHead(right[key] ?? 500).end()
  })
  t.strictSame([...asked.keys()].sort(), Object.keys(right).sort(), 'methods and paths as they are written')
  t.ok(answered > RATE, `${answered}`)
  t.ok(Math.abs(refused - answered * 0.75) < RATE / 8, `${refused} of ${answered}`)
  t.equal(errors, 0)
})

t.test('a status that is not the right one is an error, each time', async (t) => {
  for (const [key, status] of [
    ['GET /broken', 200],
    ['GET /check?id=a%20b', 404],
    ['DELETE /check', 500],
  ] as const) {
    let wrong = 0
    const { errors } = await offerTo(t, ({ method, url }, response) => {
      const isWrong = `${method} ${url}` === key
      if (isWrong) wrong++
      response.writeHead(isWrong ? status : (right[`${method} ${url}`] ?? 500)).end()
    })
    t.ok(wrong > RATE / 8, `${key}: ${wrong} times`)
    t.equal(errors, wrong, key)
  }
})

t.test('so is a request that is never answered', async (t) => {
  let silent = 0
  const { errors, rate } = await offerTo(t, ({ method, url }, response) => {
    if (url === '/nowhere') silent++
    else response.writeHead(right[`${method} ${url}`] ?? 500).end()
  })
  t.ok(silent > RATE / 8, `${silent} times`)
  t.equal(errors, silent)
  t.ok(Math.abs(rate / (RATE * 0.75) - 1) < 0.2, `${rate} a second were answered`)
})

t.test('so is a connection that breaks, once each', async (t) => {
  let seen = 0
  let broken = 0
  const { errors } = await offerTo(t, ({ method, url, socket }, response) => {
    if (url === '/nowhere' && ++seen % 10 === 0) {
      broken++
      socket.destroy()
    } else response.writeHead(right[`${method} ${url}`] ?? 500).end()
  })
  t.ok(broken >= 5, `${broken} times`)
  t.equal(errors, broken)
})

t.test('what was sent is answered, or an error', async (t) => {
  const counts = { sent: { 200: 10, 404: 5 }, answered: { 200: 10, 404: 5 }, broken: 0, others: 0 }
  t.equal(errorsOf(counts), 0)
  t.equal(errorsOf({ ...counts, answered: { 200: 8, 404: 4 } }), 3, 'three never were')
  t.equal(errorsOf({ ...counts, answered: { 200: 8, 404: 4 }, broken: 2 }), 3, 'two of them since a connection broke')
  t.equal(
    errorsOf({ ...counts, broken: 2, others: 3 }),
    5,
    'connections that nothing was asked over, or that were not made',
  )
  t.equal(errorsOf({ ...counts, answered: { 200: 9, 404: 4, 500: 1 } }), 2)
})

t.test('the rate is that of the time in which requests were sent', async (t) => {
  const { rate } = await offerTo(t, ({ method, url }, response) => {
    response.writeHead(right[`${method} ${url}`] ?? 500).end()
  })
  // Of 700 arrivals that are drawn: four standard deviations.
  t.ok(Math.abs(rate / RATE - 1) < 0.15, `${rate} of ${RATE} a second`)
})

t.test('times in all units that wrk has', async (t) => {
  const times = { '950.00us': 0.95, '1.20ms': 1.2, '1.20s': 1_200, '1.20m': 72_000, '1.20h': 4_320_000 }
  for (const [text, ms] of Object.entries(times)) t.ok(Math.abs(milliseconds(text) / ms - 1) < 1e-9, text)
  for (const text of [undefined, '', '1.20', '1.20d']) t.ok(Number.isNaN(milliseconds(text)), text ?? 'nothing')
})
