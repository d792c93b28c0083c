/** Metrics in the text format of Prometheus, on a port of their own that only this machine can reach. */

import { createServer } from 'node:http'
import type { Registry } from 'prom-client'
import { reasonOf, VersioncheckError } from '../errors.ts'
import type { Log } from './log.ts'

export interface Metrics {
  readonly registry: Registry
  close(): Promise<void>
}

/** `port` 0: any free one. Throws `port_in_use`. */
export async function startMetrics(port: number, log: Log): Promise<Metrics> {
  // Not by those who don't measure: the command line starts sooner without.
  const { collectDefaultMetrics, Registry } = await import('prom-client')
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const server = createServer(async (req, res) => {
    if (req.url?.split('?')[0] !== '/metrics' || req.method !== 'GET') {
      res.writeHead(404).end()
      return
    }
    try {
      res.writeHead(200, { 'Content-Type': registry.contentType }).end(await registry.metrics())
    } catch (error) {
      log.error({ err: error }, 'the metrics could not be collected')
      res.destroy()
    }
  })
  server.requestTimeout = 5_000
  server.maxConnections = 100
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
  } catch (cause) {
    throw new VersioncheckError('port_in_use', `METRICS_PORT ${port} can't be used: ${reasonOf(cause)}.`, {
      hint: 'Choose another METRICS_PORT, or unset it.',
      cause,
    })
  }
  const address = server.address() as { port: number }
  log.info({ url: `http://127.0.0.1:${address.port}/metrics` }, 'metrics')
  return {
    registry,
    async close() {
      registry.clear()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
