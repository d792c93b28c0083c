/** One worker: builds the rooms upwards, from databases to the open port, and closes them downwards. */

import { createSource, openApplications } from './cache/index.ts'
import type { Config } from './config.ts'
import { type Endpoint, openReplicas } from './database/index.ts'
import { createDownload, openStore } from './files/index.ts'
import { type Address, endWithoutBody, type Library, listen, type Route } from './http/index.ts'
import type { Log } from './observe/index.ts'
import { createCheck } from './update/index.ts'

export interface WorkerOptions {
  readonly config: Config
  readonly readers: readonly [Endpoint, ...Endpoint[]]
  readonly uws: Library
  readonly log: Log
}

export interface Worker {
  readonly address: Address
  /** Stops listening, ends what runs, closes everything. May be called twice. */
  close(): Promise<void>
}

/** Resolves when it serves. */
export async function startWorker({ config, readers, uws, log }: WorkerOptions): Promise<Worker> {
  const replicas = openReplicas(readers)
  try {
    const applications = await openApplications(replicas)
    const store = openStore(config.filesDir)
    const server = listen({
      uws,
      host: config.host,
      port: config.port,
      ...(config.tls && { tls: config.tls }),
      log,
      routes(address, flights): readonly Route[] {
        const siteUrl = config.siteUrl ?? address.url
        const source = createSource({ replicas, siteUrl, applications: applications.current })
        const check = createCheck({
          applications: applications.current,
          fetch: source.fetch,
          begin: (res) => flights.begin(res),
          endWithoutBody,
        })
        const download = createDownload({ replicas, store, flights })
        return [
          { path: '/update/VersionCheck.php', get: check.get, head: check.head },
          { path: '/update/', get: check.get, head: check.head },
          { path: '/update/*', get: check.getListing, head: check.headListing },
          { path: '/:application/downloads/file/:id/:filename', get: download.get, head: download.head },
          { path: '/__lbheartbeat__', get: (res, _req, closing) => res.end('', closing) },
        ]
      },
    })
    return {
      address: server.address,
      async close() {
        await server.close()
        applications.close()
        await replicas.close()
      },
    }
  } catch (error) {
    await replicas.close()
    throw error
  }
}
