#!/usr/bin/env node
/**
 * The reference: the HTTP library with one constant answer, the same bytes and headers as a check's, and no logic at all. Not one
 * line that isn't needed for that, but the counting of requests. `BODY_BYTES`: length of the body; `HEADERS=one`: written in one
 * call, as the check does.
 */

import { loadLibrary } from '../../service/http/index.ts'

const body = Buffer.alloc(Number(process.env.BODY_BYTES ?? 400), 'x')
const headers = [
  ['Content-Type', 'application/json'],
  ['Cache-Control', 'max-age=3600, stale-while-revalidate=600, stale-if-error=259200'],
  ['Cache-Status', 'versioncheck; hit; detail=memory'],
  ['ETag', '"0123456789012345678901"'],
] as const
const block = Buffer.from(['200 OK', ...headers.map((header) => header.join(': '))].join('\r\n'))

const app = loadLibrary().uws.App()
const port = Number(process.env.PORT)
let count = 0
app.get('/count', (res) => {
  res.end(String(count))
})
if (process.env.HEADERS === 'one') {
  app.get('/*', (res) => {
    count++
    res.writeStatus(block as unknown as string)
    res.end(body)
  })
} else {
  app.get('/*', (res) => {
    count++
    for (const [name, text] of headers) res.writeHeader(name, text)
    res.end(body)
  })
}
app.listen('127.0.0.1', port, (socket) => {
  if (!socket) process.exit(1)
  console.log(`ready http://127.0.0.1:${port}`)
})
