/** Downloads: the file behind every update_link, and who doesn't get it. */

import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { ask, check } from '../harness/http.ts'
import { startStack } from '../harness/stack.ts'

const stack = await startStack(t)
const GUID = 'files@example.test'
const size = 3 * 1024 * 1024 + 17
const bytes = randomBytes(size)
const digest = createHash('sha256').update(bytes).digest('hex')
const link = '/firefox/downloads/file/1010/files-1.0.xpi'

/** A package of random bytes: what is served isn't looked into. */
async function offer(overrides: { addon?: object; version?: object; file?: object } = {}): Promise<void> {
  await stack.empty()
  const file = { id: 1010, filename: 'files-1.0.xpi', hash: `sha256:${digest}`, size, ...overrides.file }
  const version = {
    id: 101,
    version: '1.0',
    compatibility: { firefox: { min: '57.0', max: '*' } },
    file,
    ...overrides.version,
  }
  await stack.load([{ guid: GUID, versions: [version], ...overrides.addon }])
  await stack.owner.write('UPDATE files SET package = ?', [digest])
  await stack.settle()
}

const path = join(stack.folder, 'package')
await writeFile(path, bytes)
t.test('the store names a file by what is in it', async (t) => {
  t.equal(await stack.store.take(path), digest)
  t.equal(await stack.store.take(path), digest, 'twice is once')
  t.equal(await stack.store.sizeOf(digest), size)
  t.equal(await stack.store.isIntact(digest), true)
  t.equal(await stack.store.isIntact('0'.repeat(64)), undefined)
  await offer()
})

t.test('update_link leads to the bytes that update_hash names', async (t) => {
  const [update] = JSON.parse((await check(stack.url, GUID)).text).addons[GUID].updates
  t.equal(update.update_link, `${stack.url}${link}`)
  const reply = await ask(stack.url, new URL(update.update_link).pathname)
  t.equal(reply.status, 200)
  t.equal(`sha256:${createHash('sha256').update(reply.body).digest('hex')}`, update.update_hash)
  t.match(reply.headers, {
    'content-type': 'application/x-xpinstall',
    'content-length': String(size),
    'x-content-type-options': 'nosniff',
    'accept-ranges': 'bytes',
    etag: `"${digest}"`,
    'cache-control': 'no-cache',
  })
})

t.test('HEAD, validators and one range', async (t) => {
  const etag = `"${digest}"`
  const head = await ask(stack.url, link, { method: 'HEAD' })
  t.match(head, { status: 200, text: '', headers: { 'content-length': String(size), etag } })
  for (const header of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
    t.match(
      await ask(stack.url, link, { headers: { 'If-None-Match': header } }),
      { status: 304, text: '', headers: { etag } },
      header,
    )
  }
  const part = await ask(stack.url, link, { headers: { Range: 'bytes=100-199' } })
  t.match(part, { status: 206, headers: { 'content-range': `bytes 100-199/${size}`, 'content-length': '100' } })
  t.ok(part.body.equals(bytes.subarray(100, 200)))
  const headOfPart = await ask(stack.url, link, { method: 'HEAD', headers: { Range: 'bytes=100-199' } })
  t.match(headOfPart, { status: 200, headers: { 'content-length': String(size) } }, 'a range is for GET alone')
  t.notOk(headOfPart.headers['content-range'])
  const headBeyond = await ask(stack.url, link, { method: 'HEAD', headers: { Range: `bytes=${size}-` } })
  t.match(headBeyond, { status: 200, headers: { 'content-length': String(size) } })
  const tail = await ask(stack.url, link, { headers: { Range: 'bytes=-5' } })
  t.ok(tail.body.equals(bytes.subarray(-5)))
  const beyond = await ask(stack.url, link, { headers: { Range: `bytes=${size}-` } })
  t.match(beyond, { status: 416, headers: { 'content-range': `bytes */${size}` } })
  const kept = await ask(stack.url, link, { headers: { Range: 'bytes=0-9', 'If-Range': etag } })
  t.equal(kept.status, 206, 'If-Range with the validator')
  const changed = await ask(stack.url, link, { headers: { Range: 'bytes=0-9', 'If-Range': '"other"' } })
  t.match(changed, { status: 200, headers: { 'content-length': String(size) } }, 'If-Range with another')
})

t.test('what is not public is not there', async (t) => {
  const hidden: readonly (readonly [string, Parameters<typeof offer>[0]])[] = [
    ['the file is disabled', { file: { status: 'disabled' } }],
    ['the file awaits review', { file: { status: 'awaiting_review' } }],
    ['the version is deleted', { version: { deleted: true } }],
    ['the version is unlisted', { version: { channel: 'unlisted' } }],
    ['the add-on is disabled by the site', { addon: { status: 'disabled' } }],
    ['the add-on is deleted', { addon: { status: 'deleted' } }],
    ['the add-on is disabled by its developer', { addon: { disabled_by_user: true } }],
  ]
  for (const [title, overrides] of hidden) {
    await offer(overrides)
    t.match(await ask(stack.url, link), { status: 404, headers: { 'cache-control': 'no-store' } }, title)
  }
  await offer({ addon: { status: 'incomplete' } })
  t.equal((await ask(stack.url, link)).status, 200, 'incomplete add-ons pass, as in update checks')
  for (const id of ['0', '1', '-1', '1010x', '99999999999', '%31010', '4294967296', '']) {
    t.equal((await ask(stack.url, `/firefox/downloads/file/${id}/x.xpi`)).status, 404, `file ${id}`)
  }
  t.equal((await ask(stack.url, link, { method: 'POST' })).status, 405)
})

t.test('a file whose package never came is offered, and its link answers 404', async (t) => {
  await stack.empty()
  await stack.load([{ guid: GUID, versions: [{ version: '1.0', compatibility: { firefox: {} } }] }])
  const [update] = JSON.parse((await check(stack.url, GUID)).text).addons[GUID].updates
  t.equal((await ask(stack.url, new URL(update.update_link).pathname)).status, 404)
})

t.test('a file of another host keeps its address', async (t) => {
  await stack.empty()
  const url = 'https://example.com/files/x%20y.xpi?z=1'
  await stack.load([{ guid: GUID, versions: [{ version: '1.0', compatibility: { firefox: {} }, file: { url } }] }])
  const [update] = JSON.parse((await check(stack.url, GUID)).text).addons[GUID].updates
  t.equal(update.update_link, url)
})

t.test('a damaged package is not there', async (t) => {
  const home = stack.store.pathOf(digest)
  await offer()
  t.teardown(() => writeFile(home, bytes))
  for (const [title, left] of [
    ['empty', bytes.subarray(0, 0)],
    ['cut short', bytes.subarray(0, 1_000)],
    ['longer', Buffer.concat([bytes, bytes.subarray(0, 1)])],
  ] as const) {
    const told = t.capture(stack.log, 'error')
    await writeFile(home, left)
    for (const method of ['GET', 'HEAD']) {
      t.match(await ask(stack.url, link, { method }), { status: 404, headers: { 'cache-control': 'no-store' } }, title)
    }
    await Promise.all(Array.from({ length: 20 }, () => ask(stack.url, link)))
    const calls = told()
    t.match(calls, [{ args: [{ digest, size: left.length, sizeThen: size }, /damaged/] }])
    t.equal(calls.length, 1, 'it is told once, whoever asks')
    told.restore()
  }
  await writeFile(home, bytes)
  t.equal((await ask(stack.url, link)).status, 200, 'mended, it is there again')
  await stack.owner.write('UPDATE files SET size = size + 1')
  await stack.settle()
  const told = t.capture(stack.log, 'warn')
  t.equal((await ask(stack.url, link)).status, 200, 'a wrong size in the catalogue takes nothing away')
  t.match(told.args(), [[{ digest }, /another size/]])
})

t.test('an empty package is one of no bytes', async (t) => {
  const empty = join(stack.folder, 'empty')
  await writeFile(empty, '')
  const digestOfNothing = await stack.store.take(empty)
  await offer({ file: { size: 0 } })
  await stack.owner.write('UPDATE files SET package = ?', [digestOfNothing])
  await stack.settle()
  for (const method of ['GET', 'HEAD']) {
    t.match(await ask(stack.url, link, { method }), { status: 200, text: '', headers: { 'content-length': '0' } })
  }
  const beyond = await ask(stack.url, link, { headers: { Range: 'bytes=0-' } })
  t.match(beyond, { status: 416, headers: { 'content-range': 'bytes */0' } })
})

t.test('slow readers and those that leave', async (t) => {
  await offer()
  const { hostname, port } = new URL(stack.url)
  const received = await new Promise<number>((resolve) => {
    let count = 0
    const socket = connect(Number(port), hostname)
    socket.on('data', (chunk) => {
      count += chunk.length
      socket.pause()
      setTimeout(() => socket.resume(), 1)
    })
    socket.on('close', () => resolve(count))
    socket.write(`GET ${link} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`)
    setTimeout(() => socket.end(), 4_000).unref()
  })
  t.ok(received > size, `a slow reader got ${received} bytes with the headers`)
  for (let index = 0; index < 50; index++) {
    const socket = connect(Number(port), hostname)
    socket.write(`GET ${link} HTTP/1.1\r\nHost: x\r\n\r\n`)
    await new Promise((resolve) => socket.once('data', resolve))
    socket.destroy()
  }
  const all = await Promise.all(Array.from({ length: 20 }, () => ask(stack.url, link)))
  t.ok(
    all.every(({ body }) => body.equals(bytes)),
    'many at once, each whole',
  )
})
