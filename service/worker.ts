/** One worker: builds the rooms upwards, from databases to the open port, and closes them downwards. */

import { join } from 'node:path'
import { openTiers } from './cache/index.ts'
import type { Config } from './config.ts'
import { type Endpoint, openReplicas } from './database/index.ts'
import { createDownload, openStore } from './files/index.ts'
import {
  type Address,
  endWithoutBody,
  findAddress,
  type Handler,
  type Library,
  listen,
  type Route,
} from './http/index.ts'
import { createHealth, describeProgram, type Log, startMetrics } from './observe/index.ts'
import { createCheck, emptyCounts } from './update/index.ts'
import { watchWorker } from './watch.ts'

export interface WorkerOptions {
  readonly config: Config
  readonly readers: readonly [Endpoint, ...Endpoint[]]
  /** Seals what is kept in memcached, unless the configuration has a secret of its own. */
  readonly cacheSecret: string
  /** Of the database that the readers are of. */
  readonly identity: string
  readonly uws: Library
  readonly log: Log
}

export interface Worker {
  readonly address: Address
  /** Number of the last change of the feed that it knows. */
  readonly position: number
  /** Stops listening, ends what runs, closes everything. May be called twice. */
  close(): Promise<void>
}

/** Resolves when it serves. */
export async function startWorker({
  config,
  readers,
  cacheSecret,
  identity,
  uws,
  log,
}: WorkerOptions): Promise<Worker> {
  const address = await findAddress(config.host, config.port, { isTls: config.tls !== undefined })
  const siteUrl = config.siteUrl ?? address.url
  // Workers spread over the replicas: those of one host by their ports.
  const replicas = openReplicas(readers, { preferred: address.port })
  /** What has been opened, in order. */
  const closers: (() => Promise<void>)[] = [replicas.close]
  const close = async () => {
    for (const closeOne of closers.splice(0).reverse()) await closeOne()
  }
  try {
    const { memcachedServers: servers, cachePrefix: prefix, cacheSecret: secret = cacheSecret } = config
    const tiers = await openTiers({
      replicas,
      siteUrl,
      memoryEntries: config.memoryEntries,
      batching: config.batching,
      memcached: servers.length === 0 ? undefined : { servers, prefix, secret },
      snapshotFolder: join(config.dataDir, 'snapshots', identity),
      snapshotAgeMaxS: config.snapshotAgeMaxS,
      log,
    })
    closers.push(tiers.close)
    const counts = emptyCounts()
    const health = createHealth(() => ({
      answered: counts.memory + counts.memcached + counts.replica,
      unavailable: counts.unavailable,
      knowsSomething: tiers.ageS() === 0 || (tiers.memory !== undefined && tiers.memory.size > 0),
      isWithheld: tiers.standing.isWithheld,
      ageS: tiers.staleS(),
    }))
    closers.push(health.close)
    if (config.metricsPort !== undefined) {
      const metrics = await startMetrics(config.metricsPort, log)
      closers.push(metrics.close, watchWorker(metrics.registry, { replicas, tiers, counts }))
    }

    const store = openStore(config.filesDir)
    const program = JSON.stringify(describeProgram())
    const server = listen({
      uws,
      address,
      ...(config.tls && { tls: config.tls }),
      log,
      routes(flights): readonly Route[] {
        const check = createCheck({
          applications: tiers.applications,
          siteUrl,
          held: tiers.held,
          standing: tiers.standing,
          fetch: tiers.fetch,
          begin: (res) => flights.begin(res),
          endWithoutBody,
          counts,
        })
        const download = createDownload({ find: tiers.findPackage, store, flights, log })
        return [
          { path: '/update/VersionCheck.php', get: check.get, head: check.head },
          { path: '/update/', get: check.get, head: check.head },
          { path: '/update/*', get: check.getListing, head: check.headListing },
          { path: '/:application/downloads/file/:id/:filename', get: download.get, head: download.head },
          textRoute('/__lbheartbeat__', () => ({ status: '200 OK', text: '' })),
          textRoute('/__heartbeat__', (closing) => {
            const { isReady, ...details } = health.judge(closing)
            return { status: isReady ? '200 OK' : '503 Service Unavailable', text: JSON.stringify(details) }
          }),
          textRoute('/__version__', () => ({ status: '200 OK', text: program })),
        ]
      },
    })
    closers.push(server.close)
    return {
      address,
      get position() {
        return tiers.timeline.position.counter
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** `answer` is told whether the answer will close its connection. */
function textRoute(path: string, answer: (closing: boolean) => { status: string; text: string }): Route {
  const handler =
    (head: boolean): Handler =>
    (res, _req, closing) => {
      const { status, text } = answer(closing)
      res.writeStatus(status).writeHeader('Content-Type', 'application/json').writeHeader('Cache-Control', 'no-store')
      if (head) endWithoutBody(res, closing, Buffer.byteLength(text))
      else res.end(text, closing)
    }
  return { path, get: handler(false), head: handler(true) }
}
