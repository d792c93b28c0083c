/** Clauses of the contract that no vector holds, and what load balancers ask. */

import t from 'tap'
import { ask, check, FIREFOX, sendRaw } from '../harness/http.ts'
import { startStack } from '../harness/stack.ts'

const stack = await startStack(t)
await stack.load([
  { guid: 'a@x', versions: [{ version: '1.0', compatibility: { firefox: { min: '42.0', max: '*' } } }] },
])

t.test('white space is blank, also where it is not of ASCII', async (t) => {
  for (const blank of ['%20', '+', '%09%20', '%C2%A0', '%E3%80%80']) {
    for (const query of [
      `id=${blank}&appID=${FIREFOX}&appVersion=140.0`,
      `id=a@x&appID=${FIREFOX}&appVersion=${blank}`,
      `id=a@x&appID=${blank}&appVersion=140.0`,
    ]) {
      t.match(await ask(stack.url, `/update/?${query}`), { status: 400, text: '{}' }, query)
    }
  }
  t.match(await ask(stack.url, `/update/?id=%C3%A9@x&appID=${FIREFOX}&appVersion=140.0`), { status: 200, text: '{}' })
  t.match((await ask(stack.url, `/update/?id=a@x&appID=${FIREFOX}&appVersion=x`)).status, 200, 'any text is a version')
})

t.test('other methods are told which ones there are', async (t) => {
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    t.match(await ask(stack.url, '/update/', { method }), { status: 405, headers: { allow: 'GET, HEAD' } }, method)
  }
})

t.test('HEAD never has a body: the next answer on its connection is the next one', async (t) => {
  const good = `?id=a@x&appID=${FIREFOX}&appVersion=140.0`
  for (const path of [
    `/update/${good}`,
    '/update/',
    '/nothing',
    '/update/nobody.json',
    '/__version__',
    '/__heartbeat__',
  ]) {
    const request = (method: string) => `${method} ${path} HTTP/1.1\r\nHost: x\r\n\r\n`
    const reply = await sendRaw(stack.url, [request('HEAD') + request('GET')])
    const [head = '', rest = '', body = ''] = reply.split('\r\n\r\n')
    const lengthOf = (text: string) => /\r\nContent-Length: (\d+)/i.exec(text)?.[1]
    t.match(rest, /^HTTP\/1\.1 /, path)
    t.equal(lengthOf(head), lengthOf(rest), `${path}: the length that GET has`)
    t.equal(Buffer.byteLength(body, 'latin1'), Number(lengthOf(rest)), `${path}: and GET has a body of it`)
  }
})

t.test('several lines of If-None-Match are one list', async (t) => {
  const target = `/update/?id=a@x&appID=${FIREFOX}&appVersion=140.0`
  const etag = (await ask(stack.url, target)).headers.etag as string
  const statusOf = async (...tags: string[]) => {
    const lines = tags.map((tag) => `If-None-Match: ${tag}\r\n`).join('')
    return (await sendRaw(stack.url, [`GET ${target} HTTP/1.1\r\nHost: x\r\n${lines}\r\n`])).slice(9, 12)
  }
  t.equal(await statusOf('"abc"', etag), '304')
  t.equal(await statusOf(etag, '"abc"'), '304')
  t.equal(await statusOf('"abc"', '*'), '304')
  t.equal(await statusOf('*', '"abc"'), '304')
  t.equal(await statusOf(etag, ''), '304')
  t.equal(await statusOf('', etag), '200', 'a blank one first hides the others: the whole answer is never wrong')
  t.equal(await statusOf('"abc"', '"def"'), '200')
})

t.test('how an answer came about, and what load balancers ask', async (t) => {
  t.match(
    (await check(stack.url, 'a@x')).headers['cache-status'],
    /^versioncheck; (?:hit; detail=memory|fwd=miss; detail=replica)$/,
  )
  for (const path of ['/__lbheartbeat__', '/__heartbeat__', '/__version__']) {
    t.match(await ask(stack.url, path), { status: 200, headers: { 'cache-control': 'no-store' } }, path)
  }
  t.match(JSON.parse((await ask(stack.url, '/__heartbeat__')).text), { status: 'ok', ageS: 0, unavailableShare: 0 })
  t.match(Object.keys(JSON.parse((await ask(stack.url, '/__version__')).text)), [
    'version',
    'commit',
    'source',
    'build',
  ])
})
