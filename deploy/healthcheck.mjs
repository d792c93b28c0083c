/** The image's health check: exits with 0 where the server of this container answers `/__lbheartbeat__`. It speaks HTTP/1.1. */

import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'

const { HOST = '127.0.0.1', PORT = '8080', TLS_CERT = '' } = process.env
const everyAddress = { '0.0.0.0': '127.0.0.1', '::': '::1' }
const options = {
  host: everyAddress[HOST] ?? HOST,
  port: PORT,
  path: '/__lbheartbeat__',
  timeout: 2_000,
  // The certificate is for the clients; whether they trust it isn't asked here.
  rejectUnauthorized: false,
}
const req = (TLS_CERT === '' ? requestHttp : requestHttps)(options, ({ statusCode }) => {
  process.exit(statusCode === 200 ? 0 : 1)
})
req.on('timeout', () => req.destroy(new Error('no answer within 2 s')))
req.on('error', ({ message }) => {
  console.error(message)
  process.exit(1)
})
req.end()
