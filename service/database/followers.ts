/** The replicas as a writer sees them: has what I committed arrived there? */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from 'mysql2'
import { VersioncheckError } from '../errors.ts'
import { connect, execute } from './connection.ts'
import type { Endpoint } from './endpoint.ts'

const RETRY_MS = 50

export interface Followers {
  /** Waits until each has applied a position of the primary's binlog; returns those that have not, or can't be asked. */
  wait(position: string, seconds: number): Promise<readonly Endpoint[]>
  close(): void
}

/** Connects when it is first asked, and again after a failure. */
export function openFollowers(endpoints: readonly Endpoint[]): Followers {
  const connections = new Map<Endpoint, Connection>()

  async function hasApplied(endpoint: Endpoint, position: string, seconds: number): Promise<boolean> {
    const giveUpAt = performance.now() + seconds * 1_000
    for (;;) {
      const left = Math.max(0, (giveUpAt - performance.now()) / 1_000)
      try {
        const connection = connections.get(endpoint) ?? (await connect(endpoint, { connectMs: seconds * 1_000 }))
        connections.set(endpoint, connection)
        const [row] = await execute(connection, 'SELECT MASTER_GTID_WAIT(?, ?) AS timedOut', [position, left], {
          deadlineMs: left * 1_000 + 500,
        })
        return row?.timedOut === 0
      } catch (error) {
        connections.get(endpoint)?.destroy()
        connections.delete(endpoint)
        if (!isNotThereYet(error) || performance.now() >= giveUpAt) return false
        await sleep(RETRY_MS)
      }
    }
  }

  return {
    async wait(position, seconds) {
      const applied = await Promise.all(endpoints.map((endpoint) => hasApplied(endpoint, position, seconds)))
      return endpoints.filter((_, index) => !applied[index])
    },
    close() {
      for (const connection of connections.values()) connection.destroy()
      connections.clear()
    },
  }
}

/** A new replica may not have database and account yet. */
function isNotThereYet(error: unknown): boolean {
  return error instanceof VersioncheckError && (error.code === 'database_refused' || error.code === 'database_unknown')
}
