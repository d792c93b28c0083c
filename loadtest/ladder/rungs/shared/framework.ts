/** The ordinary web framework of three rungs: Fastify, one of the quicker ones, so that it isn't the framework that is compared. */

import fastify from 'fastify'
import { type Answer, type Asked, BAD_REQUEST, HEADERS, type Query, readAsked } from './check.ts'
import { port, sayReady } from './environment.ts'

/** Clients that wait between their checks keep their connections, as they do with ours. */
const KEEP_ALIVE_MS = 60_000

/** Listens, and has every check answered. */
export async function serveWithFramework(find: (asked: Asked) => Promise<Answer>): Promise<void> {
  const app = fastify({ keepAliveTimeout: KEEP_ALIVE_MS })
  app.get<{ Querystring: Query }>('/update/VersionCheck.php', async (request, reply) => {
    const asked = readAsked(request.query)
    const { status, body } = asked === undefined ? BAD_REQUEST : await find(asked)
    return reply.code(status).headers(HEADERS).send(body)
  })
  await app.listen({ host: '127.0.0.1', port })
  sayReady()
}
