/** The HTTP library that two rungs use without a framework: the same that ours uses. */

import { parse } from 'node:querystring'
import { loadLibrary } from '../../../../service/http/index.ts'
import { type Answer, type Asked, BAD_REQUEST, HEADERS, readAsked } from './check.ts'
import { port, sayReady } from './environment.ts'

/** Listens, and has every check answered; a failure of the database is a 500. */
export function serveWithLibrary(find: (asked: Asked, done: (error: unknown, found?: Answer) => void) => void): void {
  const { uws } = loadLibrary()
  const app = uws.App()
  app.get('/update/VersionCheck.php', (res, req) => {
    let isAborted = false
    res.onAborted(() => {
      isAborted = true
    })
    const send = ({ status, body }: Answer) => {
      if (status === 400) res.writeStatus('400 Bad Request')
      for (const [name, value] of Object.entries(HEADERS)) res.writeHeader(name, value)
      res.end(JSON.stringify(body))
    }
    const asked = readAsked(parse(req.getQuery() ?? ''))
    if (asked === undefined) {
      send(BAD_REQUEST)
      return
    }
    find(asked, (error, found) => {
      if (isAborted) return
      res.cork(() => {
        if (found === undefined) {
          console.error(error)
          res.writeStatus('500 Internal Server Error').end()
        } else send(found)
      })
    })
  })
  // Exclusively: otherwise two servers on one port would share it silently. The library's types lack this form.
  const listen = app.listen as unknown as (
    host: string,
    port: number,
    how: number,
    done: (socket: unknown) => void,
  ) => void
  listen.call(app, '127.0.0.1', port, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
    if (!socket) {
      console.error(`port ${port} is taken`)
      process.exit(1)
    }
    sayReady()
  })
}
