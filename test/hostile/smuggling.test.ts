/**
 * Request smuggling: no form of a request gets a second answer. Each case hides a request in what one reader takes for a body
 * and another doesn't; a second status line in the reply means that the server ran what was hidden.
 */

import t from 'tap'
import { sendRaw } from '../harness/http.ts'
import { startServer } from '../harness/server.ts'

const server = await startServer(t)
/** Answered after a look-up, and answered at once. */
const paths = ['/update/?id=a@b&appID={ec8030f7-c20a-464f-9b0e-13a3a9e97384}&appVersion=140.0', '/update/']
const hidden = `GET /update/hidden.json HTTP/1.1\r\nHost: x\r\n\r\n`
const length = String(hidden.length)
const chunked = `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`

/** Headers of the outer request, and what follows its blank line. */
const cases: readonly (readonly [title: string, headers: readonly string[], body: string])[] = [
  ['two lengths, the second 0', [`Content-Length: ${length}`, 'Content-Length: 0'], hidden],
  ['two lengths, the first 0', ['Content-Length: 0', `Content-Length: ${length}`], hidden],
  ['two equal lengths', [`Content-Length: ${length}`, `Content-Length: ${length}`], hidden + hidden],
  ['three lengths', ['Content-Length: 1', 'Content-Length: 2', 'Content-Length: 3'], hidden],
  ['a list of lengths', [`Content-Length: ${length}, 0`], hidden],
  ['a list that begins with 0', [`Content-Length: 0, ${length}`], hidden],
  ['a signed length', [`Content-Length: +${length}`], hidden],
  ['a negative length', ['Content-Length: -1'], hidden],
  ['a hexadecimal length', [`Content-Length: 0x${hidden.length.toString(16)}`], hidden],
  ['a length beyond all bounds', ['Content-Length: 18446744073709551616'], hidden],
  ['a length with a fraction', ['Content-Length: 0.0'], hidden],
  ['a length behind a tab', [`Content-Length:\t${length}`], hidden],
  ['a space before the colon', [`Content-Length : ${length}`], hidden],
  ['an underscore for the hyphen', [`Content_Length: ${length}`, 'Content-Length: 0, 0'], hidden],
  ['chunked', ['Transfer-Encoding: chunked'], chunked],
  ['chunked, with a length that ends early', ['Transfer-Encoding: chunked', 'Content-Length: 4'], chunked],
  ['a length that ends early, then chunked', ['Content-Length: 4', 'Transfer-Encoding: chunked'], chunked],
  [
    'chunked, nothing in it, then more',
    ['Transfer-Encoding: chunked', `Content-Length: ${length}`],
    `0\r\n\r\n${hidden}`,
  ],
  ['an encoding nobody knows', ['Transfer-Encoding: xchunked', 'Content-Length: 4'], chunked],
  ['chunked twice', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], chunked],
  ['identity, then chunked', ['Transfer-Encoding: identity, chunked', 'Content-Length: 4'], chunked],
  ['chunked, then identity', ['Transfer-Encoding: chunked, identity', 'Content-Length: 4'], chunked],
  ['chunked behind a vertical tab', ['Transfer-Encoding: \x0bchunked', 'Content-Length: 4'], chunked],
  ['a space before the colon of the encoding', ['Transfer-Encoding : chunked', 'Content-Length: 4'], chunked],
  ['a folded encoding', ['Transfer-Encoding:\r\n chunked', 'Content-Length: 4'], chunked],
  ['a folded length', ['X: y\r\n Content-Length: 0', `Content-Length: ${length}`], hidden + hidden],
  ['chunks with an extension', ['Transfer-Encoding: chunked'], `0;a=b\r\n\r\n${hidden}`],
  ['a chunk size beyond all bounds', ['Transfer-Encoding: chunked'], `ffffffffffffffffff\r\n${hidden}`],
  ['a line feed alone', ['X: y\nContent-Length: 0'], hidden],
  ['a header without a colon', ['Content-Length 5'], hidden],
  ['a NUL in a name', [`Content-Length\0: ${length}`, 'Content-Length: 0, 0'], hidden],
]

for (const method of ['GET', 'HEAD', 'POST']) {
  t.test(`${method}: one answer or none`, async (t) => {
    for (const [title, headers, body] of cases) {
      for (const path of paths) {
        const head = [`${method} ${path} HTTP/1.1`, 'Host: x', ...headers].map((line) => `${line}\r\n`).join('')
        const reply = await sendRaw(server.url, [`${head}\r\n${body}`], { idleMs: 150 })
        const answers = reply.match(/HTTP\/1\.1 \d{3}/g) ?? []
        t.ok(answers.length <= 1, `${title}: ${answers.join(', ') || 'cut off'}`)
      }
    }
  })
}

t.test('a blank length, which a GET may bear: every reader takes it for 0', async (t) => {
  const reply = await sendRaw(server.url, [`POST /update/ HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n${hidden}`])
  t.equal(reply, '', 'a method that has a body is cut off')
})

t.test('two requests that are two requests get two answers', async (t) => {
  const plain = 'GET /update/ HTTP/1.1\r\nHost: x\r\n\r\n'
  const reply = await sendRaw(server.url, [plain + plain])
  t.equal(reply.match(/HTTP\/1\.1 400/g)?.length, 2)
})

t.test('it lives', async (t) => {
  t.match(await sendRaw(server.url, [`GET ${paths[0]} HTTP/1.1\r\nHost: x\r\n\r\n`]), /^HTTP\/1\.1 200 /)
})
