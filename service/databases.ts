/** Which databases a configuration means: the ones it names, or the private one of its DATA_DIR. */

import { createHash } from 'node:crypto'
import type { Config } from './config.ts'
import { derivedSecret, describeEndpoint, type Endpoint, endpointAs } from './database/index.ts'
import { startPrivateDatabase, usePrivateDatabase } from './embedded/index.ts'

export interface Databases {
  /** Migrates, and lets the others in. */
  readonly owner: Endpoint
  /** Writes the catalogue. */
  readonly catalog: Endpoint
  /** Where clients' questions are answered from; the primary itself where there is no replica. */
  readonly readers: readonly [Endpoint, ...Endpoint[]]
  /** Whether any of `readers` follows the primary, so that a change takes a moment to get there. */
  readonly replicated: boolean
  readonly private: boolean
  /** Known to all hosts of the same DATABASE_URL. */
  readonly cacheSecret: string
  /** Tells databases apart: what was kept of one is nothing to answer from for another. */
  readonly identity: string
  close(): Promise<void>
}

/** `start`: own the private database, or fail; `use`: share it with whoever runs it. */
export async function openDatabases(
  config: Config,
  mode: 'start' | 'use',
  progress: (line: string) => void,
): Promise<Databases> {
  const { database: owner, replicas, dataDir } = config
  if (owner !== undefined) {
    const reader = endpointAs(owner, 'reader')
    const [first, ...rest] = replicas.map((replica) =>
      replica.user === '' ? { ...replica, user: reader.user, password: reader.password } : replica,
    )
    return {
      owner,
      catalog: endpointAs(owner, 'catalog'),
      readers: first === undefined ? [reader] : [first, ...rest],
      replicated: first !== undefined,
      private: false,
      cacheSecret: derivedSecret(owner, 'memcached'),
      identity: identityOf(owner),
      close: async () => {},
    }
  }
  const open = mode === 'start' ? startPrivateDatabase : usePrivateDatabase
  const { primary, replica, close } = await open({ dataDir, progress })
  return {
    owner: primary,
    catalog: endpointAs(primary, 'catalog'),
    readers: [endpointAs(replica, 'reader')],
    replicated: true,
    private: true,
    cacheSecret: derivedSecret(primary, 'memcached'),
    identity: 'private',
    close,
  }
}

/** Of a database that is configured: where it is, whoever asks. */
export function identityOf(owner: Endpoint): string {
  return createHash('sha256').update(describeEndpoint(owner)).digest('hex').slice(0, 12)
}
